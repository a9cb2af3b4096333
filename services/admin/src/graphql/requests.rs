//! Single calls: from a number of usage to the calls it counts, and how long they are kept.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use common::Error;
use common::id::{ApiId, KeyId};
use contracts::ledger::{self, GetRecordRetention, PutRecordRetention};
use contracts::metering::{self, QueryRequestLog, SumRequestLog, UsageDimension};
use contracts::record::{self, Reason};

use super::api_keys::ApiKey;
use super::apis::Api;
use super::call::{call, optional_id, page};
use super::connection::Connection;
use super::cost;
use super::references::references;
use super::refusal::{Refusal, refusable, settle};
use super::scalar::Long;
use super::usage::UsageFilter;

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
    /// The sold plan.
    plan_id: Option<ID>,
    /// The subscription.
    subscription_id: Option<ID>,
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
    /// Whether the gateway died during the call.
    interrupted: bool,
    /// Which throttle refused the call; absent when none did.
    throttle: Option<ThrottleScope>,
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
            plan_id: entry.plan.map(ID::from),
            subscription_id: entry.subscription.map(ID::from),
            status: entry.status,
            reason: entry.reason,
            quota_units: Long(entry.quota_units.into()),
            billable_units: Long(entry.billable_units.into()),
            latency_ms: Long(entry.latency_ms.into()),
            upstream_ms: Long(entry.upstream_ms.into()),
            bytes_in: entry.bytes_in.into(),
            bytes_out: entry.bytes_out.into(),
            client_ip: entry.client_ip,
            interrupted: entry.interrupted,
            throttle: entry.throttle.map(Into::into),
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
pub(crate) struct RequestQuery;

#[Object]
impl RequestQuery {
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
        #[graphql(desc = "Further conditions.")] filter: Option<RequestFilter>,
        first: Option<u32>,
        after: Option<String>,
    ) -> Result<Connection<LoggedRequest>> {
        let mut filter = filter.unwrap_or_default().read()?;
        narrow(&mut filter, key.as_ref(), request_id.as_ref(), api.as_ref(), status_class.as_deref())?;
        filter.from = from.or(filter.from);
        filter.to = to.or(filter.to);
        let request = QueryRequestLog { filter, page: page(first, after)? };
        Ok(call(ctx, request).await?.into())
    }

    /// The sums of single calls. With a usage row's filter, group, time and step, what the row says.
    #[graphql(complexity = "cost::heavy(child_complexity)")]
    async fn request_sums(&self, ctx: &Context<'_>, filter: RequestFilter) -> Result<RequestSums> {
        Ok(call(ctx, SumRequestLog { filter: filter.read()? }).await?.into())
    }

    /// How long the organization's single calls are kept. Sums are kept for ever.
    #[graphql(complexity = "cost::CALL + child_complexity")]
    async fn record_retention(&self, ctx: &Context<'_>) -> Result<RecordRetention> {
        Ok(call(ctx, GetRecordRetention {}).await?.into())
    }
}

/// Adds the conditions that have arguments of their own.
fn narrow(
    filter: &mut metering::RequestFilter,
    key: Option<&ID>,
    request_id: Option<&ID>,
    api: Option<&ID>,
    status_class: Option<&str>,
) -> common::Result<()> {
    let key: Option<KeyId> = optional_id("key", key)?;
    let api: Option<ApiId> = optional_id("api", api)?;
    let class = status_class.map(read_status_class).transpose()?;
    if let Some(id) = optional_id("requestId", request_id)? {
        filter.request_id = Some(id);
    }
    let wanted = [
        (UsageDimension::Key, key.map(|key| key.to_string())),
        (UsageDimension::Api, api.map(|api| api.to_string())),
        (UsageDimension::StatusClass, class.map(|class| format!("{class}xx"))),
    ];
    for (dimension, value) in wanted {
        let Some(value) = value else { continue };
        filter.dimensions.insert(dimension, vec![value]);
    }
    Ok(())
}

/// Which single calls are meant.
#[derive(Default, InputObject)]
pub(crate) struct RequestFilter {
    /// Only this call.
    request_id: Option<ID>,
    /// Values to keep, per dimension, as in `usage`; empty text for calls that have none.
    calls: Option<UsageFilter>,
    /// Only these statuses; 0 where none was sent.
    status: Option<Vec<u16>>,
    /// Only calls that ended for these reasons, as in `x-tollgate-reason`; `ok` for those that were answered.
    reason: Option<Vec<String>>,
    /// Only calls that took at least so many milliseconds.
    min_latency_ms: Option<u32>,
    /// Start, inclusive; one day before `to` when absent.
    from: Option<DateTime<Utc>>,
    /// End, exclusive; now when absent.
    to: Option<DateTime<Utc>>,
}

impl RequestFilter {
    fn read(self) -> common::Result<metering::RequestFilter> {
        let reason = |name: &String| {
            name.parse::<Reason>().map_err(|unknown| Error::invalid("filter.reason", unknown.to_string()))
        };
        Ok(metering::RequestFilter {
            request_id: optional_id("filter.requestId", self.request_id.as_ref())?,
            dimensions: self.calls.unwrap_or_default().read(),
            statuses: self.status.unwrap_or_default(),
            reasons: self.reason.unwrap_or_default().iter().map(reason).collect::<common::Result<_>>()?,
            min_latency_ms: self.min_latency_ms,
            from: self.from,
            to: self.to,
        })
    }
}

/// Sums over single calls.
#[derive(SimpleObject)]
pub(crate) struct RequestSums {
    /// Calls.
    requests: Long,
    /// Units that counted against quotas.
    quota_units: Long,
    /// Units that are billed.
    billable_units: Long,
    /// Bytes of request bodies.
    bytes_in: Long,
    /// Bytes of response bodies.
    bytes_out: Long,
}

impl From<metering::RequestSums> for RequestSums {
    fn from(sums: metering::RequestSums) -> Self {
        Self {
            requests: sums.requests.into(),
            quota_units: sums.quota_units.into(),
            billable_units: sums.billable_units.into(),
            bytes_in: sums.bytes_in.into(),
            bytes_out: sums.bytes_out.into(),
        }
    }
}

/// How long an organization's single calls are kept.
#[derive(SimpleObject)]
pub(crate) struct RecordRetention {
    /// Days in force, today not counted.
    days: u32,
    /// Days when the organization does not choose.
    default_days: u32,
    /// Whether the organization chose.
    chosen: bool,
    /// Single calls before this may be gone; absent while all are there.
    removed_before: Option<DateTime<Utc>>,
}

impl From<ledger::RecordRetention> for RecordRetention {
    fn from(retention: ledger::RecordRetention) -> Self {
        let ledger::RecordRetention { days, default_days, chosen, removed_before } = retention;
        Self { days, default_days, chosen, removed_before }
    }
}

/// How long single calls shall be kept.
#[derive(InputObject)]
pub(crate) struct RecordRetentionUpdateInput {
    /// Days, today not counted: 1 to 400; as many as the installation says when absent. What is gone stays gone.
    days: Option<u32>,
}

/// The retention after a change.
#[derive(Default, SimpleObject)]
pub(crate) struct RecordRetentionUpdatePayload {
    /// The retention.
    record_retention: Option<RecordRetention>,
    #[graphql(flatten)]
    refusal: Refusal,
}

refusable!(RecordRetentionUpdatePayload);

#[derive(Default)]
pub(crate) struct RequestMutation;

#[Object]
impl RequestMutation {
    /// Chooses how long the organization's single calls are kept. Sums are kept for ever.
    async fn record_retention_update(
        &self,
        ctx: &Context<'_>,
        input: RecordRetentionUpdateInput,
    ) -> Result<RecordRetentionUpdatePayload> {
        settle(async {
            let retention = call(ctx, PutRecordRetention { days: input.days }).await?;
            Ok(RecordRetentionUpdatePayload {
                record_retention: Some(retention.into()),
                ..Default::default()
            })
        })
        .await
    }
}
