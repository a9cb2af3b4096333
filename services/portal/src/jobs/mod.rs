//! Work without a caller.

pub(crate) mod deliver;
pub(crate) mod purge;
