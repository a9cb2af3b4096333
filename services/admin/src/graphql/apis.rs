//! APIs, their stages and deployments: what can be read of them.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, ID, Json, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use contracts::apis::{self, GetApi, ListApis, ListDeployments};

use super::call::{call, id, page};
use super::connection::Connection;
use super::cost;
use super::references::references;
use super::scalar::{Long, Throttle};
use super::usage_plans::MethodThrottle;

/// An API.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Api {
    /// Its id: ten lower-case letters and digits.
    id: ID,
    /// Name on screen.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// Grows with every edit of the document.
    revision: Long,
    /// Its stages, by name.
    #[graphql(complexity = "cost::list(10, child_complexity)")]
    stages: Vec<Stage>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When the document was last changed.
    updated_at: DateTime<Utc>,
    /// The document, where it came along.
    #[graphql(skip)]
    known_document: Option<Arc<apidef::Api>>,
}

#[ComplexObject]
impl Api {
    /// The document as it is now, deployed or not.
    #[graphql(complexity = "cost::HEAVY")]
    async fn document(&self, ctx: &Context<'_>) -> Result<Json<serde_json::Value>> {
        let document = match &self.known_document {
            Some(document) => Arc::clone(document),
            None => Arc::new(call(ctx, GetApi { id: id("id", &self.id)? }).await?.document),
        };
        Ok(Json(serde_json::to_value(document.as_ref()).map_err(common::Error::internal)?))
    }

    /// Its deployments, newest first.
    #[graphql(complexity = "cost::page(first, child_complexity)")]
    async fn deployments(
        &self,
        ctx: &Context<'_>,
        first: Option<u32>,
        after: Option<String>,
    ) -> Result<Connection<Deployment>> {
        deployments(ctx, &self.id, first, after).await
    }
}

impl From<apis::ApiSummary> for Api {
    fn from(api: apis::ApiSummary) -> Self {
        Self {
            id: api.id.into(),
            name: api.name,
            description: api.description,
            revision: api.revision.into(),
            stages: api.stages.into_iter().map(Stage::from).collect(),
            created_at: api.created_at,
            updated_at: api.updated_at,
            known_document: None,
        }
    }
}

impl From<apis::ApiDetail> for Api {
    fn from(detail: apis::ApiDetail) -> Self {
        Self { known_document: Some(Arc::new(detail.document)), ..Self::from(detail.summary) }
    }
}

/// A named address of an API with the deployment it serves.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct Stage {
    /// Unique within the API.
    name: String,
    /// Where it answers.
    invoke_url: String,
    /// The deployment in force.
    deployment_id: ID,
    /// Whether the document was edited since that deployment was made.
    undeployed_changes: bool,
    /// How it behaves.
    settings: StageSettings,
    /// When it was last deployed or changed.
    updated_at: DateTime<Utc>,
}

impl From<apis::Stage> for Stage {
    fn from(stage: apis::Stage) -> Self {
        Self {
            name: stage.name,
            invoke_url: stage.invoke_url,
            deployment_id: stage.deployment.into(),
            undeployed_changes: stage.undeployed_changes,
            settings: stage.settings.into(),
            updated_at: stage.updated_at,
        }
    }
}

/// How a stage behaves beside its deployment.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct StageSettings {
    /// Largest request body in bytes; absent = 10 MB.
    payload_limit: Option<Long>,
    /// Throttle of the whole stage, all keys together.
    throttle: Option<Throttle>,
    /// Throttles of single methods, all keys together.
    #[graphql(complexity = "cost::list(2, child_complexity)")]
    method_throttles: Vec<MethodThrottle>,
    /// Stage variables, by name.
    #[graphql(complexity = "cost::list(100, child_complexity)")]
    variables: Vec<StageVariable>,
}

impl From<apis::StageSettings> for StageSettings {
    fn from(settings: apis::StageSettings) -> Self {
        let variables = settings.variables.into_iter().map(|(name, value)| StageVariable { name, value });
        Self {
            payload_limit: settings.payload_limit.map(Long::from),
            throttle: settings.throttle.map(Throttle::from),
            method_throttles: settings.method_throttles.into_iter().map(MethodThrottle::from).collect(),
            variables: variables.collect(),
        }
    }
}

/// A value that an API's document can refer to.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct StageVariable {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

/// One immutable snapshot of an API's document.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct Deployment {
    /// Its id.
    id: ID,
    /// The document's revision it was made of.
    revision: Long,
    /// What changed, in the maker's words.
    description: Option<String>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<apis::Deployment> for Deployment {
    fn from(deployment: apis::Deployment) -> Self {
        Self {
            id: deployment.id.into(),
            revision: deployment.revision.into(),
            description: deployment.description,
            created_at: deployment.created_at,
        }
    }
}

async fn deployments(
    ctx: &Context<'_>,
    api: &ID,
    first: Option<u32>,
    after: Option<String>,
) -> Result<Connection<Deployment>> {
    let request = ListDeployments { id: id("apiId", api)?, page: page(first, after)? };
    Ok(call(ctx, request).await?.into())
}

#[derive(Default)]
pub(crate) struct ApiQuery;

#[Object]
impl ApiQuery {
    /// The organization's APIs, newest first.
    #[graphql(complexity = "cost::page(first, child_complexity)")]
    async fn apis(
        &self,
        ctx: &Context<'_>,
        first: Option<u32>,
        after: Option<String>,
        #[graphql(desc = "Only those whose name contains this, ignoring case.")] search: Option<String>,
    ) -> Result<Connection<Api>> {
        Ok(call(ctx, ListApis { page: page(first, after)?, search }).await?.into())
    }

    /// One API.
    async fn api(&self, ctx: &Context<'_>, #[graphql(name = "id")] api: ID) -> Result<Option<Api>> {
        // A document has up to 16 MB: it is read only for those who ask for it.
        if ctx.look_ahead().field("document").exists() {
            return Ok(Some(call(ctx, GetApi { id: id("id", &api)? }).await?.into()));
        }
        let found = references(ctx)?.api(&api).await?;
        Ok(Some(found.ok_or_else(|| common::Error::not_found("api"))?))
    }

    /// An API's deployments, newest first.
    #[graphql(complexity = "cost::page(first, child_complexity)")]
    async fn deployments(
        &self,
        ctx: &Context<'_>,
        api_id: ID,
        first: Option<u32>,
        after: Option<String>,
    ) -> Result<Connection<Deployment>> {
        deployments(ctx, &api_id, first, after).await
    }
}
