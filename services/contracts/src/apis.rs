//! Calls of the role `apis`: API documents, deployments, stages, and the stream gateways follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use common::Page;
use common::PageArgs;
use common::id::{ApiId, DeploymentId, TenantId};
use serde::{Deserialize, Serialize};

use crate::call;
use crate::metering::Throttle;
use crate::patch::clearable;
use crate::stream::{Changes, Follow, Liveness};

/// An API in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiSummary {
    /// Its id.
    pub id: ApiId,
    /// Name on screen.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Grows with every edit of the document.
    pub revision: u64,
    /// Its stages, by name.
    pub stages: Vec<Stage>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When the document was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A named address of an API with the deployment it serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// 1 to 128 of `A-Za-z0-9_-`.
    pub name: String,
    /// The deployment in force.
    pub deployment: DeploymentId,
    /// Where the stage answers.
    pub invoke_url: String,
    /// How it behaves.
    pub settings: StageSettings,
    /// When it was last deployed or changed.
    pub updated_at: DateTime<Utc>,
    /// Whether the document was edited since this stage's deployment was made.
    pub undeployed_changes: bool,
}

/// How a stage behaves beside its deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct StageSettings {
    /// Largest request body in bytes; absent = 10 MB.
    pub payload_limit: Option<u64>,
    /// Throttle of the whole stage, all keys together.
    pub throttle: Option<Throttle>,
    /// Throttles of single methods, all keys together, by `{resource path}/{VERB}`; at most 500.
    pub method_throttles: BTreeMap<String, Throttle>,
    /// Stage variables: at most 100; names of 64, values of 512 characters.
    pub variables: BTreeMap<String, String>,
}

/// One immutable snapshot of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// The document's revision it was made of.
    pub revision: u64,
    /// What changed, in the maker's words.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A place in an imported document that was not carried over as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportWarning {
    /// JSON pointer into the document.
    pub pointer: String,
    /// Line in the document's text, from 1.
    pub line: Option<u32>,
    /// What was done instead.
    pub message: String,
}

/// A header that the gateway adds towards the backend, so that the backend can refuse whoever bypasses the gateway.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretHeader {
    /// Header name.
    pub name: String,
    /// Its value: kept in the vault, never shown again.
    pub value: String,
}

impl std::fmt::Debug for SecretHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretHeader").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Makes an API of an OpenAPI 3.0, 3.1 or Swagger 2.0 document (JSON or YAML, at most 6 MB) and deploys it; a broken
/// document changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportApi {
    /// An API whose document is replaced; absent = a new API.
    pub api: Option<ApiId>,
    /// Name; absent = the document's title.
    pub name: Option<String>,
    /// The document's text.
    pub document: String,
    /// Where calls go instead of the document's servers.
    pub upstream_url: Option<String>,
    /// Headers added towards the backend.
    pub secret_headers: Vec<SecretHeader>,
    /// Whether every operation needs an API key; absent = yes.
    pub require_api_key: Option<bool>,
    /// Stage to deploy to, made when missing; absent = import without deploying.
    pub stage: Option<String>,
}
call!(ImportApi => ImportedApi, Apis, Tenant(ApisWrite));

/// The outcome of an import.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportedApi {
    /// The API.
    pub api: ApiSummary,
    /// What was not carried over as it is.
    pub warnings: Vec<ImportWarning>,
    /// The deployment made; absent without a stage.
    pub deployment: Option<Deployment>,
    /// Whether it answers already.
    pub liveness: Liveness,
}

/// The organization's APIs, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListApis {
    /// Which page.
    pub page: PageArgs,
    /// Only those whose name contains this, ignoring case.
    pub search: Option<String>,
}
call!(ListApis => Page<ApiSummary>, Apis, Tenant(ApisRead));

/// Those of the APIs that exist, in the order asked for. At most 100.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FindApis {
    /// The APIs.
    pub ids: Vec<ApiId>,
}
call!(FindApis => Vec<ApiSummary>, Apis, Tenant(ApisRead), from [Admin, Portal, Billing, Metering]);

/// One API with its document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetApi {
    /// The API.
    pub id: ApiId,
}
call!(GetApi => ApiDetail, Apis, Tenant(ApisRead), from [Admin, Portal]);

/// An API with its document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiDetail {
    /// The API.
    pub summary: ApiSummary,
    /// The document as it is now, deployed or not.
    pub document: apidef::Api,
}

/// Changes the document by one edit, if it still has the expected revision.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EditApi {
    /// The API.
    pub id: ApiId,
    /// The revision the caller saw; absent = whatever it is now.
    pub expected_revision: Option<u64>,
    /// The edits, applied in order, all or none; at most 200.
    pub edits: Vec<apidef::Edit>,
    /// New secret headers towards the backend, replacing the old ones; absent = as they are.
    pub secret_headers: Option<Vec<SecretHeader>>,
}
call!(EditApi => ApiDetail, Apis, Tenant(ApisWrite));

/// Removes an API with its stages; calls to it are refused from then on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeleteApi {
    /// The API.
    pub id: ApiId,
}
call!(DeleteApi => Liveness, Apis, Tenant(ApisWrite));

/// Makes a deployment of the document as it is and points a stage at it, made when missing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeployApi {
    /// The API.
    pub id: ApiId,
    /// The stage.
    pub stage: String,
    /// What changed.
    pub description: Option<String>,
}
call!(DeployApi => Deployed, Apis, Tenant(ApisWrite));

/// A stage after a deployment or a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deployed {
    /// The stage.
    pub stage: Stage,
    /// The deployment it serves.
    pub deployment: Deployment,
    /// Whether every gateway serves it already.
    pub liveness: Liveness,
}

/// Points a stage at an existing deployment: roll back, or forward again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetStageDeployment {
    /// The API.
    pub id: ApiId,
    /// The stage.
    pub stage: String,
    /// A deployment of the same API.
    pub deployment: DeploymentId,
}
call!(SetStageDeployment => Deployed, Apis, Tenant(ApisWrite));

/// Changes a stage's settings; absent fields stay as they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpdateStage {
    /// The API.
    pub id: ApiId,
    /// The stage.
    pub stage: String,
    /// Largest request body in bytes, or the default.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "clearable")]
    pub payload_limit: Option<Option<u64>>,
    /// All throttles of single methods, replacing the old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method_throttles: Option<BTreeMap<String, Throttle>>,
    /// Throttle of the whole stage, or none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "clearable")]
    pub throttle: Option<Option<Throttle>>,
    /// All stage variables, replacing the old ones.
    pub variables: Option<BTreeMap<String, String>>,
}
call!(UpdateStage => Deployed, Apis, Tenant(ApisWrite));

/// An API's deployments, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListDeployments {
    /// The API.
    pub id: ApiId,
    /// Which page.
    pub page: PageArgs,
}
call!(ListDeployments => Page<Deployment>, Apis, Tenant(ApisRead));

/// A stage as a gateway needs it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct StageEntry {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its API.
    pub api: ApiId,
    /// Its name.
    pub stage: String,
    /// The deployment in force.
    pub deployment: DeploymentId,
    /// The deployment's document.
    pub document: Arc<apidef::Api>,
    /// How it behaves.
    pub settings: StageSettings,
    /// Headers added towards the backend, with their values.
    pub secret_headers: Vec<SecretHeader>,
}

impl std::fmt::Debug for StageEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tenant, api, stage, deployment, .. } = self;
        write!(f, "StageEntry {{ {tenant} {api}/{stage} {deployment} }}")
    }
}

/// Follows the stages. Change keys are `stage/{api}/{name}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FollowStages {
    /// Where the follower stands.
    pub follow: Follow,
}
call!(FollowStages => Changes<StageEntry>, Apis, Service, from [Gateway]);
