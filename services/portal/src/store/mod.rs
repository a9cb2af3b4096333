//! Queries of this role's tables. The only place that knows their shape.

pub(crate) mod apps;
pub(crate) mod developers;
mod entities;
pub(crate) mod invitations;
pub(crate) mod sessions;

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

/// The id after which a page starts.
fn cursor<T: FromStr + std::fmt::Display>(after: &str) -> Result<String> {
    let id: T = after.parse().map_err(|_| Error::invalid("after", "is not a cursor of this list"))?;
    Ok(id.to_string())
}
