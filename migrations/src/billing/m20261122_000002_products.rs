//! Products, plans, subscriptions.

use crate::shared::{self, SqlMigration};

pub(super) fn migration() -> SqlMigration {
    SqlMigration {
        name: "m20261122_000002_products",
        statements: |backend| {
            let mut statements: Vec<String> = vec![
                "CREATE TABLE products (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, name TEXT NOT NULL, \
                 description TEXT NOT NULL, apis TEXT NOT NULL, published BOOLEAN NOT NULL, created_at BIGINT NOT NULL)"
                    .into(),
                "CREATE INDEX products_tenant ON products (tenant_id, id)".into(),
                "CREATE TABLE plans (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, \
                 product_id TEXT NOT NULL REFERENCES products (id), name TEXT NOT NULL, description TEXT NOT NULL, \
                 price_micros BIGINT NOT NULL, currency TEXT NOT NULL, unit_price_micros BIGINT NOT NULL, usage_plan_id TEXT NOT NULL, created_at BIGINT NOT NULL)"
                    .into(),
                "CREATE INDEX plans_product ON plans (product_id)".into(),
                "CREATE TABLE subscriptions (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, \
                 plan_id TEXT NOT NULL REFERENCES plans (id), app_id TEXT NOT NULL, developer_id TEXT NOT NULL, \
                 status TEXT NOT NULL, key_id TEXT NOT NULL, key_name TEXT NOT NULL, created_at BIGINT NOT NULL, \
                 cancelled_at BIGINT)"
                    .into(),
                "CREATE INDEX subscriptions_tenant ON subscriptions (tenant_id, id)".into(),
                "CREATE INDEX subscriptions_developer ON subscriptions (developer_id, id)".into(),
                "CREATE INDEX subscriptions_plan ON subscriptions (plan_id, id)".into(),
                // An app holds a plan once at a time.
                "CREATE UNIQUE INDEX subscriptions_live ON subscriptions (app_id, plan_id) WHERE status <> 'cancelled'"
                    .into(),
            ];
            for table in ["products", "plans", "subscriptions"] {
                statements.extend(shared::protect(backend, table));
            }
            statements
        },
    }
}
