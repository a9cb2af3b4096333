//! What the gateway says about a call and what it is told.

use std::net::IpAddr;
use std::sync::Arc;

use common::id::{ApiId, DeploymentId, KeyId, RequestId, SubscriptionId, TenantId, UsagePlanId};
use contracts::metering::{DegradedMode, Period};
use contracts::record::Reason;

use super::purse::Purse;
use super::throttles::{Headroom, Throttled, Throttles};
use crate::spool::slots::Kind;

/// What is known of a call when its route is.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// Its identity.
    pub request_id: RequestId,
    /// Owner of the API.
    pub tenant: TenantId,
    /// The API.
    pub api_id: ApiId,
    /// Stage name; empty when none matched.
    pub stage: &'a str,
    /// What serves it.
    pub deployment: Option<DeploymentId>,
    /// HTTP method.
    pub method: &'a str,
    /// Resource path of the route; empty when none matched.
    pub route: &'a str,
    /// Path as received, without the query.
    pub path: &'a str,
    /// Address of the client.
    pub client_ip: Option<IpAddr>,
    /// When it arrived, microseconds since the epoch.
    pub started_at: i64,
}

/// The limits a call is admitted under.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The key.
    pub key: KeyId,
    /// The usage plan.
    pub plan: UsagePlanId,
    /// The throttles that hold for the call.
    pub throttles: Throttles<'a>,
    /// Periods of the plan's quotas, shortest first, each at most once.
    pub quotas: &'a [Period],
    /// The spend cap of the key's subscription, if it stops calls.
    pub spend: Option<Spend>,
    /// Units the call takes at most.
    pub units: u64,
    /// What happens when it cannot be admitted by the rules.
    pub degraded: DegradedMode,
}

/// What calls cost a subscription whose spend cap stops calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spend {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Micro-units of money for each billable unit.
    pub price_micros: u64,
}

/// Why a call is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// The budget that is used up, where that is the reason.
    pub budget: Option<Kind>,
    /// Microseconds after which it may be worth trying again.
    pub retry_after_us: i64,
}

impl Refusal {
    /// A refusal that no budget is the reason of.
    pub const fn new(reason: Reason, retry_after_us: i64) -> Self {
        Self { reason, budget: None, retry_after_us }
    }

    /// A refusal because a budget is used up.
    pub(super) const fn used_up(budget: Kind, retry_after_us: i64) -> Self {
        let reason = match budget {
            Kind::Quota(_) => Reason::QuotaExhausted,
            Kind::Spend => Reason::SpendCapReached,
        };
        Self { reason, budget: Some(budget), retry_after_us }
    }
}

/// Whether a call may run.
#[derive(Debug)]
pub enum Decision {
    /// It may.
    Admitted(Admitted),
    /// It may not. Nothing was taken.
    Refused(Refusal),
    /// A throttle has no token. Nothing was taken.
    Throttled(Throttled),
    /// Metering has to be asked first: [`Call::admit`] waits for it.
    Pending(Arc<Purse>),
}

/// What an admitted call may tell its client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Admitted {
    /// What the tightest throttle has left.
    pub throttle: Option<Headroom>,
    /// The quotas that were charged, by period.
    pub quotas: [Option<Left>; 3],
    /// The spend cap, if it was charged; in micro-units of money.
    pub spend: Option<Left>,
    /// Why it is served by the plan's rule for degraded mode: a limit could not be checked.
    pub degraded: Option<Reason>,
}

/// A budget as this gateway knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Units per period.
    pub limit: u64,
    /// Units left, as far as this gateway knows: other gateways use some of them.
    pub left: u64,
    /// End of the period, microseconds since the epoch.
    pub resets_at: i64,
}

/// As many units as were taken.
pub const ALL_UNITS: u64 = u64::MAX;

/// How a call ended, as the gateway sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Status sent, 0 when none was.
    pub status: u16,
    /// Why.
    pub reason: Reason,
    /// The client left before the end.
    pub client_gone: bool,
    /// Units that stay taken from quotas: at most what was taken; [`ALL_UNITS`] = all of it.
    pub quota_units: u64,
    /// Units to invoice. As many stay taken from the spend cap, at their price.
    pub billable_units: u64,
    /// The answer said that it cost more than was reserved.
    pub cost_capped: bool,
    /// Whole duration in microseconds.
    pub latency_us: u64,
    /// Part of it spent waiting for the upstream.
    pub upstream_us: u64,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the response body.
    pub bytes_out: u64,
}

impl Ended {
    /// A call that ended for `reason` with `status`, with nothing else known.
    pub const fn new(status: u16, reason: Reason) -> Self {
        Self {
            status,
            reason,
            client_gone: matches!(reason, Reason::ClientDisconnected),
            quota_units: if reason.counts() { ALL_UNITS } else { 0 },
            billable_units: 0,
            cost_capped: false,
            latency_us: 0,
            upstream_us: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }
}
