//! Starts the role `tenants`.

use anyhow::Result;
use migrations::Schema;

use super::{Running, Shared, database_readiness, open};
use crate::config::Store;
use crate::metrics;

pub(crate) async fn start(shared: &Shared, config: &Store<tenants::Config>) -> Result<Running> {
    let database = open(Schema::Tenants, &config.database).await?;
    let deps = tenants::Deps {
        database: database.clone(),
        clock: shared.clock.clone(),
        vault: shared.vault()?,
        mailer: shared.mailer.clone(),
    };
    let state = tenants::build(config.settings.clone(), deps).await?;
    let (endpoints, metrics) = metrics::observe(tenants::endpoints(&state));
    let jobs = tokio::spawn(tenants::run_jobs(state, shared.stop.clone()));
    Ok(Running {
        endpoints: Some(endpoints),
        readiness: database_readiness(&database, Schema::Tenants),
        metrics,
        tasks: vec![jobs],
    })
}
