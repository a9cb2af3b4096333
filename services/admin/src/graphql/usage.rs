//! Usage and the request log.

use std::collections::BTreeMap;

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Json, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use common::Error;
use contracts::metering::{self, QueryRequestLog, QueryUsage, UsageDimension};
use contracts::record;
use serde_json::Value;

use super::api_keys::ApiKey;
use super::apis::Api;
use super::call::{call, optional_id, page};
use super::connection::Connection;
use super::cost;
use super::references::references;
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
    fn read(self) -> BTreeMap<UsageDimension, Vec<String>> {
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

/// One call as it was recorded.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct LoggedRequest {
    /// The call, as `x-amzn-RequestId` named it.
    request_id: ID,
    /// When it was admitted or refused.
    time: DateTime<Utc>,
    /// The API; absent when no API matched.
    api_id: Option<ID>,
    /// The stage.
    stage: String,
    /// Verb.
    method: String,
    /// Resource path that matched; empty when none did.
    route: String,
    /// Path as it was asked for, without the query.
    path: String,
    /// The key; absent when none was recognised.
    key_id: Option<ID>,
    /// The usage plan.
    usage_plan_id: Option<ID>,
    /// Status sent to the client.
    status: u16,
    /// Stable name of the outcome, `ok` or the refusal's reason as in `x-tollgate-reason`.
    reason: String,
    /// Units that counted against the quota.
    quota_units: Long,
    /// Units that are billed.
    billable_units: Long,
    /// Milliseconds in the gateway, the backend included.
    latency_ms: Long,
    /// Milliseconds the backend took; 0 when it was not called.
    upstream_ms: Long,
    /// Bytes of the request body.
    bytes_in: Long,
    /// Bytes of the response body.
    bytes_out: Long,
    /// Client address.
    client_ip: String,
    /// Which throttle refused the call; absent when none did.
    throttle: Option<ThrottleScope>,
    /// Whether the gateway died during the call.
    interrupted: bool,
}

/// What a throttle holds for, in the order in which they are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "record::ThrottleScope")]
pub(crate) enum ThrottleScope {
    /// A key calling one method: the usage plan's throttle of that method.
    KeyMethod,
    /// A key: the usage plan's throttle.
    Key,
    /// One method of a stage, all keys together.
    Method,
    /// A stage, all keys together.
    Stage,
    /// The organization, all its APIs together.
    Tenant,
}

#[ComplexObject]
impl LoggedRequest {
    /// The API; absent when no API matched or it is gone.
    async fn api(&self, ctx: &Context<'_>) -> Result<Option<Api>> {
        match &self.api_id {
            Some(id) => references(ctx)?.api(id).await,
            None => Ok(None),
        }
    }

    /// The key; absent when none was recognised.
    async fn key(&self, ctx: &Context<'_>) -> Result<Option<ApiKey>> {
        match &self.key_id {
            Some(id) => references(ctx)?.api_key(id).await,
            None => Ok(None),
        }
    }
}

impl From<metering::LoggedRequest> for LoggedRequest {
    fn from(entry: metering::LoggedRequest) -> Self {
        Self {
            request_id: entry.request_id.into(),
            time: entry.time,
            api_id: entry.api.map(ID::from),
            stage: entry.stage,
            method: entry.method,
            route: entry.route,
            path: entry.path,
            key_id: entry.key.map(ID::from),
            usage_plan_id: entry.usage_plan.map(ID::from),
            status: entry.status,
            reason: entry.reason,
            quota_units: Long(entry.quota_units.into()),
            billable_units: Long(entry.billable_units.into()),
            latency_ms: Long(entry.latency_ms.into()),
            upstream_ms: Long(entry.upstream_ms.into()),
            bytes_in: entry.bytes_in.into(),
            bytes_out: entry.bytes_out.into(),
            client_ip: entry.client_ip,
            throttle: entry.throttle.map(Into::into),
            interrupted: entry.interrupted,
        }
    }
}

/// `2xx` or `2` as the class's number.
fn read_status_class(text: &str) -> common::Result<u8> {
    let digit = text.strip_suffix("xx").unwrap_or(text);
    match digit.parse() {
        Ok(class @ 1..=5) => Ok(class),
        _ => Err(Error::invalid("statusClass", "must be 1xx, 2xx, 3xx, 4xx or 5xx")),
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

    /// Single calls, newest first.
    #[expect(clippy::too_many_arguments, reason = "each is a filter of its own in the schema")]
    #[graphql(complexity = "cost::page(first, child_complexity)")]
    async fn request_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only calls with this key.")] key: Option<ID>,
        #[graphql(desc = "Only this call.")] request_id: Option<ID>,
        #[graphql(desc = "Only calls to this API.")] api: Option<ID>,
        #[graphql(desc = "Only this status class, for example `4xx`.")] status_class: Option<String>,
        #[graphql(desc = "Start, inclusive; one day before `to` when absent.")] from: Option<DateTime<Utc>>,
        #[graphql(desc = "End, exclusive; now when absent.")] to: Option<DateTime<Utc>>,
        first: Option<u32>,
        after: Option<String>,
    ) -> Result<Connection<LoggedRequest>> {
        let request = QueryRequestLog {
            key: optional_id("key", key.as_ref())?,
            request_id: optional_id("requestId", request_id.as_ref())?,
            api: optional_id("api", api.as_ref())?,
            status_class: status_class.as_deref().map(read_status_class).transpose()?,
            from,
            to,
            page: page(first, after)?,
        };
        Ok(call(ctx, request).await?.into())
    }
}
