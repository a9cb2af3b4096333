//! How much one tenant may have.
//!
//! Counted in the transaction that adds one more. On PostgreSQL those transactions of one tenant wait for each other, so a
//! limit holds to the unit; on SQLite writers do so anyway.

use common::{Error, Result};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use crate::error::store;
use crate::transaction::{TenantTx, Tx};

/// A bound on the rows that a tenant has in a table.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The setting's name, for the refusal.
    pub name: &'static str,
    /// Its value.
    pub most: u64,
    /// What is counted.
    pub table: &'static str,
    /// Which rows of it, as SQL.
    pub only: &'static str,
}

impl Limit {
    /// Refuses with `limit_exceeded` when the tenant has as many as it may have. Call it before adding one.
    pub async fn check(&self, tx: &TenantTx) -> Result<()> {
        let Self { name, most, table, only } = *self;
        let (conn, tenant) = (tx.conn(), tx.tenant().to_string());
        let backend = conn.get_database_backend();
        if backend == DbBackend::Postgres {
            let wait = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            let values = [Value::from(format!("{name} {tenant}"))];
            conn.execute_raw(Statement::from_sql_and_values(backend, wait, values)).await.map_err(store)?;
        }
        let count = format!("SELECT COUNT(*) AS count FROM {table} WHERE tenant_id = $1 AND {only}");
        let statement = Statement::from_sql_and_values(backend, count, [Value::from(tenant)]);
        let row = conn.query_one_raw(statement).await.map_err(store)?;
        let row = row.ok_or_else(|| Error::internal("a count without a row"))?;
        let count: i64 = row.try_get("", "count").map_err(store)?;
        if u64::try_from(count).map_err(Error::internal)? >= most {
            return Err(Error::limit_exceeded(name, most));
        }
        Ok(())
    }
}
