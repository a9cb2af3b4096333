//! Relational stores of the roles: connections, tenant-scoped transactions, change streams.
//!
//! One database per role: a SQLite file in the embedded default, a PostgreSQL schema in production. Knows no table of a
//! role beside the ones every role has.

pub mod audit;
pub mod changes;
pub mod connection;
pub mod delivery;
pub mod error;
pub mod idempotency;
pub mod limits;
pub mod outbox;
pub mod transaction;

pub use connection::Database;
pub use transaction::{SystemTx, TenantTx, Tx};
