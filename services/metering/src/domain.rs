//! The rules of metering, as pure functions on values: no I/O, no clock, no store.

pub(crate) mod api_keys;
pub(crate) mod budgets;
mod costs;
mod faults;
pub(crate) mod gateways;
pub(crate) mod latency;
pub mod leases;
pub(crate) mod ledger;
pub mod periods;
pub(crate) mod plan_changes;
pub(crate) mod retention;
pub(crate) mod rollup;
pub(crate) mod spending;
pub(crate) mod usage;
pub(crate) mod usage_plans;
