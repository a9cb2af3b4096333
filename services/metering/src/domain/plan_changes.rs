//! What becomes of a key's used units when one usage plan takes another's place.

use common::id::UsagePlanId;
use common::{Error, Result};
use contracts::metering::{Period, Quota};

use super::periods::containing;

/// The plan that goes and the one that takes its place, where the used units shall go on. Nothing when no plan changes.
pub(crate) fn succession(
    before: &[UsagePlanId],
    after: &[UsagePlanId],
) -> Result<Option<(UsagePlanId, UsagePlanId)>> {
    let gone: Vec<_> = before.iter().filter(|plan| !after.contains(plan)).collect();
    let come: Vec<_> = after.iter().filter(|plan| !before.contains(plan)).collect();
    match (&gone[..], &come[..]) {
        ([], []) => Ok(None),
        ([old], [new]) => Ok(Some((**old, **new))),
        _ => Err(refused(
            "units can be kept or blended only where exactly one usage plan takes another's place",
        )),
    }
}

/// Each quota of the old plan with the one of the new plan that goes on for it, at `now`. Refuses quotas without a
/// counterpart in the same period; `anchor` is the key's billing date.
pub(crate) fn counterparts(
    old: &[Quota],
    new: &[Quota],
    anchor: i64,
    now: i64,
) -> Result<Vec<(Quota, Quota)>> {
    if let Some(only) = new.iter().find(|quota| !old.iter().any(|other| other.period == quota.period)) {
        return Err(refused(format!("the old usage plan has no quota per {}", name(only.period))));
    }
    let mut pairs = Vec::with_capacity(old.len());
    for quota in old {
        let Some(counterpart) = new.iter().find(|other| other.period == quota.period) else {
            return Err(refused(format!("the new usage plan has no quota per {}", name(quota.period))));
        };
        let span = |quota: &Quota| containing(quota.period, quota.begins, anchor, now);
        if span(quota) != span(counterpart) {
            let period = name(quota.period);
            return Err(refused(format!(
                "the quotas per {period} of the two usage plans begin at different times"
            )));
        }
        pairs.push((*quota, *counterpart));
    }
    Ok(pairs)
}

fn refused(message: impl Into<String>) -> Error {
    let mut error = Error::invalid("usedUnits", message);
    error.reason = "used_units_cannot_go_on".into();
    error
}

const fn name(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
    }
}

#[cfg(test)]
mod tests {
    use contracts::metering::PeriodBegin;
    use uuid::Uuid;

    use super::*;

    fn plan(number: u128) -> UsagePlanId {
        UsagePlanId::from_uuid(Uuid::from_u128(number))
    }

    fn quota(period: Period, begins: PeriodBegin) -> Quota {
        Quota { limit: 10, period, offset: 0, begins }
    }

    #[test]
    fn one_plan_takes_the_place_of_one() {
        let [a, b, c] = [plan(1), plan(2), plan(3)];
        assert_eq!(succession(&[a, b], &[b, c]).unwrap(), Some((a, c)));
        assert_eq!(succession(&[a, b], &[b, a]).unwrap(), None);
        for (before, after) in [(vec![a], vec![]), (vec![a], vec![b, c]), (vec![a, b], vec![c])] {
            let refused = succession(&before, &after).unwrap_err();
            assert_eq!(refused.fields[0].field, "usedUnits");
        }
    }

    #[test]
    fn every_quota_needs_a_counterpart_in_the_same_period() {
        let berlin = PeriodBegin::Calendar { time_zone: chrono_tz::Tz::Europe__Berlin };
        let [day, month] = [Period::Day, Period::Month].map(|period| quota(period, PeriodBegin::default()));
        let pairs = counterparts(&[day, month], &[month, day], 0, 0).unwrap();
        assert_eq!(pairs, [(day, day), (month, month)]);
        assert_eq!(counterparts(&[], &[], 0, 0).unwrap(), []);
        for (old, new, expected) in [
            (vec![day, month], vec![day], "new usage plan has no quota per month"),
            (vec![day], vec![day, month], "old usage plan has no quota per month"),
            (
                vec![day],
                vec![quota(Period::Day, berlin)],
                "per day of the two usage plans begin at different times",
            ),
        ] {
            let refused = counterparts(&old, &new, 0, 0).unwrap_err();
            assert!(refused.fields[0].message.contains(expected), "{refused:?}");
        }
    }
}
