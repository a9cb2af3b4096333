//! How far each stream of batches is stored, and where SQLite is the usage store: the records and their rollups.

use sea_orm_migration::sea_orm::DbBackend;

use crate::shared::{self, SqlMigration};

pub(super) fn migration() -> SqlMigration {
    SqlMigration {
        name: "m20261122_000004_usage",
        statements: |backend| {
            let mut statements = vec![
                // `attempted` runs ahead of `acknowledged` while a batch is on its way into a store of its own: after a crash
                // it says that the batch may be there, wholly or in part. `attempted_day` is that batch's day; `attempts` counts how often
                // any was sent, so that two attempts at once notice each other.
                "CREATE TABLE batch_streams (incarnation_id TEXT NOT NULL, stream BIGINT NOT NULL, \
                 acknowledged BIGINT NOT NULL, attempted BIGINT NOT NULL, attempted_day BIGINT NOT NULL, \
                 attempts BIGINT NOT NULL, PRIMARY KEY (incarnation_id, stream))",
                "CREATE INDEX batch_streams_doubt ON batch_streams (attempted_day) WHERE attempted > acknowledged",
                // Single records of days before this one (days since 1970-01-01) may be gone; their sums stay.
                "CREATE TABLE usage_retention (id INTEGER PRIMARY KEY, removed_before BIGINT NOT NULL)",
                "INSERT INTO usage_retention (id, removed_before) VALUES (1, 0)",
                // Tenants that once chose how long theirs are kept; `days` is empty for those that went back to the default.
                "CREATE TABLE tenant_retention (tenant_id TEXT PRIMARY KEY, days BIGINT, removed_before BIGINT NOT NULL)",
                // Units of leases that counted as spent because nobody could state them: their calls may have left no record.
                "CREATE TABLE quota_write_offs (kind TEXT NOT NULL, holder_id TEXT NOT NULL, usage_plan_id TEXT NOT NULL, \
                 period_start BIGINT NOT NULL, period_end BIGINT NOT NULL, tenant_id TEXT NOT NULL, units BIGINT NOT NULL, \
                 PRIMARY KEY (holder_id, usage_plan_id, kind, period_start, period_end))",
            ];
            if backend == DbBackend::Sqlite {
                statements.extend([
                    "CREATE TABLE usage_records (request_id TEXT NOT NULL, tenant_id TEXT NOT NULL, api_id TEXT NOT NULL, \
                     stage TEXT NOT NULL, deployment_id TEXT NOT NULL, verb TEXT NOT NULL, route TEXT NOT NULL, \
                     method TEXT NOT NULL, path TEXT NOT NULL, client_ip TEXT NOT NULL, key_id TEXT NOT NULL, \
                     usage_plan_id TEXT NOT NULL, plan_id TEXT NOT NULL, subscription_id TEXT NOT NULL, started_at BIGINT NOT NULL, \
                     status INTEGER NOT NULL, status_class TEXT NOT NULL, reason TEXT NOT NULL, flags INTEGER NOT NULL, \
                     quota_units BIGINT NOT NULL, billable_units BIGINT NOT NULL, spend_micros BIGINT NOT NULL, \
                     lease_id TEXT NOT NULL, latency_us BIGINT NOT NULL, upstream_us BIGINT NOT NULL, bytes_in BIGINT NOT NULL, \
                     bytes_out BIGINT NOT NULL, fingerprint BIGINT NOT NULL)",
                    "CREATE INDEX usage_records_time ON usage_records (tenant_id, started_at, request_id)",
                    "CREATE INDEX usage_records_key ON usage_records (key_id, started_at) WHERE key_id <> ''",
                    "CREATE INDEX usage_records_request ON usage_records (request_id)",
                    "CREATE INDEX usage_records_age ON usage_records (started_at)",
                ]);
            }
            let mut statements: Vec<String> = statements.into_iter().map(str::to_owned).collect();
            if backend == DbBackend::Sqlite {
                statements.extend(["minute", "hour", "day"].into_iter().map(rollup));
            }
            statements.extend(shared::protect(backend, "tenant_retention"));
            statements.extend(shared::protect(backend, "quota_write_offs"));
            statements
        },
    }
}

/// The sums of records by minute, hour or day, and their dimensions.
fn rollup(width: &str) -> String {
    format!(
        "CREATE TABLE usage_{width}s (tenant_id TEXT NOT NULL, {width} BIGINT NOT NULL, api_id TEXT NOT NULL, \
             stage TEXT NOT NULL, method TEXT NOT NULL, key_id TEXT NOT NULL, usage_plan_id TEXT NOT NULL, \
             plan_id TEXT NOT NULL, subscription_id TEXT NOT NULL, status_class TEXT NOT NULL, requests BIGINT NOT NULL, \
             quota_units BIGINT NOT NULL, day_units BIGINT NOT NULL, week_units BIGINT NOT NULL, month_units BIGINT NOT NULL, \
             billable_units BIGINT NOT NULL, spend_micros BIGINT NOT NULL, bytes_in BIGINT NOT NULL, \
             bytes_out BIGINT NOT NULL, fingerprint BIGINT NOT NULL, latency BLOB NOT NULL, \
             PRIMARY KEY (tenant_id, {width}, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, \
             status_class)) WITHOUT ROWID"
    )
}
