//! Values that several parts of the schema share.

use async_graphql::{
    Enum, InputObject, InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value,
};
use common::{Error, Result};
use contracts::{metering, stream};

/// A whole number in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Long(pub(crate) i64);

/// A whole number of up to 53 bits, as a JSON number: `Int` ends at 2,147,483,647, counters do not.
#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::Number(number) = &value else { return Err(InputValueError::expected_type(value)) };
        let Some(whole) = number.as_i64() else { return Err(InputValueError::expected_type(value)) };
        Ok(Self(whole))
    }

    fn to_value(&self) -> Value {
        Value::from(self.0)
    }
}

impl From<u64> for Long {
    fn from(value: u64) -> Self {
        Self(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl Long {
    /// The number where it counts something; `field` is its path for the error.
    pub(crate) fn count(self, field: &str) -> Result<u64> {
        u64::try_from(self.0).map_err(|_| Error::invalid(field, "must not be negative"))
    }
}

/// Whether a change is in force on the live gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "stream::Liveness")]
pub(crate) enum ChangeStatus {
    /// Every live gateway enforces it.
    Live,
    /// It is stored; some gateway had not yet reported it when the wait of 2 seconds ended.
    Pending,
}

/// A token bucket: one token per request.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct Throttle {
    /// Tokens added per second.
    rate_limit: f64,
    /// Size of the bucket.
    burst_limit: u32,
}

impl From<metering::Throttle> for Throttle {
    fn from(throttle: metering::Throttle) -> Self {
        Self { rate_limit: throttle.rate_limit, burst_limit: throttle.burst_limit }
    }
}

/// A token bucket: one token per request.
#[derive(Debug, Clone, Copy, InputObject)]
pub(crate) struct ThrottleInput {
    /// Tokens added per second; more than 0.
    rate_limit: f64,
    /// Size of the bucket; at least 1.
    burst_limit: u32,
}

impl From<ThrottleInput> for metering::Throttle {
    fn from(input: ThrottleInput) -> Self {
        Self { rate_limit: input.rate_limit, burst_limit: input.burst_limit }
    }
}
