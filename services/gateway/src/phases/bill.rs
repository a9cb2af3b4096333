//! Bill: what a call counts for once it is known how it ended. Pure.
//!
//! The rule, docs/adr/0012: answers of the backend count by their status, as the plan says; a call that got none keeps its
//! quota units where the backend may have acted, and is never billed; refusals count for nothing.

use contracts::metering::{Counting, StatusRange};

use crate::admission::Ended;
use crate::snapshot::{MethodCost, Source};

/// What one call costs, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bill<'a> {
    counting: &'a Counting,
    cost: &'a MethodCost,
    /// Units that the answer said.
    said: Option<u64>,
}

impl<'a> Bill<'a> {
    pub(super) const fn new(counting: &'a Counting, cost: &'a MethodCost) -> Self {
        Self { counting, cost, said: None }
    }

    /// Where the answer says what the call cost.
    pub(super) const fn source(&self) -> Option<&'a Source> {
        self.cost.source.as_ref()
    }

    pub(super) const fn said(mut self, units: Option<u64>) -> Self {
        self.said = units;
        self
    }

    /// Fills in what the call counts for. `was_answered` says that its status is that of an answer of the backend.
    pub(super) fn settle(&self, ended: &mut Ended, was_answered: bool) {
        let counts = |ranges: &[StatusRange]| ranges.iter().any(|range| range.contains(ended.status));
        let units = self.said.unwrap_or(self.cost.otherwise).min(self.cost.reserve);
        let uses_quota = ended.reason.counts() && (!was_answered || counts(&self.counting.quota));
        let is_billed = was_answered && counts(&self.counting.billable);
        ended.quota_units = if uses_quota { units } else { 0 };
        ended.billable_units = if is_billed { units } else { 0 };
        ended.cost_capped =
            (uses_quota || is_billed) && self.said.is_some_and(|said| said > self.cost.reserve);
    }
}

#[cfg(test)]
mod tests {
    use contracts::record::Reason;

    use super::*;

    const MEASURED: MethodCost = MethodCost { reserve: 100, otherwise: 5, source: None };

    fn counting(quota: &[(u16, u16)], billable: &[(u16, u16)]) -> Counting {
        let ranges = |ranges: &[(u16, u16)]| {
            ranges.iter().map(|(from, to)| StatusRange { from: *from, to: *to }).collect()
        };
        Counting { quota: ranges(quota), billable: ranges(billable) }
    }

    /// Quota units, billable units, whether the cost was capped.
    fn settled(counting: &Counting, said: Option<u64>, ended: Ended, was_answered: bool) -> (u64, u64, bool) {
        let mut ended = ended;
        Bill::new(counting, &MEASURED).said(said).settle(&mut ended, was_answered);
        (ended.quota_units, ended.billable_units, ended.cost_capped)
    }

    #[test]
    fn answers_count_by_their_status_as_the_plan_says() {
        let counting = counting(&[(200, 299), (404, 404)], &[(200, 299)]);
        let answered = |status| settled(&counting, Some(7), Ended::new(status, Reason::Ok), true);
        assert_eq!(answered(200), (7, 7, false));
        assert_eq!(answered(404), (7, 0, false));
        assert_eq!(answered(500), (0, 0, false));
        let left = Ended::new(200, Reason::ClientDisconnected);
        assert_eq!(settled(&counting, Some(7), left, true), (7, 7, false), "as if the client had stayed");
    }

    #[test]
    fn a_cost_that_was_not_said_is_the_plans_and_one_above_the_reserve_is_the_reserve() {
        let counting = Counting::default();
        let ok = Ended::new(200, Reason::Ok);
        assert_eq!(settled(&counting, None, ok, true), (5, 5, false));
        assert_eq!(settled(&counting, Some(0), ok, true), (0, 0, false));
        assert_eq!(settled(&counting, Some(100), ok, true), (100, 100, false));
        assert_eq!(settled(&counting, Some(101), ok, true), (100, 100, true));
    }

    #[test]
    fn without_an_answer_quota_stays_used_where_the_backend_may_have_acted_and_nothing_is_billed() {
        let counting = Counting::default();
        for (reason, status, units) in [
            (Reason::UpstreamTimeout, 504, 5),
            (Reason::UpstreamInvalidResponse, 504, 5),
            (Reason::ClientDisconnected, 0, 5),
            (Reason::UpstreamUnreachable, 504, 0),
            (Reason::QuotaExhausted, 429, 0),
            (Reason::SpendCapReached, 402, 0),
            (Reason::ConfigurationInvalid, 500, 0),
        ] {
            assert_eq!(
                settled(&counting, None, Ended::new(status, reason), false),
                (units, 0, false),
                "{reason}"
            );
        }
    }
}
