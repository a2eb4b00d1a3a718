//! Probing through packet filters and routers that refuse, drop, report and lie.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};

use lab::Namespace;
use model::{Method, Outcome, Protocol, Reason, StampSource, Target};
use nix::errno::Errno;

use crate::bed::{cable, ip, namespace, nft, probe, probe_here, sysctl, target};

/// Half the interval of [`target`]: a stamp that belongs to another probe is off by more.
const HALF_AN_INTERVAL: u64 = 25_000_000;

#[test]
fn sends_that_a_filter_refuses_midway_leave_later_times_right() {
    let here = namespace();
    // 56 bytes of payload make 84: four packets pass, the rest are refused with EPERM.
    nft(
        &here,
        "table ip t { chain c { type filter hook output priority 0;
            ip daddr 127.0.0.2 icmp type echo-request quota over 340 bytes drop; }; }",
    );
    let run = probe(
        &here,
        12,
        ["127.0.0.1", "127.0.0.2"].map(|host| target(host, Protocol::Icmp)).into(),
    );
    let refused = run.of(1);
    assert_eq!(refused.len(), 12);
    for result in &refused {
        let expected = if result.round < 4 { Outcome::Reply } else { Outcome::Unsent };
        assert_eq!(result.outcome, expected, "{result:?}");
        if expected == Outcome::Unsent {
            assert_eq!(result.reason, Some(Reason::Errno(Errno::EPERM as i32)));
        }
    }
    assert_eq!(run.counters.send_errors, [(Errno::EPERM as i32, 8)]);
    let others = run.of(0);
    assert_eq!(others.len(), 12);
    for result in others.iter().chain(&refused[..4]) {
        assert_eq!(result.outcome, Outcome::Reply, "{result:?}");
        assert!(result.rtt_ns.unwrap() < HALF_AN_INTERVAL, "{result:?}");
    }
    let stamped = others.iter().filter(|result| result.stamp == StampSource::Kernel).count();
    assert!(stamped >= 6, "stamps come back after the refusals: {stamped} of 12");
}

#[test]
fn every_fourth_request_that_is_dropped_is_lost_and_no_other() {
    let (here, far) = (namespace(), namespace());
    cable(&here, &far, 1);
    nft(
        &far,
        "table inet t { chain c { type filter hook input priority 0;
            icmp type echo-request numgen inc mod 4 0 drop;
            icmpv6 type echo-request numgen inc mod 4 0 drop; }; }",
    );
    let targets = ["10.0.1.2", "fd00:1::2"].map(|host| target(host, Protocol::Icmp)).into();
    let run = probe(&here, 16, targets);
    for id in [0, 1] {
        for result in run.of(id) {
            let dropped = result.round % 4 == 0;
            let expected = if dropped { Outcome::Lost } else { Outcome::Reply };
            assert_eq!(result.outcome, expected, "{result:?}");
        }
    }
    assert_eq!((run.counters.sent, run.counters.lost), (32, 8));
}

#[test]
fn a_reply_from_another_address_is_no_answer() {
    let (here, far) = (namespace(), namespace());
    cable(&here, &far, 1);
    // Rewritten without connection tracking, which would put it right again.
    nft(
        &far,
        "table ip t { chain c { type filter hook output priority 0;
            icmp type echo-reply ip saddr set 10.0.1.77; }; }",
    );
    let run = probe(&here, 4, vec![target("10.0.1.2", Protocol::Icmp)]);
    assert_eq!(run.count(Outcome::Lost), 4, "{:?}", run.results);
    assert_eq!(run.counters.foreign, 4);
}

/// Here, a router that refuses to pass packets on, and what each kind of probe is told.
fn beyond_a_router() -> (Namespace, Namespace) {
    let (here, router) = (namespace(), namespace());
    cable(&here, &router, 1);
    sysctl(&router, "net.ipv4.ip_forward=1");
    sysctl(&router, "net.ipv6.conf.all.forwarding=1");
    sysctl(&router, "net.ipv4.icmp_ratelimit=0");
    sysctl(&router, "net.ipv6.icmp.ratelimit=0");
    ip(&here, "route add default via 10.0.1.2");
    ip(&here, "-6 route add default via fd00:1::2");
    ip(&router, "route add unreachable 10.9.0.0/16");
    ip(&router, "route add prohibit 10.8.0.0/16");
    ip(&router, "-6 route add unreachable fd09::/16");
    (here, router)
}

#[test]
fn a_router_on_the_way_that_reports_is_named_for_echoes_and_syns() {
    let cases: [(&str, &str, u8, u8); 3] = [
        ("10.9.0.1", "10.0.1.2", 3, 1),
        ("10.8.0.1", "10.0.1.2", 3, 13),
        ("fd09::1", "fd00:1::2", 1, 0),
    ];
    for protocol in [Protocol::Icmp, Protocol::Tcp(443)] {
        // A router of its own: Linux reports five times to one host, then once a second.
        let (here, _router) = beyond_a_router();
        let run = probe(&here, 2, cases.map(|(host, ..)| target(host, protocol)).into());
        for (id, (host, from, kind, code)) in (0..).zip(cases) {
            let reason = Some(Reason::Icmp { from: from.parse().unwrap(), kind, code });
            let said: Vec<_> = run.of(id).iter().map(|said| (said.outcome, said.reason)).collect();
            assert_eq!(said, [(Outcome::Unreachable, reason); 2], "{host} {protocol}");
        }
        assert_eq!(run.counters.unreachable, 6, "{protocol}");
    }
}

/// Who reports, ICMP type and code.
type Report<'a> = Option<(&'a str, u8, u8)>;

#[test]
fn a_finished_handshake_that_a_router_refuses_names_the_router_too() {
    let (here, router) = beyond_a_router();
    nft(
        &router,
        "table inet t { chain c { type filter hook input priority 0;
            tcp dport 81 reject with icmpx type port-unreachable;
            tcp dport 82 reject with tcp reset; }; }",
    );
    let cases: [(&str, u16, Outcome, Report<'_>); 5] = [
        ("10.9.0.1", 443, Outcome::Unreachable, Some(("10.0.1.2", 3, 1))),
        ("10.8.0.1", 443, Outcome::Unreachable, Some(("10.0.1.2", 3, 13))),
        ("fd09::1", 443, Outcome::Unreachable, Some(("fd00:1::2", 1, 0))),
        ("10.0.1.2", 81, Outcome::Unreachable, Some(("10.0.1.2", 3, 3))),
        ("10.0.1.2", 82, Outcome::Refused, None),
    ];
    let targets: Vec<Target> =
        cases.iter().map(|(host, port, ..)| target(host, Protocol::Tcp(*port))).collect();
    let run = here
        .enter(|| {
            crate::privileges::drop_all();
            probe_here(2, targets)
        })
        .unwrap();
    assert!(run.statuses.iter().all(|status| status.method == Some(Method::TcpConnect)));
    for (id, (host, port, outcome, report)) in (0..).zip(cases) {
        let reason = report.map(|(from, kind, code)| Reason::Icmp {
            from: from.parse().unwrap(),
            kind,
            code,
        });
        let said: Vec<_> = run.of(id).iter().map(|said| (said.outcome, said.reason)).collect();
        assert_eq!(said, [(outcome, reason); 2], "{host}:{port}");
    }
}

/// Fills the kernel's neighbour table, which all namespaces share, with neighbours that do not answer.
fn fill_neighbour_table(limit: u32) -> io::Result<()> {
    // Packets wait for their neighbour at the cost of their socket's buffer: a socket for every few.
    for chunk in (0..limit + 64).collect::<Vec<_>>().chunks(64) {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        for number in chunk {
            let address = Ipv4Addr::from(0x0a40_0001 + number);
            // Refused once the table is full, which is what we are after.
            let _refused = socket.send_to(b"?", (address, 9));
        }
    }
    Ok(())
}

#[test]
fn a_full_neighbour_table_is_never_loss() {
    let limit = std::fs::read_to_string("/proc/sys/net/ipv4/neigh/default/gc_thresh3").unwrap();
    let limit: u32 = limit.trim().parse().unwrap();
    assert!(limit < 50_000, "the neighbour table of this machine is too large to fill: {limit}");
    let hosts = ["10.65.0.1", "10.65.0.2", "10.65.0.3", "10.65.0.4"];
    let raw = (true, Protocol::Icmp);
    for (privileged, protocol) in [raw, (true, Protocol::Tcp(443)), (false, Protocol::Tcp(443))] {
        let (here, far) = (namespace(), namespace());
        cable(&here, &far, 1);
        ip(&here, "route add 10.64.0.0/15 dev net1");
        let run = here
            .enter(|| {
                fill_neighbour_table(limit).unwrap();
                if !privileged {
                    crate::privileges::drop_all();
                }
                probe_here(4, hosts.map(|host| target(host, protocol)).into())
            })
            .unwrap();
        // The neighbours go with the device, so that the table is free for others.
        ip(&here, "link del net1");
        assert_eq!(run.results.len(), 16);
        for said in &run.results {
            let ours = matches!(said.outcome, Outcome::Unsent | Outcome::Unknown);
            assert!(ours && said.reason.is_some(), "{protocol}: {said:?}");
        }
        assert!(
            run.results.iter().any(|said| said.reason == Some(Reason::NeighbourTable)),
            "{protocol}: {:?}",
            run.results
        );
    }
}
