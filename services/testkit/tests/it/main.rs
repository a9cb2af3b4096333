//! The services that tests rely on are real, isolated, and come back after a crash.

mod clickhouse;
mod httpbin;
mod postgres;
mod process;
mod redis;
mod smtp;
mod wire;
