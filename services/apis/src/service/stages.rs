//! Stages: what they serve, how they behave, and the stream of them that gateways follow.

use std::sync::Arc;

use common::id::{ApiId, DeploymentId, TenantId};
use common::{Error, Result};
use contracts::Ctx;
use contracts::apis::{Deployed, FollowStages, SetStageDeployment, StageEntry, StageSettings, UpdateStage};
use contracts::stream::{Change, Changes};
use database::{SystemTx, TenantTx, audit, changes};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{open, parse, stage_of};
use crate::domain::stages as rules;
use crate::store::stages::StageRow;
use crate::{State, store};

/// Bytes of documents in one answer to a follower; one document may be larger.
const MAX_ANSWER: usize = 24 << 20;

/// A stage as the change stream stores it: secrets stay sealed, and the document is read when a gateway asks.
#[derive(Debug, Serialize, Deserialize)]
struct PublishedStage {
    tenant: TenantId,
    api: ApiId,
    stage: String,
    deployment: DeploymentId,
    settings: StageSettings,
    secret_headers_sealed: Option<String>,
}

/// Publishes a stage as it is stored. Answers the revision.
pub(super) async fn publish_named(tx: &TenantTx, api: ApiId, stage: &str) -> Result<u64> {
    let sealed = store::apis::secret_headers(tx, api).await?;
    let stage = store::stages::get(tx, api, stage).await?.ok_or_else(|| Error::not_found("stage"))?;
    publish(tx, &stage, sealed).await
}

/// Publishes a stage with its API's sealed secret headers. Answers the revision.
pub(super) async fn publish(tx: &TenantTx, stage: &StageRow, sealed: Option<String>) -> Result<u64> {
    let published = PublishedStage {
        tenant: tx.tenant(),
        api: stage.api,
        stage: stage.name.clone(),
        deployment: stage.deployment,
        settings: stage.settings.clone(),
        secret_headers_sealed: sealed,
    };
    changes::publish(tx, &rules::change_key(stage.api, &stage.name), Some(&published)).await
}

/// Points a stage at a deployment that was made before.
pub(crate) async fn set_deployment(
    state: Arc<State>,
    ctx: Ctx,
    input: SetStageDeployment,
) -> Result<Deployed> {
    let tx = state.database.tenant(&ctx).await?;
    store::apis::lock(&tx, input.id).await?.ok_or_else(|| Error::not_found("api"))?;
    let before = store::stages::get(&tx, input.id, &input.stage).await?;
    let before = before.ok_or_else(|| Error::not_found("stage"))?;
    if store::deployments::get(&tx, input.id, input.deployment).await?.is_none() {
        return Err(Error::not_found("deployment"));
    }
    store::stages::set_deployment(&tx, input.id, &input.stage, input.deployment, ctx.now).await?;
    let patch = json!({ "stage": input.stage, "from": before.deployment, "to": input.deployment });
    audit::record(&tx, &ctx, "stage.set_deployment", input.id, &patch).await?;
    finish(&state, tx, input.id, &input.stage).await
}

/// Changes a stage's settings.
pub(crate) async fn update(state: Arc<State>, ctx: Ctx, input: UpdateStage) -> Result<Deployed> {
    let tx = state.database.tenant(&ctx).await?;
    store::apis::lock(&tx, input.id).await?.ok_or_else(|| Error::not_found("api"))?;
    let before = store::stages::get(&tx, input.id, &input.stage).await?;
    let StageRow { settings: before, deployment, .. } = before.ok_or_else(|| Error::not_found("stage"))?;
    if let Some(throttles) = input.method_throttles.as_ref().filter(|throttles| !throttles.is_empty()) {
        let text = store::deployments::own_document(&tx, input.id, deployment).await?;
        let document = parse(text.ok_or_else(|| Error::internal("a stage without its deployment"))?).await?;
        rules::check_methods(throttles, &before.method_throttles, &document)?;
    }
    let settings = StageSettings {
        payload_limit: input.payload_limit.unwrap_or(before.payload_limit),
        throttle: input.throttle.unwrap_or(before.throttle),
        method_throttles: input.method_throttles.unwrap_or(before.method_throttles),
        variables: input.variables.unwrap_or(before.variables),
    };
    rules::check_settings(&settings)?;
    if !store::stages::set_settings(&tx, input.id, &input.stage, &settings, ctx.now).await? {
        return Err(Error::not_found("stage"));
    }
    let patch = json!({ "stage": input.stage, "settings": settings });
    audit::record(&tx, &ctx, "stage.update", input.id, &patch).await?;
    finish(&state, tx, input.id, &input.stage).await
}

/// Publishes the changed stage, commits, and waits until it is live.
async fn finish(state: &State, tx: TenantTx, api: ApiId, stage: &str) -> Result<Deployed> {
    let revision = publish_named(&tx, api, stage).await?;
    let row = store::apis::lock(&tx, api).await?.ok_or_else(|| Error::not_found("api"))?;
    let stage = store::stages::get(&tx, api, stage).await?.ok_or_else(|| Error::not_found("stage"))?;
    let deployment = store::deployments::get(&tx, api, stage.deployment).await?;
    let deployment = deployment.ok_or_else(|| Error::internal("a stage without its deployment"))?;
    tx.commit().await?;
    let liveness = state.feed.wait_live(revision).await?;
    Ok(Deployed { stage: stage_of(&state.config, stage, row.revision), deployment, liveness })
}

/// Stages after a revision, with their documents and opened secrets, for gateways alone.
pub(crate) async fn follow(state: Arc<State>, _: Ctx, input: FollowStages) -> Result<Changes<StageEntry>> {
    let found = state.feed.follow::<PublishedStage>(&input.follow).await?;
    if found.changes.is_empty() {
        return Ok(Changes { changes: Vec::new(), revision: found.revision, more: found.more });
    }
    let tx = state.database.system_read("gateways serve every tenant").await?;
    let (mut entries, mut bytes) = (Vec::with_capacity(found.changes.len()), 0);
    for change in found.changes {
        let (change, size) = filled(&state, &tx, change).await?;
        if bytes + size > MAX_ANSWER && !entries.is_empty() {
            let revision = entries.last().map_or(input.follow.applied, |last: &Change<_>| last.revision);
            return Ok(Changes { changes: entries, revision, more: true });
        }
        bytes += size;
        entries.push(change);
    }
    Ok(Changes { changes: entries, revision: found.revision, more: found.more })
}

/// The change with the stage as gateways need it, and the bytes of its document. Without a state when its API was deleted
/// since it was published: the change that says so follows. What cannot be read of one stage is its own fault: gateways
/// must learn of the others.
async fn filled(
    state: &State,
    tx: &SystemTx,
    change: Change<PublishedStage>,
) -> Result<(Change<StageEntry>, usize)> {
    let Change { revision, key, state: stage, fault } = change;
    if let Some(fault) = fault {
        return Ok((Change::unreadable(revision, key, fault), 0));
    }
    let Some(stage) = stage else { return Ok((Change::new(revision, key, None), 0)) };
    let Some(text) = store::deployments::document(tx, stage.deployment).await? else {
        return Ok((Change::new(revision, key, None), 0));
    };
    let size = text.len();
    match entry(state, stage, text).await {
        Ok(entry) => Ok((Change::new(revision, key, Some(entry)), size)),
        Err(error) => {
            tracing::error!(key, cause = error.cause, "stage cannot be read");
            Ok((Change::unreadable(revision, key, "its owner cannot read it".to_owned()), 0))
        }
    }
}

async fn entry(state: &State, stage: PublishedStage, document: String) -> Result<StageEntry> {
    Ok(StageEntry {
        secret_headers: open(&state.vault, stage.api, stage.secret_headers_sealed.as_deref())?,
        document: Arc::new(parse(document).await?),
        tenant: stage.tenant,
        api: stage.api,
        stage: stage.stage,
        deployment: stage.deployment,
        settings: stage.settings,
    })
}
