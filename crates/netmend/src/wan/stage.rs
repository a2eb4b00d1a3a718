//! The stage that watches links by way of their orchestrators: what they answer goes to the store, the judge,
//! those who tell, the pages, the sinks and the intake of events. It keeps what is known; `asking` decides when who is
//! asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use alert::{Reach, Watched};
use measure::orchestrator::{Config, Orchestrator as Client};
use measure::sdwan::{Error, Happening, Poll, Window};
use mend::Intake;
use model::alert::LinkSubject;
use model::series::Band;
use model::wan::{self, WanMetric};
use model::{Inventory, Series, SeriesId, UnixMs};
use store::{Applied, Change, Memo, Query, RangeAnswer, RangeQuery, State, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::asking;
use super::happenings::{Meant, Told};
use super::links::{Links, News, STEP};
use crate::config::{Orchestrator, Verdict};
use crate::feed::Feed;
use crate::forwarding::Forwarding;
use crate::ground::Ground;
use crate::judging::{Judging, Whose};
use crate::notices::Notices;
use crate::report::Report;
use crate::shelf::Summons;
use crate::telling::Telling;

/// Where the links of an orchestrator are remembered.
const LINKS: &str = "wan links ";
/// Where it is remembered which of its events were told.
const EVENTS: &str = "wan events ";
/// Series that are read together at the start.
const TOGETHER: usize = 96;
/// So far back what was stored is remembered, so that it is not stored again.
const RECALL: Duration = Duration::from_mins(100);

/// What the stage works by; a reload changes it.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Whom to ask.
    pub(crate) orchestrators: Arc<[Orchestrator]>,
    /// How links are judged.
    pub(crate) verdict: Arc<Verdict>,
    /// The devices that events can be about.
    pub(crate) inventory: Arc<Inventory>,
    /// What is an event.
    pub(crate) intake: mend::Options,
}

/// The stages that hear of links.
pub(crate) struct Stages {
    pub(crate) ground: Ground,
    pub(crate) feed: Arc<Feed>,
    pub(crate) forwarding: Arc<Forwarding>,
    pub(crate) judging: Arc<Judging>,
    pub(crate) telling: Arc<Telling>,
    pub(crate) notices: Arc<Notices>,
    pub(crate) summons: Summons,
}

/// How an orchestrator does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// Why it does not answer, and since when.
    pub(crate) failing: Option<(String, UnixMs)>,
    /// Up to when its data go.
    pub(crate) until: Option<UnixMs>,
    /// Polls that brought an answer, and those that did not.
    pub(crate) polls: u64,
    pub(crate) failures: u64,
    /// Readings that were new.
    pub(crate) readings: u64,
    /// Values that should be there and are not, or are of another kind than documented.
    pub(crate) odd: u64,
    /// Events that it told.
    pub(crate) events: u64,
}

/// The links before anybody is asked: what an earlier process left in the store.
pub(crate) struct Known {
    links: Links,
    rules: Rules,
}

/// What all tasks of the stage share.
pub(crate) struct Shared {
    pub(crate) stages: Stages,
    pub(crate) links: Mutex<Links>,
    pub(super) health: Mutex<BTreeMap<String, Health>>,
    pub(super) shown: Mutex<super::shown::Shown>,
    rules: Mutex<Rules>,
    intake: Mutex<Intake>,
}

/// The running stage.
pub(crate) struct Wan {
    pub(crate) shared: Arc<Shared>,
    orders: mpsc::UnboundedSender<Arc<[Orchestrator]>>,
    /// Who takes the orders, until it is started.
    taken: Mutex<Option<mpsc::UnboundedReceiver<Arc<[Orchestrator]>>>>,
    stop: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Wan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wan").finish_non_exhaustive()
    }
}

impl Known {
    /// Reads what is known of the links of these orchestrators.
    pub(crate) fn read(rules: Rules, state: &dyn State) -> Result<Self, Report> {
        let mut links = Links::default();
        links.set(rules.orchestrators.iter().map(|one| (one.name.as_str(), one.lag)));
        let kept = state
            .find(&Query::Memos { prefix: LINKS.to_owned() })
            .map_err(|why| Report::because("cannot read the links", &why).code(4))?;
        for record in kept {
            let Value::Memo(Memo { key, body: Some(body) }) = record.value else { continue };
            let name = key.strip_prefix(LINKS).unwrap_or_default();
            if let Err(why) = links.take_up(name, &body) {
                tracing::warn!(%why, orchestrator = name, "what was known of its links is lost");
            }
        }
        Ok(Self { links, rules })
    }

    /// The links as alerts know them.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        watched(&self.links, &self.rules.verdict)
    }
}

impl Wan {
    /// A stage that knows its links and asks nobody yet.
    pub(crate) fn new(known: Known, stages: Stages) -> Result<Self, Report> {
        let Known { links, rules } = known;
        let shared = Arc::new(Shared {
            stages,
            links: Mutex::new(links),
            health: Mutex::default(),
            shown: Mutex::default(),
            intake: Mutex::new(Intake::new(rules.intake.clone())),
            rules: Mutex::new(rules),
        });
        shared.register(None)?;
        shared.judge()?;
        let (orders, taken) = mpsc::unbounded_channel();
        Ok(Self {
            shared,
            orders,
            taken: Mutex::new(Some(taken)),
            stop: CancellationToken::new(),
            thread: Mutex::new(None),
        })
    }

    /// Starts to ask. Only after the judge has: what comes while nobody listens is not judged.
    pub(crate) fn start(&self) -> Result<(), Report> {
        let Some(taken) = lock(&self.taken).take() else { return Ok(()) };
        let failed = |why| Report::because("cannot start to ask orchestrators", &why).code(4);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (shared, ended) = (Arc::clone(&self.shared), self.stop.clone());
        let orchestrators = Arc::clone(&lock(&shared.rules).orchestrators);
        let thread = std::thread::Builder::new()
            .name("wan".into())
            .spawn(move || {
                shared.recall();
                runtime.block_on(asking::run(shared, orchestrators, taken, ended));
            })
            .map_err(failed)?;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    /// Works by other rules from now on; orchestrators that stay as they were notice nothing.
    pub(crate) fn set(&self, rules: Rules) -> Result<(), Report> {
        let orchestrators = Arc::clone(&rules.orchestrators);
        let known = Known::read(rules.clone(), &*self.shared.stages.ground.state)?;
        let mut gone: Vec<String> = Vec::new();
        {
            let mut links = lock(&self.shared.links);
            links.set(orchestrators.iter().map(|one| (one.name.as_str(), one.lag)));
            links.join(known.links);
            let mut health = lock(&self.shared.health);
            health.retain(|name, _| {
                let stays = orchestrators.iter().any(|one| one.name == *name);
                if !stays {
                    gone.push(name.clone());
                }
                stays
            });
        }
        for name in gone {
            self.shared.clear_notices(&name);
        }
        lock(&self.shared.intake).set(rules.intake.clone());
        *lock(&self.shared.rules) = rules;
        self.shared.register(None)?;
        self.shared.judge()?;
        self.shared.tell();
        // The thread ends only with the daemon.
        let _ = self.orders.send(orchestrators);
        Ok(())
    }

    /// Asks nobody any more, and waits until what came is handed on.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that asks orchestrators panicked");
        }
    }

    /// Says of links whether they are heard of; of all, or of those where that changed.
    pub(crate) fn reaches(&self, all: bool, see: &mut dyn FnMut(SeriesId, Reach)) {
        let now = self.shared.stages.ground.clock.now_ms();
        lock(&self.shared.links).reaches(now, all, see);
    }
}

impl Shared {
    /// Makes the series of links known to the store: of all, or of these.
    fn register(&self, new: Option<&[LinkSubject]>) -> Result<(), Report> {
        let with_lines = |series: Series| {
            let lines = Band::ALL.map(|band| series.band(band));
            std::iter::once(series).chain(lines)
        };
        let series: Vec<Series> = match new {
            None => lock(&self.links).series().flat_map(with_lines).collect(),
            Some(new) => new
                .iter()
                .flat_map(|link| {
                    WanMetric::ALL.map(|metric| wan::series(&link.orchestrator, &link.id, metric))
                })
                .flat_map(with_lines)
                .collect(),
        };
        if series.is_empty() {
            return Ok(());
        }
        self.stages.ground.samples.register(&series).map_err(|why| {
            Report::because("cannot make the links known to the store", &why).code(4)
        })
    }

    /// Judges the links that are known now.
    fn judge(&self) -> Result<(), Report> {
        let rules = lock(&self.rules).clone();
        let links: Vec<(Arc<LinkSubject>, String)> = lock(&self.links)
            .all()
            .map(|(name, known)| (Arc::clone(&known.subject), name.to_owned()))
            .collect();
        let all = links.iter().flat_map(|(link, name)| {
            WanMetric::ALL.map(|metric| {
                let settings = rules.verdict.judging.of_link(link, metric.kind(), STEP);
                (wan::series(name, &link.id, metric), settings, link.to_string())
            })
        });
        self.stages.judging.watch(Whose::Links, all)
    }

    /// Lets alerts know the links that are known now.
    fn tell(&self) {
        let watched = watched(&lock(&self.links), &lock(&self.rules).verdict);
        self.stages.telling.set_links(watched);
    }

    /// Remembers what the store has of the last hour.
    fn recall(&self) {
        let now = self.stages.ground.clock.now_ms();
        let all: Vec<(String, String, [SeriesId; 6])> = lock(&self.links)
            .all()
            .map(|(name, known)| (name.to_owned(), known.link.id.clone(), known.series))
            .collect();
        for some in all.chunks(TOGETHER / WanMetric::ALL.len()) {
            let series = some.iter().flat_map(|(.., series)| *series).collect();
            let query =
                RangeQuery { series, from: now - RECALL, until: now, step: None, exact: true };
            let Ok(mut answers) = self.stages.ground.samples.range(&query).map(Vec::into_iter)
            else {
                return;
            };
            let mut links = lock(&self.links);
            for (name, id, _) in some {
                for metric in WanMetric::ALL {
                    if let Some(RangeAnswer::Samples(values)) = answers.next() {
                        links.recall((name, id), metric, &values);
                    }
                }
            }
        }
    }

    /// Hands on what a poll brought.
    pub(super) fn polled(&self, name: &str, poll: &Poll, window: Window) {
        let now = self.stages.ground.clock.now_ms();
        let mut news = lock(&self.links).take(name, poll, now);
        {
            let mut health = lock(&self.health);
            let health = health.entry(name.to_owned()).or_default();
            health.failing = None;
            health.until = Some(window.end);
            health.polls += 1;
            health.odd += poll.odd;
            health.readings += (news.judge.len() / WanMetric::ALL.len()) as u64;
        }
        self.stages.notices.clear(&about(name));
        self.tell_of_edges(name, poll, now);
        self.tell_of_enterprises(name, poll, now);
        if news.roster {
            self.take_over(name, &news);
        }
        self.stages.judging.push(&news.judge);
        for (subject, at, values) in &news.pass_on {
            self.stages.forwarding.push(subject, *at, values);
        }
        self.stages.feed.push(&mut news.store);
        tracing::debug!(
            orchestrator = name,
            links = poll.links.len(),
            failures = poll.failures.len(),
            repeated = news.repeated,
            "polled"
        );
    }

    /// Links came, went or changed their names.
    fn take_over(&self, name: &str, news: &News) {
        let done = self.register(Some(&news.new)).and_then(|()| self.judge());
        if let Err(why) = done {
            tracing::error!(%why, orchestrator = name, "its links cannot all be watched");
        }
        self.tell();
        self.keep(name);
    }

    /// Remembers the links of an orchestrator over restarts.
    pub(super) fn keep(&self, name: &str) {
        let body = lock(&self.links).keep(name);
        let memo = Memo { key: format!("{LINKS}{name}"), body: Some(body) };
        if let Err(why) = self.stages.ground.state.apply(vec![Change::Memo(memo)]) {
            tracing::warn!(%why, orchestrator = name, "its links are not on disk yet");
        }
    }

    /// Where edges are has changed: what they share with others too.
    pub(super) fn moved(&self, name: &str) {
        if let Err(why) = self.judge() {
            tracing::error!(%why, orchestrator = name, "its links cannot all be watched");
        }
        self.tell();
        self.keep(name);
    }

    /// A poll brought nothing.
    pub(super) fn failed(&self, name: &str, why: &Error) {
        let now = self.stages.ground.clock.now_ms();
        let since = {
            let mut health = lock(&self.health);
            let health = health.entry(name.to_owned()).or_default();
            health.failures += 1;
            let since = health.failing.as_ref().map_or(now, |(_, since)| *since);
            if health.failing.is_none() {
                tracing::error!(%why, orchestrator = name, "the orchestrator cannot be asked");
            }
            health.failing = Some((why.to_string(), since));
            since
        };
        let text = format!("orchestrator {name}: {why}; nobody knows how its links are meanwhile");
        let fix = format!("`netmend vco once --config FILE` asks {name} by hand");
        self.stages.notices.raise(&about(name), text, fix, since);
    }

    /// Says which edges could not be asked.
    fn tell_of_edges(&self, name: &str, poll: &Poll, now: UnixMs) {
        let about = format!("{} edges", about(name));
        let Some(first) = poll.failures.first() else {
            return self.stages.notices.clear(&about);
        };
        let text = match poll.failures.len() {
            1 => format!("orchestrator {name}: {first}"),
            many => format!("orchestrator {name}: {first}; and {} more edges", many - 1),
        };
        let fix = "what is known of their links gets old; they are asked again with each poll";
        self.stages.notices.raise(&about, text, fix.to_owned(), now);
    }

    /// Says who is wanted and not there: nobody would miss what is never asked.
    fn tell_of_enterprises(&self, name: &str, poll: &Poll, now: UnixMs) {
        let about = format!("{} enterprises", about(name));
        if poll.unseen.is_empty() {
            return self.stages.notices.clear(&about);
        }
        let unseen: Vec<String> = poll.unseen.iter().map(ToString::to_string).collect();
        let text = format!("orchestrator {name}: {}", unseen.join("; "));
        let fix = "mend `enterprises` of the orchestrator, or let its login see them";
        self.stages.notices.raise(&about, text, fix.to_owned(), now);
    }

    fn clear_notices(&self, name: &str) {
        for what in ["", " edges", " enterprises", " events"] {
            self.stages.notices.clear(&format!("{}{what}", about(name)));
        }
    }

    /// What was told of an orchestrator's events; `None` if nothing ever was.
    pub(super) fn told(&self, name: &str) -> Option<Told> {
        let prefix = format!("{EVENTS}{name}");
        let found = self.stages.ground.state.find(&Query::Memos { prefix: prefix.clone() }).ok()?;
        found.into_iter().find_map(|record| match record.value {
            Value::Memo(Memo { key, body: Some(body) }) if key == prefix => {
                serde_json::from_slice(&body).ok()
            }
            _ => None,
        })
    }

    /// Hands on what happened and was not told before; all of it, and that it was told, gets on disk at once
    /// or not at all.
    pub(super) fn happened(
        &self,
        name: &str,
        told: &mut Option<Told>,
        happenings: Vec<Happening>,
        oldest: UnixMs,
    ) {
        let now = self.stages.ground.clock.now_ms();
        let first = told.is_none();
        let mut next = told.clone().unwrap_or_default();
        let inventory = Arc::clone(&lock(&self.rules).inventory);
        let mut changes = Vec::new();
        let (mut count, mut hurry) = (0, false);
        for happening in happenings {
            // What happened before anybody watched is no news.
            if !next.is_new(&happening) || first {
                continue;
            }
            count += 1;
            let links = lock(&self.links);
            let edge = happening.edge.clone().unwrap_or_default();
            let meant = Meant::of(happening, name, links.of_edge(name, &edge), &inventory, now);
            drop(links);
            let mendable = self.stages.summons.shelf.is_for(meant.code(), meant.code());
            hurry |= mendable;
            let change = lock(&self.intake).take(&meant.said(mendable));
            changes.extend(change.map(Change::Event));
        }
        next.forget(oldest);
        if told.as_ref() == Some(&next) && changes.is_empty() {
            return;
        }
        let body = serde_json::to_vec(&next).expect("identities and times are JSON");
        changes.push(Change::Memo(Memo { key: format!("{EVENTS}{name}"), body: Some(body) }));
        match self.stages.ground.state.apply(changes) {
            Ok(Applied::Done(_)) => {
                *told = Some(next);
                if hurry {
                    self.stages.summons.bell.ring();
                }
                lock(&self.health).entry(name.to_owned()).or_default().events += count;
            }
            Ok(Applied::Conflict) => {
                tracing::error!(orchestrator = name, "the store calls a report of it a conflict");
            }
            Err(why) => {
                tracing::error!(%why, orchestrator = name, "its events are told later");
            }
        }
    }

    /// How each orchestrator of the configuration does, and where it is.
    pub(super) fn orchestrators(&self) -> Vec<(String, Config, Health)> {
        let orchestrators = Arc::clone(&lock(&self.rules).orchestrators);
        let health = lock(&self.health);
        let all = orchestrators.iter().map(|one| {
            let health = health.get(&one.name).cloned().unwrap_or_default();
            (one.name.clone(), one.client.clone(), health)
        });
        all.collect()
    }
}

/// The clients of the orchestrators that are asked now, to see which stay.
pub(super) type Asked = HashMap<String, (Orchestrator, CancellationToken)>;

/// What a notice about an orchestrator is kept under.
pub(super) fn about(name: &str) -> String {
    format!("orchestrator {name}")
}

/// A client for an orchestrator. The configuration has tried that already.
pub(super) fn client(orchestrator: &Orchestrator) -> Option<Client> {
    let made = Client::new(orchestrator.client.clone());
    made.inspect_err(
        |why| tracing::error!(%why, orchestrator = %orchestrator.name, "cannot ask it"),
    )
    .ok()
}

fn watched(links: &Links, verdict: &Verdict) -> Vec<Watched> {
    let one = |(_, known): (&str, &super::links::Known)| Watched {
        severity: verdict.judging.severity_of_link(&known.subject),
        severities: verdict.judging.severities_of_link(&known.subject),
        ..Watched::link((*known.subject).clone(), STEP)
    };
    links.all().map(one).collect()
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock can panic")
}
