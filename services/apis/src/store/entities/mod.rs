//! One module per table.

#![expect(unreachable_pub, reason = "DeriveEntityModel and its traits need public items")]

pub(super) mod apis;
pub(super) mod deployments;
pub(super) mod stages;
