//! Points in time as newtypes, always UTC. Time zones belong to pages and detectors, never here.

use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01 UTC. Samples, marks and everything stored use it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

/// Nanoseconds since 1970-01-01 UTC: kernel packet stamps and what is computed from them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixNs(pub i64);

impl UnixMs {
    /// The same point as nanoseconds; saturates in the year 2262.
    pub fn to_ns(self) -> UnixNs {
        UnixNs(self.0.saturating_mul(1_000_000))
    }
}

impl UnixNs {
    /// The same point in whole milliseconds, rounded down.
    pub fn to_ms(self) -> UnixMs {
        UnixMs(self.0.div_euclid(1_000_000))
    }

    /// Signed distance `self - earlier` in nanoseconds; negative where the clock was stepped back.
    pub fn since(self, earlier: UnixNs) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for UnixMs {
    type Output = UnixMs;
    fn add(self, span: Duration) -> UnixMs {
        UnixMs(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for UnixMs {
    type Output = UnixMs;
    fn sub(self, span: Duration) -> UnixMs {
        UnixMs(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Add<Duration> for UnixNs {
    type Output = UnixNs;
    fn add(self, span: Duration) -> UnixNs {
        UnixNs(self.0.saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_round_down_before_1970_too() {
        assert_eq!(UnixNs(1_999_999).to_ms(), UnixMs(1));
        assert_eq!(UnixNs(-1).to_ms(), UnixMs(-1));
        assert_eq!(UnixMs(-1).to_ns(), UnixNs(-1_000_000));
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(UnixMs(i64::MAX) + Duration::from_secs(1), UnixMs(i64::MAX));
        assert_eq!(UnixMs(i64::MIN) - Duration::from_secs(1), UnixMs(i64::MIN));
        assert_eq!(UnixNs(5).since(UnixNs(7)), -2);
    }
}
