//! Rules of usage queries: their bounds, and which rollup answers which part of a range.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use common::id::RequestId;
use common::{Code, Error, PageArgs, Result};
use contracts::metering::{QueryUsage, RequestFilter, UsageDimension, UsageRow, UsageStep};
use contracts::record::Reason;

use super::rollup::{DAY, HOUR, MINUTE, Sums, Width};

/// Longest range of a query.
const MAX_DAYS: i64 = 400;
/// Most rows of an answer.
pub(crate) const MAX_ROWS: usize = 20_000;
/// Most dimensions to group by.
const MAX_GROUPS: usize = 4;
/// Most values of one dimension to filter by, and the most bytes of one.
const MAX_FILTER_VALUES: usize = 100;
const MAX_FILTER_VALUE: usize = 600;

/// A checked query over whole minutes. Times are microseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsageQuery {
    pub from: i64,
    pub to: i64,
    pub step: UsageStep,
    pub group_by: Vec<UsageDimension>,
    pub filter: BTreeMap<UsageDimension, Vec<String>>,
}

/// Sums of one step and group; values in the order of the query's `group_by`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsageSums {
    pub time: i64,
    pub group: Vec<String>,
    pub sums: Sums,
}

/// A part of a range that one rollup answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub width: Width,
    pub from: i64,
    pub to: i64,
}

impl UsageQuery {
    /// Checks a query and widens it to whole minutes.
    pub(crate) fn check(query: QueryUsage) -> Result<Self> {
        if query.to <= query.from {
            return Err(Error::invalid("to", "must be after from"));
        }
        if query.to - query.from > TimeDelta::days(MAX_DAYS) {
            return Err(Error::invalid("to", "must be at most 400 days after from"));
        }
        if query.group_by.len() > MAX_GROUPS {
            return Err(Error::invalid("groupBy", "must name at most 4 dimensions"));
        }
        check_values(&query.filter)?;
        let mut group_by = query.group_by;
        let before = group_by.len();
        group_by.sort_unstable();
        group_by.dedup();
        if group_by.len() != before {
            return Err(Error::invalid("groupBy", "names a dimension twice"));
        }
        let from = query.from.timestamp_micros().div_euclid(MINUTE) * MINUTE;
        let to = -(-query.to.timestamp_micros()).div_euclid(MINUTE) * MINUTE;
        let too_many_steps = match query.step {
            UsageStep::Minute => (to - from) / MINUTE > MAX_ROWS as i64,
            UsageStep::Hour => (to - from) / HOUR > MAX_ROWS as i64,
            UsageStep::Day | UsageStep::Total => false,
        };
        if too_many_steps {
            return Err(too_many_rows());
        }
        Ok(Self { from, to, step: query.step, group_by, filter: query.filter })
    }

    /// Microseconds of a step; absent when the whole range is one.
    pub(crate) const fn step_micros(&self) -> Option<i64> {
        match self.step {
            UsageStep::Minute => Some(MINUTE),
            UsageStep::Hour => Some(HOUR),
            UsageStep::Day => Some(DAY),
            UsageStep::Total => None,
        }
    }

    /// Start of the step that contains `at`.
    pub(crate) fn step_of(&self, at: i64) -> i64 {
        match self.step_micros() {
            Some(step) => at.div_euclid(step) * step,
            None => self.from,
        }
    }

    /// The range in parts, each answered by the widest rollup that fits: days inside, hours and minutes at the ends.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        let widest = match self.step {
            UsageStep::Minute => Width::Minute,
            UsageStep::Hour => Width::Hour,
            UsageStep::Day | UsageStep::Total => Width::Day,
        };
        segments(widest, self.from, self.to)
    }
}

/// A range of whole minutes in parts, each answered by the widest rollup that fits, none wider than `widest`.
pub(crate) fn segments(widest: Width, from: i64, to: i64) -> Vec<Segment> {
    let mut parts = Vec::new();
    split(&mut parts, widest, from, to);
    parts
}

fn split(parts: &mut Vec<Segment>, width: Width, from: i64, to: i64) {
    if from >= to {
        return;
    }
    let narrower = match width {
        Width::Minute => return parts.push(Segment { width, from, to }),
        Width::Hour => Width::Minute,
        Width::Day => Width::Hour,
    };
    let micros = width.micros();
    let first = -(-from).div_euclid(micros) * micros;
    let last = to.div_euclid(micros) * micros;
    if first >= last {
        return split(parts, narrower, from, to);
    }
    split(parts, narrower, from, first);
    parts.push(Segment { width, from: first, to: last });
    split(parts, narrower, last, to);
}

/// The refusal of an answer that is too large.
pub(crate) fn too_many_rows() -> Error {
    let message =
        "the answer has more than 20000 rows; ask for a shorter range, a wider step or fewer groups";
    Error::new(Code::LimitExceeded, "too_many_usage_rows", message)
}

/// Sums as they are answered.
pub(crate) fn row(query: &UsageQuery, sums: UsageSums) -> UsageRow {
    let UsageSums { time, group, sums } = sums;
    UsageRow {
        time: DateTime::from_timestamp_micros(time).unwrap_or_default(),
        group: query.group_by.iter().copied().zip(group).collect(),
        requests: sums.requests,
        quota_units: sums.quota_units,
        billable_units: sums.billable_units,
        bytes_in: sums.bytes_in,
        bytes_out: sums.bytes_out,
        p50_ms: sums.latency.quantile_ms(0.50),
        p95_ms: sums.latency.quantile_ms(0.95),
        p99_ms: sums.latency.quantile_ms(0.99),
    }
}

/// A checked filter of single calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFilter {
    pub request_id: Option<RequestId>,
    pub dimensions: BTreeMap<UsageDimension, Vec<String>>,
    pub statuses: Vec<u16>,
    pub reasons: Vec<Reason>,
    pub min_latency_us: u64,
    pub from: i64,
    pub to: i64,
}

/// A checked query for single calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogQuery {
    pub filter: LogFilter,
    /// Only calls that come after this one in the answer's order.
    pub after: Option<Place>,
    pub limit: u64,
}

/// A call's place in the log: newest first, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub time: i64,
    pub request_id: RequestId,
}

impl Place {
    /// The place as a cursor.
    pub(crate) fn cursor(time: DateTime<Utc>, request_id: RequestId) -> String {
        format!("{}.{request_id}", time.timestamp_micros())
    }

    fn parse(cursor: &str) -> Result<Self> {
        let parts = cursor
            .split_once('.')
            .and_then(|(time, id)| Some(Self { time: time.parse().ok()?, request_id: id.parse().ok()? }));
        parts.ok_or_else(|| Error::invalid("after", "is not a cursor of this list"))
    }
}

impl LogFilter {
    /// Checks a filter; `now` bounds it where the caller does not.
    pub(crate) fn check(filter: RequestFilter, now: DateTime<Utc>) -> Result<Self> {
        check_values(&filter.dimensions)?;
        if filter.statuses.len() > MAX_FILTER_VALUES {
            return Err(Error::invalid("statuses", "must name at most 100"));
        }
        if filter.reasons.len() > Reason::ALL.len() {
            return Err(Error::invalid("reasons", "names one twice"));
        }
        // The present is included: a call is logged with the microsecond it began in.
        let to = filter.to.map_or(now.timestamp_micros() + 1, |to| to.timestamp_micros());
        let from = match filter.from {
            Some(from) => from.timestamp_micros(),
            // Whoever names the call means it, however long ago it was.
            None if filter.request_id.is_some() => 0,
            None => to - DAY,
        };
        if from >= to {
            return Err(Error::invalid("to", "must be after from"));
        }
        Ok(Self {
            request_id: filter.request_id,
            dimensions: filter.dimensions,
            statuses: filter.statuses,
            reasons: filter.reasons,
            min_latency_us: u64::from(filter.min_latency_ms.unwrap_or(0)) * 1_000,
            from,
            to,
        })
    }
}

impl LogQuery {
    /// A page of the calls.
    pub(crate) fn page(filter: LogFilter, page: &PageArgs) -> Result<Self> {
        Self::part(filter, page.after.as_deref(), page.limit()?)
    }

    /// So many calls after a cursor.
    pub(crate) fn part(filter: LogFilter, after: Option<&str>, limit: u64) -> Result<Self> {
        Ok(Self { filter, after: after.map(Place::parse).transpose()?, limit })
    }
}

fn check_values(values: &BTreeMap<UsageDimension, Vec<String>>) -> Result<()> {
    for values in values.values() {
        if values.len() > MAX_FILTER_VALUES || values.iter().any(|value| value.len() > MAX_FILTER_VALUE) {
            return Err(Error::invalid("filter", "at most 100 values of 600 bytes per dimension"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(from: i64, to: i64, step: UsageStep) -> UsageQuery {
        UsageQuery { from, to, step, group_by: Vec::new(), filter: BTreeMap::new() }
    }

    #[test]
    fn segments_cover_the_range_once_and_fit_their_rollup() {
        let ranges = [
            (0, DAY),
            (MINUTE, DAY + 3 * MINUTE),
            (23 * HOUR, 25 * HOUR),
            (5 * MINUTE, 9 * MINUTE),
            (HOUR - MINUTE, 40 * DAY + 7 * HOUR + MINUTE),
        ];
        for (from, to) in ranges {
            for step in [UsageStep::Minute, UsageStep::Hour, UsageStep::Day, UsageStep::Total] {
                let mut at = from;
                for part in query(from, to, step).segments() {
                    let micros = part.width.micros();
                    assert_eq!((part.from % micros, part.to % micros), (0, 0));
                    assert!(part.from == at && part.to > part.from, "{from}..{to}: {part:?}");
                    assert!(step != UsageStep::Minute || part.width == Width::Minute);
                    at = part.to;
                }
                assert_eq!(at, to);
            }
        }
    }

    #[test]
    fn a_filter_has_at_most_a_hundred_short_values() {
        let filtered = |values: Vec<String>| {
            let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
            let filter = [(UsageDimension::Method, values)].into();
            let (from, to, step) = (at(0), at(DAY), UsageStep::Day);
            UsageQuery::check(QueryUsage { from, to, step, group_by: vec![], filter })
        };
        assert!(filtered(vec!["x".repeat(600); 100]).is_ok());
        assert!(filtered(vec![String::new(); 101]).is_err());
        assert!(filtered(vec!["x".repeat(601)]).is_err());
    }

    #[test]
    fn dates_at_the_ends_of_time_are_no_panic() {
        let ends = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, DateTime::UNIX_EPOCH];
        for (from, to) in ends.into_iter().flat_map(|from| ends.map(|to| (from, to))) {
            let filter = BTreeMap::new();
            let _ =
                UsageQuery::check(QueryUsage { from, to, step: UsageStep::Day, group_by: vec![], filter });
            for (from, to) in [(Some(from), Some(to)), (None, Some(to)), (Some(from), None)] {
                let filter = RequestFilter { from, to, ..RequestFilter::default() };
                let _ = LogFilter::check(filter, DateTime::UNIX_EPOCH);
            }
        }
    }

    #[test]
    fn bounds_are_widened_to_whole_minutes() {
        let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
        let raw = |from, to| QueryUsage {
            from: at(from),
            to: at(to),
            step: UsageStep::Minute,
            group_by: vec![],
            filter: BTreeMap::new(),
        };
        let checked = UsageQuery::check(raw(MINUTE + 1, 2 * MINUTE + 1)).unwrap();
        assert_eq!((checked.from, checked.to), (MINUTE, 3 * MINUTE));
        assert!(UsageQuery::check(raw(5, 5)).is_err());
        assert!(UsageQuery::check(raw(0, 401 * DAY)).is_err());
        let error = UsageQuery::check(raw(0, 300 * DAY)).unwrap_err();
        assert_eq!(error.code, Code::LimitExceeded);
    }
}
