//! The keys that subscriptions carry: made and revoked at `metering`, exactly as the subscription stands.
//!
//! An order says only "look at this subscription". Whoever delivers it reads where the subscription stands now, so orders
//! may arrive twice, late, or out of their order, and the key ends as the subscription does.

use common::id::{EventId, SubscriptionId};
use common::{Code, Error, Result};
use contracts::billing::SubscriptionStatus;
use contracts::metering::{CreateApiKey, RevokeApiKey, SavedApiKey};
use contracts::stream::Liveness;
use contracts::{Ctx, Role};
use database::TenantTx;
use database::outbox::{self, Event};
use serde::{Deserialize, Serialize};

use crate::store::subscriptions::SubscriptionRow;
use crate::{State, store};

/// Kind of these events in the outbox.
const KIND: &str = "subscription.key";

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    subscription: SubscriptionId,
}

/// Stores the order to bring the subscription's key in line, with the change that needs it.
pub(super) async fn order(tx: &TenantTx, ctx: &Ctx, subscription: SubscriptionId) -> Result<Event> {
    outbox::push(tx, ctx, KIND, &Order { subscription }).await
}

/// Whether the key of a cancelled subscription is refused everywhere.
pub(super) async fn revoked(state: &State, ctx: &Ctx, row: &SubscriptionRow) -> Liveness {
    match revoke(state, &ctx.as_service(Role::Billing), row).await {
        Ok(revoked) => revoked.map_or(Liveness::Live, |key| key.liveness),
        Err(_) => Liveness::Pending,
    }
}

/// Tries to carry an order out. Answers the key as it is now, if there is one. A failure is logged, and the order is due again after a pause.
pub(crate) async fn attempt(state: &State, event: &Event) -> Result<Option<SavedApiKey>> {
    let ctx = Ctx::service(Role::Billing, state.clock.now()).in_tenant(event.tenant);
    let error = match carry_out(state, &ctx, event).await {
        Ok(made) => return Ok(made),
        Err(error) => error,
    };
    let cause = error.cause.as_deref().unwrap_or(&error.message);
    tracing::warn!(event.id = %event.id, tenant.id = %event.tenant, attempts = event.attempts, %cause, "key of a subscription not in line yet");
    let tx = state.database.tenant(&ctx).await?;
    outbox::failed(&tx, event, ctx.now, cause).await?;
    tx.commit().await?;
    Err(error)
}

/// Answers the key when it was made or revoked.
async fn carry_out(state: &State, ctx: &Ctx, event: &Event) -> Result<Option<SavedApiKey>> {
    if event.kind != KIND {
        return Err(Error::internal(format!("unknown kind of event {}", event.kind)));
    }
    let Order { subscription } = event.body()?;
    let row = find(state, ctx, subscription).await?;
    if row.status == SubscriptionStatus::Pending {
        let made = make(state, ctx, &row).await?;
        if settle(state, ctx, event.id, subscription).await? {
            return Ok(Some(made));
        }
    }
    // Cancelled, perhaps while its key was being made: whoever revoked it may have come before the key.
    let revoked = match row.status {
        SubscriptionStatus::Active => None,
        SubscriptionStatus::Pending | SubscriptionStatus::Cancelled => revoke(state, ctx, &row).await?,
    };
    let tx = state.database.tenant(ctx).await?;
    outbox::delivered(&tx, event.id).await?;
    tx.commit().await?;
    Ok(revoked)
}

/// The key exists: the subscription becomes active and the order is done, together. Answers false, and keeps the order,
/// when the subscription was cancelled meanwhile.
async fn settle(state: &State, ctx: &Ctx, event: EventId, subscription: SubscriptionId) -> Result<bool> {
    let tx = state.database.tenant(ctx).await?;
    let row = store::subscriptions::lock(&tx, subscription).await?;
    if row.is_none_or(|row| row.status == SubscriptionStatus::Cancelled) {
        return Ok(false);
    }
    store::subscriptions::activate(&tx, subscription).await?;
    outbox::delivered(&tx, event).await?;
    tx.commit().await?;
    Ok(true)
}

async fn find(state: &State, ctx: &Ctx, subscription: SubscriptionId) -> Result<SubscriptionRow> {
    let tx = state.database.tenant_read(ctx).await?;
    let row = store::subscriptions::get(&tx, subscription).await?;
    row.ok_or_else(|| Error::internal("an order for a subscription that is not there"))
}

/// The id is fixed with the subscription, so a repeat finds the key.
async fn make(state: &State, ctx: &Ctx, row: &SubscriptionRow) -> Result<SavedApiKey> {
    let tx = state.database.tenant_read(ctx).await?;
    let plan = store::plans::get(&tx, row.plan).await?;
    let plan = plan.ok_or_else(|| Error::internal("a subscription to a plan that is not there"))?;
    drop(tx);
    let request = CreateApiKey {
        id: Some(row.key),
        name: row.key_name.clone(),
        value: None,
        enabled: true,
        usage_plans: vec![plan.usage_plan],
        subscription: Some(row.id),
        plan: Some(plan.id),
        expires_at: None,
        anchored_at: Some(row.created_at),
        shown_once: false,
    };
    state.client.call(ctx, request).await
}

/// A key that was never made is revoked enough.
async fn revoke(state: &State, ctx: &Ctx, row: &SubscriptionRow) -> Result<Option<SavedApiKey>> {
    match state.client.call(ctx, RevokeApiKey { id: row.key }).await {
        Ok(revoked) => Ok(Some(revoked)),
        Err(error) if error.code == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
