//! The use cases: one function per call, and what subscriptions owe to `metering`.

pub(crate) mod keys;
pub(crate) mod plans;
pub(crate) mod products;
pub(crate) mod spending;
pub(crate) mod subscriptions;
