//! Building blocks of the roles' migrations: SQL steps, tenant protection, and the tables every role has.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// A migration given as SQL statements that suit both stores. Runs in a transaction on both.
pub struct SqlMigration {
    /// Dated name: `m20261122_000001_users`.
    pub name: &'static str,
    /// The statements, in order.
    pub statements: fn(DbBackend) -> Vec<String>,
}

impl MigrationName for SqlMigration {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SqlMigration {
    #[expect(elided_lifetimes_in_paths, reason = "the trait's lifetime is late-bound")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for statement in (self.statements)(manager.get_database_backend()) {
            connection.execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// The column type for bytes.
pub fn bytes(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "BYTEA",
        _ => "BLOB",
    }
}

/// Row-level security for a table with a `tenant_id` column.
///
/// Rows are visible only to a transaction that names their
/// tenant, or that says it works across tenants. Forced, so that it holds for the owner too. Nothing on SQLite, where the
/// store's queries alone keep tenants apart.
pub fn protect(backend: DbBackend, table: &str) -> Vec<String> {
    if backend != DbBackend::Postgres {
        return Vec::new();
    }
    vec![
        format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
        format!(
            "CREATE POLICY tenant_isolation ON {table} USING (tenant_id = current_setting('tollgate.tenant', true) \
             OR current_setting('tollgate.system', true) = 'on')"
        ),
    ]
}

/// The change stream: the newest state of each object under a revision from a counter row that a change locks.
pub fn change_stream() -> Vec<String> {
    vec![
        "CREATE TABLE change_counter (id INTEGER PRIMARY KEY, revision BIGINT NOT NULL)".into(),
        "INSERT INTO change_counter (id, revision) VALUES (1, 0)".into(),
        "CREATE TABLE changes (change_key TEXT PRIMARY KEY, revision BIGINT NOT NULL, state TEXT)".into(),
        "CREATE UNIQUE INDEX changes_revision ON changes (revision)".into(),
        "CREATE TABLE followers (gateway_id TEXT PRIMARY KEY, applied BIGINT NOT NULL, seen_at BIGINT NOT NULL)".into(),
    ]
}

/// Events for other roles, the audit log and remembered outcomes: each written in the transaction of the change.
pub fn bookkeeping(backend: DbBackend) -> Vec<String> {
    let mut statements: Vec<String> = vec![
        "CREATE TABLE outbox (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, \
         created_at BIGINT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due_at BIGINT NOT NULL, last_error TEXT)"
            .into(),
        "CREATE INDEX outbox_due ON outbox (due_at)".into(),
        "CREATE TABLE audit_entries (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, at BIGINT NOT NULL, actor TEXT NOT NULL, \
         action TEXT NOT NULL, object TEXT NOT NULL, patch TEXT NOT NULL, request_id TEXT NOT NULL)"
            .into(),
        "CREATE INDEX audit_entries_tenant ON audit_entries (tenant_id, id)".into(),
        "CREATE TABLE idempotency_keys (tenant_id TEXT NOT NULL, call_name TEXT NOT NULL, idempotency_key TEXT NOT NULL, \
         request_sha256 TEXT NOT NULL, outcome TEXT NOT NULL, created_at BIGINT NOT NULL, \
         PRIMARY KEY (tenant_id, call_name, idempotency_key))"
            .into(),
    ];
    for table in ["outbox", "audit_entries", "idempotency_keys"] {
        statements.extend(protect(backend, table));
    }
    statements
}
