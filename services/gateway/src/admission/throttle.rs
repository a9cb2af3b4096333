//! Token buckets after the generic cell rate algorithm: one atomic each, exact for all workers of the process.
//!
//! A bucket is the gateway's own, or its share of one that a fleet has in common ([`super::share`]). Times are microseconds
//! since the epoch. Knows no keys and no plans.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use contracts::metering::Throttle;

use super::share::Share;

/// Longest time a bucket can be empty: keeps the arithmetic in range.
const MAX_DEPTH_NS: i64 = i64::MAX / 16;
/// A bucket beyond what it can be by more than this had its clock set back. Workers read the clock at moments that differ by less.
const SET_BACK_NS: i64 = 1_000_000_000;

/// How fast a bucket fills and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval_ns: i64,
    depth_ns: i64,
}

impl Rate {
    /// The rate of a plan's throttle.
    pub fn new(throttle: &Throttle) -> Self {
        // A float cast saturates, so no rate is out of range.
        let interval_ns = ((1e9 / throttle.rate_limit) as i64).clamp(1, MAX_DEPTH_NS);
        let depth_ns = interval_ns.saturating_mul(i64::from(throttle.burst_limit.max(1))).min(MAX_DEPTH_NS);
        Self { interval_ns, depth_ns }
    }

    /// The time in which so many tokens come, in nanoseconds.
    pub(super) fn times(self, tokens: i64) -> i64 {
        self.interval_ns.saturating_mul(tokens).clamp(-MAX_DEPTH_NS, MAX_DEPTH_NS)
    }

    /// The time in which the whole bucket fills, in nanoseconds.
    pub(super) const fn depth_ns(self) -> i64 {
        self.depth_ns
    }

    /// The time between two tokens, in nanoseconds.
    pub(crate) const fn interval_ns(self) -> i64 {
        self.interval_ns
    }

    /// Tokens in a full bucket.
    pub const fn burst(self) -> u64 {
        (self.depth_ns / self.interval_ns).unsigned_abs()
    }

    /// Whole seconds in which the whole bucket fills, at least one.
    pub const fn window_seconds(self) -> u64 {
        let seconds = self.depth_ns.unsigned_abs().div_ceil(1_000_000_000);
        if seconds == 0 { 1 } else { seconds }
    }
}

/// A token bucket, full at first. The default is the gateway's own.
#[derive(Debug)]
pub struct Bucket(Kind);

#[derive(Debug)]
enum Kind {
    Own(FullAt),
    Shared(Arc<Share>),
}

impl Default for Bucket {
    fn default() -> Self {
        Self(Kind::Own(FullAt::default()))
    }
}

impl Bucket {
    pub(super) const fn shared(share: Arc<Share>) -> Self {
        Self(Kind::Shared(share))
    }

    /// Microseconds until there will be a token, unless other calls take it; 0 when there is one. Takes nothing.
    #[inline]
    pub fn wait(&self, rate: Rate, now: i64) -> i64 {
        match &self.0 {
            Kind::Own(full_at) => full_at.wait(rate, rate.depth_ns, now),
            Kind::Shared(share) => share.wait(rate, now),
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// There is none; the microseconds until there will be one, unless other calls take it. Nothing is taken.
    #[inline]
    pub fn take(&self, rate: Rate, now: i64) -> Result<(), i64> {
        match &self.0 {
            Kind::Own(full_at) => full_at.take(rate, rate.interval_ns, rate.depth_ns, now),
            Kind::Shared(share) => share.take(rate, now),
        }
    }

    /// Puts a token back that a call took and did not use.
    pub fn give_back(&self, rate: Rate) {
        match &self.0 {
            Kind::Own(full_at) => full_at.add(-rate.interval_ns),
            Kind::Shared(share) => share.give_back(rate),
        }
    }

    /// Whole tokens that can be taken here now.
    pub fn tokens(&self, rate: Rate, now: i64) -> u64 {
        match &self.0 {
            Kind::Own(full_at) => full_at.tokens(rate, rate.interval_ns, rate.depth_ns, now),
            Kind::Shared(share) => share.tokens(rate, now),
        }
    }

    /// Whether nothing is missing from the bucket.
    pub fn is_full(&self, now: i64) -> bool {
        match &self.0 {
            Kind::Own(full_at) => full_at.ahead(now) <= 0,
            Kind::Shared(share) => share.is_full(now),
        }
    }
}

/// The time at which a bucket will be full again, in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct FullAt(AtomicI64);

impl FullAt {
    /// Moves it by `charge` if there is a token. It is never taken to be more than `most` away: more means that the clock was
    /// set back, or the plan's burst cut.
    #[inline]
    pub(super) fn take(&self, rate: Rate, charge: i64, most: i64, now: i64) -> Result<(), i64> {
        let now_ns = now.saturating_mul(1000);
        let mut full_at = self.0.load(Ordering::Relaxed);
        loop {
            let base = full_at.clamp(now_ns, now_ns + most);
            let over = base + rate.interval_ns - now_ns - rate.depth_ns;
            let next = if over <= 0 {
                base + charge
            } else if full_at - base > SET_BACK_NS {
                base
            } else {
                return Err(over.div_euclid(1000) + 1);
            };
            match self.0.compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) if over <= 0 => return Ok(()),
                Ok(_) => full_at = next,
                Err(seen) => full_at = seen,
            }
        }
    }

    /// Microseconds until it can be moved; 0 when it can be now.
    #[inline]
    pub(super) fn wait(&self, rate: Rate, most: i64, now: i64) -> i64 {
        let now_ns = now.saturating_mul(1000);
        let full_at = self.0.load(Ordering::Relaxed);
        let base = full_at.clamp(now_ns, now_ns + most);
        let over = base + rate.interval_ns - now_ns - rate.depth_ns;
        if over <= 0 {
            return 0;
        }
        if full_at - base > SET_BACK_NS {
            // Where another thread moved it meanwhile, that one has seen to it.
            let _ = self.0.compare_exchange(full_at, base, Ordering::Relaxed, Ordering::Relaxed);
        }
        over.div_euclid(1000) + 1
    }

    /// How often it can be moved by `charge`.
    pub(super) fn tokens(&self, rate: Rate, charge: i64, most: i64, now: i64) -> u64 {
        let room = rate.depth_ns - rate.interval_ns - self.ahead(now).clamp(0, most);
        if room < 0 { 0 } else { (room / charge).unsigned_abs() + 1 }
    }

    /// How far away it is, in nanoseconds; negative in the past.
    pub(super) fn ahead(&self, now: i64) -> i64 {
        self.0.load(Ordering::Relaxed).saturating_sub(now.saturating_mul(1000))
    }

    pub(super) fn add(&self, nanos: i64) {
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Sets it to what `value` gives at that moment.
    pub(super) fn set(&self, value: impl Fn() -> i64) {
        let mut seen = self.0.load(Ordering::Relaxed);
        while let Err(other) =
            self.0.compare_exchange_weak(seen, value(), Ordering::Relaxed, Ordering::Relaxed)
        {
            seen = other;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_700_000_000_000_000;

    fn rate(rate_limit: f64, burst_limit: u32) -> Rate {
        Rate::new(&Throttle { rate_limit, burst_limit })
    }

    #[test]
    fn the_burst_passes_at_once_and_then_one_per_interval() {
        let (bucket, rate) = (Bucket::default(), rate(10.0, 5));
        assert_eq!(bucket.tokens(rate, START), 5);
        for _ in 0..5 {
            assert_eq!(bucket.take(rate, START), Ok(()));
        }
        assert_eq!(bucket.tokens(rate, START), 0);
        let wait = bucket.take(rate, START).unwrap_err();
        assert!((100_000..=100_001).contains(&wait), "{wait}");
        assert!(bucket.take(rate, START + 99_999).is_err());
        assert_eq!(bucket.take(rate, START + wait), Ok(()));
        assert!(bucket.take(rate, START + wait).is_err());
        assert!(bucket.is_full(START + 1_000_000));
    }

    #[test]
    fn a_refused_call_takes_nothing_and_a_token_can_be_put_back() {
        let (bucket, rate) = (Bucket::default(), rate(1.0, 1));
        assert_eq!(bucket.take(rate, START), Ok(()));
        for _ in 0..100 {
            assert!(bucket.take(rate, START).is_err());
        }
        assert_eq!(bucket.take(rate, START + 1_000_000), Ok(()));
        bucket.give_back(rate);
        assert_eq!(bucket.take(rate, START + 1_000_000), Ok(()));
    }

    #[test]
    fn a_clock_set_back_costs_no_more_than_an_empty_bucket() {
        let (bucket, rate) = (Bucket::default(), rate(10.0, 5));
        bucket.take(rate, START).unwrap();
        let earlier = START - 3_600_000_000;
        let wait = bucket.take(rate, earlier).unwrap_err();
        assert!(wait <= 100_001, "{wait}");
        assert_eq!(bucket.take(rate, earlier + wait), Ok(()));
        assert!(bucket.take(rate, earlier + wait).is_err());
    }

    #[test]
    fn whoever_only_asks_takes_nothing_and_sees_a_clock_set_back_too() {
        let (bucket, rate) = (Bucket::default(), rate(10.0, 2));
        for _ in 0..100 {
            assert_eq!(bucket.wait(rate, START), 0);
        }
        bucket.take(rate, START).unwrap();
        bucket.take(rate, START).unwrap();
        assert_eq!(bucket.wait(rate, START), bucket.take(rate, START).unwrap_err());
        let earlier = START - 3_600_000_000;
        let wait = bucket.wait(rate, earlier);
        assert!((1..=100_001).contains(&wait), "{wait}");
        assert_eq!(bucket.wait(rate, earlier + wait), 0);
    }

    #[test]
    fn extreme_rates_stay_in_range() {
        for (rate_limit, burst) in [(f64::MIN_POSITIVE, u32::MAX), (1e300, u32::MAX), (0.0, 1), (1e-6, 0)] {
            let (bucket, rate) = (Bucket::default(), rate(rate_limit, burst));
            assert_eq!(bucket.take(rate, START), Ok(()), "{rate_limit} {burst}");
            let _ = bucket.take(rate, START);
            let _ = bucket.tokens(rate, START);
        }
    }

    proptest! {
        #[test]
        fn no_window_lets_more_through_than_burst_plus_rate(
            rate_limit in 0.5_f64..5_000.0,
            burst in 1_u32..200,
            steps in proptest::collection::vec(0_i64..5_000, 1..400),
        ) {
            let (bucket, rate) = (Bucket::default(), rate(rate_limit, burst));
            let (mut now, mut passed) = (START, Vec::new());
            for step in steps {
                now += step;
                if bucket.take(rate, now).is_ok() {
                    passed.push(now);
                }
            }
            for (index, from) in passed.iter().enumerate() {
                for (count, to) in passed[index..].iter().enumerate() {
                    let allowed = f64::from(burst) + (to - from) as f64 / 1e6 * rate_limit + 1e-6 * rate_limit + 1e-3;
                    prop_assert!((count + 1) as f64 <= allowed + 0.5, "{} in {} us", count + 1, to - from);
                }
            }
        }
    }
}
