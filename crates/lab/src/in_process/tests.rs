//! The simulated sockets must say what the kernel's would.

use std::sync::Arc;

use model::ManualClock;
use model::transport::Layer;

use super::*;
use crate::packet::{SYN, Segment, message_mut, restore_checksum};
use crate::scenario::Scenario;

const NOON: UnixNs = UnixNs(1_800_000_000_000_000_000);

struct Bed {
    clock: Arc<ManualClock>,
    network: SimulatedNetwork,
}

impl Bed {
    fn of(scenario: &str) -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let world = World::new(Scenario::named(scenario).unwrap());
        let network = SimulatedNetwork::new(world, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { clock, network }
    }

    fn open(&self, kind: SocketKind, family: Family) -> Opened {
        self.network.open(&key(kind, family)).unwrap()
    }
}

fn key(kind: SocketKind, family: Family) -> SocketKey {
    SocketKey { kind, family, source: None, dscp: 0, dont_fragment: false, device: None }
}

/// An ICMP echo request as an engine would write it: the checksum of `ICMPv6` is left to the network.
fn echo(to: &str, sequence: u8) -> Vec<u8> {
    let to: IpAddr = to.parse().unwrap();
    let from: IpAddr = if to.is_ipv4() { "10.255.0.1" } else { "fd00:ffff::1" }.parse().unwrap();
    let mut out = Vec::new();
    packet::write_echo_reply(&mut out, from, to, &[1, 2, 0, sequence, 9, 9, 9, 9]);
    message_mut(&mut out)[0] = if to.is_ipv4() { 8 } else { 128 };
    restore_checksum(&mut out);
    if to.is_ipv6() {
        message_mut(&mut out)[2..4].fill(0);
    }
    message_mut(&mut out).to_vec()
}

fn send(opened: &mut Opened, to: &str, bytes: &[u8]) -> Vec<Departure> {
    let mut reports = Vec::new();
    let to = SocketAddr::new(to.parse().unwrap(), 0);
    let packet = Outgoing { to, from: None, bytes, ticket: 5 };
    opened.outlet.send(&[packet], &mut |departure| reports.push(departure)).unwrap();
    reports
}

fn stamps(opened: &mut Opened) -> Vec<Departure> {
    let mut reports = Vec::new();
    opened.outlet.stamps(&mut |departure| reports.push(departure)).unwrap();
    reports
}

fn receive(opened: &mut Opened) -> Vec<(String, Layer, Vec<u8>, UnixNs)> {
    let mut taken = Vec::new();
    let emptied = opened
        .inlet
        .receive(Duration::ZERO, &mut |arrival| {
            let from = arrival.from.ip().to_string();
            taken.push((from, arrival.layer, arrival.bytes.to_vec(), arrival.at));
        })
        .unwrap();
    assert!(emptied, "these tests send less than a batch");
    taken
}

#[test]
fn an_answer_arrives_when_the_clock_says_so_and_bears_the_time_it_was_due() {
    let bed = Bed::of("bench");
    for (family, to, kind) in [(Family::V4, "10.64.0.1", 0), (Family::V6, "fd00:64::1", 129)] {
        let sent_at = bed.clock.now();
        let mut socket = bed.open(SocketKind::Icmp, family);
        assert_eq!(socket.method, Method::IcmpRaw);
        let sent = send(&mut socket, to, &echo(to, 1));
        assert_eq!(sent, [Departure::Sent { ticket: 5, before: sent_at, about: sent_at }]);
        let stamped = Departure::Stamped { ticket: 5, at: sent_at, source: StampSource::Kernel };
        assert_eq!(stamps(&mut socket), [stamped]);

        bed.clock.advance(Duration::from_millis(9));
        assert!(receive(&mut socket).is_empty());
        bed.clock.advance(Duration::from_millis(4));
        let taken = receive(&mut socket);
        assert_eq!(taken.len(), 1);
        let (from, layer, bytes, at) = &taken[0];
        assert_eq!((from.as_str(), *layer, bytes[0]), (to, Layer::Icmp, kind));
        assert_eq!(at.since(sent_at), 10_000_000, "due at 10 ms although taken at 13 ms");
    }
}

#[test]
fn a_stepped_wall_clock_moves_the_stamps_and_not_the_arrival() {
    let bed = Bed::of("bench");
    let mut socket = bed.open(SocketKind::Icmp, Family::V4);
    send(&mut socket, "10.64.0.1", &echo("10.64.0.1", 1));
    bed.clock.step_to(UnixNs(NOON.0 - 3_600_000_000_000));
    bed.clock.advance(Duration::from_millis(10));
    let (_, _, _, at) = receive(&mut socket)[0];
    assert_eq!(at.since(NOON), -3_600_000_000_000 + 10_000_000);
}

#[test]
fn without_privileges_the_next_rung_is_used_and_errors_come_beside_the_data() {
    let bed = Bed::of("routers");
    bed.network.deny(Method::IcmpRaw);
    bed.network.deny(Method::TcpSyn);
    let mut socket = bed.open(SocketKind::Icmp, Family::V4);
    assert_eq!(socket.method, Method::IcmpDgram);
    assert!(matches!(socket.warnings[..], [Warning::FellBack { from: Method::IcmpRaw, .. }]));
    let error = bed.network.open(&key(SocketKind::TcpSyn, Family::V4)).unwrap_err();
    assert!(error.is_denied());

    send(&mut socket, "10.74.1.9", &echo("10.74.1.9", 77));
    bed.clock.advance(Duration::from_millis(2));
    assert!(receive(&mut socket).is_empty());
    let failed = Departure::Failed {
        to: "10.74.1.9".parse().unwrap(),
        sequence: 77,
        from: "10.74.255.2".parse().unwrap(),
        kind: 3,
        code: 1,
    };
    assert!(stamps(&mut socket).contains(&failed));
}

#[test]
fn a_syn_is_answered_on_the_ports_of_its_socket() {
    let bed = Bed::of("ports");
    let mut socket = bed.open(SocketKind::TcpSyn, Family::V4);
    let other = bed.open(SocketKind::TcpSyn, Family::V4);
    assert!(!socket.source_ports.is_empty());
    assert!(!socket.source_ports.contains(&other.source_ports.start), "ports are held");

    let key = key(SocketKind::TcpSyn, Family::V4);
    let to = "10.75.0.1";
    let from = bed.network.source_for(&key, SocketAddr::new(to.parse().unwrap(), 443)).unwrap();
    let syn = Segment {
        source_port: socket.source_ports.start,
        port: 443,
        sequence: 9,
        acknowledged: 0,
        flags: SYN,
        data: 0,
    };
    let mut out = Vec::new();
    packet::write_segment(&mut out, from, to.parse().unwrap(), &syn);
    send(&mut socket, to, message_mut(&mut out));
    let packet = Outgoing {
        to: SocketAddr::new(to.parse().unwrap(), 443),
        from: Some("10.255.0.2".parse().unwrap()),
        bytes: message_mut(&mut out),
        ticket: 6,
    };
    let refused = Departure::Refused { ticket: 6, errno: Errno::EADDRNOTAVAIL as i32 };
    socket.outlet.send(&[packet], &mut |departure| assert_eq!(departure, refused)).unwrap();
    bed.clock.advance(Duration::from_millis(3));
    let taken = receive(&mut socket);
    assert_eq!((taken[0].0.as_str(), taken[0].1), (to, Layer::Tcp));
    assert_eq!(taken[0].2[8..12], 10_u32.to_be_bytes());
}

#[test]
fn refused_sends_and_a_full_queue_are_told_as_the_kernel_tells_them() {
    let bed = Bed::of("bench");
    let mut socket = bed.open(SocketKind::Icmp, Family::V4);
    bed.network.refuse_sends(1, Errno::EPERM as i32);
    let refused = send(&mut socket, "10.64.0.1", &echo("10.64.0.1", 1));
    assert_eq!(refused, [Departure::Refused { ticket: 5, errno: Errno::EPERM as i32 }]);
    assert!(stamps(&mut socket).is_empty());

    bed.network.limit_receive_queue(2);
    for sequence in 0..5 {
        send(&mut socket, "10.64.0.1", &echo("10.64.0.1", sequence));
    }
    bed.clock.advance(Duration::from_millis(10));
    assert_eq!(socket.gauge.read().receive_drops, 3);
    assert_eq!(receive(&mut socket).len(), 2);
}

#[test]
fn what_does_not_fit_is_refused_if_it_may_not_be_cut_up() {
    let bed = Bed::of("bench");
    let key = SocketKey { dont_fragment: true, ..key(SocketKind::Icmp, Family::V4) };
    let mut socket = bed.network.open(&key).unwrap();
    let refused = send(&mut socket, "10.64.0.1", &[0; 1481]);
    assert_eq!(refused, [Departure::Refused { ticket: 5, errno: Errno::EMSGSIZE as i32 }]);
}

#[test]
fn a_source_address_that_is_not_ours_cannot_be_used() {
    let bed = Bed::of("bench");
    let source = Some("192.0.2.1".parse().unwrap());
    let error =
        bed.network.open(&SocketKey { source, ..key(SocketKind::Icmp, Family::V4) }).unwrap_err();
    assert!(error.to_string().contains("assign requested address"), "{error}");
}
