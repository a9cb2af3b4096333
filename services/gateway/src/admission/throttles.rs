//! The throttles that hold for one call: it takes a token from each or from none, and the tightest is the one that is named.
//!
//! Knows which scopes there are and their order. Not which stage or plan sets them, nor how a bucket works.

use contracts::record::ThrottleScope;

use super::throttle::{Bucket, Rate};

const SCOPES: usize = ThrottleScope::ALL.len();

/// A bucket and its rate.
#[derive(Debug, Clone, Copy)]
pub struct Limit<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// How fast it fills, and how much it holds.
    pub rate: Rate,
}

/// The throttles of one call, by scope. None of a scope: nothing holds there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Throttles<'a> {
    /// The key's, for this method.
    pub key_method: Option<Limit<'a>>,
    /// The key's. Its bucket is the account's.
    pub key: Option<Rate>,
    /// The method's, all keys together.
    pub method: Option<Limit<'a>>,
    /// The stage's, all keys together.
    pub stage: Option<Limit<'a>>,
    /// The tenant's, all its APIs together.
    pub tenant: Option<Limit<'a>>,
}

/// Which throttle has no token, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// The tightest of those without a token: the one with the longest wait, of equal ones the first in order.
    pub scope: ThrottleScope,
    /// Its rate.
    pub rate: Rate,
    /// Microseconds until it has one, unless other calls take it.
    pub wait_us: i64,
}

/// What the tightest throttle still lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headroom {
    /// The throttle.
    pub scope: ThrottleScope,
    /// Its rate.
    pub rate: Rate,
    /// Whole tokens left.
    pub left: u64,
}

impl<'a> Throttles<'a> {
    /// Takes a token from every bucket; `own` is the key's.
    ///
    /// # Errors
    /// Some bucket has none. Nothing is taken: a flood of refused calls writes nothing.
    #[inline]
    pub fn take(&self, own: Option<&'a Bucket>, now: i64) -> Result<(), Throttled> {
        let all = self.in_order(own);
        let mut tightest: Option<Throttled> = None;
        for (scope, limit) in all.iter().flatten() {
            let wait_us = limit.bucket.wait(limit.rate, now);
            if wait_us > tightest.map_or(0, |found| found.wait_us) {
                tightest = Some(Throttled { scope: *scope, rate: limit.rate, wait_us });
            }
        }
        if let Some(throttled) = tightest {
            return Err(throttled);
        }
        for (index, (scope, limit)) in all.iter().enumerate().filter_map(|(at, it)| Some((at, it.as_ref()?)))
        {
            // Fails where another call took the last token since it was looked at.
            if let Err(wait_us) = limit.bucket.take(limit.rate, now) {
                give_back(&all[..index]);
                return Err(Throttled { scope: *scope, rate: limit.rate, wait_us });
            }
        }
        Ok(())
    }

    /// Puts the tokens back that a call took and did not use.
    pub fn give_back(&self, own: Option<&'a Bucket>) {
        give_back(&self.in_order(own));
    }

    /// The throttle that lets the fewest calls through from now on. The tenant's is left out: it is between the tenant and the
    /// gateway, and its callers hear of it when it refuses them.
    #[inline]
    pub fn headroom(&self, own: Option<&'a Bucket>, now: i64) -> Option<Headroom> {
        let told = Self { tenant: None, ..*self }.in_order(own);
        let room = |(scope, limit): &(ThrottleScope, Limit<'_>)| Headroom {
            scope: *scope,
            rate: limit.rate,
            left: limit.bucket.tokens(limit.rate, now),
        };
        told.iter().flatten().map(room).min_by_key(|headroom| headroom.left)
    }

    #[inline]
    fn in_order(&self, own: Option<&'a Bucket>) -> [Option<(ThrottleScope, Limit<'a>)>; SCOPES] {
        let key = self.key.zip(own).map(|(rate, bucket)| Limit { bucket, rate });
        [
            self.key_method.map(|limit| (ThrottleScope::KeyMethod, limit)),
            key.map(|limit| (ThrottleScope::Key, limit)),
            self.method.map(|limit| (ThrottleScope::Method, limit)),
            self.stage.map(|limit| (ThrottleScope::Stage, limit)),
            self.tenant.map(|limit| (ThrottleScope::Tenant, limit)),
        ]
    }
}

fn give_back(taken: &[Option<(ThrottleScope, Limit<'_>)>]) {
    for (_, limit) in taken.iter().flatten() {
        limit.bucket.give_back(limit.rate);
    }
}

#[cfg(test)]
mod tests {
    use contracts::metering::Throttle;
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_700_000_000_000_000;
    /// The throttles of some buckets; the key's is the second.
    fn of<'a>(buckets: &'a [Bucket; SCOPES], rates: &[Option<Rate>; SCOPES]) -> Throttles<'a> {
        let limit = |at: usize| rates[at].map(|rate| Limit { bucket: &buckets[at], rate });
        Throttles { key_method: limit(0), key: rates[1], method: limit(2), stage: limit(3), tenant: limit(4) }
    }

    fn rate() -> impl Strategy<Value = Option<Rate>> {
        let throttle = (1.0_f64..200.0, 1_u32..20);
        let rate = |(rate_limit, burst_limit)| Rate::new(&Throttle { rate_limit, burst_limit });
        proptest::option::weighted(0.8, throttle.prop_map(rate))
    }

    fn tokens(buckets: &[Bucket; SCOPES], rates: &[Option<Rate>; SCOPES], now: i64) -> Vec<u64> {
        let tokens = |at: usize| rates[at].map_or(u64::MAX, |rate| buckets[at].tokens(rate, now));
        (0..SCOPES).map(tokens).collect()
    }

    proptest! {
        #[test]
        fn a_call_takes_from_every_bucket_or_from_none_and_the_tightest_is_named(
            rates in [rate(), rate(), rate(), rate(), rate()],
            steps in proptest::collection::vec(0_i64..200_000, 1..200),
        ) {
            let buckets: [Bucket; SCOPES] = std::array::from_fn(|_| Bucket::default());
            let (throttles, own) = (of(&buckets, &rates), Some(&buckets[1]));
            let mut now = START;
            for step in steps {
                now += step;
                let before = tokens(&buckets, &rates, now);
                let waits: Vec<_> = (0..SCOPES)
                    .map(|at| rates[at].map_or(0, |rate| buckets[at].wait(rate, now)))
                    .collect();
                let longest = waits.iter().copied().max().unwrap_or(0);
                match throttles.take(own, now) {
                    Ok(()) => {
                        prop_assert_eq!(longest, 0);
                        for (at, rate) in rates.iter().enumerate().filter(|(_, rate)| rate.is_some()) {
                            let left = buckets[at].tokens(rate.unwrap(), now);
                            prop_assert_eq!(left + 1, before[at]);
                        }
                        let fewest = throttles.headroom(own, now).map(|headroom| headroom.left);
                        let known = tokens(&buckets, &rates, now)[..4].iter().copied().min();
                        prop_assert_eq!(fewest, known.filter(|left| *left != u64::MAX));
                    }
                    Err(throttled) => {
                        prop_assert_eq!(throttled.wait_us, longest);
                        let first = waits.iter().position(|wait| *wait == longest).unwrap();
                        prop_assert_eq!(throttled.scope, ThrottleScope::ALL[first]);
                        prop_assert_eq!(before, tokens(&buckets, &rates, now), "nothing is taken");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let buckets: [Bucket; SCOPES] = std::array::from_fn(|_| Bucket::default());
        let rates = [Some(Rate::new(&Throttle { rate_limit: 0.001, burst_limit: 1 })); SCOPES];
        let (throttles, own) = (of(&buckets, &rates), Some(&buckets[1]));
        for _ in 0..3 {
            throttles.take(own, START).unwrap();
            assert_eq!(throttles.take(own, START).unwrap_err().scope, ThrottleScope::KeyMethod);
            throttles.give_back(own);
        }
    }

    #[test]
    fn calls_that_race_for_the_last_tokens_leave_no_bucket_short() {
        let buckets: [Bucket; SCOPES] = std::array::from_fn(|_| Bucket::default());
        let mut rates = [Some(Rate::new(&Throttle { rate_limit: 0.1, burst_limit: 10_000 })); SCOPES];
        rates[4] = Some(Rate::new(&Throttle { rate_limit: 0.1, burst_limit: 1_000 }));
        let throttles = of(&buckets, &rates);
        let passed: usize = std::thread::scope(|scope| {
            let worker = || (0..2_000).filter(|_| throttles.take(Some(&buckets[1]), START).is_ok()).count();
            let threads = [scope.spawn(worker), scope.spawn(worker)];
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 1_000);
        assert_eq!(tokens(&buckets, &rates, START), [9_000, 9_000, 9_000, 9_000, 0]);
    }
}
