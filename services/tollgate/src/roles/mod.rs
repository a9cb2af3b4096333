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
use anyhow::{Result, anyhow};
use common::Clock;
use common::mail::Mailer;
use common::vault::Vault;
use contracts::{Client, Endpoints};
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
    /// Secrets that are needed again.
    pub(crate) vault: Vault,
    /// Outgoing mail.
    pub(crate) mailer: Mailer,
    /// The other roles.
    pub(crate) client: Client,
    /// Ends jobs and servers.
    pub(crate) stop: CancellationToken,
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
async fn open(schema: migrations::Schema, config: &crate::config::Database) -> Result<Database> {
    let name = schema.as_str();
    Database::open(config.url.expose_secret(), name, config.max_connections).await.map_err(|error| {
        let cause = error.cause.unwrap_or(error.message);
        anyhow!("cannot open the database of {name}: {cause}")
    })
}

/// Ready while the database answers.
fn database_readiness(database: &Database) -> Readiness {
    let database = database.clone();
    Arc::new(move || {
        let database = database.clone();
        Box::pin(async move { database.ping().await.err().map(|error| error.message).into_iter().collect() })
    })
}

/// A role that answers no calls.
fn no_metrics() -> Metrics {
    Arc::new(|| "# EOF\n".to_owned())
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
