//! The rules of metering, as pure functions on values: no I/O, no clock, no store.

pub mod leases;
pub mod periods;
