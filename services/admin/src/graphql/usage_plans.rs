//! Usage plans: throttle, quotas, what counts, and the stages they hold for.

use std::collections::BTreeMap;

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use common::id::UsagePlanId;
use contracts::metering::{
    self, CreateUsagePlan, DeleteUsagePlan, GetUsagePlan, ListUsagePlans, UpdateUsagePlan,
};

use super::apis::Api;
use super::call::{call, id, page};
use super::connection::Connection;
use super::cost;
use super::quotas::{Quota, QuotaInput, read_quotas};
use super::references::references;
use super::refusal::{Refusal, refusable, settle};
use super::scalar::{ChangeStatus, Throttle, ThrottleInput};
use super::terms::{Counting, CountingInput, MethodCost, MethodCostInput, ThrottleMode, read_costs};

/// Limits and the stages they hold for.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct UsagePlan {
    /// Its id.
    pub(super) id: ID,
    /// Name on screen.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// Throttle of each key.
    throttle: Option<Throttle>,
    /// How its throttles hold across gateways.
    throttle_mode: ThrottleMode,
    /// Quotas of each key, at most one for each length of period. A call takes units of all of them or of none.
    #[graphql(complexity = "cost::list(3, child_complexity)")]
    quotas: Vec<Quota>,
    /// Which answers count.
    counting: Counting,
    /// The stages it opens.
    #[graphql(complexity = "cost::list(20, child_complexity)")]
    stages: Vec<UsagePlanStage>,
    /// What happens to calls when quotas cannot be checked.
    degraded: DegradedMode,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<metering::UsagePlan> for UsagePlan {
    fn from(plan: metering::UsagePlan) -> Self {
        Self {
            id: plan.id.into(),
            name: plan.name,
            description: plan.description,
            throttle: plan.terms.throttle.map(Throttle::from),
            throttle_mode: plan.terms.throttle_mode.into(),
            quotas: plan.terms.quotas.into_iter().map(Quota::from).collect(),
            counting: plan.terms.counting.into(),
            stages: plan.terms.stages.into_iter().map(UsagePlanStage::from).collect(),
            degraded: plan.terms.degraded.into(),
            created_at: plan.created_at,
        }
    }
}

/// What happens to calls while quotas cannot be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "metering::DegradedMode")]
pub(crate) enum DegradedMode {
    /// Refuse with 503.
    Refuse,
    /// Serve, and mark the record: outside the quota's guarantee.
    ServeAndMark,
}

/// A stage that a usage plan opens.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub(crate) struct UsagePlanStage {
    /// The API.
    api_id: ID,
    /// The stage's name.
    stage: String,
    /// Tighter throttles of single methods.
    #[graphql(complexity = "cost::list(2, child_complexity)")]
    throttles: Vec<MethodThrottle>,
    /// What calls of single methods cost; one unit where none is named.
    #[graphql(complexity = "cost::list(2, child_complexity)")]
    costs: Vec<MethodCost>,
}

#[ComplexObject]
impl UsagePlanStage {
    /// The API.
    async fn api(&self, ctx: &Context<'_>) -> Result<Option<Api>> {
        references(ctx)?.api(&self.api_id).await
    }
}

impl From<metering::PlanStage> for UsagePlanStage {
    fn from(stage: metering::PlanStage) -> Self {
        let throttles = stage.throttle.into_iter().map(MethodThrottle::from);
        Self {
            api_id: stage.api_id.into(),
            stage: stage.stage,
            throttles: throttles.collect(),
            costs: stage.costs.into_iter().map(MethodCost::from).collect(),
        }
    }
}

/// The throttle of one method.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct MethodThrottle {
    /// The method as `{resource path}/{VERB}`, for example `/pets/{id}/GET`; `ANY` for all of the path that are not named by
    /// themselves, together.
    path: String,
    /// Tokens added per second.
    rate_limit: f64,
    /// Size of the bucket.
    burst_limit: u32,
}

impl From<(String, metering::Throttle)> for MethodThrottle {
    fn from((path, throttle): (String, metering::Throttle)) -> Self {
        Self { path, rate_limit: throttle.rate_limit, burst_limit: throttle.burst_limit }
    }
}

/// A stage that a usage plan opens.
#[derive(Debug, Clone, InputObject)]
pub(crate) struct UsagePlanStageInput {
    /// The API.
    api_id: ID,
    /// The stage's name.
    stage: String,
    /// Tighter throttles of single methods; at most 20.
    throttles: Option<Vec<MethodThrottleInput>>,
    /// What calls of single methods cost; at most 500. One unit where none is named.
    costs: Option<Vec<MethodCostInput>>,
}

/// The throttle of one method.
#[derive(Debug, Clone, InputObject)]
pub(crate) struct MethodThrottleInput {
    /// The method as `{resource path}/{VERB}`, for example `/pets/{id}/GET`; `ANY` for all of the path that are not named by
    /// themselves, together.
    path: String,
    /// Tokens added per second; more than 0.
    rate_limit: f64,
    /// Size of the bucket; at least 1.
    burst_limit: u32,
}

impl MethodThrottleInput {
    /// The method and its throttle.
    pub(super) fn read(self) -> (String, metering::Throttle) {
        let Self { path, rate_limit, burst_limit } = self;
        (path, metering::Throttle { rate_limit, burst_limit })
    }
}

/// The stages; `field` is the list's path for errors.
pub(super) fn read_stages(
    field: &str,
    stages: Vec<UsagePlanStageInput>,
) -> common::Result<Vec<metering::PlanStage>> {
    let read = |(index, stage): (usize, UsagePlanStageInput)| {
        let throttles = stage.throttles.unwrap_or_default().into_iter().map(|method| {
            let throttle =
                metering::Throttle { rate_limit: method.rate_limit, burst_limit: method.burst_limit };
            (method.path, throttle)
        });
        Ok(metering::PlanStage {
            api_id: id(&format!("{field}.{index}.apiId"), &stage.api_id)?,
            stage: stage.stage,
            throttle: throttles.collect::<BTreeMap<_, _>>(),
            costs: read_costs(&format!("{field}.{index}.costs"), stage.costs.unwrap_or_default())?,
        })
    };
    stages.into_iter().enumerate().map(read).collect()
}

/// A new usage plan, or the whole new content of one.
#[derive(Debug, Clone, InputObject)]
pub(crate) struct UsagePlanCreateInput {
    /// 1 to 255 characters.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// Throttle of each key; none when absent.
    throttle: Option<ThrottleInput>,
    /// How its throttles hold across gateways; shared when absent.
    throttle_mode: Option<ThrottleMode>,
    /// Quotas of each key, at most one for each length of period; none when absent.
    quotas: Option<Vec<QuotaInput>>,
    /// Which answers count; every answer uses up quotas and those below 400 are billed when absent.
    counting: Option<CountingInput>,
    /// The stages it opens.
    stages: Option<Vec<UsagePlanStageInput>>,
    /// What happens to calls when quotas cannot be checked; refused when absent.
    degraded: Option<DegradedMode>,
}

impl UsagePlanCreateInput {
    fn read(self) -> common::Result<CreateUsagePlan> {
        Ok(CreateUsagePlan {
            name: self.name,
            description: self.description,
            terms: metering::PlanTerms {
                throttle: self.throttle.map(Into::into),
                throttle_mode: self.throttle_mode.map(Into::into).unwrap_or_default(),
                quotas: read_quotas("quotas", self.quotas.unwrap_or_default())?,
                counting: self.counting.map(Into::into).unwrap_or_default(),
                stages: read_stages("stages", self.stages.unwrap_or_default())?,
                degraded: self.degraded.map(Into::into).unwrap_or_default(),
            },
        })
    }
}

/// Changes of a usage plan; absent fields stay as they are, `null` removes.
#[derive(Debug, Clone, InputObject)]
pub(crate) struct UsagePlanUpdateInput {
    /// The usage plan.
    id: ID,
    /// New name.
    name: Option<String>,
    /// New description.
    description: async_graphql::MaybeUndefined<String>,
    /// New throttle of each key.
    throttle: async_graphql::MaybeUndefined<ThrottleInput>,
    /// How its throttles hold across gateways.
    throttle_mode: Option<ThrottleMode>,
    /// All quotas of each key, replacing the old ones.
    quotas: Option<Vec<QuotaInput>>,
    /// Which answers count.
    counting: Option<CountingInput>,
    /// All stages, replacing the old ones.
    stages: Option<Vec<UsagePlanStageInput>>,
    /// What happens to calls when quotas cannot be checked.
    degraded: Option<DegradedMode>,
}

impl UsagePlanUpdateInput {
    fn read(self) -> common::Result<UpdateUsagePlan> {
        let throttle: Option<Option<ThrottleInput>> = self.throttle.into();
        Ok(UpdateUsagePlan {
            id: id::<UsagePlanId>("id", &self.id)?,
            name: self.name,
            description: self.description.into(),
            throttle: throttle.map(|throttle| throttle.map(Into::into)),
            throttle_mode: self.throttle_mode.map(Into::into),
            quotas: self.quotas.map(|quotas| read_quotas("quotas", quotas)).transpose()?,
            counting: self.counting.map(Into::into),
            stages: self.stages.map(|stages| read_stages("stages", stages)).transpose()?,
            degraded: self.degraded.map(Into::into),
        })
    }
}

/// A usage plan after a change.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct UsagePlanPayload {
    /// The usage plan; absent when nothing was changed.
    usage_plan: Option<UsagePlan>,
    /// Whether every gateway enforces it already.
    status: Option<ChangeStatus>,
    #[graphql(flatten)]
    refusal: Refusal,
}

impl From<metering::SavedUsagePlan> for UsagePlanPayload {
    fn from(saved: metering::SavedUsagePlan) -> Self {
        Self {
            usage_plan: Some(saved.usage_plan.into()),
            status: Some(saved.liveness.into()),
            ..Self::default()
        }
    }
}

/// A removed usage plan.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct UsagePlanDeletePayload {
    /// The id of the usage plan; absent when nothing was removed.
    deleted_id: Option<ID>,
    /// Whether every gateway enforces it already.
    status: Option<ChangeStatus>,
    #[graphql(flatten)]
    refusal: Refusal,
}

refusable!(UsagePlanPayload, UsagePlanDeletePayload);

#[derive(Default)]
pub(crate) struct UsagePlanQuery;

#[Object]
impl UsagePlanQuery {
    /// The organization's usage plans, newest first.
    #[graphql(complexity = "cost::page(first, child_complexity)")]
    async fn usage_plans(
        &self,
        ctx: &Context<'_>,
        first: Option<u32>,
        after: Option<String>,
    ) -> Result<Connection<UsagePlan>> {
        Ok(call(ctx, ListUsagePlans { page: page(first, after)? }).await?.into())
    }

    /// One usage plan.
    async fn usage_plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id")] plan: ID,
    ) -> Result<Option<UsagePlan>> {
        Ok(Some(call(ctx, GetUsagePlan { id: id("id", &plan)? }).await?.into()))
    }
}

#[derive(Default)]
pub(crate) struct UsagePlanMutation;

#[Object]
impl UsagePlanMutation {
    /// Makes a usage plan.
    async fn usage_plan_create(
        &self,
        ctx: &Context<'_>,
        input: UsagePlanCreateInput,
    ) -> Result<UsagePlanPayload> {
        settle(async { Ok(call(ctx, input.read()?).await?.into()) }).await
    }

    /// Changes a usage plan; every gateway enforces the new limits when the status is `LIVE`.
    async fn usage_plan_update(
        &self,
        ctx: &Context<'_>,
        input: UsagePlanUpdateInput,
    ) -> Result<UsagePlanPayload> {
        settle(async { Ok(call(ctx, input.read()?).await?.into()) }).await
    }

    /// Removes a usage plan that no key uses.
    async fn usage_plan_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id")] plan: ID,
    ) -> Result<UsagePlanDeletePayload> {
        settle(async {
            let plan: UsagePlanId = id("id", &plan)?;
            let liveness = call(ctx, DeleteUsagePlan { id: plan }).await?;
            Ok(UsagePlanDeletePayload {
                deleted_id: Some(plan.into()),
                status: Some(liveness.into()),
                ..Default::default()
            })
        })
        .await
    }
}
