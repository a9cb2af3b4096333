//! What gateways follow of keys and usage plans, and which gateways there are.

use chrono::{DateTime, Utc};
use common::id::{GatewayId, IncarnationId, KeyId, PlanId, SubscriptionId, TenantId, UsagePlanId};
use serde::{Deserialize, Serialize};

use super::PlanTerms;
use crate::call;
use crate::stream::{Changes, Follow};

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
