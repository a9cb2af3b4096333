//! Deployments: immutable snapshots of a document.

use std::sync::Arc;

use common::id::{ApiId, DeploymentId};
use common::{Error, Page, Result};
use contracts::Ctx;
use contracts::apis::{DeployApi, Deployed, Deployment, ListDeployments, Stage};
use database::{TenantTx, audit, idempotency};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{blocking, stage_of, stages};
use crate::domain::{documents, stages as rules};
use crate::{Limits, State, store};

/// Most characters of a deployment's description.
const MAX_DESCRIPTION: usize = 1024;

/// A snapshot to store.
pub(super) struct NewDeployment {
    pub(super) api: ApiId,
    pub(super) revision: u64,
    pub(super) document: String,
    pub(super) description: Option<String>,
}

/// What a deployment did, as it is remembered for a repeat.
#[derive(Serialize, Deserialize)]
struct Outcome {
    stage: Stage,
    deployment: Deployment,
    published: u64,
}

/// Deploys the document as it is.
pub(crate) async fn deploy(state: Arc<State>, ctx: Ctx, input: DeployApi) -> Result<Deployed> {
    rules::check_name(&input.stage)?;
    if input.description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        return Err(Error::invalid("description", format!("at most {MAX_DESCRIPTION} characters")));
    }
    let tx = state.database.tenant(&ctx).await?;
    let outcome = match idempotency::begin(&tx, &ctx, &input).await? {
        Some(first) => serde_json::from_str(&first).map_err(Error::internal)?,
        None => {
            let outcome = deploy_once(&state, &tx, &ctx, &input).await?;
            let text = serde_json::to_string(&outcome).map_err(Error::internal)?;
            idempotency::finish::<DeployApi>(&tx, &ctx, &text).await?;
            tx.commit().await?;
            outcome
        }
    };
    let liveness = state.feed.wait_live(outcome.published).await?;
    Ok(Deployed { stage: outcome.stage, deployment: outcome.deployment, liveness })
}

async fn deploy_once(state: &State, tx: &TenantTx, ctx: &Ctx, input: &DeployApi) -> Result<Outcome> {
    store::apis::lock(tx, input.id).await?.ok_or_else(|| Error::not_found("api"))?;
    let row = store::apis::get(tx, input.id).await?.ok_or_else(|| Error::not_found("api"))?;
    let (text, revision) = (row.document, row.api.revision);
    let text = blocking(move || {
        documents::check_deployable(&documents::from_text(&text)?)?;
        Ok(text)
    })
    .await?;
    let new =
        NewDeployment { api: input.id, revision, document: text, description: input.description.clone() };
    let (deployment, published) = deploy_to(&state.config.limits, tx, ctx, &input.stage, new).await?;
    let stage = store::stages::get(tx, input.id, &input.stage).await?;
    let stage = stage.ok_or_else(|| Error::internal("a stage is missing after its deployment"))?;
    Ok(Outcome { stage: stage_of(&state.config, stage, revision), deployment, published })
}

/// Stores a snapshot, points the stage at it (made when missing) and publishes the stage. Answers the deployment and the
/// revision of the change stream.
pub(super) async fn deploy_to(
    limits: &Limits,
    tx: &TenantTx,
    ctx: &Ctx,
    stage: &str,
    new: NewDeployment,
) -> Result<(Deployment, u64)> {
    let deployment = Deployment {
        id: DeploymentId::new(ctx.now),
        revision: new.revision,
        description: new.description,
        created_at: ctx.now,
    };
    store::deployments::make_room(tx, new.api, limits.deployments_per_api).await?;
    store::deployments::insert(tx, new.api, &deployment, new.document).await?;
    if store::stages::get(tx, new.api, stage).await?.is_some() {
        store::stages::set_deployment(tx, new.api, stage, deployment.id, ctx.now).await?;
    } else {
        if store::stages::count(tx, new.api).await? >= limits.stages_per_api {
            return Err(Error::limit_exceeded("stages_per_api", limits.stages_per_api));
        }
        store::stages::insert(tx, new.api, stage, deployment.id, ctx.now).await?;
    }
    let published = stages::publish_named(tx, new.api, stage).await?;
    let patch = json!({ "api": new.api, "stage": stage, "revision": deployment.revision });
    audit::record(tx, ctx, "deployment.create", deployment.id, &patch).await?;
    Ok((deployment, published))
}

/// An API's deployments.
pub(crate) async fn list(state: Arc<State>, ctx: Ctx, input: ListDeployments) -> Result<Page<Deployment>> {
    let tx = state.database.tenant_read(&ctx).await?;
    if store::apis::find(&tx, &[input.id]).await?.is_empty() {
        return Err(Error::not_found("api"));
    }
    store::deployments::list(&tx, input.id, &input.page).await
}
