//! Background work. Every job can be killed and run again.

mod retain;

use std::sync::Arc;
use std::time::Duration;

use common::Result;
use tokio_util::sync::CancellationToken;

use crate::service::Service;

/// How often jobs run.
const EVERY: Duration = Duration::from_secs(600);

/// Runs the jobs until `stop`.
pub async fn run_jobs(service: Arc<Service>, stop: CancellationToken) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        if let Some(Err(error)) = stop.run_until_cancelled(run_once(&service)).await {
            tracing::warn!(%error, cause = error.cause, "a job of metering failed and will be run again");
        }
    }
}

/// Runs each job once.
pub async fn run_once(service: &Service) -> Result<()> {
    retain::remove_old_records(service).await?;
    retain::remove_closed_leases(service).await?;
    retain::forget_outcomes(service).await
}
