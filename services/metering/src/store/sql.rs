//! Shared steps of the store: times and numbers between rows and contracts, and raw statements.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use common::{Error, Result};
use database::Tx;
use database::error::store;
use sea_orm::{ConnectionTrait, QueryResult, Statement, TryGetable, Value};

/// A time from a row.
pub(super) fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// An id or other text from a row, as its own type.
pub(super) fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|error| Error::internal(format!("unreadable {text} in the store: {error}")))
}

/// [`parsed`] for a column that may be empty.
pub(super) fn parsed_option<T: FromStr<Err: Display>>(text: Option<&str>) -> Result<Option<T>> {
    text.map(parsed).transpose()
}

/// A number from a row that is never negative.
pub(super) fn unsigned(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(Error::internal)
}

/// A number for a row.
pub(super) fn signed(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(Error::internal)
}

/// A column of a raw row.
pub(super) fn column<T: TryGetable>(row: &QueryResult, name: &str) -> Result<T> {
    row.try_get("", name).map_err(store)
}

/// Runs a raw statement and answers the number of rows it changed.
pub(super) async fn execute(
    tx: &impl Tx,
    text: &str,
    values: impl IntoIterator<Item = Value> + Send,
) -> Result<u64> {
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), text, values);
    Ok(tx.conn().execute_raw(statement).await.map_err(store)?.rows_affected())
}

/// The rows of a raw query.
pub(super) async fn query(
    tx: &impl Tx,
    text: &str,
    values: impl IntoIterator<Item = Value> + Send,
) -> Result<Vec<QueryResult>> {
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), text, values);
    tx.conn().query_all_raw(statement).await.map_err(store)
}

/// What ends a query whose rows shall be locked: SQLite's writing transactions exclude each other anyway.
pub(super) fn for_update(tx: &impl Tx) -> &'static str {
    match tx.conn().get_database_backend() {
        sea_orm::DbBackend::Postgres => " FOR UPDATE",
        _ => "",
    }
}

/// What ends a query whose rows shall stay as they are: SQLite's writing transactions exclude each other anyway.
pub(super) fn for_share(tx: &impl Tx) -> &'static str {
    match tx.conn().get_database_backend() {
        sea_orm::DbBackend::Postgres => " FOR SHARE",
        _ => "",
    }
}

/// Places for `count` values in a list, after the first `taken`: `$3, $4`.
pub(super) fn list(taken: usize, count: usize) -> String {
    let places: Vec<_> = (1..=count).map(|at| format!("${}", taken + at)).collect();
    places.join(", ")
}
