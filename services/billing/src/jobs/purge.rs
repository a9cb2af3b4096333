//! Forgets remembered outcomes that are too old.

use std::time::Duration;

use common::Result;
use database::idempotency;
use tokio_util::sync::CancellationToken;

use crate::State;

const EVERY: Duration = Duration::from_secs(3600);

pub(crate) async fn run(state: &State, stop: &CancellationToken) {
    loop {
        if let Err(error) = once(state).await {
            tracing::warn!(%error, cause = error.cause, "purge failed");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn once(state: &State) -> Result<()> {
    let tx = state.database.system("what is too old goes, whoever owns it").await?;
    idempotency::purge(&tx, state.clock.now()).await?;
    tx.commit().await
}
