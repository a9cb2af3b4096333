//! What calls cost by usage plan, stage and method, compiled so that a call hashes and builds no text.

use ahash::RandomState;
use contracts::metering::{Cost, CostSource, PlanStage};
use serde_json::Value;

/// Methods and plans hash names alike.
const HASHER: RandomState = RandomState::with_seeds(1, 2, 3, 4);

/// What calls of one method cost.
#[derive(Debug, Clone)]
pub(crate) struct MethodCost {
    /// Units reserved, and the most a call can cost.
    pub(crate) reserve: u64,
    /// Units of a call whose answer does not say what it cost.
    pub(crate) otherwise: u64,
    /// Where the answer says it; none where the cost is always the same.
    pub(crate) source: Option<Source>,
}

/// What a call costs where the plan does not say it.
pub(crate) static ONE_UNIT: MethodCost = MethodCost { reserve: 1, otherwise: 1, source: None };

/// Where an answer says what it cost.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// In a header of this name.
    Header(Box<str>),
    /// In its JSON body.
    Json(JsonPath),
}

/// Names and indexes from the root of a JSON document to a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPath(Box<[Step]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(Box<str>),
    Index(usize),
}

impl MethodCost {
    fn compile(cost: &Cost) -> Self {
        match cost {
            Cost::Fixed { units } => {
                Self { reserve: u64::from(*units), otherwise: u64::from(*units), source: None }
            }
            Cost::Measured { source, reserve, otherwise } => Self {
                reserve: u64::from(*reserve),
                otherwise: u64::from(*otherwise.min(reserve)),
                source: match source {
                    CostSource::Header { name } => Some(Source::Header(name.as_str().into())),
                    // One that names nothing is never said.
                    CostSource::JsonPath { path } => JsonPath::parse(path).map(Source::Json),
                },
            },
        }
    }
}

/// The names by which plans know a method, hashed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CostKeys {
    own: u64,
    any: u64,
}

impl CostKeys {
    pub(super) fn new(route: &str, key: &str) -> Self {
        Self { own: HASHER.hash_one(key), any: HASHER.hash_one(format!("{route}/ANY").as_str()) }
    }
}

/// The costs that a plan names for one stage.
#[derive(Debug, Clone, Default)]
pub(super) struct StageCosts {
    /// Sorted by the hash of the name.
    methods: Box<[(u64, Box<str>, MethodCost)]>,
}

impl StageCosts {
    pub(super) fn compile(stage: &PlanStage) -> Self {
        let compiled = |(name, cost): (&String, &Cost)| {
            (HASHER.hash_one(name.as_str()), name.as_str().into(), MethodCost::compile(cost))
        };
        let mut methods: Box<[_]> = stage.costs.iter().map(compiled).collect();
        methods.sort_unstable_by_key(|(hash, ..)| *hash);
        Self { methods }
    }

    /// The cost of a method: by its own name, else by that of its resource.
    pub(super) fn of(&self, keys: CostKeys, route: &str, key: &str) -> Option<&MethodCost> {
        if self.methods.is_empty() {
            return None;
        }
        let is_any = |name: &str| name.strip_suffix("/ANY") == Some(route);
        self.named(keys.own, |name| name == key).or_else(|| self.named(keys.any, is_any))
    }

    fn named(&self, hash: u64, is_it: impl Fn(&str) -> bool) -> Option<&MethodCost> {
        let start = self.methods.partition_point(|(other, ..)| *other < hash);
        let same = self.methods[start..].iter().take_while(|(other, ..)| *other == hash);
        same.into_iter().find(|(_, name, _)| is_it(name)).map(|(.., cost)| cost)
    }
}

impl JsonPath {
    /// Reads `$.usage.total_tokens`, `$.items[0].cost`, `$['total tokens']`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, left) = if let Some(name) = rest.strip_prefix('.') {
                let end = name.find(['.', '[']).unwrap_or(name.len());
                (Step::Name(name[..end].into()), &name[end..])
            } else {
                let (inside, left) = rest.strip_prefix('[')?.split_once(']')?;
                let quoted = |mark| inside.strip_prefix(mark)?.strip_suffix(mark);
                match quoted('\'').or_else(|| quoted('"')) {
                    Some(name) => (Step::Name(name.into()), left),
                    None => (Step::Index(inside.parse().ok()?), left),
                }
            };
            if matches!(&step, Step::Name(name) if name.is_empty()) {
                return None;
            }
            steps.push(step);
            rest = left;
        }
        Some(Self(steps.into_boxed_slice()))
    }

    /// The units that a JSON text says there.
    pub(crate) fn units(&self, json: &[u8]) -> Option<u64> {
        let document: Value = serde_json::from_slice(json).ok()?;
        let found = self.0.iter().try_fold(&document, |value, step| match step {
            Step::Name(name) => value.get(&**name),
            Step::Index(index) => value.get(index),
        })?;
        let Value::Number(number) = found else { return None };
        number.as_u64().or_else(|| whole(number.as_f64()?))
    }
}

/// The units that a header's value says.
pub(crate) fn units_in(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if let Ok(units) = text.parse() {
        return Some(units);
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    whole(text.parse().ok().filter(|_| is_number)?)
}

/// A number that is not negative, rounded up.
fn whole(number: f64) -> Option<u64> {
    // A float cast saturates.
    (number.is_finite() && number >= 0.0).then(|| number.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn cost_of(costs: &[(&str, u32)], route: &str, verb: &str) -> Option<u64> {
        let costs = costs.iter().map(|(name, units)| ((*name).to_owned(), Cost::Fixed { units: *units }));
        let stage = PlanStage {
            api_id: common::id::ApiId::random(),
            stage: "prod".to_owned(),
            throttle: BTreeMap::new(),
            costs: costs.collect(),
        };
        let key = format!("{route}/{verb}");
        StageCosts::compile(&stage).of(CostKeys::new(route, &key), route, &key).map(|cost| cost.reserve)
    }

    #[test]
    fn a_method_costs_what_its_own_name_says_and_else_what_its_resources_says() {
        let costs = [("/a/GET", 5), ("/a/ANY", 2), ("/b/POST", 7), ("//GET", 3)];
        assert_eq!(cost_of(&costs, "/a", "GET"), Some(5));
        assert_eq!(cost_of(&costs, "/a", "POST"), Some(2));
        assert_eq!(cost_of(&costs, "/a", "ANY"), Some(2));
        assert_eq!(cost_of(&costs, "/b", "POST"), Some(7));
        assert_eq!(cost_of(&costs, "/b", "GET"), None);
        assert_eq!(cost_of(&costs, "/", "GET"), Some(3));
        assert_eq!(cost_of(&[], "/a", "GET"), None);
    }

    #[test]
    fn a_cost_is_read_from_where_the_path_leads() {
        let body = br#"{"usage": {"total_tokens": 12, "part": 0.2, "less": -1, "text": "5"}, "a b": [7, {"x": 1e2}]}"#;
        let said = |path: &str| JsonPath::parse(path).and_then(|path| path.units(body));
        assert_eq!(said("$.usage.total_tokens"), Some(12));
        assert_eq!(said("$.usage.part"), Some(1), "a fraction is rounded up");
        assert_eq!(said("$['a b'][0]"), Some(7));
        assert_eq!(said("$[\"a b\"][1].x"), Some(100));
        for path in ["$.usage.less", "$.usage.text", "$.usage", "$.usage.missing", "$['a b'][9]", "$"] {
            assert_eq!(said(path), None, "{path}");
        }
        for path in ["", "usage", "$usage", "$.", "$..a", "$[", "$[x]", "$['']"] {
            assert_eq!(JsonPath::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_header_says_a_number_that_is_not_negative_or_nothing() {
        let said: Vec<_> = ["7", " 7 ", "0", "7.0", "7.1", "1e3", "18446744073709551616"]
            .iter()
            .map(|value| units_in(value.as_bytes()))
            .collect();
        let expected = [Some(7), Some(7), Some(0), Some(7), Some(8), Some(1000), Some(u64::MAX)];
        assert_eq!(said, expected);
        for value in ["", "-1", "-0.5", "seven", "NaN", "inf", "7 8", "7,8", "0x7"] {
            assert_eq!(units_in(value.as_bytes()), None, "{value}");
        }
    }
}
