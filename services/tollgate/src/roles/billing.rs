//! Starts the role `billing`.

use anyhow::Result;
use contracts::Role;
use migrations::Schema;

use super::{Running, Shared, database_readiness, open};
use crate::config::Store;
use crate::metrics;

pub(crate) async fn start(shared: &Shared, config: &Store<billing::Config>) -> Result<Running> {
    let database = open(Schema::Billing, &config.database).await?;
    let deps = billing::Deps {
        database: database.clone(),
        clock: shared.clock.clone(),
        client: shared.client.of(Role::Billing),
    };
    let state = billing::build(config.settings.clone(), deps).await?;
    let (endpoints, metrics) = metrics::observe(billing::endpoints(&state));
    let jobs = tokio::spawn(billing::run_jobs(state, shared.stop.clone()));
    Ok(Running {
        endpoints: Some(endpoints),
        readiness: database_readiness(&database, Schema::Billing),
        metrics,
        tasks: vec![jobs],
    })
}
