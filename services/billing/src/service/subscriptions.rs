//! Subscriptions: an app's purchase of a plan.

use std::sync::Arc;

use common::id::{KeyId, SubscriptionId};
use common::{Code, Error, Page, Result, text};
use contracts::billing::{
    CancelSubscription, CancelledSubscription, CreateSubscription, CreatedSubscription, GetSubscription,
    ListSubscriptions, Plan, Subscription, SubscriptionStatus,
};
use contracts::metering::{GetUsagePlan, RevealApiKey};
use contracts::portal::GetApp;
use contracts::stream::Liveness;
use contracts::{Ctx, Role};
use database::outbox::Event;
use database::{TenantTx, audit, idempotency};

use super::keys;
use crate::store::subscriptions::{NewSubscription, SubscriptionRow, Taken};
use crate::{State, store};

/// Subscribes an app to a plan. The subscription and the order for its key are stored together; then the key is made. If
/// that does not work out now, the answer is a pending subscription, and a job makes the key.
pub(crate) async fn create(
    state: Arc<State>,
    ctx: Ctx,
    input: CreateSubscription,
) -> Result<CreatedSubscription> {
    if let Some(name) = &input.key_name {
        text::name("keyName", name)?;
    }
    let app = state.client.call(&ctx.as_service(Role::Billing), GetApp { id: input.app }).await?;
    if app.developer != input.developer {
        return Err(Error::invalid("developer", "does not own this app"));
    }
    let (id, event) = store_subscription(&state, &ctx, &input).await?;
    let made = match event {
        Some(event) => keys::attempt(&state, &event).await.ok().flatten(),
        None => None,
    };
    let subscription = read(&state, &ctx, id).await?;
    match made {
        Some(made) => {
            Ok(CreatedSubscription { subscription, key_value: made.value, liveness: made.liveness })
        }
        None => repeated(&state, &ctx, subscription).await,
    }
}

/// The subscription, and the order for its key: absent when an earlier request made both.
async fn store_subscription(
    state: &State,
    ctx: &Ctx,
    input: &CreateSubscription,
) -> Result<(SubscriptionId, Option<Event>)> {
    let tx = state.database.tenant(ctx).await?;
    if let Some(first) = idempotency::begin(&tx, ctx, input).await? {
        return Ok((first.parse().map_err(Error::internal)?, None));
    }
    let plan = store::plans::get(&tx, input.plan).await?.ok_or_else(|| Error::not_found("plan"))?;
    check_limits_exist(state, ctx, &plan).await?;
    let new = NewSubscription {
        id: SubscriptionId::new(ctx.now),
        plan: plan.id,
        app: input.app,
        developer: input.developer,
        key: KeyId::new(ctx.now),
        key_name: input.key_name.clone().unwrap_or(plan.name),
        created_at: ctx.now,
    };
    store::subscriptions::check_room(&tx, state.config.limits.subscriptions).await?;
    if let Err(Taken) = store::subscriptions::insert(&tx, &new).await? {
        let message = "this app has a subscription to this plan already";
        return Err(Error::new(Code::AlreadyExists, "subscription_exists", message));
    }
    audit::record(&tx, ctx, "subscription.create", new.id, input).await?;
    let event = keys::order(&tx, ctx, new.id).await?;
    idempotency::finish::<CreateSubscription>(&tx, ctx, &new.id.to_string()).await?;
    tx.commit().await?;
    Ok((new.id, Some(event)))
}

/// Refuses a plan whose limits are gone: its key could never be made. When metering does not answer, the order waits for
/// it, so that is no refusal.
async fn check_limits_exist(state: &State, ctx: &Ctx, plan: &Plan) -> Result<()> {
    let limits = GetUsagePlan { id: plan.usage_plan };
    match state.client.call(&ctx.as_service(Role::Billing), limits).await {
        Err(error) if error.code == Code::NotFound => {
            let message = "this plan has lost its limits and cannot be subscribed to";
            Err(Error::new(Code::Conflict, "plan_without_limits", message))
        }
        _ => Ok(()),
    }
}

/// The answer when the key was not made by this request: its value comes from the vault.
async fn repeated(state: &State, ctx: &Ctx, subscription: Subscription) -> Result<CreatedSubscription> {
    if subscription.status != SubscriptionStatus::Active {
        return Ok(CreatedSubscription { subscription, key_value: None, liveness: Liveness::Pending });
    }
    let reveal = RevealApiKey { id: subscription.key };
    let value = state.client.call(&ctx.as_service(Role::Billing), reveal).await?;
    Ok(CreatedSubscription { subscription, key_value: Some(value), liveness: Liveness::Live })
}

/// Ends a subscription. It counts as ended from now on; its key is revoked right away, or as soon as `metering` answers:
/// until then the answer is pending.
pub(crate) async fn cancel(
    state: Arc<State>,
    ctx: Ctx,
    input: CancelSubscription,
) -> Result<CancelledSubscription> {
    let tx = state.database.tenant(&ctx).await?;
    let row = store::subscriptions::lock(&tx, input.id).await?;
    let row = row.ok_or_else(|| Error::not_found("subscription"))?;
    if row.status == SubscriptionStatus::Cancelled {
        drop(tx);
        let liveness = keys::revoked(&state, &ctx, &row).await;
        return Ok(CancelledSubscription { subscription: read(&state, &ctx, input.id).await?, liveness });
    }
    store::subscriptions::cancel(&tx, input.id, ctx.now).await?;
    audit::record(&tx, &ctx, "subscription.cancel", input.id, &input).await?;
    let event = keys::order(&tx, &ctx, input.id).await?;
    tx.commit().await?;
    // A failure is logged and noted there; the job goes on trying.
    let liveness = match keys::attempt(&state, &event).await {
        Ok(revoked) => revoked.map_or(Liveness::Live, |key| key.liveness),
        Err(_) => Liveness::Pending,
    };
    Ok(CancelledSubscription { subscription: read(&state, &ctx, input.id).await?, liveness })
}

/// One subscription.
pub(crate) async fn get(state: Arc<State>, ctx: Ctx, input: GetSubscription) -> Result<Subscription> {
    read(&state, &ctx, input.id).await
}

/// The tenant's subscriptions.
pub(crate) async fn list(
    state: Arc<State>,
    ctx: Ctx,
    input: ListSubscriptions,
) -> Result<Page<Subscription>> {
    let tx = state.database.tenant_read(&ctx).await?;
    let page = store::subscriptions::list(&tx, &input.page, input.developer, input.plan).await?;
    Ok(Page { items: with_names(&tx, page.items).await?, next: page.next })
}

async fn read(state: &State, ctx: &Ctx, id: SubscriptionId) -> Result<Subscription> {
    let tx = state.database.tenant_read(ctx).await?;
    let row = store::subscriptions::get(&tx, id).await?;
    let row = row.ok_or_else(|| Error::not_found("subscription"))?;
    with_names(&tx, vec![row]).await?.pop().ok_or_else(|| Error::not_found("subscription"))
}

/// The subscriptions with the names of what they are to, in the same order.
async fn with_names(tx: &TenantTx, rows: Vec<SubscriptionRow>) -> Result<Vec<Subscription>> {
    let plans: Vec<Plan> = store::plans::find(tx, rows.iter().map(|row| row.plan)).await?;
    let products: Vec<_> = plans.iter().map(|plan| plan.product).collect();
    let products = store::products::find(tx, &products).await?;
    let mut subscriptions = Vec::with_capacity(rows.len());
    for row in rows {
        let plan = plans.iter().find(|plan| plan.id == row.plan);
        let plan = plan.ok_or_else(|| Error::internal("a subscription to a plan that is not there"))?;
        let product = products.iter().find(|product| product.id == plan.product);
        subscriptions.push(Subscription {
            id: row.id,
            plan: row.plan,
            product: plan.product,
            product_name: product.map(|product| product.name.clone()).unwrap_or_default(),
            plan_name: plan.name.clone(),
            app: row.app,
            developer: row.developer,
            status: row.status,
            key: row.key,
            created_at: row.created_at,
            cancelled_at: row.cancelled_at,
        });
    }
    Ok(subscriptions)
}
