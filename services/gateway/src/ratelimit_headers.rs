//! `RateLimit` and `RateLimit-Policy`: what a client is told about its limits.
//!
//! Structured fields after draft-ietf-httpapi-ratelimit-headers: `"quota";r=5;t=60` says that five units are left and new
//! ones come in 60 seconds. Of several throttles the tightest is told, by the name of its scope. The numbers are what this
//! gateway knows: others may spend of a quota at the same time, and what is left of a throttle is its share of a common one.

use contracts::metering::Period;
use contracts::record::{Reason, ThrottleScope};

use crate::admission::{Admitted, Headroom, Left, Rate, Refusal, Throttled};
use crate::snapshot::Plan;
use crate::spool::slots::Kind;

/// A throttle, a quota of each length of period, a spend cap.
const LIMITS: usize = 5;
const THROTTLE: usize = 0;
const FIRST_QUOTA: usize = 1;
const SPEND: usize = 4;

/// The limits of one call's key, as numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RateLimits {
    limits: [Option<Limit>; LIMITS],
    several_quotas: bool,
    /// What the throttle holds for.
    throttle: Option<ThrottleScope>,
    /// Why they were not counted: the call is served by its plan's rule for degraded mode.
    degraded: Option<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Limit {
    /// Units in a window, in micro-units of money for a spend cap; none when not known.
    most: Option<u64>,
    window_seconds: u64,
    /// What is left and in how many seconds there is more; none when not known.
    left: Option<(u64, u64)>,
}

impl Limit {
    fn of(rate: Rate, left: u64, more_in: u64) -> Self {
        Self { most: Some(rate.burst()), window_seconds: rate.window_seconds(), left: Some((left, more_in)) }
    }

    /// How much of it is left, in parts of 65,536; all of it where that is not known.
    fn share_left(&self) -> u64 {
        match (self.most, self.left) {
            (_, Some((0, _))) => 0,
            (Some(most), Some((left, _))) => left.saturating_mul(65_536) / most.max(1),
            _ => u64::MAX,
        }
    }
}

impl RateLimits {
    /// Of a call that was let through at `now`.
    pub(crate) fn admitted(plan: Option<&Plan>, admitted: &Admitted, now: i64) -> Self {
        let mut limits = Self { degraded: admitted.degraded, ..Self::of(plan) };
        if let Some(Headroom { scope, rate, left }) = admitted.throttle {
            let more_in = if left < rate.burst() { rate.window_seconds() } else { 0 };
            limits.limits[THROTTLE] = Some(Limit::of(rate, left, more_in));
            limits.throttle = Some(scope);
        }
        let known = |left: &Left| (left.left, seconds(left.resets_at.saturating_sub(now)));
        for (limit, left) in limits.limits[FIRST_QUOTA..].iter_mut().zip(&admitted.quotas) {
            if let (Some(limit), Some(left)) = (limit, left) {
                (limit.most, limit.left) = (Some(left.limit), Some(known(left)));
            }
        }
        limits.limits[SPEND] = admitted.spend.as_ref().map(|left| Limit {
            most: Some(left.limit),
            window_seconds: window(Period::Month),
            left: Some(known(left)),
        });
        limits
    }

    /// Of a call that a throttle refused.
    pub(crate) fn throttled(plan: Option<&Plan>, throttled: &Throttled) -> Self {
        let mut limits = Self::of(plan);
        limits.limits[THROTTLE] = Some(Limit::of(throttled.rate, 0, seconds(throttled.wait_us)));
        limits.throttle = Some(throttled.scope);
        limits
    }

    /// Of a call that was refused for another reason and may be repeated after a time.
    pub(crate) fn refused(plan: Option<&Plan>, refused: &Refusal) -> Self {
        let mut limits = Self::of(plan);
        let none_left = Some((0, seconds(refused.retry_after_us)));
        let place = match refused.budget {
            Some(Kind::Quota(period)) => FIRST_QUOTA + period as usize,
            Some(Kind::Spend) => {
                limits.limits[SPEND] =
                    Some(Limit { most: None, window_seconds: window(Period::Month), left: None });
                SPEND
            }
            None => return limits,
        };
        if let Some(limit) = &mut limits.limits[place] {
            limit.left = none_left;
        }
        limits
    }

    fn of(plan: Option<&Plan>) -> Self {
        let Some(plan) = plan else { return Self::default() };
        let mut limits = [None; LIMITS];
        for quota in &plan.terms.quotas {
            limits[FIRST_QUOTA + quota.period as usize] =
                Some(Limit { most: Some(quota.limit), window_seconds: window(quota.period), left: None });
        }
        Self { limits, several_quotas: plan.quotas.len() > 1, ..Self::default() }
    }

    fn name(&self, place: usize) -> &'static str {
        match place {
            THROTTLE => self.throttle.map_or("throttle", ThrottleScope::as_str),
            SPEND => "spend",
            _ if !self.several_quotas => "quota",
            1 => "quota-day",
            2 => "quota-week",
            _ => "quota-month",
        }
    }

    /// Hands over the header lines, none for a call without limits. The limit of which the least is left comes first.
    pub(crate) fn each_header(&self, mut add: impl FnMut(&[u8], &[u8])) {
        if let Some(reason) = self.degraded {
            add(b"x-tollgate-degraded", reason.as_str().as_bytes());
        }
        let mut order = [0, 1, 2, 3, 4];
        let shares = self.limits.map(|limit| limit.map_or(u64::MAX, |limit| limit.share_left()));
        order.sort_by_key(|place: &usize| shares[*place]);
        let limits = || order.iter().filter_map(|place| Some((self.name(*place), self.limits[*place]?)));
        if limits().next().is_none() {
            return;
        }
        let mut text = Vec::with_capacity(96);
        for (name, limit) in limits() {
            if let Some(most) = limit.most {
                member(&mut text, name, (b";q=", most), (b";w=", limit.window_seconds));
            }
        }
        if !text.is_empty() {
            add(b"ratelimit-policy", &text);
        }
        text.clear();
        for (name, limit) in limits() {
            if let Some((left, seconds)) = limit.left {
                member(&mut text, name, (b";r=", left), (b";t=", seconds));
            }
        }
        if !text.is_empty() {
            add(b"ratelimit", &text);
        }
    }
}

const fn window(period: Period) -> u64 {
    match period {
        Period::Day => 86_400,
        Period::Week => 7 * 86_400,
        Period::Month => 30 * 86_400,
    }
}

/// Adds `"name";parameter;parameter` to a list.
fn member(text: &mut Vec<u8>, name: &str, first: (&[u8; 3], u64), second: (&[u8; 3], u64)) {
    if !text.is_empty() {
        text.extend_from_slice(b", ");
    }
    text.push(b'"');
    text.extend_from_slice(name.as_bytes());
    text.push(b'"');
    for (parameter, number) in [first, second] {
        text.extend_from_slice(parameter);
        text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
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

    fn limits(limits: &[(usize, Limit)], several_quotas: bool) -> RateLimits {
        let throttle = Some(ThrottleScope::Stage);
        let mut all = RateLimits { several_quotas, throttle, ..RateLimits::default() };
        limits.iter().for_each(|(place, limit)| all.limits[*place] = Some(*limit));
        all
    }

    const fn limit(most: u64, window_seconds: u64, left: Option<(u64, u64)>) -> Limit {
        Limit { most: Some(most), window_seconds, left }
    }

    #[test]
    fn a_client_is_told_what_is_left_and_when_there_is_more() {
        let known = [(0, limit(20, 2, Some((0, 1)))), (3, limit(1000, 86_400, Some((7, 60))))];
        assert_eq!(
            text(limits(&known, false)),
            [
                "ratelimit-policy: \"stage\";q=20;w=2, \"quota\";q=1000;w=86400",
                "ratelimit: \"stage\";r=0;t=1, \"quota\";r=7;t=60",
            ]
        );
    }

    #[test]
    fn of_several_limits_the_one_with_the_least_left_comes_first() {
        let known = [
            (0, limit(20, 2, Some((20, 0)))),
            (1, limit(100, 86_400, Some((50, 60)))),
            (3, limit(1000, 2_592_000, Some((70, 600)))),
            (4, limit(9_000_000, 2_592_000, Some((1_000_000, 600)))),
        ];
        assert_eq!(
            text(limits(&known, true))[1],
            "ratelimit: \"quota-month\";r=70;t=600, \"spend\";r=1000000;t=600, \"quota-day\";r=50;t=60, \"stage\";r=20;t=0",
        );
    }

    #[test]
    fn a_call_without_limits_carries_no_line_and_unknown_numbers_are_left_out() {
        assert_eq!(text(RateLimits::default()), [""; 0]);
        assert_eq!(
            text(limits(&[(1, limit(1000, 86_400, None))], false)),
            ["ratelimit-policy: \"quota\";q=1000;w=86400"]
        );
        let cap = Limit { most: None, window_seconds: 1, left: Some((0, 60)) };
        assert_eq!(text(limits(&[(4, cap)], false)), ["ratelimit: \"spend\";r=0;t=60"]);
    }

    #[test]
    fn seconds_are_rounded_up_so_that_a_client_that_waits_them_is_not_refused_again() {
        assert_eq!((seconds(-5), seconds(1), seconds(1_000_000), seconds(1_000_001)), (1, 1, 1, 2));
    }
}
