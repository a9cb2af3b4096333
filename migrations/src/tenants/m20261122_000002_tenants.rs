//! Organizations, people, memberships, sessions, tokens, access keys.

use crate::shared::{self, SqlMigration};

pub(super) fn migration() -> SqlMigration {
    SqlMigration {
        name: "m20261122_000002_tenants",
        statements: |backend| {
            let mut statements: Vec<String> = vec![
                "CREATE TABLE tenants (tenant_id TEXT PRIMARY KEY, name TEXT NOT NULL, slug TEXT NOT NULL, \
                 account_id TEXT NOT NULL, created_at BIGINT NOT NULL)"
                    .into(),
                "CREATE UNIQUE INDEX tenants_slug ON tenants (slug)".into(),
                "CREATE UNIQUE INDEX tenants_account_id ON tenants (account_id)".into(),
                // A person belongs to no tenant; memberships say where they may act.
                "CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT NOT NULL, password_hash TEXT NOT NULL, \
                 created_at BIGINT NOT NULL)"
                    .into(),
                "CREATE UNIQUE INDEX users_email ON users (email)".into(),
                "CREATE TABLE members (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id), \
                 user_id TEXT NOT NULL REFERENCES users (id), role TEXT NOT NULL, created_at BIGINT NOT NULL)"
                    .into(),
                "CREATE UNIQUE INDEX members_user ON members (user_id, tenant_id)".into(),
                "CREATE TABLE sessions (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id), \
                 user_id TEXT NOT NULL REFERENCES users (id), secret_sha256 TEXT NOT NULL, created_at BIGINT NOT NULL, \
                 expires_at BIGINT NOT NULL)"
                    .into(),
                "CREATE UNIQUE INDEX sessions_secret ON sessions (secret_sha256)".into(),
                "CREATE INDEX sessions_expiry ON sessions (expires_at)".into(),
                "CREATE TABLE tokens (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id), \
                 name TEXT NOT NULL, prefix TEXT NOT NULL, secret_sha256 TEXT NOT NULL, permissions TEXT NOT NULL, \
                 created_at BIGINT NOT NULL, expires_at BIGINT)"
                    .into(),
                "CREATE UNIQUE INDEX tokens_secret ON tokens (secret_sha256)".into(),
                "CREATE INDEX tokens_tenant ON tokens (tenant_id, id)".into(),
                "CREATE TABLE access_keys (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id), \
                 secret_sealed TEXT NOT NULL, permissions TEXT NOT NULL, created_at BIGINT NOT NULL)"
                    .into(),
                "CREATE INDEX access_keys_tenant ON access_keys (tenant_id)".into(),
            ];
            for table in ["tenants", "members", "sessions", "tokens", "access_keys"] {
                statements.extend(shared::protect(backend, table));
            }
            statements
        },
    }
}
