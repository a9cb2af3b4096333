//! How keys stand under their quotas, and what is given to them on top.

use std::sync::Arc;

use common::{Error, Result};
use contracts::Ctx;
use contracts::lease::Budget;
use contracts::metering::{ExtendQuota, ExtendedQuota, GetQuotaStatus, QuotaStatus};
use database::{audit, idempotency};

use super::{Service, api_keys as keys};
use crate::domain::budgets::Rule;
use crate::store::quotas::BudgetKey;
use crate::store::{api_keys, published_revision, quotas, usage_plans};

/// Most units that one extension gives.
const MAX_EXTENSION: u64 = 1_000_000_000_000;

pub(crate) async fn status(
    service: Arc<Service>,
    ctx: Ctx,
    request: GetQuotaStatus,
) -> Result<Vec<QuotaStatus>> {
    let tx = service.database.tenant_read(&ctx).await?;
    quotas::standing(&tx, request.id, ctx.now.timestamp_micros()).await
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
    let quota =
        *quota.ok_or_else(|| Error::invalid("period", "the usage plan has no quota with this period"))?;
    if repeated {
        let revision = published_revision(&tx, &keys::change_key(request.key)).await?;
        let status = standing_of(quotas::standing(&tx, request.key, now).await?, &request)?;
        tx.commit().await?;
        return Ok(ExtendedQuota { status, liveness: service.feed.wait_live(revision).await? });
    }
    let rule = Rule::of_key(&stored.key, quota);
    let budget = Budget::Quota { key: request.key, plan: plan.id, period: quota.period };
    let at = BudgetKey { budget, span: rule.span(now) };
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
    let status = standing_of(quotas::standing(&tx, request.key, now).await?, &request)?;
    // The key has not changed, but gateways that refuse its calls have to ask again.
    let revision = keys::publish(&service, &tx, &stored).await?;
    tx.commit().await?;
    Ok(ExtendedQuota { status, liveness: service.feed.wait_live(revision).await? })
}

fn standing_of(standings: Vec<QuotaStatus>, request: &ExtendQuota) -> Result<QuotaStatus> {
    let of =
        |status: &QuotaStatus| status.usage_plan == request.usage_plan && status.period == request.period;
    standings.into_iter().find(of).ok_or_else(|| Error::internal("a quota without a standing"))
}
