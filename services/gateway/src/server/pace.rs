//! How fast a request's body has to come, and how much framing it may carry.
//!
//! A body that trickles holds a call's slot, and chunk extensions and trailers are no payload that a limit would count.

use std::time::Duration;

use super::Limits;

/// Bytes of framing that any body may have.
const FRAMING_FREE: u64 = 16 * 1024;
/// Further bytes of framing for each byte of payload: chunks of a single byte pass.
const FRAMING_PER_BYTE: u64 = 8;

/// What has come of one body.
#[derive(Debug, Default)]
pub(super) struct Pace {
    payload: u64,
    framing: u64,
    waited: Duration,
}

impl Pace {
    /// Counts `bytes` off the wire of which `payload` are payload. False when there is more framing than a body needs.
    pub(super) fn took(&mut self, bytes: usize, payload: usize) -> bool {
        self.payload += payload as u64;
        self.framing += bytes.saturating_sub(payload) as u64;
        self.framing <= FRAMING_FREE + FRAMING_PER_BYTE * self.payload
    }

    /// Counts time spent waiting for the client. Time in which nobody read does not count: that is the upstream's.
    pub(super) fn waited(&mut self, time: Duration) {
        self.waited += time;
    }

    /// How long the next bytes may take.
    pub(super) fn patience(&self, limits: &Limits) -> Duration {
        let stall = limits.body_stall();
        let Some(earned_ms) = (self.payload.saturating_mul(1_000)).checked_div(limits.body_bytes_per_second)
        else {
            return stall;
        };
        let allowed = limits.body_grace() + Duration::from_millis(earned_ms);
        stall.min(allowed.saturating_sub(self.waited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(rate: u64) -> Limits {
        Limits {
            body_stall_seconds: 20,
            body_bytes_per_second: rate,
            body_grace_seconds: 30,
            ..Limits::default()
        }
    }

    #[test]
    fn a_body_may_wait_for_its_grace_and_for_what_its_payload_earned() {
        let mut pace = Pace::default();
        let seconds = Duration::from_secs;
        assert_eq!(pace.patience(&limits(100)), seconds(20), "never longer than a stall");
        pace.waited(seconds(25));
        assert_eq!(pace.patience(&limits(100)), seconds(5));
        assert!(pace.took(1_000, 1_000));
        assert_eq!(pace.patience(&limits(100)), seconds(15), "1,000 bytes earn 10 s");
        pace.waited(seconds(60));
        assert_eq!(pace.patience(&limits(100)), Duration::ZERO);
        assert_eq!(pace.patience(&limits(0)), seconds(20), "no minimum");
    }

    #[test]
    fn single_byte_chunks_pass_and_endless_framing_does_not() {
        let mut pace = Pace::default();
        assert!((0..100_000).all(|_| pace.took(6, 1)));
        let mut pace = Pace::default();
        assert!(pace.took(16 * 1024, 0));
        assert!(!pace.took(1, 0));
    }
}
