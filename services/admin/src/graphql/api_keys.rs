//! API keys.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use common::id::KeyId;
use contracts::metering::{
    self, CreateApiKey, DeleteApiKey, GetApiKey, ListApiKeys, RevealApiKey, RevokeApiKey, RotateApiKey,
    UpdateApiKey,
};

use super::call::{call, id, ids, optional_id, page};
use super::connection::Connection;
use super::cost;
use super::quotas::{QuotaStatus, quota_status};
use super::references::references;
use super::refusal::{Refusal, refusable, settle};
use super::scalar::ChangeStatus;
use super::subscriptions::Subscription;
use super::usage_plans::UsagePlan;

/// A key without its value.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub(crate) struct ApiKey {
    /// Its id; rotation keeps it.
    id: ID,
    /// What its owner calls it.
    name: String,
    /// First characters of the value, to recognise it by.
    prefix: String,
    /// Whether calls with it are admitted.
    enabled: bool,
    /// When it was revoked: it can never be enabled again.
    revoked_at: Option<DateTime<Utc>>,
    /// When it ends by itself; absent = never.
    expires_at: Option<DateTime<Utc>>,
    /// The usage plans it may use.
    usage_plan_ids: Vec<ID>,
    /// The subscription that carries it; absent for keys that stand alone.
    subscription_id: Option<ID>,
    /// The plan sold with that subscription.
    plan_id: Option<ID>,
    /// Until when the value before the last rotation is admitted too.
    previous_until: Option<DateTime<Utc>>,
    /// The billing date: periods that begin with it are counted from here.
    anchored_at: DateTime<Utc>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

#[ComplexObject]
impl ApiKey {
    /// The usage plans it may use.
    #[graphql(complexity = "cost::list(10, child_complexity)")]
    async fn usage_plans(&self, ctx: &Context<'_>) -> Result<Vec<UsagePlan>> {
        let references = references(ctx)?;
        let plans = self.usage_plan_ids.iter().map(|id| references.usage_plan(id));
        Ok(futures_util::future::try_join_all(plans).await?.into_iter().flatten().collect())
    }

    /// The subscription that carries it; absent for keys that stand alone.
    async fn subscription(&self, ctx: &Context<'_>) -> Result<Option<Subscription>> {
        match &self.subscription_id {
            Some(id) => references(ctx)?.subscription(id).await,
            None => Ok(None),
        }
    }

    /// How much of its quotas is used in the current periods, per usage plan and quota.
    #[graphql(complexity = "cost::list(10, child_complexity) + cost::CALL")]
    async fn quota_status(&self, ctx: &Context<'_>) -> Result<Vec<QuotaStatus>> {
        quota_status(ctx, &self.id).await
    }
}

impl From<metering::ApiKey> for ApiKey {
    fn from(key: metering::ApiKey) -> Self {
        Self {
            id: key.id.into(),
            name: key.name,
            prefix: key.prefix,
            enabled: key.enabled,
            revoked_at: key.revoked_at,
            expires_at: key.expires_at,
            usage_plan_ids: key.usage_plans.into_iter().map(ID::from).collect(),
            subscription_id: key.subscription.map(ID::from),
            plan_id: key.plan.map(ID::from),
            previous_until: key.previous_until,
            anchored_at: key.anchored_at,
            created_at: key.created_at,
        }
    }
}

/// A new key.
#[derive(InputObject)]
pub(crate) struct ApiKeyCreateInput {
    /// At most 1024 characters.
    name: String,
    /// A value brought along: 20 to 128 letters, digits, `_` and `-`; made by Tollgate when absent.
    value: Option<String>,
    /// Whether calls are admitted; yes when absent.
    enabled: Option<bool>,
    /// Usage plans it may use: at most 10, at most one per stage.
    usage_plan_ids: Option<Vec<ID>>,
    /// When it ends by itself; absent = never.
    expires_at: Option<DateTime<Utc>>,
    /// The billing date: periods that begin with it are counted from here; when it is made when absent.
    anchored_at: Option<DateTime<Utc>>,
    /// Keep no copy of the value: it is shown in this answer and never again.
    shown_once: Option<bool>,
}

impl ApiKeyCreateInput {
    fn read(self) -> common::Result<CreateApiKey> {
        Ok(CreateApiKey {
            id: None,
            name: self.name,
            value: self.value,
            enabled: self.enabled.unwrap_or(true),
            usage_plans: ids("usagePlanIds", &self.usage_plan_ids.unwrap_or_default())?,
            subscription: None,
            plan: None,
            expires_at: self.expires_at,
            anchored_at: self.anchored_at,
            shown_once: self.shown_once.unwrap_or(false),
        })
    }
}

/// Changes of a key; absent fields stay as they are.
#[derive(InputObject)]
pub(crate) struct ApiKeyUpdateInput {
    /// The key.
    id: ID,
    /// New name.
    name: Option<String>,
    /// Whether calls are admitted.
    enabled: Option<bool>,
    /// All usage plans, replacing the old ones.
    usage_plan_ids: Option<Vec<ID>>,
    /// What becomes of the units used in the current periods where one usage plan takes another's place; `RESET` when absent.
    used_units: Option<UsedUnits>,
}

/// What becomes of a key's used units when a usage plan takes another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "metering::UsedUnits")]
pub(crate) enum UsedUnits {
    /// The new plan's periods begin with nothing used; one that the key had earlier in the same periods goes on where it stood.
    Reset,
    /// They stay used: what is left is the new limit less them. Needs exactly one plan that takes another's place, with quotas
    /// of the same periods.
    Keep,
    /// As `KEEP`, and in the current period the limit is the old plan's for the time that is over and the new plan's for the
    /// rest, in proportion and rounded down.
    Blend,
}

impl ApiKeyUpdateInput {
    fn read(self) -> common::Result<UpdateApiKey> {
        Ok(UpdateApiKey {
            id: id("id", &self.id)?,
            name: self.name,
            enabled: self.enabled,
            usage_plans: self.usage_plan_ids.map(|plans| ids("usagePlanIds", &plans)).transpose()?,
            used_units: self.used_units.map(Into::into).unwrap_or_default(),
            plan: None,
        })
    }
}

/// A new value for a key; id, plans and usage stay.
#[derive(InputObject)]
pub(crate) struct ApiKeyRotateInput {
    /// The key.
    id: ID,
    /// Seconds for which the old value stays valid: 0 to 2,592,000 (30 days); 0 when absent.
    grace_seconds: Option<u32>,
    /// The new value; made by Tollgate when absent.
    value: Option<String>,
}

/// A key after a change.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct ApiKeyPayload {
    /// The key; absent when nothing was changed.
    api_key: Option<ApiKey>,
    /// The value: after making and rotating it.
    value: Option<String>,
    /// Whether every gateway knows it already.
    status: Option<ChangeStatus>,
    #[graphql(flatten)]
    refusal: Refusal,
}

impl From<metering::SavedApiKey> for ApiKeyPayload {
    fn from(saved: metering::SavedApiKey) -> Self {
        Self {
            api_key: Some(saved.api_key.into()),
            value: saved.value,
            status: Some(saved.liveness.into()),
            ..Self::default()
        }
    }
}

/// The value of a key.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct ApiKeyRevealPayload {
    /// The value; absent when it cannot be shown.
    value: Option<String>,
    #[graphql(flatten)]
    refusal: Refusal,
}

/// A removed key.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct ApiKeyDeletePayload {
    /// The id of the key; absent when nothing was removed.
    deleted_id: Option<ID>,
    /// Whether every gateway refuses it already.
    status: Option<ChangeStatus>,
    #[graphql(flatten)]
    refusal: Refusal,
}

refusable!(ApiKeyPayload, ApiKeyRevealPayload, ApiKeyDeletePayload);

#[derive(Default)]
pub(crate) struct ApiKeyQuery;

#[Object]
impl ApiKeyQuery {
    /// The organization's keys, newest first.
    #[graphql(complexity = "cost::page(first, child_complexity)")]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        first: Option<u32>,
        after: Option<String>,
        #[graphql(desc = "Only those of this usage plan.")] usage_plan_id: Option<ID>,
        #[graphql(desc = "Only those of this subscription.")] subscription_id: Option<ID>,
    ) -> Result<Connection<ApiKey>> {
        let request = ListApiKeys {
            page: page(first, after)?,
            usage_plan: optional_id("usagePlanId", usage_plan_id.as_ref())?,
            subscription: optional_id("subscriptionId", subscription_id.as_ref())?,
        };
        Ok(call(ctx, request).await?.into())
    }

    /// One key.
    async fn api_key(&self, ctx: &Context<'_>, #[graphql(name = "id")] key: ID) -> Result<Option<ApiKey>> {
        Ok(Some(call(ctx, GetApiKey { id: id("id", &key)? }).await?.into()))
    }
}

#[derive(Default)]
pub(crate) struct ApiKeyMutation;

#[Object]
impl ApiKeyMutation {
    /// Makes a key, or takes one along. The answer shows its value.
    async fn api_key_create(&self, ctx: &Context<'_>, input: ApiKeyCreateInput) -> Result<ApiKeyPayload> {
        settle(async { Ok(call(ctx, input.read()?).await?.into()) }).await
    }

    /// Changes a key.
    async fn api_key_update(&self, ctx: &Context<'_>, input: ApiKeyUpdateInput) -> Result<ApiKeyPayload> {
        settle(async { Ok(call(ctx, input.read()?).await?.into()) }).await
    }

    /// Gives a key a new value. The old one is admitted for the grace time and refused from its exact end on.
    async fn api_key_rotate(&self, ctx: &Context<'_>, input: ApiKeyRotateInput) -> Result<ApiKeyPayload> {
        settle(async {
            let request = RotateApiKey {
                id: id("id", &input.id)?,
                grace_seconds: input.grace_seconds.unwrap_or(0),
                value: input.value,
            };
            Ok(call(ctx, request).await?.into())
        })
        .await
    }

    /// Ends a key for good; calls with it are refused within a second.
    async fn api_key_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id")] key: ID,
    ) -> Result<ApiKeyPayload> {
        settle(async { Ok(call(ctx, RevokeApiKey { id: id("id", &key)? }).await?.into()) }).await
    }

    /// Removes a key; calls with it are refused within a second. Its usage stays, its value may be used again.
    async fn api_key_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id")] key: ID,
    ) -> Result<ApiKeyDeletePayload> {
        settle(async {
            let key: KeyId = id("id", &key)?;
            let liveness = call(ctx, DeleteApiKey { id: key }).await?;
            Ok(ApiKeyDeletePayload {
                deleted_id: Some(key.into()),
                status: Some(liveness.into()),
                ..Default::default()
            })
        })
        .await
    }

    /// Shows the value of a key, unless it was made to be shown once.
    async fn api_key_reveal(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id")] key: ID,
    ) -> Result<ApiKeyRevealPayload> {
        settle(async {
            let key: KeyId = id("id", &key)?;
            let value = call(ctx, RevealApiKey { id: key }).await?;
            Ok(ApiKeyRevealPayload { value: Some(value), ..Default::default() })
        })
        .await
    }
}
