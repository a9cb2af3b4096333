//! The gateway's side towards clients: connections, framing, limits.
//!
//! Accepting and worker threads are `actix-server`'s, decoding of requests is `actix-http`'s codec; the loop that drives
//! a connection is our own (`docs/adr/0010-gateway-http.md` says what the ready-made one gets wrong for a proxy).

mod connection;
mod drain;
mod inbound;
mod limits;
mod outbound;
mod pace;
mod scan;

pub(crate) use self::connection::{Ending, serve};
pub(crate) use self::drain::Drain;
pub(crate) use self::inbound::{BodyFault, Inbound};
pub use self::limits::Limits;
pub(crate) use self::outbound::Outbound;
