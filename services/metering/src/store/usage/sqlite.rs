//! The usage store of the embedded default: tables of metering's own SQLite database.
//!
//! A batch, its part of every rollup and the stream's position change in one transaction. Percentiles need merged
//! histograms, which SQL cannot merge: rows of the rollups are summed here, few because each part of a range is read from the
//! widest rollup that fits.

use std::collections::BTreeMap;

use common::Result;
use common::id::TenantId;
use contracts::metering::{LoggedRequest, RequestSums};
use database::error::store;
use database::{Database, SystemTx};
use sea_orm::{ConnectionTrait, QueryResult, Statement, StreamTrait, Value};

use futures_util::TryStreamExt;

use super::sqlite_ledger::{self, remove};
use super::sqlite_rows::{LOG_COLUMNS, insert_records, logged, merge, read_sums};
use super::{ChargedUnits, Charges, NewBatch, UsageStore};
use crate::domain::ledger::{Account, Compared, RowDifference, Stretch};
use crate::domain::retention::{Removed, Tenants};
use crate::domain::rollup::{
    DAY, MEASURE_COLUMNS, Sums, Width, by_minute, column as dimension_column, widen,
};
use crate::domain::usage::{LogFilter, LogQuery, MAX_ROWS, Segment, UsageQuery, UsageSums, too_many_rows};
use crate::store::sql::{column, unsigned};

/// Records removed at once, so that a removal holds the database only shortly.
const REMOVED_AT_ONCE: u64 = 20_000;

/// Usage in metering's SQLite database.
#[derive(Debug)]
pub(crate) struct SqliteUsage {
    database: Database,
}

impl SqliteUsage {
    /// The store in `database`.
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }

    fn statement(&self, sql: &str, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(self.database.backend(), sql, values)
    }

    /// Adds what one rollup knows of a query's range.
    async fn add_segment(
        &self,
        tenant: TenantId,
        query: &UsageQuery,
        segment: &Segment,
        sums: &mut BTreeMap<(i64, Vec<String>), Sums>,
    ) -> Result<()> {
        let (table, time) = (segment.width.table(), segment.width.column());
        let groups: Vec<_> = query.group_by.iter().map(|dimension| dimension_column(*dimension)).collect();
        let columns: Vec<_> =
            [time].iter().chain(&MEASURE_COLUMNS).chain(&["latency"]).chain(&groups).copied().collect();
        let mut sql = format!(
            "SELECT {} FROM {table} WHERE tenant_id = ? AND {time} >= ? AND {time} < ?",
            columns.join(", ")
        );
        let mut values: Vec<Value> = vec![tenant.to_string().into(), segment.from.into(), segment.to.into()];
        for (dimension, wanted) in &query.filter {
            sql.push_str(&format!(" AND {} IN ({})", dimension_column(*dimension), places(wanted.len())));
            values.extend(wanted.iter().map(|value| Value::from(value.as_str())));
        }
        let statement = self.statement(&sql, values);
        let mut rows = self.database.connection().stream_raw(statement).await.map_err(store)?;
        while let Some(row) = rows.try_next().await.map_err(store)? {
            let group = groups.iter().map(|name| column(&row, name)).collect::<Result<Vec<String>>>()?;
            let step = query.step_of(column(&row, time)?);
            sums.entry((step, group)).or_default().merge(&read_sums(&row)?);
            if sums.len() > MAX_ROWS {
                return Err(too_many_rows());
            }
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl UsageStore for SqliteUsage {
    /// It is metering's own database.
    async fn fault(&self) -> Option<String> {
        None
    }

    fn shares_transactions(&self) -> bool {
        true
    }

    async fn insert(&self, tx: &SystemTx, batch: &NewBatch<'_>, _in_doubt: bool) -> Result<()> {
        insert_records(tx, batch.records).await?;
        let minutes = by_minute(batch.records);
        let hours = widen(&minutes, Width::Hour);
        let days = widen(&hours, Width::Day);
        for (width, rows) in [(Width::Minute, minutes), (Width::Hour, hours), (Width::Day, days)] {
            merge(tx, width, rows).await?;
        }
        Ok(())
    }

    async fn usage(&self, tenant: TenantId, query: &UsageQuery) -> Result<Vec<UsageSums>> {
        let mut sums = BTreeMap::new();
        for segment in query.segments() {
            self.add_segment(tenant, query, &segment, &mut sums).await?;
        }
        Ok(sums.into_iter().map(|((time, group), sums)| UsageSums { time, group, sums }).collect())
    }

    async fn request_log(&self, tenant: TenantId, query: &LogQuery) -> Result<Vec<LoggedRequest>> {
        let (mut condition, mut values) = log_condition(tenant, &query.filter);
        if let Some(after) = query.after {
            condition.push_str(" AND (started_at, request_id) < (?, ?)");
            values.extend([after.time.into(), after.request_id.to_string().into()]);
        }
        let sql = format!(
            "SELECT {LOG_COLUMNS} FROM usage_records WHERE {condition} ORDER BY started_at DESC, request_id DESC LIMIT {}",
            query.limit + 1
        );
        let statement = self.statement(&sql, values);
        let rows: Vec<QueryResult> =
            self.database.connection().query_all_raw(statement).await.map_err(store)?;
        rows.iter().map(logged).collect()
    }

    async fn request_sums(&self, tenant: TenantId, filter: &LogFilter) -> Result<RequestSums> {
        let (condition, values) = log_condition(tenant, filter);
        let total = |column: &str| format!("COALESCE(SUM({column}), 0) AS {column}");
        let sql = format!(
            "SELECT COUNT(*) AS requests, {}, {}, {}, {} FROM usage_records WHERE {condition}",
            total("quota_units"),
            total("billable_units"),
            total("bytes_in"),
            total("bytes_out"),
        );
        let statement = self.statement(&sql, values);
        let row = self.database.connection().query_one_raw(statement).await.map_err(store)?;
        let Some(row) = row else { return Ok(RequestSums::default()) };
        let number = |name| -> Result<u64> { unsigned(column(&row, name)?) };
        Ok(RequestSums {
            requests: number("requests")?,
            quota_units: number("quota_units")?,
            billable_units: number("billable_units")?,
            bytes_in: number("bytes_in")?,
            bytes_out: number("bytes_out")?,
        })
    }

    async fn remove_records(&self, removed: &Removed) -> Result<bool> {
        let connection = self.database.connection();
        let mut more = false;
        for (tenant, before) in &removed.tenants {
            let whose = Tenants::Only(vec![*tenant]).sql();
            more |= remove(connection, &whose, before * DAY, REMOVED_AT_ONCE).await? >= REMOVED_AT_ONCE;
        }
        let others = Tenants::Except(removed.tenants.keys().copied().collect()).sql();
        Ok(more
            | (remove(connection, &others, removed.others * DAY, REMOVED_AT_ONCE).await? >= REMOVED_AT_ONCE))
    }

    async fn oldest_record(&self) -> Result<Option<i64>> {
        let statement = self.statement("SELECT MIN(started_at) AS oldest FROM usage_records", Vec::new());
        let row = self.database.connection().query_one_raw(statement).await.map_err(store)?;
        row.as_ref().map_or(Ok(None), |row| column(row, "oldest"))
    }

    /// Writing transactions exclude each other.
    async fn hold_still(&self, _tx: &SystemTx) -> Result<()> {
        Ok(())
    }

    async fn compare(&self, stretch: &Stretch, intact: &Tenants) -> Result<Compared> {
        sqlite_ledger::compare(self.database.connection(), stretch, intact).await
    }

    async fn differences(&self, width: Width, at: i64, intact: &Tenants) -> Result<Vec<RowDifference>> {
        sqlite_ledger::differences(self.database.connection(), width, at, intact).await
    }

    async fn charged(&self, charges: &Charges, accounts: &[&Account]) -> Result<ChargedUnits> {
        sqlite_ledger::charged(self.database.connection(), charges, accounts).await
    }
}

/// The condition on single calls that a filter stands for, and its values.
fn log_condition(tenant: TenantId, filter: &LogFilter) -> (String, Vec<Value>) {
    let mut condition = "tenant_id = ? AND started_at >= ? AND started_at < ?".to_owned();
    let mut values: Vec<Value> = vec![tenant.to_string().into(), filter.from.into(), filter.to.into()];
    if let Some(id) = filter.request_id {
        condition.push_str(" AND request_id = ?");
        values.push(id.to_string().into());
    }
    for (dimension, wanted) in &filter.dimensions {
        condition.push_str(&format!(" AND {} IN ({})", dimension_column(*dimension), places(wanted.len())));
        values.extend(wanted.iter().map(|value| Value::from(value.as_str())));
    }
    if !filter.statuses.is_empty() {
        condition.push_str(&format!(" AND status IN ({})", places(filter.statuses.len())));
        values.extend(filter.statuses.iter().map(|status| Value::from(i32::from(*status))));
    }
    if !filter.reasons.is_empty() {
        condition.push_str(&format!(" AND reason IN ({})", places(filter.reasons.len())));
        values.extend(filter.reasons.iter().map(|reason| Value::from(reason.as_str())));
    }
    if filter.min_latency_us > 0 {
        condition.push_str(" AND latency_us >= ?");
        values.push(i64::try_from(filter.min_latency_us).unwrap_or(i64::MAX).into());
    }
    (condition, values)
}

fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}
