//! The simulated network against other people's tools: what `ping` and `fping` say of it must be what the
//! scenario says. Needs root, `ping` and `fping`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Output;
use std::sync::Arc;

use model::SystemClock;
use netmend_lab::{Namespace, Options, Scenario, Simulation};

/// A scenario that is being played in a namespace. Fields drop in order: the simulation goes first.
struct Bed {
    simulation: Simulation,
    namespace: Namespace,
}

impl Bed {
    fn of(name: &str) -> Self {
        let namespace = Namespace::create().unwrap();
        let scenario = Scenario::named(name).unwrap();
        let clock = Arc::new(SystemClock);
        let simulation =
            Simulation::start(scenario, &namespace, &Options::default(), clock).unwrap();
        Self { simulation, namespace }
    }

    /// Runs a tool inside; its exit status is part of what it says.
    fn tool(&self, line: &str) -> (String, Option<i32>) {
        let mut words = line.split(' ');
        let mut command = self.namespace.command(words.next().unwrap());
        let Output { stdout, stderr, status } = command.args(words).output().unwrap();
        let text = [stdout, stderr].concat();
        (String::from_utf8(text).unwrap(), status.code())
    }
}

/// RTTs in milliseconds that `ping` printed.
fn rtts(text: &str) -> Vec<f64> {
    let each = text.split("time=").skip(1);
    each.map(|rest| rest.split_whitespace().next().unwrap().parse().unwrap()).collect()
}

#[test]
fn ping_finds_each_delay_in_both_families() {
    let bed = Bed::of("bench");
    for (address, ms) in
        [("10.65.0.7", 20.0), ("10.64.0.9", 10.0), ("10.65.0.8", 50.0), ("fd00:65::7", 20.0)]
    {
        let (text, status) = bed.tool(&format!("ping -n -c 3 -i 0.02 {address}"));
        assert_eq!(status, Some(0), "{text}");
        let rtts = rtts(&text);
        assert_eq!(rtts.len(), 3, "{text}");
        assert!(rtts.iter().all(|rtt| *rtt >= ms), "{ms} ms: {text}");
    }
    let report = bed.simulation.report();
    assert_eq!((report.counters.echo_requests, report.counters.echo_replies), (12, 12));
    assert_eq!((report.lateness.len(), report.write_errors), (12, 0));
}

#[test]
fn fping_finds_the_living_the_dead_and_the_doubled() {
    let bed = Bed::of("bench");
    let (text, _) = bed.tool("fping -C 2 -q -r 0 -i 1 -p 50 -t 500 10.64.0.1 10.66.0.1 10.69.0.1");
    let line = |host| text.lines().find(|line| line.starts_with(host)).expect(host).to_owned();
    assert!(line("10.66.0.1").ends_with(": - -"), "{text}");
    let rtt: f64 = line("10.64.0.1").split_whitespace().last().unwrap().parse().unwrap();
    assert!(rtt >= 10.0, "{text}");
    let (text, _) = bed.tool("ping -n -c 2 -i 0.05 10.69.0.1");
    assert!(text.contains("(DUP!)"), "{text}");
    let counters = bed.simulation.stop().counters;
    assert_eq!(counters.unanswered, 2);
}

#[test]
fn many_hosts_fill_no_neighbour_table() {
    let bed = Bed::of("bench");
    let v4 = (0..50).map(|n| format!(" 10.67.0.{n}")).collect::<Vec<_>>();
    let v6 = (0..50).map(|n| format!(" fd00:67::{n}")).collect::<Vec<_>>();
    for hosts in [v4, v6] {
        let (text, status) = bed.tool(&format!("fping -q -r 3 -i 1 -t 500{}", hosts.concat()));
        assert_eq!(status, Some(0), "{text}");
    }
    let (neighbours, _) = bed.tool("ip neigh show nud all");
    let hosts =
        neighbours.lines().filter(|line| line.starts_with("10.67") || line.starts_with("fd00:67"));
    assert_eq!(hosts.count(), 0, "{neighbours}");
}

#[test]
fn ping_is_told_by_the_routers() {
    let bed = Bed::of("routers");
    for (address, router, words) in [
        ("10.74.0.9", "10.74.255.1", "Net Unreachable"),
        ("10.74.1.9", "10.74.255.2", "Host Unreachable"),
        ("10.74.2.9", "10.74.255.3", "Packet filtered"),
        ("10.74.3.9", "10.74.255.4", "Time to live exceeded"),
        ("fd00:74:2::9", "fd00:74:ffff::3", "Administratively prohibited"),
        ("fd00:74:3::9", "fd00:74:ffff::4", "Time exceeded: Hop limit"),
    ] {
        let (text, _) = bed.tool(&format!("ping -n -c 1 -W 2 {address}"));
        assert!(text.to_lowercase().contains(&words.to_lowercase()), "{text}");
        assert!(text.contains(&format!("From {router}")), "{text}");
    }
    assert_eq!(bed.simulation.stop().counters.errors, 6);
}

#[test]
fn the_kernel_connects_where_a_port_is_open_and_nowhere_else() {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::time::Duration;

    let bed = Bed::of("ports");
    let connect = |to: &str| {
        let to: SocketAddr = to.parse().unwrap();
        let connecting = || TcpStream::connect_timeout(&to, Duration::from_millis(300));
        bed.namespace.enter(connecting).unwrap()
    };
    let mut stream = connect("10.75.0.1:443").unwrap();
    stream.write_all(b"hello").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "the port closes when we do");
    connect("[fd00:75:0::1]:8042").unwrap();
    assert_eq!(connect("10.75.0.1:23").unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(connect("10.75.0.1:3306").unwrap_err().kind(), ErrorKind::TimedOut);
    let counters = bed.simulation.stop().counters;
    assert_eq!((counters.accepted, counters.refused, counters.malformed), (2, 1, 0));
}

#[test]
fn damaged_answers_reach_nobody_who_checks() {
    let bed = Bed::of("hostile");
    // Not 10.72.2.1: `ping` over a raw IPv4 socket believes a wrong ICMP checksum.
    for address in ["10.72.1.1", "10.72.4.1", "fd00:72:2::1"] {
        let (text, status) = bed.tool(&format!("ping -n -c 1 -W 1 {address}"));
        assert_ne!(status, Some(0), "{text}");
    }
    assert_eq!(bed.simulation.stop().counters.damaged, 3);
}

#[test]
fn a_device_name_that_is_too_long_is_refused_in_words() {
    let namespace = Namespace::create().unwrap();
    let options = Options { device: "a-name-too-long-for-linux".to_owned(), precise: false };
    let scenario = Scenario::named("bench").unwrap();
    let error = Simulation::start(scenario, &namespace, &options, Arc::new(SystemClock));
    let text = error.unwrap_err().to_string();
    assert!(text.contains("a-name-too-long-for-linux") && text.contains("1 to 15"), "{text}");
}
