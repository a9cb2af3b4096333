//! Bounds of what a client may send and how long it may take.

use std::time::Duration;

use serde::Deserialize;

/// Bounds of a client's connection. Sizes are those of API Gateway (limits.md of its developer guide).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of all header lines together; more answers 431.
    pub header_bytes: usize,
    /// Bytes of the request target; more answers 414.
    pub uri_bytes: usize,
    /// Seconds for a request's head to arrive, from its first byte; then 408.
    pub head_seconds: u64,
    /// Seconds a connection may wait for its next request.
    pub keep_alive_seconds: u64,
    /// Seconds without a byte of a request's body; then 408.
    pub body_stall_seconds: u64,
    /// Bytes per second that a request's body must bring on average, measured over the time spent waiting for the client;
    /// slower answers 408. 0 = no minimum.
    pub body_bytes_per_second: u64,
    /// Seconds of waiting before that minimum holds.
    pub body_grace_seconds: u64,
    /// Seconds a client may take to accept a piece of the response; then the connection is cut.
    pub write_stall_seconds: u64,
    /// Milliseconds after a client closed its sending side until the gateway asks whether it is still there.
    pub half_close_probe_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 10_240,
            uri_bytes: 10_240,
            head_seconds: 10,
            keep_alive_seconds: 75,
            body_stall_seconds: 30,
            body_bytes_per_second: 500,
            body_grace_seconds: 30,
            write_stall_seconds: 60,
            half_close_probe_ms: 500,
        }
    }
}

impl Limits {
    /// Bytes of a request line: the target, a method and the version.
    pub(crate) fn request_line(&self) -> usize {
        self.uri_bytes + 32
    }

    pub(crate) fn head(&self) -> Duration {
        Duration::from_secs(self.head_seconds)
    }

    pub(crate) fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive_seconds)
    }

    pub(crate) fn body_stall(&self) -> Duration {
        Duration::from_secs(self.body_stall_seconds)
    }

    pub(crate) fn body_grace(&self) -> Duration {
        Duration::from_secs(self.body_grace_seconds)
    }

    pub(crate) fn write_stall(&self) -> Duration {
        Duration::from_secs(self.write_stall_seconds)
    }

    pub(crate) fn half_close_probe(&self) -> Duration {
        Duration::from_millis(self.half_close_probe_ms)
    }
}
