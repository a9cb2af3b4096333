//! Publishing: import, edit, deploy, roll back, remove.

use async_graphql::{Context, ID, InputObject, Json, MaybeUndefined, Object, Result, SimpleObject};
use common::id::ApiId;
use common::{Error, FieldError};
use contracts::apis::{
    self, DeleteApi, DeployApi, EditApi, ImportApi, SecretHeader, SetStageDeployment, UpdateStage,
};
use serde::Serialize;

use super::apis::{Api, Deployment, Stage};
use super::call::{call, caller, id, optional_id, require};
use super::cost;
use super::refusal::{Refusal, refusable, settle};
use super::scalar::{ChangeStatus, Long, ThrottleInput};
use super::usage_plans::MethodThrottleInput;

/// A header that the gateway adds towards the backend.
#[derive(InputObject)]
pub(crate) struct SecretHeaderInput {
    /// Header name.
    name: String,
    /// Its value. Never shown again.
    value: String,
}

impl From<SecretHeaderInput> for SecretHeader {
    fn from(header: SecretHeaderInput) -> Self {
        Self { name: header.name, value: header.value }
    }
}

fn secret_headers(headers: Vec<SecretHeaderInput>) -> Vec<SecretHeader> {
    headers.into_iter().map(SecretHeader::from).collect()
}

/// An API to make of a document. Either `document` or `documentUrl` is needed.
#[derive(InputObject)]
pub(crate) struct ApiImportInput {
    /// Name; the document's title when absent.
    name: Option<String>,
    /// OpenAPI 3.0, 3.1 or Swagger 2.0, JSON or YAML, at most 6 MB.
    document: Option<String>,
    /// Where to read the document from instead: `https` or `http`.
    document_url: Option<String>,
    /// Where calls go instead of the document's servers.
    upstream_url: Option<String>,
    /// Stage to deploy to, made when missing; imported without deploying when absent.
    stage: Option<String>,
    /// Headers added towards the backend, so that it can refuse whoever bypasses the gateway.
    secret_headers: Option<Vec<SecretHeaderInput>>,
    /// Whether every operation needs an API key; yes when absent.
    require_api_key: Option<bool>,
    /// An API whose document is replaced; a new API when absent.
    api_id: Option<ID>,
}

impl ApiImportInput {
    async fn read(self, ctx: &Context<'_>) -> common::Result<ImportApi> {
        let api = optional_id("apiId", self.api_id.as_ref())?;
        let document = match (self.document, self.document_url) {
            (Some(document), None) => document,
            (None, Some(url)) => {
                require::<ImportApi>(ctx)?;
                caller(ctx)?.documents.fetch(&url).await?
            }
            _ => return Err(Error::invalid("document", "give either document or documentUrl")),
        };
        Ok(ImportApi {
            api,
            name: self.name,
            document,
            upstream_url: self.upstream_url,
            secret_headers: secret_headers(self.secret_headers.unwrap_or_default()),
            require_api_key: self.require_api_key,
            stage: self.stage,
        })
    }
}

/// A place in an imported document that was not carried over as it is.
#[derive(Debug, Clone, SimpleObject, Serialize)]
pub(crate) struct ImportWarning {
    /// JSON pointer into the document.
    pointer: String,
    /// Line in the document's text, from 1.
    line: Option<u32>,
    /// What was done instead.
    message: String,
}

/// The outcome of an import.
#[derive(Debug, Default, SimpleObject)]
#[graphql(complex)]
pub(crate) struct ApiImportPayload {
    /// The API; absent when nothing was changed.
    api: Option<Api>,
    /// Where the stage answers; absent without a stage.
    invoke_url: Option<String>,
    /// The deployment made; absent without a stage.
    deployment: Option<Deployment>,
    /// What was not carried over as it is.
    #[graphql(complexity = "cost::flat(child_complexity)")]
    warning_details: Vec<ImportWarning>,
    /// Whether it answers on every gateway already.
    status: Option<ChangeStatus>,
    #[graphql(flatten)]
    refusal: Refusal,
}

#[async_graphql::ComplexObject]
impl ApiImportPayload {
    /// What was not carried over as it is, as JSON: objects with `pointer`, `line` and `message`.
    async fn warnings(&self) -> Vec<Json<ImportWarning>> {
        self.warning_details.iter().cloned().map(Json).collect()
    }
}

impl ApiImportPayload {
    fn new(imported: apis::ImportedApi, stage: Option<&str>) -> Self {
        let deployed = imported.api.stages.iter().find(|known| Some(known.name.as_str()) == stage);
        let warning = |warning: apis::ImportWarning| ImportWarning {
            pointer: warning.pointer,
            line: warning.line,
            message: warning.message,
        };
        Self {
            invoke_url: deployed.map(|stage| stage.invoke_url.clone()),
            api: Some(imported.api.into()),
            deployment: imported.deployment.map(Deployment::from),
            warning_details: imported.warnings.into_iter().map(warning).collect(),
            status: Some(imported.liveness.into()),
            refusal: Refusal::default(),
        }
    }
}

/// Changes of an API's document.
#[derive(InputObject)]
pub(crate) struct ApiEditInput {
    /// The API.
    api_id: ID,
    /// The revision the caller saw: the edit is refused when it is no longer that. Any when absent.
    expected_revision: Option<Long>,
    /// The edits, applied in order, all or none; at most 200.
    edits: Vec<Json<serde_json::Value>>,
    /// Headers added towards the backend, replacing the old ones; as they are when absent.
    secret_headers: Option<Vec<SecretHeaderInput>>,
}

impl ApiEditInput {
    fn read(self) -> common::Result<EditApi> {
        let mut edits = Vec::with_capacity(self.edits.len());
        let mut faults = Vec::new();
        for (index, Json(edit)) in self.edits.into_iter().enumerate() {
            match serde_json::from_value(edit) {
                Ok(edit) => edits.push(edit),
                Err(error) => {
                    let field = format!("edits.{index}");
                    faults.push(FieldError { field, message: error.to_string() });
                }
            }
        }
        if !faults.is_empty() {
            return Err(Error::invalid_fields(faults));
        }
        let expected = self.expected_revision.map(|revision| revision.count("expectedRevision"));
        Ok(EditApi {
            id: id("apiId", &self.api_id)?,
            expected_revision: expected.transpose()?,
            edits,
            secret_headers: self.secret_headers.map(secret_headers),
        })
    }
}

/// An API after an edit. Stages serve it after the next deployment.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct ApiEditPayload {
    /// The API; absent when nothing was changed.
    api: Option<Api>,
    #[graphql(flatten)]
    refusal: Refusal,
}

/// What to deploy.
#[derive(InputObject)]
pub(crate) struct ApiDeployInput {
    /// The API.
    api_id: ID,
    /// The stage, made when missing.
    stage: String,
    /// What changed.
    description: Option<String>,
}

/// Where to go back to.
#[derive(InputObject)]
pub(crate) struct ApiRollbackInput {
    /// The API.
    api_id: ID,
    /// The stage.
    stage: String,
    /// A deployment of the same API.
    deployment_id: ID,
}

/// Changes of a stage's settings; absent fields stay as they are, `null` removes.
#[derive(InputObject)]
pub(crate) struct StageUpdateInput {
    /// The API.
    api_id: ID,
    /// The stage.
    stage: String,
    /// Largest request body in bytes.
    payload_limit: MaybeUndefined<Long>,
    /// Throttle of the whole stage, all keys together.
    throttle: MaybeUndefined<ThrottleInput>,
    /// All throttles of single methods, all keys together, replacing the old ones; at most 500.
    method_throttles: Option<Vec<MethodThrottleInput>>,
    /// All stage variables, replacing the old ones.
    variables: Option<Vec<StageVariableInput>>,
}

/// A value that an API's document can refer to.
#[derive(InputObject)]
pub(crate) struct StageVariableInput {
    /// Its name: at most 64 characters.
    name: String,
    /// Its value: at most 512 characters.
    value: String,
}

impl StageUpdateInput {
    fn read(self) -> common::Result<UpdateStage> {
        let limit: Option<Option<Long>> = self.payload_limit.into();
        let limit = limit.map(|limit| limit.map(|limit| limit.count("payloadLimit")).transpose());
        let throttle: Option<Option<ThrottleInput>> = self.throttle.into();
        let variables = self
            .variables
            .map(|variables| variables.into_iter().map(|variable| (variable.name, variable.value)).collect());
        Ok(UpdateStage {
            id: id("apiId", &self.api_id)?,
            stage: self.stage,
            payload_limit: limit.transpose()?,
            method_throttles: self
                .method_throttles
                .map(|throttles| throttles.into_iter().map(MethodThrottleInput::read).collect()),
            throttle: throttle.map(|throttle| throttle.map(Into::into)),
            variables,
        })
    }
}

/// A stage after a deployment or a change.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct StagePayload {
    /// The stage; absent when nothing was changed.
    stage: Option<Stage>,
    /// The deployment it serves.
    deployment: Option<Deployment>,
    /// Where it answers.
    invoke_url: Option<String>,
    /// Whether every gateway serves it already.
    status: Option<ChangeStatus>,
    #[graphql(flatten)]
    refusal: Refusal,
}

impl From<apis::Deployed> for StagePayload {
    fn from(deployed: apis::Deployed) -> Self {
        Self {
            invoke_url: Some(deployed.stage.invoke_url.clone()),
            stage: Some(deployed.stage.into()),
            deployment: Some(deployed.deployment.into()),
            status: Some(deployed.liveness.into()),
            refusal: Refusal::default(),
        }
    }
}

/// A removed API.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct ApiDeletePayload {
    /// The id of the API; absent when nothing was removed.
    deleted_id: Option<ID>,
    /// Whether every gateway refuses calls to it already.
    status: Option<ChangeStatus>,
    #[graphql(flatten)]
    refusal: Refusal,
}

refusable!(ApiImportPayload, ApiEditPayload, StagePayload, ApiDeletePayload);

#[derive(Default)]
pub(crate) struct PublishMutation;

#[Object]
impl PublishMutation {
    /// Makes an API of an OpenAPI document and deploys it; it can be called when the status is `LIVE`. A broken
    /// document changes nothing.
    #[graphql(complexity = "cost::heavy(child_complexity)")]
    async fn api_import(&self, ctx: &Context<'_>, input: ApiImportInput) -> Result<ApiImportPayload> {
        settle(async {
            let stage = input.stage.clone();
            let imported = call(ctx, input.read(ctx).await?).await?;
            Ok(ApiImportPayload::new(imported, stage.as_deref()))
        })
        .await
    }

    /// Changes an API's document: upstream, methods, integrations. Stages serve it after the next deployment.
    #[graphql(complexity = "cost::heavy(child_complexity)")]
    async fn api_edit(&self, ctx: &Context<'_>, input: ApiEditInput) -> Result<ApiEditPayload> {
        settle(async {
            let edited = call(ctx, input.read()?).await?;
            Ok(ApiEditPayload { api: Some(edited.into()), ..Default::default() })
        })
        .await
    }

    /// Makes a deployment of the document as it is and points a stage at it.
    #[graphql(complexity = "cost::heavy(child_complexity)")]
    async fn api_deploy(&self, ctx: &Context<'_>, input: ApiDeployInput) -> Result<StagePayload> {
        settle(async {
            let request = DeployApi {
                id: id("apiId", &input.api_id)?,
                stage: input.stage,
                description: input.description,
            };
            Ok(call(ctx, request).await?.into())
        })
        .await
    }

    /// Points a stage at an earlier deployment, or forward again.
    async fn api_rollback(&self, ctx: &Context<'_>, input: ApiRollbackInput) -> Result<StagePayload> {
        settle(async {
            let request = SetStageDeployment {
                id: id("apiId", &input.api_id)?,
                stage: input.stage,
                deployment: id("deploymentId", &input.deployment_id)?,
            };
            Ok(call(ctx, request).await?.into())
        })
        .await
    }

    /// Changes a stage's settings.
    async fn stage_update(&self, ctx: &Context<'_>, input: StageUpdateInput) -> Result<StagePayload> {
        settle(async { Ok(call(ctx, input.read()?).await?.into()) }).await
    }

    /// Removes an API with its stages; calls to it are refused from then on.
    async fn api_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id")] api: ID,
    ) -> Result<ApiDeletePayload> {
        settle(async {
            let api: ApiId = id("id", &api)?;
            let liveness = call(ctx, DeleteApi { id: api }).await?;
            Ok(ApiDeletePayload {
                deleted_id: Some(api.into()),
                status: Some(liveness.into()),
                ..Default::default()
            })
        })
        .await
    }
}
