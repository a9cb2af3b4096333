//! Starts the role `metering`.

use std::sync::Arc;

use anyhow::Result;
use migrations::Schema;

use super::{Running, Shared, database_readiness, open};
use crate::config::Store;
use crate::metrics;

pub(crate) async fn start(shared: &Shared, config: &Store<metering::Config>) -> Result<Running> {
    let database = open(Schema::Metering, &config.database).await?;
    let dependencies = metering::Dependencies {
        database: database.clone(),
        vault: shared.vault.clone(),
        client: shared.client.clone(),
        clock: shared.clock.clone(),
    };
    let service = metering::build(config.settings.clone(), dependencies)?;
    let (endpoints, metrics) = metrics::observe(metering::endpoints(&service));
    let jobs = tokio::spawn(metering::run_jobs(Arc::clone(&service), shared.stop.clone()));
    Ok(Running {
        endpoints: Some(endpoints),
        readiness: database_readiness(&database),
        metrics,
        tasks: vec![jobs],
    })
}
