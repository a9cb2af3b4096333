//! Usage: sums over calls.

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use contracts::metering::{self, QueryUsage, UsageDimension};
use serde_json::Value;

use super::call::call;
use super::cost;
use super::scalar::Long;

/// One dimension of usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "UsageDimension")]
pub(crate) enum UsageGroup {
    /// API id; `api` in `group`.
    Api,
    /// Stage name; `stage`.
    Stage,
    /// `VERB /resource/path`; `method`.
    Method,
    /// Key id; `key`.
    Key,
    /// Usage plan id; `usagePlan`.
    UsagePlan,
    /// Sold plan id; `plan`.
    Plan,
    /// Subscription id; `subscription`.
    Subscription,
    /// `2xx`, `4xx`, ...; `statusClass`.
    StatusClass,
}

/// The dimension's key in `group` and its field in `UsageFilter`.
const fn group_name(dimension: UsageDimension) -> &'static str {
    match dimension {
        UsageDimension::Api => "api",
        UsageDimension::Stage => "stage",
        UsageDimension::Method => "method",
        UsageDimension::Key => "key",
        UsageDimension::UsagePlan => "usagePlan",
        UsageDimension::Plan => "plan",
        UsageDimension::Subscription => "subscription",
        UsageDimension::StatusClass => "statusClass",
    }
}

/// Width of a row of usage, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "metering::UsageStep")]
pub(crate) enum UsageStep {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A UTC day.
    Day,
    /// The whole range in one row.
    Total,
}

/// Values to keep, per dimension; everything when absent.
#[derive(Default, InputObject)]
pub(crate) struct UsageFilter {
    /// API ids.
    api: Option<Vec<ID>>,
    /// Stage names.
    stage: Option<Vec<String>>,
    /// Methods as `VERB /resource/path`.
    method: Option<Vec<String>>,
    /// Key ids.
    key: Option<Vec<ID>>,
    /// Usage plan ids.
    usage_plan: Option<Vec<ID>>,
    /// Sold plan ids.
    plan: Option<Vec<ID>>,
    /// Subscription ids.
    subscription: Option<Vec<ID>>,
    /// `2xx`, `4xx`, ...
    status_class: Option<Vec<String>>,
}

impl UsageFilter {
    pub(super) fn read(self) -> BTreeMap<UsageDimension, Vec<String>> {
        let texts = |ids: Option<Vec<ID>>| ids.map(|ids| ids.into_iter().map(|id| id.0).collect::<Vec<_>>());
        let wanted = [
            (UsageDimension::Api, texts(self.api)),
            (UsageDimension::Stage, self.stage),
            (UsageDimension::Method, self.method),
            (UsageDimension::Key, texts(self.key)),
            (UsageDimension::UsagePlan, texts(self.usage_plan)),
            (UsageDimension::Plan, texts(self.plan)),
            (UsageDimension::Subscription, texts(self.subscription)),
            (UsageDimension::StatusClass, self.status_class),
        ];
        wanted.into_iter().filter_map(|(dimension, values)| Some((dimension, values?))).collect()
    }
}

/// Usage with its completeness.
#[derive(SimpleObject)]
pub(crate) struct Usage {
    /// Rows with calls in them, by time, then group.
    #[graphql(complexity = "cost::flat(child_complexity)")]
    rows: Vec<UsageRow>,
    /// Everything up to here is counted, from every gateway.
    as_of: DateTime<Utc>,
    /// Whether `asOf` has reached the end of the range.
    complete: bool,
}

impl From<metering::Usage> for Usage {
    fn from(usage: metering::Usage) -> Self {
        Self {
            rows: usage.rows.into_iter().map(UsageRow::from).collect(),
            as_of: usage.as_of,
            complete: usage.complete,
        }
    }
}

/// Usage in one step and group.
#[derive(SimpleObject)]
pub(crate) struct UsageRow {
    /// Start of the step.
    time: DateTime<Utc>,
    /// Value per requested dimension, for example `{"api": "…", "statusClass": "2xx"}`; empty text where calls have
    /// none (no key, no plan).
    group: Json<serde_json::Map<String, Value>>,
    /// Calls, refused ones included.
    requests: Long,
    /// Units that counted against quotas.
    quota_units: Long,
    /// Units that are billed.
    billable_units: Long,
    /// Median latency in milliseconds, within 2 %.
    p50_ms: f64,
    /// 95th percentile.
    p95_ms: f64,
    /// 99th percentile.
    p99_ms: f64,
    /// Bytes of request bodies.
    bytes_in: Long,
    /// Bytes of response bodies.
    bytes_out: Long,
}

impl From<metering::UsageRow> for UsageRow {
    fn from(row: metering::UsageRow) -> Self {
        let group =
            row.group.into_iter().map(|(dimension, value)| (group_name(dimension).to_owned(), value.into()));
        Self {
            time: row.time,
            group: Json(group.collect()),
            requests: row.requests.into(),
            quota_units: row.quota_units.into(),
            billable_units: row.billable_units.into(),
            p50_ms: row.p50_ms,
            p95_ms: row.p95_ms,
            p99_ms: row.p99_ms,
            bytes_in: row.bytes_in.into(),
            bytes_out: row.bytes_out.into(),
        }
    }
}

#[derive(Default)]
pub(crate) struct UsageQuery;

#[Object]
impl UsageQuery {
    /// Sums over the calls of `[from, to)`, widened to whole minutes: at most 400 days and 20,000 rows.
    #[graphql(complexity = "cost::heavy(child_complexity)")]
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Start, inclusive.")] from: DateTime<Utc>,
        #[graphql(desc = "End, exclusive.")] to: DateTime<Utc>,
        #[graphql(desc = "Width of a row; the whole range when absent.")] step: Option<UsageStep>,
        #[graphql(desc = "What to group by: at most 4.")] group_by: Option<Vec<UsageGroup>>,
        filter: Option<UsageFilter>,
    ) -> Result<Usage> {
        let request = QueryUsage {
            from,
            to,
            step: step.map_or(metering::UsageStep::Total, Into::into),
            group_by: group_by.unwrap_or_default().into_iter().map(Into::into).collect(),
            filter: filter.unwrap_or_default().read(),
        };
        Ok(call(ctx, request).await?.into())
    }
}
