//! The telling stage: words of the judge and what the board knows go into the state machine of `alert`,
//! and what comes out goes onto disk before anything else happens. Pages and commands ask here. It judges
//! nothing, and sends nothing: delivery takes notices from the disk.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use alert::{CommandError, Counts, Engine, NewSilence, Reach, Saved, Settings, Signal, Watched};
use model::alert::{Ack, AlertId, Cause, Clue, NoticeId};
use model::{Alert, Clock, Judgement, SeriesId, UnixMs};
use show::{Alerts, AlertsNow, Command, Commands, Explanation, Receipt, Refusal, SilenceNow};
use store::{Change, State};
use tokio::sync::Notify;

use crate::judging::{Hearer, Judging, Word};
use crate::report::Report;

/// Words that may wait; the judge waits when there are more.
const QUEUE: usize = 1_024;
/// Time between two looks at the clock.
const BEAT: Duration = Duration::from_secs(1);
/// Changes that wait for a store that fails before those of the same record are put together.
const BACKLOG: usize = 10_000;

/// Where the targets are, as the board has it: named by their RTT series.
pub(crate) trait Sights: Send {
    /// Calls `see` for each target that may have changed since the last call.
    fn each(&mut self, see: &mut dyn FnMut(SeriesId, Reach));

    /// Where the faults of open alerts are, as far as it can be told.
    fn causes(&self, open: &[Arc<Alert>]) -> Vec<(AlertId, Cause)>;
}

/// The telling stage, shared by its thread and those who ask.
pub(crate) struct Telling {
    inner: Mutex<Inner>,
    /// What pages see.
    present: Mutex<Arc<AlertsNow>>,
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    judging: Arc<Judging>,
    /// Rung when there is something new to deliver.
    written: Arc<Notify>,
    moved: Mutex<Duration>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    /// What the configuration says.
    settings: Settings,
    /// The targets that alerts can be about, and the links.
    targets: Vec<Watched>,
    links: Vec<Watched>,
    /// What the store did not take yet.
    backlog: Vec<Change>,
    /// Why, and since when.
    failing: Option<(String, UnixMs)>,
}

impl std::fmt::Debug for Telling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telling").finish_non_exhaustive()
    }
}

impl Telling {
    /// A stage that goes on where the one before it stopped.
    pub(crate) fn new(
        (settings, targets, links): (Settings, Vec<Watched>, Vec<Watched>),
        state: Arc<dyn State>,
        judging: Arc<Judging>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Report> {
        let now = clock.now_ms();
        let saved = Saved::read(&*state, now)
            .map_err(|why| Report::because("cannot read the alerts", &why).code(4))?;
        let mut inner = Inner {
            engine: Engine::default(),
            settings,
            targets,
            links,
            backlog: Vec::new(),
            failing: None,
        };
        inner.enter(now);
        let engine = &mut inner.engine;
        let unread = engine.restore(saved, now);
        if unread > 0 {
            tracing::warn!(unread, "silences or threads in the store cannot be read");
        }
        let stage = Self {
            inner: Mutex::new(inner),
            present: Mutex::default(),
            state,
            judging,
            written: Arc::default(),
            moved: Mutex::new(clock.monotonic()),
            clock,
        };
        stage.publish(&stage.inner(), now);
        Ok(stage)
    }

    /// Takes new targets and settings over.
    pub(crate) fn set(&self, settings: Settings, targets: Vec<Watched>) {
        let now = self.clock.now_ms();
        let mut inner = self.inner();
        inner.settings = settings;
        inner.targets = targets;
        inner.enter(now);
        // What the store does not take now it takes later.
        let _ = self.commit(&mut inner, now);
        self.publish(&inner, now);
    }

    /// Takes other links over.
    pub(crate) fn set_links(&self, links: Vec<Watched>) {
        let now = self.clock.now_ms();
        let mut inner = self.inner();
        inner.links = links;
        inner.enter(now);
        // What the store does not take now it takes later.
        let _ = self.commit(&mut inner, now);
        self.publish(&inner, now);
    }

    /// Starts the thread; it ends when the hearer is gone. Gives the hearer for the judge.
    pub(crate) fn start(
        self: &Arc<Self>,
        sights: Box<dyn Sights>,
    ) -> Result<(Box<dyn Hearer>, JoinHandle<()>), Report> {
        let (sender, inbox) = sync_channel(QUEUE);
        let stage = Arc::clone(self);
        let handle = thread::Builder::new()
            .name("alert".into())
            .spawn(move || stage.work(&inbox, sights))
            .map_err(|why| Report::because("cannot start the alert thread", &why).code(4))?;
        Ok((Box::new(Ear(sender)), handle))
    }

    fn work(&self, inbox: &Receiver<Vec<Word>>, mut sights: Box<dyn Sights>) {
        let mut ticked = self.clock.monotonic();
        loop {
            let left = BEAT.saturating_sub(self.clock.monotonic().saturating_sub(ticked));
            let open = match inbox.recv_timeout(self.clock.wait(left)) {
                Ok(words) => {
                    self.hear(&words);
                    true
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            let now = self.clock.monotonic();
            if now.saturating_sub(ticked) >= BEAT || !open {
                ticked = now;
                self.tick(&mut *sights);
                *lock(&self.moved) = now;
            }
            if !open {
                return;
            }
        }
    }

    /// Takes words of the judge in.
    pub(crate) fn hear(&self, words: &[Word]) {
        let now = self.clock.now_ms();
        let mut inner = self.inner();
        for word in words {
            inner.engine.judged(word.series, &word.judgement, now);
        }
    }

    /// Lets time pass, and stores what came of it.
    pub(crate) fn tick(&self, sights: &mut dyn Sights) {
        let now = self.clock.now_ms();
        let mut inner = self.inner();
        sights.each(&mut |target, reach| inner.engine.reached(target, reach, now));
        for (id, cause) in sights.causes(&self.present().open) {
            inner.engine.set_cause(id, cause, now);
        }
        inner.engine.tick(now);
        if let Err(why) = self.commit(&mut inner, now) {
            tracing::debug!(%why, "alerts wait in memory");
        }
        self.publish(&inner, now);
    }

    /// Takes in all that those who repair need people for.
    pub(crate) fn repairs(&self, signals: Vec<Signal>) {
        let now = self.clock.now_ms();
        let mut inner = self.inner();
        inner.engine.repairs(signals, now);
        // What the store does not take now it takes later.
        let _ = self.commit(&mut inner, now);
        self.publish(&inner, now);
    }

    /// Puts what changed on disk; what does not get there waits for the next call.
    fn commit(&self, inner: &mut Inner, now: UnixMs) -> Result<(), store::Error> {
        let changes = inner.engine.take_changes(now);
        inner.backlog.extend(changes);
        if inner.backlog.is_empty() {
            return Ok(());
        }
        let rings = inner.backlog.iter().any(|change| matches!(change, Change::Notice(_)));
        match self.state.apply(inner.backlog.clone()) {
            Ok(_) => {
                inner.backlog.clear();
                if let Some((why, since)) = inner.failing.take() {
                    tracing::info!(%why, since = since.0, "the store takes alerts again");
                }
                if rings {
                    self.written.notify_one();
                }
                Ok(())
            }
            Err(why) => {
                if inner.failing.is_none() {
                    tracing::error!(%why, "the store does not take alerts; they wait in memory");
                    inner.failing = Some((why.to_string(), now));
                }
                if inner.backlog.len() > BACKLOG {
                    inner.backlog = latest(std::mem::take(&mut inner.backlog));
                }
                Err(why)
            }
        }
    }

    /// Shows what is open; an unchanged alert is shared with what was shown before.
    fn publish(&self, inner: &Inner, now: UnixMs) {
        let engine = &inner.engine;
        let mut open: Vec<Arc<Alert>> = engine.open().map(Arc::clone).collect();
        open.sort_unstable_by_key(|alert| alert.id);
        let silences: Vec<SilenceNow> = engine
            .silences(now)
            .map(|(silence, holds)| SilenceNow { silence: silence.clone(), holds })
            .collect();
        let maintenance: Vec<show::Maintenance> = engine
            .maintenance(now)
            .map(|(window, holds)| show::Maintenance {
                name: window.name.clone(),
                matchers: window.matchers.clone(),
                weekly: window.weekly.clone(),
                from: window.from,
                until: window.until,
                holds,
            })
            .collect();
        let mut present = lock(&self.present);
        let same = present.open.len() == open.len()
            && present.open.iter().zip(&open).all(|(old, new)| Arc::ptr_eq(old, new))
            && present.silences == silences
            && present.maintenance == maintenance;
        if !same {
            let version = present.version + 1;
            *present = Arc::new(AlertsNow { version, open, silences, maintenance });
        }
    }

    /// Rung when there is something new to deliver.
    pub(crate) fn written(&self) -> Arc<Notify> {
        Arc::clone(&self.written)
    }

    /// Says what devices on the path of an alert said before it.
    pub(crate) fn set_clues(&self, id: AlertId, clues: Vec<Clue>) {
        // It is stored, and shown, with what the next look at the clock brings.
        self.inner().engine.set_clues(id, clues);
    }

    /// What the stage's clock shows.
    pub(crate) fn now(&self) -> UnixMs {
        self.clock.now_ms()
    }

    /// What was done since the start.
    pub(crate) fn counts(&self) -> Counts {
        self.inner().engine.counts()
    }

    /// Why the store does not take alerts, and since when.
    pub(crate) fn failing(&self) -> Option<(String, UnixMs)> {
        self.inner().failing.clone()
    }

    /// How long the stage has stood still.
    pub(crate) fn still(&self) -> Duration {
        self.clock.monotonic().saturating_sub(*lock(&self.moved))
    }

    /// Writes a test message to one receiver, or to all.
    pub(crate) fn test(&self, receiver: Option<&str>) -> Result<Vec<(String, NoticeId)>, Refusal> {
        let now = self.clock.now_ms();
        let mut inner = self.inner();
        let written = inner.engine.test(receiver, now).map_err(|why| refusal(&why))?;
        self.commit(&mut inner, now).map_err(|why| unstored(&why))?;
        Ok(written)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    /// Tells the state machine whom alerts can be about.
    fn enter(&mut self, now: UnixMs) {
        let watched = self.targets.iter().chain(&self.links).cloned().collect();
        self.engine.set(self.settings.clone(), watched, now);
    }
}

impl Alerts for Telling {
    fn present(&self) -> Arc<AlertsNow> {
        Arc::clone(&lock(&self.present))
    }

    fn judgement(&self, series: SeriesId) -> Option<Judgement> {
        self.judging.now(series, self.clock.now_ms())
    }

    fn explain(&self, _: &Alert) -> Explanation {
        Explanation::default()
    }
}

impl Commands for Telling {
    fn submit(&self, actor: &str, command: Command) -> Result<Receipt, Refusal> {
        let now = self.clock.now_ms();
        let mut inner = self.inner();
        let engine = &mut inner.engine;
        let receipt = match command {
            Command::Ack { alert, note, ticket } => {
                let ack = Ack { at: now, by: actor.to_owned(), note, ticket };
                engine.acknowledge(alert, ack, now).map(|()| Receipt::Acked(alert))
            }
            Command::Silence(new) => {
                let new = NewSilence {
                    matchers: new.matchers,
                    from: new.from,
                    until: new.until,
                    weekly: new.weekly,
                    note: new.note,
                };
                engine.silence(new, actor, now).map(Receipt::Silenced)
            }
            Command::Expire(id) => engine.expire(id, actor, now).map(|()| Receipt::Expired(id)),
        };
        let receipt = receipt.map_err(|why| refusal(&why))?;
        let stored = self.commit(&mut inner, now);
        self.publish(&inner, now);
        stored.map_err(|why| unstored(&why))?;
        Ok(receipt)
    }
}

/// The judge's way into the stage.
struct Ear(SyncSender<Vec<Word>>);

impl Hearer for Ear {
    fn hear(&self, words: &mut Vec<Word>) {
        // The stage is gone only while the daemon stops.
        let _ = self.0.send(std::mem::take(words));
    }
}

fn refusal(why: &CommandError) -> Refusal {
    let text = why.to_string();
    match why {
        CommandError::NoAlert(_) | CommandError::NoSilence(_) | CommandError::NoReceiver(..) => {
            Refusal::Unknown(text)
        }
        CommandError::Over(_) => Refusal::TooLate(text),
        CommandError::Silence(_) | CommandError::Matcher(_) | CommandError::Hours(_) => {
            Refusal::Invalid(text)
        }
    }
}

fn unstored(why: &store::Error) -> Refusal {
    Refusal::Unavailable(format!(
        "it holds from now on, but is not on disk yet ({why}); it gets there once the store works again"
    ))
}

/// Of changes to the same record the latest, in their order. Notices are all kept.
fn latest(changes: Vec<Change>) -> Vec<Change> {
    let mut seen = std::collections::HashSet::new();
    let mut kept: Vec<Change> = changes
        .into_iter()
        .rev()
        .filter(|change| match change {
            Change::Alert(alert) => seen.insert(("alert", alert.id.to_string())),
            Change::Memo(memo) => seen.insert(("memo", memo.key.clone())),
            _ => true,
        })
        .collect();
    kept.reverse();
    kept
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock can panic")
}

#[cfg(test)]
mod tests;
