//! Queries of this role's tables. The only place that knows their shape.

pub(crate) mod apis;
pub(crate) mod deployments;
mod entities;
pub(crate) mod stages;

use std::str::FromStr;

use chrono::{DateTime, Utc};
use common::{Error, Result};

/// An id read back from its column.
fn id<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T> {
    text.parse().map_err(Error::internal)
}

/// A time read back from its column of microseconds.
fn time(micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| Error::internal("time out of range"))
}

/// A revision for its column.
fn column(revision: u64) -> Result<i64> {
    i64::try_from(revision).map_err(Error::internal)
}

/// A revision read back.
fn revision(column: i64) -> Result<u64> {
    u64::try_from(column).map_err(Error::internal)
}

/// The refusal of a text that is no cursor of the list.
fn no_cursor() -> Error {
    Error::invalid("after", "is not a cursor of this list")
}
