//! The role `portal`, called as other roles call it and over HTTP, on both stores.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step fails its test")]

mod developers;
mod edge;
mod peers;
mod role;
