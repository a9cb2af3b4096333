//! How the SQLite usage store compares its records with their sums: tenant by tenant, because its indexes begin with them.
//! Each statement sees one state of everything, so that what differs differs indeed.

use std::collections::BTreeSet;

use common::Result;
use common::id::TenantId;
use contracts::record::Flags;
use database::error::store;
use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult, Statement, Value};

use super::{ChargedUnits, Charges};
use crate::domain::ledger::{Account, Compared, RowDifference, Stretch};
use crate::domain::retention::Tenants;
use crate::domain::rollup::{DIMENSIONS, MEASURE_COLUMNS, MEASURES, Width};
use crate::domain::usage::segments;
use crate::store::sql::{column, parsed, unsigned};

/// Most differing rows of a minute, hour or day that are told.
const TOLD: usize = 100;

async fn rows(connection: &DatabaseConnection, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    connection.query_all_raw(statement).await.map_err(store)
}

/// What one record adds to each sum.
fn record_measures() -> [String; MEASURES] {
    let charged = |flag: Flags| format!("(flags & {0} = {0}) * quota_units", flag.bits());
    let mut measures = MEASURE_COLUMNS.map(str::to_owned);
    measures[0] = "1".to_owned();
    measures[2] = charged(Flags::CHARGED_DAY);
    measures[3] = charged(Flags::CHARGED_WEEK);
    measures[4] = charged(Flags::CHARGED_MONTH);
    measures
}

/// Rows `at`, dimensions, `r0`.. of records and `s0`.. of sums, which differ. Tenant, from and to are bound to each half.
fn differing_sql(width: Width) -> String {
    let (table, time, micros) = (width.table(), width.column(), width.micros());
    let named = |values: &[String], letter: char| {
        let named = values.iter().enumerate().map(|(place, value)| format!("{value} AS {letter}{place}"));
        named.collect::<Vec<_>>().join(", ")
    };
    let nothing: [String; MEASURES] = std::array::from_fn(|_| "0".to_owned());
    let sums = MEASURE_COLUMNS.map(str::to_owned);
    let (totals, differ): (Vec<_>, Vec<_>) = (0..MEASURES)
        .map(|place| {
            let total = format!("SUM(r{place}) AS r{place}, SUM(s{place}) AS s{place}");
            (total, format!("SUM(r{place}) <> SUM(s{place})"))
        })
        .unzip();
    format!(
        "SELECT at, {DIMENSIONS}, {} FROM (\
         SELECT started_at / {micros} * {micros} AS at, {DIMENSIONS}, {}, {} FROM usage_records \
         WHERE tenant_id = ? AND started_at >= ? AND started_at < ? UNION ALL \
         SELECT {time} AS at, {DIMENSIONS}, {}, {} FROM {table} WHERE tenant_id = ? AND {time} >= ? AND {time} < ?) \
         GROUP BY at, {DIMENSIONS} HAVING {} ORDER BY at, key_id",
        totals.join(", "),
        named(&record_measures(), 'r'),
        named(&nothing, 's'),
        named(&nothing, 'r'),
        named(&sums, 's'),
        differ.join(" OR "),
    )
}

fn differing_values(tenant: &str, from: i64, to: i64) -> Vec<Value> {
    let half: [Value; 3] = [tenant.into(), from.into(), to.into()];
    [half.clone(), half].concat()
}

/// The tenants that have calls in a range and are among `of`.
async fn tenants(connection: &DatabaseConnection, of: &Tenants) -> Result<Vec<TenantId>> {
    let select = format!(
        "SELECT DISTINCT tenant_id FROM usage_records WHERE {0} UNION SELECT DISTINCT tenant_id FROM usage_days WHERE {0}",
        of.sql()
    );
    let rows = rows(connection, &select, Vec::new()).await?;
    rows.iter().map(|row| parsed(&column::<String>(row, "tenant_id")?)).collect()
}

pub(super) async fn compare(
    connection: &DatabaseConnection,
    stretch: &Stretch,
    intact: &Tenants,
) -> Result<Compared> {
    let Stretch { width, from, to } = *stretch;
    let (mut seen, mut differing) = (BTreeSet::new(), BTreeSet::new());
    let (table, time) = (width.table(), width.column());
    let present = format!(
        "SELECT DISTINCT {time} AS at FROM {table} WHERE tenant_id = ? AND {time} >= ? AND {time} < ?"
    );
    for tenant in tenants(connection, intact).await? {
        let tenant = tenant.to_string();
        let values = vec![tenant.as_str().into(), from.into(), to.into()];
        for row in rows(connection, &present, values).await? {
            seen.insert(column::<i64>(&row, "at")?);
        }
        for row in rows(connection, &differing_sql(width), differing_values(&tenant, from, to)).await? {
            differing.insert(column::<i64>(&row, "at")?);
        }
    }
    seen.extend(&differing);
    Ok(Compared { checked: seen.len() as u64, differing: differing.into_iter().collect() })
}

pub(super) async fn differences(
    connection: &DatabaseConnection,
    width: Width,
    at: i64,
    intact: &Tenants,
) -> Result<Vec<RowDifference>> {
    let sql = differing_sql(width);
    let mut found = Vec::new();
    for tenant in tenants(connection, intact).await? {
        let tenant = tenant.to_string();
        let values = differing_values(&tenant, at, at + width.micros());
        for row in rows(connection, &sql, values).await? {
            if found.len() == TOLD {
                return Ok(found);
            }
            found.push(RowDifference {
                tenant: tenant.clone(),
                key: column(&row, "key_id")?,
                api: column(&row, "api_id")?,
                stage: column(&row, "stage")?,
                method: column(&row, "method")?,
                status_class: column(&row, "status_class")?,
                records: numbers(&row, 'r')?,
                sums: numbers(&row, 's')?,
            });
        }
    }
    Ok(found)
}

fn numbers(row: &QueryResult, letter: char) -> Result<[u64; MEASURES]> {
    let mut numbers = [0; MEASURES];
    for (place, number) in numbers.iter_mut().enumerate() {
        *number = unsigned(column(row, &format!("{letter}{place}"))?)?;
    }
    Ok(numbers)
}

pub(super) async fn charged(
    connection: &DatabaseConnection,
    charges: &Charges,
    accounts: &[&Account],
) -> Result<ChargedUnits> {
    let (holder, plan) = charges.holder();
    let mut parts = Vec::new();
    for segment in
        charges.whole_minutes().map(|(from, to)| segments(Width::Day, from, to)).unwrap_or_default()
    {
        let (table, time, taken) = (segment.width.table(), segment.width.column(), charges.column());
        let condition = format!("{time} >= {} AND {time} < {}", segment.from, segment.to);
        parts.push((table, taken, condition));
    }
    let (taken, flag) = charges.of_records();
    let flagged = flag.map(|flag| format!(" AND flags & {0} = {0}", flag.bits())).unwrap_or_default();
    for (from, to) in charges.ragged_ends() {
        let condition = format!("started_at >= {from} AND started_at < {to}{flagged}");
        parts.push(("usage_records", taken, condition));
    }
    let mut units = ChargedUnits::new();
    for account in accounts {
        for (table, taken, condition) in &parts {
            let sql = format!(
                "SELECT {plan} AS plan, SUM({taken}) AS units FROM {table} WHERE tenant_id = ? AND {holder} = ? AND {condition} \
                 GROUP BY 1"
            );
            let values = vec![account.tenant.to_string().into(), account.name.holder.as_str().into()];
            for row in rows(connection, &sql, values).await? {
                let name = (account.name.holder.clone(), column::<String>(&row, "plan")?);
                let taken: u64 = unsigned(column(&row, "units")?)?;
                let total = units.entry(name).or_default();
                *total = total.saturating_add(taken);
            }
        }
    }
    Ok(units)
}

/// Removes single records of days that are gone for their tenant, `at_once` at most; answers how many were removed.
pub(super) async fn remove(
    connection: &DatabaseConnection,
    condition: &str,
    before: i64,
    at_once: u64,
) -> Result<u64> {
    let delete = format!(
        "DELETE FROM usage_records WHERE rowid IN \
         (SELECT rowid FROM usage_records WHERE started_at < ? AND {condition} LIMIT ?)"
    );
    let statement = Statement::from_sql_and_values(
        connection.get_database_backend(),
        delete,
        [Value::from(before), at_once.into()],
    );
    Ok(connection.execute_raw(statement).await.map_err(store)?.rows_affected())
}
