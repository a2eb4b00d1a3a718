//! Path traces over real routers: a chain of network namespaces that forward.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, atomic::Ordering};
use std::time::Duration;

use lab::Namespace;
use measure::kernel::KernelNetwork;
use measure::trace::{self, Request};
use model::{Method, Path, PathChange, PathEnd, SystemClock};

use crate::bed::{cable, ip, namespace, nft, sysctl};
use crate::privileges;

/// A host, four routers and a target in a row. Cable N joins node N-1 (.1) and node N (.2).
struct Chain {
    nodes: Vec<Namespace>,
}

impl Chain {
    const ROUTERS: u8 = 4;

    fn new() -> Self {
        let last = Self::ROUTERS + 1;
        let nodes: Vec<Namespace> = (0..=last).map(|_| namespace()).collect();
        for number in 1..=last {
            let (left, right) = (&nodes[usize::from(number) - 1], &nodes[usize::from(number)]);
            cable(left, right, number);
        }
        for (index, node) in (0..=last).zip(&nodes) {
            if (1..last).contains(&index) {
                forward(node);
            }
            for network in 1..=last {
                if network < index {
                    route(node, network, index, 1);
                } else if network > index + 1 {
                    route(node, network, index + 1, 2);
                }
            }
        }
        Self { nodes }
    }

    fn router(&self, number: usize) -> &Namespace {
        &self.nodes[number]
    }

    fn target(&self) -> &Namespace {
        &self.nodes[usize::from(Self::ROUTERS) + 1]
    }

    /// A trace from the host.
    fn trace(&self, to: &str) -> Result<Path, trace::Error> {
        self.nodes[0].enter(|| trace_here(to)).expect("the namespace is there")
    }
}

/// Lets a node pass packets on, and answer as many probes as there are.
fn forward(node: &Namespace) {
    sysctl(node, "net.ipv4.ip_forward=1");
    sysctl(node, "net.ipv6.conf.all.forwarding=1");
    sysctl(node, "net.ipv4.icmp_ratelimit=0");
    sysctl(node, "net.ipv6.icmp.ratelimit=0");
}

/// Has a node reach a network by its neighbour on a cable.
fn route(node: &Namespace, network: u8, cable: u8, side: u8) {
    ip(node, &format!("route replace 10.0.{network}.0/24 via 10.0.{cable}.{side}"));
    ip(node, &format!("-6 route replace fd00:{network}::/64 via fd00:{cable}::{side}"));
}

fn trace_here(to: &str) -> Result<Path, trace::Error> {
    let to = to.parse().unwrap_or_else(|_| SocketAddr::new(to.parse().expect("an address"), 0));
    let network = KernelNetwork::new(Arc::new(SystemClock));
    let request = Request {
        gap: Duration::from_millis(5),
        timeout: Duration::from_millis(500),
        ..Request::new(to)
    };
    trace::trace(&network, &SystemClock, &request, &AtomicBool::new(false))
}

/// Who answered at each distance; `-` for nobody.
fn routers(path: &Path) -> Vec<String> {
    let first = |hop: &model::path::Hop| {
        hop.answers.first().map_or("-".to_owned(), |answer| answer.from.to_string())
    };
    path.hops.iter().map(first).collect()
}

const V4: [&str; 5] = ["10.0.1.2", "10.0.2.2", "10.0.3.2", "10.0.4.2", "10.0.5.2"];
const V6: [&str; 5] = ["fd00:1::2", "fd00:2::2", "fd00:3::2", "fd00:4::2", "fd00:5::2"];

#[test]
fn every_router_of_the_way_is_found_by_icmp_and_by_tcp_in_both_families() {
    let chain = Chain::new();
    for (to, method, way) in [
        ("10.0.5.2", Method::IcmpRaw, V4),
        ("fd00:5::2", Method::IcmpRaw, V6),
        ("10.0.5.2:443", Method::TcpSyn, V4),
        ("[fd00:5::2]:443", Method::TcpSyn, V6),
    ] {
        let path = chain.trace(to).unwrap_or_else(|error| panic!("{to}: {error}"));
        assert_eq!((path.method, path.end), (method, PathEnd::Reached), "{to}: {path:?}");
        assert_eq!(routers(&path), way, "{to}");
        assert!(path.hops.iter().all(|hop| hop.loss_pct() < 1.0), "{to}: {path:?}");
        assert!(path.hops.iter().all(|hop| hop.answers[0].rtt_us.is_some()), "{to}: {path:?}");
    }
}

#[test]
fn without_privileges_ping_sockets_trace_and_what_they_cannot_is_refused_with_a_way_out() {
    let chain = Chain::new();
    sysctl(&chain.nodes[0], "net.ipv4.ping_group_range=0 2147483647");
    let traced = |to: &str| {
        chain.nodes[0]
            .enter(|| {
                privileges::drop_all();
                trace_here(to)
            })
            .expect("the namespace is there")
    };
    for (to, way) in [("10.0.5.2", V4), ("fd00:5::2", V6)] {
        let path = traced(to).unwrap_or_else(|error| panic!("{to}: {error}"));
        assert_eq!((path.method, path.end), (Method::IcmpDgram, PathEnd::Reached), "{path:?}");
        assert_eq!(routers(&path), way);
    }
    let refused = traced("10.0.5.2:443").expect_err("SYNs need a raw socket").to_string();
    assert!(refused.contains("CAP_NET_RAW") && refused.contains("or trace by ICMP"), "{refused}");
    sysctl(&chain.nodes[0], "net.ipv4.ping_group_range=1 0");
    let refused = traced("10.0.5.2").expect_err("nothing is allowed").to_string();
    assert!(refused.contains("CAP_NET_RAW") && refused.contains("ping_group_range"), "{refused}");
}

#[test]
fn a_silent_router_is_a_gap_and_the_way_behind_it_is_found() {
    let chain = Chain::new();
    nft(
        chain.router(2),
        "table inet t { chain c { type filter hook output priority 0; \
         icmp type time-exceeded drop; icmpv6 type time-exceeded drop; }; }",
    );
    for (to, mut way) in [("10.0.5.2", V4), ("fd00:5::2", V6)] {
        way[1] = "-";
        let path = chain.trace(to).expect("a path");
        assert_eq!(path.end, PathEnd::Reached);
        assert_eq!(routers(&path), way);
        assert!((path.hops[1].loss_pct() - 100.0).abs() < 1e-9);
    }
}

#[test]
fn another_way_a_cut_and_a_router_that_gives_up_are_each_told_where_they_begin() {
    let chain = Chain::new();
    let good = chain.trace("10.0.5.2").expect("a path");
    assert_eq!(good.change_to(&chain.trace("10.0.5.2").expect("a path")), PathChange::Same);

    // Another router between the first and the third.
    let other = namespace();
    cable(chain.router(1), &other, 7);
    cable(&other, chain.router(3), 8);
    forward(&other);
    for (network, cable, side) in [(1, 7, 1), (5, 8, 2)] {
        route(&other, network, cable, side);
    }
    route(chain.router(1), 5, 7, 2);
    let change = good.change_to(&chain.trace("10.0.5.2").expect("a path"));
    assert_eq!(change.to_string(), "hop 2 is 10.0.7.2 now, was 10.0.2.2");

    // Back, and cut behind the third.
    route(chain.router(1), 5, 2, 2);
    nft(chain.router(3), "table ip t { chain c { type filter hook forward priority 0; drop; }; }");
    let change = good.change_to(&chain.trace("10.0.5.2").expect("a path"));
    assert_eq!(change.to_string(), "nobody answers beyond hop 3 (10.0.3.2); hop 4 was 10.0.4.2");

    // The second has no route any more, and says so.
    ip(chain.router(2), "route del 10.0.5.0/24");
    let path = chain.trace("10.0.5.2").expect("a path");
    let from = "10.0.2.2".parse().expect("an address");
    assert_eq!(path.end, PathEnd::Unreachable { from, kind: 3, code: 0 });
    let change = good.change_to(&path).to_string();
    assert_eq!(change, "hop 2: no route, reported by 10.0.2.2");
}

#[test]
fn where_icmp_is_filtered_a_trace_by_tcp_still_arrives() {
    let chain = Chain::new();
    nft(
        chain.target(),
        "table ip t { chain c { type filter hook input priority 0; icmp type echo-request drop; }; }",
    );
    let path = chain.trace("10.0.5.2").expect("a path");
    assert_eq!((path.end, path.hops.len()), (PathEnd::Silent, 4));
    assert_eq!(chain.trace("10.0.5.2:22").expect("a path").end, PathEnd::Reached);
}

#[test]
fn a_trace_can_be_stopped_and_no_route_is_an_error_in_words() {
    let here = namespace();
    let stopped = here.enter(|| {
        let network = KernelNetwork::new(Arc::new(SystemClock));
        let stop = AtomicBool::new(false);
        stop.store(true, Ordering::Relaxed);
        let request = Request::new("127.0.0.1:0".parse().expect("an address"));
        trace::trace(&network, &SystemClock, &request, &stop)
    });
    let stopped = stopped.expect("the namespace is there").expect_err("stopped").to_string();
    assert_eq!(stopped, "the trace to 127.0.0.1 was stopped");
    for to in ["192.0.2.1", "192.0.2.1:443", "2001:db8::1"] {
        let error = here.enter(|| trace_here(to)).expect("the namespace is there");
        let error = error.expect_err("no route").to_string();
        assert!(error.contains("unreachable"), "{to}: {error}");
    }
}
