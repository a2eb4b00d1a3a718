//! Percentiles of spans of time in constant memory: 32 buckets for each power of two, so that a value is
//! told within 3 %.

use std::time::Duration;

/// Buckets of a power of two, as a power of two.
const FINE: u32 = 5;
const BUCKETS: usize = (64 - FINE as usize + 1) << FINE;

/// How often spans of each length were seen.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u64]>,
    seen: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into_boxed_slice(), seen: 0, longest: 0 }
    }
}

impl Histogram {
    /// Counts one span.
    pub fn record(&mut self, span: Duration) {
        // 584 years of nanoseconds fit.
        let nanos = span.as_nanos() as u64;
        self.counts[bucket(nanos)] += 1;
        self.seen += 1;
        self.longest = self.longest.max(nanos);
    }

    /// How many spans were counted.
    pub fn len(&self) -> u64 {
        self.seen
    }

    /// Whether none was counted.
    pub fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// The span that `share` (0 to 1) of those counted do not exceed, rounded up by 3 % at most; zero if
    /// none was counted.
    pub fn percentile(&self, share: f64) -> Duration {
        #[expect(clippy::cast_sign_loss, reason = "a share is not negative")]
        let rank = ((self.seen as f64 * share).ceil() as u64).clamp(1, self.seen.max(1));
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        Duration::from_nanos(place.map_or(0, largest_of).min(self.longest))
    }

    /// The longest span.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }
}

/// Values below 2^FINE have a bucket each; above, the first FINE + 1 bits choose it.
fn bucket(value: u64) -> usize {
    let octave = (64 - value.leading_zeros()).saturating_sub(FINE + 1);
    ((u64::from(octave) << FINE) + (value >> octave)) as usize
}

/// The largest value of a bucket.
fn largest_of(bucket: usize) -> u64 {
    let octave = (bucket as u64 >> FINE).saturating_sub(1);
    let mantissa = bucket as u64 - (octave << FINE);
    ((mantissa + 1) << octave).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1_u64 << shift) | 1, u64::MAX >> shift] {
                let bucket = bucket(value);
                assert!(bucket < BUCKETS, "{value}");
                assert!(largest_of(bucket) >= value, "{value}");
                assert!(bucket == 0 || largest_of(bucket - 1) < value, "{value}");
            }
        }
    }

    #[test]
    fn percentiles_are_told_within_three_percent() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(0.5), Duration::ZERO);
        (1..=10_000).for_each(|us| histogram.record(Duration::from_micros(us)));
        for (share, exact) in [(0.5, 5_000.0), (0.99, 9_900.0), (0.0001, 1.0)] {
            let found = histogram.percentile(share).as_secs_f64() * 1e6;
            assert!(exact <= found && found <= exact * 1.032, "{share}: {found}");
        }
        assert_eq!(histogram.percentile(1.0), Duration::from_millis(10));
        assert_eq!((histogram.len(), histogram.longest()), (10_000, Duration::from_millis(10)));
    }
}
