//! Where usage records and their sums live: SQLite in the embedded default, ClickHouse in production.

pub(crate) mod clickhouse;
mod clickhouse_ledger;
mod clickhouse_rows;
pub(crate) mod sqlite;
mod sqlite_ledger;
mod sqlite_rows;

use std::collections::BTreeMap;
use std::fmt::Debug;

use common::Result;
use common::id::TenantId;
use contracts::metering::{LoggedRequest, RequestSums};
use contracts::record::{BatchName, Flags, UsageRecord};
use database::SystemTx;

use crate::domain::ledger::{Account, Compared, Kind, RowDifference, Stretch};
use crate::domain::periods::Span;
use crate::domain::retention::{Removed, Tenants};
use crate::domain::rollup::{DAY, MINUTE, Width};
use crate::domain::usage::{LogFilter, LogQuery, UsageQuery, UsageSums};

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

    /// Sums over a tenant's single calls.
    async fn request_sums(&self, tenant: TenantId, filter: &LogFilter) -> Result<RequestSums>;

    /// Removes single records that are due to be gone, or some of them; sums stay. Answers whether more are left.
    async fn remove_records(&self, removed: &Removed) -> Result<bool>;

    /// Time of the oldest single record, or some time before it on the same day.
    async fn oldest_record(&self) -> Result<Option<i64>>;

    /// Lets no batch be stored until the transaction ends.
    async fn hold_still(&self, tx: &SystemTx) -> Result<()>;

    /// Compares rows of a rollup with the records of these tenants.
    async fn compare(&self, stretch: &Stretch, intact: &Tenants) -> Result<Compared>;

    /// How the rows of one minute, hour or day differ from the records of these tenants.
    async fn differences(&self, width: Width, at: i64, intact: &Tenants) -> Result<Vec<RowDifference>>;

    /// What calls took from budgets in a period, by their records. Accounts without calls may be left out.
    async fn charged(&self, charges: &Charges, accounts: &[&Account]) -> Result<ChargedUnits>;
}

/// Units by key or subscription, and usage plan; of a spend cap, without a plan.
pub(crate) type ChargedUnits = BTreeMap<(String, String), u64>;

/// What calls took from budgets of one kind in one period.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charges {
    /// The period.
    pub span: Span,
    /// The kind of budget.
    pub kind: Kind,
}

impl Charges {
    /// The column of rollups that sums them.
    const fn column(&self) -> &'static str {
        match self.kind {
            Kind::Day => "day_units",
            Kind::Week => "week_units",
            Kind::Month => "month_units",
            Kind::Spend => "spend_micros",
        }
    }

    /// The column of the key or subscription, and that of the usage plan where budgets have one.
    const fn holder(&self) -> (&'static str, &'static str) {
        match self.kind {
            Kind::Day | Kind::Week | Kind::Month => ("key_id", "usage_plan_id"),
            Kind::Spend => ("subscription_id", "''"),
        }
    }

    /// The column of single records, and the flag of those that took part.
    const fn of_records(&self) -> (&'static str, Option<Flags>) {
        match self.kind {
            Kind::Day => ("quota_units", Some(Flags::CHARGED_DAY)),
            Kind::Week => ("quota_units", Some(Flags::CHARGED_WEEK)),
            Kind::Month => ("quota_units", Some(Flags::CHARGED_MONTH)),
            Kind::Spend => ("spend_micros", None),
        }
    }

    /// The whole minutes of the period, which rollups sum.
    fn whole_minutes(&self) -> Option<(i64, i64)> {
        let Span { start, end } = self.span;
        let (from, to) = (-(-start).div_euclid(MINUTE) * MINUTE, end.div_euclid(MINUTE) * MINUTE);
        (from < to).then_some((from, to))
    }

    /// The parts of minutes at its ends, which only single records know.
    fn ragged_ends(&self) -> impl Iterator<Item = (i64, i64)> {
        let Span { start, end } = self.span;
        let (from, to) = self.whole_minutes().unwrap_or((end, end));
        [(start, from), (to, end)].into_iter().filter(|(from, to)| from < to)
    }

    /// The days of [`Charges::ragged_ends`].
    pub(crate) fn ragged_days(&self) -> impl Iterator<Item = i64> {
        self.ragged_ends().map(|(from, _)| from.div_euclid(DAY))
    }
}
