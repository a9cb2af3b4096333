//! APIs and their documents.

use std::sync::Arc;

use apidef::{Api, Edit};
use common::id::ApiId;
use common::{Error, Page, Result};
use contracts::Ctx;
use contracts::apis::{ApiDetail, ApiSummary, DeleteApi, EditApi, FindApis, GetApi, ListApis, SecretHeader};
use contracts::stream::Liveness;
use database::{TenantTx, audit, changes};
use serde_json::json;

use super::{blocking, open, parse, seal, stages, summaries, summary};
use crate::domain::{documents, secret_headers, stages as rules};
use crate::store::apis::DocumentRow;
use crate::{State, store};

/// Times an edit without an expected revision is tried again on a newer document.
const TRIES: u32 = 10;
/// Most edits of one request: each looks at the whole document.
const MAX_EDITS: usize = 200;
/// Most ids of one [`FindApis`].
const MAX_IDS: usize = 100;

/// The tenant's APIs.
pub(crate) async fn list(state: Arc<State>, ctx: Ctx, input: ListApis) -> Result<Page<ApiSummary>> {
    let tx = state.database.tenant_read(&ctx).await?;
    let page = store::apis::list(&tx, &input.page, input.search.as_deref()).await?;
    let items = summaries(&tx, &state.config, page.items).await?;
    Ok(Page { items, next: page.next })
}

/// Those of the APIs that exist.
pub(crate) async fn find(state: Arc<State>, ctx: Ctx, input: FindApis) -> Result<Vec<ApiSummary>> {
    if input.ids.len() > MAX_IDS {
        return Err(Error::invalid("ids", format!("at most {MAX_IDS}")));
    }
    let tx = state.database.tenant_read(&ctx).await?;
    let mut rows = store::apis::find(&tx, &input.ids).await?;
    rows.sort_by_key(|row| input.ids.iter().position(|id| *id == row.id));
    summaries(&tx, &state.config, rows).await
}

/// One API with its document.
pub(crate) async fn get(state: Arc<State>, ctx: Ctx, input: GetApi) -> Result<ApiDetail> {
    let tx = state.database.tenant_read(&ctx).await?;
    let row = store::apis::get(&tx, input.id).await?.ok_or_else(|| Error::not_found("api"))?;
    let summary = summary(&tx, &state.config, row.api).await?;
    drop(tx);
    Ok(ApiDetail { summary, document: parse(row.document).await? })
}

/// Applies edits to the document as it is, and stores it if nobody changed it meanwhile.
pub(crate) async fn edit(state: Arc<State>, ctx: Ctx, input: EditApi) -> Result<ApiDetail> {
    if input.edits.len() > MAX_EDITS {
        return Err(Error::invalid("edits", format!("at most {MAX_EDITS}")));
    }
    if let Some(headers) = &input.secret_headers {
        secret_headers::check(headers)?;
    }
    for _ in 0..TRIES {
        let tx = state.database.tenant_read(&ctx).await?;
        let row = store::apis::get(&tx, input.id).await?.ok_or_else(|| Error::not_found("api"))?;
        drop(tx);
        let found = row.api.revision;
        if input.expected_revision.is_some_and(|expected| expected != found) {
            return Err(documents::outdated(found));
        }
        if let Some(detail) = edit_once(&state, &ctx, &input, row).await? {
            return Ok(detail);
        }
        if input.expected_revision.is_some() {
            return Err(documents::outdated(found + 1));
        }
    }
    Err(documents::outdated(0))
}

/// `None` when somebody else changed the document first.
async fn edit_once(state: &State, ctx: &Ctx, input: &EditApi, row: DocumentRow) -> Result<Option<ApiDetail>> {
    let headers = match &input.secret_headers {
        Some(headers) => headers.clone(),
        None => open(&state.vault, input.id, row.secret_headers_sealed.as_deref())?,
    };
    let edits = input.edits.clone();
    let (document, text) = blocking(move || edited(&row.document, edits, &headers)).await?;

    let tx = state.database.tenant(ctx).await?;
    let (id, found) = (input.id, row.api.revision);
    if !store::apis::replace(&tx, id, found, &document, text, ctx.now).await? {
        return Ok(None);
    }
    let republished = match &input.secret_headers {
        Some(headers) => replace_secret_headers(state, &tx, id, headers).await?,
        None => None,
    };
    let names = input
        .secret_headers
        .as_ref()
        .map(|headers| headers.iter().map(|header| header.name.clone()).collect::<Vec<_>>());
    let patch = json!({ "revision": found + 1, "edits": input.edits, "secretHeaders": names });
    audit::record(&tx, ctx, "api.edit", id, &patch).await?;
    let api = store::apis::get(&tx, id).await?.ok_or_else(|| Error::not_found("api"))?.api;
    let summary = summary(&tx, &state.config, api).await?;
    tx.commit().await?;
    if let Some(revision) = republished {
        state.feed.wait_live(revision).await?;
    }
    Ok(Some(ApiDetail { summary, document }))
}

fn edited(text: &str, edits: Vec<Edit>, headers: &[SecretHeader]) -> Result<(Api, String)> {
    let document = documents::from_text(text)?;
    let mut document = document.edited(edits).map_err(|(at, error)| documents::refused_edit(at, error))?;
    secret_headers::name_in(&mut document, headers)?;
    let text = documents::to_text(&document)?;
    Ok((document, text))
}

/// New secrets hold at once, for every stage; a stage rolled back keeps them. Answers the last revision published.
pub(super) async fn replace_secret_headers(
    state: &State,
    tx: &TenantTx,
    id: ApiId,
    headers: &[SecretHeader],
) -> Result<Option<u64>> {
    let sealed = seal(&state.vault, id, headers)?;
    store::apis::set_secret_headers(tx, id, sealed.clone()).await?;
    let mut revision = None;
    for stage in store::stages::of_apis(tx, &[id]).await? {
        revision = Some(stages::publish(tx, &stage, sealed.clone()).await?);
    }
    Ok(revision)
}

/// Removes an API; its stages answer no more.
pub(crate) async fn delete(state: Arc<State>, ctx: Ctx, input: DeleteApi) -> Result<Liveness> {
    let tx = state.database.tenant(&ctx).await?;
    let Some(row) = store::apis::lock(&tx, input.id).await? else { return Err(Error::not_found("api")) };
    let mut revision = None;
    for stage in store::stages::of_apis(&tx, &[input.id]).await? {
        let key = rules::change_key(input.id, &stage.name);
        revision = Some(changes::publish::<()>(&tx, &key, None).await?);
    }
    store::apis::delete(&tx, input.id).await?;
    audit::record(&tx, &ctx, "api.delete", input.id, &json!({ "name": row.name })).await?;
    tx.commit().await?;
    match revision {
        Some(revision) => state.feed.wait_live(revision).await,
        None => Ok(Liveness::Live),
    }
}
