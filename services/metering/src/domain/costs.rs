//! Rules of what calls cost: units, and where an answer says them.

use std::collections::BTreeMap;

use contracts::metering::{Cost, CostSource};

use super::faults::Faults;
use super::usage_plans::is_method;

/// Methods of a stage with a cost of their own.
const MAX_COSTS: usize = 500;
/// Most units of one call.
const MAX_UNITS: u32 = 1_000_000;
/// Longest name of a header, in bytes.
const MAX_HEADER: usize = 128;
/// Longest path into a body, in bytes, and the most steps of one.
const MAX_PATH: usize = 256;
const MAX_STEPS: usize = 16;

/// Notes every cost that breaks a rule.
pub(super) fn check_costs(faults: &mut Faults, field: &str, costs: &BTreeMap<String, Cost>) {
    faults.unless(costs.len() <= MAX_COSTS, field, "must name at most 500 methods");
    for (method, cost) in costs {
        let field = format!("{field}[{method}]");
        let message = "must name a method as {resource path}/{VERB} or {resource path}/ANY";
        faults.unless(is_method(method), &field, message);
        check_cost(faults, &field, cost);
    }
}

fn check_cost(faults: &mut Faults, field: &str, cost: &Cost) {
    match cost {
        Cost::Fixed { units } => {
            faults.unless(*units <= MAX_UNITS, &format!("{field}.units"), "must be at most 1000000");
        }
        Cost::Measured { source, reserve, otherwise } => {
            let holds = (1..=MAX_UNITS).contains(reserve);
            faults.unless(holds, &format!("{field}.reserve"), "must be between 1 and 1000000");
            faults.unless(otherwise <= reserve, &format!("{field}.otherwise"), "must be at most the reserve");
            match source {
                CostSource::Header { name } => {
                    let message = "must be the name of a header, at most 128 characters";
                    faults.unless(is_header(name), &format!("{field}.header"), message);
                }
                CostSource::JsonPath { path } => {
                    let message =
                        "must be names and indexes, for example $.usage.total_tokens or $.rows[0].cost";
                    faults.unless(is_path(path), &format!("{field}.jsonPath"), message);
                }
            }
        }
    }
}

/// A token of RFC 9110.
fn is_header(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_HEADER).contains(&name.len()) && name.bytes().all(is_token)
}

/// `$`, then at least one of `.name` and `[index]`.
fn is_path(path: &str) -> bool {
    let Some(mut rest) = path.strip_prefix('$') else { return false };
    if path.len() > MAX_PATH || rest.is_empty() {
        return false;
    }
    let mut steps = 0;
    while !rest.is_empty() {
        let Some(after) = step(rest) else { return false };
        rest = after;
        steps += 1;
    }
    steps <= MAX_STEPS
}

/// What follows the first step, if it is one.
fn step(path: &str) -> Option<&str> {
    if let Some(indexed) = path.strip_prefix('[') {
        let (index, after) = indexed.split_once(']')?;
        let is_index = (1..=6).contains(&index.len()) && index.bytes().all(|byte| byte.is_ascii_digit());
        return is_index.then_some(after);
    }
    let named = path.strip_prefix('.')?;
    let end = named.find(['.', '[']).unwrap_or(named.len());
    let (name, after) = named.split_at(end);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (!name.is_empty() && name.bytes().all(is_name)).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(method: &str, cost: Cost) -> Vec<String> {
        let mut faults = Faults::default();
        check_costs(&mut faults, "costs", &[(method.to_owned(), cost)].into());
        let fields = faults.into_result().err().map(|error| error.fields).unwrap_or_default();
        fields.into_iter().map(|fault| fault.field).collect()
    }

    fn measured(source: CostSource, reserve: u32, otherwise: u32) -> Cost {
        Cost::Measured { source, reserve, otherwise }
    }

    fn header(name: &str) -> CostSource {
        CostSource::Header { name: name.to_owned() }
    }

    #[test]
    fn costs_at_the_bounds_are_taken() {
        for method in ["/GET", "/pets/{id}/ANY"] {
            assert!(faults(method, Cost::Fixed { units: 0 }).is_empty());
            assert!(faults(method, Cost::Fixed { units: MAX_UNITS }).is_empty());
            assert!(faults(method, measured(header("X-Cost_1"), MAX_UNITS, MAX_UNITS)).is_empty());
        }
    }

    #[test]
    fn every_broken_rule_is_named_by_its_field() {
        assert_eq!(faults("pets", Cost::Fixed { units: 1 }), ["costs[pets]"]);
        assert_eq!(faults("/GET", Cost::Fixed { units: MAX_UNITS + 1 }), ["costs[/GET].units"]);
        let broken = measured(header("x cost"), 0, 1);
        assert_eq!(
            faults("/GET", broken),
            ["costs[/GET].reserve", "costs[/GET].otherwise", "costs[/GET].header"]
        );
        let path = CostSource::JsonPath { path: "usage".to_owned() };
        assert_eq!(faults("/GET", measured(path, 1, 1)), ["costs[/GET].jsonPath"]);
        let mut many = Faults::default();
        let costs = (0..501).map(|at| (format!("/{at}/GET"), Cost::Fixed { units: 1 })).collect();
        check_costs(&mut many, "costs", &costs);
        assert_eq!(many.into_result().unwrap_err().fields[0].field, "costs");
    }

    #[test]
    fn a_path_has_names_and_indexes_alone() {
        for path in ["$.usage", "$.usage.total_tokens", "$[0]", "$.rows[12].x-y", "$.a[0][1]"] {
            assert!(is_path(path), "{path}");
        }
        let deep = format!("$.{}", "a.".repeat(20) + "a");
        let long = format!("$.{}", "a".repeat(255));
        for path in [
            "", "$", "$.", "$..a", "$.a.", "$[", "$[]", "$[x]", "$[-1]", "$.a b", "$['a']", "$.*", "a.b",
            &deep, &long,
        ] {
            assert!(!is_path(path), "{path}");
        }
    }
}
