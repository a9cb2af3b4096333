//! Rules of a usage plan's content. Knows neither keys nor stores.

use std::collections::BTreeSet;

use common::Result;
use contracts::metering::{CreateUsagePlan, PlanStage, Quota, StatusRange, Throttle};

use super::costs::check_costs;
use super::faults::Faults;

/// Method throttles per stage of a plan (limits.md of the API Gateway guide).
const MAX_METHOD_THROTTLES: usize = 20;
/// Longest name, in characters.
const MAX_NAME: usize = 255;
/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 1024;
/// Largest quota: sums of it stay far from the end of 64 bits.
const MAX_QUOTA: u64 = 1_000_000_000_000;
/// Quotas of a plan: one for each length of period.
const MAX_QUOTAS: usize = 3;
/// Ranges of statuses in one list.
const MAX_STATUS_RANGES: usize = 20;
/// Largest rate and burst.
const MAX_RATE: u32 = 10_000_000;

/// Refuses content that breaks a rule, naming every field at fault.
pub(crate) fn check(content: &CreateUsagePlan) -> Result<()> {
    let mut faults = Faults::default();
    let name_length = content.name.chars().count();
    faults.unless((1..=MAX_NAME).contains(&name_length), "name", "must have 1 to 255 characters");
    let description_length = content.description.as_deref().unwrap_or_default().chars().count();
    faults.unless(description_length <= MAX_DESCRIPTION, "description", "must have at most 1024 characters");
    let terms = &content.terms;
    if let Some(throttle) = &terms.throttle {
        check_throttle(&mut faults, "throttle", throttle);
    }
    faults.unless(terms.quotas.len() <= MAX_QUOTAS, "quotas", "must be at most 3");
    let mut periods = BTreeSet::new();
    for (index, quota) in terms.quotas.iter().enumerate() {
        let field = format!("quotas[{index}]");
        let first = periods.insert(quota.period);
        faults.unless(first, &format!("{field}.period"), "has a quota already: one per day, week and month");
        check_quota(&mut faults, &field, quota);
    }
    check_statuses(&mut faults, "counting.quota", &terms.counting.quota);
    check_statuses(&mut faults, "counting.billable", &terms.counting.billable);
    let mut seen = BTreeSet::new();
    for (index, stage) in terms.stages.iter().enumerate() {
        let field = format!("stages[{index}]");
        faults.unless(seen.insert((stage.api_id, stage.stage.as_str())), &field, "names a stage twice");
        check_stage(&mut faults, &field, stage);
    }
    faults.into_result()
}

fn check_throttle(faults: &mut Faults, field: &str, throttle: &Throttle) {
    let rate = throttle.rate_limit;
    let rate_holds = rate > 0.0 && rate <= f64::from(MAX_RATE);
    faults.unless(rate_holds, &format!("{field}.rateLimit"), "must be more than 0 and at most 10000000");
    let burst_holds = (1..=MAX_RATE).contains(&throttle.burst_limit);
    faults.unless(burst_holds, &format!("{field}.burstLimit"), "must be between 1 and 10000000");
}

fn check_quota(faults: &mut Faults, field: &str, quota: &Quota) {
    let limit_holds = (1..=MAX_QUOTA).contains(&quota.limit);
    faults.unless(limit_holds, &format!("{field}.limit"), "must be between 1 and 1000000000000");
    faults.unless(quota.offset <= quota.limit, &format!("{field}.offset"), "must be at most the limit");
}

fn check_statuses(faults: &mut Faults, field: &str, ranges: &[StatusRange]) {
    faults.unless(ranges.len() <= MAX_STATUS_RANGES, field, "must be at most 20 ranges of statuses");
    for (index, range) in ranges.iter().enumerate() {
        let holds = (100..=599).contains(&range.from) && (range.from..=599).contains(&range.to);
        faults.unless(holds, &format!("{field}[{index}]"), "must go from 100 or more up to at most 599");
    }
}

fn check_stage(faults: &mut Faults, field: &str, stage: &PlanStage) {
    let few = stage.throttle.len() <= MAX_METHOD_THROTTLES;
    faults.unless(few, &format!("{field}.throttle"), "must name at most 20 methods");
    for (method, throttle) in &stage.throttle {
        let field = format!("{field}.throttle[{method}]");
        faults.unless(
            is_method(method),
            &field,
            "must name a method as {resource path}/{VERB}, for example /pets/GET",
        );
        check_throttle(faults, &field, throttle);
    }
    check_costs(faults, &format!("{field}.costs"), &stage.costs);
}

/// `{resource path}/{VERB}`: `/GET` is the root's, `/pets/{id}/ANY` a resource's.
pub(super) fn is_method(text: &str) -> bool {
    let Some((path, verb)) = text.rsplit_once('/') else { return false };
    let path_holds = path.is_empty() || path.starts_with('/');
    path_holds && !verb.is_empty() && verb.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use common::id::ApiId;
    use contracts::metering::{Counting, Period, PeriodBegin, PlanTerms};

    use super::*;

    fn content() -> CreateUsagePlan {
        CreateUsagePlan {
            name: "gold".into(),
            description: None,
            terms: PlanTerms {
                throttle: Some(Throttle { rate_limit: 0.5, burst_limit: 1 }),
                quotas: vec![Quota {
                    limit: 10,
                    period: Period::Day,
                    offset: 10,
                    begins: PeriodBegin::default(),
                }],
                stages: vec![PlanStage {
                    api_id: ApiId::random(),
                    stage: "prod".into(),
                    throttle: BTreeMap::from([(
                        "/pets/{id}/GET".into(),
                        Throttle { rate_limit: 1.0, burst_limit: 1 },
                    )]),
                    costs: BTreeMap::new(),
                }],
                ..PlanTerms::default()
            },
        }
    }

    #[test]
    fn content_at_the_bounds_is_taken() {
        check(&content()).unwrap();
    }

    #[test]
    fn every_broken_rule_is_named_by_its_field() {
        let mut broken = content();
        broken.name.clear();
        broken.terms.throttle = Some(Throttle { rate_limit: f64::NAN, burst_limit: 0 });
        broken.terms.quotas[0] =
            Quota { limit: 0, period: Period::Month, offset: 1, begins: PeriodBegin::default() };
        broken.terms.quotas.push(broken.terms.quotas[0]);
        broken.terms.counting = Counting {
            quota: vec![StatusRange { from: 200, to: 199 }, StatusRange { from: 99, to: 100 }],
            billable: vec![StatusRange { from: 200, to: 600 }; 21],
        };
        broken.terms.stages.push(broken.terms.stages[0].clone());
        broken.terms.stages[0].throttle =
            (0..21).map(|at| (format!("p{at}"), Throttle { rate_limit: 1.0, burst_limit: 1 })).collect();
        let fields: Vec<_> =
            check(&broken).unwrap_err().fields.into_iter().map(|fault| fault.field).collect();
        for expected in [
            "name",
            "throttle.rateLimit",
            "throttle.burstLimit",
            "quotas[0].limit",
            "quotas[0].offset",
            "quotas[1].period",
            "counting.quota[0]",
            "counting.quota[1]",
            "counting.billable",
            "counting.billable[20]",
            "stages[0].throttle",
            "stages[0].throttle[p0]",
            "stages[1]",
        ] {
            assert!(fields.iter().any(|field| field == expected), "{expected} is missing in {fields:?}");
        }
    }
}
