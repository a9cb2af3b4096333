//! The role `apis`: API documents, their deployments and stages, and the stream gateways follow.
//!
//! Owns what is published where. Knows what a document is only through `apidef`, and nothing of keys, plans or calls.

mod domain;
mod jobs;
mod service;
mod store;

use std::sync::Arc;

use common::vault::Vault;
use common::{Clock, Error, Result};
use contracts::apis as calls;
use contracts::{Endpoints, Role};
use database::Database;
use database::changes::Feed;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// Settings of this role.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where stages answer: a URL with `{api_id}` and `{stage}` in it.
    pub invoke_url: String,
    /// How much one organization may have.
    pub limits: Limits,
}

/// How much one organization may have (limits.md of the API Gateway guide where it has a number).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// APIs.
    pub apis: u64,
    /// Stages of an API.
    pub stages_per_api: u64,
    /// Deployments kept of an API, those its stages serve apart: the oldest make room.
    pub deployments_per_api: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { apis: 600, stages_per_api: 10, deployments_per_api: 100 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            invoke_url: "http://127.0.0.1:8080/_api/{api_id}/{stage}".to_owned(),
            limits: Limits::default(),
        }
    }
}

/// What this role runs on.
#[derive(Debug)]
pub struct Deps {
    /// Its own database, migrated.
    pub database: Database,
    /// Where jobs and the change stream take the time from; calls carry theirs.
    pub clock: Clock,
    /// Keeps the values of headers that are added towards backends.
    pub vault: Vault,
}

/// The running role.
#[derive(Debug)]
pub struct State {
    config: Config,
    database: Database,
    clock: Clock,
    vault: Vault,
    feed: Feed,
}

/// Starts the role on its dependencies.
pub async fn build(config: Config, deps: Deps) -> Result<Arc<State>> {
    if !config.invoke_url.contains("{api_id}") || !config.invoke_url.contains("{stage}") {
        return Err(Error::invalid("apis.invoke_url", "must contain {api_id} and {stage}"));
    }
    if config.limits.deployments_per_api == 0 {
        return Err(Error::invalid("apis.limits.deployments_per_api", "must be at least 1"));
    }
    let feed = Feed::new(deps.database.clone());
    Ok(Arc::new(State { config, database: deps.database, clock: deps.clock, vault: deps.vault, feed }))
}

/// The calls this role answers.
pub fn endpoints(state: &Arc<State>) -> Endpoints {
    Endpoints::new(Role::Apis)
        .with::<calls::ImportApi, _, _, _>(state, service::imports::import)
        .with::<calls::ListApis, _, _, _>(state, service::apis::list)
        .with::<calls::FindApis, _, _, _>(state, service::apis::find)
        .with::<calls::GetApi, _, _, _>(state, service::apis::get)
        .with::<calls::EditApi, _, _, _>(state, service::apis::edit)
        .with::<calls::DeleteApi, _, _, _>(state, service::apis::delete)
        .with::<calls::DeployApi, _, _, _>(state, service::deployments::deploy)
        .with::<calls::ListDeployments, _, _, _>(state, service::deployments::list)
        .with::<calls::SetStageDeployment, _, _, _>(state, service::stages::set_deployment)
        .with::<calls::UpdateStage, _, _, _>(state, service::stages::update)
        .with::<calls::FollowStages, _, _, _>(state, service::stages::follow)
}

/// Runs the role's jobs until `stop`.
pub async fn run_jobs(state: Arc<State>, stop: CancellationToken) {
    jobs::purge(&state, &stop).await;
}
