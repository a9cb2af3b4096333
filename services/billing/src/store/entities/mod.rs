//! One module per table.

#![expect(unreachable_pub, reason = "DeriveEntityModel and its traits need public items")]

pub(super) mod plans;
pub(super) mod products;
pub(super) mod subscriptions;
