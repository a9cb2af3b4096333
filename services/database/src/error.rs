//! Store failures as errors for callers.

use common::Error;
use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// A store failure as the caller sees it: `unavailable` when the store could not be reached, else a fault of ours.
pub fn store(error: DbErr) -> Error {
    match error {
        DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Error::unavailable("the database", error),
        _ => Error::internal(error),
    }
}

/// Whether a write was refused because a unique value is taken.
pub fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// The outcome of an insert; `None` when a unique value is taken. On PostgreSQL the transaction is over then.
pub fn unless_taken<T>(inserted: Result<T, DbErr>) -> common::Result<Option<T>> {
    match inserted {
        Ok(inserted) => Ok(Some(inserted)),
        Err(error) if is_unique_violation(&error) => Ok(None),
        Err(error) => Err(store(error)),
    }
}

/// Whether the statement lost a race that a repeat of the transaction may win.
pub fn is_contention(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = error
    else {
        return false;
    };
    let Some(code) = cause.as_database_error().and_then(|error| error.code()) else { return false };
    // PostgreSQL: serialization failure, deadlock. SQLite: busy.
    matches!(code.as_ref(), "40001" | "40P01" | "5" | "517")
}
