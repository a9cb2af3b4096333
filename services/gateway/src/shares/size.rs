//! How many gateways a fleet has, as far as one of them can tell. Knows no Redis.

use std::time::Duration;

/// How long fewer gateways than before must be counted until that is believed. After Redis came back empty every gateway
/// finds itself alone first; all have reconnected within this time.
const BELIEVED_AFTER: Duration = Duration::from_secs(3);

/// The size of the fleet: grows at once, so that shares are never too large for long, and shrinks with a delay.
#[derive(Debug)]
pub(super) struct Size {
    gateways: u32,
    /// Since when fewer are counted, and the most of those counts.
    fewer: Option<(Duration, u32)>,
}

impl Size {
    /// This gateway alone.
    pub(super) const fn alone() -> Self {
        Self { gateways: 1, fewer: None }
    }

    /// Nothing was counted for a while: what seemed to be gone before may have come back.
    pub(super) fn interrupted(&mut self) {
        self.fewer = None;
    }

    /// Takes a count made at `now`, a time that always runs; answers how many gateways to reckon with.
    pub(super) fn counted(&mut self, count: u32, now: Duration) -> u32 {
        if count >= self.gateways {
            (self.gateways, self.fewer) = (count, None);
            return self.gateways;
        }
        let (since, most) = self.fewer.map_or((now, count), |(since, most)| (since, most.max(count)));
        self.fewer = Some((since, most));
        if now.saturating_sub(since) >= BELIEVED_AFTER {
            (self.gateways, self.fewer) = (most.max(1), None);
        }
        self.gateways
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_gateway_that_comes_counts_at_once() {
        let mut size = Size::alone();
        assert_eq!([1, 2, 5].map(|count| size.counted(count, at(0))), [1, 2, 5]);
    }

    #[test]
    fn a_gateway_that_goes_counts_until_nobody_has_seen_it_for_a_while() {
        let mut size = Size::alone();
        size.counted(4, at(0));
        assert_eq!(size.counted(1, at(100)), 4);
        assert_eq!(size.counted(3, at(200)), 4, "others come back one by one");
        assert_eq!(size.counted(2, at(3_099)), 4);
        assert_eq!(size.counted(2, at(3_100)), 3, "the most that were seen meanwhile");
        assert_eq!(size.counted(2, at(3_200)), 3);
        assert_eq!(size.counted(2, at(6_200)), 2);
    }

    #[test]
    fn a_count_that_recovers_forgets_the_dip() {
        let mut size = Size::alone();
        size.counted(2, at(0));
        size.counted(1, at(100));
        size.counted(2, at(200));
        assert_eq!(size.counted(1, at(3_150)), 2);
        assert_eq!(size.counted(1, at(6_150)), 1);
    }

    #[test]
    fn a_time_without_counts_says_nothing() {
        let mut size = Size::alone();
        size.counted(2, at(0));
        size.counted(1, at(100));
        size.interrupted();
        assert_eq!(size.counted(1, at(60_000)), 2);
    }
}
