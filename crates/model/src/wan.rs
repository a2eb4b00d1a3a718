//! The nouns of an SD-WAN: links, their six metrics, readings. It must not know how they are fetched, nor
//! what is unusual.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Labels, Metric, Series, SeriesId, UnixMs};

mod quality;

pub use quality::{Quality, Traffic};

/// What an orchestrator measures of a WAN link, each way. `Tx` is upload, from the edge to its gateway; `Rx`
/// is download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WanMetric {
    /// Latency of the upload in milliseconds.
    LatencyTx,
    /// Latency of the download in milliseconds.
    LatencyRx,
    /// Jitter of the upload in milliseconds.
    JitterTx,
    /// Jitter of the download in milliseconds.
    JitterRx,
    /// Packets lost in the upload in percent.
    LossTx,
    /// Packets lost in the download in percent.
    LossRx,
}

impl WanMetric {
    /// All six, in the order that the API and pages list them.
    pub const ALL: [WanMetric; 6] = [
        WanMetric::LatencyTx,
        WanMetric::LatencyRx,
        WanMetric::JitterTx,
        WanMetric::JitterRx,
        WanMetric::LossTx,
        WanMetric::LossRx,
    ];

    /// The API's name.
    pub fn as_str(self) -> &'static str {
        match self {
            WanMetric::LatencyTx => "latencyMsTx",
            WanMetric::LatencyRx => "latencyMsRx",
            WanMetric::JitterTx => "jitterMsTx",
            WanMetric::JitterRx => "jitterMsRx",
            WanMetric::LossTx => "lossPctTx",
            WanMetric::LossRx => "lossPctRx",
        }
    }

    /// What is measured, whichever way.
    pub fn kind(self) -> Metric {
        match self {
            WanMetric::LatencyTx | WanMetric::LatencyRx => Metric::Rtt,
            WanMetric::JitterTx | WanMetric::JitterRx => Metric::Jitter,
            WanMetric::LossTx | WanMetric::LossRx => Metric::Loss,
        }
    }

    /// Which way.
    pub fn direction(self) -> Direction {
        match self {
            WanMetric::LatencyTx | WanMetric::JitterTx | WanMetric::LossTx => Direction::Upload,
            WanMetric::LatencyRx | WanMetric::JitterRx | WanMetric::LossRx => Direction::Download,
        }
    }

    /// The metric of this kind and direction; links have no metrics of interfaces.
    pub fn of(kind: Metric, direction: Direction) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.kind() == kind && one.direction() == direction)
    }

    /// A value of the API, in milliseconds or percent, as it is stored: in the unit of [`Metric`].
    pub fn stored(self, value: f64) -> f64 {
        if self.kind() == Metric::Loss { value } else { value * 1_000.0 }
    }

    /// A stored value as the API has it: in milliseconds or percent.
    pub fn read(self, stored: f64) -> f64 {
        stored / self.stored(1.0)
    }

    /// In few words: `upload latency`.
    pub fn words(self) -> String {
        let what = match self {
            WanMetric::LatencyTx | WanMetric::LatencyRx => "latency",
            WanMetric::JitterTx | WanMetric::JitterRx => "jitter",
            WanMetric::LossTx | WanMetric::LossRx => "loss",
        };
        format!("{} {what}", self.direction())
    }

    /// Its place in [`Reading::values`].
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for WanMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the edge to its gateway.
    Upload,
    /// From the gateway to the edge.
    Download,
}

impl Direction {
    /// Both, in the order pages list them.
    pub const ALL: [Direction; 2] = [Direction::Upload, Direction::Download];

    /// Stable name, part of the series identity.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Upload => "upload",
            Direction::Download => "download",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The series of one metric of a link. Who watches it and its identity make the series: names, provider and
/// gateway may change without starting a new history.
pub fn series(orchestrator: &str, link: &str, metric: WanMetric) -> Series {
    let labels = Labels::new([
        ("direction", metric.direction().as_str()),
        ("link", link),
        ("orchestrator", orchestrator),
    ]);
    Series { metric: metric.kind(), labels }
}

/// What names a link in URLs and among alerts: the series of its download latency.
pub fn key(orchestrator: &str, link: &str) -> SeriesId {
    series(orchestrator, link, WanMetric::LatencyRx).id()
}

/// A WAN link of an edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Number of the customer, where the orchestrator says it.
    pub enterprise: Option<i64>,
    /// Name of the customer; its number where it has none.
    pub customer: String,
    /// Identity of the edge, as the orchestrator has it: a number, a serial number.
    pub edge: String,
    /// Name of the edge; its number where it has none.
    pub edge_name: String,
    /// The link's identity, a UUID; it outlives renaming.
    pub id: String,
    /// Name of the link; that of its interface or its identity where it has none.
    pub name: String,
    /// The edge's interface, such as GE3.
    pub interface: Option<String>,
    /// Who provides it.
    pub isp: Option<String>,
    /// The gateway that the edge is assigned to first, once known.
    #[serde(default)]
    pub gateway: Option<String>,
    /// Where the edge stands, once known.
    #[serde(default)]
    pub site: Option<String>,
    /// How it is now.
    pub state: LinkState,
}

/// How a link is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// In use.
    Active,
    /// It waits until another link fails.
    Standby,
    /// Its cable or its address is missing.
    Disconnected,
    /// It should work, and nothing comes through.
    Dead,
}

impl LinkState {
    /// The state from the API's words, any of which may be missing or new.
    pub fn from_words(state: &str, mode: &str, backup: &str) -> Self {
        let waits = matches!(mode, "BACKUP" | "HOT_STANDBY" | "STANDBY") && backup != "ACTIVE";
        match state {
            "DISCONNECTED" => LinkState::Disconnected,
            "STANDBY" => LinkState::Standby,
            _ if waits || backup == "STANDBY" => LinkState::Standby,
            "DEAD" => LinkState::Dead,
            _ => LinkState::Active,
        }
    }

    /// Whether its readings say how good it is. Who waits or is unplugged is shown and not judged.
    pub fn is_judged(self) -> bool {
        matches!(self, LinkState::Active | LinkState::Dead)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            LinkState::Active => "active",
            LinkState::Standby => "standby",
            LinkState::Disconnected => "disconnected",
            LinkState::Dead => "dead",
        }
    }
}

/// What an orchestrator says of a link at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// When, by the edge's clock.
    pub at: UnixMs,
    /// One value a [`WanMetric`] in its order; finite, not negative, missing where there was none.
    pub values: [Option<f64>; 6],
}

impl Reading {
    /// The value of a metric.
    pub fn get(&self, metric: WanMetric) -> Option<f64> {
        self.values[metric.index()]
    }

    /// The reading without latency and jitter of 0 where nothing came through: there was nothing to take
    /// the time of, and 0 ms would look like the best link there is. A direction is dead when the link is,
    /// or when it lost everything.
    #[must_use]
    pub fn without_times_of_the_dead(mut self, state: LinkState) -> Self {
        use WanMetric::{JitterRx, JitterTx, LatencyRx, LatencyTx, LossRx, LossTx};
        for (latency, jitter, loss) in
            [(LatencyTx, JitterTx, LossTx), (LatencyRx, JitterRx, LossRx)]
        {
            let lost_all = self.get(loss).is_some_and(|loss| loss >= 100.0);
            let dead = lost_all || matches!(state, LinkState::Dead | LinkState::Disconnected);
            if dead && self.get(latency).is_none_or(|latency| latency == 0.0) {
                self.values[latency.index()] = None;
                self.values[jitter.index()] = None;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_stands_in_its_place() {
        for (place, metric) in WanMetric::ALL.into_iter().enumerate() {
            assert_eq!(metric.index(), place, "{metric}");
            let upload = metric.direction() == Direction::Upload;
            assert_eq!(upload, metric.as_str().ends_with("Tx"), "{metric}");
            assert_eq!(WanMetric::of(metric.kind(), metric.direction()), Some(metric));
        }
    }

    #[test]
    fn the_six_series_of_a_link_are_its_own_in_every_release() {
        let ids: std::collections::BTreeSet<_> =
            WanMetric::ALL.into_iter().map(|metric| series("corp", "u-1", metric).id()).collect();
        assert_eq!(ids.len(), 6);
        assert_ne!(key("corp", "u-1"), key("other", "u-1"));
        assert_eq!(key("corp", "u-1").to_string(), "766f9b488ca4e1da9f794c913793987f");
    }

    #[test]
    fn links_that_wait_or_are_unplugged_are_not_judged() {
        let state = LinkState::from_words;
        assert_eq!(state("STABLE", "ACTIVE", "UNCONFIGURED"), LinkState::Active);
        assert_eq!(state("", "", ""), LinkState::Active, "an orchestrator that says nothing");
        assert_eq!(state("SOMETHING_NEW", "ACTIVE", ""), LinkState::Active);
        assert_eq!(state("STABLE", "BACKUP", "STANDBY"), LinkState::Standby);
        assert_eq!(state("STABLE", "BACKUP", "ACTIVE"), LinkState::Active, "it has taken over");
        assert_eq!(state("STABLE", "HOT_STANDBY", ""), LinkState::Standby);
        assert_eq!(state("STANDBY", "", ""), LinkState::Standby);
        assert_eq!(state("DISCONNECTED", "ACTIVE", ""), LinkState::Disconnected);
        assert!(state("DEAD", "ACTIVE", "").is_judged(), "its loss is what people must hear of");
    }

    #[test]
    fn nothing_is_fast_where_nothing_came_through() {
        let reading = |values| Reading { at: UnixMs(0), values };
        let all = [Some(0.0), Some(20.0), Some(0.0), Some(2.0), Some(100.0), Some(0.0)];
        let cleaned = reading(all).without_times_of_the_dead(LinkState::Active);
        assert_eq!(cleaned.values, [None, Some(20.0), None, Some(2.0), Some(100.0), Some(0.0)]);
        let zero = [Some(0.0); 6];
        let kept = reading(zero).without_times_of_the_dead(LinkState::Active);
        assert_eq!(kept.values, zero, "a link inside a building may take less than a millisecond");
        let dead = reading(zero).without_times_of_the_dead(LinkState::Dead);
        assert_eq!(dead.values, [None, None, None, None, Some(0.0), Some(0.0)]);
    }
}
