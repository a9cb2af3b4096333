//! Starts the role `metering`.

use std::sync::Arc;

use ::database::Database;
use anyhow::Result;
use contracts::Role;
use migrations::Schema;

use super::{Running, Shared, database_fault, open};
use crate::config::Store;
use crate::internal::Readiness;
use crate::metrics;

pub(crate) async fn start(shared: &Shared, config: &Store<metering::Config>) -> Result<Running> {
    let database = open(Schema::Metering, &config.database).await?;
    let dependencies = metering::Dependencies {
        database: database.clone(),
        vault: shared.vault()?,
        client: shared.client.of(Role::Metering),
        clock: shared.clock.clone(),
    };
    let service = metering::build(config.settings.clone(), dependencies)?;
    let (endpoints, metrics) = metrics::observe(metering::endpoints(&service));
    let metrics = metrics::ledger(Arc::clone(&service), metrics);
    let jobs = tokio::spawn(metering::run_jobs(Arc::clone(&service), shared.stop.clone()));
    Ok(Running {
        endpoints: Some(endpoints),
        readiness: readiness(&database, &service),
        metrics,
        tasks: vec![jobs],
    })
}

/// Ready while both stores answer and their tables are of this version.
fn readiness(database: &Database, service: &Arc<metering::Service>) -> Readiness {
    let (database, service) = (database.clone(), Arc::clone(service));
    Arc::new(move || {
        let (database, service) = (database.clone(), Arc::clone(&service));
        Box::pin(async move {
            let usage_store = metering::usage_store_fault(&service).await;
            database_fault(&database, Schema::Metering).await.into_iter().chain(usage_store).collect()
        })
    })
}
