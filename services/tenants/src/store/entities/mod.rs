//! One module per table.

#![expect(unreachable_pub, reason = "DeriveEntityModel and its traits need public items")]

pub(super) mod access_keys;
pub(super) mod members;
pub(super) mod sessions;
pub(super) mod tenants;
pub(super) mod tokens;
pub(super) mod users;
