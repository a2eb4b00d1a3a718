//! The planner on a simulated network, with answers of the resolver made by hand.

use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use lab::{Scenario, SimulatedNetwork, World};
use model::transport::Network;
use model::{Clock, Family, ManualClock, Method, UnixNs};

use super::*;
use crate::{Resolve, ResolveError};

/// A resolver that says what it was told to, and is not asked in these tests.
#[derive(Debug, Default)]
struct Silent(Mutex<u32>);

impl Resolve for Silent {
    fn resolve(&self, host: &str, _: Family) -> Result<Vec<SocketAddr>, ResolveError> {
        *self.0.lock().expect("no panics") += 1;
        Err(ResolveError::Temporary { host: host.to_owned(), why: "silent".to_owned() })
    }
}

struct Fixture {
    planner: Planner,
    journal: Arc<Journal>,
    results: Receiver<Vec<ProbeResult>>,
}

fn fixture(denied: &[Method], rounds: Option<u32>) -> Fixture {
    let clock = Arc::new(ManualClock::new(UnixNs(1_800_000_000_000_000_000)));
    let clock: Arc<dyn Clock> = clock;
    let scenario = "about = \"\"\nseed = 1\n[[hosts]]\nprefixes = [\"10.0.0.0/8\"]\n";
    let world = World::new(Scenario::parse("test", scenario).expect("a scenario"));
    let network = SimulatedNetwork::new(world, Arc::clone(&clock));
    for &method in denied {
        network.deny(method);
    }
    let network: Arc<dyn Network> = Arc::new(network);
    let options =
        Options { rounds, ..Options::daemon(clock, network, Arc::new(Silent::default())) };
    let journal = Arc::new(Journal::default());
    let (to, results) = sync_channel(64);
    let (planner, ..) = Planner::new(options, to, Arc::clone(&journal)).expect("threads start");
    Fixture { planner, journal, results }
}

fn target(host: &str, protocol: Protocol) -> Arc<Target> {
    Arc::new(Target::new(host, "test", protocol))
}

fn answer(id: u32, host: &str, address: Option<&str>) -> Answer {
    let addresses = match address {
        Some(address) => Ok(Arc::from([SocketAddr::new(address.parse().expect("one"), 0)])),
        None => Err(ResolveError::NotFound { host: host.to_owned(), family: Family::V4 }),
    };
    Answer { target: TargetId(id), host: Arc::from(host), addresses }
}

fn address_of(planner: &Planner, index: usize) -> Option<String> {
    planner.statuses()[index].address.map(|address| address.to_string())
}

#[test]
fn a_name_that_fails_stops_nobody_and_recovers() {
    let mut all = fixture(&[], None);
    let set = [
        (TargetId(1), target("a.test", Protocol::Icmp)),
        (TargetId(2), target("10.0.0.2", Protocol::Icmp)),
    ];
    all.planner.set_targets(set).expect("no number twice");
    all.planner.answered(&[answer(1, "a.test", None)]);
    all.planner.answered(&[answer(1, "a.test", None)]);
    let statuses = all.planner.statuses();
    assert_eq!(statuses[0].unresolved.as_deref(), Some("a.test: name not found (IPv4)"));
    assert_eq!((statuses[0].address, statuses[0].method), (None, None));
    assert_eq!(address_of(&all.planner, 1).as_deref(), Some("10.0.0.2:0"));
    all.planner.answered(&[answer(1, "a.test", Some("10.0.0.7"))]);
    let status = &all.planner.statuses()[0];
    assert_eq!((status.method, &status.unresolved), (Some(Method::IcmpRaw), &None));
    assert_eq!(address_of(&all.planner, 0).as_deref(), Some("10.0.0.7:0"));
    let what: Vec<ChangeKind> = all.journal.take().into_iter().map(|c| c.what).collect();
    let why = "a.test: name not found (IPv4)".into();
    assert_eq!(what, [ChangeKind::Unresolved { why }, ChangeKind::Resolved], "each told once");
}

#[test]
fn a_new_address_is_marked_and_an_old_one_survives_a_failed_lookup() {
    let mut all = fixture(&[], None);
    all.planner.set_targets([(TargetId(1), target("a.test", Protocol::Tcp(443)))]).expect("one");
    all.planner.answered(&[answer(1, "a.test", Some("10.0.0.1"))]);
    all.planner.answered(&[answer(1, "a.test", Some("10.0.0.1"))]);
    assert!(all.journal.take().is_empty(), "nothing changed");
    all.planner.answered(&[answer(1, "a.test", Some("10.0.0.2"))]);
    let changes = all.journal.take();
    let (from, to) = ("10.0.0.1:443".parse().expect("one"), "10.0.0.2:443".parse().expect("one"));
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].what, ChangeKind::Address { from, to });
    assert_eq!(changes[0].target, Some(TargetId(1)));
    all.planner.answered(&[answer(1, "a.test", None)]);
    assert_eq!(address_of(&all.planner, 0).as_deref(), Some("10.0.0.2:443"));
}

#[test]
fn an_answer_for_a_host_that_the_target_no_longer_has_is_passed_over() {
    let mut all = fixture(&[], None);
    all.planner.set_targets([(TargetId(1), target("old.test", Protocol::Icmp))]).expect("one");
    all.planner.set_targets([(TargetId(1), target("new.test", Protocol::Icmp))]).expect("one");
    all.planner.answered(&[answer(1, "old.test", Some("10.0.0.1"))]);
    assert_eq!(address_of(&all.planner, 0), None);
}

#[test]
fn targets_of_one_address_share_its_rate_and_get_it_back() {
    let mut all = fixture(&[], None);
    let ip: IpAddr = "10.0.0.1".parse().expect("an address");
    let each = |count: u32| {
        (0..count).map(|id| {
            let mut target = Target::new("10.0.0.1", "test", Protocol::Tcp(id as u16 + 1));
            target.interval = Duration::from_secs(1);
            (TargetId(id), Arc::new(target))
        })
    };
    all.planner.set_targets(each(8)).expect("eight");
    let one = Target::new("10.0.0.1", "test", Protocol::Tcp(1));
    let route = all.planner.known[0].route.expect("placed");
    let stretched = all.planner.interval_of(&one, ip, route);
    assert_eq!(stretched, one.interval.mul_f64(4.0), "eight a second where two may be");
    let told = all.planner.statuses();
    let four = Some(Duration::from_secs(4));
    assert!(told.iter().all(|status| status.interval == four), "{told:?}");
    all.planner.set_targets(each(1)).expect("one");
    assert_eq!(all.planner.interval_of(&one, ip, route), one.interval);
}

#[test]
fn a_worker_is_told_once_of_all_its_targets_that_leave() {
    let mut all = fixture(&[], None);
    let to = |id: u32, protocol| (TargetId(id), target(&format!("10.0.0.{id}"), protocol));
    let set = (1..=40).map(|id| to(id, if id <= 10 { Protocol::Tcp(443) } else { Protocol::Icmp }));
    all.planner.set_targets(set).expect("no number twice");
    let mut leaving: Vec<_> = by_route(&all.planner.known).into_values().collect();
    leaving.sort_unstable();
    let ids = |range: std::ops::RangeInclusive<u32>| range.map(TargetId).collect::<Vec<_>>();
    assert_eq!(leaving, [ids(1..=10), ids(11..=40)]);
}

#[test]
fn names_that_turn_out_to_share_an_address_share_its_rate() {
    let mut all = fixture(&[], None);
    let hosts: Vec<String> = (0..12).map(|n| format!("{n}.test")).collect();
    let set = (0..).map(TargetId).zip(hosts.iter().map(|host| target(host, Protocol::Icmp)));
    all.planner.set_targets(set).expect("no number twice");
    let answers: Vec<_> =
        (0..).zip(&hosts).map(|(id, host)| answer(id, host, Some("10.0.0.1"))).collect();
    let (first, rest) = answers.split_at(3);
    all.planner.answered(first);
    let intervals = |planner: &Planner| -> Vec<_> {
        planner.statuses().iter().filter_map(|status| status.interval).collect()
    };
    assert_eq!(intervals(&all.planner), [Target::DEFAULT_INTERVAL; 3]);
    all.planner.answered(rest);
    assert_eq!(intervals(&all.planner), [Target::DEFAULT_INTERVAL * 2; 12], "four a second, half");
}

#[test]
fn where_nothing_raw_may_be_opened_tcp_asks_at_a_pace_that_servers_bear() {
    let mut all = fixture(&[Method::IcmpRaw, Method::IcmpDgram, Method::TcpSyn], None);
    let set = [(TargetId(0), target("10.0.0.1", Protocol::Tcp(443)))];
    all.planner.set_targets(set).expect("one");
    let status = &all.planner.statuses()[0];
    assert_eq!(status.method, Some(Method::TcpConnect));
    assert!(status.note.as_deref().is_some_and(|note| note.contains("CAP_NET_RAW")), "{status:?}");
    let one = Target::new("10.0.0.1", "test", Protocol::Tcp(443));
    let route = all.planner.known[0].route.expect("placed");
    let interval = all.planner.interval_of(&one, "10.0.0.1".parse().expect("one"), route);
    assert_eq!(interval, Target::CONNECT_INTERVAL);
}

#[test]
fn a_run_whose_only_name_is_not_found_ends_without_results() {
    let mut all = fixture(&[], Some(3));
    all.planner.set_targets([(TargetId(1), target("a.test", Protocol::Icmp))]).expect("one");
    all.planner.answered(&[answer(1, "a.test", None)]);
    assert_eq!(all.results.iter().count(), 0, "the receiver ends");
}

#[test]
fn a_hundred_thousand_targets_are_planned() {
    let mut all = fixture(&[], None);
    let hosts = (0..100_000_u32).map(|n| std::net::Ipv4Addr::from(0x0a00_0000 + n).to_string());
    let set = (0..).map(TargetId).zip(hosts.map(|host| target(&host, Protocol::Icmp)));
    all.planner.set_targets(set).expect("no number twice");
    let statuses = all.planner.statuses();
    assert_eq!(statuses.len(), 100_000);
    assert!(statuses.iter().all(|status| status.method == Some(Method::IcmpRaw)));
    all.planner.stop();
}

#[test]
fn whoever_waits_for_few_targets_waits_for_as_many_milliseconds() {
    let mut all = fixture(&[], Some(1));
    all.planner.options.spread = Spread::Prompt;
    let hosts = |count: u32| {
        (0..count).map(|id| {
            (TargetId(id), target(&format!("10.0.{}.{}", id / 250, id % 250), Protocol::Icmp))
        })
    };
    let minute = Duration::from_mins(1);
    for (count, interval, most) in
        [(1, minute, 1), (100, minute, 100), (500, Duration::from_millis(50), 50)]
    {
        all.planner.set_targets(hosts(count)).expect("no number twice");
        let latest = hosts(count).map(|(_, target)| all.planner.phase_of(&target, interval)).max();
        assert!(latest < Some(Duration::from_millis(most)), "{count} targets: {latest:?}");
    }
}
