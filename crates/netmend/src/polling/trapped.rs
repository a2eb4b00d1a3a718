//! What traps mean for devices: whom they are from, which interface they are about, and whether that is an
//! event. Pure but for the intake's memory; who writes to the store is elsewhere.

use std::borrow::Cow;
use std::sync::Arc;

use measure::snmp::traps::{Object, Trap, Turn};
use mend::{Intake, Said};
use model::event::{Evidence, Origin};
use model::{Device, Inventory};
use store::{EventChange, LineBatch, LineView};

/// Finds the name of the interface that a device numbers so.
pub(super) type Names<'n> = &'n dyn Fn(&str, u32) -> Option<Arc<str>>;

/// What traps are understood by.
#[derive(Clone, Copy)]
pub(super) struct By<'b> {
    /// Whose address it is.
    pub(super) inventory: &'b Inventory,
    /// How interfaces are called.
    pub(super) names: Names<'b>,
    /// Whether a remediation may be for this code.
    pub(super) mendable: &'b dyn Fn(&str) -> bool,
}

/// The event that a trap may be; the trap itself is appended to `lines`.
pub(super) fn event(
    trap: &Trap,
    by: By<'_>,
    intake: &mut Intake,
    lines: &mut LineBatch,
) -> Option<EventChange> {
    let sender = trap.from.ip().to_canonical();
    let known = by.inventory.at(sender);
    let device =
        known.map_or_else(|| Cow::Owned(sender.to_string()), |known| Cow::Borrowed(&*known.name));
    let notice = &trap.notice;
    lines.push(LineView {
        at: trap.at,
        device: &device,
        code: &notice.code,
        severity: notice.severity,
        raw: notice.text.as_bytes(),
    });
    let (object, fields) = about(&notice.object, &device, by.names);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
    let said = Said {
        device: &device,
        doubt: None,
        code: &notice.code,
        code_norm: &notice.code,
        object: &object,
        severity: notice.severity,
        turn: match notice.turn {
            Turn::Told => mend::Turn::Told,
            Turn::Fault => mend::Turn::Fault,
            Turn::Clear(code) => mend::Turn::Clear(code),
        },
        at: trap.at,
        origin: Origin::Trap,
        message: &notice.text,
        fields: &fields,
        evidence: evidence(trap, known),
        mendable: (by.mendable)(&notice.code),
    };
    intake.take(&said)
}

/// How sure it is who sent a trap. The user of version 3 proves it where it is the device's own.
fn evidence(trap: &Trap, known: Option<&Device>) -> Evidence {
    if trap.authenticated && known.is_some() { Evidence::Sure } else { Evidence::Datagram }
}

/// What a trap is about, by name, and the same as fields.
fn about(object: &Object, device: &str, names: Names<'_>) -> (String, Vec<(&'static str, String)>) {
    match object {
        Object::None => (String::new(), Vec::new()),
        Object::Interface(name) => (name.to_string(), vec![("interface", name.to_string())]),
        Object::Index(index) => match names(device, *index) {
            Some(name) => (name.to_string(), vec![("interface", name.to_string())]),
            None => (format!("interface {index}"), Vec::new()),
        },
        Object::Peer(peer) => (peer.to_string(), vec![("peer", peer.to_string())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use measure::snmp::traps::Notice;
    use model::UnixMs;
    use model::event::EventState;

    fn trap(turn: Turn, from: &str) -> Trap {
        Trap {
            at: UnixMs(5),
            from: from.parse().unwrap(),
            authenticated: false,
            notice: Notice {
                code: "IF-MIB::linkDown".into(),
                object: Object::Index(7),
                turn,
                severity: Some(3),
                text: "SNMP trap IF-MIB::linkDown ifIndex.7=7".into(),
            },
        }
    }

    fn inventory() -> Inventory {
        let sw1 = Device {
            name: "sw1".into(),
            addresses: vec!["192.0.2.1".parse().unwrap()],
            ..Device::default()
        };
        Inventory::new(vec![sw1], []).unwrap()
    }

    /// What a trap comes to if remediations are for the code `mended`; one line of it is kept.
    fn told(
        trap: &Trap,
        names: Names<'_>,
        mended: &str,
        intake: &mut Intake,
    ) -> Option<EventChange> {
        let mut lines = LineBatch::default();
        let by = By { inventory: &inventory(), names, mendable: &|code| code == mended };
        let event = event(trap, by, intake, &mut lines);
        assert_eq!(lines.len(), 1);
        event
    }

    /// What a trap comes to that is an event whatever remediations there are.
    fn heard(trap: &Trap, names: Names<'_>, intake: &mut Intake) -> EventChange {
        told(trap, names, "", intake).expect("it is an event")
    }

    #[test]
    fn a_trap_is_an_event_of_the_device_that_has_the_address_and_names_its_interface() {
        let names =
            |device: &str, index: u32| (device == "sw1" && index == 7).then(|| "Eth7".into());
        let mut intake = Intake::default();
        let down = heard(&trap(Turn::Fault, "192.0.2.1:5000"), &names, &mut intake);
        let EventChange::Report(report) = down else { panic!("{down:?}") };
        assert_eq!((report.device.as_str(), report.object.as_str()), ("sw1", "Eth7"));
        assert_eq!(report.origin, Origin::Trap);
        let turn = Turn::Clear("IF-MIB::linkDown");
        let up = heard(&trap(turn, "192.0.2.1:5000"), &names, &mut intake);
        let fingerprint = model::Event::fingerprint("sw1", "IF-MIB::linkDown", "Eth7");
        assert_eq!(up, EventChange::Clear { fingerprint, at: UnixMs(5) });
    }

    #[test]
    fn a_trap_that_a_remediation_is_for_is_an_event_and_as_sure_as_its_sender() {
        let mut trap = trap(Turn::Told, "192.0.2.1:5000");
        trap.notice = Notice { code: "1.3.6.1.4.1.9.1".into(), severity: None, ..trap.notice };
        let told =
            |trap: &Trap, mended| match told(trap, &|_, _| None, mended, &mut Intake::default())? {
                EventChange::Report(report) => Some((report.state, report.evidence)),
                other => panic!("{other:?}"),
            };
        assert_eq!(told(&trap, "another"), None);
        let forgeable = Some((EventState::New, Evidence::Datagram));
        assert_eq!(told(&trap, "1.3.6.1.4.1.9.1"), forgeable);
        trap.authenticated = true;
        let proven = Some((EventState::New, Evidence::Sure));
        assert_eq!(told(&trap, "1.3.6.1.4.1.9.1"), proven);
        trap.from = "198.51.100.9:162".parse().unwrap();
        assert_eq!(told(&trap, "1.3.6.1.4.1.9.1"), forgeable, "a user speaks for no stranger");
    }

    #[test]
    fn a_trap_of_a_stranger_is_filed_under_its_address() {
        let from = "[::ffff:198.51.100.9]:162";
        let told = heard(&trap(Turn::Fault, from), &|_, _| None, &mut Intake::default());
        let EventChange::Report(report) = told else { panic!("{told:?}") };
        assert_eq!(
            (report.device.as_str(), report.object.as_str()),
            ("198.51.100.9", "interface 7")
        );
    }
}
