//! Quota periods: days, weeks and months, by the calendar of a time zone or counted from a billing date.
//!
//! Periods of one kind follow each other without a gap and without an overlap. Times are microseconds since the epoch. Knows
//! no clock: the period is that of the call's own time.

use chrono::{
    DateTime, Datelike, Days, MappedLocalTime, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeZone,
};
use chrono_tz::{GapInfo, Tz};
use contracts::metering::{Period, PeriodBegin, Quota};

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
const WEEK: i64 = 7 * DAY;
/// Calendars are asked about 100,000 years around the epoch; everything beyond lies in one period.
const FAR: i64 = 100_000 * 365 * DAY;

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

/// The period that contains `at`. By the calendar, weeks start on Monday and months on the first; `anchor` is the billing
/// date, which counts to the minute.
pub fn containing(period: Period, begins: PeriodBegin, anchor: i64, at: i64) -> Span {
    let asked = at.clamp(-FAR, FAR - 1);
    let span = match begins {
        PeriodBegin::Calendar { time_zone } => by_calendar(period, time_zone, asked),
        PeriodBegin::Anchor => from_anchor(period, anchor, asked),
    };
    match span {
        Some(span) if span.contains(at) => span,
        Some(Span { end, .. }) if at >= end => Span { start: end, end: i64::MAX },
        Some(Span { start, .. }) => Span { start: i64::MIN, end: start },
        None => Span { start: i64::MIN, end: i64::MAX },
    }
}

/// Units that may be used in the period `span`.
///
/// The quota's offset is taken off in the period in which the key was made
/// (`API_QuotaSettings` of API Gateway: "subtracted from the given limit in the initial time period").
pub const fn limit_in_force(quota: &Quota, key_created_at: i64, span: Span) -> u64 {
    if span.contains(key_created_at) { quota.limit.saturating_sub(quota.offset) } else { quota.limit }
}

fn by_calendar(period: Period, time_zone: Tz, at: i64) -> Option<Span> {
    let local = DateTime::from_timestamp_micros(at)?.with_timezone(&time_zone).date_naive();
    let first = match period {
        Period::Day => local,
        Period::Week => {
            local.checked_sub_days(Days::new(u64::from(local.weekday().num_days_from_monday())))?
        }
        Period::Month => local.with_day(1)?,
    };
    let following = following(period, first)?;
    let span = Span { start: begin(first, time_zone)?, end: begin(following, time_zone)? };
    // Where clocks are put back over midnight, a day begins before the one before it is over by the clock.
    if at < span.end {
        return Some(span);
    }
    Some(Span { start: span.end, end: begin(self::following(period, following)?, time_zone)? })
}

fn following(period: Period, first: NaiveDate) -> Option<NaiveDate> {
    match period {
        Period::Day => first.checked_add_days(Days::new(1)),
        Period::Week => first.checked_add_days(Days::new(7)),
        Period::Month => first.checked_add_months(Months::new(1)),
    }
}

/// When a day begins: the first time its midnight comes, or, where clocks skip midnight, the moment they do.
fn begin(day: NaiveDate, time_zone: Tz) -> Option<i64> {
    let midnight = day.and_time(NaiveTime::MIN);
    let begin = match time_zone.from_local_datetime(&midnight) {
        MappedLocalTime::Single(begin) | MappedLocalTime::Ambiguous(begin, _) => begin,
        MappedLocalTime::None => GapInfo::new(&midnight, &time_zone)?.end?,
    };
    Some(begin.timestamp_micros())
}

fn from_anchor(period: Period, anchor: i64, at: i64) -> Option<Span> {
    let anchor = anchor.clamp(-FAR, FAR - 1).div_euclid(MINUTE) * MINUTE;
    let length = match period {
        Period::Day => DAY,
        Period::Week => WEEK,
        Period::Month => return months_from_anchor(anchor, at),
    };
    let start = anchor + (at - anchor).div_euclid(length) * length;
    Some(Span { start, end: start + length })
}

/// Each month is counted from the anchor itself, so that the 31st comes back after a short month.
fn months_from_anchor(anchor: i64, at: i64) -> Option<Span> {
    let anchor = DateTime::from_timestamp_micros(anchor)?.naive_utc();
    let date = DateTime::from_timestamp_micros(at)?.date_naive();
    let month_of = |date: NaiveDate| date.year() * 12 + date.month0() as i32;
    let mut months = month_of(date) - month_of(anchor.date());
    if at < month_begin(anchor, months)? {
        months -= 1;
    }
    Some(Span { start: month_begin(anchor, months)?, end: month_begin(anchor, months + 1)? })
}

/// The anchor's day so many months on; the last of a month that lacks it.
fn month_begin(anchor: NaiveDateTime, months: i32) -> Option<i64> {
    let distance = Months::new(months.unsigned_abs());
    let begin = if months < 0 {
        anchor.checked_sub_months(distance)?
    } else {
        anchor.checked_add_months(distance)?
    };
    Some(begin.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests;
