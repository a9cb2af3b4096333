//! `RateLimit` and `RateLimit-Policy`: what a client is told about its limits.
//!
//! Structured fields after draft-ietf-httpapi-ratelimit-headers: `"quota";r=5;t=60` says that five units are left and new
//! ones come in 60 seconds. The numbers are what this gateway knows: others may spend of a quota at the same time, and what is left
//! of a throttle is its share of a common one.

use std::io::Write as _;

use contracts::metering::Period;
use contracts::record::Reason;

use crate::admission::Admitted;
use crate::snapshot::Plan;

/// The limits of one call's key, as numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RateLimits {
    throttle: Option<Limit>,
    quota: Option<Limit>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Limit {
    most: u64,
    window_seconds: u64,
    /// What is left and in how many seconds there is more; none when not known.
    left: Option<(u64, u64)>,
}

impl RateLimits {
    /// Of a call that was let through at `now`.
    pub(crate) fn admitted(plan: &Plan, admitted: &Admitted, now: i64) -> Self {
        let mut limits = Self::of(plan);
        if let (Some(throttle), Some(left)) = (&mut limits.throttle, admitted.throttle_left) {
            throttle.left = Some((left, if left < throttle.most { throttle.window_seconds } else { 0 }));
        }
        if let Some(known) = admitted.quota {
            let resets = seconds(known.resets_at.saturating_sub(now));
            let window_seconds = limits.quota.map_or(0, |quota| quota.window_seconds);
            limits.quota =
                Some(Limit { most: known.limit, window_seconds, left: Some((known.left, resets)) });
        }
        limits
    }

    /// Of a call that was refused and may be repeated after a time.
    pub(crate) fn refused(plan: &Plan, reason: Reason, retry_after_us: i64) -> Self {
        let mut limits = Self::of(plan);
        let none_left = Some((0, seconds(retry_after_us)));
        match reason {
            Reason::Throttled => {
                if let Some(throttle) = &mut limits.throttle {
                    throttle.left = none_left;
                }
            }
            Reason::QuotaExhausted => {
                if let Some(quota) = &mut limits.quota {
                    quota.left = none_left;
                }
            }
            _ => {}
        }
        limits
    }

    fn of(plan: &Plan) -> Self {
        let throttle = plan.terms.throttle.map(|throttle| Limit {
            most: u64::from(throttle.burst_limit),
            window_seconds: (f64::from(throttle.burst_limit) / throttle.rate_limit).ceil().max(1.0) as u64,
            left: None,
        });
        let quota = plan.terms.quotas.first().map(|quota| Limit {
            most: quota.limit,
            window_seconds: match quota.period {
                Period::Day => 86_400,
                Period::Week => 7 * 86_400,
                Period::Month => 30 * 86_400,
            },
            left: None,
        });
        Self { throttle, quota }
    }

    /// Hands over the header lines, none for a call without limits.
    pub(crate) fn each_header(&self, mut add: impl FnMut(&[u8], &[u8])) {
        let limits = || [("throttle", self.throttle), ("quota", self.quota)];
        let mut text = Vec::with_capacity(96);
        for (name, limit) in limits() {
            if let Some(limit) = limit {
                separate(&mut text);
                // Writing to a vector cannot fail.
                let _ = write!(text, "\"{name}\";q={};w={}", limit.most, limit.window_seconds);
            }
        }
        if text.is_empty() {
            return;
        }
        add(b"ratelimit-policy", &text);
        text.clear();
        for (name, limit) in limits() {
            if let Some((left, seconds)) = limit.and_then(|limit| limit.left) {
                separate(&mut text);
                let _ = write!(text, "\"{name}\";r={left};t={seconds}");
            }
        }
        if !text.is_empty() {
            add(b"ratelimit", &text);
        }
    }
}

fn separate(text: &mut Vec<u8>) {
    if !text.is_empty() {
        text.extend_from_slice(b", ");
    }
}

/// Whole seconds that contain a time, at least one.
pub(crate) fn seconds(micros: i64) -> u64 {
    u64::try_from(micros).unwrap_or(0).div_ceil(1_000_000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(limits: RateLimits) -> Vec<String> {
        let mut lines = Vec::new();
        limits.each_header(|name, value| {
            lines.push(format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
        });
        lines
    }

    #[test]
    fn a_client_is_told_what_is_left_and_when_there_is_more() {
        let throttle = Some(Limit { most: 20, window_seconds: 2, left: Some((0, 1)) });
        let quota = Some(Limit { most: 1000, window_seconds: 86_400, left: Some((7, 60)) });
        assert_eq!(
            text(RateLimits { throttle, quota }),
            [
                "ratelimit-policy: \"throttle\";q=20;w=2, \"quota\";q=1000;w=86400",
                "ratelimit: \"throttle\";r=0;t=1, \"quota\";r=7;t=60",
            ]
        );
    }

    #[test]
    fn a_call_without_limits_carries_no_line_and_unknown_numbers_are_left_out() {
        assert_eq!(text(RateLimits::default()), [""; 0]);
        let quota = Some(Limit { most: 1000, window_seconds: 86_400, left: None });
        assert_eq!(
            text(RateLimits { throttle: None, quota }),
            ["ratelimit-policy: \"quota\";q=1000;w=86400"]
        );
    }

    #[test]
    fn seconds_are_rounded_up_so_that_a_client_that_waits_them_is_not_refused_again() {
        assert_eq!((seconds(-5), seconds(1), seconds(1_000_000), seconds(1_000_001)), (1, 1, 1, 2));
    }
}
