//! Background work. Every job can be killed and run again.

mod retain;
mod verify;
mod watch_spending;

use std::sync::Arc;
use std::time::Duration;

use common::Result;
use tokio_util::sync::CancellationToken;

use crate::service::Service;

pub use verify::verify_ledger;

/// How often what is old is removed.
const REMOVE_EVERY: Duration = Duration::from_secs(600);
/// How often spending is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(15);

/// How often the ledger is compared with itself.
const VERIFY_EVERY: Duration = Duration::from_secs(3600);

/// Runs the jobs until `stop`.
pub async fn run_jobs(service: Arc<Service>, stop: CancellationToken) {
    let verifying = &service;
    let service = &*service;
    tokio::join!(
        repeat(&stop, REMOVE_EVERY, || remove_old(service)),
        repeat(&stop, WATCH_EVERY, || watch_spending::watch_spending(service)),
        repeat(&stop, VERIFY_EVERY, || verify::verify_now(verifying)),
    );
}

/// Runs each job once.
pub async fn run_once(service: &Service) -> Result<()> {
    remove_old(service).await?;
    watch_spending::watch_spending(service).await
}

async fn remove_old(service: &Service) -> Result<()> {
    retain::remove_old_records(service).await?;
    retain::remove_closed_leases(service).await?;
    retain::forget_outcomes(service).await
}

async fn repeat<F: Future<Output = Result<()>>>(
    stop: &CancellationToken,
    every: Duration,
    job: impl Fn() -> F,
) {
    let mut every = tokio::time::interval(every);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        if let Some(Err(error)) = stop.run_until_cancelled(job()).await {
            tracing::warn!(%error, cause = error.cause, "a job of metering failed and will be run again");
        }
    }
}
