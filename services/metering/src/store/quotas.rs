//! The authority's rows: one per budget and period, and the leases granted from it.

use std::collections::BTreeMap;

use common::id::{IncarnationId, KeyId, LeaseId, SubscriptionId, TenantId, UsagePlanId};
use common::{Error, Result};
use contracts::lease::Budget;
use contracts::metering::{Period, QuotaStatus};
use database::{SystemTx, TenantTx, Tx};
use sea_orm::{QueryResult, Value};

use super::sql::{column, execute, for_update, list, parsed, query, signed, time, unsigned};
use super::{api_keys, usage_plans};
use crate::domain::budgets::Rule;
use crate::domain::leases::{Lease, QuotaPeriod};
use crate::domain::periods::Span;

/// Leases in one query.
const AT_ONCE: usize = 500;
/// What names a row, as values 1 to 5 of a statement.
const ROW: &str =
    "kind = $1 AND holder_id = $2 AND usage_plan_id = $3 AND period_start = $4 AND period_end = $5";
const SPEND: &str = "spend";

/// Names one row of the authority. Rows are locked in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BudgetKey {
    /// The budget.
    pub budget: Budget,
    /// The period.
    pub span: Span,
}

/// Locks the row, made with `limit` when it is new, with its open leases and those of `also`.
pub(crate) async fn lock_or_insert(
    tx: &(impl Tx + Sync),
    at: &BudgetKey,
    tenant: TenantId,
    limit: u64,
    also: &[LeaseId],
) -> Result<QuotaPeriod> {
    let insert = "INSERT INTO quota_periods (kind, holder_id, usage_plan_id, period_start, period_end, tenant_id, quota_limit, \
                  extension, settled) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0) ON CONFLICT DO NOTHING";
    let mut values = row_values(at);
    values.extend([tenant.to_string().into(), signed(limit)?.into()]);
    execute(tx, insert, values).await?;
    let locked = lock(tx, at, also).await?;
    locked.ok_or_else(|| Error::internal("a quota row vanished under its lock"))
}

/// Locks the row with its open leases and those of `also`.
pub(crate) async fn lock(
    tx: &(impl Tx + Sync),
    at: &BudgetKey,
    also: &[LeaseId],
) -> Result<Option<QuotaPeriod>> {
    let select = format!(
        "SELECT quota_limit, blended_limit, extension, settled FROM quota_periods WHERE {ROW}{}",
        for_update(tx)
    );
    let rows = query(tx, &select, row_values(at)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut period = period(row, at.span)?;
    // Read after the lock: nobody else changes them now.
    let open = format!("SELECT {LEASE} FROM quota_leases WHERE {ROW} AND closed_at IS NULL ORDER BY id");
    for row in query(tx, &open, row_values(at)).await? {
        period.leases.push(lease(&row)?);
    }
    let closed = format!("SELECT {LEASE} FROM quota_leases WHERE id = $1 AND closed_at IS NOT NULL");
    for id in also {
        for row in query(tx, &closed, [id.to_string().into()]).await? {
            period.leases.push(lease(&row)?);
        }
    }
    Ok(Some(period))
}

/// The row as it stands and the units in its open leases; absent while nothing of it was asked for.
pub(crate) async fn read(tx: &(impl Tx + Sync), at: &BudgetKey) -> Result<Option<(QuotaPeriod, u64)>> {
    let select = format!(
        "SELECT quota_limit, blended_limit, extension, settled, COALESCE((SELECT CAST(SUM(ceiling) AS BIGINT) FROM quota_leases \
         WHERE {ROW} AND closed_at IS NULL), 0) AS leased FROM quota_periods WHERE {ROW}"
    );
    let rows = query(tx, &select, row_values(at)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some((period(row, at.span)?, unsigned(column(row, "leased")?)?)))
}

/// How a key stands under each quota of its usage plans, in the periods of `now`.
pub(crate) async fn standing(tx: &TenantTx, key: KeyId, now: i64) -> Result<Vec<QuotaStatus>> {
    let key = api_keys::get(tx, key).await?.key;
    let mut standings = Vec::new();
    for plan in &key.usage_plans {
        for quota in usage_plans::get(tx, *plan).await?.terms.quotas {
            let rule = Rule::of_key(&key, quota);
            let budget = Budget::Quota { key: key.id, plan: *plan, period: quota.period };
            let span = rule.span(now);
            let row = read(tx, &BudgetKey { budget, span }).await?;
            let (row, leased) = row.unwrap_or_else(|| (QuotaPeriod::new(span, rule.limit(span)), 0));
            standings.push(QuotaStatus {
                usage_plan: *plan,
                period: quota.period,
                limit: row.in_force(),
                extension: row.extension,
                settled: row.settled,
                leased,
                period_start: time(span.start),
                period_end: time(span.end),
            });
        }
    }
    Ok(standings)
}

/// Stores what changed between `before` and `after`.
pub(crate) async fn save(
    tx: &(impl Tx + Sync),
    at: &BudgetKey,
    tenant: TenantId,
    before: &QuotaPeriod,
    after: &QuotaPeriod,
    now: i64,
) -> Result<()> {
    let numbers = |period: &QuotaPeriod| (period.limit, period.blended, period.extension, period.settled);
    if numbers(before) != numbers(after) {
        let update = format!(
            "UPDATE quota_periods SET quota_limit = $6, blended_limit = $7, extension = $8, settled = $9 WHERE {ROW}"
        );
        let mut values = row_values(at);
        values.extend([
            signed(after.limit)?.into(),
            after.blended.map(signed).transpose()?.into(),
            signed(after.extension)?.into(),
            signed(after.settled)?.into(),
        ]);
        execute(tx, &update, values).await?;
    }
    for lease in &after.leases {
        match before.leases.iter().find(|old| old.id == lease.id) {
            Some(old) if old == lease => {}
            Some(_) => update_lease(tx, lease, now).await?,
            None => insert_lease(tx, at, tenant, lease).await?,
        }
    }
    Ok(())
}

async fn insert_lease(tx: &(impl Tx + Sync), at: &BudgetKey, tenant: TenantId, lease: &Lease) -> Result<()> {
    let insert = "INSERT INTO quota_leases (kind, holder_id, usage_plan_id, period_start, period_end, id, incarnation_id, tenant_id, \
                  granted, ceiling, spent, recalled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let mut values = row_values(at);
    values.extend([
        lease.id.to_string().into(),
        lease.incarnation.to_string().into(),
        tenant.to_string().into(),
        signed(lease.granted)?.into(),
        signed(lease.ceiling)?.into(),
        signed(lease.spent)?.into(),
        lease.recalled.into(),
    ]);
    execute(tx, insert, values).await?;
    Ok(())
}

async fn update_lease(tx: &(impl Tx + Sync), lease: &Lease, now: i64) -> Result<()> {
    let update =
        "UPDATE quota_leases SET ceiling = $2, spent = $3, recalled = $4, closed_at = $5 WHERE id = $1";
    let values = [
        lease.id.to_string().into(),
        signed(lease.ceiling)?.into(),
        signed(lease.spent)?.into(),
        lease.recalled.into(),
        lease.closed.then_some(now).into(),
    ];
    execute(tx, update, values).await?;
    Ok(())
}

/// Hands the open leases of one locked row to another one of the same key and period.
pub(crate) async fn move_leases(tx: &(impl Tx + Sync), from: &BudgetKey, to: UsagePlanId) -> Result<()> {
    let update = format!("UPDATE quota_leases SET usage_plan_id = $6 WHERE {ROW} AND closed_at IS NULL");
    let mut values = row_values(from);
    values.push(to.to_string().into());
    execute(tx, &update, values).await?;
    Ok(())
}

/// Where the leases are, by the rows they were granted from: rows in locking order. Unknown leases are left out.
///
/// A row is not locked yet, and its leases may move to another one before it is: look again once it is.
pub(crate) async fn places(
    tx: &SystemTx,
    leases: &[LeaseId],
) -> Result<BTreeMap<BudgetKey, (TenantId, Vec<LeaseId>)>> {
    let mut places: BTreeMap<BudgetKey, (TenantId, Vec<LeaseId>)> = BTreeMap::new();
    for leases in leases.chunks(AT_ONCE) {
        let select = format!(
            "SELECT id, kind, holder_id, usage_plan_id, period_start, period_end, tenant_id FROM quota_leases \
             WHERE id IN ({}) ORDER BY id",
            list(0, leases.len())
        );
        let ids: Vec<Value> = leases.iter().map(|id| id.to_string().into()).collect();
        for row in query(tx, &select, ids).await? {
            let tenant = parsed(&column::<String>(&row, "tenant_id")?)?;
            let lease = parsed(&column::<String>(&row, "id")?)?;
            places.entry(budget_key(&row)?).or_insert((tenant, Vec::new())).1.push(lease);
        }
    }
    Ok(places)
}

/// The rows from which a run holds open leases, in locking order. They may move as in [`places`].
pub(crate) async fn rows_of_run(
    tx: &SystemTx,
    incarnation: IncarnationId,
) -> Result<BTreeMap<BudgetKey, TenantId>> {
    let select = "SELECT DISTINCT kind, holder_id, usage_plan_id, period_start, period_end, tenant_id FROM quota_leases \
                  WHERE incarnation_id = $1 AND closed_at IS NULL";
    let rows = query(tx, select, [incarnation.to_string().into()]).await?;
    rows.iter().map(|row| Ok((budget_key(row)?, parsed(&column::<String>(row, "tenant_id")?)?))).collect()
}

/// Open leases of a run that are wanted back.
pub(crate) async fn recalls(tx: &SystemTx, incarnation: IncarnationId) -> Result<Vec<LeaseId>> {
    let select = "SELECT id FROM quota_leases WHERE incarnation_id = $1 AND closed_at IS NULL AND recalled ORDER BY id";
    let rows = query(tx, select, [incarnation.to_string().into()]).await?;
    rows.iter().map(|row| parsed(&column::<String>(row, "id")?)).collect()
}

/// Removes closed leases of a run that has ended: no wish of it is heard any more.
pub(crate) async fn remove_closed_of_run(tx: &SystemTx, incarnation: IncarnationId) -> Result<()> {
    let delete = "DELETE FROM quota_leases WHERE incarnation_id = $1 AND closed_at IS NOT NULL";
    execute(tx, delete, [incarnation.to_string().into()]).await?;
    Ok(())
}

/// Removes leases that were closed before `before` in periods that are over: no repeat of their wishes is still under way.
pub(crate) async fn remove_closed_before(tx: &SystemTx, before: i64) -> Result<u64> {
    let delete = "DELETE FROM quota_leases WHERE closed_at < $1 AND period_end < $1";
    execute(tx, delete, [before.into()]).await
}

/// The rows of a usage plan's quota in the periods that are not over, in locking order, each with when its key was made and
/// the key's billing date.
pub(crate) async fn rows_of_plan(
    tx: &TenantTx,
    plan: UsagePlanId,
    period: Period,
    now: i64,
) -> Result<BTreeMap<BudgetKey, (i64, i64)>> {
    let select = "SELECT q.kind AS kind, q.holder_id AS holder_id, q.usage_plan_id AS usage_plan_id, \
                  q.period_start AS period_start, q.period_end AS period_end, k.created_at AS created_at, \
                  k.anchored_at AS anchored_at FROM quota_periods q JOIN api_keys k ON k.id = q.holder_id \
                  WHERE q.usage_plan_id = $1 AND q.tenant_id = $2 AND q.period_end > $3 AND q.kind = $4";
    let values =
        [plan.to_string().into(), tx.tenant().to_string().into(), now.into(), kind_of(period).into()];
    let rows = query(tx, select, values).await?;
    rows.iter()
        .map(|row| Ok((budget_key(row)?, (column(row, "created_at")?, column(row, "anchored_at")?))))
        .collect()
}

const LEASE: &str = "id, incarnation_id, granted, ceiling, spent, recalled, closed_at";

fn lease(row: &QueryResult) -> Result<Lease> {
    Ok(Lease {
        id: parsed(&column::<String>(row, "id")?)?,
        incarnation: parsed(&column::<String>(row, "incarnation_id")?)?,
        granted: unsigned(column(row, "granted")?)?,
        ceiling: unsigned(column(row, "ceiling")?)?,
        spent: unsigned(column(row, "spent")?)?,
        recalled: column(row, "recalled")?,
        closed: column::<Option<i64>>(row, "closed_at")?.is_some(),
    })
}

fn period(row: &QueryResult, span: Span) -> Result<QuotaPeriod> {
    Ok(QuotaPeriod {
        span,
        limit: unsigned(column(row, "quota_limit")?)?,
        blended: column::<Option<i64>>(row, "blended_limit")?.map(unsigned).transpose()?,
        extension: unsigned(column(row, "extension")?)?,
        settled: unsigned(column(row, "settled")?)?,
        leases: Vec::new(),
    })
}

const fn kind_of(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
    }
}

fn row_values(at: &BudgetKey) -> Vec<Value> {
    let (kind, holder, plan) = match at.budget {
        Budget::Quota { key, plan, period } => (kind_of(period), key.to_string(), plan.to_string()),
        Budget::Spend { subscription } => (SPEND, subscription.to_string(), String::new()),
    };
    vec![kind.into(), holder.into(), plan.into(), at.span.start.into(), at.span.end.into()]
}

fn budget_key(row: &QueryResult) -> Result<BudgetKey> {
    let holder: String = column(row, "holder_id")?;
    let quota = |period| -> Result<Budget> {
        let key: KeyId = parsed(&holder)?;
        Ok(Budget::Quota { key, plan: parsed(&column::<String>(row, "usage_plan_id")?)?, period })
    };
    let budget = match column::<String>(row, "kind")?.as_str() {
        "day" => quota(Period::Day)?,
        "week" => quota(Period::Week)?,
        "month" => quota(Period::Month)?,
        SPEND => Budget::Spend { subscription: parsed::<SubscriptionId>(&holder)? },
        other => return Err(Error::internal(format!("unreadable {other} in the store: no kind of budget"))),
    };
    let span = Span { start: column(row, "period_start")?, end: column(row, "period_end")? };
    Ok(BudgetKey { budget, span })
}
