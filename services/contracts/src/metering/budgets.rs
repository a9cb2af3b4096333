//! How keys stand under their quotas, and subscriptions under their spend caps.

use chrono::{DateTime, Utc};
use common::id::{KeyId, SubscriptionId, UsagePlanId};
use common::money::Money;
use serde::{Deserialize, Serialize};

use super::Period;
use crate::call;
use crate::stream::Liveness;

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
