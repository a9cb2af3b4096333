//! metering

pub mod domain;
