//! Rules of organizations and credentials. Pure.

pub(crate) mod credentials;
pub(crate) mod roles;
pub(crate) mod tenants;
