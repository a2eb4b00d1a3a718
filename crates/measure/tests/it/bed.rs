//! Networks for the tests: namespaces joined by veth pairs, and a prober started inside one of them.

use std::sync::Arc;
use std::time::Duration;

use lab::Namespace;
use measure::kernel::KernelNetwork;
use measure::resolve::SystemResolver;
use measure::{Change, Counters, Options, Prober, Spread, TargetStatus};
use model::{Outcome, ProbeResult, Protocol, SystemClock, Target, TargetId};

/// All that a prober said of a run.
pub(crate) struct Run {
    pub(crate) results: Vec<ProbeResult>,
    pub(crate) statuses: Vec<TargetStatus>,
    pub(crate) changes: Vec<Change>,
    pub(crate) counters: Counters,
}

impl Run {
    /// What was said of one target, in the order of its rounds.
    pub(crate) fn of(&self, id: u32) -> Vec<ProbeResult> {
        let mut results: Vec<_> =
            self.results.iter().filter(|result| result.target == TargetId(id)).copied().collect();
        results.sort_by_key(|result| result.round);
        results
    }

    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.results.iter().filter(|result| result.outcome == outcome).count()
    }
}

/// A namespace with a loopback of its own. Fails without `CAP_SYS_ADMIN`.
pub(crate) fn namespace() -> Namespace {
    Namespace::create().expect("these tests need CAP_SYS_ADMIN, CAP_NET_ADMIN and iproute2")
}

/// Runs `ip` inside with these words.
pub(crate) fn ip(namespace: &Namespace, words: &str) {
    namespace.run("ip", words.split_whitespace()).expect("ip is there and the words are right");
}

/// Sets a kernel parameter inside.
pub(crate) fn sysctl(namespace: &Namespace, setting: &str) {
    namespace.run("sysctl", ["-qw", setting]).expect("the kernel knows the parameter");
}

/// Loads nftables rules inside.
pub(crate) fn nft(namespace: &Namespace, rules: &str) {
    namespace.run("nft", [rules]).expect("nftables is there and the rules are right");
}

/// Joins two namespaces by a cable on the network 10.0.N.0/24 and `fd00:N::/64`, 1 to 2.
/// Neighbours are known from the start, so that no table of them matters.
pub(crate) fn cable(first: &Namespace, second: &Namespace, number: u8) {
    let device = format!("net{number}");
    let (peer, device_of) = (second.name(), format!("{device} netns {}", second.name()));
    assert_ne!(first.name(), peer);
    ip(first, &format!("link add {device} type veth peer name {device_of}"));
    for (namespace, ours, theirs) in [(first, 1, 2), (second, 2, 1)] {
        ip(namespace, &format!("link set {device} address 02:00:00:00:{number:02x}:0{ours} up"));
        ip(namespace, &format!("addr add 10.0.{number}.{ours}/24 dev {device}"));
        ip(namespace, &format!("addr add fd00:{number}::{ours}/64 dev {device} nodad"));
        for to in [format!("10.0.{number}.{theirs}"), format!("fd00:{number}::{theirs}")] {
            let hardware = format!("02:00:00:00:{number:02x}:0{theirs}");
            ip(
                namespace,
                &format!("neigh replace {to} lladdr {hardware} nud permanent dev {device}"),
            );
        }
    }
}

/// A target that is asked every 50 ms and given a second to answer.
pub(crate) fn target(host: &str, protocol: Protocol) -> Target {
    let mut target = Target::new(host, "test", protocol);
    target.interval = Duration::from_millis(50);
    target
}

/// Asks all targets, numbered from 0, so many times from inside and waits for the end.
pub(crate) fn probe(namespace: &Namespace, rounds: u32, targets: Vec<Target>) -> Run {
    namespace.enter(|| probe_here(rounds, targets)).expect("the namespace is there")
}

/// As [`probe`], on this thread with the namespace and the privileges it has.
pub(crate) fn probe_here(rounds: u32, targets: Vec<Target>) -> Run {
    let clock = Arc::new(SystemClock);
    let network = Arc::new(KernelNetwork::new(clock.clone()));
    let options = Options::command(clock, network, Arc::new(SystemResolver), Some(rounds));
    let numbered = (0..).map(TargetId).zip(targets.into_iter().map(Arc::new));
    // However busy the machine is, nothing is too late to be sent.
    let options = Options { spread: Spread::FlatOut, ..options };
    let (prober, results) = Prober::start(options, numbered).expect("the prober starts");
    let statuses = prober.statuses();
    let results = results.iter().flatten().collect();
    Run { results, statuses, changes: prober.changes(), counters: prober.counters() }
}
