//! The usage store of the embedded default: two tables of metering's own SQLite database.
//!
//! A batch, its part of the minute rollup and the stream's position change in one transaction. Percentiles need merged
//! histograms, which SQL cannot merge: rows of the rollup are summed here.

use std::collections::BTreeMap;

use common::Result;
use common::id::TenantId;
use contracts::metering::LoggedRequest;
use database::error::store;
use database::{Database, SystemTx};
use sea_orm::{ConnectionTrait, QueryResult, Statement, StreamTrait, Value};

use futures_util::TryStreamExt;

use super::sqlite_rows::{LOG_COLUMNS, insert_records, logged, merge_minutes, read_sums};
use super::{NewBatch, UsageStore};
use crate::domain::rollup::{DAY, by_minute, column as dimension_column};
use crate::domain::usage::{LogQuery, MAX_ROWS, UsageQuery, UsageSums, too_many_rows};
use crate::store::sql::column;

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
        merge_minutes(tx, by_minute(batch.records)).await
    }

    async fn usage(&self, tenant: TenantId, query: &UsageQuery) -> Result<Vec<UsageSums>> {
        let groups: Vec<_> = query.group_by.iter().map(|dimension| dimension_column(*dimension)).collect();
        let mut sql =
            "SELECT minute, requests, quota_units, billable_units, bytes_in, bytes_out, fingerprint, latency"
                .to_owned();
        for group in &groups {
            sql.push_str(", ");
            sql.push_str(group);
        }
        sql.push_str(" FROM usage_minutes WHERE tenant_id = ? AND minute >= ? AND minute < ?");
        let mut values: Vec<Value> = vec![tenant.to_string().into(), query.from.into(), query.to.into()];
        for (dimension, wanted) in &query.filter {
            sql.push_str(&format!(" AND {} IN ({})", dimension_column(*dimension), places(wanted.len())));
            values.extend(wanted.iter().map(|value| Value::from(value.as_str())));
        }
        let mut sums: BTreeMap<(i64, Vec<String>), _> = BTreeMap::new();
        let statement = self.statement(&sql, values);
        let mut rows = self.database.connection().stream_raw(statement).await.map_err(store)?;
        while let Some(row) = rows.try_next().await.map_err(store)? {
            let group = groups.iter().map(|name| column(&row, name)).collect::<Result<Vec<String>>>()?;
            let step = query.step_of(column(&row, "minute")?);
            let into: &mut crate::domain::rollup::Sums = sums.entry((step, group)).or_default();
            into.merge(&read_sums(&row)?);
            if sums.len() > MAX_ROWS {
                return Err(too_many_rows());
            }
        }
        Ok(sums.into_iter().map(|((time, group), sums)| UsageSums { time, group, sums }).collect())
    }

    async fn request_log(&self, tenant: TenantId, query: &LogQuery) -> Result<Vec<LoggedRequest>> {
        let mut sql = format!(
            "SELECT {LOG_COLUMNS} FROM usage_records WHERE tenant_id = ? AND started_at >= ? AND started_at < ?"
        );
        let mut values: Vec<Value> = vec![tenant.to_string().into(), query.from.into(), query.to.into()];
        if let Some(key) = query.key {
            sql.push_str(" AND key_id = ?");
            values.push(key.to_string().into());
        }
        if let Some(id) = query.request_id {
            sql.push_str(" AND request_id = ?");
            values.push(id.to_string().into());
        }
        if let Some(api) = query.api {
            sql.push_str(" AND api_id = ?");
            values.push(api.to_string().into());
        }
        if let Some(class) = query.status_class {
            sql.push_str(" AND status >= ? AND status < ?");
            values.extend([(i32::from(class) * 100).into(), ((i32::from(class) + 1) * 100).into()]);
        }
        if let Some(after) = query.after {
            sql.push_str(" AND (started_at, request_id) < (?, ?)");
            values.extend([after.time.into(), after.request_id.to_string().into()]);
        }
        sql.push_str(&format!(" ORDER BY started_at DESC, request_id DESC LIMIT {}", query.limit + 1));
        let statement = self.statement(&sql, values);
        let rows: Vec<QueryResult> =
            self.database.connection().query_all_raw(statement).await.map_err(store)?;
        rows.iter().map(logged).collect()
    }

    async fn remove_records_before(&self, before: i64) -> Result<bool> {
        let delete = "DELETE FROM usage_records WHERE rowid IN (SELECT rowid FROM usage_records WHERE started_at < ? LIMIT ?)";
        let values = vec![(before * DAY).into(), REMOVED_AT_ONCE.into()];
        let removed = self.database.connection().execute_raw(self.statement(delete, values)).await;
        Ok(removed.map_err(store)?.rows_affected() >= REMOVED_AT_ONCE)
    }
}

fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}
