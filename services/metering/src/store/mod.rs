//! Queries. Tenant-owned rows are reached through a `TenantTx` alone; work across tenants names its reason.

mod entities;

pub(crate) mod api_keys;
pub(crate) mod batches;
pub(crate) mod budgets;
pub(crate) mod gateways;
pub(crate) mod ledger;
pub(crate) mod quotas;
pub(crate) mod retention;
pub(crate) mod spend_caps;
mod sql;
pub(crate) mod usage;
pub(crate) mod usage_plans;

use chrono::{DateTime, Utc};
use common::Result;
use database::Tx;

/// The revision under which the object with this change key was published last; 0 when it never was.
pub(crate) async fn published_revision(tx: &(impl Tx + Sync), change_key: &str) -> Result<u64> {
    let select = "SELECT revision FROM changes WHERE change_key = $1";
    let rows = sql::query(tx, select, [change_key.into()]).await?;
    rows.first().map_or(Ok(0), |row| sql::unsigned(sql::column(row, "revision")?))
}

/// A time from microseconds since the epoch.
pub(crate) fn time(micros: i64) -> DateTime<Utc> {
    sql::time(micros)
}
