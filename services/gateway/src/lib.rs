//! gateway

pub mod admission;
pub mod spool;
