//! Spend caps, and what was noted when spending came near them.

use crate::shared::{self, SqlMigration};

pub(super) fn migration() -> SqlMigration {
    SqlMigration {
        name: "m20261122_000007_spending",
        statements: |backend| {
            let mut statements: Vec<String> = [
                // `spent_before` is what was spent in the month that begins at `counted_from` before calls took leases.
                "CREATE TABLE spend_caps (subscription_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, limit_micros BIGINT NOT NULL, \
                 currency TEXT NOT NULL, hard_stop BOOLEAN NOT NULL, unit_price_micros BIGINT NOT NULL, \
                 anchored_at BIGINT NOT NULL, counted_from BIGINT NOT NULL, spent_before BIGINT NOT NULL)",
                "CREATE INDEX spend_caps_tenant ON spend_caps (tenant_id, subscription_id)",
                "CREATE TABLE spend_alerts (subscription_id TEXT NOT NULL, period_start BIGINT NOT NULL, threshold INTEGER NOT NULL, \
                 tenant_id TEXT NOT NULL, spent_micros BIGINT NOT NULL, limit_micros BIGINT NOT NULL, currency TEXT NOT NULL, \
                 noted_at BIGINT NOT NULL, PRIMARY KEY (subscription_id, period_start, threshold))",
            ]
            .map(str::to_owned)
            .into();
            for table in ["spend_caps", "spend_alerts"] {
                statements.extend(shared::protect(backend, table));
            }
            statements
        },
    }
}
