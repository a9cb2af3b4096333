//! Delivers what is left in the outbox: keys of subscriptions whose call was interrupted or refused.

use std::time::Duration;

use common::Result;
use database::outbox::{self, Event};
use tokio_util::sync::CancellationToken;

use crate::{State, service};

/// Pause between two looks at an empty outbox.
const EVERY: Duration = Duration::from_millis(500);
/// Events taken at once.
const BATCH: u32 = 20;

pub(crate) async fn run(state: &State, stop: &CancellationToken) {
    if let Err(error) = release(state).await {
        tracing::warn!(%error, cause = error.cause, "outbox not released");
    }
    loop {
        let taken = match pass(state).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(%error, cause = error.cause, "outbox not read");
                0
            }
        };
        let pause = if taken == BATCH as usize { Duration::ZERO } else { EVERY };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Whoever took an event before this start may be gone.
async fn release(state: &State) -> Result<()> {
    let tx = state.database.system("the outbox holds events of every tenant").await?;
    outbox::release(&tx).await?;
    tx.commit().await
}

/// Delivers what is due; answers how many events that were.
async fn pass(state: &State) -> Result<usize> {
    let events = take(state).await?;
    let taken = events.len();
    for event in events {
        // Its failure is logged and noted there; the next event is not held up.
        let _ = service::keys::attempt(state, &event).await;
    }
    Ok(taken)
}

async fn take(state: &State) -> Result<Vec<Event>> {
    let tx = state.database.system("the outbox holds events of every tenant").await?;
    let events = outbox::take(&tx, state.clock.now(), BATCH).await?;
    tx.commit().await?;
    Ok(events)
}
