//! The usage store of production: ClickHouse, a store of its own beside metering's database.
//!
//! A batch is one insert of one block into `usage_records`; materialized views feed the sums by minute, hour and day. The
//! tables remember tokens of inserts, but a token alone does not make a batch exact:
//!
//! - the engine notes a token before it stores the part. Killed in between, it drops the repeat and the batch is lost;
//! - records and sums are separate parts. Killed in between, the records are there and some sums are not;
//! - tokens are forgotten after a number of inserts. A repeat after that would be stored twice.
//!
//! So an insert that was not answered is *in doubt* (metering's database says so, see `service::batches`), and is resolved
//! by looking, while no other insert runs: are the batch's records there (each carries the batch's name)? If not, they are
//! inserted. Then the day's records are compared with each rollup of that day: number, units and fingerprints of calls. A
//! rollup that differs is made anew from the records and replaces the day's partition in one step. Every step may be
//! repeated, so a crash in any of them only makes the next attempt start over. It holds however late the repeat comes.
//!
//! A power loss of ClickHouse costs nothing that was acknowledged (parts are synchronised before the answer). Token notes
//! are not synchronised; they are only relied on against an attempt that is still running.

use std::time::Duration;

use ::clickhouse::Client;
use common::clock::monotonic;
use common::id::TenantId;
use common::{Error, Result};
use contracts::metering::{LoggedRequest, RequestSums};
use contracts::record::BatchName;
use database::{SystemTx, Tx};
use sea_orm::{ConnectionTrait, DbBackend};

use super::clickhouse_rows::{
    CountRow, DaySums, LogSumsRow, LoggedRow, NameRow, RECORD_MEASURES, RecordRow, SumsRow, bind_filter,
    bind_log, fault, insert_day, log_sql, log_sums_sql, rollup_measures, usage_sql,
};
use super::{ChargedUnits, Charges, NewBatch, UsageStore, clickhouse_ledger};
use crate::config::ClickHouseConfig;
use crate::domain::ledger::{Account, Compared, RowDifference, Stretch};
use crate::domain::retention::{Removed, Tenants};
use crate::domain::rollup::{DAY, Width};
use crate::domain::usage::{LogFilter, LogQuery, UsageQuery, UsageSums};
use crate::store::retention;
use crate::store::sql::query as query_rows;

/// PostgreSQL's advisory lock that inserts share, and that the resolution of doubt takes alone.
const INSERT_LOCK: i64 = 0x7467_5f75_7361_6765;
/// More rows than any batch has: a batch is one block.
const ONE_BLOCK: &str = "10000000";
/// Longest wait for the answer to an insert.
const INSERT_WITHIN: Duration = Duration::from_secs(20);
/// Longest wait for inserts of a metering process that is gone.
const QUIET_WITHIN: Duration = Duration::from_secs(10);
/// Longest wait for the answer to whether it can be used.
const FAULT_WITHIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Usage in ClickHouse.
pub(crate) struct ClickHouseUsage {
    client: Client,
}

impl std::fmt::Debug for ClickHouseUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClickHouseUsage").finish_non_exhaustive()
    }
}

impl ClickHouseUsage {
    /// The store that `config` names.
    pub(crate) fn new(config: &ClickHouseConfig) -> Self {
        Self { client: config.client() }
    }

    /// Brings the tables to this version.
    pub(crate) async fn migrate(&self) -> Result<()> {
        let known =
            "CREATE TABLE IF NOT EXISTS schema_migrations (name String) ENGINE = MergeTree ORDER BY name";
        self.run(known).await?;
        let select = "SELECT DISTINCT name FROM schema_migrations ORDER BY name";
        let applied: Vec<NameRow> = self.client.query(select).fetch_all().await.map_err(fault)?;
        let unknown = |row: &&NameRow| !migrations::CLICKHOUSE.iter().any(|(name, _)| *name == row.name);
        if let Some(row) = applied.iter().find(unknown) {
            let cause = format!("ClickHouse was migrated by a newer version (it has {})", row.name);
            return Err(Error::internal(cause));
        }
        for (name, statements) in migrations::CLICKHOUSE {
            if applied.iter().any(|row| row.name == *name) {
                continue;
            }
            for statement in statements.split(";\n").filter(|statement| !statement.trim().is_empty()) {
                self.run(statement).await?;
            }
            let insert = "INSERT INTO schema_migrations (name) VALUES (?)";
            self.client.query(insert).bind(*name).execute().await.map_err(fault)?;
        }
        Ok(())
    }

    async fn run(&self, statement: &str) -> Result<()> {
        self.client.query_raw(statement).execute().await.map_err(fault)
    }

    /// Sends the batch as one block. Views remember the token too.
    async fn send(&self, batch: &NewBatch<'_>, token: &str) -> Result<()> {
        let insert = self.client.insert::<RecordRow<'_>>("usage_records").await.map_err(fault)?;
        let mut insert = insert
            .with_timeouts(Some(INSERT_WITHIN), Some(INSERT_WITHIN))
            .with_setting("async_insert", "0")
            .with_setting("insert_deduplicate", "1")
            .with_setting("insert_deduplication_token", token)
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
            .with_setting("max_insert_block_size", ONE_BLOCK)
            .with_setting("min_insert_block_size_rows", ONE_BLOCK)
            .with_setting("min_insert_block_size_bytes", "0")
            .with_setting("max_insert_threads", "1")
            .with_setting("max_execution_time", INSERT_WITHIN.as_secs().to_string());
        for record in batch.records {
            insert.write(&RecordRow::new(batch, record)).await.map_err(fault)?;
        }
        insert.end().await.map_err(fault)
    }

    /// Finds out what an unanswered insert left behind and completes it. `tx` holds the insert lock alone.
    async fn resolve(&self, tx: &SystemTx, batch: &NewBatch<'_>) -> Result<()> {
        self.wait_for_quiet().await?;
        let token = token(&batch.name);
        let mut stored = self.stored(batch).await?;
        if stored == 0 {
            self.send(batch, &token).await?;
            stored = self.stored(batch).await?;
        }
        if stored == 0 {
            // The engine was killed between noting the token and storing the part.
            self.send(batch, &format!("{token}-{}", uuid::Uuid::new_v4().simple())).await?;
            stored = self.stored(batch).await?;
        }
        if stored != batch.records.len() as u64 {
            let expected = batch.records.len();
            return Err(Error::internal(format!(
                "{token} has {stored} records stored instead of {expected}"
            )));
        }
        let day = i64::from(batch.day);
        let intact = retention::removed(tx).await?.intact(day);
        if !intact.is_everybody() {
            tracing::warn!(batch = token, "sums of tenants without their single records cannot be compared");
        }
        if intact.is_nobody() {
            return Ok(());
        }
        let tenants = intact.sql();
        let measures = RECORD_MEASURES.join(", ");
        let records = self.day_sums("usage_records", "started_at", &measures, &tenants, day).await?;
        for width in Width::ALL {
            let (table, time, measures) = (width.table(), width.column(), rollup_measures().join(", "));
            if self.day_sums(table, time, &measures, &tenants, day).await? == records {
                continue;
            }
            tracing::warn!(batch = token, table, "a day of sums is made anew");
            self.rebuild(width, day, &intact).await?;
            if self.day_sums(table, time, &measures, &tenants, day).await? != records {
                return Err(Error::unavailable(
                    "the usage store",
                    format!("{table} differs from its records"),
                ));
            }
        }
        Ok(())
    }

    /// Waits for writes that a metering process began and did not live to see answered.
    async fn wait_for_quiet(&self) -> Result<()> {
        let running = "SELECT count() AS count FROM system.processes WHERE query_kind IN ('Insert', 'Alter', 'Drop') \
                       AND (current_database = currentDatabase() OR position(query, currentDatabase()) > 0)";
        let deadline = monotonic() + QUIET_WITHIN;
        loop {
            let row: CountRow = self.client.query(running).fetch_one().await.map_err(fault)?;
            if row.count == 0 {
                return Ok(());
            }
            if monotonic() >= deadline {
                return Err(Error::unavailable("the usage store", "an earlier write is still running"));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn stored(&self, batch: &NewBatch<'_>) -> Result<u64> {
        let count = "SELECT count() AS count FROM usage_records WHERE toYYYYMMDD(started_at) = toYYYYMMDD(toDate(?)) \
                     AND incarnation_id = ? AND stream = ? AND sequence = ?";
        let name = &batch.name;
        let query = self.client.query(count).bind(batch.day).bind(name.incarnation.to_string());
        let row: CountRow = query.bind(name.stream).bind(name.sequence).fetch_one().await.map_err(fault)?;
        Ok(row.count)
    }

    async fn day_sums(
        &self,
        table: &str,
        column: &str,
        measures: &str,
        tenants: &str,
        day: i64,
    ) -> Result<DaySums> {
        let sums = format!(
            "SELECT [{measures}] AS numbers FROM {table} WHERE toYYYYMMDD({column}) = toYYYYMMDD(toDate(?)) AND {tenants}"
        );
        self.client.query(&sums).bind(day).fetch_one().await.map_err(fault)
    }

    /// Makes a day of sums anew from the records of the tenants that have theirs; others keep their sums.
    async fn rebuild(&self, width: Width, day: i64, intact: &Tenants) -> Result<()> {
        let table = width.table();
        self.run(&format!("TRUNCATE TABLE {table}_rebuilt")).await?;
        let insert = insert_day(width, &intact.sql(), &intact.others().sql());
        self.client.query(&insert).bind(day).bind(day).execute().await.map_err(fault)?;
        let partition = self.partition(day).await?;
        self.run(&format!("ALTER TABLE {table} REPLACE PARTITION {partition} FROM {table}_rebuilt")).await?;
        self.run(&format!("TRUNCATE TABLE {table}_rebuilt")).await
    }

    /// The partition of a day.
    async fn partition(&self, day: i64) -> Result<String> {
        let select = "SELECT toString(toYYYYMMDD(toDate(?))) AS name";
        let row: NameRow = self.client.query(select).bind(day).fetch_one().await.map_err(fault)?;
        Ok(row.name)
    }

    /// The days that have records.
    async fn days(&self) -> Result<Vec<i64>> {
        let select = "SELECT DISTINCT toInt64(toDate(parseDateTimeBestEffort(partition))) AS day FROM system.parts \
                      WHERE database = currentDatabase() AND table = 'usage_records' AND active ORDER BY day";
        self.client.query(select).fetch_all().await.map_err(fault)
    }

    /// Removes a day's records of some tenants. Deleted rows are masked at once and leave the disk as parts are merged.
    async fn remove_some(&self, partition: &str, tenants: &Tenants) -> Result<()> {
        let condition = format!("toYYYYMMDD(started_at) = {partition} AND {}", tenants.sql());
        let count = format!("SELECT count() AS count FROM usage_records WHERE {condition}");
        let row: CountRow = self.client.query(&count).fetch_one().await.map_err(fault)?;
        if row.count == 0 {
            return Ok(());
        }
        self.run(&format!("DELETE FROM usage_records IN PARTITION {partition} WHERE {condition}")).await
    }
}

/// The batch's name as a token.
fn token(name: &BatchName) -> String {
    format!("{}-{}-{}", name.incarnation, name.stream, name.sequence)
}

/// Takes the lock on inserts until the transaction ends: shared by inserts, alone for the resolution of doubt. SQLite's
/// writing transactions exclude each other by themselves.
async fn lock_inserts(tx: &SystemTx, alone: bool) -> Result<()> {
    if tx.conn().get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let function = if alone { "pg_advisory_xact_lock" } else { "pg_advisory_xact_lock_shared" };
    query_rows(tx, &format!("SELECT 1 AS locked FROM {function}($1)"), [INSERT_LOCK.into()]).await?;
    Ok(())
}

#[async_trait::async_trait]
impl UsageStore for ClickHouseUsage {
    async fn fault(&self) -> Option<String> {
        let select = "SELECT DISTINCT name FROM schema_migrations ORDER BY name";
        let applied =
            tokio::time::timeout(FAULT_WITHIN, self.client.query(select).fetch_all::<NameRow>()).await;
        let Ok(applied) = applied else { return Some("ClickHouse does not answer in time".to_owned()) };
        let applied = match applied {
            Ok(applied) => applied,
            Err(error) => return Some(format!("ClickHouse cannot be used: {error}")),
        };
        let missing =
            migrations::CLICKHOUSE.iter().find(|(name, _)| !applied.iter().any(|row| row.name == *name));
        missing.map(|(name, _)| format!("ClickHouse's tables lack {name}: run tollgate migrate"))
    }

    fn shares_transactions(&self) -> bool {
        false
    }

    async fn insert(&self, tx: &SystemTx, batch: &NewBatch<'_>, in_doubt: bool) -> Result<()> {
        if batch.records.is_empty() {
            return Ok(());
        }
        lock_inserts(tx, in_doubt).await?;
        if in_doubt {
            return self.resolve(tx, batch).await;
        }
        self.send(batch, &token(&batch.name)).await
    }

    async fn usage(&self, tenant: TenantId, query: &UsageQuery) -> Result<Vec<UsageSums>> {
        let mut sql = self.client.query(&usage_sql(query));
        for segment in query.segments() {
            sql = sql.bind(tenant.to_string()).bind(segment.from / 1_000_000).bind(segment.to / 1_000_000);
            for wanted in query.filter.values() {
                sql = sql.bind(wanted);
            }
        }
        let rows: Vec<SumsRow> = sql.fetch_all().await.map_err(fault)?;
        rows.into_iter().map(SumsRow::into_sums).collect()
    }

    async fn request_log(&self, tenant: TenantId, query: &LogQuery) -> Result<Vec<LoggedRequest>> {
        let sql = bind_log(self.client.query(&log_sql(query)), tenant, query);
        let rows: Vec<LoggedRow> = sql.fetch_all().await.map_err(fault)?;
        rows.into_iter().map(LoggedRow::into_logged).collect()
    }

    async fn request_sums(&self, tenant: TenantId, filter: &LogFilter) -> Result<RequestSums> {
        let sql = bind_filter(self.client.query(&log_sums_sql(filter)), tenant, filter);
        Ok(sql.fetch_one::<LogSumsRow>().await.map_err(fault)?.into())
    }

    async fn remove_records(&self, removed: &Removed) -> Result<bool> {
        for day in self.days().await? {
            let gone = removed.intact(day).others();
            if gone.is_nobody() {
                continue;
            }
            let partition = self.partition(day).await?;
            if gone.is_everybody() {
                self.run(&format!("ALTER TABLE usage_records DROP PARTITION {partition}")).await?;
            } else {
                self.remove_some(&partition, &gone).await?;
            }
        }
        Ok(false)
    }

    async fn oldest_record(&self) -> Result<Option<i64>> {
        Ok(self.days().await?.first().map(|day| day * DAY))
    }

    async fn hold_still(&self, tx: &SystemTx) -> Result<()> {
        lock_inserts(tx, true).await?;
        self.wait_for_quiet().await
    }

    async fn compare(&self, stretch: &Stretch, intact: &Tenants) -> Result<Compared> {
        clickhouse_ledger::compare(&self.client, stretch, intact).await
    }

    async fn differences(&self, width: Width, at: i64, intact: &Tenants) -> Result<Vec<RowDifference>> {
        clickhouse_ledger::differences(&self.client, width, at, intact).await
    }

    async fn charged(&self, charges: &Charges, accounts: &[&Account]) -> Result<ChargedUnits> {
        clickhouse_ledger::charged(&self.client, charges, accounts).await
    }
}
