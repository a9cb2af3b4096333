//! The authority's rows as the ledger is compared with them: read only, but for what is written off.

use common::id::TenantId;
use common::{Error, Result};
use contracts::lease::Budget;
use database::{SystemTx, Tx};
use sea_orm::{ConnectionTrait, DbBackend, Value};

use super::quotas::BudgetKey;
use super::sql::{column, execute, parsed, query, signed, unsigned};
use crate::domain::ledger::{Account, AccountName, Kind};
use crate::domain::periods::Span;

/// Accounts of periods that overlap `from..to`, in the order of their names: at most `limit` after `after`.
pub(crate) async fn accounts(
    tx: &SystemTx,
    from: i64,
    to: i64,
    after: Option<&AccountName>,
    limit: usize,
) -> Result<Vec<Account>> {
    let mut values: Vec<Value> = vec![from.into(), to.into()];
    let mut beyond = "";
    if let Some(AccountName { holder, kind, span }) = after {
        beyond = " AND (q.holder_id, q.kind, q.period_start, q.period_end) > ($3, $4, $5, $6)";
        values.extend([holder.as_str().into(), kind.as_str().into(), span.start.into(), span.end.into()]);
    }
    let plans = match tx.conn().get_database_backend() {
        DbBackend::Postgres => "STRING_AGG(q.usage_plan_id, ',')",
        _ => "GROUP_CONCAT(q.usage_plan_id, ',')",
    };
    let select = format!(
        "SELECT q.kind AS kind, q.holder_id AS holder_id, q.period_start AS period_start, q.period_end AS period_end, \
         q.tenant_id AS tenant_id, {plans} AS plans, CAST(SUM(q.settled) AS BIGINT) AS settled, \
         CAST(SUM(COALESCE(w.units, 0)) AS BIGINT) AS written_off, \
         CAST(SUM(COALESCE((SELECT SUM(l.ceiling) FROM quota_leases l WHERE l.kind = q.kind AND l.holder_id = q.holder_id \
         AND l.usage_plan_id = q.usage_plan_id AND l.period_start = q.period_start AND l.period_end = q.period_end \
         AND l.closed_at IS NULL), 0)) AS BIGINT) AS open FROM quota_periods q LEFT JOIN quota_write_offs w \
         ON w.kind = q.kind AND w.holder_id = q.holder_id AND w.usage_plan_id = q.usage_plan_id \
         AND w.period_start = q.period_start AND w.period_end = q.period_end \
         WHERE q.period_end > $1 AND q.period_start < $2{beyond} \
         GROUP BY q.kind, q.holder_id, q.period_start, q.period_end, q.tenant_id \
         ORDER BY q.holder_id, q.kind, q.period_start, q.period_end LIMIT {limit}"
    );
    let mut accounts = Vec::new();
    for row in query(tx, &select, values).await? {
        let kind: String = column(&row, "kind")?;
        let plans: String = column(&row, "plans")?;
        accounts.push(Account {
            name: AccountName {
                holder: column(&row, "holder_id")?,
                kind: Kind::parse(&kind)
                    .ok_or_else(|| Error::internal(format!("an unknown kind of budget: {kind}")))?,
                span: Span { start: column(&row, "period_start")?, end: column(&row, "period_end")? },
            },
            tenant: parsed(&column::<String>(&row, "tenant_id")?)?,
            plans: plans.split(',').map(str::to_owned).collect(),
            settled: unsigned(column(&row, "settled")?)?,
            written_off: unsigned(column(&row, "written_off")?)?,
            open: unsigned(column(&row, "open")?)?,
        });
    }
    Ok(accounts)
}

/// Notes units that were settled though nobody stated them.
pub(crate) async fn note_write_off(tx: &impl Tx, at: &BudgetKey, tenant: TenantId, units: u64) -> Result<()> {
    if units == 0 {
        return Ok(());
    }
    let (holder, plan) = match at.budget {
        Budget::Quota { key, plan, .. } => (key.to_string(), plan.to_string()),
        Budget::Spend { subscription } => (subscription.to_string(), String::new()),
    };
    let upsert = "INSERT INTO quota_write_offs (kind, holder_id, usage_plan_id, period_start, period_end, tenant_id, units) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (holder_id, usage_plan_id, kind, period_start, period_end) \
                  DO UPDATE SET units = quota_write_offs.units + excluded.units";
    let values = [
        Kind::of(&at.budget).as_str().into(),
        holder.into(),
        plan.into(),
        at.span.start.into(),
        at.span.end.into(),
        tenant.to_string().into(),
        signed(units)?.into(),
    ];
    execute(tx, upsert, values).await?;
    Ok(())
}
