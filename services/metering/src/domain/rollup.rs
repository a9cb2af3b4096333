//! From records to sums: what a record adds to which row of a rollup.

use std::collections::BTreeMap;

use contracts::metering::UsageDimension;
use contracts::record::{Flags, UsageRecord};

use super::latency::{Histogram, bucket};

/// Microseconds in a minute.
pub(crate) const MINUTE: i64 = 60_000_000;
/// Microseconds in an hour.
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// Microseconds in a day.
pub(crate) const DAY: i64 = 24 * HOUR;

/// A rollup by its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    Minute,
    Hour,
    Day,
}

impl Width {
    /// Every width, the narrowest first.
    pub(crate) const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Microseconds that a row covers.
    pub(crate) const fn micros(self) -> i64 {
        match self {
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    /// Start of the row that holds `at`.
    pub(crate) const fn start_of(self, at: i64) -> i64 {
        at.div_euclid(self.micros()) * self.micros()
    }

    /// The table, in every store.
    pub(crate) const fn table(self) -> &'static str {
        match self {
            Self::Minute => "usage_minutes",
            Self::Hour => "usage_hours",
            Self::Day => "usage_days",
        }
    }

    /// The table's column of time, in every store. Also the width's name.
    pub(crate) const fn column(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// The columns that a rollup groups by, beside tenant and time, in every store.
pub(crate) const DIMENSIONS: &str =
    "api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class";

/// What a row of a rollup is about. Empty texts where a record has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RollupKey {
    pub tenant: String,
    /// Start of the minute, hour or day.
    pub time: i64,
    pub api: String,
    pub stage: String,
    pub method: String,
    pub key: String,
    pub usage_plan: String,
    pub plan: String,
    pub subscription: String,
    pub status_class: &'static str,
}

/// Sums over records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub requests: u64,
    pub quota_units: u64,
    /// Quota units that were taken from the quota per day.
    pub day_units: u64,
    pub week_units: u64,
    pub month_units: u64,
    pub billable_units: u64,
    pub spend_micros: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Sum of the records' fingerprints: two sums are equal when the same calls are in both, but for one case in billions.
    pub fingerprint: u64,
    pub latency: Histogram,
}

/// How many sums a row of a rollup has, the histogram apart.
pub(crate) const MEASURES: usize = 10;

/// The columns of the sums, in every rollup of every store and in the order of [`Sums::numbers`].
pub(crate) const MEASURE_COLUMNS: [&str; MEASURES] = [
    "requests",
    "quota_units",
    "day_units",
    "week_units",
    "month_units",
    "billable_units",
    "spend_micros",
    "bytes_in",
    "bytes_out",
    "fingerprint",
];

impl Sums {
    /// What one record adds.
    pub(crate) fn of(record: &UsageRecord<'_>) -> Self {
        let outcome = &record.outcome;
        let charged = |quota| if outcome.flags.contains(quota) { outcome.quota_units } else { 0 };
        let mut latency = Histogram::default();
        latency.add(bucket(outcome.latency_us), 1);
        Self {
            requests: 1,
            quota_units: outcome.quota_units,
            day_units: charged(Flags::CHARGED_DAY),
            week_units: charged(Flags::CHARGED_WEEK),
            month_units: charged(Flags::CHARGED_MONTH),
            billable_units: outcome.billable_units,
            spend_micros: outcome.spend_micros,
            bytes_in: outcome.bytes_in,
            bytes_out: outcome.bytes_out,
            fingerprint: u64::from(fingerprint(record)),
            latency,
        }
    }

    /// The sums, the histogram apart.
    pub(crate) const fn numbers(&self) -> [u64; MEASURES] {
        [
            self.requests,
            self.quota_units,
            self.day_units,
            self.week_units,
            self.month_units,
            self.billable_units,
            self.spend_micros,
            self.bytes_in,
            self.bytes_out,
            self.fingerprint,
        ]
    }

    /// Reads [`Sums::numbers`].
    pub(crate) const fn from_numbers(numbers: [u64; MEASURES], latency: Histogram) -> Self {
        let [
            requests,
            quota_units,
            day_units,
            week_units,
            month_units,
            billable_units,
            spend_micros,
            bytes_in,
            bytes_out,
            fingerprint,
        ] = numbers;
        Self {
            requests,
            quota_units,
            day_units,
            week_units,
            month_units,
            billable_units,
            spend_micros,
            bytes_in,
            bytes_out,
            fingerprint,
            latency,
        }
    }

    /// Adds other sums to these.
    pub(crate) fn merge(&mut self, other: &Self) {
        let (mut numbers, others) = (self.numbers(), other.numbers());
        for (number, other) in numbers.iter_mut().zip(others) {
            *number = number.saturating_add(other);
        }
        let mut latency = std::mem::take(&mut self.latency);
        latency.merge(&other.latency);
        *self = Self::from_numbers(numbers, latency);
    }
}

/// The rows of one rollup.
pub(crate) type Rows = BTreeMap<RollupKey, Sums>;

/// The records summed by minute and dimension.
pub(crate) fn by_minute(records: &[UsageRecord<'_>]) -> Rows {
    let mut rows = Rows::new();
    for record in records {
        rows.entry(key(record)).or_default().merge(&Sums::of(record));
    }
    rows
}

/// The rows of a narrower rollup summed into those of a wider one.
pub(crate) fn widen(rows: &Rows, width: Width) -> Rows {
    let mut wider = Rows::new();
    for (key, sums) in rows {
        let key = RollupKey { time: width.start_of(key.time), ..key.clone() };
        wider.entry(key).or_default().merge(sums);
    }
    wider
}

fn key(record: &UsageRecord<'_>) -> RollupKey {
    RollupKey {
        tenant: record.tenant.to_string(),
        time: Width::Minute.start_of(record.started_at),
        api: record.api_id.to_string(),
        stage: record.stage.to_owned(),
        method: method(record),
        key: text(record.subject.key),
        usage_plan: text(record.subject.usage_plan),
        plan: text(record.subject.plan),
        subscription: text(record.subject.subscription),
        status_class: status_class(record.outcome.status),
    }
}

/// The last 32 bits of the call's id, which are random.
pub(crate) fn fingerprint(record: &UsageRecord<'_>) -> u32 {
    let [.., a, b, c, d] = record.request_id.uuid().into_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// An id's text, or none.
pub(crate) fn text(id: Option<impl ToString>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

/// `VERB /resource/path`; the verb alone where no route matched.
pub(crate) fn method(record: &UsageRecord<'_>) -> String {
    if record.route.is_empty() {
        return record.method.to_owned();
    }
    format!("{} {}", record.method, record.route)
}

/// `2xx` and so on; `none` when nothing was sent.
pub(crate) const fn status_class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "none",
    }
}

/// The column of a dimension, in every rollup of every store.
pub(crate) const fn column(dimension: UsageDimension) -> &'static str {
    match dimension {
        UsageDimension::Api => "api_id",
        UsageDimension::Stage => "stage",
        UsageDimension::Method => "method",
        UsageDimension::Key => "key_id",
        UsageDimension::UsagePlan => "usage_plan_id",
        UsageDimension::Plan => "plan_id",
        UsageDimension::Subscription => "subscription_id",
        UsageDimension::StatusClass => "status_class",
    }
}
