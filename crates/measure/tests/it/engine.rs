//! The prober on real sockets: loopback in a network namespace of its own, and on the simulated network
//! where what is tested is what the kernel would not do on demand.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lab::{Namespace, Scenario, SimulatedNetwork, World};
use measure::kernel::KernelNetwork;
use measure::resolve::SystemResolver;
use measure::{Change, ChangeKind, Options, Prober, Spread, TargetStatus};
use model::transport::{Network, Warning};
use model::{
    Clock, Method, Outcome, ProbeResult, Protocol, StampSource, SystemClock, Target, TargetId,
};

/// What a run of a few rounds gave.
struct Run {
    results: Vec<ProbeResult>,
    statuses: Vec<TargetStatus>,
    changes: Vec<Change>,
    counters: measure::Counters,
}

impl Run {
    fn outcomes_of(&self, id: u32) -> Vec<Outcome> {
        let of = self.results.iter().filter(|result| result.target.0 == id);
        of.map(|result| result.outcome).collect()
    }
}

fn target(host: &str, protocol: Protocol) -> Target {
    let mut target = Target::new(host, "test", protocol);
    target.interval = Duration::from_millis(20);
    target.timeout = Duration::from_millis(500);
    target
}

fn options(network: Arc<dyn Network>, rounds: u32) -> Options {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Options::command(clock, network, Arc::new(SystemResolver), Some(rounds))
}

fn kernel() -> Arc<dyn Network> {
    Arc::new(KernelNetwork::new(Arc::new(SystemClock)))
}

fn simulated(scenario: &str) -> SimulatedNetwork {
    let scenario = Scenario::parse("test", scenario).expect("a scenario");
    SimulatedNetwork::new(World::new(scenario), Arc::new(SystemClock))
}

fn run(options: Options, targets: Vec<Target>) -> Run {
    let targets = (0..).map(TargetId).zip(targets.into_iter().map(Arc::new));
    let (prober, results) = Prober::start(options, targets).expect("the prober starts");
    let results = results.into_iter().flatten().collect();
    let (statuses, changes) = (prober.statuses(), prober.changes());
    Run { results, statuses, changes, counters: prober.counters() }
}

/// Runs in a fresh namespace whose loopback is up.
fn on_loopback<T: Send>(ping_sockets: bool, work: impl FnOnce() -> T + Send) -> T {
    let namespace = Namespace::create().expect("CAP_SYS_ADMIN");
    namespace.run("ip", ["link", "set", "lo", "up"]).expect("CAP_NET_ADMIN");
    if ping_sockets {
        let range = "net.ipv4.ping_group_range=0 2147483647";
        namespace.run("sysctl", ["-qw", range]).expect("CAP_NET_ADMIN");
    }
    namespace.enter(work).expect("the namespace can be entered")
}

#[test]
fn loopback_answers_over_a_raw_socket_in_both_families_with_kernel_stamps() {
    let run = on_loopback(false, || {
        let targets = ["127.0.0.1", "::1"].map(|host| target(host, Protocol::Icmp));
        run(options(kernel(), 5), targets.into())
    });
    for id in [0, 1] {
        assert_eq!(run.outcomes_of(id), [Outcome::Reply; 5]);
        assert_eq!(run.statuses[id as usize].method, Some(Method::IcmpRaw));
    }
    assert!(run.results.iter().all(|result| result.stamp == StampSource::Kernel));
    assert!(run.results.iter().all(|result| result.rtt_ns.is_some_and(|rtt| rtt > 0)));
    assert_eq!((run.counters.sent, run.counters.received, run.counters.in_flight), (10, 10, 0));
    assert_eq!(run.counters.stamps, 10);
}

#[test]
fn what_is_too_big_for_the_link_is_split_unless_that_is_forbidden() {
    const MTU: u16 = 1500;
    let sizes = [0, 8, 15, 16, 56, 1452, 1472, 9000, 65_000];
    let hosts = ["127.0.0.1", "::1"];
    let run = on_loopback(false, || {
        let words = ["link", "set", "lo", "mtu", &MTU.to_string()];
        let done = Command::new("ip").args(words).status().expect("ip of the package iproute2");
        assert!(done.success(), "CAP_NET_ADMIN");
        let sized = |host, size, dont_fragment| {
            let mut target = target(host, Protocol::Icmp);
            target.packet.size = Some(size);
            target.packet.dont_fragment = dont_fragment;
            target
        };
        let pairs = hosts.iter().flat_map(|host| sizes.map(|size| (*host, size)));
        let split = pairs.clone().map(|(host, size)| sized(host, size, false));
        let whole = pairs.map(|(host, size)| sized(host, size, true));
        run(options(kernel(), 2), split.chain(whole).collect())
    });
    let all = hosts.iter().flat_map(|host| sizes.map(|size| (host, size)));
    for (id, (host, size)) in (0..).zip(all) {
        let header = if host.contains(':') { 40 + 8 } else { 20 + 8 };
        assert_eq!(run.outcomes_of(id), [Outcome::Reply; 2], "{size} bytes to {host}");
        let whole = if size + header <= MTU { Outcome::Reply } else { Outcome::Unsent };
        let id = id + (hosts.len() * sizes.len()) as u32;
        assert_eq!(run.outcomes_of(id), [whole; 2], "{size} bytes to {host} in one piece");
    }
}

#[test]
fn a_half_open_handshake_tells_open_from_closed_ports_and_is_never_finished() {
    let (run, accepted) = on_loopback(false, || {
        let open = TcpListener::bind("127.0.0.1:0").expect("a port");
        let open_v6 = TcpListener::bind("[::1]:0").expect("a port");
        let port = |listener: &TcpListener| listener.local_addr().expect("bound").port();
        let targets = vec![
            target("127.0.0.1", Protocol::Tcp(port(&open))),
            target("::1", Protocol::Tcp(port(&open_v6))),
            target("127.0.0.1", Protocol::Tcp(1)),
        ];
        let run = run(options(kernel(), 4), targets);
        open.set_nonblocking(true).expect("a socket");
        (run, open.accept().is_ok())
    });
    assert_eq!(run.outcomes_of(0), [Outcome::Reply; 4]);
    assert_eq!(run.outcomes_of(1), [Outcome::Reply; 4]);
    assert_eq!(run.outcomes_of(2), [Outcome::Refused; 4]);
    assert_eq!(run.statuses[0].method, Some(Method::TcpSyn));
    assert!(run.results.iter().all(|result| result.stamp == StampSource::Kernel));
    assert!(!accepted, "the server must not see a connection");
}

#[test]
fn a_ping_socket_answers_where_raw_sockets_are_denied_and_the_note_says_how_to_mend_it() {
    let run = on_loopback(true, || {
        drop_raw_sockets();
        let targets = ["127.0.0.1", "::1"].map(|host| target(host, Protocol::Icmp));
        run(options(kernel(), 5), targets.into())
    });
    for id in [0, 1] {
        assert_eq!(run.outcomes_of(id), [Outcome::Reply; 5]);
        let status = &run.statuses[id as usize];
        assert_eq!(status.method, Some(Method::IcmpDgram));
        assert!(status.note.as_deref().is_some_and(|note| note.contains("setcap")), "{status:?}");
    }
    assert!(run.results.iter().any(|result| result.stamp == StampSource::Kernel));
}

#[test]
fn without_any_icmp_socket_tcp_asks_instead_and_is_shown_as_tcp() {
    let run = on_loopback(false, || {
        drop_raw_sockets();
        run(options(kernel(), 2), vec![target("127.0.0.1", Protocol::Icmp)])
    });
    assert_eq!(run.outcomes_of(0), [Outcome::Refused; 2]);
    assert_eq!(run.statuses[0].method, Some(Method::TcpConnect));
    let fell = |change: &Change| {
        matches!(
            change.what,
            ChangeKind::Socket { warning: Warning::FellBack { to: Method::TcpConnect, .. }, .. }
        )
    };
    assert!(run.changes.iter().any(fell), "{:?}", run.changes);
}

/// Takes `CAP_NET_RAW` from this thread, which ends with the namespace.
fn drop_raw_sockets() {
    drop_capability(13);
}

/// Takes one capability from the calling thread and from those it starts.
#[expect(unsafe_code, reason = "capset has no safe binding")]
fn drop_capability(number: u32) {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    let mut header = Header { version: 0x2008_0522, pid: 0 };
    let mut sets = [[0_u32; 3]; 2];
    // SAFETY: both structures are as `capget(2)` describes version 3: a header, and two times three
    // 32-bit sets (effective, permitted, inheritable).
    let done = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, &raw mut sets) };
    assert_eq!(done, 0, "capget");
    sets[0][0] &= !(1 << number);
    // SAFETY: as above; the kernel only reads.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, &raw const sets) };
    assert_eq!(done, 0, "capset");
}

#[test]
fn a_device_that_is_not_there_stops_nobody_else() {
    let run = on_loopback(false, || {
        let mut lost = target("127.0.0.1", Protocol::Icmp);
        lost.packet.device = Some("nosuch0".into());
        run(options(kernel(), 2), vec![lost, target("127.0.0.1", Protocol::Icmp)])
    });
    assert_eq!(run.outcomes_of(0), []);
    assert_eq!(run.outcomes_of(1), [Outcome::Reply; 2]);
    let note = run.statuses[0].note.as_deref().unwrap_or_default();
    assert!(note.contains("through nosuch0"), "{note}");
}

#[test]
fn sixty_thousand_addresses_in_one_burst_all_answer() {
    let run = on_loopback(false, || {
        let mut options = options(kernel(), 1);
        options.spread = Spread::FlatOut;
        let hosts = (0..60_000_u32).map(|n| Ipv4Addr::from(0x7f01_0000 + n).to_string());
        run(options, hosts.map(|host| target(&host, Protocol::Icmp)).collect())
    });
    let mut outcomes: HashMap<Outcome, u32> = HashMap::new();
    for result in &run.results {
        *outcomes.entry(result.outcome).or_default() += 1;
    }
    assert_eq!(outcomes, HashMap::from([(Outcome::Reply, 60_000)]), "{:?}", run.counters);
}

const HOSTILE: &str = r#"
about = "one honest host, one that answers from elsewhere, one that answers twice, one router"
seed = 7
[[hosts]]
prefixes = ["10.0.0.1/32"]
first.delay = "2ms"
[[hosts]]
prefixes = ["10.0.0.2/32"]
first.delay = "2ms"
first.answer_from = ["10.9.9.9"]
[[hosts]]
prefixes = ["10.0.0.3/32"]
first.delay = "2ms"
first.copies = 2
"#;

#[test]
fn wrong_sources_answer_nothing_and_copies_are_counted() {
    let network = simulated(HOSTILE);
    let hosts = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|host| target(host, Protocol::Icmp));
    let run = run(options(Arc::new(network), 3), hosts.into());
    assert_eq!(run.outcomes_of(0), [Outcome::Reply; 3]);
    assert_eq!(run.outcomes_of(1), [Outcome::Lost; 3]);
    assert_eq!(run.counters.foreign, 3);
    let answers = run.outcomes_of(2);
    assert_eq!(answers.iter().filter(|o| **o == Outcome::Reply).count(), 3);
    assert_eq!(answers.iter().filter(|o| **o == Outcome::Duplicate).count(), 3);
}

#[test]
fn targets_that_an_update_leaves_alone_go_on_counting() {
    let network = simulated(HOSTILE);
    let mut options = options(Arc::new(network), 1);
    options.rounds = None;
    let stays = Arc::new(target("10.0.0.1", Protocol::Icmp));
    let goes = Arc::new(target("10.0.0.3", Protocol::Icmp));
    let both = [(TargetId(0), Arc::clone(&stays)), (TargetId(1), goes)];
    let (prober, results) = Prober::start(options, both).expect("the prober starts");
    let mut rounds = Vec::new();
    let mut seen = |batch: Vec<ProbeResult>| {
        let mine = batch.into_iter().filter(|result| result.target.0 == 0);
        rounds.extend(mine.map(|result| result.round));
        rounds.len()
    };
    while seen(results.recv().expect("results")) < 5 {}
    prober.update([(TargetId(0), stays)]).expect("no number twice");
    assert_eq!(prober.statuses().len(), 1);
    while seen(results.recv().expect("results")) < 10 {}
    prober.stop();
    // A stalled machine may report them out of order, but none twice: the count did not begin anew.
    rounds.sort_unstable();
    assert!(rounds.windows(2).all(|pair| pair[1] > pair[0]), "{rounds:?}");
    assert!(results.iter().flatten().count() < 1_000, "the results end with the prober");
}

#[test]
fn two_targets_of_one_number_are_refused() {
    let same = Arc::new(target("10.0.0.1", Protocol::Icmp));
    let twice = [(TargetId(4), Arc::clone(&same)), (TargetId(4), same)];
    let error = Prober::start(options(Arc::new(simulated(HOSTILE)), 1), twice).map(drop);
    let error = error.expect_err("refused");
    assert_eq!(error.to_string(), "two targets bear the number 4");
}

#[test]
fn targets_that_share_an_address_are_asked_less_often_together() {
    let network = simulated(HOSTILE);
    let mut options = options(Arc::new(network.clone()), 4);
    options.address_rate = Some(25.0);
    let targets = (0..4_u32).map(|n| {
        let mut target = target("10.0.0.1", Protocol::Icmp);
        target.region = n.to_string();
        target.packet.size = Some(56 + n as u16);
        target
    });
    let run = run(options, targets.collect());
    // Four at 50/s each want 200/s: stretched from 20 to 160 ms. A busy machine may send the first late.
    let of_first: Vec<_> = run.results.iter().filter(|r| r.target.0 == 0).collect();
    let span = of_first.last().expect("four").sent_at.since(of_first[0].sent_at);
    assert!(span >= 310_000_000, "{span} ns: {of_first:?}");
}

#[test]
fn nothing_to_probe_ends_at_once() {
    let run = run(options(Arc::new(simulated(HOSTILE)), 3), Vec::new());
    assert!(run.results.is_empty());
}

#[test]
fn the_address_that_a_status_shows_is_the_one_asked() {
    let network = simulated(HOSTILE);
    let run = run(options(Arc::new(network), 1), vec![target("10.0.0.1", Protocol::Icmp)]);
    let address: IpAddr = "10.0.0.1".parse().expect("an address");
    assert_eq!(run.statuses[0].address, Some(SocketAddr::new(address, 0)));
}
