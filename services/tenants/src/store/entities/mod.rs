//! One module per table.

pub(super) mod access_keys;
pub(super) mod members;
pub(super) mod sessions;
pub(super) mod tenants;
pub(super) mod tokens;
pub(super) mod users;
