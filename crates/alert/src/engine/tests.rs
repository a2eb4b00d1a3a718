//! Tests of the state machine, through what the daemon calls: judgements and reach in, messages out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use model::alert::{Matcher, Message, Operator, QuietBy, RepairSubject, Subject};
use model::{Change as Changed, Metric, Protocol, Rule, Target};
use store::{AlertQuery, Applied, Error, Query, Record, State, Value};

use super::*;
use crate::matching::{Matching, parse};

mod crowds;
mod property;
mod scenes;

/// A store in memory that knows what an engine asks of it.
#[derive(Debug, Default)]
struct Memory {
    alerts: Mutex<BTreeMap<AlertId, Alert>>,
    silences: Mutex<BTreeMap<SilenceId, Silence>>,
    notices: Mutex<BTreeMap<NoticeId, Notice>>,
    memos: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl State for Memory {
    fn apply(&self, changes: Vec<Change>) -> Result<Applied, Error> {
        for change in changes {
            match change {
                Change::Alert(alert) => drop(self.alerts.lock().unwrap().insert(alert.id, *alert)),
                Change::Silence(silence) => {
                    self.silences.lock().unwrap().insert(silence.id, silence);
                }
                Change::Notice(notice) => {
                    self.notices.lock().unwrap().insert(notice.id, *notice);
                }
                Change::Memo(memo) => {
                    let mut memos = self.memos.lock().unwrap();
                    match memo.body {
                        Some(body) => drop(memos.insert(memo.key, body)),
                        None => drop(memos.remove(&memo.key)),
                    }
                }
                other => panic!("an engine writes no {other:?}"),
            }
        }
        Ok(Applied::Done(1))
    }

    fn claim(&self, claim: store::Claim) -> Result<store::Claimed, Error> {
        panic!("an engine claims nothing: {claim:?}")
    }

    fn find(&self, query: &Query) -> Result<Vec<Record>, Error> {
        let values: Vec<Value> = match query {
            Query::Alerts(AlertQuery { open, from, limit, .. }) => {
                let alerts = self.alerts.lock().unwrap();
                let fits = |alert: &&Alert| {
                    open.is_none_or(|open| alert.is_open() == open)
                        && from.is_none_or(|from| alert.ended.is_none_or(|ended| ended >= from))
                };
                let found = alerts.values().rev().filter(fits).take(*limit as usize);
                found.map(|alert| Value::Alert(Box::new(alert.clone()))).collect()
            }
            Query::Silences { after, limit } => {
                let silences = self.silences.lock().unwrap();
                let fits = |silence: &&Silence| {
                    let ends = silence.expired.as_ref().map(|(at, _)| *at).or(silence.until);
                    ends.is_none_or(|ends| ends > *after)
                };
                let found = silences.values().rev().filter(fits).take(*limit as usize);
                found.map(|silence| Value::Silence(silence.clone())).collect()
            }
            Query::Notices { limit, .. } => {
                let notices = self.notices.lock().unwrap();
                let found = notices.values().rev().take(*limit as usize);
                found.map(|notice| Value::Notice(Box::new(notice.clone()))).collect()
            }
            Query::Memos { prefix } => {
                let memos = self.memos.lock().unwrap();
                let found = memos.iter().filter(|(key, _)| key.starts_with(prefix));
                found
                    .map(|(key, body)| {
                        Value::Memo(store::Memo { key: key.clone(), body: Some(body.clone()) })
                    })
                    .collect()
            }
            other => panic!("an engine asks no {other:?}"),
        };
        Ok(values.into_iter().map(|value| Record { revision: 1, value }).collect())
    }

    fn changes(&self, _: u64) -> Result<Vec<Record>, Error> {
        unreachable!("an engine reads no changes")
    }
}

/// A network, those who watch it, and a clock.
struct World {
    engine: Engine,
    memory: Memory,
    targets: Vec<Target>,
    settings: Settings,
    now: UnixMs,
}

/// Monday 2026-01-05, 10:00 UTC.
const START: i64 = 1_767_607_200_000;

fn target(host: &str, region: &str, tags: &[(&str, &str)]) -> Target {
    let mut target = Target::new(host, region, Protocol::Icmp);
    for (tag, value) in tags {
        target.tags.insert((*tag).to_owned(), (*value).to_owned());
    }
    target
}

fn three() -> Vec<Target> {
    vec![target("a", "r", &[]), target("b", "s", &[]), target("c", "t", &[])]
}

/// So many targets, each with a region of its own.
fn strangers(count: usize) -> Vec<Target> {
    (0..count).map(|n| target(&format!("h{n}"), &format!("r{n}"), &[])).collect()
}

fn route(name: &str, matchers: &[&str]) -> Route {
    let matchers: Vec<Matcher> = matchers.iter().map(|text| parse(text).unwrap()).collect();
    Route {
        name: name.to_owned(),
        matching: Matching::new(&matchers).unwrap(),
        hours: None,
        wait: Route::WAIT,
        interval: Route::INTERVAL,
        repeat: Route::REPEAT,
    }
}

impl World {
    /// All targets answer; one receiver hears everything.
    fn new(targets: Vec<Target>) -> Self {
        Self::with(targets, vec![route("noc", &[])])
    }

    fn with(targets: Vec<Target>, routes: Vec<Route>) -> Self {
        let settings = Settings { site: "here".into(), routes, ..Settings::default() };
        let mut world = Self {
            engine: Engine::default(),
            memory: Memory::default(),
            targets,
            settings,
            now: UnixMs(START),
        };
        world.set();
        for host in 0..world.targets.len() {
            world.reach_at(host, Reach::Seen);
        }
        world
    }

    fn set(&mut self) {
        let watched = self.targets.iter().map(Watched::of).collect();
        self.engine.set(self.settings.clone(), watched, self.now);
    }

    /// The process dies and another begins with what is in the store. The judge says anew of each series
    /// how it stands, which is up to the caller.
    fn restart(&mut self) {
        self.engine = Engine::default();
        self.set();
        let saved = Saved::read(&self.memory, self.now).unwrap();
        assert_eq!(self.engine.restore(saved, self.now), 0, "everything can be read");
        self.store();
    }

    fn place(&self, host: &str) -> usize {
        self.targets.iter().position(|target| target.host == host).unwrap()
    }

    fn series(&self, place: usize, metric: Metric) -> SeriesId {
        self.targets[place].series(metric).id()
    }

    fn reach(&mut self, host: &str, reach: Reach) {
        self.reach_at(self.place(host), reach);
    }

    fn reach_at(&mut self, place: usize, reach: Reach) {
        self.engine.reached(self.series(place, Metric::Rtt), reach, self.now);
        self.store();
    }

    fn judge(&mut self, place: usize, metric: Metric, standing: Standing, change: Changed) {
        let value = if matches!(standing, Standing::Firing { .. }) { 60.0 } else { 20.0 };
        let judgement = Judgement {
            at: self.now,
            value,
            usual: 20.0,
            varies: 3.0,
            limit: 32.0,
            share: 0.8,
            standing,
            change: Some(change),
        };
        self.engine.judged(self.series(place, metric), &judgement, self.now);
        self.store();
    }

    fn bad_at(&mut self, place: usize, metric: Metric) {
        let standing = Standing::Firing { since: self.now, rule: Rule::Nm };
        self.judge(place, metric, standing, Changed::Raised);
    }

    fn bad(&mut self, host: &str) {
        self.bad_at(self.place(host), Metric::Rtt);
    }

    fn good(&mut self, host: &str) {
        self.judge(self.place(host), Metric::Rtt, Standing::Usual, Changed::Cleared);
    }

    /// It loses all probes, and then is found down.
    fn down(&mut self, host: &str) {
        self.reach(host, Reach::Lost);
        let standing = Standing::Firing { since: self.now, rule: Rule::Down };
        self.judge(self.place(host), Metric::Loss, standing, Changed::Raised);
    }

    /// The judge says after a start that it is still down.
    fn down_again(&mut self, place: usize) {
        let standing = Standing::Firing { since: self.now, rule: Rule::Down };
        self.judge(place, Metric::Loss, standing, Changed::Raised);
    }

    fn up(&mut self, host: &str) {
        self.reach(host, Reach::Seen);
        self.judge(self.place(host), Metric::Loss, Standing::Usual, Changed::Cleared);
    }

    /// Lets seconds pass, one by one.
    fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.now = self.now + Duration::from_secs(1);
            self.engine.tick(self.now);
            self.store();
        }
    }

    fn store(&mut self) {
        self.memory.apply(self.engine.take_changes(self.now)).unwrap();
    }

    fn silence(&mut self, matcher: &str, seconds: u64) -> SilenceId {
        let new = NewSilence {
            matchers: vec![parse(matcher).unwrap()],
            from: None,
            until: Some(self.now + Duration::from_secs(seconds)),
            weekly: None,
            note: "work".into(),
        };
        let id = self.engine.silence(new, "uid 0", self.now).unwrap();
        self.store();
        id
    }

    /// What was written to a receiver: kind and subjects of the alerts that speak for themselves.
    fn told(&self, receiver: &str) -> Vec<String> {
        let notices = self.memory.notices.lock().unwrap();
        let of = notices.values().filter(|notice| notice.receiver == receiver);
        of.map(|notice| words(&notice.message)).collect()
    }

    /// All messages, and none is left afterwards; numbers go on.
    fn messages(&self) -> Vec<Message> {
        self.memory.notices.lock().unwrap().values().map(|n| n.message.clone()).collect()
    }

    fn alert(&self, host: &str) -> Alert {
        let of_host = |alert: &&Alert| match &alert.subject {
            Subject::Target(target) => target.host == host,
            _ => false,
        };
        let alerts = self.memory.alerts.lock().unwrap();
        alerts.values().rev().find(of_host).expect("it has an alert").clone()
    }

    fn ack(&mut self, id: AlertId) -> Result<(), CommandError> {
        let by = "uid 0".to_owned();
        let ack = Ack { at: self.now, by, note: Some("looking".into()), ticket: None };
        let done = self.engine.acknowledge(id, ack, self.now);
        self.store();
        done
    }
}

fn words(message: &Message) -> String {
    let roots = message
        .alerts
        .iter()
        .filter(|alert| alert.quiet.iter().all(|by| !matches!(by, QuietBy::Alert(_))));
    let subjects: Vec<String> = roots.map(|alert| alert.subject.to_string()).collect();
    format!("{} {}", message.kind, subjects.join(" "))
}

/// That each thread of each receiver is beginnings and ends in turn, and whether all of them have ended.
fn check_threads(messages: impl IntoIterator<Item = Notice>) -> Result<bool, String> {
    let mut open: HashMap<(String, String), bool> = HashMap::new();
    for notice in messages {
        let kind = notice.message.kind;
        let key = (notice.receiver, notice.message.thread);
        let is_open = open.get(&key).copied().unwrap_or(false);
        let next = match kind {
            MessageKind::Firing if !is_open => true,
            MessageKind::Update | MessageKind::Repeat if is_open => true,
            MessageKind::Resolved | MessageKind::Accepted if is_open => false,
            MessageKind::Test => continue,
            _ => return Err(format!("{kind} in {key:?}, which is open: {is_open}")),
        };
        open.insert(key, next);
    }
    Ok(open.values().all(|open| !open))
}
