//! Readings of interfaces as points of the measurement `interface`, for the sinks: the counters as they are.
//! Pure.

use model::InterfaceReading;
use store::sink::{Kind, Subject};

/// How many fields a point has.
pub(super) const FIELDS: usize = 12;

/// Of what the points of an interface are: the tags of network-telemetry, and `ifName`, which is what it is
/// known by; the labels are those of `/metrics`.
pub(super) fn subject(device: &str, reading: &InterfaceReading) -> Subject {
    let descr = if reading.descr.is_empty() { &reading.name } else { &reading.descr };
    let mut tags = vec![("hostname", device), ("ifDescr", &**descr), ("ifName", &*reading.name)];
    if !reading.alias.is_empty() {
        tags.push(("ifAlias", &reading.alias));
    }
    Subject::new(Kind::Interface, &tags, &[("device", device), ("interface", &reading.name)])
}

/// The fields of a reading in the order of the kind; `NAN` for what the device does not tell.
pub(super) fn values(reading: &InterfaceReading) -> [f64; FIELDS] {
    let wide = |octets: Option<u64>| octets.filter(|_| reading.wide);
    let of = |value: Option<u64>| value.map_or(f64::NAN, |value| value as f64);
    let narrow = |value: Option<u32>| value.map_or(f64::NAN, f64::from);
    let state = |number: Option<u8>| number.map_or(f64::NAN, f64::from);
    let speed = of(reading.speed_bps);
    [
        of(wide(reading.octets.received)),
        of(wide(reading.octets.sent)),
        of(reading.octets.received),
        of(reading.octets.sent),
        speed,
        speed / 1e6,
        state(reading.oper.number()),
        state(reading.admin.number()),
        narrow(reading.errors.received),
        narrow(reading.errors.sent),
        narrow(reading.discards.received),
        narrow(reading.discards.sent),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::UnixMs;
    use model::{Both, OperStatus};
    use store::sink::Point;

    #[test]
    fn the_octets_of_64_bits_stand_under_both_names() {
        let reading = InterfaceReading {
            name: "Gi0/1".into(),
            descr: "GigabitEthernet0/1".into(),
            speed_bps: Some(10_000_000_000),
            oper: OperStatus::Up,
            octets: Both { received: Some(1 << 40), sent: None },
            wide: true,
            ..InterfaceReading::default()
        };
        let subject = subject("sw1", &reading);
        let view = subject.view();
        let tags: Vec<_> = view.tags.iter().collect();
        let expected =
            [("hostname", "sw1"), ("ifDescr", "GigabitEthernet0/1"), ("ifName", "Gi0/1")];
        assert_eq!(tags, expected);
        let values = values(&reading);
        let point = Point { subject: view, at: UnixMs(0), values: &values };
        let fields: Vec<_> = point.fields().map(|(field, value)| (field.name, value)).collect();
        let octets = 1_099_511_627_776.0;
        let expected = [
            ("ifHCInOctets", octets),
            ("ifInOctets", octets),
            ("ifSpeed", 1e10),
            ("ifHighSpeed", 1e4),
            ("ifOperStatus", 1.0),
        ];
        assert_eq!(fields, expected);
    }
}
