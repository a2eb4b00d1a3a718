//! What is probed: a host, how to reach it and how often. Validated values only; what a person typed
//! lives in the binary's `config` module.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Labels, Metric, Series};

/// Number of a target inside one running process. A target that a reload leaves unchanged keeps its
/// number. Never stored: what is stored is the [`Series`] of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetId(pub u32);

/// How a target is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// ICMP or `ICMPv6` echo (RFC 792, RFC 4443).
    Icmp,
    /// TCP SYN to this port, 1 to 65535; SYN/ACK and RST both are answers.
    Tcp(u16),
}

impl fmt::Display for Protocol {
    /// `icmp` or `tcp:443`, the form used in labels, tables and JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Protocol::Icmp => f.write_str("icmp"),
            Protocol::Tcp(port) => write!(f, "tcp:{port}"),
        }
    }
}

/// Address family of a target. `family: both` in the config becomes two targets.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Family {
    /// IPv4, the default of names.
    #[default]
    #[serde(rename = "4")]
    V4,
    /// IPv6.
    #[serde(rename = "6")]
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// `4` or `6`, as in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::V4 => "4",
            Family::V6 => "6",
        }
    }
}

/// What the probe's packets look like and where they leave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PacketOptions {
    /// Differentiated services code point, 0 to 63 (RFC 2474).
    pub dscp: u8,
    /// ICMP payload in bytes; `None` is 56 as `ping` sends. TCP SYNs carry none.
    pub size: Option<u16>,
    /// Forbid fragmentation on the way; a packet too big is then `unreachable` or `unsent`.
    pub dont_fragment: bool,
    /// Source address, which must be one of this machine's.
    pub source: Option<IpAddr>,
    /// Network device to leave through (`SO_BINDTODEVICE`).
    pub device: Option<String>,
}

/// One thing to probe: a host and a protocol in one address family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Name or address as the user gave it, with its zone if it is link-local.
    pub host: String,
    /// Key in the targets file; stored as label `region`.
    pub region: String,
    /// How it is asked.
    pub protocol: Protocol,
    /// Family to resolve `host` in.
    pub family: Family,
    /// Time between two probes.
    pub interval: Duration,
    /// How long to wait for an answer; independent of `interval`. An answer after it is `late`.
    pub timeout: Duration,
    /// Shape of the packets.
    pub packet: PacketOptions,
    /// The user's own tags, for grouping; not part of the series, so they can change.
    pub tags: BTreeMap<String, String>,
    /// Host that must be reachable for this one to be.
    pub parent: Option<String>,
    /// Values above which it is wrong whatever is usual.
    #[serde(default)]
    pub limits: Limits,
}

/// Values that a target must not exceed; what is `None` has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Of the round-trip time.
    pub latency: Option<Duration>,
    /// Of the jitter.
    pub jitter: Option<Duration>,
    /// Of the loss, in millionths: 20,000 are 2 %.
    pub loss_ppm: Option<u32>,
}

impl Target {
    /// Interval of the original: one packet every 3 s.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(3);
    /// Timeout of the original: 1 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
    /// Fastest that netmend asks one port by finished handshakes, so that servers do not block it.
    pub const CONNECT_INTERVAL: Duration = Duration::from_secs(10);

    /// A target with the defaults of the original tool, in family 4 unless `host` is an IPv6 literal.
    pub fn new(host: &str, region: &str, protocol: Protocol) -> Self {
        let literal = host.split('%').next().and_then(|text| text.parse().ok());
        Self {
            host: host.to_owned(),
            region: region.to_owned(),
            protocol,
            family: literal.map_or(Family::V4, Family::of),
            interval: Self::DEFAULT_INTERVAL,
            timeout: Self::DEFAULT_TIMEOUT,
            packet: PacketOptions::default(),
            tags: BTreeMap::new(),
            parent: None,
            limits: Limits::default(),
        }
    }

    /// The series of one metric of this target. Host, region, protocol and family make the identity:
    /// the interval, tags and packet shape may change without starting a new history.
    pub fn series(&self, metric: Metric) -> Series {
        let labels = Labels::new([
            ("family", self.family.as_str().to_owned()),
            ("host", self.host.clone()),
            ("protocol", self.protocol.to_string()),
            ("region", self.region.clone()),
        ]);
        Series { metric, labels }
    }
}

impl fmt::Display for Target {
    /// `host` or `host:port`, as people write it; IPv6 literals get brackets with a port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Icmp => f.write_str(&self.host),
            Protocol::Tcp(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Protocol::Tcp(port) => write!(f, "{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_address_sets_the_family_and_a_name_means_ipv4() {
        let family = |host| Target::new(host, "r", Protocol::Icmp).family;
        assert_eq!(family("www.example.com"), Family::V4);
        assert_eq!(family("10.0.0.1"), Family::V4);
        assert_eq!(family("2001:db8::1"), Family::V6);
        assert_eq!(family("fe80::1%eth0"), Family::V6);
    }

    #[test]
    fn the_series_outlives_a_change_of_interval_and_tags() {
        let before = Target::new("h", "r", Protocol::Tcp(443));
        let mut after = before.clone();
        after.interval = Duration::from_mins(1);
        after.tags.insert("gateway".into(), "gw1".into());
        assert_eq!(before.series(Metric::Rtt).id(), after.series(Metric::Rtt).id());
        after.region = "other".into();
        assert_ne!(before.series(Metric::Rtt).id(), after.series(Metric::Rtt).id());
    }

    #[test]
    fn targets_print_as_people_write_them() {
        assert_eq!(Target::new("h", "r", Protocol::Tcp(22)).to_string(), "h:22");
        assert_eq!(
            Target::new("2001:db8::1", "r", Protocol::Tcp(22)).to_string(),
            "[2001:db8::1]:22"
        );
        assert_eq!(Target::new("h", "r", Protocol::Icmp).to_string(), "h");
    }
}
