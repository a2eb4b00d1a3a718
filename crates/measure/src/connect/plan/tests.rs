//! The state machine, driven by hand: sockets are numbers here.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use super::*;

const SECOND: Mono = 1_000 * MILLISECOND;
const WALL: UnixNs = UnixNs(1_000);

struct Bench {
    plan: Plan<u32>,
    results: Receiver<Vec<ProbeResult>>,
}

impl Bench {
    fn new(rules: Rules) -> Self {
        let (to, results) = sync_channel(Results::QUEUE);
        Self { plan: Plan::new(rules, None, Results::new(to, false)), results }
    }

    fn paced() -> Self {
        Self::new(Rules { rounds: None, spread: Spread::Placed, window: 100 })
    }

    /// Launches all that is due, with sockets numbered from 0.
    fn launch(&mut self, now: Mono) -> Vec<Key> {
        let mut keys = Vec::new();
        while let Some(launch) = self.plan.launch(now, WALL) {
            let socket = keys.len() as u32;
            keys.push(self.plan.launched(&launch, socket, now, WALL));
        }
        keys
    }

    fn expire(&mut self, now: Mono) -> usize {
        std::iter::from_fn(|| self.plan.expire(now)).count()
    }

    fn reported(&mut self) -> Vec<ProbeResult> {
        self.plan.flush();
        self.results.try_iter().flatten().collect()
    }

    fn outcomes(&mut self) -> Vec<(u32, u32, Outcome)> {
        let reported = self.reported();
        reported.iter().map(|result| (result.target.0, result.round, result.outcome)).collect()
    }
}

fn target(id: u32) -> Assignment {
    Assignment {
        id: TargetId(id),
        to: "192.0.2.1:443".parse().unwrap(),
        from: None,
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(1),
        phase: Duration::ZERO,
        packet: Arc::default(),
    }
}

#[test]
fn a_target_is_asked_in_its_phase_of_each_interval() {
    let mut bench = Bench::paced();
    let phase = Duration::from_secs(3);
    bench.plan.assign(21 * SECOND, vec![Assignment { phase, ..target(1) }]);
    assert_eq!(bench.plan.next_event(), Some(23 * SECOND));
    assert!(bench.launch(23 * SECOND - 1).is_empty());
    assert_eq!(bench.launch(23 * SECOND).len(), 1);
    bench.expire(24 * SECOND);
    assert_eq!(bench.plan.next_event(), Some(33 * SECOND));
}

#[test]
fn each_end_has_its_outcome_its_reason_and_its_clock() {
    let icmp = Reason::Icmp { from: "192.0.2.254".parse().unwrap(), kind: 3, code: 1 };
    let errno = Reason::Errno(Errno::ENETDOWN as i32);
    let (kernel, user) = (StampSource::Kernel, StampSource::User);
    let cases = [
        (End::Connected { rtt_us: Some(250) }, Outcome::Reply, None, Some(250_000), kernel),
        (End::Connected { rtt_us: None }, Outcome::Reply, None, None, kernel),
        (End::Connected { rtt_us: Some(1_000_001) }, Outcome::Lost, None, None, user),
        (End::Refused, Outcome::Refused, None, Some(700), user),
        (End::Unreachable(icmp), Outcome::Unreachable, Some(icmp), None, user),
        (End::TimedOut, Outcome::Lost, None, None, user),
        (End::Failed(Errno::ENETDOWN), Outcome::Unknown, Some(errno), None, user),
    ];
    for (end, outcome, reason, rtt_ns, stamp) in cases {
        let mut bench = Bench::paced();
        bench.plan.assign(0, vec![target(7)]);
        let key = bench.launch(0)[0];
        assert_eq!(bench.plan.ended(key, end, 700), Some(0), "its socket comes back");
        assert_eq!(bench.plan.ended(key, end, 700), None, "and only once");
        let expected = ProbeResult {
            target: TargetId(7),
            round: 0,
            outcome,
            reason,
            rtt_ns,
            stamp,
            sent_at: WALL,
        };
        assert_eq!(bench.reported(), [expected]);
    }
}

#[test]
fn what_is_not_answered_until_its_deadline_is_lost() {
    let mut bench = Bench::paced();
    bench.plan.assign(0, vec![target(0), target(1)]);
    let keys = bench.launch(0);
    bench.plan.ended(keys[0], End::Refused, 5);
    assert_eq!(bench.expire(SECOND - 1), 0);
    assert_eq!(bench.expire(SECOND), 1);
    assert_eq!(bench.plan.ended(keys[1], End::Refused, SECOND), None, "too late to be heard");
    assert_eq!(bench.outcomes(), [(0, 0, Outcome::Refused), (1, 0, Outcome::Lost)]);
    let counters = bench.plan.counters();
    assert_eq!((counters.sent, counters.received, counters.lost), (2, 1, 1));
    assert_eq!(counters.in_flight, 0);
}

#[test]
fn a_probe_that_a_full_neighbour_table_may_have_swallowed_is_unknown() {
    let mut bench = Bench::paced();
    bench.plan.neighbour_drops(5);
    bench.plan.assign(0, vec![target(0)]);
    bench.launch(0);
    bench.expire(SECOND);
    bench.launch(10 * SECOND);
    bench.plan.neighbour_drops(6);
    bench.expire(11 * SECOND);
    let reasons: Vec<_> = bench.reported().iter().map(|said| (said.outcome, said.reason)).collect();
    let swallowed = (Outcome::Unknown, Some(Reason::NeighbourTable));
    assert_eq!(reasons, [(Outcome::Lost, None), swallowed]);
}

#[test]
fn a_slot_used_again_is_not_mistaken_for_its_predecessor() {
    let mut bench = Bench::paced();
    bench.plan.assign(0, vec![target(0)]);
    let first = bench.launch(0)[0];
    bench.expire(SECOND);
    let second = bench.launch(10 * SECOND)[0];
    assert_ne!(first, second);
    assert_eq!(bench.plan.ended(first, End::Refused, 10 * SECOND), None);
    assert!(bench.plan.ended(second, End::Refused, 10 * SECOND).is_some());
}

#[test]
fn a_full_window_delays_and_what_is_too_late_is_unsent() {
    let rules = Rules { rounds: None, spread: Spread::Placed, window: 1 };
    let mut bench = Bench::new(rules);
    bench.plan.assign(0, vec![target(0), target(1)]);
    let keys = bench.launch(0);
    assert_eq!(keys.len(), 1);
    assert_eq!(bench.plan.next_event(), Some(SECOND), "no point in waking earlier");
    bench.plan.ended(keys[0], End::Refused, 500 * MILLISECOND);
    assert_eq!(bench.launch(500 * MILLISECOND).len(), 1, "late, but not too late");
    assert!(bench.launch(10_500 * MILLISECOND).is_empty());
    bench.expire(10_601 * MILLISECOND);
    assert!(bench.launch(10_601 * MILLISECOND).is_empty());
    let unsent = bench.reported().into_iter().filter(|result| result.outcome == Outcome::Unsent);
    assert!(unsent.map(|result| result.reason).eq([Some(Reason::Overload); 2]));
}

#[test]
fn a_pause_of_an_hour_is_one_unsent_probe() {
    let mut bench = Bench::paced();
    bench.plan.assign(0, vec![target(0)]);
    bench.launch(0);
    bench.expire(SECOND);
    let resumed = 3_605 * SECOND;
    assert!(bench.launch(resumed).is_empty());
    assert_eq!(bench.plan.next_event(), Some(3_610 * SECOND));
    assert_eq!(bench.outcomes(), [(0, 0, Outcome::Lost), (0, 1, Outcome::Unsent)]);
}

#[test]
fn flat_out_each_round_leaves_at_once_however_long_it_takes() {
    let mut bench = Bench::new(Rules { rounds: Some(2), spread: Spread::FlatOut, window: 1 });
    let phase = Duration::from_secs(5);
    bench.plan.assign(0, (0..3).map(|id| Assignment { phase, ..target(id) }).collect());
    bench.plan.complete();
    let mut now = 0;
    while !bench.plan.is_done() {
        for key in bench.launch(now) {
            bench.plan.ended(key, End::Refused, now);
        }
        now += 2 * SECOND;
    }
    let outcomes = bench.outcomes();
    assert_eq!(outcomes.len(), 6);
    assert!(outcomes.iter().all(|(_, _, outcome)| *outcome == Outcome::Refused));
}

#[test]
fn rounds_end_after_the_last_handshake() {
    let mut bench = Bench::new(Rules { rounds: Some(1), spread: Spread::Placed, window: 9 });
    bench.plan.assign(0, vec![target(0)]);
    assert!(!bench.plan.is_done());
    bench.launch(0);
    bench.plan.complete();
    assert!(!bench.plan.is_done(), "one is under way");
    bench.expire(SECOND);
    assert!(bench.plan.is_done());
    let none = Bench::new(Rules { rounds: Some(0), spread: Spread::Placed, window: 9 });
    let mut none = none;
    none.plan.assign(0, vec![target(0)]);
    none.plan.complete();
    assert!(none.plan.is_done());
}

#[test]
fn a_refused_send_is_unsent_and_counted_by_errno() {
    let mut bench = Bench::paced();
    bench.plan.assign(0, vec![target(0), target(1)]);
    while let Some(launch) = bench.plan.launch(0, WALL) {
        bench.plan.unsent(&launch, refusal(Errno::EMFILE), WALL);
    }
    assert_eq!(bench.plan.counters().send_errors, [(Errno::EMFILE as i32, 2)]);
    assert!(bench.outcomes().iter().all(|(_, _, outcome)| *outcome == Outcome::Unsent));
    assert_eq!(bench.plan.next_event(), Some(10 * SECOND), "and is tried again in its turn");
}

#[test]
fn a_removed_target_is_reported_no_more_and_its_place_serves_another() {
    let mut bench = Bench::paced();
    bench.plan.assign(0, vec![target(0)]);
    let key = bench.launch(0)[0];
    bench.plan.remove(&[TargetId(0)]);
    bench.plan.assign(SECOND / 2, vec![target(5)]);
    assert!(bench.plan.ended(key, End::Refused, SECOND / 2).is_some());
    assert!(bench.reported().is_empty());
    assert_eq!(bench.launch(10 * SECOND).len(), 1);
    bench.expire(11 * SECOND);
    assert_eq!(bench.outcomes(), [(5, 0, Outcome::Lost)]);
    assert_eq!(bench.plan.entries.len(), 1);
}

#[test]
fn a_changed_target_keeps_its_round_and_takes_the_new_pace() {
    let mut bench = Bench::paced();
    bench.plan.assign(0, vec![target(0)]);
    bench.launch(0);
    bench.expire(SECOND);
    let faster = Assignment { interval: Duration::from_secs(2), ..target(0) };
    bench.plan.assign(3 * SECOND, vec![faster]);
    assert_eq!(bench.launch(4 * SECOND).len(), 1);
    bench.expire(5 * SECOND);
    assert_eq!(bench.outcomes(), [(0, 0, Outcome::Lost), (0, 1, Outcome::Lost)]);
    // The old plan for second 10 is void, the new one is not doubled by it.
    assert_eq!(bench.launch(6 * SECOND).len(), 1);
    assert_eq!(bench.launch(10 * SECOND + 1).len(), 0);
}

#[test]
fn a_port_that_falls_silent_is_asked_each_second_and_after_its_answer_as_before() {
    let (to, results) = sync_channel(Results::QUEUE);
    let rules = Rules { rounds: None, spread: Spread::Placed, window: 100 };
    let pace = Some(Arc::new(Pace::new(2.0)));
    let mut bench = Bench { plan: Plan::new(rules, pace, Results::new(to, false)), results };
    bench.plan.assign(0, vec![target(1)]);
    let mut launched = Vec::new();
    let mut last = None;
    for second in 0..40 {
        let now = second * SECOND;
        bench.expire(now);
        if let Some(key) = bench.launch(now).pop() {
            launched.push(second);
            last = Some(key);
        }
    }
    let expected: Vec<u64> = [0].into_iter().chain(10..40).collect();
    assert_eq!(launched, expected, "two losses, then each second");
    let key = last.expect("launched");
    bench.plan.ended(key, End::Connected { rtt_us: Some(300) }, 39 * SECOND + MILLISECOND);
    for second in 40..71 {
        let now = second * SECOND;
        for key in bench.launch(now) {
            launched.push(second);
            bench.plan.ended(key, End::Connected { rtt_us: Some(300) }, now + MILLISECOND);
        }
    }
    assert_eq!(launched[expected.len()..], [40, 50, 60, 70]);
}
