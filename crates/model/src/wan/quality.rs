//! How good a WAN link is for voice, video and transactions, by the thresholds that VeloCloud's own quality
//! score uses (Broadcom knowledge base, article 312376). It says nothing about what is usual.

use serde::Serialize;

use super::{Direction, Reading, WanMetric};
use crate::Metric;

/// What a link is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Traffic {
    /// Calls.
    Voice,
    /// Pictures.
    Video,
    /// Everything that waits for an answer.
    Transactional,
}

/// How good a link is for some traffic; the greatest is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// All is within the lower thresholds.
    Good,
    /// Something is above its lower threshold.
    Fair,
    /// Something is above its upper threshold.
    Critical,
}

impl Traffic {
    /// All, in the order pages list them.
    pub const ALL: [Traffic; 3] = [Traffic::Voice, Traffic::Video, Traffic::Transactional];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Traffic::Voice => "voice",
            Traffic::Video => "video",
            Traffic::Transactional => "transactional",
        }
    }

    /// Above which value a metric is fair, and above which it is critical, in milliseconds or percent.
    pub fn thresholds(self, metric: Metric) -> (f64, f64) {
        match (self, metric) {
            (Traffic::Voice | Traffic::Video, Metric::Rtt) => (25.0, 65.0),
            (Traffic::Transactional, Metric::Rtt) => (50.0, 80.0),
            (Traffic::Voice, Metric::Jitter) => (7.0, 30.0),
            (Traffic::Video, Metric::Jitter) => (5.0, 10.0),
            (Traffic::Transactional, Metric::Jitter) => (200.0, 200.0),
            (Traffic::Voice, Metric::Loss) => (0.3, 1.0),
            (Traffic::Video, Metric::Loss) => (0.05, 0.1),
            (Traffic::Transactional, Metric::Loss) => (1.0, 3.0),
            // Links have none of these.
            (_, Metric::Interface(_)) => (f64::INFINITY, f64::INFINITY),
        }
    }

    /// How good a value of a metric is.
    pub fn of_value(self, metric: Metric, value: f64) -> Quality {
        let (fair, critical) = self.thresholds(metric);
        match value {
            value if value > critical => Quality::Critical,
            value if value > fair => Quality::Fair,
            _ => Quality::Good,
        }
    }

    /// How good a reading is: as its worst value. `None` where nothing was measured in a direction, since
    /// what is not known is not good.
    pub fn of(self, reading: &Reading) -> Option<Quality> {
        let ways = Direction::ALL.map(|way| {
            let value = |kind| reading.get(WanMetric::of(kind, way)?);
            let values = Metric::ALL.map(|kind| (kind, value(kind)));
            let known = values.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
            known.map(|(kind, value)| self.of_value(kind, value)).max()
        });
        match ways {
            [Some(up), Some(down)] => Some(up.max(down)),
            // What is bad one way is bad, whatever the other way is.
            [Some(Quality::Critical), None] | [None, Some(Quality::Critical)] => {
                Some(Quality::Critical)
            }
            _ => None,
        }
    }
}

impl Quality {
    /// All, the worst first.
    pub const ALL: [Quality; 3] = [Quality::Critical, Quality::Fair, Quality::Good];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Quality::Good => "good",
            Quality::Fair => "fair",
            Quality::Critical => "critical",
        }
    }

    /// The quality of this word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quality| quality.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnixMs;

    fn rated(values: [Option<f64>; 6]) -> [Option<Quality>; 3] {
        Traffic::ALL.map(|traffic| traffic.of(&Reading { at: UnixMs(0), values }))
    }

    #[test]
    fn a_link_is_as_good_as_its_worst_value() {
        use Quality::{Critical, Fair, Good};
        let some = |values: [f64; 6]| rated(values.map(Some));
        let all = |a, b, c| [Some(a), Some(b), Some(c)];
        assert_eq!(some([25.0, 25.0, 5.0, 5.0, 0.05, 0.0]), all(Good, Good, Good));
        assert_eq!(some([26.0, 20.0, 5.0, 5.0, 0.0, 0.0]), all(Fair, Fair, Good));
        assert_eq!(some([20.0, 20.0, 5.0, 11.0, 0.0, 0.0]), all(Fair, Critical, Good));
        assert_eq!(some([20.0, 66.0, 5.0, 5.0, 0.0, 1.1]), all(Critical, Critical, Fair));
        assert_eq!(some([20.0, 20.0, 5.0, 201.0, 0.0, 0.0])[2], Some(Critical));
    }

    #[test]
    fn what_is_not_known_is_never_good() {
        assert_eq!(rated([None; 6]), [None; 3]);
        let up_only = [Some(20.0), None, Some(1.0), None, Some(0.0), None];
        assert_eq!(rated(up_only), [None; 3]);
        let dead = [None, None, None, None, Some(100.0), None];
        assert_eq!(rated(dead), [Some(Quality::Critical); 3]);
    }
}
