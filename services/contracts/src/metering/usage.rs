//! Usage as sums, and the single calls behind them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use common::id::{ApiId, KeyId, PlanId, RequestId, SubscriptionId, UsagePlanId};
use common::{Page, PageArgs};
use serde::{Deserialize, Serialize};

use crate::call;
use crate::record::{Reason, ThrottleScope};

/// One dimension of usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageDimension {
    /// API id.
    Api,
    /// Stage name.
    Stage,
    /// `VERB /resource/path`.
    Method,
    /// Key id.
    Key,
    /// Usage plan id.
    UsagePlan,
    /// Sold plan id.
    Plan,
    /// Subscription id.
    Subscription,
    /// `2xx`, `4xx`, ...
    StatusClass,
}

/// Width of a row of usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageStep {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A UTC day.
    Day,
    /// The whole range in one row.
    Total,
}

/// Sums over the records of `[from, to)`. Bounds are widened to whole minutes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryUsage {
    /// Start, inclusive.
    pub from: DateTime<Utc>,
    /// End, exclusive; at most 400 days after `from`, at most 20,000 rows.
    pub to: DateTime<Utc>,
    /// Width of a row.
    pub step: UsageStep,
    /// What to group by: at most 4.
    pub group_by: Vec<UsageDimension>,
    /// Values to keep, per dimension.
    pub filter: BTreeMap<UsageDimension, Vec<String>>,
}
call!(QueryUsage => Usage, Metering, Tenant(UsageRead), from [Admin, Portal]);

/// Usage with its completeness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Rows with calls in them, by time, then group.
    pub rows: Vec<UsageRow>,
    /// Everything up to here is counted, from every registered gateway.
    pub as_of: DateTime<Utc>,
    /// Whether `as_of` has reached the end of the range.
    pub complete: bool,
}

/// Usage in one step and group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageRow {
    /// Start of the step.
    pub time: DateTime<Utc>,
    /// Value per requested dimension; empty text where a record has none (no key, no plan).
    pub group: BTreeMap<UsageDimension, String>,
    /// Calls, refused ones included.
    pub requests: u64,
    /// Units that counted against quotas.
    pub quota_units: u64,
    /// Units that are billed.
    pub billable_units: u64,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
    /// Median latency in milliseconds, within 2 %.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
}

/// Which single calls are meant. With a row of usage, its filter, its group, its time and its step this names the very calls
/// that the row counts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestFilter {
    /// Only this call.
    pub request_id: Option<RequestId>,
    /// Values to keep, per dimension, as in [`QueryUsage`]: at most 100 each; empty text for calls that have none.
    pub dimensions: BTreeMap<UsageDimension, Vec<String>>,
    /// Only these statuses, at most 100; none = all.
    pub statuses: Vec<u16>,
    /// Only calls that ended for these reasons; none = all.
    pub reasons: Vec<Reason>,
    /// Only calls that took at least so many milliseconds.
    pub min_latency_ms: Option<u32>,
    /// Start, inclusive; absent = one day before `to`, or any time where the call is named.
    pub from: Option<DateTime<Utc>>,
    /// End, exclusive; absent = now.
    pub to: Option<DateTime<Utc>>,
}

/// Single calls, newest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct QueryRequestLog {
    /// Which.
    pub filter: RequestFilter,
    /// Which page.
    pub page: PageArgs,
}
call!(QueryRequestLog => Page<LoggedRequest>, Metering, Tenant(RequestLogRead));

/// The sums of single calls: what a row of usage says that counts the same calls.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SumRequestLog {
    /// Which.
    pub filter: RequestFilter,
}
call!(SumRequestLog => RequestSums, Metering, Tenant(RequestLogRead));

/// Sums over single calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestSums {
    /// Calls.
    pub requests: u64,
    /// Units that counted against quotas.
    pub quota_units: u64,
    /// Units that are billed.
    pub billable_units: u64,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
}

/// Single calls in large parts, newest first, to be written to a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ExportRequestLog {
    /// Which.
    pub filter: RequestFilter,
    /// The `next` of the part before; absent for the first part.
    pub after: Option<String>,
}
call!(ExportRequestLog => Page<LoggedRequest>, Metering, Tenant(RequestLogRead));

/// One call as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// The call, as `x-amzn-RequestId` named it.
    pub request_id: RequestId,
    /// When it was admitted or refused.
    pub time: DateTime<Utc>,
    /// The API; absent when no API matched.
    pub api: Option<ApiId>,
    /// The stage.
    pub stage: String,
    /// Verb.
    pub method: String,
    /// Resource path that matched; empty when none did.
    pub route: String,
    /// Path as it was asked for, without the query.
    pub path: String,
    /// The key; absent when none was recognised.
    pub key: Option<KeyId>,
    /// The usage plan.
    pub usage_plan: Option<UsagePlanId>,
    /// The sold plan.
    pub plan: Option<PlanId>,
    /// The subscription.
    pub subscription: Option<SubscriptionId>,
    /// Status sent to the client.
    pub status: u16,
    /// Stable name of the outcome, `ok` or the refusal's reason as in `x-tollgate-reason`.
    pub reason: String,
    /// Units that counted against the quota.
    pub quota_units: u32,
    /// Units that are billed.
    pub billable_units: u32,
    /// Milliseconds in the gateway, the backend included.
    pub latency_ms: u32,
    /// Milliseconds the backend took; 0 when it was not called.
    pub upstream_ms: u32,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the response body.
    pub bytes_out: u64,
    /// Client address.
    pub client_ip: String,
    /// Which throttle refused the call, if one did.
    pub throttle: Option<ThrottleScope>,
    /// Whether the gateway died during the call.
    pub interrupted: bool,
}
