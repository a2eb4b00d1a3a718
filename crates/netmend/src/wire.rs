//! The pipeline, connected. This file is the picture of the architecture:
//!
//! ```text
//!   targets ──> measure ──results──> intake ──samples──> feed ──batches──> store
//!                  │                    │                                    │
//!                  └──status, changes──>board, notices ────────> show <──────┘
//! ```
//!
//! It starts the stages in that order and stops them in the same one, so that what was measured is stored.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use measure::{Options, Prober};
use model::event::EventState;
use model::status::TargetSeries;
use model::{EventId, Metric, Series, Target, TargetId, UnixMs};
use show::{Deps, Token};
use store::{Applied, Change, EventChange, Mark, Retention, Samples, State, Store};
use tokio::sync::mpsc;

use crate::config::{Settings, SyslogSettings};
use crate::control::{Caller, EventCommand};
use crate::ears::Ears;
use crate::feed::Feed;
use crate::hear::{Hearing, Rules};
use crate::intake::{self, Keeper};
use crate::notices::Notices;
use crate::ports::Present;
use crate::record::Recorder;
use crate::report::Report;
use crate::roster::Roster;

/// Batches of syslog lines that may wait to be taken; more wait with their receivers.
const BATCHES: usize = 64;

/// The running stages.
pub(crate) struct Pipeline {
    /// What pages see.
    pub(crate) present: Arc<Present>,
    samples: Arc<dyn Samples>,
    state: Arc<dyn State>,
    roster: Mutex<Roster>,
    recorder: Arc<Mutex<Recorder>>,
    retention: Arc<Mutex<Retention>>,
    hearing: Hearing,
    stop: Arc<(Mutex<bool>, Condvar)>,
    threads: Vec<JoinHandle<()>>,
}

impl Pipeline {
    /// Starts every stage but the pages.
    pub(crate) fn start(
        plan: Settings,
        data: PathBuf,
        store: &Store,
        options: Options,
    ) -> Result<Self, Report> {
        let (samples, state) = (store.samples(), store.state());
        let clock = Arc::clone(&options.clock);
        let mut roster = Roster::default();
        let targets = roster.number(plan.targets);
        register(&*samples, &targets)?;
        let feed = Arc::new(Feed::new(Arc::clone(&samples), Arc::clone(&clock))?);
        let (prober, results) = Prober::start(options, targets.iter().cloned())
            .map_err(|why| Report::because("cannot start probing", &why).code(4))?;
        let (lines, batches) = mpsc::channel(BATCHES);
        let ears = Ears::new(Arc::clone(&clock), Arc::clone(&state), lines);
        let rules = Rules::of(&plan.syslog, &plan.inventory);
        let hearing = Hearing::start(rules, Arc::clone(&state), Arc::clone(&clock), batches)?;
        let now = clock.now_ms();
        let present = Arc::new(Present {
            started: (now, clock.monotonic()),
            moved: Mutex::new(clock.monotonic()),
            clock,
            prober,
            board: Mutex::default(),
            feed: Arc::clone(&feed),
            notices: Notices::default(),
            site: Mutex::new(plan.site),
            data,
            heard: Arc::clone(&hearing.counts),
            ears,
            sizes: Mutex::default(),
            traces: Arc::default(),
        });
        let recorder = Arc::new(Mutex::new(Recorder::default()));
        seat(&present, &recorder, &targets);
        let retention = Arc::new(Mutex::new(plan.retention));
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let keeper = Keeper {
            present: Arc::clone(&present),
            state: Arc::clone(&state),
            samples: Arc::clone(&samples),
            retention: Arc::clone(&retention),
            stop: Arc::clone(&stop),
        };
        let threads = vec![
            intake::take(Arc::clone(&present), Arc::clone(&recorder), results)?,
            keeper.start()?,
            feed.start()?,
        ];
        let pipeline = Self {
            present,
            samples,
            state,
            roster: Mutex::new(roster),
            recorder,
            retention,
            hearing,
            stop,
            threads,
        };
        pipeline.listen(&plan.syslog)?;
        pipeline.mark("start", format!("netmend {} started", env!("CARGO_PKG_VERSION")));
        Ok(pipeline)
    }

    /// What the pages work with.
    pub(crate) fn deps(&self, listen: SocketAddr, token: Token) -> Deps {
        Deps {
            now: Arc::clone(&self.present) as _,
            alerts: Arc::new(show::Unjudged),
            commands: Arc::new(show::Unjudged),
            samples: Arc::clone(&self.samples),
            state: Arc::clone(&self.state),
            clock: Arc::clone(&self.present.clock),
            listen,
            hosts: Vec::new(),
            token,
        }
    }

    /// Binds and starts the listeners of a configuration, and warns of default ones that cannot be had.
    fn listen(&self, settings: &SyslogSettings) -> Result<(), Report> {
        let prepared = self.present.ears.prepare(settings)?;
        self.warn_of_missing(&prepared.missing);
        self.present.ears.commit(prepared)
    }

    fn warn_of_missing(&self, missing: &[String]) {
        const ABOUT: &str = "syslog";
        let notices = &self.present.notices;
        if missing.is_empty() {
            return notices.clear(ABOUT);
        }
        let text = missing.join("; ");
        tracing::warn!("{text}");
        let fix = "give other addresses in the config: `syslog: { udp: ADDRESS:PORT }`";
        notices.raise(ABOUT, text, fix.into(), self.present.clock.now_ms());
    }

    /// Takes over new targets and settings. Everything that can fail is done before anything changes;
    /// unchanged targets notice nothing.
    pub(crate) fn reload(&self, plan: Settings) -> Result<(), Report> {
        let mut roster = self.roster.lock().expect("no holder of this lock can panic");
        let mut next = roster.clone();
        let targets = next.number(plan.targets);
        register(&*self.samples, &targets)?;
        let ears = self.present.ears.prepare(&plan.syslog)?;
        *roster = next;
        seat(&self.present, &self.recorder, &targets);
        self.present
            .prober
            .update(targets.iter().cloned())
            .map_err(|why| Report::because("cannot probe the new targets", &why))?;
        *self.retention.lock().expect("no holder of this lock can panic") = plan.retention;
        *self.present.site.lock().expect("no holder of this lock can panic") = plan.site;
        self.hearing.set(Rules::of(&plan.syslog, &plan.inventory));
        self.warn_of_missing(&ears.missing);
        self.present.ears.commit(ears)?;
        self.mark("reload", format!("configuration taken over, {} targets", targets.len()));
        Ok(())
    }

    /// Opens or ends an event because a person says so; the answer is a sentence either way.
    pub(crate) fn change_event(
        &self,
        caller: Caller,
        id: EventId,
        command: EventCommand,
    ) -> Result<String, String> {
        let at = self.present.clock.now_ms();
        let changed = order(caller, id, command, at);
        match self.state.apply(vec![Change::Event(changed)]) {
            Ok(Applied::Done(_)) => {
                let text = match command {
                    EventCommand::Retry => format!("event {id} is open again"),
                    EventCommand::Cancel => format!("event {id} is cancelled"),
                };
                self.mark("command", format!("{caller}: {text}"));
                Ok(text)
            }
            Ok(Applied::Conflict) => Err(match command {
                EventCommand::Retry => format!(
                    "event {id} cannot be opened: it does not exist, is open, or the same fault has a newer one that is"
                ),
                EventCommand::Cancel => {
                    format!("event {id} cannot be cancelled: it does not exist or is over")
                }
            }),
            Err(why) => Err(why.to_string()),
        }
    }

    /// How many targets there are.
    pub(crate) fn targets(&self) -> usize {
        self.roster.lock().expect("no holder of this lock can panic").len()
    }

    /// Stops the stages from the front, so that what was measured is stored.
    pub(crate) fn stop(mut self) {
        self.present.ears.stop();
        self.hearing.join();
        self.present.prober.stop();
        self.mark("stop", "netmend stopped".into());
        *self.stop.0.lock().expect("no holder of this lock can panic") = true;
        self.stop.1.notify_all();
        // The feed's thread is the last one: it ends once everything before it has.
        let feed = self.threads.pop();
        for thread in self.threads {
            join(thread);
        }
        self.present.feed.close();
        if let Some(thread) = feed {
            join(thread);
        }
    }

    /// Remembers something about the daemon itself. A store that fails has said so elsewhere.
    pub(crate) fn mark(&self, kind: &str, text: String) {
        tracing::info!(kind, "{text}");
        let at = self.present.clock.now_ms();
        let mark = Mark { at, subject: "netmend".into(), kind: kind.into(), text };
        if let Err(why) = self.state.apply(vec![Change::Mark(mark)]) {
            tracing::warn!(%why, "a mark was not stored");
        }
    }
}

/// What a person wants of an event.
fn order(caller: Caller, id: EventId, command: EventCommand, at: UnixMs) -> EventChange {
    let reason = |word: &str| format!("{word} by {caller}");
    let states = |open: bool| -> Vec<EventState> {
        let all = EventState::ALL.iter().copied();
        // What a worker is at cannot be taken away from it.
        let busy = [EventState::Running, EventState::Verifying];
        all.filter(|state| state.is_open() == open && !busy.contains(state)).collect()
    };
    match command {
        EventCommand::Retry => EventChange::Move {
            id,
            from: states(false),
            to: EventState::New,
            reason: reason("opened"),
            at,
        },
        EventCommand::Cancel => EventChange::Move {
            id,
            from: states(true),
            to: EventState::Cancelled,
            reason: reason("cancelled"),
            at,
        },
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread of the daemon panicked");
    }
}

/// Gives the targets their rows and their series.
fn seat(present: &Present, recorder: &Mutex<Recorder>, targets: &[(TargetId, Arc<Target>)]) {
    present.board().set(targets, present.clock.now_ms());
    let series = targets.iter().map(|(id, target)| (*id, TargetSeries::of(target)));
    recorder.lock().expect("no holder of this lock can panic").set(series);
}

fn register(samples: &dyn Samples, targets: &[(TargetId, Arc<Target>)]) -> Result<(), Report> {
    let series: Vec<Series> = targets
        .iter()
        .flat_map(|(_, target)| Metric::ALL.map(|metric| target.series(metric)))
        .collect();
    samples
        .register(&series)
        .map_err(|why| Report::because("cannot make the series known to the store", &why).code(4))
}
