//! Forgets what ended or is too old.

use std::time::Duration;

use common::Result;
use database::idempotency;
use tokio_util::sync::CancellationToken;

use crate::{State, store};

const EVERY: Duration = Duration::from_secs(3600);

/// Forgets sessions and invitations that ended and remembered outcomes that are too old. What ended is refused long before.
pub(crate) async fn run(state: &State, stop: &CancellationToken) {
    loop {
        if let Err(error) = purge_once(state).await {
            tracing::warn!(%error, cause = error.cause, "purge failed");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn purge_once(state: &State) -> Result<()> {
    let now = state.clock.now();
    let tx = state.database.system("what is too old goes, whoever owns it").await?;
    store::sessions::delete_ended(&tx, now).await?;
    store::invitations::delete_ended(&tx, now).await?;
    idempotency::purge(&tx, now).await?;
    tx.commit().await
}
