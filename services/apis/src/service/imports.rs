//! Importing a document: a new API, or a new document for one.

use std::sync::Arc;

use apidef::Api;
use apidef::openapi::{self, ImportError, ImportOptions};
use common::id::ApiId;
use common::{Code, Error, FieldError, Result};
use contracts::Ctx;
use contracts::apis::{ApiSummary, Deployment, ImportApi, ImportWarning, ImportedApi, SecretHeader};
use contracts::stream::Liveness;
use database::{TenantTx, audit, idempotency};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::apis::replace_secret_headers;
use super::deployments::{NewDeployment, deploy_to};
use super::{blocking, open, summary};
use crate::domain::{documents, secret_headers, stages};
use crate::store::apis::NewApi;
use crate::{State, store};

/// What an import did, as it is remembered for a repeat.
#[derive(Serialize, Deserialize)]
struct Outcome {
    api: ApiSummary,
    warnings: Vec<ImportWarning>,
    deployment: Option<Deployment>,
    published: Option<u64>,
}

/// A document read and checked, not stored yet.
struct Imported {
    document: Api,
    text: String,
    warnings: Vec<ImportWarning>,
}

/// Imports and deploys. A broken document changes nothing.
pub(crate) async fn import(state: Arc<State>, ctx: Ctx, input: ImportApi) -> Result<ImportedApi> {
    secret_headers::check(&input.secret_headers)?;
    if let Some(stage) = &input.stage {
        stages::check_name(stage)?;
    }
    let kept = kept_headers(&state, &ctx, &input).await?;
    let request = input.clone();
    let imported = blocking(move || read(request, &kept)).await?;

    let tx = state.database.tenant(&ctx).await?;
    let outcome = match idempotency::begin(&tx, &ctx, &input).await? {
        Some(first) => serde_json::from_str(&first).map_err(Error::internal)?,
        None => {
            let outcome = store_import(&state, &tx, &ctx, &input, imported).await?;
            let text = serde_json::to_string(&outcome).map_err(Error::internal)?;
            idempotency::finish::<ImportApi>(&tx, &ctx, &text).await?;
            tx.commit().await?;
            outcome
        }
    };
    let liveness = match outcome.published {
        Some(revision) => state.feed.wait_live(revision).await?,
        None => Liveness::Live,
    };
    let Outcome { api, warnings, deployment, .. } = outcome;
    Ok(ImportedApi { api, warnings, deployment, liveness })
}

/// The secret headers in force after the import: the request's, or those the API has already.
async fn kept_headers(state: &State, ctx: &Ctx, input: &ImportApi) -> Result<Vec<SecretHeader>> {
    let Some(api) = input.api else { return Ok(input.secret_headers.clone()) };
    let tx = state.database.tenant_read(ctx).await?;
    let row = store::apis::get(&tx, api).await?.ok_or_else(|| Error::not_found("api"))?;
    if !input.secret_headers.is_empty() {
        return Ok(input.secret_headers.clone());
    }
    open(&state.vault, api, row.secret_headers_sealed.as_deref())
}

fn read(input: ImportApi, headers: &[SecretHeader]) -> Result<Imported> {
    let options = ImportOptions {
        name: input.name,
        upstream_url: input.upstream_url,
        require_api_key: input.require_api_key.unwrap_or(true),
    };
    let import = openapi::import(&input.document, &options).map_err(|error| refused(&error))?;
    let mut document = import.api;
    secret_headers::name_in(&mut document, headers)?;
    documents::check_deployable(&document)?;
    let text = documents::to_text(&document)?;
    let warnings = import.warnings.into_iter().map(|warning| ImportWarning {
        pointer: warning.pointer,
        line: warning.line,
        message: warning.message,
    });
    Ok(Imported { document, text, warnings: warnings.collect() })
}

/// A broken document in words for its author: line, path and reason.
fn refused(error: &ImportError) -> Error {
    let line = error.line.map(|line| format!("line {line}: ")).unwrap_or_default();
    let path = if error.path.is_empty() { String::new() } else { format!("{}: ", error.path) };
    let message = format!("{line}{path}{}", error.reason);
    let field = FieldError { field: format!("document{}", error.path), message: message.clone() };
    let mut refused = Error::new(Code::Invalid, "document_invalid", message);
    refused.fields.push(field);
    refused
}

async fn store_import(
    state: &State,
    tx: &TenantTx,
    ctx: &Ctx,
    input: &ImportApi,
    imported: Imported,
) -> Result<Outcome> {
    let Imported { document, text, warnings } = imported;
    let (id, revision) = match input.api {
        Some(id) => {
            let row = store::apis::lock(tx, id).await?.ok_or_else(|| Error::not_found("api"))?;
            store::apis::replace(tx, id, row.revision, &document, text.clone(), ctx.now).await?;
            (id, row.revision + 1)
        }
        None => {
            store::apis::check_room(tx, state.config.limits.apis).await?;
            let id = ApiId::random();
            let new = NewApi { id, document: &document, text: text.clone() };
            store::apis::insert(tx, new, ctx.now).await?;
            (id, 1)
        }
    };
    let mut published = None;
    if !input.secret_headers.is_empty() {
        published = replace_secret_headers(state, tx, id, &input.secret_headers).await?;
    }
    let action = if input.api.is_some() { "api.replace" } else { "api.import" };
    let names: Vec<_> = input.secret_headers.iter().map(|header| header.name.as_str()).collect();
    let patch = json!({
        "name": document.name, "revision": revision, "upstreamUrl": input.upstream_url,
        "secretHeaders": names, "stage": input.stage,
    });
    audit::record(tx, ctx, action, id, &patch).await?;
    let mut deployment = None;
    if let Some(stage) = &input.stage {
        let new = NewDeployment { api: id, revision, document: text, description: None };
        let (made, at) = deploy_to(&state.config.limits, tx, ctx, stage, new).await?;
        (deployment, published) = (Some(made), Some(at));
    }
    let row = store::apis::lock(tx, id).await?.ok_or_else(|| Error::not_found("api"))?;
    Ok(Outcome { api: summary(tx, &state.config, row).await?, warnings, deployment, published })
}
