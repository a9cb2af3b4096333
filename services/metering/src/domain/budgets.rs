//! What a budget allows: a key's quota in a usage plan, or a subscription's spend cap.
//!
//! Times are microseconds since the epoch. Knows neither leases nor stores.

use contracts::metering::{ApiKey, Period, PeriodBegin, Quota};

use super::periods::{Span, containing, limit_in_force};

/// What a budget allows, and in which periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A key's quota.
    Quota {
        quota: Quota,
        /// When the key was made.
        created_at: i64,
        /// The key's billing date.
        anchor: i64,
    },
    /// A spend cap, in micro-units of money.
    Spend {
        limit: u64,
        /// The subscription's billing date.
        anchor: i64,
        /// Start of the month in which `spent_before` was spent.
        counted_from: i64,
        /// Spent in that month before calls took leases.
        spent_before: u64,
    },
}

impl Rule {
    /// What a quota allows a key.
    pub(crate) const fn of_key(key: &ApiKey, quota: Quota) -> Self {
        let (created_at, anchor) = (key.created_at.timestamp_micros(), key.anchored_at.timestamp_micros());
        Self::Quota { quota, created_at, anchor }
    }

    /// The period that contains `at`.
    pub(crate) fn span(&self, at: i64) -> Span {
        match self {
            Self::Quota { quota, anchor, .. } => containing(quota.period, quota.begins, *anchor, at),
            Self::Spend { anchor, .. } => month(*anchor, at),
        }
    }

    /// Units that may be used in the period `span`.
    pub(crate) const fn limit(&self, span: Span) -> u64 {
        match self {
            Self::Quota { quota, created_at, .. } => limit_in_force(quota, *created_at, span),
            Self::Spend { limit, counted_from, spent_before, .. } if *counted_from == span.start => {
                limit.saturating_sub(*spent_before)
            }
            Self::Spend { limit, .. } => *limit,
        }
    }
}

/// The month of spending that contains `at`: it begins with the billing date.
pub(crate) fn month(anchor: i64, at: i64) -> Span {
    containing(Period::Month, PeriodBegin::Anchor, anchor, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_before_leases_began_shortens_that_month_alone() {
        let month = month(0, 5);
        let rule = Rule::Spend { limit: 100, anchor: 0, counted_from: month.start, spent_before: 30 };
        assert_eq!(rule.span(5), month);
        assert_eq!(rule.limit(month), 70);
        assert_eq!(rule.limit(rule.span(month.end)), 100);
        let over = Rule::Spend { limit: 100, anchor: 0, counted_from: month.start, spent_before: 130 };
        assert_eq!(over.limit(month), 0);
    }
}
