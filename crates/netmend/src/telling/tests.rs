//! Tests of judging and telling together: samples in, notices on disk out, at accelerated time.

use std::collections::HashMap;
use std::path::Path;

use model::alert::{MessageKind, Notice};
use model::{AlertState, ManualClock, Metric, Protocol, Sample, Target, UnixNs};
use store::{AlertQuery, Query, Store, Value};

use super::*;
use crate::feed::Feed;

mod together;

/// Monday 2026-01-05, 00:00 UTC.
const START: i64 = 1_767_571_200_000;

/// Probes that come so often, in seconds.
const EVERY: u64 = 10;

/// The stages from samples to notices, with a clock and a network that somebody drives.
struct Stages {
    clock: Arc<ManualClock>,
    judging: Arc<Judging>,
    telling: Arc<Telling>,
    samples: Arc<dyn store::Samples>,
    feed: Arc<Feed>,
    state: Arc<dyn State>,
    targets: Vec<Arc<Target>>,
    /// Whether a target has answered lately, and how soon.
    lost: Vec<u32>,
    last: Vec<Option<f64>>,
    reach: HashMap<SeriesId, Reach>,
    /// Of the noise on RTTs.
    random: u64,
}

impl Sights for HashMap<SeriesId, Reach> {
    fn each(&mut self, see: &mut dyn FnMut(SeriesId, Reach)) {
        for (target, reach) in self.iter() {
            see(*target, *reach);
        }
    }

    fn causes(&self, _: &[Arc<Alert>]) -> Vec<(AlertId, Cause)> {
        Vec::new()
    }
}

impl Stages {
    fn start(folder: &Path, targets: Vec<Target>, clock: Arc<ManualClock>) -> Self {
        let targets: Vec<Arc<Target>> = targets.into_iter().map(Arc::new).collect();
        let store = Store::open(folder, Arc::clone(&clock) as _).unwrap();
        let (samples, state) = (store.samples(), store.state());
        let series =
            targets.iter().flat_map(|target| Metric::ALL.map(|metric| target.series(metric)));
        let series: Vec<_> = series.chain(Judging::lines(&targets)).collect();
        samples.register(&series).unwrap();
        let feed = Arc::new(Feed::new(Arc::clone(&samples), Arc::clone(&clock) as _).unwrap());
        let judging = Arc::new(Judging::new(folder, Arc::clone(&feed), Arc::clone(&clock) as _));
        judging.set(&targets, |_, _| detect::Settings::default()).unwrap();
        judging.take_up(&*samples);
        let route = alert::route::Route {
            name: "noc".into(),
            matching: alert::matching::Matching::default(),
            hours: None,
            wait: alert::route::Route::WAIT,
            interval: alert::route::Route::INTERVAL,
            repeat: alert::route::Route::REPEAT,
        };
        let settings = Settings { site: "here".into(), routes: vec![route], ..Settings::default() };
        let watched = targets.iter().map(|target| Watched::of(target)).collect();
        let telling = Telling::new(
            (settings, watched, Vec::new()),
            Arc::clone(&state),
            Arc::clone(&judging),
            Arc::clone(&clock) as _,
        );
        Self {
            clock,
            judging,
            telling: Arc::new(telling.unwrap()),
            samples,
            feed,
            state,
            lost: vec![0; targets.len()],
            last: vec![None; targets.len()],
            targets,
            reach: HashMap::new(),
            random: 1,
        }
    }

    /// One round of probes: the RTT of each target in milliseconds, `None` if it does not answer.
    fn round(&mut self, rtt_ms: impl Fn(usize) -> Option<f64>) {
        self.clock.advance(Duration::from_secs(EVERY));
        let at = self.clock.now_ms();
        let mut batch = Vec::new();
        for place in 0..self.targets.len() {
            let target = &self.targets[place];
            let mut push = |metric, value| {
                batch.push(Sample { series: target.series(metric).id(), at, value });
            };
            // xorshift: noise of some percent, the same in each run.
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let noise = 1.0 + (self.random % 1_000) as f64 / 20_000.0;
            let answer = rtt_ms(place);
            push(Metric::Loss, if answer.is_some() { 0.0 } else { 100.0 });
            if let Some(ms) = answer {
                let rtt = (ms * noise * 1_000.0).round();
                push(Metric::Rtt, rtt);
                if let Some(last) = self.last[place].replace(rtt) {
                    push(Metric::Jitter, (rtt - last).abs());
                }
            }
            self.lost[place] = if answer.is_some() { 0 } else { self.lost[place] + 1 };
            let reach = if self.lost[place] >= 3 { Reach::Lost } else { Reach::Seen };
            self.reach.insert(target.series(Metric::Rtt).id(), reach);
        }
        let (mut words, mut lines) = (Vec::new(), Vec::new());
        self.judging.take(&batch, &mut words, &mut lines);
        self.feed.push(&mut batch);
        self.feed.push(&mut lines);
        self.telling.hear(&words);
        self.telling.tick(&mut self.reach);
    }

    /// Rounds for so many minutes.
    fn minutes(&mut self, minutes: u64, rtt_ms: impl Fn(usize) -> Option<f64>) {
        for _ in 0..minutes * 60 / EVERY {
            self.round(&rtt_ms);
        }
    }

    fn notices(&self) -> Vec<Notice> {
        let found = self.state.find(&Query::Notices { state: None, limit: 10_000 }).unwrap();
        let notice = |value| match value {
            Value::Notice(notice) => *notice,
            other => panic!("no notice: {other:?}"),
        };
        found.into_iter().rev().map(|record| notice(record.value)).collect()
    }

    fn kinds(&self) -> Vec<MessageKind> {
        self.notices().iter().map(|notice| notice.message.kind).collect()
    }

    fn alerts(&self) -> Vec<Alert> {
        let query = AlertQuery { limit: 100_000, ..AlertQuery::default() };
        let found = self.state.find(&Query::Alerts(query)).unwrap();
        let alert = |value| match value {
            Value::Alert(alert) => *alert,
            other => panic!("no alert: {other:?}"),
        };
        found.into_iter().rev().map(|record| alert(record.value)).collect()
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(UnixNs(START * 1_000_000)))
}

fn host(name: &str, region: &str) -> Target {
    Target::new(name, region, Protocol::Icmp)
}

fn three() -> Vec<Target> {
    vec![host("a", "r"), host("b", "s"), host("c", "t")]
}

#[test]
fn a_rise_is_one_message_with_its_numbers_and_one_when_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut stages = Stages::start(folder.path(), three(), clock());
    stages.minutes(180, |_| Some(20.0));
    assert_eq!(stages.kinds(), []);
    stages.minutes(20, |place| Some(if place == 0 { 60.0 } else { 20.0 }));
    assert_eq!(stages.kinds(), [MessageKind::Firing]);
    let message = stages.notices()[0].message.clone();
    let finding = message.alerts[0].findings.iter().find(|found| found.metric == Metric::Rtt);
    let finding = finding.expect("the RTT is wrong").clone();
    assert!((28_000.0..70_000.0).contains(&finding.value), "{finding:?}");
    assert!((19_000.0..23_000.0).contains(&finding.usual.unwrap()), "{finding:?}");
    assert_eq!(message.alerts[0].subject.to_string(), "a");
    stages.minutes(40, |_| Some(20.0));
    assert_eq!(stages.kinds(), [MessageKind::Firing, MessageKind::Resolved]);
    assert_eq!(stages.alerts().len(), 1, "its metrics are one alert");
    assert_eq!(stages.telling.present().open.len(), 0);
}

#[test]
fn a_restart_in_mid_alert_goes_on_with_what_was_learned_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut stages = Stages::start(folder.path(), three(), Arc::clone(&clock));
    stages.minutes(180, |_| Some(20.0));
    stages.minutes(20, |place| (place != 0).then_some(20.0));
    assert_eq!(stages.kinds(), [MessageKind::Firing]);
    stages.judging.keep_now();
    drop(stages);
    clock.advance(Duration::from_mins(3));
    let mut stages = Stages::start(folder.path(), three(), Arc::clone(&clock));
    assert_eq!(stages.telling.present().open.len(), 1);
    stages.minutes(10, |place| (place != 0).then_some(20.0));
    assert_eq!(stages.kinds(), [MessageKind::Firing], "nobody is told twice");
    drop(stages);
    let mut stages = Stages::start(folder.path(), three(), clock);
    stages.minutes(60, |_| Some(20.0));
    assert_eq!(stages.kinds(), [MessageKind::Firing, MessageKind::Resolved]);
}

#[test]
fn commands_are_on_disk_when_they_are_answered_and_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut stages = Stages::start(folder.path(), three(), clock());
    stages.minutes(180, |_| Some(20.0));
    stages.minutes(20, |place| (place != 0).then_some(20.0));
    let id = stages.telling.present().open[0].id;
    let ack = |alert| Command::Ack { alert, note: Some("mine".into()), ticket: Some("T1".into()) };
    assert_eq!(stages.telling.submit("uid 7", ack(id)), Ok(Receipt::Acked(id)));
    let stored = stages.alerts().remove(0).ack.expect("it is acknowledged");
    assert_eq!((stored.by.as_str(), stored.ticket.as_deref()), ("uid 7", Some("T1")));
    let unknown = stages.telling.submit("uid 7", ack(AlertId(99))).unwrap_err();
    assert!(matches!(&unknown, Refusal::Unknown(text) if text.contains("99")), "{unknown}");
    let silence = Command::Silence(show::NewSilence {
        matchers: vec![alert::matching::parse("host=a").unwrap()],
        from: None,
        until: Some(stages.clock.now_ms() + Duration::from_hours(1)),
        weekly: None,
        note: "work".into(),
    });
    let Ok(Receipt::Silenced(silence)) = stages.telling.submit("uid 7", silence) else {
        panic!("a silence can be set")
    };
    let present = stages.telling.present();
    assert!(present.silences[0].holds && present.open[0].quiet.len() == 1, "{present:?}");
    let expire = Command::Expire(silence);
    assert_eq!(stages.telling.submit("uid 7", expire.clone()), Ok(Receipt::Expired(silence)));
    assert!(matches!(stages.telling.submit("uid 7", expire), Err(Refusal::Unknown(_))));
    assert_eq!(stages.telling.test(None).unwrap().len(), 1);
}

#[test]
fn the_lines_of_the_judge_are_stored_once_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let mut stages = Stages::start(folder.path(), three(), clock());
    stages.minutes(200, |_| Some(20.0));
    let thread = stages.feed.start().unwrap();
    stages.feed.close();
    thread.join().unwrap();
    let limit = stages.targets[0].series(Metric::Rtt).band(model::series::Band::Limit).id();
    let until = stages.clock.now_ms();
    let query = store::RangeQuery {
        series: vec![limit],
        from: until - Duration::from_mins(30),
        until,
        step: None,
        exact: true,
    };
    let store::RangeAnswer::Samples(line) = stages.samples.range(&query).unwrap().remove(0) else {
        panic!("samples were asked for")
    };
    assert_eq!(line.len(), 30);
    assert!(line.iter().all(|(_, limit)| (24_000.0..60_000.0).contains(limit)), "{line:?}");
}
