//! The pipeline, connected. This file is the picture of the architecture:
//!
//! ```text
//!   links ──> wan ──samples, words as below; events──> store
//!   interfaces, traps ──> polling ──samples──> feed; events──> store
//!   targets ──> measure ──results──> intake ──samples──> feed ──batches──> store
//!                  │                    │ └──samples──> judging ──lines──> feed │
//!                  │                    │                  └──words──> telling ─┼─notices──> delivery
//!                  └──status, changes──>board, notices ────────> show <─────────┘
//!
//!   feed ──batches that are stored──> forwarding ──points──> sinks of others
//!   devices ──> measure::syslog ──lines──> hear ──events──> store <──plans, runs── mending ──sessions──> devices
//! ```
//!
//! It starts the stages in that order and stops them in the same one, so that what was measured is stored.

use std::mem;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;

use alert::delivery::{Backoff, Delivery, Parts, Receivers};
use alert::render::StoreCurves;
use alert::{StateOutbox, Watched};
use measure::discover::Role;
use measure::syslog;
use measure::{Options, Prober};
use model::status::TargetSeries;
use model::{Clock, Metric, Series, Target, TargetId, UnixMs};
use show::{Deps, Token};
use store::{Change, Mark, Retention, Samples, State, Store};
use tokio::sync::{Notify, mpsc, watch};

use crate::config::{Settings, Sink, SyslogSettings, Verdict};
use crate::desk::Desk;
use crate::ears::Ears;
use crate::feed::{self, Feed};
use crate::forwarding::Forwarding;
use crate::ground::Ground;
use crate::hear::{self, Hearing, Rules};
use crate::heartbeat::Heartbeat;
use crate::intake::{self, Keeper};
use crate::judging::Judging;
use crate::maintenance;
use crate::mending::{self, Mending};
use crate::notices::Notices;
use crate::polling::Polling;
use crate::ports::{BoardSights, Heard, Present};
use crate::record::Recorder;
use crate::report::Report;
use crate::roster::Roster;
use crate::shelf::Summons;
use crate::telling::Telling;
use crate::wan::{self, Wan};

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
    mending: Arc<Mending>,
    /// Who can be told; delivery looks here.
    receivers: watch::Sender<Arc<Receivers>>,
    /// What is called each minute.
    heartbeat: watch::Sender<Option<String>>,
    stop: Arc<(Mutex<bool>, Condvar)>,
    threads: Vec<JoinHandle<()>>,
    /// The threads of judging and telling, and of the feed: each ends once the one before it has.
    tail: [JoinHandle<()>; 3],
}

impl Pipeline {
    /// Starts every stage but the pages.
    pub(crate) fn start(
        mut plan: Settings,
        data: PathBuf,
        store: &Store,
        options: Options,
    ) -> Result<Self, Report> {
        let ground = Ground::of(store, &options.clock);
        let mut roster = Roster::default();
        let targets = roster.number(mem::take(&mut plan.targets));
        let owed = register_or_owe(&*ground.samples, &targets)?;
        remember(&*ground.state, &plan.verdict, ground.clock.now_ms());
        let links = wan::Known::read(wan_rules(&plan), &*ground.state)?;
        let behind = Behind::of(&ground, &plan, &data, &targets, &links)?;
        behind.feed.owe(owed);
        let (prober, results) = Prober::start(options, targets.iter().cloned())
            .map_err(|why| Report::because("cannot start probing", &why).code(4))?;
        let (summons, notices) = (Summons::default(), Arc::<Notices>::default());
        let (lines, batches) = mpsc::channel(BATCHES);
        let ears = Ears::new(Arc::clone(&ground.clock), Arc::clone(&ground.state), lines);
        let rules = Rules::of(&plan.syslog, &plan.inventory)?;
        let intake = rules.intake.clone();
        let hearing = Hearing::start(rules, &ground, &summons, batches)?;
        let polling = Polling::start(&ground, &behind.feed, &behind.forwarding, summons.clone())?;
        let wan = Wan::new(links, behind.stages(&ground, &notices, &summons))?;
        let present = Arc::new(Present {
            started: (ground.clock.now_ms(), ground.clock.monotonic()),
            moved: Mutex::new(ground.clock.monotonic()),
            clock: Arc::clone(&ground.clock),
            prober,
            board: Mutex::default(),
            feed: behind.feed,
            forwarding: behind.forwarding,
            judging: behind.judging,
            telling: behind.telling,
            delivered: OnceLock::new(),
            notices,
            wan: Arc::new(wan),
            site: Mutex::new(plan.site.clone()),
            data,
            heard: Arc::clone(&hearing.counts),
            ears,
            polling: Arc::new(polling),
            sizes: Mutex::default(),
            traces: Arc::default(),
            unmended: Mutex::default(),
        });
        let (rules, state) = (mending::Rules::of(&plan), Arc::clone(&ground.state));
        let mending = Mending::start(rules, state, Arc::clone(&present), summons)?;
        let recorder = Arc::new(Mutex::new(Recorder::default()));
        seat(&present, &recorder, &targets);
        let tail = tail(&present, &ground)?;
        let taker = intake::take(Arc::clone(&present), Arc::clone(&recorder), results)?;
        let retention = Arc::new(Mutex::new(plan.retention));
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let keeper = keeper(&present, &ground, &retention, &stop).start()?;
        let pipeline = Self {
            present,
            samples: ground.samples,
            state: ground.state,
            roster: Mutex::new(roster),
            recorder,
            retention,
            hearing,
            mending: Arc::new(mending),
            receivers: watch::Sender::new(Arc::clone(&plan.verdict.receivers)),
            heartbeat: watch::Sender::new(plan.verdict.heartbeat.clone()),
            stop,
            threads: vec![taker, keeper],
            tail,
        };
        pipeline.listen(&plan.syslog)?;
        pipeline.present.polling.set(&plan.inventory, &plan.traps, &intake)?;
        pipeline.present.wan.start()?;
        pipeline.mark("start", format!("netmend {} started", env!("CARGO_PKG_VERSION")));
        Ok(pipeline)
    }

    /// What the pages work with.
    pub(crate) fn deps(
        &self,
        (listen, hosts): (SocketAddr, Vec<String>),
        token: Token,
        access: show::Access,
    ) -> Deps {
        Deps {
            now: Arc::clone(&self.present) as _,
            alerts: Arc::clone(&self.present.telling) as _,
            commands: Arc::clone(&self.present.telling) as _,
            mending: Arc::clone(&self.mending) as _,
            samples: Arc::clone(&self.samples),
            state: Arc::clone(&self.state),
            clock: Arc::clone(&self.present.clock),
            listen,
            hosts,
            token,
            access,
            devices: self.hearing.devices(),
            interfaces: Arc::clone(&self.present.polling) as _,
            links: Arc::clone(&self.present.wan) as _,
        }
    }

    /// Binds and starts the listeners of a configuration, and warns of default ones that cannot be had.
    fn listen(&self, settings: &SyslogSettings) -> Result<(), Report> {
        let prepared = self.present.ears.prepare(settings)?;
        self.warn_of_missing(&prepared.missing);
        self.present.ears.commit(prepared)?;
        self.warn_of_small_buffers();
        Ok(())
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

    /// Says which sockets got a smaller receive buffer than they asked for: a burst overflows it.
    fn warn_of_small_buffers(&self) {
        const ABOUT: &str = "syslog buffer";
        let notices = &self.present.notices;
        let asked = syslog::BUFFER as u64;
        let mut small = self.present.ears.counters();
        small.retain(|of| (1..asked).contains(&of.buffer));
        let Some(least) = small.iter().map(|of| of.buffer).min() else {
            return notices.clear(ABOUT);
        };
        let names: Vec<String> = small.iter().map(|of| of.listener.to_string()).collect();
        let text = format!(
            "the receive buffer of {} is {} KiB instead of {} KiB: bursts of syslog may be dropped",
            names.join(", "),
            least >> 10,
            asked >> 10
        );
        tracing::warn!("{text}");
        let fix = format!("sysctl -w net.core.rmem_max={asked}, or give netmend CAP_NET_ADMIN");
        notices.raise(ABOUT, text, fix, self.present.clock.now_ms());
    }

    /// Takes over new targets and settings. Everything that can fail is done before anything changes;
    /// unchanged targets notice nothing.
    pub(crate) fn reload(&self, plan: Settings) -> Result<(), Report> {
        let mut roster = self.roster.lock().expect("no holder of this lock can panic");
        let mut next = roster.clone();
        let links = wan_rules(&plan);
        let mended = mending::Rules::of(&plan);
        let (verdict, discovered) = (plan.verdict, plan.discovered);
        let targets = next.number(plan.targets);
        register(&*self.samples, &targets).map_err(|why| unregistered(&why))?;
        let heard = Rules::of(&plan.syslog, &plan.inventory)?;
        let ears = self.present.ears.prepare(&plan.syslog)?;
        let rules = &verdict.judging;
        let settings = |target: &Target, metric| rules.settings(target, metric);
        self.present.judging.set(&bare(&targets), settings)?;
        self.present.forwarding.set_sinks(&plan.sinks, plan.spool)?;
        *roster = next;
        remember(&*self.state, &verdict, self.present.clock.now_ms());
        let watched = watched(&targets, &verdict, discovered);
        self.present.telling.set(told(&verdict, &plan.site), watched);
        self.receivers.send_replace(Arc::clone(&verdict.receivers));
        self.heartbeat.send_replace(verdict.heartbeat.clone());
        seat(&self.present, &self.recorder, &targets);
        let bare = targets.iter().map(|(_, target)| &**target);
        self.present.forwarding.set_targets(bare);
        self.present
            .prober
            .update(targets.iter().cloned())
            .map_err(|why| Report::because("cannot probe the new targets", &why))?;
        *self.retention.lock().expect("no holder of this lock can panic") = plan.retention;
        *self.present.site.lock().expect("no holder of this lock can panic") = plan.site;
        // Too late to refuse: a listener that cannot be had stands among the warnings.
        let _ = self.present.polling.set(&plan.inventory, &plan.traps, &heard.intake);
        self.hearing.set(heard);
        self.present.wan.set(links)?;
        self.mending.set(mended);
        self.warn_of_missing(&ears.missing);
        self.present.ears.commit(ears)?;
        self.warn_of_small_buffers();
        self.mark("reload", format!("configuration taken over, {} targets", targets.len()));
        Ok(())
    }

    /// How many targets there are.
    pub(crate) fn targets(&self) -> usize {
        self.roster.lock().expect("no holder of this lock can panic").len()
    }

    /// Stops the stages from the front, so that what was measured is stored.
    pub(crate) fn stop(mut self) {
        self.hearing.close();
        self.present.ears.stop();
        self.present.polling.stop();
        self.hearing.join();
        self.mending.stop();
        self.present.prober.stop();
        self.present.wan.stop();
        self.mark("stop", "netmend stopped".into());
        *self.stop.0.lock().expect("no holder of this lock can panic") = true;
        self.stop.1.notify_all();
        for thread in self.threads {
            join(thread);
        }
        let [judge, alert, feed] = self.tail;
        self.present.judging.close();
        join(judge);
        join(alert);
        self.present.feed.close();
        join(feed);
        self.present.forwarding.stop();
    }

    /// The stage that delivers what is told, and what rings it.
    pub(crate) fn delivery(&self) -> (Delivery, Arc<Notify>) {
        let delivery = Delivery::new(Parts {
            outbox: Arc::new(StateOutbox::new(Arc::clone(&self.state))),
            curves: Arc::new(StoreCurves::new(Arc::clone(&self.samples))),
            clock: Arc::clone(&self.present.clock),
            receivers: self.receivers.subscribe(),
            backoff: Backoff::default(),
        });
        // It is asked for once.
        let _ = self.present.delivered.set(delivery.counters());
        (delivery, self.present.telling.written())
    }

    /// What the control socket answers about alerts.
    pub(crate) fn desk(&self) -> Desk {
        Desk {
            telling: Arc::clone(&self.present.telling),
            mending: Arc::clone(&self.mending) as _,
            state: Arc::clone(&self.state),
        }
    }

    /// What devices said, for evidence on alerts.
    pub(crate) fn witness(&self) -> Arc<Heard> {
        Arc::new(Heard { known: self.hearing.known(), telling: Arc::clone(&self.present.telling) })
    }

    /// What is called each minute while all stages move.
    pub(crate) fn heartbeat(&self) -> Heartbeat {
        let now = Arc::clone(&self.present) as _;
        Heartbeat::new(self.heartbeat.subscribe(), now, &*self.present.clock)
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

/// What stands behind the probes: the way to the store, and those who judge and tell. Nothing of it moves yet.
struct Behind {
    feed: Arc<Feed>,
    forwarding: Arc<Forwarding>,
    judging: Arc<Judging>,
    telling: Arc<Telling>,
}

impl Behind {
    fn of(
        ground: &Ground,
        plan: &Settings,
        data: &Path,
        targets: &[(TargetId, Arc<Target>)],
        links: &wan::Known,
    ) -> Result<Self, Report> {
        let Ground { samples, state, clock } = ground;
        let feed = Arc::new(Feed::new(Arc::clone(samples), Arc::clone(clock))?);
        let forwarding =
            forwarding((&plan.sinks, plan.spool), data, targets, (&feed, &**samples), clock)?;
        let judging = Arc::new(Judging::new(data, Arc::clone(&feed), Arc::clone(clock)));
        let rules = &plan.verdict.judging;
        judging.set(&bare(targets), |target, metric| rules.settings(target, metric))?;
        let watched = watched(targets, &plan.verdict, plan.discovered);
        let telling = Telling::new(
            (told(&plan.verdict, &plan.site), watched, links.watched()),
            Arc::clone(state),
            Arc::clone(&judging),
            Arc::clone(clock),
        )?;
        Ok(Self { feed, forwarding, judging, telling: Arc::new(telling) })
    }

    /// What hears of links.
    fn stages(&self, ground: &Ground, notices: &Arc<Notices>, summons: &Summons) -> wan::Stages {
        wan::Stages {
            ground: ground.clone(),
            feed: Arc::clone(&self.feed),
            forwarding: Arc::clone(&self.forwarding),
            judging: Arc::clone(&self.judging),
            telling: Arc::clone(&self.telling),
            notices: Arc::clone(notices),
            summons: summons.clone(),
        }
    }
}

/// Starts those behind the probes: who judges, who tells and who stores.
fn tail(present: &Arc<Present>, ground: &Ground) -> Result<[JoinHandle<()>; 3], Report> {
    let sights = Box::new(BoardSights::new(Arc::clone(present)));
    let (hearer, telling) = present.telling.start(sights)?;
    let judging = present.judging.start(Arc::clone(&ground.samples), hearer)?;
    Ok([judging, telling, present.feed.start()?])
}

/// Who looks after the rest once a second.
fn keeper(
    present: &Arc<Present>,
    ground: &Ground,
    retention: &Arc<Mutex<Retention>>,
    stop: &Arc<(Mutex<bool>, Condvar)>,
) -> Keeper {
    Keeper {
        present: Arc::clone(present),
        state: Arc::clone(&ground.state),
        samples: Arc::clone(&ground.samples),
        retention: Arc::clone(retention),
        stop: Arc::clone(stop),
    }
}

/// What the stage that asks orchestrators has to know of the configuration.
fn wan_rules(plan: &Settings) -> wan::Rules {
    wan::Rules {
        orchestrators: Arc::clone(&plan.orchestrators),
        verdict: Arc::clone(&plan.verdict),
        inventory: Arc::clone(&plan.inventory),
        intake: hear::intake(&plan.syslog),
    }
}

/// Remembers the maintenance windows. A store that fails has said so elsewhere.
fn remember(state: &dyn State, verdict: &Verdict, now: UnixMs) {
    if let Err(why) = maintenance::remember(state, &verdict.maintenance, now) {
        tracing::warn!(%why, "the maintenance windows were not stored");
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

/// The stage that passes on, with its sinks.
fn forwarding(
    (sinks, limits): (&[Sink], store::sink::Limits),
    data: &Path,
    targets: &[(TargetId, Arc<Target>)],
    (feed, samples): (&Feed, &dyn Samples),
    clock: &Arc<dyn Clock>,
) -> Result<Arc<Forwarding>, Report> {
    let committed = samples
        .committed_until(feed::SOURCE)
        .map_err(|why| Report::because("cannot read how far the store is", &why).code(4))?;
    let runtime = tokio::runtime::Handle::current();
    let forwarding = Forwarding::open(data, limits, committed, Arc::clone(clock), runtime)?;
    forwarding.set_sinks(sinks, limits)?;
    let forwarding = Arc::new(forwarding);
    forwarding.set_targets(targets.iter().map(|(_, target)| &**target));
    feed.pass_on_to(Arc::clone(&forwarding));
    Ok(forwarding)
}

/// The targets without their numbers.
fn bare(targets: &[(TargetId, Arc<Target>)]) -> Vec<Arc<Target>> {
    targets.iter().map(|(_, target)| Arc::clone(target)).collect()
}

/// What the state machine of alerts has to know of the configuration.
fn told(verdict: &Verdict, site: &str) -> alert::Settings {
    alert::Settings {
        site: site.to_owned(),
        pages: verdict.pages.clone(),
        routes: verdict.routes.clone(),
        maintenance: verdict.maintenance.clone(),
    }
}

/// The targets as alerts know them. The first `discovered` are those netmend found by itself.
fn watched(
    targets: &[(TargetId, Arc<Target>)],
    verdict: &Verdict,
    discovered: usize,
) -> Vec<Watched> {
    let watched = |(place, (_, target)): (usize, &(TargetId, Arc<Target>))| {
        let known = Watched::of(target);
        let discovered = place < discovered;
        let gateway = discovered && target.region == Role::Gateway.to_string();
        Watched {
            discovered,
            gateway: known.gateway || gateway,
            severity: verdict.judging.severity(target),
            severities: verdict.judging.severities(target),
            ..known
        }
    };
    targets.iter().enumerate().map(watched).collect()
}

/// Makes the series of the targets known to the store. Where its disk is full, gives those that the feed is to
/// make known later.
fn register_or_owe(
    samples: &dyn Samples,
    targets: &[(TargetId, Arc<Target>)],
) -> Result<Vec<Series>, Report> {
    match register(samples, targets) {
        Ok(()) => Ok(Vec::new()),
        Err(why @ store::Error::Full { .. }) => {
            tracing::warn!(%why, "new targets are made known to the store later");
            Ok(series(&bare(targets)).collect())
        }
        Err(why) => Err(unregistered(&why)),
    }
}

fn unregistered(why: &store::Error) -> Report {
    Report::because("cannot make the series known to the store", why).code(4)
}

fn series(targets: &[Arc<Target>]) -> impl Iterator<Item = Series> {
    let measured =
        targets.iter().flat_map(|target| Metric::ALL.map(|metric| target.series(metric)));
    measured.chain(Judging::lines(targets))
}

fn register(
    samples: &dyn Samples,
    targets: &[(TargetId, Arc<Target>)],
) -> Result<(), store::Error> {
    let bare = bare(targets);
    let mut series = series(&bare);
    loop {
        // The names of 100,000 series at once would be a third of all memory.
        let some: Vec<Series> = series.by_ref().take(4096).collect();
        if some.is_empty() {
            return Ok(());
        }
        samples.register(&some)?;
    }
}
