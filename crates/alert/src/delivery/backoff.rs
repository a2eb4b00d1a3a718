//! How long to wait before the next try. Pure.

use std::time::Duration;

/// Exponential backoff with jitter: `shortest` after the first failure, then twice as long each time, up to
/// `longest`; each a random fifth longer or shorter, so that not all who failed together come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub shortest: Duration,
    /// Never longer.
    pub longest: Duration,
    /// What is older than this is given up.
    pub give_up: Duration,
}

impl Default for Backoff {
    /// 10 s to 10 min; given up after three days, longer than a weekend.
    fn default() -> Self {
        Self {
            shortest: Duration::from_secs(10),
            longest: Duration::from_mins(10),
            give_up: Duration::from_hours(72),
        }
    }
}

impl Backoff {
    /// The pause after a failure that `failures` others came before. `random` is from 0 to 1.
    pub(super) fn pause(&self, failures: u32, random: f64) -> Duration {
        let doubled =
            2_u32.checked_pow(failures).and_then(|factor| self.shortest.checked_mul(factor));
        let pause = doubled.map_or(self.longest, |pause| pause.min(self.longest));
        pause.mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In whole seconds: the factors have no exact binary form.
    fn seconds(pause: Duration) -> u128 {
        (pause.as_millis() + 500) / 1_000
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pause = |failures| seconds(Backoff::default().pause(failures, 0.5));
        let pauses = [0, 1, 2, 5, 6, 7, 31, 32, u32::MAX].map(pause);
        assert_eq!(pauses, [10, 20, 40, 320, 600, 600, 600, 600, 600]);
    }

    #[test]
    fn jitter_is_a_fifth_up_or_down() {
        let pause = |random| seconds(Backoff::default().pause(0, random));
        assert_eq!([pause(0.0), pause(1.0)], [8, 12]);
    }
}
