//! Latency histograms that merge: buckets on a logarithmic scale.
//!
//! Neighbouring bounds differ by 4 %, and a bucket stands for its geometric middle, so that a percentile is within 2 % of
//! the recorded latency at its rank.

use std::collections::BTreeMap;

/// Ratio of neighbouring bounds.
const RATIO: f64 = 1.04;
/// The bucket of the longest latency that is told apart: about 12 days.
const LAST: u16 = 707;

/// The bucket of a latency. Bucket 0 holds what took less than a microsecond.
pub(crate) fn bucket(micros: u64) -> u16 {
    if micros == 0 {
        return 0;
    }
    let place = (micros as f64).ln() / RATIO.ln();
    (place as u16).saturating_add(1).min(LAST)
}

/// The latency a bucket stands for, in milliseconds.
fn middle_ms(bucket: u16) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    RATIO.powf(f64::from(bucket) - 0.5) / 1_000.0
}

/// How many calls fell into each bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Histogram(BTreeMap<u16, u64>);

impl Histogram {
    /// Counts `calls` in a bucket.
    pub(crate) fn add(&mut self, bucket: u16, calls: u64) {
        *self.0.entry(bucket).or_default() += calls;
    }

    /// Adds another histogram's counts.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, calls) in &other.0 {
            self.add(*bucket, *calls);
        }
    }

    /// The latency in milliseconds that `share` (0 to 1) of the calls did not exceed; 0 without calls.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let total: u64 = self.0.values().sum();
        let rank = ((total as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        for (bucket, calls) in &self.0 {
            below += calls;
            if below >= rank {
                return middle_ms(*bucket);
            }
        }
        0.0
    }

    /// The counts as bytes: little-endian pairs of a bucket (two bytes) and its calls (eight bytes).
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 10);
        for (bucket, calls) in &self.0 {
            bytes.extend_from_slice(&bucket.to_le_bytes());
            bytes.extend_from_slice(&calls.to_le_bytes());
        }
        bytes
    }

    /// Reads [`Histogram::to_bytes`]; absent when the bytes are not of that form.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut histogram = Self::default();
        let (pairs, rest) = bytes.as_chunks::<10>();
        for [b0, b1, calls @ ..] in pairs {
            histogram.add(u16::from_le_bytes([*b0, *b1]), u64::from_le_bytes(*calls));
        }
        rest.is_empty().then_some(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(latencies: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for latency in latencies {
            histogram.add(bucket(*latency), 1);
        }
        histogram
    }

    #[test]
    fn a_percentile_is_within_two_percent_of_the_latency_at_its_rank() {
        let latencies: Vec<u64> = (0..50_000_u64).map(|at| 50 + at * at % 7_919 * 13 + at).collect();
        let histogram = of(&latencies);
        let mut sorted = latencies;
        sorted.sort_unstable();
        for share in [0.01, 0.5, 0.95, 0.99, 1.0] {
            let exact = sorted[(sorted.len() as f64 * share).ceil() as usize - 1] as f64 / 1_000.0;
            let answered = histogram.quantile_ms(share);
            assert!((answered / exact - 1.0).abs() <= 0.02, "{share}: {answered} for {exact}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_percentile_of_any_latencies_is_within_two_percent_however_they_were_merged(
            latencies in proptest::collection::vec(1_u64..1_000_000_000_000, 1..400),
            share in 0.0_f64..=1.0,
            cut in 0_usize..400,
        ) {
            let (some, rest) = latencies.split_at(cut.min(latencies.len()));
            let mut histogram = of(some);
            histogram.merge(&of(rest));
            let mut sorted = latencies.clone();
            sorted.sort_unstable();
            let rank = ((sorted.len() as f64 * share).ceil() as usize).max(1);
            let exact = sorted[rank - 1] as f64 / 1_000.0;
            let answered = histogram.quantile_ms(share);
            proptest::prop_assert!((answered / exact - 1.0).abs() <= 0.02, "{} for {}", answered, exact);
        }
    }

    #[test]
    fn every_latency_has_a_bucket_that_stands_for_it() {
        for exponent in 0..40 {
            for micros in [1_u64 << exponent, (1 << exponent) + 1, (3 << exponent) / 2 + 1] {
                let answered = middle_ms(bucket(micros)) * 1_000.0;
                assert!((answered / micros as f64 - 1.0).abs() <= 0.02, "{micros}: {answered}");
            }
        }
        assert_eq!(of(&[0]).quantile_ms(0.5), 0.0);
        assert_eq!(bucket(u64::MAX), LAST);
    }

    #[test]
    fn merging_is_the_same_as_counting_together() {
        let mut merged = of(&[1, 10, 100]);
        merged.merge(&of(&[10, 1_000]));
        assert_eq!(merged, of(&[1, 10, 10, 100, 1_000]));
        assert_eq!(Histogram::from_bytes(&merged.to_bytes()).unwrap(), merged);
        assert!(Histogram::from_bytes(&[0; 11]).is_none());
    }
}
