//! Quota periods: calendar days, weeks and months in UTC.
//!
//! Times are microseconds since the epoch. Knows no clock: the period is that of the call's own time.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime};
use contracts::metering::{Period, Quota};

/// A stretch of time, the start included and the end not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First microsecond.
    pub start: i64,
    /// First microsecond after it.
    pub end: i64,
}

impl Span {
    /// Whether `at` lies in it.
    pub const fn contains(self, at: i64) -> bool {
        self.start <= at && at < self.end
    }
}

/// The period that contains `at`. Weeks start on Monday, months on the first.
///
/// A time that no calendar holds is in one period with everything else that far away.
pub fn containing(period: Period, at: i64) -> Span {
    let bounds = DateTime::from_timestamp_micros(at).and_then(|time| {
        let date = time.date_naive();
        let (start, end) = match period {
            Period::Day => (date, date.checked_add_days(Days::new(1))?),
            Period::Week => {
                let monday =
                    date.checked_sub_days(Days::new(u64::from(date.weekday().num_days_from_monday())))?;
                (monday, monday.checked_add_days(Days::new(7))?)
            }
            Period::Month => {
                let first = date.with_day(1)?;
                (first, first.checked_add_months(Months::new(1))?)
            }
        };
        Some(Span { start: micros(start), end: micros(end) })
    });
    bounds.unwrap_or(if at < 0 {
        Span { start: i64::MIN, end: 0 }
    } else {
        Span { start: at, end: i64::MAX }
    })
}

fn micros(date: NaiveDate) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp_micros()
}

/// Units that may be used in the period `span`.
///
/// The quota's offset is taken off in the period in which the key was made
/// (`API_QuotaSettings` of API Gateway: "subtracted from the given limit in the initial time period").
pub const fn limit_in_force(quota: &Quota, key_created_at: i64, span: Span) -> u64 {
    if span.contains(key_created_at) { quota.limit.saturating_sub(quota.offset) } else { quota.limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
    }

    #[test]
    fn every_time_lies_in_the_period_of_the_calendar() {
        let cases = [
            (Period::Day, "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"),
            (Period::Day, "2026-11-22T23:59:59.999999Z", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"),
            (Period::Day, "2026-11-23T01:30:00+02:00", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"),
            (Period::Day, "2026-12-31T12:00:00Z", "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"),
            (Period::Week, "2026-11-22T12:00:00Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            (Period::Week, "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            (Period::Week, "2027-01-01T00:00:00Z", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z"),
            (Period::Month, "2028-02-29T23:59:59Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
            (Period::Month, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            (Period::Month, "2026-01-31T00:00:00Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            (Period::Month, "1969-12-31T23:59:59Z", "1969-12-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ];
        for (period, time, start, end) in cases {
            let expected = Span { start: at(start), end: at(end) };
            assert_eq!(containing(period, at(time)), expected, "{period:?} of {time}");
            assert!(expected.contains(at(time)));
        }
    }

    #[test]
    fn periods_follow_each_other_without_a_gap() {
        for period in [Period::Day, Period::Week, Period::Month] {
            let mut span = containing(period, at("2024-01-15T10:00:00Z"));
            for _ in 0..60 {
                let next = containing(period, span.end);
                assert_eq!(next.start, span.end);
                assert_eq!(containing(period, next.end - 1), next);
                span = next;
            }
        }
    }

    #[test]
    fn times_beyond_the_calendar_have_a_period() {
        for time in [i64::MIN, i64::MAX - 1] {
            assert!(containing(Period::Month, time).contains(time));
        }
    }

    #[test]
    fn the_offset_shortens_the_first_period_alone() {
        let quota = Quota { limit: 100, period: Period::Month, offset: 30, begins: Default::default() };
        let first = containing(Period::Month, at("2026-11-22T00:00:00Z"));
        let second = containing(Period::Month, first.end);
        let created = at("2026-11-05T00:00:00Z");
        assert_eq!(limit_in_force(&quota, created, first), 70);
        assert_eq!(limit_in_force(&quota, created, second), 100);
        assert_eq!(limit_in_force(&Quota { offset: 200, ..quota }, created, first), 0);
    }
}
