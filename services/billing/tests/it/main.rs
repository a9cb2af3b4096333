//! The role `billing`, called as other roles call it, on both stores.

mod catalogue;
mod peers;
mod role;
mod subscriptions;
