//! The data plane: matches, authorizes, admits, forwards and records calls.
//!
//! Owns the way of a call from a client's socket to an upstream and back, its usage record and the leases it spends. No
//! call waits for a store: configuration comes by change streams, records go out in batches, throttle shares are exchanged in the
//! background, and with every other role and Redis down it serves on.

pub mod admission;
pub mod spool;

mod accounting;
mod answer;
mod buckets;
mod condition;
mod config;
mod cors;
mod errors;
mod follow;
mod hosts;
mod integrations;
mod memory;
mod metrics;
mod ops;
mod phases;
mod ratelimit_headers;
mod run;
mod seats;
mod server;
mod shares;
mod snapshot;
mod status;
mod timer;
mod upstream;
mod worker;

pub use self::config::{Config, ThrottleSetting};
pub use self::run::{Deps, Handle, Probe, run};
pub use self::server::Limits;
pub use self::shares::Redis;
pub use self::upstream::UpstreamConfig;
