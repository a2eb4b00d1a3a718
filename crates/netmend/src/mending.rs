//! The mending stage: plans events as their time comes, gives those that may be repaired to workers, and takes
//! orders of people. One thread looks and decides, a runtime of its own holds the sessions. What is decided is
//! on disk before anything happens; guards and the work itself are in `mend`.

mod around;
mod credentials;
mod judged;
mod looks;
mod modes;
mod orders;
mod planning;
mod scripts;
mod signals;
mod switch;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use alert::route::Maintenance;
use mend::script::Children;
use mend::session::{HostKeys, Kept, Limits};
use mend::worker::{Ending, Tools};
use model::run::RunState;
use model::{Clock, EventId, Inventory, UnixMs};
use show::{MendNow, RemediationNow};
use store::{
    Applied, AuditNote, Change, EventChange, Memo, Query, RunChange, State, StormCount, Value,
};
use tokio::runtime::Runtime;

use self::around::Around;
use self::credentials::Credentials;
use self::looks::Looks;
use self::modes::Modes;
use self::switch::KillSwitch;
pub(crate) use self::switch::paused;
use crate::bell::Bell;
use crate::children;
use crate::config::{MendSettings, Settings};
use crate::ports::Present;
use crate::report::Report;
use crate::shelf::{self, Shelf, Stamp, Summons};
use crate::telling::Telling;

/// Time between two looks at files, leases, questions and all else that pages show.
const ROUND: Duration = Duration::from_secs(2);
/// How long the thread waits for more while workers are busy.
const LINGER: Duration = Duration::from_millis(2);
/// How long runs may take to end by themselves while the daemon stops.
const GRACE: Duration = Duration::from_secs(15);
/// File of the trusted host keys in the data folder.
const HOST_KEYS: &str = "known_devices";
/// Where the number of the start is kept.
const EPOCH: &str = "mend/epoch";

/// What the stage works by; a reload changes it.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    settings: Arc<MendSettings>,
    inventory: Arc<Inventory>,
    maintenance: Vec<Maintenance>,
}

impl Rules {
    /// Those of a configuration.
    pub(crate) fn of(plan: &Settings) -> Self {
        Self {
            settings: Arc::clone(&plan.mending),
            inventory: Arc::clone(&plan.inventory),
            maintenance: plan.verdict.maintenance.clone(),
        }
    }
}

/// The running stage.
pub(crate) struct Mending {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Mending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mending").finish_non_exhaustive()
    }
}

/// What the thread, the workers and those who ask share.
struct Shared {
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    rules: Mutex<Arc<Rules>>,
    shelf: Arc<Shelf>,
    switch: Arc<KillSwitch>,
    modes: Modes,
    credentials: Arc<Credentials>,
    around: Arc<Around>,
    telling: Arc<Telling>,
    /// Remediations that failed too often, and why.
    tripped: Mutex<BTreeMap<String, String>>,
    /// Faults that our own measurement told of.
    told: Mutex<judged::Told>,
    bell: Arc<Bell>,
    tools: Tools,
    looks: Looks,
    /// Devices that a worker is at, by the event.
    busy: Mutex<HashMap<EventId, String>>,
    /// Runs that have ended since the thread looked last.
    ended: Mutex<Vec<(EventId, Ending)>>,
    /// Why too much fails at once, and until when that holds.
    storm: Mutex<Option<(String, UnixMs)>>,
    /// How many events began lately, and when that was counted.
    storm_count: Mutex<Option<(Duration, StormCount)>>,
    present: Mutex<Arc<MendNow>>,
}

impl Mending {
    /// Starts the thread, which takes up what the last start left before it repairs anything.
    ///
    /// # Errors
    /// The store cannot be read, or a thread not be started.
    pub(crate) fn start(
        rules: Rules,
        state: Arc<dyn State>,
        present: Arc<Present>,
        Summons { shelf, bell }: Summons,
    ) -> Result<Self, Report> {
        let failed =
            |why: store::Error| Report::because("cannot read what is being repaired", &why).code(4);
        let clock = Arc::clone(&present.clock);
        let folder = present.data.clone();
        let switch = KillSwitch::read(&folder, &*state, Arc::clone(&clock)).map_err(failed)?;
        let switch = Arc::new(switch);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            // They wait for devices: to wake another thread costs more than what is done in between.
            .worker_threads(1)
            .thread_name("mend-worker")
            .enable_all()
            .build()
            .map_err(|why| Report::because("cannot start the workers", &why).code(4))?;
        let children = Arc::new(children::children(rules.settings.workers as usize));
        let telling = Arc::clone(&present.telling);
        let around = Arc::new(Around::new(present, Arc::clone(&rules.inventory)));
        let credentials = Arc::new(Credentials::read(&*state).map_err(failed)?);
        let kept = Kept::default();
        kept.keep_for(rules.settings.keep_session);
        let tools = Tools {
            scripts: Arc::clone(&children) as _,
            switch: Arc::clone(&switch) as _,
            logins: Arc::clone(&credentials) as _,
            prober: Arc::clone(&around) as _,
            judge: Arc::clone(&around) as _,
            state: Arc::clone(&state),
            clock: Arc::clone(&clock),
            keys: HostKeys::at(folder.join(HOST_KEYS)),
            limits: Limits::default(),
            kept,
        };
        let looks = Looks::read(&*state).map_err(failed)?;
        let shared = Arc::new(Shared {
            modes: Modes::read(&*state).map_err(failed)?,
            credentials,
            told: Mutex::new(judged::read(&*state).map_err(failed)?),
            rules: Mutex::new(Arc::new(rules)),
            state,
            clock,
            shelf,
            switch,
            around,
            telling,
            tripped: Mutex::default(),
            bell,
            tools,
            looks,
            busy: Mutex::default(),
            ended: Mutex::default(),
            storm: Mutex::default(),
            storm_count: Mutex::default(),
            present: Mutex::default(),
        });
        let (seen, round, epoch) = (None, None, None);
        let mut thread =
            Thread { shared: Arc::clone(&shared), runtime, children, epoch, seen, round };
        let (read, ready) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("mend".into())
            .spawn(move || {
                thread.begin();
                thread.look_at_files();
                thread.shared.publish();
                // Whoever waits for it is there, or the daemon ends.
                let _ = read.send(());
                thread.work();
            })
            .map_err(|why| Report::because("cannot start the mend thread", &why).code(4))?;
        // No line is taken before it is known which of them matter.
        let _ = ready.recv();
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Works by other rules from now on.
    pub(crate) fn set(&self, rules: Rules) {
        let rules = Arc::new(rules);
        self.shared.around.set(Arc::clone(&rules.inventory));
        self.shared.tools.kept.keep_for(rules.settings.keep_session);
        *self.shared.rules.lock().expect("no holder of this lock can panic") = rules;
        self.shared.bell.ring();
    }

    /// Begins nothing more, and lets what is under way end if it does soon.
    pub(crate) fn stop(&self) {
        self.shared.bell.stop();
        let thread = self.thread.lock().expect("no holder of this lock can panic").take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the mend thread panicked");
        }
    }
}

/// Begins a new epoch: what a dead process was at is taken from it.
fn begin(state: &dyn State, clock: &dyn Clock) -> Result<u64, store::Error> {
    let found = state.find(&Query::Memos { prefix: EPOCH.to_owned() })?;
    let last = found.into_iter().find_map(|record| match record.value {
        Value::Memo(memo) => String::from_utf8(memo.body?).ok()?.parse::<u64>().ok(),
        _ => None,
    });
    let epoch = last.unwrap_or(0) + 1;
    let now = clock.now_ms();
    let memo = Memo { key: EPOCH.to_owned(), body: Some(epoch.to_string().into_bytes()) };
    let recover = RunChange::Recover { epoch, now, attempts: mend::queue::ATTEMPTS };
    state.apply(vec![Change::Memo(memo), Change::Run(recover)])?;
    Ok(epoch)
}

/// Runs that ended together were written down together, and what comes after them is begun together.
#[expect(clippy::disallowed_methods, reason = "the thread is the stage's own, and it is to wait")]
fn linger() {
    std::thread::sleep(LINGER);
}

/// What the thread alone has.
struct Thread {
    shared: Arc<Shared>,
    runtime: Runtime,
    children: Arc<Children>,
    /// Which start of the daemon this is; `None` until that is written down, and nothing is repaired before.
    epoch: Option<u64>,
    /// The folder that was read last, and its files then.
    seen: Option<(Option<PathBuf>, Stamp)>,
    /// When files, leases and questions were looked at last.
    round: Option<Duration>,
}

impl Thread {
    fn work(mut self) {
        loop {
            let stop = self.shared.bell.wait();
            if !stop && self.shared.at_work() > 0 {
                linger();
            }
            self.shared.take_ended();
            if stop {
                break;
            }
            let now = self.shared.clock.monotonic();
            if self.round.is_none_or(|round| now.saturating_sub(round) >= ROUND) {
                self.round = Some(now);
                self.look_at_files();
                if let Some(epoch) = self.begin() {
                    self.shared.keep(epoch);
                }
                self.shared.publish();
                let looked = self.shared.look_at_alerts().and_then(|()| self.shared.tell());
                if let Err(why) = looked {
                    tracing::warn!(%why, "alerts and events could not be compared");
                }
            }
            if let Some(epoch) = self.epoch
                && let Err(why) =
                    self.shared.plan().and_then(|()| self.shared.dispatch(epoch, &self.runtime))
            {
                tracing::error!(%why, "events cannot be planned; they wait");
            }
            self.shared.publish_busy();
        }
        self.end();
    }

    /// Takes up what the last start left, unless that is done. A store that cannot be written is tried again:
    /// until it takes down that this start is the one that repairs, none is.
    fn begin(&mut self) -> Option<u64> {
        if self.epoch.is_some() {
            return self.epoch;
        }
        let begun = begin(&*self.shared.state, &*self.shared.clock);
        self.shared.note_whether_written(begun.as_ref().err());
        self.epoch = begun.ok();
        self.epoch
    }

    /// Waits for what is under way, but not for ever: what does not end is found again by the next start.
    fn end(self) {
        let until = self.shared.clock.monotonic() + GRACE;
        while self.shared.at_work() > 0 && self.shared.clock.monotonic() < until {
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
            self.shared.take_ended();
        }
        self.runtime.block_on(self.shared.tools.kept.close());
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }

    /// Reads the remediations again if a file of theirs changed.
    fn look_at_files(&mut self) {
        let dir = self.shared.rules().settings.dir.clone();
        let stamp = shelf::stamp(dir.as_deref());
        if self.seen.as_ref().is_some_and(|(folder, seen)| *folder == dir && *seen == stamp) {
            return;
        }
        let before = self.shared.shelf.now();
        let library = scripts::load(dir.as_deref(), &before, &self.children, &self.runtime);
        for problem in library.problems.iter().filter(|one| !before.problems.contains(one)) {
            tracing::error!("{problem}");
        }
        tracing::info!(remediations = library.remediations.all().len(), "remediations read");
        self.shared.shelf.set(library);
        self.seen = Some((dir, stamp));
    }
}

impl Shared {
    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.lock().expect("no holder of this lock can panic"))
    }

    /// What pages were told last.
    fn present(&self) -> Arc<MendNow> {
        Arc::clone(&self.present.lock().expect("no holder of this lock can panic"))
    }

    /// How many runs are under way.
    fn at_work(&self) -> u32 {
        self.busy.lock().expect("no holder of this lock can panic").len() as u32
    }

    /// Takes in how runs have ended.
    fn take_ended(&self) {
        let ended =
            std::mem::take(&mut *self.ended.lock().expect("no holder of this lock can panic"));
        // What failed is tried again, and still only to look.
        let looked = ended.iter().filter(|(_, end)| *end == Ending::Over(RunState::Looked));
        let over = looked.filter_map(|(event, _)| self.looks.over(*event)).collect();
        let mut busy = self.busy.lock().expect("no holder of this lock can panic");
        for (event, ending) in ended {
            busy.remove(&event);
            if ending == Ending::Lost {
                tracing::warn!(%event, "a run was taken from its worker");
            }
        }
        drop(busy);
        self.forget_looks(over);
    }

    /// A look that is remembered for too long does no harm: it is only looked again.
    fn forget_looks(&self, over: Vec<Change>) {
        if !over.is_empty()
            && let Err(why) = self.apply(over)
        {
            tracing::warn!(%why, "that a look is over cannot be stored");
        }
    }

    /// Says that the workers live, and ends questions that nobody answered.
    fn keep(&self, epoch: u64) {
        let now = self.clock.now_ms();
        let renew = RunChange::Renew { epoch, until: now + mend::worker::LEASE };
        let changes = vec![Change::Run(renew), Change::Event(EventChange::Expire { now })];
        let kept = self.state.apply(changes);
        self.note_whether_written(kept.as_ref().err());
    }

    /// Says once that repairs can no longer be written down, and once that they can again.
    fn note_whether_written(&self, failed: Option<&store::Error>) {
        let present = self.around.present();
        let mut unmended = present.unmended.lock().expect("no holder of this lock can panic");
        let Some(why) = failed else {
            if unmended.take().is_some() {
                tracing::info!("the store can be written; repairs go on");
            }
            return;
        };
        if unmended.is_none() {
            tracing::error!(%why, "nothing is repaired until the store can be written");
        }
        let since = unmended.as_ref().map_or_else(|| self.clock.now_ms(), |(_, since)| *since);
        *unmended = Some((why.to_string(), since));
    }

    /// Puts together what the pages see.
    fn publish(&self) {
        let rules = self.rules();
        let library = self.shelf.now();
        let busy = self.at_work();
        let storm = self.storm.lock().expect("no holder of this lock can panic").clone();
        let tripped = self.tripped.lock().expect("no holder of this lock can panic").clone();
        let mut present = self.present.lock().expect("no holder of this lock can panic");
        let before = Arc::clone(&present);
        let remediations = library.remediations.all().iter().map(|remediation| {
            let allowed = self.modes.of(&remediation.name, &rules.settings);
            let old = before.remediations.iter().find(|old| old.name == remediation.name);
            let tripped = tripped.get(&remediation.name).cloned();
            let next = RemediationNow {
                name: remediation.name.clone(),
                path: remediation.path.clone(),
                sha256: remediation.sha256.clone(),
                source: Arc::clone(&remediation.source),
                codes: remediation.meta.codes.iter().map(ToString::to_string).collect(),
                platforms: remediation.meta.platforms.iter().map(ToString::to_string).collect(),
                mode: allowed.mode,
                mode_by: allowed.by,
                tripped,
            };
            match old {
                Some(old) if **old == next => Arc::clone(old),
                _ => Arc::new(next),
            }
        });
        let next = MendNow {
            version: before.version,
            owner: rules.settings.owner,
            paused: self.switch.now(),
            storm: storm.map(|(said, _)| said),
            workers: rules.settings.workers,
            busy,
            remediations: remediations.collect(),
            problems: library.problems.clone(),
            blocked: self.credentials.all_blocked(),
        };
        if next != *before {
            *present = Arc::new(MendNow { version: before.version + 1, ..next });
        }
    }

    /// Between the rounds only how many are at work changes by itself.
    fn publish_busy(&self) {
        let busy = self.at_work();
        let mut present = self.present.lock().expect("no holder of this lock can panic");
        if present.busy != busy {
            let version = present.version + 1;
            *present = Arc::new(MendNow { version, busy, ..MendNow::clone(&present) });
        }
    }

    /// Writes down who did what.
    fn audit(&self, actor: &str, action: &str, event: Option<EventId>, detail: String) -> Change {
        Change::Audit(AuditNote {
            at: self.clock.now_ms(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            event,
            run: None,
            detail,
        })
    }

    /// Applies changes of one event; `false` if it is not as they expect any more.
    fn apply(&self, changes: Vec<Change>) -> Result<bool, store::Error> {
        Ok(matches!(self.state.apply(changes)?, Applied::Done(_)))
    }
}
