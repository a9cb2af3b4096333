//! Transactions that carry whose data they may touch.
//!
//! Store functions take `&TenantTx`: there is no unscoped finder. On PostgreSQL the scope is also set for row-level
//! security, so that a forgotten condition shows nothing of other tenants.

use common::Result;
use common::id::TenantId;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};

use crate::error::store;

/// A transaction of either scope.
pub trait Tx {
    /// The running transaction.
    fn conn(&self) -> &DatabaseTransaction;
}

/// A transaction in one tenant. Rolls back when dropped without [`TenantTx::commit`].
#[derive(Debug)]
pub struct TenantTx {
    transaction: DatabaseTransaction,
    tenant: TenantId,
}

impl TenantTx {
    pub(crate) async fn begin(
        connection: &DatabaseConnection,
        tenant: TenantId,
        writes: bool,
    ) -> Result<Self> {
        let transaction = begin(connection, writes).await?;
        scope(&transaction, "tollgate.tenant", &tenant.to_string()).await?;
        Ok(Self { transaction, tenant })
    }

    /// The tenant whose rows this may touch.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Makes the changes durable.
    pub async fn commit(self) -> Result<()> {
        self.transaction.commit().await.map_err(store)
    }
}

impl Tx for TenantTx {
    fn conn(&self) -> &DatabaseTransaction {
        &self.transaction
    }
}

/// A transaction across tenants, for Tollgate's own jobs and for finding out whose a credential is.
#[derive(Debug)]
pub struct SystemTx {
    transaction: DatabaseTransaction,
}

impl SystemTx {
    pub(crate) async fn begin(
        connection: &DatabaseConnection,
        reason: &'static str,
        writes: bool,
    ) -> Result<Self> {
        tracing::trace!(reason, "transaction across tenants");
        let transaction = begin(connection, writes).await?;
        scope(&transaction, "tollgate.system", "on").await?;
        Ok(Self { transaction })
    }

    /// Makes the changes durable.
    pub async fn commit(self) -> Result<()> {
        self.transaction.commit().await.map_err(store)
    }
}

impl Tx for SystemTx {
    fn conn(&self) -> &DatabaseTransaction {
        &self.transaction
    }
}

async fn begin(connection: &DatabaseConnection, writes: bool) -> Result<DatabaseTransaction> {
    // A deferred SQLite transaction that reads before it writes fails as busy when another wrote in between.
    let mode = if writes { SqliteTransactionMode::Immediate } else { SqliteTransactionMode::Deferred };
    let options = match connection.get_database_backend() {
        DbBackend::Sqlite => TransactionOptions { sqlite_transaction_mode: Some(mode), ..Default::default() },
        _ => TransactionOptions::default(),
    };
    connection.begin_with_options(options).await.map_err(store)
}

async fn scope(transaction: &DatabaseTransaction, setting: &str, value: &str) -> Result<()> {
    if transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let values = [setting.into(), value.into()];
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT set_config($1, $2, true)", values);
    transaction.query_one_raw(statement).await.map_err(store)?;
    Ok(())
}
