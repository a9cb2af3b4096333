//! Rows and queries of the ClickHouse usage tables.

use ::clickhouse::query::Query;
use ::clickhouse::{Row, error::Error as ClickHouseError};
use common::{Error, Result};
use contracts::metering::LoggedRequest;
use contracts::record::{Flags, UsageRecord};
use serde::{Deserialize, Serialize};

use super::NewBatch;
use super::sqlite_rows::small;
use crate::domain::latency::{Histogram, bucket};
use crate::domain::rollup::{Sums, column, fingerprint, method, status_class, text};
use crate::domain::usage::{LogQuery, MAX_ROWS, Segment, UsageQuery, UsageSums, Width};
use crate::store::sql::{parsed, time};

/// A failure of ClickHouse as the caller sees it: the same request may succeed later.
pub(super) fn fault(error: ClickHouseError) -> Error {
    Error::unavailable("the usage store", error)
}

/// One record.
#[derive(Debug, Row, Serialize)]
pub(super) struct RecordRow<'a> {
    tenant_id: String,
    started_at: i64,
    request_id: String,
    api_id: String,
    stage: &'a str,
    deployment_id: String,
    verb: &'a str,
    route: &'a str,
    method: String,
    path: &'a str,
    client_ip: String,
    key_id: String,
    usage_plan_id: String,
    plan_id: String,
    subscription_id: String,
    status: u16,
    status_class: &'static str,
    reason: &'static str,
    flags: u16,
    quota_units: u64,
    billable_units: u64,
    lease_id: String,
    latency_us: u64,
    latency_bucket: u16,
    upstream_us: u64,
    bytes_in: u64,
    bytes_out: u64,
    fingerprint: u32,
    gateway_id: String,
    incarnation_id: String,
    stream: u32,
    sequence: u64,
}

impl<'a> RecordRow<'a> {
    /// A record of the batch.
    pub(super) fn new(batch: &NewBatch<'_>, record: &UsageRecord<'a>) -> Self {
        let (outcome, subject) = (&record.outcome, &record.subject);
        Self {
            tenant_id: record.tenant.to_string(),
            started_at: record.started_at,
            request_id: record.request_id.to_string(),
            api_id: record.api_id.to_string(),
            stage: record.stage,
            deployment_id: text(record.deployment),
            verb: record.method,
            route: record.route,
            method: method(record),
            path: record.path,
            client_ip: text(record.client_ip),
            key_id: text(subject.key),
            usage_plan_id: text(subject.usage_plan),
            plan_id: text(subject.plan),
            subscription_id: text(subject.subscription),
            status: outcome.status,
            status_class: status_class(outcome.status),
            reason: outcome.reason.as_str(),
            flags: outcome.flags.bits(),
            quota_units: outcome.quota_units,
            billable_units: outcome.billable_units,
            lease_id: text(outcome.lease),
            latency_us: outcome.latency_us,
            latency_bucket: bucket(outcome.latency_us),
            upstream_us: outcome.upstream_us,
            bytes_in: outcome.bytes_in,
            bytes_out: outcome.bytes_out,
            fingerprint: fingerprint(record),
            gateway_id: batch.name.gateway.to_string(),
            incarnation_id: batch.name.incarnation.to_string(),
            stream: batch.name.stream,
            sequence: batch.name.sequence,
        }
    }
}

/// A number of rows.
#[derive(Debug, Row, Deserialize)]
pub(super) struct CountRow {
    pub(super) count: u64,
}

/// A name.
#[derive(Debug, Row, Deserialize)]
pub(super) struct NameRow {
    pub(super) name: String,
}

/// What records and rollups of a day must agree on.
#[derive(Debug, PartialEq, Eq, Row, Deserialize)]
pub(super) struct DaySums {
    requests: u64,
    quota_units: u64,
    billable_units: u64,
    bytes_in: u64,
    bytes_out: u64,
    fingerprint: u64,
}

/// A table of sums.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rollup {
    /// Its name.
    pub(super) table: &'static str,
    /// Its time column.
    pub(super) column: &'static str,
    /// The function from a call's time to that column.
    start_of: &'static str,
}

/// The rollups, by width.
pub(super) const ROLLUPS: [Rollup; 3] = [
    Rollup { table: "usage_minutes", column: "minute", start_of: "toStartOfMinute" },
    Rollup { table: "usage_hours", column: "hour", start_of: "toStartOfHour" },
    Rollup { table: "usage_days", column: "day", start_of: "toStartOfDay" },
];

const DIMENSIONS: &str =
    "api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class";

impl Rollup {
    const fn of(width: Width) -> Self {
        match width {
            Width::Minute => ROLLUPS[0],
            Width::Hour => ROLLUPS[1],
            Width::Day => ROLLUPS[2],
        }
    }

    /// Fills `{table}_rebuilt` with one day of records, summed as the materialized view sums them.
    pub(super) fn insert_day(&self) -> String {
        let Self { table, column, start_of } = self;
        format!(
            "INSERT INTO {table}_rebuilt (tenant_id, {column}, {DIMENSIONS}, requests, quota_units, billable_units, bytes_in, \
             bytes_out, fingerprint, latencyMap.bucket, latencyMap.calls) \
             SELECT tenant_id, toDateTime({start_of}(started_at), 'UTC') AS {column}, {DIMENSIONS}, \
             count(), sum(quota_units), sum(billable_units), sum(bytes_in), sum(bytes_out), sum(fingerprint), \
             sumMap([latency_bucket], [toUInt64(1)]).1, sumMap([latency_bucket], [toUInt64(1)]).2 \
             FROM usage_records WHERE toYYYYMMDD(started_at) = toYYYYMMDD(toDate(?)) \
             GROUP BY tenant_id, {column}, {DIMENSIONS}"
        )
    }
}

/// Sums of a query's steps and groups. One segment's values are bound as tenant, from, to (seconds) and the filter's lists.
pub(super) fn usage_sql(query: &UsageQuery) -> String {
    let step = match query.step_micros() {
        Some(step) => format!("intDiv(at, {0}) * {0}", step / 1_000_000),
        None => (query.from / 1_000_000).to_string(),
    };
    let parts: Vec<_> = query.segments().iter().map(|segment| segment_sql(query, segment)).collect();
    format!(
        "SELECT toInt64({step}) AS time, groups, sum(requests) AS requests, sum(quota_units) AS quota_units, \
         sum(billable_units) AS billable_units, sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out, \
         sum(fingerprint) AS fingerprint, sumMap(bucket_lists, call_lists).1 AS buckets, sumMap(bucket_lists, call_lists).2 AS calls \
         FROM ({}) GROUP BY time, groups ORDER BY time, groups LIMIT {}",
        parts.join(" UNION ALL "),
        MAX_ROWS + 1
    )
}

fn segment_sql(query: &UsageQuery, segment: &Segment) -> String {
    let rollup = Rollup::of(segment.width);
    let groups: Vec<_> =
        query.group_by.iter().map(|dimension| format!("toString({})", column(*dimension))).collect();
    let filters: Vec<_> = query
        .filter
        .keys()
        .map(|dimension| format!(" AND has(CAST(? AS Array(String)), toString({}))", column(*dimension)))
        .collect();
    format!(
        "SELECT toInt64(toUnixTimestamp({time})) AS at, CAST([{groups}] AS Array(String)) AS groups, requests, quota_units, \
         billable_units, bytes_in, bytes_out, fingerprint, latencyMap.bucket AS bucket_lists, latencyMap.calls AS call_lists \
         FROM {table} WHERE tenant_id = ? AND {time} >= toDateTime(?, 'UTC') AND {time} < toDateTime(?, 'UTC'){filters}",
        time = rollup.column,
        table = rollup.table,
        groups = groups.join(", "),
        filters = filters.concat(),
    )
}

/// Sums of one step and group.
#[derive(Debug, Row, Deserialize)]
pub(super) struct SumsRow {
    time: i64,
    groups: Vec<String>,
    requests: u64,
    quota_units: u64,
    billable_units: u64,
    bytes_in: u64,
    bytes_out: u64,
    fingerprint: u64,
    buckets: Vec<u16>,
    calls: Vec<u64>,
}

impl SumsRow {
    /// The sums with their histogram.
    pub(super) fn into_sums(self) -> UsageSums {
        let mut latency = Histogram::default();
        for (bucket, calls) in self.buckets.into_iter().zip(self.calls) {
            latency.add(bucket, calls);
        }
        let sums = Sums {
            requests: self.requests,
            quota_units: self.quota_units,
            billable_units: self.billable_units,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            fingerprint: self.fingerprint,
            latency,
        };
        UsageSums { time: self.time * 1_000_000, group: self.groups, sums }
    }
}

/// Single calls of a query. Tenant, from and to are bound first, then what [`filter_sql`] binds.
pub(super) fn log_sql(query: &LogQuery) -> String {
    let mut sql = "SELECT request_id, toUnixTimestamp64Micro(started_at) AS time, api_id, stage, verb, route, path, key_id, \
                   usage_plan_id, status, reason, quota_units, billable_units, latency_us, upstream_us, bytes_in, bytes_out, \
                   client_ip, flags FROM usage_records WHERE tenant_id = ? AND started_at >= fromUnixTimestamp64Micro(?, 'UTC') \
                   AND started_at < fromUnixTimestamp64Micro(?, 'UTC')"
        .to_owned();
    let conditions = [
        (query.key.is_some(), " AND key_id = ?"),
        (query.request_id.is_some(), " AND request_id = ?"),
        (query.api.is_some(), " AND api_id = ?"),
        (query.status_class.is_some(), " AND intDiv(status, 100) = ?"),
        (query.after.is_some(), " AND (started_at, request_id) < (fromUnixTimestamp64Micro(?, 'UTC'), ?)"),
    ];
    for (wanted, condition) in conditions {
        if wanted {
            sql.push_str(condition);
        }
    }
    sql.push_str(&format!(" ORDER BY started_at DESC, request_id DESC LIMIT {}", query.limit + 1));
    sql
}

/// Binds the values of the conditions of [`log_sql`], in its order.
pub(super) fn filter_sql(mut sql: Query, query: &LogQuery) -> Query {
    if let Some(key) = query.key {
        sql = sql.bind(key.to_string());
    }
    if let Some(id) = query.request_id {
        sql = sql.bind(id.to_string());
    }
    if let Some(api) = query.api {
        sql = sql.bind(api.to_string());
    }
    if let Some(class) = query.status_class {
        sql = sql.bind(class);
    }
    if let Some(after) = query.after {
        sql = sql.bind(after.time).bind(after.request_id.to_string());
    }
    sql
}

/// One call of the log.
#[derive(Debug, Row, Deserialize)]
pub(super) struct LoggedRow {
    request_id: String,
    time: i64,
    api_id: String,
    stage: String,
    verb: String,
    route: String,
    path: String,
    key_id: String,
    usage_plan_id: String,
    status: u16,
    reason: String,
    quota_units: u64,
    billable_units: u64,
    latency_us: u64,
    upstream_us: u64,
    bytes_in: u64,
    bytes_out: u64,
    client_ip: String,
    flags: u16,
}

impl LoggedRow {
    /// The call as the request log shows it.
    pub(super) fn into_logged(self) -> Result<LoggedRequest> {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let flags = Flags::from_bits(self.flags).unwrap_or_default();
        Ok(LoggedRequest {
            request_id: parsed(&self.request_id)?,
            time: time(self.time),
            api: some(self.api_id).as_deref().map(parsed).transpose()?,
            stage: self.stage,
            method: self.verb,
            route: self.route,
            path: self.path,
            key: some(self.key_id).as_deref().map(parsed).transpose()?,
            usage_plan: some(self.usage_plan_id).as_deref().map(parsed).transpose()?,
            status: self.status,
            reason: self.reason,
            quota_units: small(self.quota_units),
            billable_units: small(self.billable_units),
            latency_ms: small(self.latency_us / 1_000),
            upstream_ms: small(self.upstream_us / 1_000),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            client_ip: self.client_ip,
            throttle: flags.throttle(),
            interrupted: flags.contains(Flags::INTERRUPTED),
        })
    }
}
