//! What roles say to each other: one struct per call, and the client that carries it.
//!
//! A call is the same whether its role runs in this process or behind HTTP. Knows no store and no edge protocol.

pub mod access;
pub mod apis;
pub mod billing;
pub mod call;
pub mod client;
pub mod endpoints;
pub mod lease;
pub mod ledger;
pub mod metering;
mod patch;
pub mod portal;
pub mod record;
pub mod stream;
pub mod tenants;

pub use access::{Access, Ctx, Permission, Principal};
pub use call::{Call, Role};
pub use client::Client;
pub use endpoints::Endpoints;
