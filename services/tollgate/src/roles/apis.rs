//! Starts the role `apis`.

use anyhow::Result;
use migrations::Schema;

use super::{Running, Shared, database_readiness, open};
use crate::config::Store;
use crate::metrics;

pub(crate) async fn start(shared: &Shared, config: &Store<apis::Config>) -> Result<Running> {
    let database = open(Schema::Apis, &config.database).await?;
    let deps = apis::Deps { database: database.clone(), clock: shared.clock.clone(), vault: shared.vault()? };
    let state = apis::build(config.settings.clone(), deps).await?;
    let (endpoints, metrics) = metrics::observe(apis::endpoints(&state));
    let jobs = tokio::spawn(apis::run_jobs(state, shared.stop.clone()));
    Ok(Running {
        endpoints: Some(endpoints),
        readiness: database_readiness(&database, Schema::Apis),
        metrics,
        tasks: vec![jobs],
    })
}
