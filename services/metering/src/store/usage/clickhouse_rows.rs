//! Rows and queries of the ClickHouse usage tables.

use ::clickhouse::query::Query;
use ::clickhouse::{Row, error::Error as ClickHouseError};
use common::id::TenantId;
use common::{Error, Result};
use contracts::metering::{LoggedRequest, RequestSums};
use contracts::record::{Flags, UsageRecord};
use serde::{Deserialize, Serialize};

use super::NewBatch;
use super::sqlite_rows::small;
use crate::domain::latency::{Histogram, bucket};
use crate::domain::rollup::{
    DIMENSIONS, MEASURE_COLUMNS, MEASURES, Sums, Width, column, fingerprint, method, status_class, text,
};
use crate::domain::usage::{LogFilter, LogQuery, MAX_ROWS, Segment, UsageQuery, UsageSums};
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
    spend_micros: u64,
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
            spend_micros: outcome.spend_micros,
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
    numbers: Vec<u64>,
}

/// What is summed over records, in the order of [`MEASURE_COLUMNS`].
pub(super) const RECORD_MEASURES: [&str; MEASURES] = [
    "count()",
    "sum(quota_units)",
    "sumIf(quota_units, bitTest(flags, 3))",
    "sumIf(quota_units, bitTest(flags, 4))",
    "sumIf(quota_units, bitTest(flags, 5))",
    "sum(billable_units)",
    "sum(spend_micros)",
    "sum(bytes_in)",
    "sum(bytes_out)",
    "sum(fingerprint)",
];

/// What is summed over rows of a rollup, in the same order.
pub(super) fn rollup_measures() -> [String; MEASURES] {
    MEASURE_COLUMNS.map(|column| format!("sum({column})"))
}

/// The function from a call's time to the row of the rollup that it is in.
pub(super) const fn start_of(width: Width) -> &'static str {
    match width {
        Width::Minute => "toStartOfMinute",
        Width::Hour => "toStartOfHour",
        Width::Day => "toStartOfDay",
    }
}

/// Fills `{table}_rebuilt` with one day of records, summed as the materialized view sums them; tenants whose records are gone
/// keep their sums. `intact` and `gone` are conditions on the tenant; the day is bound to each half.
pub(super) fn insert_day(width: Width, intact: &str, gone: &str) -> String {
    let (table, time, start_of) = (width.table(), width.column(), start_of(width));
    let (columns, measures) = (MEASURE_COLUMNS.join(", "), RECORD_MEASURES.join(", "));
    format!(
        "INSERT INTO {table}_rebuilt (tenant_id, {time}, {DIMENSIONS}, {columns}, latencyMap.bucket, latencyMap.calls) \
         SELECT tenant_id, toDateTime({start_of}(started_at), 'UTC') AS {time}, {DIMENSIONS}, {measures}, \
         sumMap([latency_bucket], [toUInt64(1)]).1, sumMap([latency_bucket], [toUInt64(1)]).2 \
         FROM usage_records WHERE toYYYYMMDD(started_at) = toYYYYMMDD(toDate(?)) AND {intact} \
         GROUP BY tenant_id, {time}, {DIMENSIONS} UNION ALL \
         SELECT tenant_id, {time}, {DIMENSIONS}, {columns}, latencyMap.bucket, latencyMap.calls FROM {table} \
         WHERE toYYYYMMDD({time}) = toYYYYMMDD(toDate(?)) AND {gone}"
    )
}

/// Sums of a query's steps and groups. One segment's values are bound as tenant, from, to (seconds) and the filter's lists.
pub(super) fn usage_sql(query: &UsageQuery) -> String {
    let step = match query.step_micros() {
        Some(step) => format!("intDiv(at, {0}) * {0}", step / 1_000_000),
        None => (query.from / 1_000_000).to_string(),
    };
    let parts: Vec<_> = query.segments().iter().map(|segment| segment_sql(query, segment)).collect();
    format!(
        "SELECT toInt64({step}) AS time, groups, [{}] AS numbers, sumMap(bucket_lists, call_lists).1 AS buckets, \
         sumMap(bucket_lists, call_lists).2 AS calls \
         FROM ({}) GROUP BY time, groups ORDER BY time, groups LIMIT {}",
        rollup_measures().join(", "),
        parts.join(" UNION ALL "),
        MAX_ROWS + 1
    )
}

fn segment_sql(query: &UsageQuery, segment: &Segment) -> String {
    let groups: Vec<_> =
        query.group_by.iter().map(|dimension| format!("toString({})", column(*dimension))).collect();
    let filters: Vec<_> = query
        .filter
        .keys()
        .map(|dimension| format!(" AND has(CAST(? AS Array(String)), toString({}))", column(*dimension)))
        .collect();
    format!(
        "SELECT toInt64(toUnixTimestamp({time})) AS at, CAST([{groups}] AS Array(String)) AS groups, {measures}, \
         latencyMap.bucket AS bucket_lists, latencyMap.calls AS call_lists \
         FROM {table} WHERE tenant_id = ? AND {time} >= toDateTime(?, 'UTC') AND {time} < toDateTime(?, 'UTC'){filters}",
        time = segment.width.column(),
        table = segment.width.table(),
        groups = groups.join(", "),
        measures = MEASURE_COLUMNS.join(", "),
        filters = filters.concat(),
    )
}

/// Sums of one step and group.
#[derive(Debug, Row, Deserialize)]
pub(super) struct SumsRow {
    time: i64,
    groups: Vec<String>,
    numbers: Vec<u64>,
    buckets: Vec<u16>,
    calls: Vec<u64>,
}

impl SumsRow {
    /// The sums with their histogram.
    pub(super) fn into_sums(self) -> Result<UsageSums> {
        let mut latency = Histogram::default();
        for (bucket, calls) in self.buckets.into_iter().zip(self.calls) {
            latency.add(bucket, calls);
        }
        let sums = Sums::from_numbers(numbers(self.numbers)?, latency);
        Ok(UsageSums { time: self.time * 1_000_000, group: self.groups, sums })
    }
}

/// An array of sums as ClickHouse answers it.
pub(super) fn numbers(list: Vec<u64>) -> Result<[u64; MEASURES]> {
    list.try_into().map_err(|_| Error::internal("ClickHouse answered another number of sums"))
}

/// Single calls of a query. [`bind_log`] binds its values.
pub(super) fn log_sql(query: &LogQuery) -> String {
    let after = match query.after {
        Some(_) => " AND (started_at, request_id) < (fromUnixTimestamp64Micro(?, 'UTC'), ?)",
        None => "",
    };
    format!(
        "SELECT request_id, toUnixTimestamp64Micro(started_at) AS time, api_id, stage, verb, route, path, key_id, \
         usage_plan_id, plan_id, subscription_id, status, reason, quota_units, billable_units, latency_us, upstream_us, \
         bytes_in, bytes_out, client_ip, flags FROM usage_records WHERE {}{after} \
         ORDER BY started_at DESC, request_id DESC LIMIT {}",
        log_condition(&query.filter),
        query.limit + 1
    )
}

/// Binds the values of [`log_sql`].
pub(super) fn bind_log(sql: Query, tenant: TenantId, query: &LogQuery) -> Query {
    let sql = bind_filter(sql, tenant, &query.filter);
    match query.after {
        Some(after) => sql.bind(after.time).bind(after.request_id.to_string()),
        None => sql,
    }
}

/// Sums over the single calls of a filter. [`bind_filter`] binds its values.
pub(super) fn log_sums_sql(filter: &LogFilter) -> String {
    format!(
        "SELECT count() AS requests, sum(quota_units) AS quota_units, sum(billable_units) AS billable_units, \
         sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out FROM usage_records WHERE {}",
        log_condition(filter)
    )
}

fn log_condition(filter: &LogFilter) -> String {
    let mut condition = "tenant_id = ? AND started_at >= fromUnixTimestamp64Micro(?, 'UTC') \
                         AND started_at < fromUnixTimestamp64Micro(?, 'UTC')"
        .to_owned();
    let conditions = [
        (filter.request_id.is_some(), " AND request_id = ?"),
        (!filter.statuses.is_empty(), " AND status IN ?"),
        (!filter.reasons.is_empty(), " AND reason IN ?"),
        (filter.min_latency_us > 0, " AND latency_us >= ?"),
    ];
    for (wanted, text) in conditions {
        if wanted {
            condition.push_str(text);
        }
    }
    for (dimension, wanted) in &filter.dimensions {
        // Nothing is among no values; ClickHouse refuses an empty list.
        let text = if wanted.is_empty() {
            " AND 1 = 0".to_owned()
        } else {
            format!(" AND {} IN ?", column(*dimension))
        };
        condition.push_str(&text);
    }
    condition
}

/// Binds the values of a filter.
pub(super) fn bind_filter(sql: Query, tenant: TenantId, filter: &LogFilter) -> Query {
    let mut sql = sql.bind(tenant.to_string()).bind(filter.from).bind(filter.to);
    if let Some(id) = filter.request_id {
        sql = sql.bind(id.to_string());
    }
    if !filter.statuses.is_empty() {
        sql = sql.bind(&filter.statuses);
    }
    if !filter.reasons.is_empty() {
        let names: Vec<_> = filter.reasons.iter().map(|reason| reason.as_str()).collect();
        sql = sql.bind(names);
    }
    if filter.min_latency_us > 0 {
        sql = sql.bind(filter.min_latency_us);
    }
    for wanted in filter.dimensions.values().filter(|wanted| !wanted.is_empty()) {
        sql = sql.bind(wanted);
    }
    sql
}

/// [`RequestSums`] as ClickHouse answers them.
#[derive(Debug, Row, Deserialize)]
pub(super) struct LogSumsRow {
    requests: u64,
    quota_units: u64,
    billable_units: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl From<LogSumsRow> for RequestSums {
    fn from(row: LogSumsRow) -> Self {
        let LogSumsRow { requests, quota_units, billable_units, bytes_in, bytes_out } = row;
        Self { requests, quota_units, billable_units, bytes_in, bytes_out }
    }
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
    plan_id: String,
    subscription_id: String,
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
            plan: some(self.plan_id).as_deref().map(parsed).transpose()?,
            subscription: some(self.subscription_id).as_deref().map(parsed).transpose()?,
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
