//! Throttles that hold for a fleet: every gateway's shares are exchanged through Redis, in the background.
//!
//! Owns the task that does it, what it says to Redis and how it stands. What a share is and what it guarantees:
//! [`crate::admission::Share`]. No call waits for the exchange; those of plans that throttle exactly ask Redis themselves. While Redis does not answer, the gateway goes on with its
//! shares and the fleet it knew last; nothing in Redis has to survive.

mod exact;
mod exchange;
mod keys;
mod link;
#[cfg(test)]
mod simulation;
mod size;
mod standing;

use std::sync::Arc;
use std::time::Duration;

use common::id::GatewayId;
use common::{Clock, Error, Result};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::exact::{Exact, ExactParts, Question, Word};
use self::exchange::Exchange;
pub(crate) use self::standing::Standing;
use crate::admission::{Due, Sharing};
use crate::status::Watched;

/// The Redis of an installation, which all its gateways use.
#[derive(Debug, Clone)]
pub struct Redis {
    client: redis::Client,
    prefix: String,
}

impl Redis {
    /// The server at `url` (`redis://` or `rediss://`); every key begins with `prefix`. Connects to nothing yet.
    ///
    /// # Errors
    /// The URL is none of a Redis.
    pub fn new(url: &str, prefix: &str) -> Result<Self> {
        let client = redis::Client::open(url).map_err(|error| Error::unavailable("redis", error))?;
        Ok(Self { client, prefix: prefix.to_owned() })
    }
}

/// Shares of a fleet that is not joined yet: they fill as those of a fleet of one.
#[derive(Debug)]
pub(crate) struct Fleet {
    redis: Redis,
    every: Duration,
    sharing: Sharing,
    due: UnboundedReceiver<Due>,
    standing: Arc<Standing>,
}

impl Fleet {
    /// The fleet that meets at `redis` and exchanges its shares once in `every`.
    pub(crate) fn new(redis: Redis, every: Duration) -> Self {
        let (sharing, due) = Sharing::new();
        let standing = Arc::new(Standing::new(sharing.clone()));
        Self { redis, every, sharing, due, standing }
    }

    /// Makes the buckets.
    pub(crate) fn sharing(&self) -> Sharing {
        self.sharing.clone()
    }

    /// How the exchange stands.
    pub(crate) fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    /// What workers need to ask exact throttles, waiting at most so long.
    pub(crate) fn exact(&self, wait: Duration) -> ExactParts {
        ExactParts { redis: self.redis.clone(), standing: self.standing(), wait }
    }

    /// Begins to exchange; `watched` says that it does.
    pub(crate) fn join(self, gateway: GatewayId, clock: Clock, watched: Watched) -> Shares {
        let stop = CancellationToken::new();
        let exchange = Exchange::new(self, gateway, clock, stop.clone());
        let exchanging = tokio::spawn(async move {
            let _watched = watched;
            exchange.run().await;
        });
        Shares { stop, exchanging }
    }
}

/// The exchange of a running gateway.
#[derive(Debug)]
pub(crate) struct Shares {
    stop: CancellationToken,
    exchanging: JoinHandle<()>,
}

impl Shares {
    /// Reports what is left and takes the gateway out of the fleet, as far as Redis answers.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.exchanging.await.map_err(Error::internal)
    }
}
