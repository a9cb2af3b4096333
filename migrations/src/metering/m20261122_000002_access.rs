//! Usage plans and API keys.

use crate::shared::{self, SqlMigration};

pub(super) fn migration() -> SqlMigration {
    SqlMigration {
        name: "m20261122_000002_access",
        statements: |backend| {
            let mut statements: Vec<String> = [
                "CREATE TABLE usage_plans (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, name TEXT NOT NULL, \
                 description TEXT, terms TEXT NOT NULL, created_at BIGINT NOT NULL)",
                "CREATE INDEX usage_plans_tenant ON usage_plans (tenant_id, id)",
                "CREATE TABLE usage_plan_stages (usage_plan_id TEXT NOT NULL REFERENCES usage_plans (id) ON DELETE CASCADE, \
                 tenant_id TEXT NOT NULL, api_id TEXT NOT NULL, stage TEXT NOT NULL, throttles TEXT NOT NULL, costs TEXT NOT NULL, \
                 place INTEGER NOT NULL, PRIMARY KEY (usage_plan_id, api_id, stage))",
                "CREATE TABLE api_keys (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, name TEXT NOT NULL, \
                 prefix TEXT NOT NULL, sha256 TEXT NOT NULL, previous_sha256 TEXT, previous_until BIGINT, \
                 sealed_value TEXT, shown_once BOOLEAN NOT NULL, enabled BOOLEAN NOT NULL, revoked_at BIGINT, \
                 expires_at BIGINT, subscription_id TEXT, plan_id TEXT, anchored_at BIGINT NOT NULL, created_at BIGINT NOT NULL)",
                "CREATE INDEX api_keys_tenant ON api_keys (tenant_id, id)",
                "CREATE INDEX api_keys_subscription ON api_keys (subscription_id)",
                // A value belongs to one key of the whole installation, and stays with it after a rotation.
                "CREATE TABLE api_key_values (sha256 TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, \
                 api_key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE)",
                "CREATE INDEX api_key_values_key ON api_key_values (api_key_id)",
                "CREATE TABLE api_key_usage_plans (api_key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE, \
                 usage_plan_id TEXT NOT NULL REFERENCES usage_plans (id), tenant_id TEXT NOT NULL, place INTEGER NOT NULL, \
                 PRIMARY KEY (api_key_id, usage_plan_id))",
                "CREATE INDEX api_key_usage_plans_plan ON api_key_usage_plans (usage_plan_id)",
            ]
            .map(str::to_owned)
            .into();
            let tables =
                ["usage_plans", "usage_plan_stages", "api_keys", "api_key_values", "api_key_usage_plans"];
            for table in tables {
                statements.extend(shared::protect(backend, table));
            }
            statements
        },
    }
}
