//! Where usage records and their sums live: SQLite in the embedded default, ClickHouse in production.

pub(crate) mod clickhouse;
mod clickhouse_rows;
pub(crate) mod sqlite;
mod sqlite_rows;

use std::fmt::Debug;

use common::Result;
use common::id::TenantId;
use contracts::metering::LoggedRequest;
use contracts::record::{BatchName, UsageRecord};
use database::SystemTx;

use crate::domain::usage::{LogQuery, UsageQuery, UsageSums};

/// A batch that follows everything stored of its stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewBatch<'a> {
    /// What it is called.
    pub name: BatchName,
    /// UTC day of its records, days since 1970-01-01.
    pub day: i32,
    /// Its records.
    pub records: &'a [UsageRecord<'a>],
}

/// Keeps usage records and sums of them. Holds each batch it is given exactly once, in the records and in every sum.
#[async_trait::async_trait]
pub(crate) trait UsageStore: Debug + Send + Sync {
    /// Whether [`UsageStore::insert`] is part of the transaction it is given: both happen or neither.
    fn shares_transactions(&self) -> bool;

    /// Why the store cannot be used right now; nothing when it can.
    async fn fault(&self) -> Option<String>;

    /// Stores a batch. `tx` holds the lock on its stream. `in_doubt` says that an earlier attempt may have stored it,
    /// wholly or in part.
    async fn insert(&self, tx: &SystemTx, batch: &NewBatch<'_>, in_doubt: bool) -> Result<()>;

    /// Sums over a tenant's records, by time, then group.
    async fn usage(&self, tenant: TenantId, query: &UsageQuery) -> Result<Vec<UsageSums>>;

    /// A tenant's single calls, newest first: at most one more than `query.limit`.
    async fn request_log(&self, tenant: TenantId, query: &LogQuery) -> Result<Vec<LoggedRequest>>;

    /// Removes single records of days before `before` (days since 1970-01-01), or some of them; sums stay. Answers whether
    /// more are left.
    async fn remove_records_before(&self, before: i64) -> Result<bool>;
}
