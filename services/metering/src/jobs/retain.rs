//! Removes what is kept for a time only: single records, leases that are over, outcomes of requests.

use common::Result;
use database::idempotency;

use crate::domain::retention::Removed;
use crate::domain::rollup::DAY;
use crate::service::Service;
use crate::store::{batches, quotas, retention};

/// Removes single records older than their tenant keeps them, but never of a day with a batch in doubt: that day's records
/// are what its sums are compared with.
pub(super) async fn remove_old_records(service: &Service) -> Result<()> {
    let today = service.clock.micros().div_euclid(DAY);
    let tx = service.database.system("records of every tenant age").await?;
    // Whoever compares records with sums knows what is gone before it goes.
    service.usage.hold_still(&tx).await?;
    retention::lock(&tx).await?;
    let tenants = retention::tenants(&tx).await?;
    let others = retention::others_removed_before(&tx).await?;
    let bound = batches::oldest_day_in_doubt(&tx).await?;
    let due = Removed::due(&tenants, others, service.config.record_retention_days, today, bound);
    retention::note_removal(&tx, &due).await?;
    tx.commit().await?;
    while service.usage.remove_records(&due).await? {}
    Ok(())
}

/// Removes leases that were over more than a day ago, in periods that are over too.
pub(super) async fn remove_closed_leases(service: &Service) -> Result<()> {
    let tx = service.database.system("leases of every tenant age alike").await?;
    let removed = quotas::remove_closed_before(&tx, service.clock.micros() - DAY).await?;
    tx.commit().await?;
    tracing::debug!(removed, "closed leases removed");
    Ok(())
}

/// Forgets outcomes of requests that are too old to be repeated.
pub(super) async fn forget_outcomes(service: &Service) -> Result<()> {
    let tx = service.database.system("outcomes of every tenant age alike").await?;
    idempotency::purge(&tx, service.clock.now()).await?;
    tx.commit().await
}
