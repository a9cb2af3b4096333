//! Queries of this role's tables. The only place that knows their shape.

pub(crate) mod access_keys;
mod entities;
pub(crate) mod members;
pub(crate) mod sessions;
pub(crate) mod tenants;
pub(crate) mod tokens;
pub(crate) mod users;

use std::str::FromStr;

use chrono::{DateTime, Utc};
use common::{Error, Result};
use contracts::Permission;

/// A unique value was taken by somebody else. On PostgreSQL the transaction is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken;

/// An id read back from its column.
fn id<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T> {
    text.parse().map_err(Error::internal)
}

/// A time read back from its column of microseconds.
fn time(micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| Error::internal("time out of range"))
}

/// Permissions as their column holds them: a JSON list of names.
fn permissions_text(permissions: &[Permission]) -> Result<String> {
    serde_json::to_string(permissions).map_err(Error::internal)
}
