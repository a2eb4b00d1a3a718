//! Series and samples: what is stored of a subject over time, and the identity that outlives restarts.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::Xxh3;

use crate::UnixMs;

/// What a series counts. A new kind of series is one variant here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Round-trip time of an answered probe in microseconds. A lost probe has no sample.
    Rtt,
    /// `|RTT_i - RTT_(i-1)|` of two consecutive replies in microseconds, whatever was lost between them.
    Jitter,
    /// 0 for an answered probe, 100 for a lost, late or unreachable one, in percent: the mean over any
    /// span is that span's loss. Probes that are `unsent` or `unknown` have no sample.
    Loss,
    /// A number of an interface of a device.
    Interface(InterfaceMetric),
}

impl Metric {
    /// The metrics of a target, in the order pages list them.
    pub const ALL: [Metric; 3] = [Metric::Rtt, Metric::Jitter, Metric::Loss];

    /// Stable name, part of the series identity.
    pub fn as_str(self) -> &'static str {
        match self {
            Metric::Rtt => "rtt",
            Metric::Jitter => "jitter",
            Metric::Loss => "loss",
            Metric::Interface(of) => of.as_str(),
        }
    }

    /// Unit of the values, for axes and tables.
    pub fn unit(self) -> &'static str {
        match self {
            Metric::Rtt | Metric::Jitter => "us",
            Metric::Loss => "percent",
            Metric::Interface(of) => of.unit(),
        }
    }

    /// The metric of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let of_interfaces = InterfaceMetric::ALL.into_iter().map(Metric::Interface);
        Self::ALL.into_iter().chain(of_interfaces).find(|metric| metric.as_str() == name)
    }
}

/// What a series of an interface counts. Rates are a second of the device's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceMetric {
    /// Bits a second, by direction.
    Traffic,
    /// Percent of its speed that is used, by direction.
    Utilisation,
    /// Packets with errors a second, by direction.
    Errors,
    /// Packets discarded a second, by direction.
    Discards,
    /// `ifOperStatus` as the MIB numbers it; 1 is up.
    Oper,
}

impl InterfaceMetric {
    /// All of them, in the order pages list them.
    pub const ALL: [InterfaceMetric; 5] = [
        InterfaceMetric::Traffic,
        InterfaceMetric::Utilisation,
        InterfaceMetric::Errors,
        InterfaceMetric::Discards,
        InterfaceMetric::Oper,
    ];

    /// Stable name, part of the series identity.
    pub fn as_str(self) -> &'static str {
        match self {
            InterfaceMetric::Traffic => "interface_traffic",
            InterfaceMetric::Utilisation => "interface_utilisation",
            InterfaceMetric::Errors => "interface_errors",
            InterfaceMetric::Discards => "interface_discards",
            InterfaceMetric::Oper => "interface_oper_status",
        }
    }

    /// Unit of the values.
    pub fn unit(self) -> &'static str {
        match self {
            InterfaceMetric::Traffic => "bit/s",
            InterfaceMetric::Utilisation => "percent",
            InterfaceMetric::Errors | InterfaceMetric::Discards => "packets/s",
            InterfaceMetric::Oper => "state",
        }
    }

    /// Whether there is one series for each direction.
    pub fn has_direction(self) -> bool {
        self != InterfaceMetric::Oper
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names and values that tell one subject from another, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Labels from pairs in any order; of two pairs with one name the last wins.
    pub fn new<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// One metric of one subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Series {
    /// What is counted.
    pub metric: Metric,
    /// Of whom.
    pub labels: Labels,
}

impl Series {
    /// The identity under which samples are stored: XXH3-128 over metric and labels, each string
    /// preceded by its length, so that no two different series write the same bytes.
    pub fn id(&self) -> SeriesId {
        let mut hash = Xxh3::new();
        let mut feed = |text: &str| {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        feed(self.metric.as_str());
        for (name, value) in self.labels.iter() {
            feed(name);
            feed(value);
        }
        SeriesId(hash.digest128())
    }

    /// The series of a line beside this one: the same metric, with one more label, `band`.
    #[must_use]
    pub fn band(&self, band: Band) -> Series {
        let mut labels = self.labels.clone();
        labels.0.insert("band".to_owned(), band.as_str().to_owned());
        Series { metric: self.metric, labels }
    }
}

/// 128-bit hash of metric and labels: the same on every machine and after every restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u128);

impl SeriesId {
    /// No series: what stands for one that does not exist.
    pub const NONE: SeriesId = SeriesId(0);

    /// Big-endian bytes, as stored.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The identity from its stored bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The identity from 32 hexadecimal digits, as in URLs.
    pub fn from_hex(text: &str) -> Option<Self> {
        let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeriesId({self})")
    }
}

impl Serialize for SeriesId {
    /// 32 hexadecimal digits, as in URLs.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SeriesId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| D::Error::custom("a series is 32 hexadecimal digits"))
    }
}

/// A line that the detector draws beside a series: what it takes for usual, and above what it is too much.
/// Stored once a minute as a series of its own, so that charts of the past show what was thought then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// What is usual at this hour of the week.
    Usual,
    /// Above it is too high.
    Limit,
}

impl Band {
    /// Both, in the order pages list them.
    pub const ALL: [Band; 2] = [Band::Usual, Band::Limit];

    /// Stable name, part of the series identity.
    pub fn as_str(self) -> &'static str {
        match self {
            Band::Usual => "usual",
            Band::Limit => "limit",
        }
    }

    /// The line of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|band| band.as_str() == name)
    }
}

/// One value of one series at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Which series.
    pub series: SeriesId,
    /// When it was measured; for a probe, when it was sent.
    pub at: UnixMs,
    /// Value in the metric's unit; always finite.
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(pairs: &[(&str, &str)]) -> Series {
        Series { metric: Metric::Rtt, labels: Labels::new(pairs.iter().copied()) }
    }

    #[test]
    fn the_identity_is_the_same_in_every_release() {
        let id = series(&[("host", "a"), ("region", "b")]).id();
        assert_eq!(id, series(&[("region", "b"), ("host", "a")]).id());
        assert_eq!(id.to_string(), "d5be983f713c836464a265d9819eef3c");
    }

    #[test]
    fn neighbouring_strings_do_not_run_into_each_other() {
        assert_ne!(series(&[("a", "bc")]).id(), series(&[("ab", "c")]).id());
        assert_ne!(series(&[("a", "b"), ("c", "d")]).id(), series(&[("a", "bcd")]).id());
    }

    #[test]
    fn an_identity_survives_bytes_and_hex() {
        let id = series(&[("host", "a")]).id();
        assert_eq!(SeriesId::from_bytes(id.to_bytes()), id);
        assert_eq!(SeriesId::from_hex(&id.to_string()), Some(id));
        assert_eq!(SeriesId::from_hex("+0000000000000000000000000000001"), None);
    }

    #[test]
    fn the_lines_of_the_detector_are_series_of_their_own() {
        let of = series(&[("host", "a"), ("region", "b")]);
        let usual = of.band(Band::Usual);
        assert_eq!(usual, series(&[("band", "usual"), ("host", "a"), ("region", "b")]));
        assert_ne!(usual.id(), of.band(Band::Limit).id());
        assert_eq!(usual.metric, of.metric);
        assert_eq!(Band::ALL.map(|band| Band::from_name(band.as_str())), Band::ALL.map(Some));
    }

    #[test]
    fn every_metric_is_found_by_its_name() {
        let of_interfaces = InterfaceMetric::ALL.map(Metric::Interface);
        for metric in Metric::ALL.into_iter().chain(of_interfaces) {
            assert_eq!(Metric::from_name(metric.as_str()), Some(metric));
            assert_eq!(metric.to_string(), metric.as_str());
        }
    }
}
