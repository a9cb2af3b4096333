//! What a gateway is told at its start.

use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

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
    /// Percent of a worker's calls in flight (`spool.slots_per_worker`) that one tenant may have; further ones are 503.
    pub tenant_slots_percent: u32,
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
            tenant_slots_percent: 50,
            spool: RunConfig::default(),
            limits: Limits::default(),
            upstream: UpstreamConfig::default(),
        }
    }
}

/// More often would load Redis for nothing; more rarely, and debts could not be repaid whole.
fn exchange_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        millis @ 10..=500 => Ok(millis),
        _ => Err(D::Error::custom("throttle_exchange_ms: 10 to 500 are possible")),
    }
}
