//! The job that delivers what is left in an outbox: events whose first attempt was interrupted or failed.

use std::time::Duration;

use common::{Clock, Result};
use tokio_util::sync::CancellationToken;

use crate::connection::Database;
use crate::outbox::{self, Event};

/// Pause between two looks at an empty outbox.
const EVERY: Duration = Duration::from_millis(500);
/// Events taken at once.
const BATCH: u32 = 20;

/// Attempts due events until `stop`. `attempt` notes in the outbox how it ended; a failure holds up no other event.
pub async fn run<F, Fut>(database: &Database, clock: &Clock, stop: &CancellationToken, attempt: F)
where
    F: Fn(Event) -> Fut,
    Fut: Future<Output = ()>,
{
    if let Err(error) = release(database).await {
        tracing::warn!(%error, cause = error.cause, "outbox not released");
    }
    loop {
        let events = take(database, clock).await.unwrap_or_else(|error| {
            tracing::warn!(%error, cause = error.cause, "outbox not read");
            Vec::new()
        });
        let pause = if events.len() == BATCH as usize { Duration::ZERO } else { EVERY };
        for event in events {
            attempt(event).await;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Whoever took an event before this start may be gone.
async fn release(database: &Database) -> Result<()> {
    let tx = database.system("the outbox holds events of every tenant").await?;
    outbox::release(&tx).await?;
    tx.commit().await
}

async fn take(database: &Database, clock: &Clock) -> Result<Vec<Event>> {
    let tx = database.system("the outbox holds events of every tenant").await?;
    let events = outbox::take(&tx, clock.now(), BATCH).await?;
    tx.commit().await?;
    Ok(events)
}
