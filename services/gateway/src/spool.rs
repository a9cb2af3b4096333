//! The spool: what a gateway keeps on its own disk so that a call leaves exactly one record and a lease one truth.
//!
//! One directory per run of the process (an *incarnation*), made of memory-mapped files that survive `kill -9`:
//!
//! - `slots-N`: calls in flight on worker N. A slot left behind becomes a record marked interrupted.
//! - `leases`: what each worker spent of each lease.
//! - `N-SEQUENCE.batch`: records of worker N, one batch per file, shipped in order and deleted when acknowledged.
//! - `meta`: whose run it is, and the kernel's boot id, by which a loss of power is recognised.
//!
//! **Kill.** The pages of a mapping belong to the kernel, so every store a worker executed is there after it died, in the
//! order in which it was executed. Each structure therefore has one word that is stored last and makes the rest valid.
//!
//! **Power.** Pages of slots, leases and open batches reach the disk at least every sync interval, in any order. A batch is synced, together with the slots its
//! records came from, before it is first sent; so a batch that was sent never changes, and no slot of it comes back.
//! Files exist durably before they are used, so no batch's place in its stream is lost. What the last interval held may be
//! lost; leases of a run that lost power count as fully spent, so nothing is accepted twice.
//!
//! Knows nothing of HTTP, quotas or how records are stored.

pub mod cells;
pub mod disk;
pub mod keeper;
mod mapping;
pub mod memory;
pub mod recovery;
pub mod run;
pub mod segment;
mod shipper;
pub mod slots;

pub use disk::Disk;
pub use keeper::{Keeper, Port};
pub use mapping::Mapping;
pub use run::{Run, RunConfig};

/// The present, twice: as a date, and for measuring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The clock's time in microseconds since the epoch. May stand still or be set.
    pub wall: i64,
    /// Microseconds since some start; always runs.
    pub timer: i64,
}

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error("{action} {name}: {source}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The file.
        name: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file holds what it cannot hold.
    #[error("{name} is damaged: {what}")]
    Damaged {
        /// The file.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// Another process uses the directory.
    #[error("{name} is in use by another process")]
    InUse {
        /// The directory.
        name: String,
    },
}

/// Result of spool operations.
pub type Result<T> = std::result::Result<T, Error>;
