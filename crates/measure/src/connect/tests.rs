//! The prober against real sockets on loopback.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use model::{Outcome, PacketOptions, ProbeResult, Reason, StampSource, SystemClock, TargetId};

use super::*;
use crate::Spread;
use crate::work::Assignment;

fn assignment(id: u32, to: SocketAddr) -> Assignment {
    Assignment {
        id: TargetId(id),
        to,
        from: None,
        interval: Duration::from_millis(10),
        timeout: Duration::from_secs(5),
        phase: Duration::ZERO,
        packet: Arc::default(),
    }
}

/// Asks each target `rounds` times and waits for all that is reported.
fn probe(rounds: u32, assignments: Vec<Assignment>) -> (Vec<ProbeResult>, Counters) {
    let (to, results) = sync_channel(Results::QUEUE);
    let clock = Arc::new(SystemClock);
    let settings = Settings { clock, rounds: Some(rounds), spread: Spread::FlatOut, pace: None };
    let prober = ConnectProber::start(settings, Results::new(to, true)).unwrap();
    prober.tell(Command::Assign(assignments));
    prober.tell(Command::Complete);
    let results = results.iter().flatten().collect();
    (results, prober.counters())
}

fn listener(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A port where nobody listens: just given back, and not given out again so soon.
fn closed(address: &str) -> SocketAddr {
    listener(address).1
}

#[test]
fn an_open_port_answers_with_the_kernels_rtt_in_both_families() {
    for address in ["127.0.0.1", "::1"] {
        let (_open, to) = listener(address);
        let (results, counters) = probe(3, vec![assignment(4, to)]);
        assert_eq!((results.len(), counters.received, counters.in_flight), (3, 3, 0));
        for (round, result) in results.iter().enumerate() {
            assert_eq!((result.target, result.round), (TargetId(4), round as u32));
            assert_eq!((result.outcome, result.stamp), (Outcome::Reply, StampSource::Kernel));
            assert!((1..1_000_000_000).contains(&result.rtt_ns.unwrap()), "{result:?}");
        }
    }
}

#[test]
fn a_closed_port_is_refused_with_our_own_rtt() {
    for address in ["127.0.0.1", "::1"] {
        let (results, _) = probe(2, vec![assignment(0, closed(address))]);
        assert_eq!(results.len(), 2);
        for result in results {
            assert_eq!((result.outcome, result.stamp), (Outcome::Refused, StampSource::User));
            assert!((1..5_000_000_000).contains(&result.rtt_ns.unwrap()), "{result:?}");
        }
    }
}

#[test]
fn a_finished_handshake_is_reset_and_carries_no_data() {
    let (open, to) = listener("127.0.0.1");
    probe(1, vec![assignment(0, to)]);
    let (mut stream, _) = open.accept().unwrap();
    let error = std::io::Read::read(&mut stream, &mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn probes_leave_from_the_source_and_device_and_with_the_dscp_asked_for() {
    let (open, to) = listener("127.0.0.1");
    let source: IpAddr = "127.0.0.77".parse().unwrap();
    let packet = PacketOptions {
        source: Some(source),
        device: Some("lo".into()),
        dscp: 46,
        ..PacketOptions::default()
    };
    let (results, _) = probe(1, vec![Assignment { packet: Arc::new(packet), ..assignment(0, to) }]);
    assert_eq!(results[0].outcome, Outcome::Reply);
    assert_eq!(open.accept().unwrap().1.ip(), source);
}

#[test]
fn a_source_that_is_not_ours_and_a_device_that_is_not_there_are_unsent() {
    let (_open, to) = listener("127.0.0.1");
    let with = |packet| Assignment { packet: Arc::new(packet), ..assignment(0, to) };
    let foreign = PacketOptions { source: "192.0.2.1".parse().ok(), ..PacketOptions::default() };
    let missing = PacketOptions { device: Some("nosuch0".into()), ..PacketOptions::default() };
    for (packet, errno) in [(foreign, Errno::EADDRNOTAVAIL), (missing, Errno::ENODEV)] {
        let (results, counters) = probe(1, vec![with(packet)]);
        assert_eq!(results[0].outcome, Outcome::Unsent);
        assert_eq!(results[0].reason, Some(Reason::Errno(errno as i32)));
        assert_eq!(counters.send_errors, [(errno as i32, 1)]);
    }
}

#[test]
fn thousands_at_once_are_all_told_apart() {
    let (_open, open) = listener("127.0.0.1");
    let closed = closed("127.0.0.1");
    // Nobody accepts, so no more handshakes than the listener's queue holds.
    let is_open = |id: u32| id.is_multiple_of(20);
    let mixed = |id| assignment(id, if is_open(id) { open } else { closed });
    let (results, counters) = probe(1, (0..2_000).map(mixed).collect());
    assert_eq!((results.len(), counters.sent), (2_000, 2_000));
    for result in results {
        let expected = if is_open(result.target.0) { Outcome::Reply } else { Outcome::Refused };
        assert_eq!(result.outcome, expected, "{result:?}");
    }
}
