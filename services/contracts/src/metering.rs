//! Calls of the role `metering`: API keys, usage plans, usage queries, and the stream gateways follow.
//!
//! Records, batches and leases have modules of their own.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use common::id::{
    ApiId, GatewayId, IncarnationId, KeyId, PlanId, RequestId, SubscriptionId, TenantId, UsagePlanId,
};
use common::money::Money;
use common::{Page, PageArgs};
use serde::{Deserialize, Serialize};

use crate::call;
use crate::patch::clearable;
use crate::record::{Reason, ThrottleScope};
use crate::stream::{Changes, Follow, Liveness};

/// A token bucket, as API Gateway defines it: one token per request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Throttle {
    /// Tokens added per second; more than 0.
    pub rate_limit: f64,
    /// Size of the bucket; at least 1.
    pub burst_limit: u32,
}

/// A hard bound on units per period and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quota {
    /// Units per period; at least 1.
    pub limit: u64,
    /// The period.
    pub period: Period,
    /// Units taken off the limit in a key's first period (`API_QuotaSettings` of API Gateway).
    #[serde(default)]
    pub offset: u64,
    /// When its periods begin.
    #[serde(default)]
    pub begins: PeriodBegin,
}

/// The length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Period {
    /// A day.
    Day,
    /// Seven days.
    Week,
    /// A month.
    Month,
}

/// When periods begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "with", rename_all = "snake_case")]
pub enum PeriodBegin {
    /// At midnight of each day, on Mondays, on the first of the month, by the clocks of a time zone.
    Calendar {
        /// The time zone, by its name in the IANA database.
        time_zone: Tz,
    },
    /// With the subscription: at the time of day, on the day of the week, on the day of the month of its billing date
    /// ([`ApiKey::anchored_at`]), in UTC. Where a month lacks the day, on its last.
    Anchor,
}

impl Default for PeriodBegin {
    fn default() -> Self {
        Self::Calendar { time_zone: Tz::UTC }
    }
}

/// A stage that a usage plan opens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanStage {
    /// The API.
    pub api_id: ApiId,
    /// The stage's name.
    pub stage: String,
    /// Tighter throttles per method, by `{resource path}/{VERB}`: at most 20 (limits.md of the API Gateway guide).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub throttle: BTreeMap<String, Throttle>,
    /// What calls of single methods cost, by `{resource path}/{VERB}`, or `{resource path}/ANY`; one unit where none is named.
    /// At most 500.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub costs: BTreeMap<String, Cost>,
}

/// Units that a call takes from quotas and is billed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cost {
    /// Always the same.
    Fixed {
        /// 0 to 1,000,000.
        units: u32,
    },
    /// What the answer says. So many units as it may say at most are reserved before the backend is called, and what is not
    /// used is given back.
    Measured {
        /// Where the answer says it.
        source: CostSource,
        /// Units reserved, 1 to 1,000,000; an answer that says more counts as this.
        reserve: u32,
        /// Units of an answer that does not say it; at most `reserve`.
        otherwise: u32,
    },
}

impl Cost {
    /// Units to be had before the backend is called.
    pub const fn reserve(&self) -> u32 {
        match self {
            Self::Fixed { units } => *units,
            Self::Measured { reserve, .. } => *reserve,
        }
    }
}

/// Where an answer says what it cost: a whole number that is not negative; a fraction is rounded up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "snake_case")]
pub enum CostSource {
    /// In a header. It is passed on.
    Header {
        /// Its name.
        name: String,
    },
    /// In its JSON body, of at most 256 KiB: longer ones do not say it.
    JsonPath {
        /// Names and indexes, as in `$.usage.total_tokens`.
        path: String,
    },
}

/// Statuses from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRange {
    /// 100 to 599.
    pub from: u16,
    /// At least `from`.
    pub to: u16,
}

impl StatusRange {
    /// Whether a status lies in it.
    pub const fn contains(self, status: u16) -> bool {
        self.from <= status && status <= self.to
    }
}

/// Which answers of the backend count. Refusals of the gateway never do, whatever their status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counting {
    /// Statuses whose calls use up quotas; the units of others are given back. At most 20.
    pub quota: Vec<StatusRange>,
    /// Statuses whose calls are billed and count against a spend cap. At most 20.
    pub billable: Vec<StatusRange>,
}

impl Default for Counting {
    /// Every answer uses up quotas; answers below 400 are billed.
    fn default() -> Self {
        Self {
            quota: vec![StatusRange { from: 100, to: 599 }],
            billable: vec![StatusRange { from: 100, to: 399 }],
        }
    }
}

/// How a plan's throttles hold across gateways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleMode {
    /// Each gateway has a share of every bucket, balanced in the background: calls wait for nothing, within a stated bound.
    #[default]
    Shared,
    /// Every call asks the common bucket: exact, for one round trip to Redis per call.
    Exact,
}

/// What happens to calls while metering cannot be asked or the spool is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DegradedMode {
    /// Refuse with 503.
    #[default]
    Refuse,
    /// Serve, and mark the record: outside the quota's guarantee.
    ServeAndMark,
}

/// What a usage plan says about calls: limits, what counts, and where.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanTerms {
    /// Throttle of each key.
    pub throttle: Option<Throttle>,
    /// How the plan's throttles hold across gateways.
    pub throttle_mode: ThrottleMode,
    /// Quotas of each key, at most one for each length of period. A call takes units of all of them or of none.
    pub quotas: Vec<Quota>,
    /// Which answers count.
    pub counting: Counting,
    /// The stages it opens.
    pub stages: Vec<PlanStage>,
    /// What happens when metering cannot be asked.
    pub degraded: DegradedMode,
}

/// Limits and the stages they hold for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsagePlan {
    /// Its id.
    pub id: UsagePlanId,
    /// Name on screen.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it says about calls.
    pub terms: PlanTerms,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Makes a usage plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateUsagePlan {
    /// 1 to 255 characters.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it says about calls; each stage it opens must exist.
    pub terms: PlanTerms,
}
call!(CreateUsagePlan => SavedUsagePlan, Metering, Tenant(UsagePlansWrite));

/// A usage plan after a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedUsagePlan {
    /// The plan.
    pub usage_plan: UsagePlan,
    /// Whether every gateway enforces it already.
    pub liveness: Liveness,
}

/// Changes a usage plan; absent fields stay as they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpdateUsagePlan {
    /// The plan.
    pub id: UsagePlanId,
    /// New name.
    pub name: Option<String>,
    /// New description, or none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "clearable")]
    pub description: Option<Option<String>>,
    /// New throttle of each key, or none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "clearable")]
    pub throttle: Option<Option<Throttle>>,
    /// How the plan's throttles hold across gateways.
    pub throttle_mode: Option<ThrottleMode>,
    /// All quotas of each key, replacing the old ones.
    pub quotas: Option<Vec<Quota>>,
    /// Which answers count.
    pub counting: Option<Counting>,
    /// All stages it opens, replacing the old ones.
    pub stages: Option<Vec<PlanStage>>,
    /// What happens when metering cannot be asked.
    pub degraded: Option<DegradedMode>,
}

impl UpdateUsagePlan {
    /// Changes nothing.
    pub fn nothing(id: UsagePlanId) -> Self {
        Self {
            id,
            name: None,
            description: None,
            throttle: None,
            throttle_mode: None,
            quotas: None,
            counting: None,
            stages: None,
            degraded: None,
        }
    }
}
call!(UpdateUsagePlan => SavedUsagePlan, Metering, Tenant(UsagePlansWrite));

/// Removes a usage plan that no key uses and no plan sells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeleteUsagePlan {
    /// The plan.
    pub id: UsagePlanId,
}
call!(DeleteUsagePlan => Liveness, Metering, Tenant(UsagePlansWrite));

/// One usage plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetUsagePlan {
    /// The plan.
    pub id: UsagePlanId,
}
call!(GetUsagePlan => UsagePlan, Metering, Tenant(UsagePlansRead), from [Admin, Portal, Billing]);

/// The organization's usage plans, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListUsagePlans {
    /// Which page.
    pub page: PageArgs,
}
call!(ListUsagePlans => Page<UsagePlan>, Metering, Tenant(UsagePlansRead));

/// A key without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id; rotation keeps it.
    pub id: KeyId,
    /// What its owner calls it.
    pub name: String,
    /// First characters of the value, to recognise it by.
    pub prefix: String,
    /// Whether calls with it are admitted.
    pub enabled: bool,
    /// Set when it was revoked: it can never be enabled again.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it ends by itself; absent = never.
    pub expires_at: Option<DateTime<Utc>>,
    /// The usage plans it may use, at most 10, at most one per stage.
    pub usage_plans: Vec<UsagePlanId>,
    /// The subscription that carries it; absent for keys that stand alone.
    pub subscription: Option<SubscriptionId>,
    /// The plan sold with that subscription.
    pub plan: Option<PlanId>,
    /// Until when the value before the last rotation is admitted too.
    pub previous_until: Option<DateTime<Utc>>,
    /// The billing date: periods that begin with the subscription are counted from it.
    pub anchored_at: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Makes a key, or finds the one made before with the same `id`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateApiKey {
    /// The id to use, so that a repeat finds the key; absent = a new one.
    pub id: Option<KeyId>,
    /// At most 1024 characters.
    pub name: String,
    /// A value brought along: 20 to 128 letters, digits, `_` and `-`, unknown so far; absent = made by us.
    pub value: Option<String>,
    /// Whether calls are admitted.
    pub enabled: bool,
    /// Usage plans it may use.
    pub usage_plans: Vec<UsagePlanId>,
    /// The subscription that carries it.
    pub subscription: Option<SubscriptionId>,
    /// The plan sold with it.
    pub plan: Option<PlanId>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// The billing date of its subscription; absent = when the key is made.
    pub anchored_at: Option<DateTime<Utc>>,
    /// Keep no copy of the value: it is shown in this answer and never again.
    pub shown_once: bool,
}
call!(CreateApiKey => SavedApiKey, Metering, Tenant(KeysWrite), from [Admin, Billing]);

/// A key after a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedApiKey {
    /// The key.
    pub api_key: ApiKey,
    /// The value: after making and rotating it, if it may still be shown.
    pub value: Option<String>,
    /// Whether every gateway knows it already.
    pub liveness: Liveness,
}

/// Changes a key; absent fields stay as they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpdateApiKey {
    /// The key.
    pub id: KeyId,
    /// New name.
    pub name: Option<String>,
    /// Whether calls are admitted.
    pub enabled: Option<bool>,
    /// All usage plans, replacing the old ones.
    pub usage_plans: Option<Vec<UsagePlanId>>,
    /// What becomes of the units used in the current periods where one usage plan takes another's place.
    #[serde(default)]
    pub used_units: UsedUnits,
    /// The plan sold with it.
    pub plan: Option<PlanId>,
}
call!(UpdateApiKey => SavedApiKey, Metering, Tenant(KeysWrite));

/// What becomes of a key's used units when a usage plan takes another's place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsedUnits {
    /// The new plan's periods begin with nothing used; one that the key had earlier in the same periods goes on where it stood.
    #[default]
    Reset,
    /// They stay used: what is left is the new limit less them. Units given on top stay given. Needs exactly one plan that takes
    /// another's place, with quotas of the same periods.
    Keep,
    /// As [`UsedUnits::Keep`], and in the current period the limit is the old plan's for the time that is over and the new plan's
    /// for the rest, in proportion and rounded down, until the plan's own limit changes.
    Blend,
}

/// Gives a key a new value; id, plans and usage stay. The old value is admitted for the grace time and refused from
/// its exact end on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RotateApiKey {
    /// The key.
    pub id: KeyId,
    /// Seconds for which the old value stays valid: 0 to 2,592,000 (30 days).
    pub grace_seconds: u32,
    /// The new value; absent = made by us.
    pub value: Option<String>,
}
call!(RotateApiKey => SavedApiKey, Metering, Tenant(KeysWrite), from [Admin, Portal]);

/// Ends a key for good; calls with it are refused within a second.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokeApiKey {
    /// The key.
    pub id: KeyId,
}
call!(RevokeApiKey => SavedApiKey, Metering, Tenant(KeysWrite), from [Admin, Billing]);

/// Removes a key; calls with it are refused within a second. Its usage stays, its value may be used again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeleteApiKey {
    /// The key.
    pub id: KeyId,
}
call!(DeleteApiKey => Liveness, Metering, Tenant(KeysWrite));

/// One key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetApiKey {
    /// The key.
    pub id: KeyId,
}
call!(GetApiKey => ApiKey, Metering, Tenant(KeysRead), from [Admin, Portal]);

/// The organization's keys, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListApiKeys {
    /// Which page.
    pub page: PageArgs,
    /// Only those of this usage plan.
    pub usage_plan: Option<UsagePlanId>,
    /// Only those of this subscription.
    pub subscription: Option<SubscriptionId>,
}
call!(ListApiKeys => Page<ApiKey>, Metering, Tenant(KeysRead));

/// The value of a key from the vault.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevealApiKey {
    /// The key.
    pub id: KeyId,
}
call!(RevealApiKey => String, Metering, Tenant(KeysReveal), from [Admin, Portal, Billing]);

/// How much of a key's quota is used in the current period, per usage plan with a quota.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetQuotaStatus {
    /// The key.
    pub id: KeyId,
}
call!(GetQuotaStatus => Vec<QuotaStatus>, Metering, Tenant(UsageRead), from [Admin, Portal]);

/// Gives a key more units in the current period of a quota; the next period has the plan's limit again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExtendQuota {
    /// The key.
    pub key: KeyId,
    /// The usage plan.
    pub usage_plan: UsagePlanId,
    /// Which of its quotas.
    pub period: Period,
    /// Units more; 1 to 1,000,000,000,000.
    pub units: u64,
}
call!(ExtendQuota => ExtendedQuota, Metering, Tenant(KeysWrite));

/// A quota after an extension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtendedQuota {
    /// The key's standing.
    pub status: QuotaStatus,
    /// Whether every gateway knows that there is more.
    pub liveness: Liveness,
}

/// A key's standing under one quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaStatus {
    /// The usage plan.
    pub usage_plan: UsagePlanId,
    /// Which of its quotas.
    pub period: Period,
    /// Units allowed in this period, extensions included.
    pub limit: u64,
    /// Units of extensions in it.
    pub extension: u64,
    /// Units settled.
    pub settled: u64,
    /// Units in leases that gateways hold: spent in part.
    pub leased: u64,
    /// Start of the period.
    pub period_start: DateTime<Utc>,
    /// Its end: the next period's start.
    pub period_end: DateTime<Utc>,
}

/// How much a subscription may spend in a month that begins with its billing date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendCap {
    /// The most that may be spent; more than 0.
    pub limit: Money,
    /// Whether calls are refused (402) once it is reached. Without it the cap only alerts, at 50, 80 and 100 %.
    pub hard_stop: bool,
}

/// Sets, changes or removes a subscription's spend cap. A raised cap lets calls pass again within seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PutSpendCap {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The cap, or none.
    pub cap: Option<SpendCap>,
    /// Price of one billable unit in the cap's currency, in micro-units; at most 1,000,000,000.
    pub unit_price_micros: u64,
    /// The subscription's billing date: its months begin with it, to the minute.
    pub anchored_at: DateTime<Utc>,
}
call!(PutSpendCap => Liveness, Metering, Tenant(KeysWrite), from [Billing]);

/// How much a subscription has spent in the current month; none without a cap.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetSpendStatus {
    /// The subscription.
    pub subscription: SubscriptionId,
}
call!(GetSpendStatus => Option<SpendStatus>, Metering, Tenant(UsageRead), from [Admin, Portal, Billing]);

/// A subscription's standing under its spend cap. Amounts in micro-units of the cap's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendStatus {
    /// The cap.
    pub cap: SpendCap,
    /// Price of one billable unit.
    pub unit_price_micros: u64,
    /// Spent by the ledger: billable units of this month times the price.
    pub spent_micros: u64,
    /// Held in leases by gateways, spent in part; 0 without hard stop.
    pub leased_micros: u64,
    /// Start of the month.
    pub period_start: DateTime<Utc>,
    /// Its end.
    pub period_end: DateTime<Utc>,
    /// The shares of the cap that spending has reached this month, lowest first.
    pub alerts: Vec<SpendAlert>,
}

/// Spending reached a share of a cap: told once for each subscription, month and threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendAlert {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Start of the month.
    pub period_start: DateTime<Utc>,
    /// Percent of the cap: 50, 80 or 100.
    pub threshold: u8,
    /// Spent when it was noted, in micro-units of the cap's currency.
    pub spent_micros: u64,
    /// The cap then.
    pub limit: Money,
    /// When it was noted.
    pub noted_at: DateTime<Utc>,
}

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

/// A key or usage plan as a gateway needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AccessEntry {
    /// A key. Change key: `key/{id}`.
    Key(KeyEntry),
    /// A usage plan. Change key: `usage_plan/{id}`.
    UsagePlan(UsagePlanEntry),
}

/// A key as a gateway needs it. It never sees the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// Its id.
    pub id: KeyId,
    /// Its tenant: it opens this tenant's stages alone.
    pub tenant: TenantId,
    /// SHA-256 of the value, 64 hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of the value before the last rotation and the instant from which it is refused.
    pub previous: Option<(String, DateTime<Utc>)>,
    /// Whether calls are admitted.
    pub enabled: bool,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was made: its first quota period holds this instant.
    pub created_at: DateTime<Utc>,
    /// Usage plans it may use.
    pub usage_plans: Vec<UsagePlanId>,
    /// The subscription that carries it.
    pub subscription: Option<SubscriptionId>,
    /// The plan sold with it.
    pub plan: Option<PlanId>,
    /// Price of a billable unit in micro-units, where the subscription has a spend cap that stops calls.
    #[serde(default)]
    pub spend_price_micros: Option<u64>,
}

/// A usage plan as a gateway needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsagePlanEntry {
    /// Its id.
    pub id: UsagePlanId,
    /// Its tenant.
    pub tenant: TenantId,
    /// What it says about calls.
    pub terms: PlanTerms,
}

/// Follows keys and usage plans.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FollowAccess {
    /// Where the follower stands.
    pub follow: Follow,
}
call!(FollowAccess => Changes<AccessEntry>, Metering, Service, from [Gateway]);

/// The gateways that are registered, the ones seen last first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListGateways {}
call!(ListGateways => Vec<RegisteredGateway>, Metering, Service);

/// A gateway that registered and was not forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredGateway {
    /// The gateway.
    pub id: GatewayId,
    /// Its newest run.
    pub incarnation: IncarnationId,
    /// Whether that run goes on.
    pub state: GatewayState,
    /// Nothing older than this will come from it any more.
    pub watermark: DateTime<Utc>,
    /// When it first registered.
    pub registered_at: DateTime<Utc>,
    /// When it last reported.
    pub seen_at: DateTime<Utc>,
    /// Leases it has not stated yet.
    pub leases: u64,
    /// Quota units in these leases.
    pub leased: u64,
}

/// Whether a gateway's newest run goes on. All but a stopped gateway hold the completeness of usage back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayState {
    /// It reported lately.
    Running,
    /// It has not reported for 10 seconds: it was killed, or does not reach metering.
    Silent,
    /// It gave its leases back, but did not say that all its records have arrived: some may be on its disk.
    Unfinished,
    /// It ended with every record acknowledged and every lease given back.
    Stopped,
}
