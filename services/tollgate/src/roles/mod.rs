//! Starting roles: one file per role, used alike by `up` and `serve`.

mod admin;
mod apis;
mod billing;
mod embedded;
mod gateway;
mod metering;
mod portal;
mod tenants;

use std::sync::Arc;

use ::database::Database;
use anyhow::{Context, Result, anyhow};
use common::Clock;
use common::mail::Mailer;
use common::vault::Vault;
use contracts::{Client, Endpoints};
use migrations::Schema;
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::internal::{Metrics, Readiness};

pub(crate) use admin::start as start_admin;
pub(crate) use apis::start as start_apis;
pub(crate) use billing::start as start_billing;
pub(crate) use embedded::Embedded;
pub(crate) use gateway::start as start_gateway;
pub(crate) use metering::start as start_metering;
pub(crate) use portal::start as start_portal;
pub(crate) use tenants::start as start_tenants;

/// What every role is started with.
pub(crate) struct Shared {
    /// The installation's time.
    pub(crate) clock: Clock,
    /// Secrets that are needed again; only some roles keep any.
    pub(crate) vault: Option<Vault>,
    /// Outgoing mail.
    pub(crate) mailer: Mailer,
    /// The other roles.
    pub(crate) client: Client,
    /// Ends jobs and servers.
    pub(crate) stop: CancellationToken,
}

impl Shared {
    /// The vault, for a role that keeps secrets.
    fn vault(&self) -> Result<Vault> {
        self.vault.clone().context("common.vault_keys: this role keeps secrets and needs a key for them")
    }
}

/// A started role.
pub(crate) struct Running {
    /// Its answers to other roles; the gateway and admin have none.
    pub(crate) endpoints: Option<Arc<Endpoints>>,
    /// Whether it is ready.
    pub(crate) readiness: Readiness,
    /// Its metrics.
    pub(crate) metrics: Metrics,
    /// Jobs and servers; each ends once `stop` is cancelled.
    pub(crate) tasks: Vec<JoinHandle<()>>,
}

/// Opens a role's migrated database.
async fn open(schema: Schema, config: &crate::config::Database) -> Result<Database> {
    let name = schema.as_str();
    Database::open(config.url.expose_secret(), name, config.max_connections).await.map_err(|error| {
        let cause = error.cause.unwrap_or(error.message);
        anyhow!("cannot open the database of {name}: {cause}")
    })
}

/// Ready while the database answers and its tables are of this version.
fn database_readiness(database: &Database, schema: Schema) -> Readiness {
    let database = database.clone();
    Arc::new(move || {
        let database = database.clone();
        Box::pin(async move { database_fault(&database, schema).await.into_iter().collect() })
    })
}

async fn database_fault(database: &Database, schema: Schema) -> Option<String> {
    if let Err(error) = database.ping().await {
        return Some(error.message);
    }
    let name = schema.as_str();
    match migrations::missing(schema, database.connection()).await {
        Ok(missing) if missing.is_empty() => None,
        Ok(missing) => {
            Some(format!("the tables of {name} lack {}: run tollgate migrate", missing.join(", ")))
        }
        Err(_) => Some(format!("the tables of {name} are not there: run tollgate migrate")),
    }
}

/// Runs an actix server until `stop`, then lets its requests end.
fn spawn_server(server: actix_web::dev::Server, stop: CancellationToken) -> JoinHandle<()> {
    let handle = server.handle();
    let serving = tokio::spawn(server);
    tokio::spawn(async move {
        stop.cancelled().await;
        handle.stop(true).await;
        if let Ok(Err(error)) = serving.await {
            tracing::error!(%error, "server ended");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_role_without_its_tables_is_not_ready_and_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", directory.path().join("billing.db").display());
        let database = Database::open(&url, "billing", 1).await.unwrap();
        let fault = database_fault(&database, Schema::Billing).await.unwrap();
        assert!(fault.contains("billing") && fault.contains("tollgate migrate"), "{fault}");
        migrations::run(Schema::Billing, database.connection(), None).await.unwrap();
        assert_eq!(database_fault(&database, Schema::Billing).await, None);
    }
}
