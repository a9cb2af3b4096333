//! What a gateway is told at its start.

use std::collections::BTreeMap;
use std::path::PathBuf;

use common::id::TenantId;
use contracts::metering::Throttle;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::admission::Rate;
use crate::server::Limits;
use crate::spool::RunConfig;
use crate::upstream::UpstreamConfig;

/// The configuration of a gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Worker threads; 0 = one per core.
    pub workers: usize,
    /// Where the gateway keeps its identity, its last good configuration and its spool.
    pub data_dir: PathBuf,
    /// APIs answer as `{api_id}.execute-api.{suffix}` for each of these, and for `localhost`.
    pub host_suffixes: Vec<String>,
    /// Seconds without word from the owners of configuration after which calls are refused, restarts included; 0 = never.
    pub stale_after_seconds: u64,
    /// Seconds that calls in flight are given at the end.
    pub drain_seconds: u64,
    /// Milliseconds a call waits for a quota lease before its plan's rule for degraded mode decides.
    pub lease_wait_ms: u64,
    /// Milliseconds between two exchanges of throttle shares with the other gateways, 10 to 500. Not used without Redis.
    #[serde(deserialize_with = "exchange_ms")]
    pub throttle_exchange_ms: u64,
    /// Milliseconds a call of a plan that throttles exactly waits for Redis before the plan's rule for degraded mode decides.
    pub exact_throttle_wait_ms: u64,
    /// Throttle of each tenant, all its APIs together.
    pub tenant_throttle: ThrottleSetting,
    /// Throttles of single tenants, in place of that.
    pub tenant_throttles: BTreeMap<TenantId, ThrottleSetting>,
    /// Percent of a worker's calls in flight (`spool.slots_per_worker`) that one tenant may have; further ones are 503.
    pub tenant_slots_percent: u32,
    /// Percent of them that one tenant may have waiting for a lease, an exact throttle or a connection; further ones are 503.
    pub tenant_waiting_percent: u32,
    /// Sizes and bounds of the spool; its number of workers is set by `workers`.
    pub spool: RunConfig,
    /// Bounds of client connections.
    pub limits: Limits,
    /// Connections to upstreams.
    pub upstream: UpstreamConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            workers: 0,
            data_dir: PathBuf::from("data/gateway"),
            host_suffixes: Vec::new(),
            stale_after_seconds: 24 * 60 * 60,
            drain_seconds: 30,
            lease_wait_ms: 2_000,
            throttle_exchange_ms: 100,
            exact_throttle_wait_ms: 100,
            // What API Gateway gives an account (limits.md of its developer guide).
            tenant_throttle: ThrottleSetting { rate_limit: 10_000.0, burst_limit: 5_000 },
            tenant_throttles: BTreeMap::new(),
            tenant_slots_percent: 50,
            tenant_waiting_percent: 10,
            spool: RunConfig::default(),
            limits: Limits::default(),
            upstream: UpstreamConfig::default(),
        }
    }
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThrottleSetting {
    /// Calls per second; 0 = no throttle.
    pub rate_limit: f64,
    /// Calls at once.
    pub burst_limit: u32,
}

impl ThrottleSetting {
    fn rate(self) -> Option<Rate> {
        let Self { rate_limit, burst_limit } = self;
        (rate_limit > 0.0).then(|| Rate::new(&Throttle { rate_limit, burst_limit }))
    }
}

/// The throttles of tenants, all APIs of each together.
#[derive(Debug, Clone, Default)]
pub(crate) struct TenantThrottles {
    common: Option<Rate>,
    of: BTreeMap<TenantId, Option<Rate>>,
}

impl TenantThrottles {
    /// A tenant's; none where it has none.
    pub(crate) fn of(&self, tenant: TenantId) -> Option<Rate> {
        self.of.get(&tenant).copied().unwrap_or(self.common)
    }
}

impl Config {
    pub(crate) fn tenant_throttles(&self) -> TenantThrottles {
        let of = self.tenant_throttles.iter().map(|(tenant, setting)| (*tenant, setting.rate()));
        TenantThrottles { common: self.tenant_throttle.rate(), of: of.collect() }
    }
}

/// More often would load Redis for nothing; more rarely, and debts could not be repaid whole.
fn exchange_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        millis @ 10..=500 => Ok(millis),
        _ => Err(D::Error::custom("throttle_exchange_ms: 10 to 500 are possible")),
    }
}
