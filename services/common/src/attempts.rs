//! Bounds on how often something may be tried, for example signing in to one account from one address.
//!
//! Counts in this process's memory: a restart forgives, and each process of a role counts for itself.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;

use crate::error::{Code, Error, Result};

/// Most keys remembered; beyond it the oldest windows are forgotten.
const MAX_KEYS: usize = 50_000;

/// At most a number of attempts per key and window. A window starts with the first attempt in it.
#[derive(Debug)]
pub struct Attempts {
    limit: u32,
    window: TimeDelta,
    counts: Mutex<HashMap<String, Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: DateTime<Utc>,
    count: u32,
}

impl Attempts {
    /// `limit` attempts per `window`.
    pub fn new(limit: u32, window: TimeDelta) -> Self {
        Self { limit, window, counts: Mutex::default() }
    }

    /// Counts an attempt before it is made, so that attempts in parallel count too. Fails with `rate_limited` beyond the
    /// limit; a refused attempt does not prolong the window.
    pub fn count(&self, key: &str, now: DateTime<Utc>) -> Result<()> {
        let mut counts = self.counts.lock();
        if counts.len() >= MAX_KEYS && !counts.contains_key(key) {
            self.forget_oldest(&mut counts, now);
        }
        let window = counts.entry(key.to_owned()).or_insert(Window { since: now, count: 0 });
        if now - window.since >= self.window {
            *window = Window { since: now, count: 0 };
        }
        if window.count >= self.limit {
            let left = window.since + self.window - now;
            let message = format!("too many attempts; try again in {} min", left.num_minutes() + 1);
            let error = Error::new(Code::RateLimited, "too_many_attempts", message);
            return Err(error.retry_after(u32::try_from(left.num_seconds() + 1).unwrap_or(u32::MAX)));
        }
        window.count += 1;
        Ok(())
    }

    /// Forgets the attempts of `key`: one succeeded.
    pub fn clear(&self, key: &str) {
        self.counts.lock().remove(key);
    }

    /// Takes back one attempt of `key`: it was no failure.
    pub fn take_back(&self, key: &str) {
        if let Some(window) = self.counts.lock().get_mut(key) {
            window.count = window.count.saturating_sub(1);
        }
    }

    fn forget_oldest(&self, counts: &mut HashMap<String, Window>, now: DateTime<Utc>) {
        counts.retain(|_, window| now - window.since < self.window);
        if counts.len() < MAX_KEYS {
            return;
        }
        let mut starts: Vec<_> = counts.values().map(|window| window.since).collect();
        let (_, middle, _) = starts.select_nth_unstable(MAX_KEYS / 2);
        let middle = *middle;
        counts.retain(|_, window| window.since > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn attempts_beyond_the_limit_are_refused_until_the_window_ends() {
        let attempts = Attempts::new(2, TimeDelta::seconds(60));
        attempts.count("a", at(0)).unwrap();
        attempts.count("a", at(30)).unwrap();
        assert_eq!(attempts.count("a", at(59)).unwrap_err().code, Code::RateLimited);
        attempts.count("b", at(59)).unwrap();
        attempts.count("a", at(60)).unwrap();
    }

    #[test]
    fn success_forgets_the_attempts_before_it() {
        let attempts = Attempts::new(1, TimeDelta::seconds(60));
        attempts.count("a", at(0)).unwrap();
        attempts.clear("a");
        attempts.count("a", at(1)).unwrap();
    }

    #[test]
    fn memory_stays_bounded_under_a_flood_of_keys() {
        let attempts = Attempts::new(1, TimeDelta::seconds(60));
        for key in 0..=MAX_KEYS {
            attempts.count(&key.to_string(), at(0)).unwrap();
        }
        assert!(attempts.counts.lock().len() <= MAX_KEYS);
    }
}
