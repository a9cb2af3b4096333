//! The role `billing`, called as other roles call it, on both stores.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step fails its test")]

mod catalogue;
mod peers;
mod role;
mod spending;
mod subscriptions;
