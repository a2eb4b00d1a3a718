//! Explanations out of a real store that holds two days of a host with ping and two ports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::alert::{AlertId, Cause, Finding, Silence, SilenceId, TargetSubject};
use model::path::{Hop, HopAnswer, HopRtt};
use model::{
    Alert, AlertState, ManualClock, Method, Metric, Path, PathEnd, Protocol, Rule, Sample,
    Severity, Subject, Target, TargetId, TargetNow, TargetState, UnixMs, UnixNs,
};
use show::{Month, Snapshot};
use store::{Batch, Change, Mark, Memo, Store};
use tempfile::TempDir;

use super::alert;
use super::cause::causes;
use super::host::{self, Archive};
use super::past::Stored;
use super::verdict::Health;
use crate::availability;
use crate::evidence::Moment;
use crate::maintenance::Upkeep;
use ::alert::matching::parse;

/// 2026-11-22 10:00 UTC, a Sunday.
const NOW: UnixMs = UnixMs(1_795_341_600_000);
const HOST: &str = "www.example.com";

/// A store of a host, and the time at which it is looked at.
struct Bed {
    _folder: TempDir,
    store: Store,
}

/// A probe a minute: minutes before now to `(rtt in ms, lost)`.
type Probe = fn(i64) -> Option<f64>;

fn target(protocol: Protocol) -> Target {
    Target::new(HOST, "london", protocol)
}

impl Bed {
    fn new(targets: &[(Protocol, Probe)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(ManualClock::new(UnixNs(NOW.0 * 1_000_000)));
        let store = Store::open(folder.path(), clock).expect("a store");
        let mut samples = Vec::new();
        for (protocol, probe) in targets {
            let target = target(*protocol);
            let series = Metric::ALL.map(|metric| target.series(metric));
            store.samples().register(&series).expect("series");
            for minute in (0..2_880_i64).rev() {
                let at = NOW - Duration::from_mins(minute.unsigned_abs()) - Duration::from_secs(30);
                let rtt = probe(minute);
                let loss = if rtt.is_some() { 0.0 } else { 100.0 };
                samples.push(Sample { series: series[2].id(), at, value: loss });
                let value = rtt.map(|ms| ms * 1_000.0);
                samples.extend(value.map(|value| Sample { series: series[0].id(), at, value }));
            }
        }
        store.samples().append(Batch { source: 0, seq: 1, samples }).expect("stored");
        Self { _folder: folder, store }
    }

    fn keep(&self, change: Change) {
        self.store.state().apply(vec![change]).expect("stored");
    }

    fn with<T>(&self, ask: impl FnOnce(&Archive<'_>) -> T) -> T {
        let (samples, state) = (self.store.samples(), self.store.state());
        ask(&Archive { samples: &*samples, state: &*state, live: None, judging: None, now: NOW })
    }

    fn explain(&self, host: &str) -> Option<host::HostStory> {
        self.with(|archive| host::explain(archive, host)).expect("the store is read")
    }
}

const WELL: Probe = |minute| Some(if minute % 2 == 0 { 12.0 } else { 13.0 });
const SILENT: Probe = |minute| (minute > 19).then_some(12.0);
const SLOW: Probe = |minute| Some(if minute > 20 { 12.0 } else { 90.0 });

#[test]
fn a_host_that_answers_as_usual_is_not_the_network_and_the_numbers_say_so() {
    let bed = Bed::new(&[(Protocol::Icmp, WELL), (Protocol::Tcp(443), WELL)]);
    let story = bed.explain("WWW.example.com.").expect("known");
    assert_eq!(story.verdict.cause, None);
    let text = story.text(NOW);
    let expected = "\
www.example.com: Ping and TCP port 443 are as usual: it is not the network.
netmend does not run; this is how it was at 09:59 UTC.
  ping is as usual: median 12 ms in the last 10 min; 12 ms in the 24 h before (12 ms to 12 ms by the hour); loss 0 %, 0 % in the 24 h before.
  TCP port 443 is as usual: median 12 ms in the last 10 min; 12 ms in the 24 h before (12 ms to 12 ms by the hour); loss 0 %, 0 % in the 24 h before.
";
    assert_eq!(text, expected);
    assert!(bed.explain("other.example.com").is_none());
}

#[test]
fn a_silent_port_a_slow_port_and_a_silent_host_are_told_apart() {
    let cases: [(Probe, Probe, Option<Cause>, [Health; 2]); 4] = [
        (WELL, SILENT, Some(Cause::Application), [Health::Usual, Health::Silent]),
        (WELL, SLOW, Some(Cause::Application), [Health::Usual, Health::Slow]),
        (SILENT, SILENT, Some(Cause::Path), [Health::Silent, Health::Silent]),
        (SILENT, WELL, Some(Cause::IcmpFiltered), [Health::Silent, Health::Usual]),
    ];
    for (ping, web, cause, healths) in cases {
        let bed = Bed::new(&[(Protocol::Icmp, ping), (Protocol::Tcp(443), web)]);
        let story = bed.explain(HOST).expect("known");
        let found: Vec<Health> = story.targets.iter().map(|target| target.health).collect();
        assert_eq!((story.verdict.cause, &found[..]), (cause, &healths[..]), "{}", story.text(NOW));
    }
}

fn path(at: UnixMs, second: u8) -> Path {
    let hop = |distance, last| Hop {
        distance,
        sent: 3,
        answers: vec![HopAnswer {
            from: [10, 0, 0, last].into(),
            count: 3,
            rtt_us: Some(HopRtt { min: 400, mean: 410, max: 420 }),
        }],
    };
    Path {
        at,
        from: Some([10, 0, 0, 100].into()),
        to: [192, 0, 2, 7].into(),
        port: Some(443),
        method: Method::TcpSyn,
        rounds: 3,
        hops: vec![hop(1, 1), hop(2, second)],
        end: PathEnd::Silent,
    }
}

/// An alert about port 443: silent since 20 minutes ago.
fn alert(id: u64, ended: Option<UnixMs>) -> Alert {
    let since = NOW - Duration::from_mins(20);
    let target = target(Protocol::Tcp(443));
    let finding = Finding {
        metric: Metric::Loss,
        series: target.series(Metric::Loss).id(),
        rule: Rule::Down,
        state: if ended.is_some() { AlertState::Resolved } else { AlertState::Firing },
        since,
        ended,
        value: 100.0,
        peak: 100.0,
        usual: Some(0.0),
        varies: None,
        limit: Some(2.0),
        share: 1.0,
        at: NOW,
    };
    Alert {
        state: finding.state,
        raised: since + Duration::from_mins(1),
        ended,
        findings: vec![finding],
        told: true,
        ..Alert::new(
            AlertId(id),
            Subject::Target(TargetSubject { tags: BTreeMap::new(), ..TargetSubject::of(&target) }),
            Severity::Critical,
            since,
        )
    }
}

#[test]
fn an_alert_is_explained_with_what_clears_it_the_path_what_changed_and_alerts_like_it() {
    let bed = Bed::new(&[(Protocol::Icmp, WELL), (Protocol::Tcp(443), SILENT)]);
    let mut earlier = alert(3, Some(NOW - Duration::from_hours(30)));
    earlier.since = NOW - Duration::from_hours(31);
    bed.keep(Change::Alert(Box::new(earlier)));
    bed.keep(Change::Alert(Box::new(alert(17, None))));
    let at = NOW - Duration::from_mins(25);
    let text = "configuration taken over, 2 targets".to_owned();
    let mark = Mark { at, subject: "netmend".to_owned(), kind: "reload".to_owned(), text };
    bed.keep(Change::Mark(mark));
    let (good, now) = (path(NOW - Duration::from_hours(20), 2), path(NOW, 9));
    let moment = Moment {
        at: NOW,
        target: format!("{HOST}:443"),
        change: Some(good.change_to(&now)),
        path: Some(now),
        failed: None,
        good: Some(good),
    };
    let body = Some(serde_json::to_vec(&moment).expect("JSON"));
    bed.keep(Change::Memo(Memo { key: "path/alert/17".to_owned(), body }));

    let story = bed.with(|archive| {
        let found = alert::find(archive, AlertId(17)).expect("read").expect("there");
        alert::explain(archive, &found, Some("london-1")).expect("explained")
    });
    let page = show::Explanation::from(story.clone());
    assert_eq!((&page.clears, &page.ticket), (&story.clears, &story.ticket));
    assert_eq!(page.traces.len(), 2);
    assert_eq!(page.traces[0].title, "while all was well");
    let text = story.text(NOW);
    for words in [
        "alert #17: www.example.com:443: does not answer",
        "No probe to www.example.com:443 is answered, since 09:40 UTC.",
        "It clears once it has answered each probe for 3 min.",
        "Ping is as usual and TCP port 443 is not answering: it is the service, not the network.",
        "hop 2 is 10.0.0.9 now, was 10.0.0.2.",
        "Before it, 09:35 UTC: configuration taken over, 2 targets.",
        "One alert about it before; the last: #3 Sat 03:00 UTC for 60 min:",
        "path while all was well, Sat 14:00 UTC:\nhop  address",
        "path when the alert was raised, 10:00 UTC:\nhop  address",
    ] {
        assert!(text.contains(words), "{words:?} is missing:\n{text}");
    }
    let ticket = &story.ticket;
    for words in [
        "Fault on the path to www.example.com (192.0.2.7)\n",
        "From:       2026-11-22 09:40:00 UTC\n",
        "To:         still so at 2026-11-22 10:00:00 UTC\n",
        "Source:     10.0.0.100 (london-1)\n",
        "measured by TCP SYN to port 443\n",
        "Loss:       100 % of 20 probes; in the 24 h before 0 % of 1440 probes\n",
        "RTT:        no answers; in the 24 h before median 12 ms, 90th percentile 12 ms\n",
        "Path before, 2026-11-21 14:00:00 UTC, by TCP SYN (half-open):\nhop  address",
        "Path at the moment, 2026-11-22 10:00:00 UTC",
        "nobody answered beyond hop 2\n",
    ] {
        assert!(ticket.contains(words), "{words:?} is missing:\n{ticket}");
    }
    let host = bed.explain(HOST).expect("known");
    assert!(host.text(NOW).contains("open alerts:\n  #17 since 09:40 UTC: "), "{}", host.text(NOW));
}

#[test]
fn what_clears_an_alert_depends_on_its_rule_and_nothing_clears_what_is_over() {
    let mut open = alert(1, None);
    let finding = &mut open.findings[0];
    (finding.metric, finding.usual, finding.limit) = (Metric::Rtt, Some(24_000.0), Some(36_000.0));
    let mut clears = |rule| {
        open.findings[0].rule = rule;
        alert::clears(&open, None).expect("open")
    };
    assert_eq!(clears(Rule::Nm), "It clears when latency has been below 30 ms for 10 min.");
    assert_eq!(clears(Rule::Limit), "It clears when latency has been below 32.4 ms for 10 min.");
    assert_eq!(clears(Rule::Sigma), "It clears when the last 5 min are below 36 ms in the mean.");
    assert_eq!(alert::clears(&alert(1, Some(NOW)), None), None);
}

#[test]
fn availability_counts_minutes_and_leaves_maintenance_and_silence_out() {
    let bed = Bed::new(&[(Protocol::Tcp(443), SILENT)]);
    let month = Month::parse("2026-11").expect("a month");
    let row = || {
        bed.with(|archive| {
            let target = Stored::all(archive.samples).expect("listed").remove(0);
            let upkeep = Upkeep::read(archive.state, &month.span()).expect("read");
            let worked = upkeep.of(&|label| Some(target.label(label).to_owned()));
            availability::row(archive.samples, &target, month, NOW, &worked).expect("read")
        })
    };
    let all = row();
    let minutes = all.minutes;
    assert_eq!((minutes.up_minutes, minutes.down_minutes), (2_860, 20));
    assert_eq!(minutes.no_data_minutes, 21 * 1_440 + 600 - 2_880);
    assert_eq!((minutes.outages, minutes.longest_outage_minutes), (1, 20));
    let percent = all.availability_pct.expect("known");
    assert!((percent - 2_860.0 / 2_880.0 * 100.0).abs() < 1e-9, "{percent}");
    assert!(all.csv().starts_with("www.example.com,london,tcp:443,4,2026-11,99.3055,2860,20,0,"));

    let silence = |created, from| Silence {
        id: SilenceId(1),
        matchers: vec![parse("host=www.example.com").expect("a matcher")],
        from: NOW - from,
        until: Some(NOW + Duration::from_hours(1)),
        weekly: None,
        created: NOW - created,
        by: "uid 0".into(),
        note: "line is moved".into(),
        expired: None,
    };
    let min = Duration::from_mins;
    bed.keep(Change::Silence(silence(min(10), min(10))));
    let after = row().minutes;
    assert_eq!((after.down_minutes, after.maintenance_minutes), (20, 0), "it was down already");
    bed.keep(Change::Silence(silence(min(10), min(30))));
    assert_eq!(row().minutes, after, "dated back");
    bed.keep(Change::Silence(silence(min(40), min(30))));
    let worked = row();
    assert_eq!(worked.minutes.maintenance_minutes, 30);
    assert_eq!(worked.minutes.down_minutes, 0);
    assert_eq!((worked.availability_pct, worked.loss_pct), (Some(100.0), Some(0.0)));
}

#[test]
fn causes_follow_from_how_the_targets_of_a_host_stand_now() {
    use TargetState::{Down, NeverAnswered, NoData, Up};
    let row = |number: u32, protocol, state| {
        let mut now = TargetNow::new(TargetId(number), Arc::new(target(protocol)), NOW);
        now.state = state;
        Arc::new(now)
    };
    let down = |id, protocol| {
        let mut open = alert(id, None);
        open.subject = Subject::Target(TargetSubject::of(&target(protocol)));
        Arc::new(open)
    };
    let (ping, web) = (Protocol::Icmp, Protocol::Tcp(443));
    let both = |first, second| Snapshot {
        targets: vec![row(1, ping, first), row(2, web, second)],
        ..Snapshot::default()
    };
    let (on_web, on_ping) = (vec![down(7, web)], vec![down(8, ping)]);
    let on_both = vec![down(8, ping), down(7, web)];
    for (open, snapshot, expected) in [
        (&on_web, both(Up, Down), vec![(7, Cause::Application)]),
        (&on_ping, both(Down, Up), vec![(8, Cause::IcmpFiltered)]),
        (&on_both, both(Down, Down), vec![(7, Cause::Path), (8, Cause::Path)]),
        (&on_web, both(NeverAnswered, Down), vec![]),
        (&on_web, both(NoData, Down), vec![]),
        (&Vec::new(), both(Up, Up), vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(id, c)| (AlertId(id), c)).collect();
        assert_eq!(causes(open, &snapshot), expected);
    }
}
