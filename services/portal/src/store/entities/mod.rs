//! One module per table.

#![expect(unreachable_pub, reason = "DeriveEntityModel and its traits need public items")]

pub(super) mod apps;
pub(super) mod developers;
pub(super) mod invitations;
pub(super) mod sessions;
