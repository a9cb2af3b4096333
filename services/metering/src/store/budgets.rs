//! What budgets allow, read so that it stays true until the transaction ends.
//!
//! Everyone locks in the same order, so that nobody waits in a circle: keys, usage plans, spend caps, then the authority's
//! rows; each kind by its id.

use std::collections::{BTreeMap, BTreeSet};

use common::id::{KeyId, SubscriptionId, TenantId, UsagePlanId};
use common::{Error, Result};
use contracts::lease::Budget;
use contracts::metering::Quota;
use database::SystemTx;
use sea_orm::{QueryResult, Value};

use super::sql::{column, for_share, list, parsed, query};
use super::{spend_caps, usage_plans};
use crate::domain::budgets::Rule;

/// Ids in one query.
const AT_ONCE: usize = 500;

/// A budget that exists.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it allows; absent = everything.
    pub rule: Option<Rule>,
}

/// What each budget allows; those that do not exist (any more) are left out.
///
/// A key's quota exists while the key is not revoked and has the plan. Keys, plans and caps stay as they are until the
/// transaction ends: an old rule must not be put in force again after a change that is being committed.
pub(crate) async fn allowances(
    tx: &SystemTx,
    budgets: impl Iterator<Item = Budget>,
) -> Result<BTreeMap<Budget, Allowance>> {
    let (mut quotas, mut caps) = (BTreeSet::new(), BTreeSet::new());
    for budget in budgets {
        match budget {
            Budget::Quota { key, plan, period } => {
                quotas.insert((key, plan, period));
            }
            Budget::Spend { subscription } => {
                caps.insert(subscription);
            }
        }
    }
    let keys = lock_keys(tx, &distinct(quotas.iter().map(|(key, ..)| *key))).await?;
    let plans = distinct(quotas.iter().map(|(_, plan, _)| *plan));
    let plans = lock_plans(tx, &distinct(keys.keys().copied()), &plans).await?;
    let mut allowances = BTreeMap::new();
    for (key, plan, period) in quotas {
        let (Some(holder), Some(quotas)) = (keys.get(&key), plans.get(&(key, plan))) else { continue };
        let quota = quotas.iter().find(|quota| quota.period == period);
        let KeyRow { tenant, created_at, anchor } = *holder;
        let rule = quota.map(|quota| Rule::Quota { quota: *quota, created_at, anchor });
        allowances.insert(Budget::Quota { key, plan, period }, Allowance { tenant, rule });
    }
    allowances.extend(spend_allowances(tx, &caps).await?);
    Ok(allowances)
}

#[derive(Debug, Clone, Copy)]
struct KeyRow {
    tenant: TenantId,
    created_at: i64,
    anchor: i64,
}

async fn lock_keys(tx: &SystemTx, keys: &[KeyId]) -> Result<BTreeMap<KeyId, KeyRow>> {
    let mut found = BTreeMap::new();
    for keys in keys.chunks(AT_ONCE) {
        let select = format!(
            "SELECT id, tenant_id, created_at, anchored_at FROM api_keys WHERE id IN ({}) AND revoked_at IS NULL ORDER BY id{}",
            list(0, keys.len()),
            for_share(tx)
        );
        for row in query(tx, &select, texts(keys)).await? {
            let key = KeyRow {
                tenant: id(&row, "tenant_id")?,
                created_at: column(&row, "created_at")?,
                anchor: column(&row, "anchored_at")?,
            };
            found.insert(id(&row, "id")?, key);
        }
    }
    Ok(found)
}

/// The quotas of the plans that locked keys have.
async fn lock_plans(
    tx: &SystemTx,
    keys: &[KeyId],
    plans: &[UsagePlanId],
) -> Result<BTreeMap<(KeyId, UsagePlanId), Vec<Quota>>> {
    let mut terms: BTreeMap<UsagePlanId, Vec<Quota>> = BTreeMap::new();
    for plans in plans.chunks(AT_ONCE) {
        let select = format!(
            "SELECT id, terms FROM usage_plans WHERE id IN ({}) ORDER BY id{}",
            list(0, plans.len()),
            for_share(tx)
        );
        for row in query(tx, &select, texts(plans)).await? {
            terms.insert(id(&row, "id")?, usage_plans::terms(&column::<String>(&row, "terms")?)?.quotas);
        }
    }
    let mut found = BTreeMap::new();
    for keys in keys.chunks(AT_ONCE) {
        let select = format!(
            "SELECT api_key_id, usage_plan_id FROM api_key_usage_plans WHERE api_key_id IN ({})",
            list(0, keys.len())
        );
        for row in query(tx, &select, texts(keys)).await? {
            let plan = id(&row, "usage_plan_id")?;
            if let Some(quotas) = terms.get(&plan) {
                found.insert((id(&row, "api_key_id")?, plan), quotas.clone());
            }
        }
    }
    Ok(found)
}

/// A subscription without a cap that stops calls may spend whatever it wants.
async fn spend_allowances(
    tx: &SystemTx,
    subscriptions: &BTreeSet<SubscriptionId>,
) -> Result<Vec<(Budget, Allowance)>> {
    let subscriptions: Vec<_> = subscriptions.iter().copied().collect();
    let mut found = Vec::with_capacity(subscriptions.len());
    for subscriptions in subscriptions.chunks(AT_ONCE) {
        for cap in spend_caps::lock_shared(tx, subscriptions).await? {
            let allowance = Allowance { tenant: cap.tenant, rule: cap.rule() };
            found.push((Budget::Spend { subscription: cap.subscription }, allowance));
        }
    }
    Ok(found)
}

fn distinct<T: Ord>(ids: impl Iterator<Item = T>) -> Vec<T> {
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}

fn texts<T: ToString>(ids: &[T]) -> Vec<Value> {
    ids.iter().map(|id| id.to_string().into()).collect()
}

fn id<T: std::str::FromStr<Err: std::fmt::Display>>(row: &QueryResult, name: &str) -> Result<T> {
    parsed(&column::<String>(row, name)?).map_err(Error::internal)
}
