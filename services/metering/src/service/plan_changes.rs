//! What becomes of used units when one of a key's usage plans takes another's place.
//!
//! The rows of the old plan's current periods hand what is settled, their open leases and their extensions to the new plan's
//! rows, under the locks of the key, both plans and all rows. A lease that is still out is counted where it lies: its late
//! statement finds the row it was handed to.

use common::id::UsagePlanId;
use common::{Error, Result};
use contracts::lease::Budget;
use contracts::metering::{ApiKey, Quota, UsagePlan, UsedUnits};
use database::TenantTx;

use crate::domain::budgets::Rule;
use crate::domain::plan_changes::{counterparts, succession};
use crate::store::quotas::{self, BudgetKey};
use crate::store::usage_plans;

/// Carries a key's used units over to its new plans. The key is locked and still has its plans of `before`; so are the plans
/// of both, by [`lock`].
pub(super) async fn carry_over(
    tx: &TenantTx,
    key: &ApiKey,
    before: &[UsagePlan],
    after: &[UsagePlan],
    used: UsedUnits,
    now: i64,
) -> Result<()> {
    let blend_at = match used {
        UsedUnits::Reset => return Ok(()),
        UsedUnits::Keep => None,
        UsedUnits::Blend => Some(now),
    };
    let ids = |plans: &[UsagePlan]| plans.iter().map(|plan| plan.id).collect::<Vec<_>>();
    let Some((old, new)) = succession(&ids(before), &ids(after))? else { return Ok(()) };
    let quotas_of = |plans: &[UsagePlan], id| {
        let plan = plans.iter().find(|plan| plan.id == id);
        plan.map(|plan| plan.terms.quotas.clone()).ok_or_else(|| Error::not_found("usage plan"))
    };
    let (old_quotas, new_quotas) = (quotas_of(before, old)?, quotas_of(after, new)?);
    let anchor = key.anchored_at.timestamp_micros();
    let pairs = counterparts(&old_quotas, &new_quotas, anchor, now)?;
    // Everyone locks rows in the order of their names.
    let place = |plan, quota: &Quota| BudgetKey {
        budget: Budget::Quota { key: key.id, plan, period: quota.period },
        span: Rule::of_key(key, *quota).span(now),
    };
    let mut rows: Vec<_> =
        pairs.iter().flat_map(|(from, to)| [(place(old, from), *from), (place(new, to), *to)]).collect();
    rows.sort_by_key(|(at, _)| *at);
    let mut locked = Vec::with_capacity(rows.len());
    for (at, quota) in rows {
        let limit = Rule::of_key(key, quota).limit(at.span);
        let row = quotas::lock_or_insert(tx, &at, tx.tenant(), limit, &[]).await?;
        locked.push((at, limit, row));
    }
    for (from, to) in pairs {
        let find = |wanted: BudgetKey| {
            let found = locked.iter().find(|(at, ..)| *at == wanted).cloned();
            found.ok_or_else(|| Error::internal("a row was not locked"))
        };
        let (from, from_limit, mut old_row) = find(place(old, &from))?;
        let (to, to_limit, mut new_row) = find(place(new, &to))?;
        let old_before = old_row.clone();
        old_row.set_limit(from_limit);
        // Stored first, so that what is saved afterwards finds the leases where they are then.
        quotas::move_leases(tx, &from, new).await?;
        let mut new_before = new_row.clone();
        new_before.leases.extend(old_before.leases.iter().copied());
        new_row.set_limit(to_limit);
        new_row.take_over(&mut old_row, blend_at);
        quotas::save(tx, &from, tx.tenant(), &old_before, &old_row, now).await?;
        quotas::save(tx, &to, tx.tenant(), &new_before, &new_row, now).await?;
    }
    Ok(())
}

/// The plans a key has and those it is to have, locked together in the order of their ids, and parted again. A plan that is
/// gone has nothing to hand over.
pub(super) async fn lock(
    tx: &TenantTx,
    before: &[UsagePlanId],
    after: &[UsagePlanId],
) -> Result<(Vec<UsagePlan>, Vec<UsagePlan>)> {
    let mut all: Vec<_> = before.iter().chain(after).copied().collect();
    all.sort_unstable();
    all.dedup();
    let plans = usage_plans::lock(tx, &all).await?;
    let of =
        |ids: &[UsagePlanId]| plans.iter().filter(|plan| ids.contains(&plan.id)).cloned().collect::<Vec<_>>();
    Ok((of(before), of(after)))
}
