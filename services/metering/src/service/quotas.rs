//! How keys stand under their quotas, and what is given to them on top.

use std::sync::Arc;

use common::id::KeyId;
use common::{Error, Result};
use contracts::Ctx;
use contracts::lease::Budget;
use contracts::metering::{
    ApiKey, ExtendQuota, ExtendedQuota, GetQuotaStatus, Quota, QuotaStatus, UsagePlan,
};
use database::{TenantTx, audit, idempotency};

use super::{Service, api_keys as keys};
use crate::domain::budgets::Rule;
use crate::store::quotas::BudgetKey;
use crate::store::{api_keys, published_revision, quotas, time, usage_plans};

/// Most units that one extension gives.
const MAX_EXTENSION: u64 = 1_000_000_000_000;

/// What a quota allows a key.
pub(super) fn rule(key: &ApiKey, quota: Quota) -> Rule {
    let created_at = key.created_at.timestamp_micros();
    Rule::Quota { quota, created_at, anchor: key.anchored_at.timestamp_micros() }
}

pub(crate) async fn status(
    service: Arc<Service>,
    ctx: Ctx,
    request: GetQuotaStatus,
) -> Result<Vec<QuotaStatus>> {
    let tx = service.database.tenant_read(&ctx).await?;
    let key = api_keys::get(&tx, request.id).await?.key;
    let mut standings = Vec::new();
    for id in &key.usage_plans {
        let plan = usage_plans::get(&tx, *id).await?;
        for quota in &plan.terms.quotas {
            standings.push(standing(&tx, &key, &plan, *quota, ctx.now.timestamp_micros()).await?);
        }
    }
    Ok(standings)
}

pub(crate) async fn extend(service: Arc<Service>, ctx: Ctx, request: ExtendQuota) -> Result<ExtendedQuota> {
    if !(1..=MAX_EXTENSION).contains(&request.units) {
        return Err(Error::invalid("units", format!("must be between 1 and {MAX_EXTENSION}")));
    }
    let now = ctx.now.timestamp_micros();
    let tx = service.database.tenant(&ctx).await?;
    let repeated = idempotency::begin(&tx, &ctx, &request).await?.is_some();
    let stored = api_keys::lock(&tx, request.key).await?;
    let plans = usage_plans::lock(&tx, &[request.usage_plan]).await?;
    let plan = plans.first().filter(|plan| stored.key.usage_plans.contains(&plan.id));
    let plan = plan.ok_or_else(|| Error::invalid("usagePlan", "is none of this key's usage plans"))?;
    let quota = plan.terms.quotas.iter().find(|quota| quota.period == request.period);
    let quota = *quota.ok_or_else(|| Error::invalid("period", "the usage plan has no quota with this period"))?;
    if repeated {
        let revision = published_revision(&tx, &keys::change_key(request.key)).await?;
        let status = standing(&tx, &stored.key, plan, quota, now).await?;
        tx.commit().await?;
        return Ok(ExtendedQuota { status, liveness: service.feed.wait_live(revision).await? });
    }
    let rule = rule(&stored.key, quota);
    let at = place(request.key, plan, quota, &rule, now);
    let limit = rule.limit(at.span);
    let before = quotas::lock_or_insert(&tx, &at, tx.tenant(), limit, &[]).await?;
    let mut after = before.clone();
    after.set_limit(limit);
    after.extend(request.units);
    if after.extension > MAX_EXTENSION {
        let message = format!("the extensions of one period must stay at or below {MAX_EXTENSION}");
        return Err(Error::invalid("units", message));
    }
    quotas::save(&tx, &at, tx.tenant(), &before, &after, now).await?;
    idempotency::finish::<ExtendQuota>(&tx, &ctx, &request.key.to_string()).await?;
    audit::record(&tx, &ctx, "quota.extend", request.key, &request).await?;
    let status = standing(&tx, &stored.key, plan, quota, now).await?;
    // The key has not changed, but gateways that refuse its calls have to ask again.
    let revision = keys::publish(&service, &tx, &stored).await?;
    tx.commit().await?;
    Ok(ExtendedQuota { status, liveness: service.feed.wait_live(revision).await? })
}

async fn standing(
    tx: &TenantTx,
    key: &ApiKey,
    plan: &UsagePlan,
    quota: Quota,
    now: i64,
) -> Result<QuotaStatus> {
    let rule = rule(key, quota);
    let at = place(key.id, plan, quota, &rule, now);
    let row = quotas::read(tx, &at).await?;
    Ok(QuotaStatus {
        usage_plan: plan.id,
        period: quota.period,
        limit: row.as_ref().map_or_else(|| rule.limit(at.span), |(row, _)| row.in_force()),
        extension: row.as_ref().map_or(0, |(row, _)| row.extension),
        settled: row.as_ref().map_or(0, |(row, _)| row.settled),
        leased: row.map_or(0, |(_, leased)| leased),
        period_start: time(at.span.start),
        period_end: time(at.span.end),
    })
}

fn place(key: KeyId, plan: &UsagePlan, quota: Quota, rule: &Rule, now: i64) -> BudgetKey {
    let budget = Budget::Quota { key, plan: plan.id, period: quota.period };
    BudgetKey { budget, span: rule.span(now) }
}
