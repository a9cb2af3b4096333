//! The columns of exported files, and rows of what metering answers.

use chrono::{DateTime, Utc};
use contracts::metering::{LoggedRequest, UsageDimension, UsageRow};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Time,
    Text,
    Integer,
    Number,
    Flag,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// A value. Where there is none, a text is empty.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Time(DateTime<Utc>),
    Text(String),
    Integer(u64),
    Number(f64),
    Flag(bool),
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

/// The columns of single calls.
pub(super) const REQUESTS: [Column; 21] = [
    column("request_id", Kind::Text),
    column("time", Kind::Time),
    column("api", Kind::Text),
    column("stage", Kind::Text),
    column("method", Kind::Text),
    column("route", Kind::Text),
    column("path", Kind::Text),
    column("key", Kind::Text),
    column("usage_plan", Kind::Text),
    column("plan", Kind::Text),
    column("subscription", Kind::Text),
    column("status", Kind::Integer),
    column("reason", Kind::Text),
    column("quota_units", Kind::Integer),
    column("billable_units", Kind::Integer),
    column("latency_ms", Kind::Integer),
    column("upstream_ms", Kind::Integer),
    column("bytes_in", Kind::Integer),
    column("bytes_out", Kind::Integer),
    column("client_ip", Kind::Text),
    column("interrupted", Kind::Flag),
];

/// Rows of [`REQUESTS`].
pub(super) fn requests(calls: &[LoggedRequest]) -> Vec<Vec<Cell>> {
    fn id(id: Option<impl ToString>) -> Cell {
        Cell::Text(id.map(|id| id.to_string()).unwrap_or_default())
    }
    let row = |call: &LoggedRequest| {
        let text = |text: &String| Cell::Text(text.clone());
        vec![
            id(Some(call.request_id)),
            Cell::Time(call.time),
            id(call.api),
            text(&call.stage),
            text(&call.method),
            text(&call.route),
            text(&call.path),
            id(call.key),
            id(call.usage_plan),
            id(call.plan),
            id(call.subscription),
            Cell::Integer(call.status.into()),
            text(&call.reason),
            Cell::Integer(call.quota_units.into()),
            Cell::Integer(call.billable_units.into()),
            Cell::Integer(call.latency_ms.into()),
            Cell::Integer(call.upstream_ms.into()),
            Cell::Integer(call.bytes_in),
            Cell::Integer(call.bytes_out),
            text(&call.client_ip),
            Cell::Flag(call.interrupted),
        ]
    };
    calls.iter().map(row).collect()
}

/// The name of a dimension in files and in the query of an export.
pub(super) const fn dimension(dimension: UsageDimension) -> &'static str {
    match dimension {
        UsageDimension::Api => "api",
        UsageDimension::Stage => "stage",
        UsageDimension::Method => "method",
        UsageDimension::Key => "key",
        UsageDimension::UsagePlan => "usage_plan",
        UsageDimension::Plan => "plan",
        UsageDimension::Subscription => "subscription",
        UsageDimension::StatusClass => "status_class",
    }
}

/// The columns of usage by these dimensions.
pub(super) fn usage_columns(groups: &[UsageDimension]) -> Vec<Column> {
    let groups = groups.iter().map(|group| column(dimension(*group), Kind::Text));
    let numbers = ["requests", "quota_units", "billable_units", "bytes_in", "bytes_out"];
    let latencies = ["p50_ms", "p95_ms", "p99_ms"];
    [column("time", Kind::Time)]
        .into_iter()
        .chain(groups)
        .chain(numbers.map(|name| column(name, Kind::Integer)))
        .chain(latencies.map(|name| column(name, Kind::Number)))
        .collect()
}

/// Rows of [`usage_columns`].
pub(super) fn usage_rows(groups: &[UsageDimension], rows: &[UsageRow]) -> Vec<Vec<Cell>> {
    let cells = |row: &UsageRow| {
        let groups = groups.iter().map(|group| Cell::Text(row.group.get(group).cloned().unwrap_or_default()));
        let numbers = [row.requests, row.quota_units, row.billable_units, row.bytes_in, row.bytes_out];
        [Cell::Time(row.time)]
            .into_iter()
            .chain(groups)
            .chain(numbers.map(Cell::Integer))
            .chain([row.p50_ms, row.p95_ms, row.p99_ms].map(Cell::Number))
            .collect()
    };
    rows.iter().map(cells).collect()
}
