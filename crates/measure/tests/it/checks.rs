//! What must hold for every parser of this crate whatever the bytes are. The fuzz targets and the short
//! form in the tests both call these, so that what one finds the other keeps found.

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

use measure::discover::{RouteDump, parse_resolv_conf, parse_route_messages};
use measure::wire::syslog::{self, DeviceTime, HeaderFormat, Meanings, Rule, Template};
use measure::wire::{self, Cookie, Message, Reject, Slot, icmp, netlink, tcp};
use model::{Family, UnixMs};

const ROUND: u32 = 77;
const PORTS: std::ops::Range<u16> = 40_000..40_016;

fn cookie() -> Cookie {
    Cookie::new(Some(0x1234), PORTS)
}

/// The bytes as they are, and the bytes as orders to damage a good packet: where to cut it, then triples
/// of a place (two bytes) and what to write there. Damage reaches what random bytes never do, since a
/// good packet bears a secret.
fn damaged(mut packet: Vec<u8>, orders: &[u8]) -> Vec<u8> {
    let Some((&[high, low], patches)) = orders.split_first_chunk::<2>() else { return packet };
    packet.truncate(usize::from(u16::from_be_bytes([high, low])));
    for &[high, low, value] in patches.as_chunks::<3>().0 {
        let at = usize::from(u16::from_be_bytes([high, low]));
        if let Some(byte) = packet.get_mut(at) {
            *byte = value;
        }
    }
    packet
}

fn slot_of(orders: &[u8]) -> Slot {
    orders.iter().fold(1, |slot: Slot, byte| slot.rotate_left(5) ^ Slot::from(*byte))
}

/// An echo request as it leaves, of which `icmp::build` makes a reply by its first byte.
fn echo(cookie: &Cookie, family: Family, kind: u8, slot: Slot) -> Vec<u8> {
    let mut packet = vec![0; icmp::HEADER + 56];
    icmp::build(&mut packet, family, cookie, slot, ROUND);
    packet[0] = kind;
    if family == Family::V4 {
        put_checksum(&mut packet);
    }
    packet
}

fn put_checksum(packet: &mut [u8]) {
    packet[2..4].fill(0);
    let mut sum: u32 = packet
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u32::from(low)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

/// An IPv4 or IPv6 header of a packet from us to `to`, to be quoted by an error.
fn header(to: IpAddr, protocol: u8) -> Vec<u8> {
    match to {
        IpAddr::V4(to) => {
            let mut header = vec![0x45, 0, 0, 84, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1];
            header.extend(to.octets());
            header
        }
        IpAddr::V6(to) => {
            let mut header = vec![0x60, 0, 0, 0, 0, 64, protocol, 64];
            header.extend([0; 16]);
            header.extend(to.octets());
            header
        }
    }
}

fn error(family: Family, quoted: &[u8]) -> Vec<u8> {
    let mut packet = vec![if family == Family::V4 { 3 } else { 1 }, 1, 0, 0, 0, 0, 0, 0];
    packet.extend(quoted);
    put_checksum(&mut packet);
    packet
}

fn syn(cookie: &Cookie, slot: Slot, to: IpAddr) -> Vec<u8> {
    let from = if to.is_ipv4() { "10.0.0.1" } else { "2001:db8::1" };
    let mut packet = [0; tcp::SYN];
    let from = from.parse().expect("an address is written here");
    tcp::build(&mut packet, cookie, slot, from, SocketAddr::new(to, 443));
    packet.to_vec()
}

fn host(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([192, 0, 2, 1]),
        Family::V6 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7]),
    }
}

/// ICMP of either family: raw bytes, damaged replies, and damaged errors about echo requests and SYNs.
pub fn icmp_message(family: Family, bytes: &[u8]) {
    let cookie = cookie();
    let parse = |packet: &[u8]| match family {
        Family::V4 => icmp::parse_v4(&cookie, packet),
        Family::V6 => icmp::parse_v6(&cookie, packet),
    };
    assert!(
        !matches!(parse(bytes), Ok(Message::Echo { .. })),
        "who does not know the secret cannot answer"
    );
    let slot = slot_of(bytes);
    let (request, answer, protocol) = if family == Family::V4 { (8, 0, 1) } else { (128, 129, 58) };

    let reply = echo(&cookie, family, answer, slot);
    assert_eq!(parse(&reply), Ok(Message::Echo { slot, round: ROUND }));
    if let Ok(Message::Echo { slot: read, round }) = parse(&damaged(reply, bytes)) {
        assert_eq!((read, round), (slot, ROUND), "damage never makes it another probe's answer");
    }

    let to = host(family);
    let quote = [header(to, protocol), echo(&cookie, family, request, slot)[..8].to_vec()].concat();
    let about_echo = error(family, &quote);
    let sequence = slot as u16;
    assert!(matches!(parse(&about_echo), Ok(Message::EchoError { to: quoted, sequence: read, .. })
            if quoted == to && read == sequence));
    if let Ok(Message::EchoError { to: quoted, .. }) = parse(&damaged(about_echo, bytes)) {
        assert_eq!(Family::of(quoted), family);
    }

    let quote = [header(to, 6), syn(&cookie, slot, to)[..8].to_vec()].concat();
    let about_syn = error(family, &quote);
    assert!(matches!(parse(&about_syn), Ok(Message::TcpError { to: quoted, slot: read, .. })
            if quoted == to && read == slot));
    if let Ok(Message::TcpError { to: quoted, slot, .. }) = parse(&damaged(about_syn, bytes)) {
        assert_eq!(Family::of(quoted), family);
        assert!(PORTS.contains(&cookie.port_of(slot)));
    }
}

/// TCP segments: raw bytes, and a damaged SYN/ACK.
pub fn tcp_segment(bytes: &[u8]) {
    let cookie = cookie();
    let slot = slot_of(bytes);
    let mut answer = vec![0; 20];
    answer[..2].copy_from_slice(&443_u16.to_be_bytes());
    answer[2..4].copy_from_slice(&cookie.port_of(slot).to_be_bytes());
    answer[8..12].copy_from_slice(&cookie.seal(slot).wrapping_add(1).to_be_bytes());
    (answer[12], answer[13]) = (5 << 4, 0x12);
    let expected = Message::Tcp { slot, port: 443, refused: false };
    assert_eq!(tcp::parse(&cookie, &answer), Ok(expected));
    for segment in [bytes.to_vec(), damaged(answer, bytes)] {
        match tcp::parse(&cookie, &segment) {
            Ok(Message::Tcp { slot, .. }) => {
                let sealed = cookie.seal(slot).wrapping_add(1).to_be_bytes();
                assert_eq!(segment[8..12], sealed, "the slot is what the segment acknowledges");
            }
            Ok(other) => panic!("a TCP segment read as {other:?}"),
            Err(Reject::Foreign | Reject::Malformed) => {}
        }
    }
}

/// A datagram of a route dump.
pub fn route_messages(bytes: &[u8]) {
    let mut dump = RouteDump::default();
    parse_route_messages(bytes, &mut dump);
    // The smallest message with a gateway has a header, a route and an attribute.
    assert!(dump.watched().len() <= bytes.len() / 8);
    assert!(dump.malformed <= bytes.len());
}

/// A datagram of a dump of neighbour tables.
pub fn neighbour_tables(bytes: &[u8]) {
    let (fulls, ended) = netlink::table_fulls(bytes);
    // The smallest table that says so has a header, an `ndtmsg` and one attribute of eleven numbers.
    assert!(fulls == 0 || bytes.len() >= 16 + 4 + 4 + 88);
    // What stands behind the end of the dump is not read, and what is cut off adds nothing.
    if ended {
        assert_eq!(netlink::table_fulls(&[bytes, &[0xff; 64]].concat()), (fulls, true));
    }
    for end in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
        assert!(netlink::table_fulls(&bytes[..end]).0 <= fulls);
    }
}

/// A packet as a raw IPv4 socket hands it over.
pub fn ipv4_packet(bytes: &[u8]) {
    let Some(rest) = wire::after_ipv4_header(bytes) else { return };
    let header = bytes.len() - rest.len();
    assert!((20..=60).contains(&header) && header.is_multiple_of(4));
    assert!(std::ptr::eq(rest, &raw const bytes[header..]), "it is the end of the packet");
    icmp_message(Family::V4, rest);
}

/// A `resolv.conf`.
pub fn resolv_conf(bytes: &[u8]) {
    let conf = parse_resolv_conf(bytes);
    let lines: Vec<_> =
        conf.nameservers.iter().map(|server| format!("nameserver {server}")).collect();
    let again = parse_resolv_conf(lines.join("\n").as_bytes());
    assert_eq!((again.nameservers, again.garbage), (conf.nameservers, 0));
}

/// A host as a person may write it.
pub fn host_literal(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for family in [Family::V4, Family::V6] {
        if let Some(Ok(address)) = measure::resolve::literal(text, family) {
            assert_eq!(Family::of(address.ip()), family);
            assert_eq!(address.port(), 0);
        }
    }
}

/// A syslog line, also with headers of users: its record lies within it, its codes are whole, its times exist,
/// and what it is said to mean is text that can be shown. The same bytes as a datagram come apart into all of
/// their parts.
pub fn syslog_line(bytes: &[u8]) {
    static OWN: LazyLock<[HeaderFormat; 2]> = LazyLock::new(|| {
        [
            "{time} <{device}> {app}#{pid} {severity} {code} >> {message...}",
            "{relay...}: {_} {seq}/{device}: {...} {message...}",
        ]
        .map(|text| HeaderFormat::new(text).expect("it is one"))
    });
    let received = UnixMs(1_795_305_600_000);
    for record in [syslog::parse(bytes, received), syslog::parse_with(bytes, received, &*OWN)] {
        syslog_record(bytes, &record);
    }
    assert_eq!(syslog::split(bytes).map(<[u8]>::len).sum::<usize>(), bytes.len());
}

fn syslog_record(bytes: &[u8], record: &syslog::Record<'_>) {
    let within = |part: &[u8]| {
        let (whole, part) = (bytes.as_ptr_range(), part.as_ptr_range());
        part.is_empty() || (whole.start <= part.start && part.end <= whole.end)
    };
    let names = [record.device, record.relay, record.app, record.pid];
    assert!(names.iter().flatten().all(|name| !name.is_empty() && within(name.as_bytes())));
    assert!(within(record.message) && within(record.raw) && within(record.structured));
    if let Some(code) = record.code {
        assert!(!code.printed.is_empty() && code.norm_is(&code.norm().concat()));
        assert!(code.severity.is_none_or(|severity| severity < 8));
    }
    assert!(record.severity().is_none_or(|severity| severity < 8));
    if let Some(DeviceTime::Wall(stamp)) = record.time {
        assert!(
            (1..=12).contains(&stamp.month) && (1..=31).contains(&stamp.day) && stamp.hour < 24
        );
        assert!(stamp.digits <= 9 && stamp.nanos < 1_000_000_000);
    }
    let template = Template::new("{...} {interface}, changed {state...}").expect("it is one");
    let codes = record.code.map(|code| code.norm().concat()).into_iter().collect();
    let apps = record.app.map(str::to_owned).into_iter().collect();
    let meanings =
        Meanings::new(vec![Rule { codes, apps, texts: vec![template], ..Rule::default() }]);
    if let Some(meaning) = meanings.of(record) {
        assert!(meaning.fields().all(|(_, value)| !value.chars().any(char::is_control)));
    }
}
