//! What a trap means: its name, what it is about, whether something broke or works again. Pure. Whatever was
//! sent becomes bounded, printable text; what nobody knows is told by its number.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;

use async_snmp::{Notification, Oid, Value, VarBind};

use crate::snmp::table::text;

/// `snmpTraps` (RFC 3418): coldStart 1, warmStart 2, linkDown 3, linkUp 4, authenticationFailure 5.
const SNMP_TRAPS: &[u32] = &[1, 3, 6, 1, 6, 3, 1, 1, 5];
/// `bgpTraps` of RFC 1657, which most devices still send.
const BGP_TRAPS: &[u32] = &[1, 3, 6, 1, 2, 1, 15, 7];
/// `bgpNotification` of RFC 4273.
const BGP_NOTIFICATION: &[u32] = &[1, 3, 6, 1, 2, 1, 15, 0];
/// `ifEntry` and `ifXEntry` (RFC 2863).
const IF_ENTRY: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1];
const IF_X_ENTRY: &[u32] = &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1];
/// `bgpPeerEntry` (RFC 4273), whose rows are numbered by the peer's address.
const BGP_PEER_ENTRY: &[u32] = &[1, 3, 6, 1, 2, 1, 15, 3, 1];
/// `ifAdminStatus` as a column, and its value for an interface that somebody shut.
const ADMIN_STATUS: u32 = 7;
const SHUT: u32 = 2;
/// Values of a trap that its text tells.
const TOLD: usize = 12;
/// Longest text of a trap in bytes.
const LONGEST: usize = 1_000;

/// What a trap says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its name, such as `IF-MIB::linkDown`; its number where nobody knows it.
    pub code: String,
    /// What it is about.
    pub object: Object,
    /// Which turn things took.
    pub turn: Turn,
    /// Severity as in syslog, for traps that are known.
    pub severity: Option<u8>,
    /// The whole trap as a line for people.
    pub text: String,
}

/// What a trap is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// The device as a whole, or something that is not known.
    None,
    /// An interface by its name.
    Interface(Arc<str>),
    /// An interface by its number on the device.
    Index(u32),
    /// A peer of BGP.
    Peer(Ipv4Addr),
}

/// Which turn things took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It happened.
    Told,
    /// Something broke.
    Fault,
    /// The fault of this code is over.
    Clear(&'static str),
}

const LINK_DOWN: &str = "IF-MIB::linkDown";
const BGP_BACKWARD: &str = "BGP4-MIB::bgpBackwardTransition";

impl Notice {
    /// What a notification says.
    pub(super) fn of(notification: &Notification) -> Self {
        let values = notification.varbinds();
        let oid = notification.trap_oid().unwrap_or_else(|_| Oid::empty());
        let peer = || peer(values).map_or(Object::None, Object::Peer);
        let (code, object, turn, severity) = match known(&oid) {
            Some(Known::ColdStart) => ("SNMPv2-MIB::coldStart", Object::None, Turn::Told, Some(4)),
            Some(Known::WarmStart) => ("SNMPv2-MIB::warmStart", Object::None, Turn::Told, Some(4)),
            Some(Known::LinkDown) if is_shut(values) => {
                // Somebody shut it: that is no fault.
                (LINK_DOWN, interface(values), Turn::Told, Some(5))
            }
            Some(Known::LinkDown) => (LINK_DOWN, interface(values), Turn::Fault, Some(3)),
            Some(Known::LinkUp) => {
                ("IF-MIB::linkUp", interface(values), Turn::Clear(LINK_DOWN), Some(5))
            }
            Some(Known::Authentication) => {
                ("SNMPv2-MIB::authenticationFailure", Object::None, Turn::Told, Some(4))
            }
            Some(Known::BgpBackward) => (BGP_BACKWARD, peer(), Turn::Fault, Some(3)),
            Some(Known::BgpEstablished) => {
                ("BGP4-MIB::bgpEstablished", peer(), Turn::Clear(BGP_BACKWARD), Some(5))
            }
            None => ("", Object::None, Turn::Told, None),
        };
        let code = if code.is_empty() { bounded(&oid.to_string(), 200) } else { code.to_owned() };
        let text = told(&code, values);
        Self { code, object, turn, severity, text }
    }
}

enum Known {
    ColdStart,
    WarmStart,
    LinkDown,
    LinkUp,
    Authentication,
    BgpEstablished,
    BgpBackward,
}

fn known(oid: &Oid) -> Option<Known> {
    let below = |prefix: &[u32]| match oid.arcs().strip_prefix(prefix)? {
        [number] => Some(*number),
        _ => None,
    };
    let bgp = || below(BGP_TRAPS).or_else(|| below(BGP_NOTIFICATION));
    match (below(SNMP_TRAPS), bgp()) {
        (Some(1), _) => Some(Known::ColdStart),
        (Some(2), _) => Some(Known::WarmStart),
        (Some(3), _) => Some(Known::LinkDown),
        (Some(4), _) => Some(Known::LinkUp),
        (Some(5), _) => Some(Known::Authentication),
        (_, Some(1)) => Some(Known::BgpEstablished),
        (_, Some(2)) => Some(Known::BgpBackward),
        _ => None,
    }
}

/// The interface that a trap is about: by `ifName` or `ifDescr` if it tells one, else by its number, which is
/// a value (`ifIndex`) or the row of one.
fn interface(values: &[VarBind]) -> Object {
    let column = |entry: &[u32], wanted: u32| {
        values.iter().find_map(|value| match value.oid.arcs().strip_prefix(entry)? {
            [column, row] if *column == wanted => Some((*row, &value.value)),
            _ => None,
        })
    };
    let name = column(IF_X_ENTRY, 1).or_else(|| column(IF_ENTRY, 2));
    if let Some(name) = name.and_then(|(_, value)| text(value)) {
        return Object::Interface(name);
    }
    let index = column(IF_ENTRY, 1).and_then(|(_, value)| value.as_u32());
    let row = || values.iter().find_map(|value| row_of(&value.oid));
    index.or_else(row).map_or(Object::None, Object::Index)
}

/// The number of the interface whose row a value is in.
fn row_of(oid: &Oid) -> Option<u32> {
    let arcs = oid.arcs();
    let rest = arcs.strip_prefix(IF_ENTRY).or_else(|| arcs.strip_prefix(IF_X_ENTRY))?;
    match rest {
        [_, row] => Some(*row),
        _ => None,
    }
}

/// Whether the interface of a linkDown was shut by somebody.
fn is_shut(values: &[VarBind]) -> bool {
    values.iter().any(|value| {
        let column = value.oid.arcs().strip_prefix(IF_ENTRY).and_then(|rest| rest.first());
        column == Some(&ADMIN_STATUS) && value.value.as_u32() == Some(SHUT)
    })
}

/// The peer that a trap is about: the number of the row of its values.
fn peer(values: &[VarBind]) -> Option<Ipv4Addr> {
    values.iter().find_map(|value| {
        let [_, row @ ..] = value.oid.arcs().strip_prefix(BGP_PEER_ENTRY)? else { return None };
        let octets: [u32; 4] = row.try_into().ok()?;
        let octets = octets.map(u8::try_from);
        match octets {
            [Ok(a), Ok(b), Ok(c), Ok(d)] => Some(Ipv4Addr::new(a, b, c, d)),
            _ => None,
        }
    })
}

/// A trap as a line: its name and its values.
fn told(code: &str, values: &[VarBind]) -> String {
    let mut line = format!("SNMP trap {code}");
    for value in values.iter().take(TOLD) {
        let shown = match &value.value {
            Value::OctetString(_) => {
                text(&value.value).map_or_else(|| "\"\"".to_owned(), |text| format!("{text:?}"))
            }
            Value::ObjectIdentifier(oid) => oid.to_string(),
            Value::IpAddress(octets) => Ipv4Addr::from(*octets).to_string(),
            other => match (other.as_i32(), other.as_u64()) {
                (Some(number), _) => number.to_string(),
                (None, Some(number)) => number.to_string(),
                (None, None) => "?".to_owned(),
            },
        };
        write!(line, " {}={shown}", name_of(&value.oid)).expect("a String takes every write");
    }
    if values.len() > TOLD {
        write!(line, " and {} more", values.len() - TOLD).expect("a String takes every write");
    }
    bounded(&line, LONGEST)
}

/// The name of a value where it is one that traps of links and peers tell; its number else.
fn name_of(oid: &Oid) -> String {
    let arcs = oid.arcs();
    let column = |entry: &[u32], names: &[(u32, &str)]| {
        let [column, row @ ..] = arcs.strip_prefix(entry)? else { return None };
        let (_, name) = names.iter().find(|(number, _)| number == column)?;
        let row: Vec<String> = row.iter().map(u32::to_string).collect();
        Some(format!("{name}.{}", row.join(".")))
    };
    let interface =
        [(1, "ifIndex"), (2, "ifDescr"), (3, "ifType"), (7, "ifAdminStatus"), (8, "ifOperStatus")];
    column(IF_ENTRY, &interface)
        .or_else(|| column(IF_X_ENTRY, &[(1, "ifName"), (18, "ifAlias")]))
        .or_else(|| {
            column(
                BGP_PEER_ENTRY,
                &[(2, "bgpPeerState"), (7, "bgpPeerRemoteAddr"), (14, "bgpPeerLastError")],
            )
        })
        .unwrap_or_else(|| oid.to_string())
}

fn bounded(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(trap: &[u32], values: Vec<(Vec<u32>, Value)>) -> Notice {
        let varbinds = values.into_iter().map(|(oid, value)| VarBind::new(Oid::new(oid), value));
        Notice::of(&Notification::TrapV2c {
            community: "public".into(),
            uptime: 1,
            trap_oid: Oid::from_slice(trap),
            varbinds: varbinds.collect(),
            request_id: 1,
            decode_anomalies: Vec::new(),
        })
    }

    fn below(prefix: &[u32], rest: &[u32]) -> Vec<u32> {
        [prefix, rest].concat()
    }

    #[test]
    fn a_link_that_goes_down_is_a_fault_of_its_interface_and_up_is_its_end() {
        let values = || {
            vec![
                (below(IF_ENTRY, &[1, 7]), Value::Integer(7)),
                (below(IF_ENTRY, &[7, 7]), Value::Integer(1)),
                (below(IF_ENTRY, &[8, 7]), Value::Integer(2)),
            ]
        };
        let down = notice(&below(SNMP_TRAPS, &[3]), values());
        assert_eq!((down.code.as_str(), down.turn), (LINK_DOWN, Turn::Fault));
        assert_eq!((down.object, down.severity), (Object::Index(7), Some(3)));
        assert_eq!(
            down.text,
            "SNMP trap IF-MIB::linkDown ifIndex.7=7 ifAdminStatus.7=1 ifOperStatus.7=2"
        );
        let up = notice(&below(SNMP_TRAPS, &[4]), values());
        assert_eq!((up.turn, up.object), (Turn::Clear(LINK_DOWN), Object::Index(7)));
    }

    #[test]
    fn an_interface_that_somebody_shut_is_no_fault() {
        let shut = notice(
            &below(SNMP_TRAPS, &[3]),
            vec![
                (below(IF_X_ENTRY, &[1, 7]), Value::OctetString("Eth7".into())),
                (below(IF_ENTRY, &[7, 7]), Value::Integer(2)),
            ],
        );
        assert_eq!(shut.turn, Turn::Told);
        assert_eq!(shut.object, Object::Interface("Eth7".into()));
    }

    #[test]
    fn a_peer_is_named_by_the_row_in_both_forms_of_the_trap() {
        for prefix in [BGP_TRAPS, BGP_NOTIFICATION] {
            let row = below(BGP_PEER_ENTRY, &[14, 192, 0, 2, 9]);
            let values = vec![(row, Value::OctetString(vec![6, 2].into()))];
            let lost = notice(&below(prefix, &[2]), values.clone());
            assert_eq!(lost.object, Object::Peer(Ipv4Addr::new(192, 0, 2, 9)));
            assert_eq!(lost.turn, Turn::Fault);
            assert_eq!(notice(&below(prefix, &[1]), values).turn, Turn::Clear(BGP_BACKWARD));
        }
    }

    #[test]
    fn a_trap_that_nobody_knows_is_told_by_its_number_and_stays_short() {
        let long = Value::OctetString("x\u{1b}[31m".repeat(400).into_bytes().into());
        let values = vec![(vec![1, 3, 6, 1, 4, 1, 9, 9], long); 30];
        let unknown = notice(&[1, 3, 6, 1, 4, 1, 9, 9, 43, 2, 0, 1], values);
        assert_eq!(unknown.code, "1.3.6.1.4.1.9.9.43.2.0.1");
        assert_eq!((unknown.turn, unknown.severity), (Turn::Told, None));
        assert!(unknown.text.len() <= LONGEST && !unknown.text.contains('\u{1b}'));
    }

    #[test]
    fn rows_that_are_no_addresses_name_no_peer() {
        let row = below(BGP_PEER_ENTRY, &[14, 192, 0, 2, 900]);
        let lost = notice(&below(BGP_TRAPS, &[2]), vec![(row, Value::Null)]);
        assert_eq!(lost.object, Object::None);
    }
}
