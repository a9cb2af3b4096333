//! Spend caps: set, asked about, and watched.
//!
//! What was spent is what the ledger says: billable units of the month times the price. Calls are stopped by leases, which
//! know it sooner.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::Result;
use common::id::{SubscriptionId, TenantId};
use contracts::lease::Budget;
use contracts::metering::{
    AccessEntry, GetSpendStatus, PutSpendCap, SpendAlert, SpendStatus, UsageDimension, UsageStep,
};
use contracts::stream::Liveness;
use contracts::{Ctx, Role};
use database::{TenantTx, audit, changes};

use super::{Service, api_keys as keys};
use crate::domain::budgets::{Rule, month};
use crate::domain::periods::Span;
use crate::domain::spending::{check, price, reached};
use crate::domain::usage::UsageQuery;
use crate::store::quotas::BudgetKey;
use crate::store::spend_caps::StoredCap;
use crate::store::{api_keys, quotas, spend_caps, time};

pub(crate) async fn put(service: Arc<Service>, ctx: Ctx, request: PutSpendCap) -> Result<Liveness> {
    check(&request)?;
    let now = ctx.now.timestamp_micros();
    let anchored_at = request.anchored_at.timestamp_micros();
    let span = month(anchored_at, now);
    let spent = match &request.cap {
        Some(cap) if cap.hard_stop => {
            spent(&service, ctx.tenant()?, request.subscription, span, request.unit_price_micros).await?
        }
        _ => 0,
    };
    let tx = service.database.tenant(&ctx).await?;
    let before = spend_caps::lock(&tx, request.subscription).await?;
    match &request.cap {
        None => spend_caps::remove(&tx, request.subscription).await?,
        Some(cap) => {
            let mut stored = StoredCap {
                tenant: tx.tenant(),
                subscription: request.subscription,
                cap: cap.clone(),
                unit_price_micros: request.unit_price_micros,
                anchored_at,
                counted_from: span.start,
                spent_before: 0,
            };
            let at = place(request.subscription, span);
            stored.spent_before = match &before {
                Some(before) if before.cap.hard_stop => {
                    stored.counted_from = before.counted_from;
                    before.spent_before
                }
                // Leases did not know of it: it is counted once and for all.
                _ => spent.saturating_sub(quotas::read(&tx, &at).await?.map_or(0, |(row, _)| row.settled)),
            };
            spend_caps::put(&tx, &stored).await?;
            if let Some(rule) = stored.rule() {
                put_in_force(&tx, &at, &rule, now).await?;
            }
        }
    }
    audit::record(&tx, &ctx, "spend_cap.put", request.subscription, &request).await?;
    let revision = publish_keys(&service, &tx, request.subscription).await?;
    tx.commit().await?;
    match revision {
        Some(revision) => service.feed.wait_live(revision).await,
        None => Ok(Liveness::Live),
    }
}

/// Leases above a lowered cap are called back.
async fn put_in_force(tx: &TenantTx, at: &BudgetKey, rule: &Rule, now: i64) -> Result<()> {
    let Some(before) = quotas::lock(tx, at, &[]).await? else { return Ok(()) };
    let mut after = before.clone();
    after.set_limit(rule.limit(at.span));
    quotas::save(tx, at, tx.tenant(), &before, &after, now).await
}

/// Tells gateways of every key that the subscription carries: its price, and that they have to ask again.
async fn publish_keys(service: &Service, tx: &TenantTx, subscription: SubscriptionId) -> Result<Option<u64>> {
    // Keys that are being made or changed are published before this with the cap as it was, and seen here, or after it.
    changes::lock(tx).await?;
    let price = spend_caps::find(tx, subscription).await?.and_then(|cap| cap.published_price());
    let mut revision = None;
    for stored in api_keys::of_subscription(tx, subscription).await? {
        let entry = AccessEntry::Key(stored.entry(tx.tenant(), price));
        revision = Some(service.publish(tx, &keys::change_key(stored.key.id), Some(&entry)).await?);
    }
    Ok(revision)
}

pub(crate) async fn status(
    service: Arc<Service>,
    ctx: Ctx,
    request: GetSpendStatus,
) -> Result<Option<SpendStatus>> {
    let tx = service.database.tenant_read(&ctx).await?;
    let Some(stored) = spend_caps::find(&tx, request.subscription).await? else { return Ok(None) };
    let span = month(stored.anchored_at, ctx.now.timestamp_micros());
    let leased = quotas::read(&tx, &place(request.subscription, span)).await?.map_or(0, |(_, leased)| leased);
    let alerts = spend_caps::alerts(&tx, request.subscription, time(span.start)).await?;
    tx.commit().await?;
    let unit_price = stored.unit_price_micros;
    Ok(Some(SpendStatus {
        spent_micros: spent(&service, ctx.tenant()?, request.subscription, span, unit_price).await?,
        cap: stored.cap,
        unit_price_micros: unit_price,
        leased_micros: leased,
        period_start: time(span.start),
        period_end: time(span.end),
        alerts,
    }))
}

/// Notes the thresholds that a subscription's spending has reached since the last look, and answers them. Looking again
/// notes nothing twice.
pub(crate) async fn watch(service: &Service, stored: &StoredCap) -> Result<Vec<SpendAlert>> {
    let now = service.clock.now();
    let span = month(stored.anchored_at, now.timestamp_micros());
    let spent = spent(service, stored.tenant, stored.subscription, span, stored.unit_price_micros).await?;
    let mut noted = Vec::new();
    let thresholds: Vec<_> = reached(spent, stored.limit()).collect();
    if thresholds.is_empty() {
        return Ok(noted);
    }
    let ctx = Ctx::service(Role::Metering, now).in_tenant(stored.tenant);
    let tx = service.database.tenant(&ctx).await?;
    for threshold in thresholds {
        let alert = SpendAlert {
            subscription: stored.subscription,
            period_start: time(span.start),
            threshold,
            spent_micros: spent,
            limit: stored.cap.limit.clone(),
            noted_at: now,
        };
        if spend_caps::note_alert(&tx, &alert).await? {
            noted.push(alert);
        }
    }
    tx.commit().await?;
    Ok(noted)
}

/// Spent in a month by the ledger.
async fn spent(
    service: &Service,
    tenant: TenantId,
    subscription: SubscriptionId,
    span: Span,
    unit_price_micros: u64,
) -> Result<u64> {
    let query = UsageQuery {
        from: span.start,
        to: span.end,
        step: UsageStep::Total,
        group_by: Vec::new(),
        filter: BTreeMap::from([(UsageDimension::Subscription, vec![subscription.to_string()])]),
    };
    let rows = service.usage.usage(tenant, &query).await?;
    let units = rows.iter().map(|row| row.sums.billable_units).fold(0, u64::saturating_add);
    Ok(price(units, unit_price_micros))
}

fn place(subscription: SubscriptionId, span: Span) -> BudgetKey {
    BudgetKey { budget: Budget::Spend { subscription }, span }
}
