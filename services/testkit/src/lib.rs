//! Real services for tests, and the tools to test against them on the wire.
//!
//! Owns starting, isolating and killing PostgreSQL, Redis, the ClickHouse engine, an SMTP server, httpbin and scripted
//! upstreams. A service starts with the first test that asks for it, serves its whole test process and ends with it,
//! however the process ends. Knows no role; tables only as the migrations make them. Only ever a dev-dependency.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let postgres = testkit::TestPostgres::new()?;
//! let migrate_with = postgres.url(testkit::DatabaseRole::Owner);
//! let serve_with = postgres.url(testkit::DatabaseRole::App);
//! # Ok(()) }
//! ```
//!
//! What a service needs is installed by `infra/dev/install`, the first step of `make test`; without it a test fails with
//! a line that says so.

mod clickhouse;
mod database;
mod httpbin;
mod place;
mod port;
mod postgres;
mod process;
mod redis;
mod smtp;
mod upstream;
mod wait;
mod wire;

pub use clickhouse::TestClickHouse;
pub use common::clock::Clock;
pub use database::{Store, TestDatabase};
pub use httpbin::HttpBin;
pub use place::{repository, scratch_dir};
pub use port::free_port;
pub use postgres::{DatabaseRole, TestPostgres};
pub use process::Process;
pub use redis::TestRedis;
pub use smtp::{Mail, TestSmtp};
pub use upstream::Upstream;
pub use wait::{Gate, eventually, wait_until};
pub use wire::{Head, Wire};

/// Milliseconds are never the right patience for a service on a busy machine: this is how long things may take to
/// start, stop or answer before a test gives up.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
