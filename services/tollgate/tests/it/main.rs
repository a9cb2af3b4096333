//! The whole: its structure, and the executable from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step fails its test")]

mod architecture;
mod documents;
mod exactness;
mod faults;
mod gateways;
mod graphql;
mod httpbin;
mod installation;
mod lease_requests;
mod quota_simulation;
mod story;
mod up;
