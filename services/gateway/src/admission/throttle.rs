//! Token buckets after the generic cell rate algorithm: one atomic each, exact for all workers of the process.
//!
//! Times are microseconds since the epoch. Knows no keys and no plans.

use std::sync::atomic::{AtomicI64, Ordering};

use contracts::metering::Throttle;

/// Longest time a bucket can be empty: keeps the arithmetic in range.
const MAX_DEPTH_NS: i64 = i64::MAX / 8;

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
}

/// A token bucket, full at first. Holds the time at which it will be full again, in nanoseconds.
#[derive(Debug, Default)]
pub struct Bucket {
    full_at: AtomicI64,
}

impl Bucket {
    /// Takes one token.
    ///
    /// # Errors
    /// There is none; the microseconds until there will be one. Nothing is taken.
    #[inline]
    pub fn take(&self, rate: Rate, now: i64) -> Result<(), i64> {
        let now_ns = now.saturating_mul(1000);
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            // Never more than an empty bucket away: the clock was set back, or the plan's burst was cut.
            let base = full_at.clamp(now_ns, now_ns + rate.depth_ns);
            let next = base + rate.interval_ns;
            let over = next - now_ns - rate.depth_ns;
            if over > 0 {
                return Err(over.div_euclid(1000) + 1);
            }
            match self.full_at.compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(seen) => full_at = seen,
            }
        }
    }

    /// Puts a token back that a call took and did not use.
    pub fn give_back(&self, rate: Rate) {
        self.full_at.fetch_sub(rate.interval_ns, Ordering::Relaxed);
    }

    /// Whole tokens in the bucket.
    pub fn tokens(&self, rate: Rate, now: i64) -> u64 {
        let now_ns = now.saturating_mul(1000);
        let full_at = self.full_at.load(Ordering::Relaxed).clamp(now_ns, now_ns + rate.depth_ns);
        ((now_ns + rate.depth_ns - full_at) / rate.interval_ns).unsigned_abs()
    }

    /// Whether nothing is missing from the bucket.
    pub fn is_full(&self, now: i64) -> bool {
        self.full_at.load(Ordering::Relaxed) <= now.saturating_mul(1000)
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
        assert_eq!(bucket.take(rate, earlier + wait), Err(100_001));
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
