//! App developers, their sessions and invitations, their apps.

use crate::shared::{self, SqlMigration};

pub(super) fn migration() -> SqlMigration {
    SqlMigration {
        name: "m20261122_000002_developers",
        statements: |backend| {
            let mut statements: Vec<String> = vec![
                "CREATE TABLE developers (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, email TEXT NOT NULL, \
                 name TEXT NOT NULL, password_hash TEXT, created_at BIGINT NOT NULL)"
                    .into(),
                "CREATE UNIQUE INDEX developers_email ON developers (tenant_id, email)".into(),
                "CREATE INDEX developers_tenant ON developers (tenant_id, id)".into(),
                "CREATE TABLE sessions (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, \
                 developer_id TEXT NOT NULL REFERENCES developers (id), secret_sha256 TEXT NOT NULL, \
                 created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL)"
                    .into(),
                "CREATE UNIQUE INDEX sessions_secret ON sessions (secret_sha256)".into(),
                "CREATE INDEX sessions_expiry ON sessions (expires_at)".into(),
                "CREATE TABLE invitations (developer_id TEXT PRIMARY KEY REFERENCES developers (id), \
                 tenant_id TEXT NOT NULL, token_sha256 TEXT NOT NULL, expires_at BIGINT NOT NULL)"
                    .into(),
                "CREATE UNIQUE INDEX invitations_token ON invitations (token_sha256)".into(),
                "CREATE TABLE apps (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, \
                 developer_id TEXT NOT NULL REFERENCES developers (id), name TEXT NOT NULL, created_at BIGINT NOT NULL)"
                    .into(),
                "CREATE UNIQUE INDEX apps_name ON apps (developer_id, name)".into(),
                "CREATE INDEX apps_tenant ON apps (tenant_id, id)".into(),
            ];
            for table in ["developers", "sessions", "invitations", "apps"] {
                statements.extend(shared::protect(backend, table));
            }
            statements
        },
    }
}
