//! Subscriptions: an app's purchase of a plan, with its key.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use common::id::{AppId, DeveloperId};
use common::{Error, Page, PageArgs};
use contracts::billing::{
    self, CancelSubscription, CreateSubscription, GetPlan, GetSubscription, ListSubscriptions,
};
use contracts::portal::{CreateApp, CreateDeveloper, GetApp, ListApps, ListDevelopers};
use contracts::{Call, Role};

use super::api_keys::ApiKey;
use super::call::{call, call_step, caller, id, optional_id, page, require};
use super::connection::Connection;
use super::cost;
use super::developers::App;
use super::references::references;
use super::refusal::{Refusal, refusable, settle};
use super::scalar::ChangeStatus;
use super::spending::{SpendStatus, spend_status};

/// An app's purchase of a plan.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Subscription {
    /// Its id.
    id: ID,
    /// Where it stands.
    status: SubscriptionStatus,
    /// The plan.
    plan_id: ID,
    /// The plan's name.
    plan_name: String,
    /// The product's name.
    product_name: String,
    /// The app.
    app_id: ID,
    /// The app's owner.
    developer_id: ID,
    /// Its key.
    api_key_id: ID,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was cancelled.
    cancelled_at: Option<DateTime<Utc>>,
}

#[ComplexObject]
impl Subscription {
    /// The app; absent when it is gone.
    async fn app(&self, ctx: &Context<'_>) -> Result<Option<App>> {
        references(ctx)?.app(&self.app_id).await
    }

    /// Its key; absent until it is made.
    async fn api_key(&self, ctx: &Context<'_>) -> Result<Option<ApiKey>> {
        references(ctx)?.api_key(&self.api_key_id).await
    }

    /// How much it has spent in the current month; absent without a cap.
    #[graphql(complexity = "child_complexity + cost::CALL")]
    async fn spend_status(&self, ctx: &Context<'_>) -> Result<Option<SpendStatus>> {
        spend_status(ctx, &self.id).await
    }
}

impl From<billing::Subscription> for Subscription {
    fn from(subscription: billing::Subscription) -> Self {
        Self {
            id: subscription.id.into(),
            status: subscription.status.into(),
            plan_id: subscription.plan.into(),
            plan_name: subscription.plan_name,
            product_name: subscription.product_name,
            app_id: subscription.app.into(),
            developer_id: subscription.developer.into(),
            api_key_id: subscription.key.into(),
            created_at: subscription.created_at,
            cancelled_at: subscription.cancelled_at,
        }
    }
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "billing::SubscriptionStatus")]
pub(crate) enum SubscriptionStatus {
    /// Stored; its key is being made.
    Pending,
    /// Its key works.
    Active,
    /// Ended; its key is revoked.
    Cancelled,
}

/// A new subscription: of `appId`, or of the app `appName` of `developerId` or `developerEmail`, which are made when
/// missing.
#[derive(InputObject)]
pub(crate) struct SubscriptionCreateInput {
    /// The plan.
    plan_id: ID,
    /// The app.
    app_id: Option<ID>,
    /// The owner of `appName`.
    developer_id: Option<ID>,
    /// The owner of `appName`, by e-mail address.
    developer_email: Option<String>,
    /// The app's name: 1 to 100 characters.
    app_name: Option<String>,
    /// What to call the key; the plan's name when absent.
    key_name: Option<String>,
}

impl SubscriptionCreateInput {
    async fn create(self, ctx: &Context<'_>) -> common::Result<SubscriptionPayload> {
        let plan = id("planId", &self.plan_id)?;
        require::<CreateSubscription>(ctx)?;
        // Before a developer and an app are made for it. Whoever may subscribe to a plan may know that it exists.
        let caller = caller(ctx)?;
        caller.client.call(&caller.ctx.as_service(Role::Admin), GetPlan { id: plan }).await?;
        let (app, developer) = self.app(ctx).await?;
        let request = CreateSubscription { plan, app, developer, key_name: self.key_name };
        let created = call_step(ctx, "subscription", request).await?;
        Ok(SubscriptionPayload {
            subscription: Some(created.subscription.into()),
            value: created.key_value,
            status: Some(created.liveness.into()),
            refusal: Refusal::default(),
        })
    }

    /// The app and its owner, found or made.
    async fn app(&self, ctx: &Context<'_>) -> common::Result<(AppId, DeveloperId)> {
        let owner = || Error::invalid("appId", "give appId, or appName with developerId or developerEmail");
        if let Some(app) = &self.app_id {
            if self.app_name.is_some() || self.developer_id.is_some() || self.developer_email.is_some() {
                return Err(owner());
            }
            let app = call(ctx, GetApp { id: id("appId", app)? }).await?;
            return Ok((app.id, app.developer));
        }
        let name = self.app_name.as_deref().ok_or_else(owner)?;
        let developer = match (&self.developer_id, &self.developer_email) {
            (Some(developer), None) => id("developerId", developer)?,
            (None, Some(email)) => developer(ctx, email).await?,
            _ => return Err(owner()),
        };
        let apps = |page| ListApps { page, developer: Some(developer) };
        if let Some(app) = find(ctx, apps, |app| app.name == name).await? {
            return Ok((app.id, developer));
        }
        let app = call_step(ctx, "app", CreateApp { developer, name: name.to_owned() }).await?;
        Ok((app.id, developer))
    }
}

/// The developer with this address, found or made.
async fn developer(ctx: &Context<'_>, email: &str) -> common::Result<DeveloperId> {
    let email = email.trim();
    let known = find(ctx, |page| ListDevelopers { page }, |known| known.email.eq_ignore_ascii_case(email));
    if let Some(developer) = known.await? {
        return Ok(developer.id);
    }
    let request = CreateDeveloper { email: email.to_owned(), name: email.to_owned(), password: None };
    Ok(call_step(ctx, "developer", request).await?.id)
}

/// The first item of a list that matches, page by page.
async fn find<C, T>(
    ctx: &Context<'_>,
    request: impl Fn(PageArgs) -> C,
    matches: impl Fn(&T) -> bool,
) -> common::Result<Option<T>>
where
    C: Call<Output = Page<T>>,
{
    let mut after = None;
    loop {
        let Page { items, next } = call(ctx, request(PageArgs { first: Some(PageArgs::MAX), after })).await?;
        if let Some(found) = items.into_iter().find(&matches) {
            return Ok(Some(found));
        }
        if next.is_none() {
            return Ok(None);
        }
        after = next;
    }
}

/// A subscription after a change.
#[derive(Debug, Default, SimpleObject)]
#[graphql(complex)]
pub(crate) struct SubscriptionPayload {
    /// The subscription; absent when nothing was changed.
    subscription: Option<Subscription>,
    /// The key's value, after making it; absent while the subscription is pending.
    value: Option<String>,
    /// Whether every gateway knows the key, or refuses it after a cancellation, already.
    status: Option<ChangeStatus>,
    #[graphql(flatten)]
    refusal: Refusal,
}

#[ComplexObject]
impl SubscriptionPayload {
    /// The subscription's key; absent until it is made.
    async fn api_key(&self, ctx: &Context<'_>) -> Result<Option<ApiKey>> {
        match &self.subscription {
            Some(subscription) => references(ctx)?.api_key(&subscription.api_key_id).await,
            None => Ok(None),
        }
    }
}

refusable!(SubscriptionPayload);

#[derive(Default)]
pub(crate) struct SubscriptionQuery;

#[Object]
impl SubscriptionQuery {
    /// Subscriptions, newest first.
    #[graphql(complexity = "cost::page(first, child_complexity)")]
    async fn subscriptions(
        &self,
        ctx: &Context<'_>,
        first: Option<u32>,
        after: Option<String>,
        #[graphql(desc = "Only this developer's.")] developer_id: Option<ID>,
        #[graphql(desc = "Only this plan's.")] plan_id: Option<ID>,
    ) -> Result<Connection<Subscription>> {
        let request = ListSubscriptions {
            page: page(first, after)?,
            developer: optional_id("developerId", developer_id.as_ref())?,
            plan: optional_id("planId", plan_id.as_ref())?,
        };
        Ok(call(ctx, request).await?.into())
    }

    /// One subscription.
    async fn subscription(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id")] subscription: ID,
    ) -> Result<Option<Subscription>> {
        Ok(Some(call(ctx, GetSubscription { id: id("id", &subscription)? }).await?.into()))
    }
}

#[derive(Default)]
pub(crate) struct SubscriptionMutation;

#[Object]
impl SubscriptionMutation {
    /// Subscribes an app to a plan. The answer shows the key that comes with it.
    async fn subscription_create(
        &self,
        ctx: &Context<'_>,
        input: SubscriptionCreateInput,
    ) -> Result<SubscriptionPayload> {
        settle(input.create(ctx)).await
    }

    /// Ends a subscription and revokes its keys; they are refused everywhere when the status is `LIVE`.
    async fn subscription_cancel(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id")] subscription: ID,
    ) -> Result<SubscriptionPayload> {
        settle(async {
            let cancelled = call(ctx, CancelSubscription { id: id("id", &subscription)? }).await?;
            Ok(SubscriptionPayload {
                subscription: Some(cancelled.subscription.into()),
                status: Some(cancelled.liveness.into()),
                ..Default::default()
            })
        })
        .await
    }
}
