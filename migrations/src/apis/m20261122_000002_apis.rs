//! API documents, deployments, stages.

use crate::shared::{self, SqlMigration};

pub(super) fn migration() -> SqlMigration {
    SqlMigration {
        name: "m20261122_000002_apis",
        statements: |backend| {
            let mut statements: Vec<String> = vec![
                "CREATE TABLE apis (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT, \
                 document TEXT NOT NULL, revision BIGINT NOT NULL, secret_headers_sealed TEXT, created_at BIGINT NOT NULL, \
                 updated_at BIGINT NOT NULL)"
                    .into(),
                "CREATE INDEX apis_tenant ON apis (tenant_id, created_at, id)".into(),
                "CREATE TABLE deployments (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, \
                 api_id TEXT NOT NULL REFERENCES apis (id) ON DELETE CASCADE, revision BIGINT NOT NULL, \
                 description TEXT, document TEXT NOT NULL, created_at BIGINT NOT NULL)"
                    .into(),
                "CREATE INDEX deployments_api ON deployments (api_id, id)".into(),
                "CREATE TABLE stages (api_id TEXT NOT NULL REFERENCES apis (id) ON DELETE CASCADE, name TEXT NOT NULL, \
                 tenant_id TEXT NOT NULL, deployment_id TEXT NOT NULL REFERENCES deployments (id), settings TEXT NOT NULL, \
                 updated_at BIGINT NOT NULL, PRIMARY KEY (api_id, name))"
                    .into(),
                "CREATE INDEX stages_deployment ON stages (deployment_id)".into(),
            ];
            for table in ["apis", "deployments", "stages"] {
                statements.extend(shared::protect(backend, table));
            }
            statements
        },
    }
}
