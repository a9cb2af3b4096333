//! The provider's edge from outside, without the roles behind it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step fails its test")]

mod edge;
mod operations;
mod schema;
mod web;
