//! The gateway over real sockets, with scripted upstreams and scripted owners of its configuration.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step fails its test")]

mod books;
mod calls_admission;
mod calls_configuration;
mod calls_costs;
mod calls_fairness;
mod calls_integrations;
mod calls_keys;
mod calls_spend;
mod calls_throttle_bound;
mod calls_throttle_exact;
mod calls_throttle_shares;
mod calls_throttles;
mod gateway;
mod owners;
mod spool_kill;
mod spool_power;
mod wire_bodies;
mod wire_connection;
mod wire_disconnect;
mod wire_expect;
mod wire_headers;
mod wire_limits;
mod wire_smuggling;
mod wire_upstream;
