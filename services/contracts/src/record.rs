//! The usage record: what one call through a gateway leaves behind, and the only source of usage, quota and billing.
//!
//! Owns the record's fields, the reasons a call can end for, and (in `codec` and `batch`) their bytes. Does not know how
//! records are spooled, stored or summed.

mod batch;
mod codec;
mod reason;

use std::net::IpAddr;

use common::id::{
    ApiId, DeploymentId, KeyId, LeaseId, PlanId, RequestId, SubscriptionId, TenantId, UsagePlanId,
};

use serde::{Deserialize, Serialize};

use crate::metering::Period;

pub use batch::{
    Batch, BatchError, BatchName, FRAME_HEADER, FrameError, Frames, HEADER_LEN, frame, next_frame, seal,
    sealed_len,
};
pub use codec::{
    CodecError, MAX_RECORD, MIN_RECORD, encode, patch_outcome, patch_started, patch_subject, subject,
};
pub use reason::Reason;

/// Longest path kept in a record, in bytes; longer ones are cut at a character boundary.
pub const MAX_PATH: usize = 900;
/// Longest route (resource path) kept in a record, in bytes.
pub const MAX_ROUTE: usize = 500;
/// Longest method kept in a record, in bytes.
pub const MAX_METHOD: usize = 32;
/// Longest stage name, in bytes (API Gateway's limit).
pub const MAX_STAGE: usize = 128;

/// Microseconds in a UTC day.
pub const DAY_MICROS: i64 = 86_400_000_000;

/// One call. Borrows its texts from the caller's request or from the batch it was decoded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageRecord<'a> {
    /// Identity of the call; equal ids are the same call, however often they arrive.
    pub request_id: RequestId,
    /// Owner of the API. Calls for an API that nobody owns leave no record.
    pub tenant: TenantId,
    /// The API.
    pub api_id: ApiId,
    /// Stage name; empty when no stage matched.
    pub stage: &'a str,
    /// The deployment that served the call.
    pub deployment: Option<DeploymentId>,
    /// HTTP method as received.
    pub method: &'a str,
    /// Resource path of the matched route, for example `/pets/{id}`; empty when none matched.
    pub route: &'a str,
    /// Path as received, without the query.
    pub path: &'a str,
    /// Address of the client. An IPv4-mapped IPv6 address is its IPv4 address.
    pub client_ip: Option<IpAddr>,
    /// On whose account the call ran.
    pub subject: Subject,
    /// When the call was admitted, microseconds since the epoch. Decides its day, its quota period and its invoice.
    pub started_at: i64,
    /// How the call ended.
    pub outcome: Outcome,
}

impl UsageRecord<'_> {
    /// Days since 1970-01-01 UTC of the call.
    pub const fn day(&self) -> i32 {
        day_of(self.started_at)
    }
}

/// Days since 1970-01-01 UTC of a time in microseconds since the epoch.
pub const fn day_of(micros: i64) -> i32 {
    micros.div_euclid(DAY_MICROS) as i32
}

/// The account a call runs on: known once its key is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subject {
    /// The API key.
    pub key: Option<KeyId>,
    /// The usage plan that admitted or refused the call.
    pub usage_plan: Option<UsagePlanId>,
    /// The sold plan behind the subscription.
    pub plan: Option<PlanId>,
    /// The subscription that carries the key.
    pub subscription: Option<SubscriptionId>,
}

/// How a call ended and what it counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Status sent to the client, 0 when none was.
    pub status: u16,
    /// Why the call ended as it did.
    pub reason: Reason,
    /// Circumstances.
    pub flags: Flags,
    /// Units taken from each quota that the flags name. The sum over a key and period is the settled quota.
    pub quota_units: u64,
    /// Units to invoice. The sum over a key and period is the invoice's quantity.
    pub billable_units: u64,
    /// Micro-units of money taken from the spend cap. The sum over a subscription and period is what is settled of the cap.
    pub spend_micros: u64,
    /// The lease the quota units came from; of several the one with the shortest period.
    pub lease: Option<LeaseId>,
    /// Whole duration in microseconds, until the last byte was handed to the transport.
    pub latency_us: u64,
    /// Part of it spent waiting for the upstream, in microseconds.
    pub upstream_us: u64,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the response body.
    pub bytes_out: u64,
}

impl Outcome {
    /// What is known of a call that did not end: nothing was sent, nothing counts yet.
    pub const INTERRUPTED: Self = Self {
        status: 0,
        reason: Reason::Interrupted,
        flags: Flags::INTERRUPTED,
        quota_units: 0,
        billable_units: 0,
        spend_micros: 0,
        lease: None,
        latency_us: 0,
        upstream_us: 0,
        bytes_in: 0,
        bytes_out: 0,
    };
}

/// Circumstances of a call, as a set of bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// The gateway died while the call ran; how it ended at the client is not known.
    pub const INTERRUPTED: Self = Self(1);
    /// Served without a lease by the plan's rule for degraded mode: outside the quota's guarantee.
    pub const DEGRADED: Self = Self(2);
    /// The client left before the end.
    pub const CLIENT_GONE: Self = Self(4);

    /// The quota units were taken from the quota per day.
    pub const CHARGED_DAY: Self = Self(8);
    /// The quota units were taken from the quota per week.
    pub const CHARGED_WEEK: Self = Self(16);
    /// The quota units were taken from the quota per month.
    pub const CHARGED_MONTH: Self = Self(32);
    /// The answer said that it cost more than was reserved for it: it counts as what was reserved.
    pub const COST_CAPPED: Self = Self(64);

    const ALL: u16 = 0x0F7F;
    const THROTTLE_SHIFT: u32 = 8;

    /// The flag of a quota that units were taken from.
    pub const fn charged(period: Period) -> Self {
        match period {
            Period::Day => Self::CHARGED_DAY,
            Period::Week => Self::CHARGED_WEEK,
            Period::Month => Self::CHARGED_MONTH,
        }
    }

    /// Says which throttle refused the call.
    #[must_use]
    pub const fn throttled_by(self, throttle: ThrottleScope) -> Self {
        Self(self.0 & !(0xF << Self::THROTTLE_SHIFT) | (throttle as u16) << Self::THROTTLE_SHIFT)
    }

    /// Which throttle refused the call.
    pub const fn throttle(self) -> Option<ThrottleScope> {
        ThrottleScope::from_code(self.0 >> Self::THROTTLE_SHIFT)
    }

    /// The bits, for stores.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The set with these bits, none of them unknown.
    pub const fn from_bits(bits: u16) -> Option<Self> {
        let known = bits & !Self::ALL == 0 && bits >> Self::THROTTLE_SHIFT <= ThrottleScope::Tenant as u16;
        if known { Some(Self(bits)) } else { None }
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a throttle holds for, in the order in which they are looked at (`api-gateway-request-throttling.md` of the API Gateway guide).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleScope {
    /// A key calling one method: the usage plan's throttle of that method.
    KeyMethod = 1,
    /// A key: the usage plan's throttle.
    Key = 2,
    /// One method of a stage, all keys together.
    Method = 3,
    /// A stage, all keys together.
    Stage = 4,
    /// A tenant, all its APIs together.
    Tenant = 5,
}

impl ThrottleScope {
    /// Every scope, in order.
    pub const ALL: [Self; 5] = [Self::KeyMethod, Self::Key, Self::Method, Self::Stage, Self::Tenant];

    /// The stable name, as in the header `x-tollgate-limit`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyMethod => "key_method",
            Self::Key => "key",
            Self::Method => "method",
            Self::Stage => "stage",
            Self::Tenant => "tenant",
        }
    }

    const fn from_code(code: u16) -> Option<Self> {
        match code {
            1 => Some(Self::KeyMethod),
            2 => Some(Self::Key),
            3 => Some(Self::Method),
            4 => Some(Self::Stage),
            5 => Some(Self::Tenant),
            _ => None,
        }
    }
}

/// The longest prefix of `text` of at most `max` bytes that ends at a character boundary.
pub fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}
