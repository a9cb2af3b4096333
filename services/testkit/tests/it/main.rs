//! The services that tests rely on are real, isolated, and come back after a crash.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step fails its test")]

mod clickhouse;
mod httpbin;
mod postgres;
mod process;
mod redis;
mod smtp;
mod wire;
