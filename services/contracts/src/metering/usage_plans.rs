//! Usage plans: limits, what counts, and the stages they hold for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use common::id::{ApiId, UsagePlanId};
use common::{Page, PageArgs};
use serde::{Deserialize, Serialize};

use crate::call;
use crate::patch::clearable;
use crate::stream::Liveness;

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
    /// ([`super::ApiKey::anchored_at`]), in UTC. Where a month lacks the day, on its last.
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
