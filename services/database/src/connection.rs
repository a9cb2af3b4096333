//! Opening a role's database.

use std::time::Duration;

use common::{Error, Result};
use contracts::Ctx;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, DatabaseConnection, DbBackend};

use crate::error::store;
use crate::transaction::{SystemTx, TenantTx};

/// PostgreSQL ends sessions of a machine that has vanished without a word, and with them their locks: after about 25 s of no
/// answer to the kernel's probes, or, where something in between answers those, once a transaction has stood still for
/// longer than any of ours does. Without this, locks on streams of records would be held for hours.
const POSTGRES_SESSION: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("idle_in_transaction_session_timeout", "5min"),
];

/// A role's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    connection: DatabaseConnection,
}

impl Database {
    /// Opens `url` (`sqlite:///path/file.db?mode=rwc` or `postgres://user:password@host/database`) with at most
    /// `max_connections`. `schema` is the search path on PostgreSQL.
    ///
    /// SQLite keeps a write-ahead log with full synchronisation: a committed change survives a power loss.
    pub async fn open(url: &str, schema: &str, max_connections: u32) -> Result<Self> {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(max_connections)
            .connect_timeout(Duration::from_secs(5))
            .acquire_timeout(Duration::from_secs(10))
            .sqlx_logging(false)
            .set_schema_search_path(schema)
            .map_sqlx_postgres_opts(|options| options.options(POSTGRES_SESSION))
            .map_sqlx_sqlite_opts(|options| {
                options
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(Duration::from_secs(10))
            });
        let connection = sea_orm::Database::connect(options).await.map_err(store)?;
        Ok(Self { connection })
    }

    /// The connection, for migrations and for reads that belong to no tenant.
    pub const fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// Whether this is the embedded store.
    pub fn is_sqlite(&self) -> bool {
        self.backend() == DbBackend::Sqlite
    }

    /// SQLite or PostgreSQL.
    pub fn backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    /// Begins a writing transaction in the caller's tenant.
    pub async fn tenant(&self, ctx: &Ctx) -> Result<TenantTx> {
        TenantTx::begin(&self.connection, ctx.tenant()?, true).await
    }

    /// Begins a reading transaction in the caller's tenant: it sees one state and never waits for writers.
    pub async fn tenant_read(&self, ctx: &Ctx) -> Result<TenantTx> {
        TenantTx::begin(&self.connection, ctx.tenant()?, false).await
    }

    /// Begins a writing transaction across tenants. `reason` is logged: say why no single tenant will do.
    pub async fn system(&self, reason: &'static str) -> Result<SystemTx> {
        SystemTx::begin(&self.connection, reason, true).await
    }

    /// Begins a reading transaction across tenants.
    pub async fn system_read(&self, reason: &'static str) -> Result<SystemTx> {
        SystemTx::begin(&self.connection, reason, false).await
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<()> {
        self.connection.ping().await.map_err(|error| Error::unavailable("the database", error))
    }

    /// Closes all connections; waits for running statements.
    pub async fn close(self) -> Result<()> {
        self.connection.close().await.map_err(store)
    }
}
