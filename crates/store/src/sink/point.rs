//! What is sent to a sink: points of a measurement. It must know nothing of how any sink writes them.
//!
//! A new kind of point is one variant of [`Kind`], one [`Shape`] and one arm of [`Kind::shape`].

use model::UnixMs;

use crate::codec::varint;

/// Most fields that a kind can have.
pub const MAX_FIELDS: usize = 32;

/// What a point tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One ICMP probe; fields as in [`PING`].
    Ping,
    /// One TCP probe; fields as in [`TCP`].
    Tcp,
    /// The counters of one interface; fields as in [`INTERFACE`].
    Interface,
    /// What an orchestrator measured of one WAN link in one direction; fields as in [`LINK`].
    Link,
}

/// Measurement and fields of a kind.
#[derive(Debug)]
pub struct Shape {
    /// Name of the measurement in `InfluxDB`, and of the kind on disk: it never changes.
    pub measurement: &'static str,
    /// The fields that a point can have, at most [`MAX_FIELDS`]. On disk a field is its place here: new ones
    /// come last, and none ever goes.
    pub fields: &'static [Field],
}

/// One field of a measurement. All fields are floats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// Name of the field in `InfluxDB`.
    pub name: &'static str,
    /// The same in Prometheus, if it is sent there.
    pub metric: Option<Metric>,
}

/// How a field is told to Prometheus: under which name, and in base units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Name, as on `/metrics`.
    pub name: &'static str,
    /// The field's value times this is the metric's.
    pub scale: f64,
}

impl Field {
    /// A field that only `InfluxDB` gets.
    pub const fn new(name: &'static str) -> Self {
        Self { name, metric: None }
    }

    /// The same, with `scale` times its value as the metric `name` of Prometheus.
    #[must_use]
    pub const fn metric(self, name: &'static str, scale: f64) -> Self {
        Self { name: self.name, metric: Some(Metric { name, scale }) }
    }
}

/// The pings of network-telemetry, times in milliseconds, and `jitter`. Without an answer there is no `min`,
/// `avg`, `max` and `jitter`.
pub const PING: Shape = Shape {
    measurement: "ping_rtt",
    fields: &[
        Field::new("transmitted"),
        Field::new("received").metric("netmend_target_up", 1.0),
        Field::new("loss").metric("netmend_target_loss_ratio", 0.01),
        Field::new("min"),
        Field::new("avg").metric("netmend_target_rtt_seconds", 0.001),
        Field::new("max"),
        Field::new("jitter").metric("netmend_target_jitter_seconds", 0.001),
    ],
};

/// The TCP probes of network-telemetry. `transmitted` and `received` are seconds on the sender's clock since
/// the SYN left, RTTs and `jitter` are milliseconds, `execution_time` is seconds. Without an answer there
/// is no `received`, RTT and `jitter`.
pub const TCP: Shape = Shape {
    measurement: "tcp_rtt",
    fields: &[
        Field::new("transmitted"),
        Field::new("received"),
        Field::new("max_rtt"),
        Field::new("min_rtt"),
        Field::new("avg_rtt").metric("netmend_target_rtt_seconds", 0.001),
        Field::new("packet_sent"),
        Field::new("packet_received").metric("netmend_target_up", 1.0),
        Field::new("packet_lost"),
        Field::new("packet_lost_percent").metric("netmend_target_loss_ratio", 0.01),
        Field::new("execution_time"),
        Field::new("jitter").metric("netmend_target_jitter_seconds", 0.001),
    ],
};

/// The counters of an interface as the device counts them, under the names of the IF-MIB. `ifInOctets` and
/// `ifOutOctets` carry the high-capacity value where there is one, and `ifSpeed` is `ifHighSpeed` x 10^6, so
/// that queries which know 32 bits alone are right at any speed.
pub const INTERFACE: Shape = Shape {
    measurement: "interface",
    fields: &[
        Field::new("ifHCInOctets"),
        Field::new("ifHCOutOctets"),
        Field::new("ifInOctets").metric("netmend_interface_receive_bytes_total", 1.0),
        Field::new("ifOutOctets").metric("netmend_interface_transmit_bytes_total", 1.0),
        Field::new("ifSpeed").metric("netmend_interface_speed_bytes", 0.125),
        Field::new("ifHighSpeed"),
        Field::new("ifOperStatus"),
        Field::new("ifAdminStatus"),
        Field::new("ifInErrors").metric("netmend_interface_receive_errors_total", 1.0),
        Field::new("ifOutErrors").metric("netmend_interface_transmit_errors_total", 1.0),
        Field::new("ifInDiscards").metric("netmend_interface_receive_discards_total", 1.0),
        Field::new("ifOutDiscards").metric("netmend_interface_transmit_discards_total", 1.0),
    ],
};

/// A WAN link one way: milliseconds and percent, as orchestrators tell them.
pub const LINK: Shape = Shape {
    measurement: "wan_link",
    fields: &[
        Field::new("latency").metric("netmend_link_latency_seconds", 0.001),
        Field::new("jitter").metric("netmend_link_jitter_seconds", 0.001),
        Field::new("loss").metric("netmend_link_loss_ratio", 0.01),
    ],
};

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 4] = [Kind::Ping, Kind::Tcp, Kind::Interface, Kind::Link];

    /// Measurement and fields.
    pub fn shape(self) -> &'static Shape {
        match self {
            Kind::Ping => &PING,
            Kind::Tcp => &TCP,
            Kind::Interface => &INTERFACE,
            Kind::Link => &LINK,
        }
    }

    /// The kind whose measurement has this name.
    pub fn from_measurement(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.shape().measurement == name)
    }
}

/// Names and values, packed: the length of each and its text. They are read without being unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairs<'a>(&'a [u8]);

impl<'a> Pairs<'a> {
    /// Pairs that stand at the front of `bytes`, which are moved on; `None` where they are cut off or no text.
    pub(crate) fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let length = usize::try_from(varint::take(bytes)?).ok()?;
        let (mut unread, rest) = bytes.split_at_checked(length)?;
        let pairs = Self(unread);
        while !unread.is_empty() {
            text(&mut unread)?;
            text(&mut unread)?;
        }
        *bytes = rest;
        Some(pairs)
    }

    /// All pairs, sorted by name.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.0;
        std::iter::from_fn(move || Some((text(&mut rest)?, text(&mut rest)?)))
    }
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(varint::take(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

/// Of what points are: all of them with one kind and the same tags. Made once and used for many points.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    kind: Kind,
    /// Tags, then labels: the length of each packed run before it.
    packed: Box<[u8]>,
}

impl Subject {
    /// A subject with `tags` in `InfluxDB` and `labels` in Prometheus, in any order.
    pub fn new(kind: Kind, tags: &[(&str, &str)], labels: &[(&str, &str)]) -> Self {
        let mut packed = Vec::new();
        for pairs in [tags, labels] {
            let mut pairs = pairs.to_vec();
            pairs.sort_unstable();
            let mut run = Vec::new();
            for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
                varint::put(&mut run, text.len() as u64);
                run.extend_from_slice(text.as_bytes());
            }
            varint::put(&mut packed, run.len() as u64);
            packed.append(&mut run);
        }
        Self { kind, packed: packed.into() }
    }

    /// The subject, to look at.
    pub fn view(&self) -> SubjectRef<'_> {
        let mut rest = &*self.packed;
        let mut take = || Pairs::take(&mut rest).expect("a subject holds what was packed into it");
        SubjectRef { kind: self.kind, tags: take(), labels: take() }
    }

    /// Tags and labels as they are written to disk.
    pub(crate) fn packed(&self) -> &[u8] {
        &self.packed
    }
}

/// A [`Subject`] wherever it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectRef<'a> {
    /// Which measurement.
    pub kind: Kind,
    /// Tags in `InfluxDB`.
    pub tags: Pairs<'a>,
    /// Labels in Prometheus: those of the same thing on `/metrics`.
    pub labels: Pairs<'a>,
}

/// Some values of one subject at one time.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// Of what.
    pub subject: SubjectRef<'a>,
    /// When it was measured; for a probe, when it was sent.
    pub at: UnixMs,
    /// The fields of the kind in its order. What is not finite, or beyond the end, is missing.
    pub values: &'a [f64],
}

impl<'a> Point<'a> {
    /// The fields that have a value, in the order of the kind.
    pub fn fields(self) -> impl Iterator<Item = (&'static Field, f64)> + 'a {
        let fields = self.subject.kind.shape().fields;
        fields.iter().zip(self.values.iter().copied()).filter(|(_, value)| value.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_shows_its_tags_and_labels_sorted() {
        let subject = Subject::new(Kind::Ping, &[("region", "r"), ("host", "h é")], &[("a", "")]);
        let view = subject.view();
        assert_eq!(view.tags.iter().collect::<Vec<_>>(), [("host", "h é"), ("region", "r")]);
        assert_eq!(view.labels.iter().collect::<Vec<_>>(), [("a", "")]);
    }

    #[test]
    fn every_kind_is_found_by_its_measurement_and_fits() {
        for kind in Kind::ALL {
            let shape = kind.shape();
            assert_eq!(Kind::from_measurement(shape.measurement), Some(kind));
            assert!(shape.fields.len() <= MAX_FIELDS, "{}", shape.measurement);
        }
    }

    #[test]
    fn values_that_are_no_numbers_are_missing() {
        let subject = Subject::new(Kind::Ping, &[], &[]);
        let values = [1.0, f64::NAN, f64::INFINITY, 2.0];
        let point = Point { subject: subject.view(), at: UnixMs(0), values: &values };
        let found: Vec<_> = point.fields().map(|(field, value)| (field.name, value)).collect();
        assert_eq!(found, [("transmitted", 1.0), ("min", 2.0)]);
    }
}
