//! How a simulated host behaves: when it answers, how often not, and what is wrong with its answers.
//! Values and their draws from a seeded generator; no packets, no I/O.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use fastrand::Rng;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Longest span a scenario may name.
const LONGEST: Duration = Duration::from_hours(24);

/// What a host does with what it is sent, from some time on.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// Time from a request to its answer.
    pub delay: Delay,
    /// Share of requests that get no answer.
    pub loss: Share,
    /// How many times each answer comes.
    pub copies: u8,
    /// Answers that come much later than the others.
    pub late: Option<Late>,
    /// Whether it answers ICMP echo.
    pub echo: bool,
    /// What its TCP ports do.
    pub tcp: Ports,
    /// Addresses that answer in its stead, at most one of each family.
    pub answer_from: Vec<IpAddr>,
    /// What is wrong with its answers.
    pub damage: Option<Damage>,
    /// A router answers with this error, and the host is never reached.
    pub error: Option<RouterError>,
    /// It answers nothing at all.
    pub black_hole: bool,
}

impl Default for Behaviour {
    /// A host without faults that answers echo at once and resets every TCP port.
    fn default() -> Self {
        Self {
            delay: Delay::Fixed(Duration::ZERO),
            loss: Share::none(),
            copies: 1,
            late: None,
            echo: true,
            tcp: Ports::default(),
            answer_from: Vec::new(),
            damage: None,
            error: None,
            black_hole: false,
        }
    }
}

/// A share of events, from 0 to 1; written `10%` or `0.5%`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Share(f64);

impl Share {
    /// Whether an event is one of them.
    pub fn draw(self, rng: &mut Rng) -> bool {
        // No draw for the certain cases, so that a scenario without chance needs none.
        self.0 >= 1.0 || (self.0 > 0.0 && rng.f64() < self.0)
    }

    /// All of them.
    pub fn all() -> Self {
        Self(1.0)
    }

    /// None of them.
    pub fn none() -> Self {
        Self(0.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded, because 0.07 * 100 is not 7.
        write!(f, "{}%", (self.0 * 1e6).round() / 1e4)
    }
}

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        match percent {
            Some(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(percent / 100.0)),
            _ => Err(format!("`{text}` is no share: write \"0%\" to \"100%\"")),
        }
    }
}

/// A span of time, written with its unit: `100us`, `0.5ms`, `10s`, `2m`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => f64::NAN,
        };
        let span = number.trim().parse::<f64>().unwrap_or(f64::NAN) * seconds;
        if (0.0..=LONGEST.as_secs_f64()).contains(&span) {
            return Ok(Self(Duration::from_secs_f64(span)));
        }
        Err(format!(
            "`{text}` is no span of time: write \"100us\", \"0.5ms\", \"10s\", \"2m\"; at most 24h"
        ))
    }
}

/// How long an answer takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Delay {
    /// Always the same.
    Fixed(Duration),
    /// Evenly between two spans.
    Uniform(Duration, Duration),
    /// A least span and an exponential tail of this mean on top, as queues make it.
    Exponential {
        /// Least span.
        least: Duration,
        /// Mean of what is added.
        mean: Duration,
    },
    /// Around a mean, cut off at 0.
    Normal {
        /// Mean.
        mean: Duration,
        /// Standard deviation.
        sd: Duration,
    },
    /// One of two spans, as over two unequal paths.
    Bimodal {
        /// The usual one.
        low: Duration,
        /// The other one.
        high: Duration,
        /// Share of the other one.
        high_share: Share,
    },
    /// Each address has its own: the entry at (address modulo the length).
    Table(Vec<Delay>),
}

impl Delay {
    /// Draws the delay of one answer of `address`.
    pub fn draw(&self, address: IpAddr, rng: &mut Rng) -> Duration {
        match self {
            Delay::Fixed(span) => *span,
            Delay::Uniform(low, high) => *low + scaled(high.saturating_sub(*low), rng.f64()),
            Delay::Exponential { least, mean } => *least + scaled(*mean, -(1.0 - rng.f64()).ln()),
            Delay::Normal { mean, sd } => {
                // Box and Muller, 1958. `1 - u` keeps 0 out of the logarithm.
                let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
                let standard = radius * (std::f64::consts::TAU * rng.f64()).cos();
                let nanos = standard.mul_add(sd.as_nanos() as f64, mean.as_nanos() as f64);
                scaled(Duration::from_nanos(1), nanos)
            }
            Delay::Bimodal { low, high, high_share } => {
                if high_share.draw(rng) {
                    *high
                } else {
                    *low
                }
            }
            Delay::Table(delays) => delays[modulo(address, delays.len())].draw(address, rng),
        }
    }

    /// What is wrong with it as written, if anything.
    fn fault(&self) -> Option<&'static str> {
        match self {
            Delay::Uniform(low, high) if low > high => {
                Some("`uniform` needs its smaller span first")
            }
            Delay::Table(delays) if delays.is_empty() => Some("`table` needs at least one delay"),
            _ => None,
        }
    }
}

/// `span` times `factor`, which may come out negative by the tail of a distribution: then 0.
fn scaled(span: Duration, factor: f64) -> Duration {
    // The cast saturates at both ends.
    #[expect(clippy::cast_sign_loss, reason = "negative saturates to 0, as wanted")]
    Duration::from_nanos((span.as_nanos() as f64 * factor) as u64)
}

/// The address as a number, modulo `length`.
pub(crate) fn modulo(address: IpAddr, length: usize) -> usize {
    match address {
        IpAddr::V4(address) => address.to_bits() as usize % length,
        IpAddr::V6(address) => (address.to_bits() % length as u128) as usize,
    }
}

/// The forms of a delay that are tables in TOML.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Shape {
    Uniform([Span; 2]),
    Exponential { least: Span, mean: Span },
    Normal { mean: Span, sd: Span },
    Bimodal { low: Span, high: Span, high_share: Share },
    Table(Vec<Delay>),
}

impl From<Shape> for Delay {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::Uniform([low, high]) => Delay::Uniform(low.0, high.0),
            Shape::Exponential { least, mean } => {
                Delay::Exponential { least: least.0, mean: mean.0 }
            }
            Shape::Normal { mean, sd } => Delay::Normal { mean: mean.0, sd: sd.0 },
            Shape::Bimodal { low, high, high_share } => {
                Delay::Bimodal { low: low.0, high: high.0, high_share }
            }
            Shape::Table(delays) => Delay::Table(delays),
        }
    }
}

impl<'de> Deserialize<'de> for Delay {
    /// A span, or a table that names a distribution. An untagged enum would lose the position.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Delay;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a delay: \"10ms\" or { uniform | exponential | normal | bimodal | table = .. }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Delay, E> {
                Span::try_from(text.to_owned()).map(|span| Delay::Fixed(span.0)).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Delay, A::Error> {
                let delay = Delay::from(Shape::deserialize(MapAccessDeserializer::new(map))?);
                delay.fault().map_or(Ok(delay), |fault| Err(A::Error::custom(fault)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Some answers come much later: to be `late` for a prober whose timeout is shorter.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// What is added to the delay.
    pub by: Span,
    /// Share of answers.
    #[serde(default = "Share::all")]
    pub share: Share,
}

/// What a TCP port does with a SYN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Port {
    /// Accepts: SYN and ACK. What is sent to it then is acknowledged and thrown away.
    Open,
    /// Refuses: RST.
    #[default]
    Reset,
    /// Says nothing, as behind a filter that drops.
    Silent,
}

/// What each TCP port does. A port is in one list at most.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    #[serde(default)]
    open: PortList,
    #[serde(default)]
    reset: PortList,
    #[serde(default)]
    silent: PortList,
    /// Those that are in no list.
    #[serde(default)]
    others: Port,
}

impl Ports {
    /// What `port` does.
    pub fn of(&self, port: u16) -> Port {
        self.lists()
            .into_iter()
            .find(|(list, _)| list.contains(port))
            .map_or(self.others, |(_, kind)| kind)
    }

    /// The lists that name ports, and what those do.
    fn lists(&self) -> [(&PortList, Port); 3] {
        [(&self.open, Port::Open), (&self.reset, Port::Reset), (&self.silent, Port::Silent)]
    }

    /// A port that two lists name.
    pub(crate) fn contradiction(&self) -> Option<u16> {
        let lists = [&self.open, &self.reset, &self.silent];
        let starts = lists.iter().flat_map(|list| &list.0).map(|range| *range.start());
        // Two ranges overlap only if the start of one lies in the other.
        starts.into_iter().find(|&port| lists.iter().filter(|list| list.contains(port)).count() > 1)
    }
}

impl fmt::Display for Ports {
    /// `22, 8000-8099 open, 3306 silent, others reset`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut named = false;
        for (list, does) in self.lists().into_iter().filter(|(list, _)| !list.0.is_empty()) {
            let range = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            };
            let ranges = list.0.iter().map(range).collect::<Vec<_>>().join(", ");
            write!(f, "{ranges} {does}, ")?;
            named = true;
        }
        write!(f, "{}{}", if named { "others " } else { "" }, self.others)
    }
}

/// Ports and ranges of ports: `[80, "8000-8999"]`.
#[derive(Clone, Debug, Default, PartialEq)]
struct PortList(Vec<RangeInclusive<u16>>);

impl PortList {
    fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }
}

impl<'de> Deserialize<'de> for PortList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = PortList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of ports such as [80, \"8000-8999\"]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<PortList, A::Error> {
                let mut list = Vec::new();
                while let Some(PortRange(range)) = items.next_element()? {
                    list.push(range);
                }
                Ok(PortList(list))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// One entry of a port list.
struct PortRange(RangeInclusive<u16>);

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = PortRange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port from 1 to 65535 or a range such as \"8000-8999\"")
            }

            fn visit_i64<E: serde::de::Error>(self, port: i64) -> Result<PortRange, E> {
                let port = u16::try_from(port).ok().filter(|port| *port > 0);
                port.map(|port| PortRange(port..=port))
                    .ok_or_else(|| E::custom("a port is a number from 1 to 65535"))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<PortRange, E> {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                let ends = first.trim().parse::<u16>().ok().zip(last.trim().parse::<u16>().ok());
                ends.filter(|(first, last)| 0 < *first && first <= last)
                    .map(|(first, last)| PortRange(first..=last))
                    .ok_or_else(|| {
                        E::custom(format!("`{text}` is no range of ports: write \"8000-8999\""))
                    })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// What is wrong with damaged answers.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Damage {
    /// How they are damaged.
    pub how: Harm,
    /// Share of answers.
    #[serde(default = "Share::all")]
    pub share: Share,
}

/// Ways to damage an answer. The IP header stays right, so that the packet arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// The message is cut off after 6 bytes.
    Truncate,
    /// The checksum of the message does not match it.
    Checksum,
    /// Bits of the payload are flipped and the checksum made to match.
    Payload,
    /// The echo identifier or TCP port is another one, and the checksum matches.
    Identifier,
    /// The message is random bytes.
    Noise,
}

/// An ICMP error that a router sends instead of passing the packet on (RFC 792, RFC 4443).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterError {
    /// The router's addresses, at most one of each family.
    pub from: Vec<IpAddr>,
    /// What it reports.
    pub reports: Report,
    /// Bytes it quotes of the packet behind its IP header. RFC 792 asks for 8, RFC 1812 for more.
    #[serde(default = "RouterError::all")]
    pub quote: u16,
}

impl RouterError {
    fn all() -> u16 {
        u16::MAX
    }
}

/// What an ICMP error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// No route to the network.
    NoRoute,
    /// The next hop does not answer ARP or neighbour discovery.
    HostUnreachable,
    /// The port is closed.
    PortUnreachable,
    /// A filter forbids it.
    Prohibited,
    /// The packet has used up its hops.
    HopLimit,
    /// The packet does not fit, and may not be cut up.
    TooBig,
}

impl Report {
    /// ICMP type and code in IPv4 (RFC 792, RFC 1812) or IPv6 (RFC 4443).
    pub fn kind_and_code(self, v6: bool) -> (u8, u8) {
        if v6 {
            match self {
                Report::NoRoute => (1, 0),
                Report::Prohibited => (1, 1),
                Report::HostUnreachable => (1, 3),
                Report::PortUnreachable => (1, 4),
                Report::TooBig => (2, 0),
                Report::HopLimit => (3, 0),
            }
        } else {
            match self {
                Report::NoRoute => (3, 0),
                Report::HostUnreachable => (3, 1),
                Report::PortUnreachable => (3, 3),
                Report::TooBig => (3, 4),
                Report::Prohibited => (3, 13),
                Report::HopLimit => (11, 0),
            }
        }
    }
}

#[cfg(test)]
mod tests;
