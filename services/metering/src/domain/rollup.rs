//! From records to sums: what a record adds to which row of a rollup.

use std::collections::BTreeMap;

use contracts::metering::UsageDimension;
use contracts::record::UsageRecord;

use super::latency::{Histogram, bucket};

/// Microseconds in a minute.
pub(crate) const MINUTE: i64 = 60_000_000;
/// Microseconds in an hour.
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// Microseconds in a day.
pub(crate) const DAY: i64 = 24 * HOUR;

/// What a row of a rollup is about. Empty texts where a record has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RollupKey {
    pub tenant: String,
    pub minute: i64,
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
    pub billable_units: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Sum of the records' fingerprints: two sums are equal when the same calls are in both, but for one case in billions.
    pub fingerprint: u64,
    pub latency: Histogram,
}

impl Sums {
    /// Adds other sums to these.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.quota_units += other.quota_units;
        self.billable_units += other.billable_units;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.fingerprint += other.fingerprint;
        self.latency.merge(&other.latency);
    }
}

/// The records summed by minute and dimension.
pub(crate) fn by_minute(records: &[UsageRecord<'_>]) -> BTreeMap<RollupKey, Sums> {
    let mut rows: BTreeMap<RollupKey, Sums> = BTreeMap::new();
    for record in records {
        let sums = rows.entry(key(record)).or_default();
        let outcome = &record.outcome;
        sums.requests += 1;
        sums.quota_units += outcome.quota_units;
        sums.billable_units += outcome.billable_units;
        sums.bytes_in += outcome.bytes_in;
        sums.bytes_out += outcome.bytes_out;
        sums.fingerprint += u64::from(fingerprint(record));
        sums.latency.add(bucket(outcome.latency_us), 1);
    }
    rows
}

fn key(record: &UsageRecord<'_>) -> RollupKey {
    RollupKey {
        tenant: record.tenant.to_string(),
        minute: record.started_at.div_euclid(MINUTE) * MINUTE,
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
