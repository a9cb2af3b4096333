//! What a usage plan says about calls beside its limits: what they cost, which of them count, and how throttles hold.

use std::collections::BTreeMap;

use async_graphql::{Enum, InputObject, SimpleObject};
use common::Error;
use contracts::metering::{self, Cost, CostSource};

/// How a plan's throttles hold across gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "metering::ThrottleMode")]
pub(crate) enum ThrottleMode {
    /// Each gateway has a share of every bucket, balanced in the background: calls wait for nothing, within a stated bound.
    Shared,
    /// Every call asks the common bucket: exact, for one round trip to Redis per call.
    Exact,
}

/// Statuses from one to another, both included.
#[derive(Debug, Clone, Copy, SimpleObject, InputObject)]
#[graphql(input_name = "StatusRangeInput")]
pub(crate) struct StatusRange {
    /// 100 to 599.
    from: u16,
    /// At least `from`.
    to: u16,
}

/// Which answers of the backend count. Refusals of the gateway never do.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct Counting {
    /// Statuses whose calls use up quotas.
    #[graphql(complexity = "super::cost::list(2, child_complexity)")]
    quota: Vec<StatusRange>,
    /// Statuses whose calls are billed and count against a spend cap.
    #[graphql(complexity = "super::cost::list(2, child_complexity)")]
    billable: Vec<StatusRange>,
}

impl From<metering::Counting> for Counting {
    fn from(counting: metering::Counting) -> Self {
        let ranges = |ranges: Vec<metering::StatusRange>| {
            ranges.into_iter().map(|range| StatusRange { from: range.from, to: range.to }).collect()
        };
        Self { quota: ranges(counting.quota), billable: ranges(counting.billable) }
    }
}

/// Which answers of the backend count.
#[derive(Debug, Clone, InputObject)]
pub(crate) struct CountingInput {
    /// Statuses whose calls use up quotas, at most 20 ranges; all when absent.
    quota: Option<Vec<StatusRange>>,
    /// Statuses whose calls are billed and count against a spend cap, at most 20 ranges; those below 400 when absent.
    billable: Option<Vec<StatusRange>>,
}

impl From<CountingInput> for metering::Counting {
    fn from(input: CountingInput) -> Self {
        let default = Self::default();
        let ranges = |ranges: Vec<StatusRange>| {
            ranges.into_iter().map(|range| metering::StatusRange { from: range.from, to: range.to }).collect()
        };
        Self {
            quota: input.quota.map_or(default.quota, ranges),
            billable: input.billable.map_or(default.billable, ranges),
        }
    }
}

/// What calls of a method cost: `units`, or what the answer says in `header` or at `jsonPath`.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct MethodCost {
    /// The method as `{resource path}/{VERB}`, or `{resource path}/ANY`.
    path: String,
    /// Units of every call; absent when the answer says them.
    units: Option<u32>,
    /// The header in which the answer says them.
    header: Option<String>,
    /// Where the answer's JSON body says them.
    json_path: Option<String>,
    /// Units reserved before the backend is called; an answer that says more counts as this.
    reserve: Option<u32>,
    /// Units of an answer that does not say them.
    otherwise: Option<u32>,
}

impl From<(String, Cost)> for MethodCost {
    fn from((path, cost): (String, Cost)) -> Self {
        let fixed = Self { path, units: None, header: None, json_path: None, reserve: None, otherwise: None };
        match cost {
            Cost::Fixed { units } => Self { units: Some(units), ..fixed },
            Cost::Measured { source, reserve, otherwise } => {
                let (header, json_path) = match source {
                    CostSource::Header { name } => (Some(name), None),
                    CostSource::JsonPath { path } => (None, Some(path)),
                };
                Self { header, json_path, reserve: Some(reserve), otherwise: Some(otherwise), ..fixed }
            }
        }
    }
}

/// What calls of a method cost: exactly one of `units`, `header` and `jsonPath`.
#[derive(Debug, Clone, InputObject)]
pub(crate) struct MethodCostInput {
    /// The method as `{resource path}/{VERB}`, or `{resource path}/ANY`.
    path: String,
    /// Units of every call: 0 to 1,000,000.
    units: Option<u32>,
    /// The header in which the answer says them, a whole number.
    header: Option<String>,
    /// Where the answer's JSON body of at most 256 KiB says them, for example `$.usage.total_tokens`.
    json_path: Option<String>,
    /// With `header` or `jsonPath`: units reserved before the backend is called, 1 to 1,000,000.
    reserve: Option<u32>,
    /// With `header` or `jsonPath`: units of an answer that does not say them; those reserved when absent.
    otherwise: Option<u32>,
}

impl MethodCostInput {
    fn read(self, field: &str) -> common::Result<(String, Cost)> {
        let measured = |source| -> common::Result<Cost> {
            let reserve = self.reserve.ok_or_else(|| {
                Error::invalid(format!("{field}.reserve"), "is needed where the answer says the cost")
            })?;
            Ok(Cost::Measured { source, reserve, otherwise: self.otherwise.unwrap_or(reserve) })
        };
        let cost = match (self.units, self.header, self.json_path) {
            (Some(units), None, None) if self.reserve.is_none() && self.otherwise.is_none() => {
                Cost::Fixed { units }
            }
            (None, Some(name), None) => measured(CostSource::Header { name })?,
            (None, None, Some(path)) => measured(CostSource::JsonPath { path })?,
            _ => {
                let message = "give units, or header or jsonPath with reserve";
                return Err(Error::invalid(field, message));
            }
        };
        Ok((self.path, cost))
    }
}

/// The costs; `field` is the list's path for errors.
pub(super) fn read_costs(field: &str, costs: Vec<MethodCostInput>) -> common::Result<BTreeMap<String, Cost>> {
    let mut read = BTreeMap::new();
    for (index, cost) in costs.into_iter().enumerate() {
        let field = format!("{field}.{index}");
        let (path, cost) = cost.read(&field)?;
        if read.insert(path, cost).is_some() {
            return Err(Error::invalid(format!("{field}.path"), "names a method twice"));
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> MethodCostInput {
        let path = "/pets/GET".to_owned();
        MethodCostInput { path, units: None, header: None, json_path: None, reserve: None, otherwise: None }
    }

    fn read(input: MethodCostInput) -> Result<Cost, String> {
        let read = read_costs("costs", vec![input]);
        read.map(|mut costs| costs.remove("/pets/GET").unwrap())
            .map_err(|error| error.fields[0].field.clone())
    }

    #[test]
    fn a_cost_is_fixed_or_what_the_answer_says() {
        assert_eq!(read(MethodCostInput { units: Some(5), ..input() }), Ok(Cost::Fixed { units: 5 }));
        let header = MethodCostInput { header: Some("x-cost".into()), reserve: Some(9), ..input() };
        let source = CostSource::Header { name: "x-cost".into() };
        assert_eq!(read(header), Ok(Cost::Measured { source, reserve: 9, otherwise: 9 }));
        let path = MethodCostInput { json_path: Some("$.cost".into()), reserve: Some(9), ..input() };
        let source = CostSource::JsonPath { path: "$.cost".into() };
        let path = MethodCostInput { otherwise: Some(2), ..path };
        assert_eq!(read(path), Ok(Cost::Measured { source, reserve: 9, otherwise: 2 }));
    }

    #[test]
    fn a_cost_that_says_two_things_or_nothing_is_refused() {
        let both = MethodCostInput { units: Some(5), header: Some("x-cost".into()), ..input() };
        let reserved = MethodCostInput { units: Some(5), reserve: Some(5), ..input() };
        for refused in [input(), both, reserved] {
            assert_eq!(read(refused), Err("costs.0".to_owned()));
        }
        let unreserved = MethodCostInput { header: Some("x-cost".into()), ..input() };
        assert_eq!(read(unreserved), Err("costs.0.reserve".to_owned()));
        let twice = read_costs("costs", vec![MethodCostInput { units: Some(1), ..input() }; 2]).unwrap_err();
        assert_eq!(twice.fields[0].field, "costs.1.path");
    }
}
