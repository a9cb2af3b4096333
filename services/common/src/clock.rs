//! Time as a value. The only place that reads the system's clocks.
//!
//! A manual clock serves tests and `tollgate up --clock manual`: everything that depends on the date (quota periods,
//! throttles, expiry, records) moves with it. A shifted clock goes wrong as a machine's may: it runs, and steps by an offset.
//! Timers that guard sockets stay real.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use chrono::{DateTime, Utc};

/// Where the date comes from. Cheap to clone; clones of a manual clock move together.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// Stands still until it is set; microseconds since the epoch.
    Manual(Arc<AtomicI64>),
    /// The machine's clock and so many microseconds.
    Shifted(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` until [`Clock::set`] moves it.
    pub fn manual(now: DateTime<Utc>) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now.timestamp_micros())))
    }

    /// The date, to the microsecond.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.micros()).unwrap_or_default()
    }

    /// Microseconds since the epoch.
    #[expect(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
    pub fn micros(&self) -> i64 {
        match self {
            Self::Manual(micros) => micros.load(Ordering::Relaxed),
            Self::Shifted(offset) => Self::System.micros().saturating_add(offset.load(Ordering::Relaxed)),
            Self::System => match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
                Ok(since_epoch) => i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX),
                Err(_) => 0,
            },
        }
    }

    /// Moves a manual clock; answers false on one that runs.
    pub fn set(&self, now: DateTime<Utc>) -> bool {
        match self {
            Self::System | Self::Shifted(_) => false,
            Self::Manual(micros) => {
                micros.store(now.timestamp_micros(), Ordering::Relaxed);
                true
            }
        }
    }
}

/// A monotonic instant, for durations. Never a date.
#[expect(clippy::disallowed_methods, reason = "the one reader of the monotonic clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}
