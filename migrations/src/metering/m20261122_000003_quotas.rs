//! Gateways, their runs, and the authority on budgets: quotas and spend caps.

use crate::shared::{self, SqlMigration};

pub(super) fn migration() -> SqlMigration {
    SqlMigration {
        name: "m20261122_000003_quotas",
        statements: |backend| {
            let mut statements: Vec<String> = [
                "CREATE TABLE gateways (id TEXT PRIMARY KEY, incarnation_id TEXT NOT NULL, watermark BIGINT NOT NULL, \
                 registered_at BIGINT NOT NULL, seen_at BIGINT NOT NULL, stopped_at BIGINT, forgotten BOOLEAN NOT NULL)",
                "CREATE TABLE gateway_runs (incarnation_id TEXT PRIMARY KEY, gateway_id TEXT NOT NULL, ended BOOLEAN NOT NULL)",
                "CREATE INDEX gateway_runs_open ON gateway_runs (gateway_id) WHERE NOT ended",
                // A row is a budget in a period. `kind` is `day`, `week` or `month` for a key's quota in a usage plan, `spend` for a
                // subscription's spend cap, which has no usage plan; `holder_id` is the key or the subscription.
                "CREATE TABLE quota_periods (kind TEXT NOT NULL, holder_id TEXT NOT NULL, usage_plan_id TEXT NOT NULL, \
                 period_start BIGINT NOT NULL, period_end BIGINT NOT NULL, tenant_id TEXT NOT NULL, quota_limit BIGINT NOT NULL, \
                 blended_limit BIGINT, extension BIGINT NOT NULL, settled BIGINT NOT NULL, \
                 PRIMARY KEY (holder_id, usage_plan_id, kind, period_start, period_end))",
                "CREATE INDEX quota_periods_plan ON quota_periods (usage_plan_id, period_end)",
                "CREATE TABLE quota_leases (id TEXT PRIMARY KEY, kind TEXT NOT NULL, holder_id TEXT NOT NULL, \
                 usage_plan_id TEXT NOT NULL, period_start BIGINT NOT NULL, period_end BIGINT NOT NULL, \
                 incarnation_id TEXT NOT NULL, tenant_id TEXT NOT NULL, granted BIGINT NOT NULL, ceiling BIGINT NOT NULL, \
                 spent BIGINT NOT NULL, recalled BOOLEAN NOT NULL, closed_at BIGINT)",
                "CREATE INDEX quota_leases_open ON quota_leases (holder_id, usage_plan_id, kind, period_start, period_end) \
                 WHERE closed_at IS NULL",
                "CREATE INDEX quota_leases_run ON quota_leases (incarnation_id)",
                "CREATE INDEX quota_leases_closed ON quota_leases (closed_at) WHERE closed_at IS NOT NULL",
            ]
            .map(str::to_owned)
            .into();
            for table in ["quota_periods", "quota_leases"] {
                statements.extend(shared::protect(backend, table));
            }
            statements
        },
    }
}
