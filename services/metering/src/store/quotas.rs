//! The quota authority's rows: one per key, usage plan and period, and the leases granted from it.

use std::collections::BTreeMap;

use common::id::{IncarnationId, KeyId, LeaseId, TenantId, UsagePlanId};
use common::{Error, Result};
use contracts::metering::Quota;
use database::{SystemTx, TenantTx, Tx};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Value};

use super::sql::{column, execute, for_update, parsed, query, signed, unsigned};
use super::usage_plans;
use crate::domain::leases::{Lease, QuotaPeriod};
use crate::domain::periods::{Span, containing, limit_in_force};

/// Names one row of the authority. Rows are locked in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QuotaKey {
    /// The key.
    pub key: KeyId,
    /// The usage plan.
    pub plan: UsagePlanId,
    /// The period.
    pub span: Span,
}

/// What a key may use under one usage plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// The key's tenant.
    pub tenant: TenantId,
    /// When the key was made.
    pub key_created_at: i64,
    /// The plan's quota; absent = unlimited.
    pub quota: Option<Quota>,
}

/// The allowance, if the key exists, is not revoked and has the plan. The plan stays as it is until the transaction ends:
/// its old quota must not be put in force again after a change that is being committed.
pub(crate) async fn allowance(tx: &SystemTx, key: KeyId, plan: UsagePlanId) -> Result<Option<Allowance>> {
    let lock = match tx.conn().get_database_backend() {
        DbBackend::Postgres => " FOR SHARE OF p",
        _ => "",
    };
    let select = "SELECT k.tenant_id AS tenant_id, k.created_at AS created_at, p.terms AS terms FROM api_key_usage_plans link \
                  JOIN api_keys k ON k.id = link.api_key_id JOIN usage_plans p ON p.id = link.usage_plan_id \
                  WHERE link.api_key_id = $1 AND link.usage_plan_id = $2 AND k.revoked_at IS NULL";
    let rows =
        query(tx, &format!("{select}{lock}"), [key.to_string().into(), plan.to_string().into()]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Allowance {
        tenant: parsed(&column::<String>(row, "tenant_id")?)?,
        key_created_at: column(row, "created_at")?,
        quota: quota_of(row)?,
    }))
}

/// Locks the row, made with `limit` when it is new, with its open leases and those of `also`.
pub(crate) async fn lock_or_insert(
    tx: &SystemTx,
    at: &QuotaKey,
    tenant: TenantId,
    limit: u64,
    also: &[LeaseId],
) -> Result<QuotaPeriod> {
    let insert = "INSERT INTO quota_periods (api_key_id, usage_plan_id, period_start, period_end, tenant_id, quota_limit, settled) \
                  VALUES ($1, $2, $3, $4, $5, $6, 0) ON CONFLICT DO NOTHING";
    let mut values = key_values(at);
    values.extend([tenant.to_string().into(), signed(limit)?.into()]);
    execute(tx, insert, values).await?;
    let locked = lock(tx, at, also).await?;
    locked.ok_or_else(|| Error::internal("a quota row vanished under its lock"))
}

/// Locks the row with its open leases and those of `also`.
pub(crate) async fn lock(
    tx: &(impl Tx + Sync),
    at: &QuotaKey,
    also: &[LeaseId],
) -> Result<Option<QuotaPeriod>> {
    let select = format!(
        "SELECT quota_limit, settled FROM quota_periods WHERE api_key_id = $1 AND usage_plan_id = $2 \
         AND period_start = $3 AND period_end = $4{}",
        for_update(tx)
    );
    let rows = query(tx, &select, key_values(at)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut period = QuotaPeriod {
        span: at.span,
        limit: unsigned(column(row, "quota_limit")?)?,
        settled: unsigned(column(row, "settled")?)?,
        leases: Vec::new(),
    };
    // Read after the lock: nobody else changes them now.
    let open = "SELECT id, incarnation_id, granted, ceiling, spent, recalled, closed_at FROM quota_leases \
                WHERE api_key_id = $1 AND usage_plan_id = $2 AND period_start = $3 AND period_end = $4 \
                AND closed_at IS NULL ORDER BY id";
    for row in query(tx, open, key_values(at)).await? {
        period.leases.push(lease(&row)?);
    }
    let closed = "SELECT id, incarnation_id, granted, ceiling, spent, recalled, closed_at FROM quota_leases \
                  WHERE id = $1 AND closed_at IS NOT NULL";
    for id in also {
        for row in query(tx, closed, [id.to_string().into()]).await? {
            period.leases.push(lease(&row)?);
        }
    }
    Ok(Some(period))
}

/// Stores what changed between `before` and `after`.
pub(crate) async fn save(
    tx: &(impl Tx + Sync),
    at: &QuotaKey,
    tenant: TenantId,
    before: &QuotaPeriod,
    after: &QuotaPeriod,
    now: i64,
) -> Result<()> {
    if (before.limit, before.settled) != (after.limit, after.settled) {
        let update = "UPDATE quota_periods SET quota_limit = $5, settled = $6 WHERE api_key_id = $1 AND usage_plan_id = $2 \
                      AND period_start = $3 AND period_end = $4";
        let mut values = key_values(at);
        values.extend([signed(after.limit)?.into(), signed(after.settled)?.into()]);
        execute(tx, update, values).await?;
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

async fn insert_lease(tx: &(impl Tx + Sync), at: &QuotaKey, tenant: TenantId, lease: &Lease) -> Result<()> {
    let insert = "INSERT INTO quota_leases (api_key_id, usage_plan_id, period_start, period_end, id, incarnation_id, tenant_id, \
                  granted, ceiling, spent, recalled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let mut values = key_values(at);
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

/// Where the leases are, by the rows they were granted from: rows in locking order. Unknown leases are left out.
pub(crate) async fn places(
    tx: &SystemTx,
    leases: &[LeaseId],
) -> Result<BTreeMap<QuotaKey, (TenantId, Vec<LeaseId>)>> {
    let select = "SELECT id, api_key_id, usage_plan_id, period_start, period_end, tenant_id FROM quota_leases WHERE id = $1";
    let mut places: BTreeMap<QuotaKey, (TenantId, Vec<LeaseId>)> = BTreeMap::new();
    for lease in leases {
        for row in query(tx, select, [lease.to_string().into()]).await? {
            let tenant = parsed(&column::<String>(&row, "tenant_id")?)?;
            places.entry(quota_key(&row)?).or_insert((tenant, Vec::new())).1.push(*lease);
        }
    }
    Ok(places)
}

/// The rows from which a run holds open leases, in locking order.
pub(crate) async fn rows_of_run(
    tx: &SystemTx,
    incarnation: IncarnationId,
) -> Result<BTreeMap<QuotaKey, TenantId>> {
    let select = "SELECT DISTINCT api_key_id, usage_plan_id, period_start, period_end, tenant_id FROM quota_leases \
                  WHERE incarnation_id = $1 AND closed_at IS NULL";
    let rows = query(tx, select, [incarnation.to_string().into()]).await?;
    rows.iter().map(|row| Ok((quota_key(row)?, parsed(&column::<String>(row, "tenant_id")?)?))).collect()
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

/// Puts a plan's new quota in force in the periods that have begun: leases above it are called back.
pub(crate) async fn put_limit_in_force(
    tx: &TenantTx,
    plan: UsagePlanId,
    quota: &Quota,
    now: i64,
) -> Result<()> {
    let select = "SELECT q.api_key_id AS api_key_id, q.usage_plan_id AS usage_plan_id, q.period_start AS period_start, \
                  q.period_end AS period_end, k.created_at AS created_at FROM quota_periods q \
                  JOIN api_keys k ON k.id = q.api_key_id \
                  WHERE q.usage_plan_id = $1 AND q.tenant_id = $2 AND q.period_end > $3 ORDER BY q.api_key_id, q.period_start";
    let values = [plan.to_string().into(), tx.tenant().to_string().into(), now.into()];
    for row in query(tx, select, values).await? {
        let at = quota_key(&row)?;
        if containing(quota.period, at.span.start) != at.span {
            continue;
        }
        let limit = limit_in_force(quota, column(&row, "created_at")?, at.span);
        let Some(before) = lock(tx, &at, &[]).await? else { continue };
        let mut after = before.clone();
        after.set_limit(limit);
        save(tx, &at, tx.tenant(), &before, &after, now).await?;
    }
    Ok(())
}

/// How a key stands under each of its plans with a quota, in the period of `now`.
pub(crate) async fn standing(
    tx: &TenantTx,
    key: KeyId,
    now: i64,
) -> Result<Vec<contracts::metering::QuotaStatus>> {
    let plans = "SELECT k.created_at AS created_at, p.id AS usage_plan_id, p.terms AS terms FROM api_key_usage_plans link \
                 JOIN api_keys k ON k.id = link.api_key_id JOIN usage_plans p ON p.id = link.usage_plan_id \
                 WHERE link.api_key_id = $1 AND link.tenant_id = $2 ORDER BY link.place";
    let used = "SELECT q.settled AS settled, COALESCE((SELECT CAST(SUM(l.ceiling) AS BIGINT) FROM quota_leases l \
                WHERE l.api_key_id = q.api_key_id AND l.usage_plan_id = q.usage_plan_id AND l.period_start = q.period_start \
                AND l.period_end = q.period_end AND l.closed_at IS NULL), 0) AS leased FROM quota_periods q \
                WHERE q.api_key_id = $1 AND q.usage_plan_id = $2 AND q.period_start = $3 AND q.period_end = $4";
    let mut standings = Vec::new();
    for row in query(tx, plans, [key.to_string().into(), tx.tenant().to_string().into()]).await? {
        let Some(quota) = quota_of(&row)? else { continue };
        let span = containing(quota.period, now);
        let plan = parsed(&column::<String>(&row, "usage_plan_id")?)?;
        let rows = query(tx, used, key_values(&QuotaKey { key, plan, span })).await?;
        let (settled, leased) = match rows.first() {
            Some(row) => (unsigned(column(row, "settled")?)?, unsigned(column(row, "leased")?)?),
            None => (0, 0),
        };
        standings.push(contracts::metering::QuotaStatus {
            usage_plan: plan,
            period: quota.period,
            extension: 0,
            limit: limit_in_force(&quota, column(&row, "created_at")?, span),
            settled,
            leased,
            period_start: super::sql::time(span.start),
            period_end: super::sql::time(span.end),
        });
    }
    Ok(standings)
}

fn quota_of(row: &QueryResult) -> Result<Option<Quota>> {
    let terms = usage_plans::terms(&column::<String>(row, "terms")?)?;
    Ok(terms.quotas.first().copied())
}

fn key_values(at: &QuotaKey) -> Vec<Value> {
    vec![at.key.to_string().into(), at.plan.to_string().into(), at.span.start.into(), at.span.end.into()]
}

fn quota_key(row: &QueryResult) -> Result<QuotaKey> {
    Ok(QuotaKey {
        key: parsed(&column::<String>(row, "api_key_id")?)?,
        plan: parsed(&column::<String>(row, "usage_plan_id")?)?,
        span: Span { start: column(row, "period_start")?, end: column(row, "period_end")? },
    })
}

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
