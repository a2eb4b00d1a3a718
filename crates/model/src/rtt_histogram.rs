//! How round-trip times are spread, in fixed steps: what `/metrics` shows of a target as a histogram. Constant
//! size, nothing is allocated. It must not forget: counts only ascend while a process runs.

/// Counts of round-trip times by size, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RttHistogram {
    /// Of each step alone; the last is for what is above all bounds.
    counts: [u32; Self::BOUNDS_US.len() + 1],
    sum_ns: u64,
}

impl RttHistogram {
    /// Upper ends of the steps in microseconds, each within its step: from one rack to a satellite.
    pub const BOUNDS_US: [u32; 15] = [
        100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
        1_000_000, 2_000_000, 5_000_000,
    ];

    /// Counts one more.
    pub fn record(&mut self, rtt_ns: u64) {
        let step = Self::BOUNDS_US.partition_point(|bound| u64::from(*bound) * 1_000 < rtt_ns);
        self.counts[step] = self.counts[step].saturating_add(1);
        self.sum_ns = self.sum_ns.saturating_add(rtt_ns);
    }

    /// The upper end of each step in seconds and how many are not above it; the last, for all, has no end.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<f64>, u64)> + '_ {
        let ends = Self::BOUNDS_US.iter().map(|us| Some(f64::from(*us) / 1e6)).chain([None]);
        let mut so_far = 0;
        ends.zip(&self.counts).map(move |(end, count)| {
            so_far += u64::from(*count);
            (end, so_far)
        })
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// Their sum in seconds.
    pub fn sum(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_holds_its_upper_end_and_the_last_holds_the_rest() {
        let mut histogram = RttHistogram::default();
        for ns in [0, 100_000, 100_001, 5_000_000_000, 5_000_000_001, u64::MAX / 2] {
            histogram.record(ns);
        }
        let steps: Vec<_> = histogram.cumulative().collect();
        assert_eq!((steps[0], steps[1]), ((Some(0.000_1), 2), (Some(0.000_2), 3)));
        assert_eq!((steps[14], steps[15]), ((Some(5.0), 4), (None, 6)));
        assert_eq!(histogram.count(), 6);
    }
}
