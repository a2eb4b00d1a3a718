//! From batches of syslog lines to the store: parses, says whom each line is from, keeps it, and hands what
//! matters to the intake. One thread; all it writes of a batch, and how far a followed file was read, is one
//! transaction. It binds no socket.

mod archive;
mod figures;
mod words;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use measure::syslog::Batch;
use measure::wire::syslog::{Condition, Field, Meaning, Meanings, Record};
use mend::{Intake, Said, Turn};
use model::event::{Evidence, Origin};
use model::{Clock, Identity, Inventory, LineRef, Listener, Transport, UnixMs};
use store::{
    Applied, Change, EventChange, FilePosition, LineBatch, LineRetention, LineView, Memo, Query,
    State, Value,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::archive::Archive;
pub(crate) use self::figures::counters;
use self::words::Words;
use crate::bell::Bell;
use crate::config::{self, SyslogSettings};
use crate::ground::Ground;
use crate::report::Report;
use crate::shelf::{Shelf, Summons};

/// Lines that are written at once at most; what waits longer than [`GATHER`] is written sooner.
const MANY: usize = 16_384;
/// Bytes of lines that are written at once at most, or so.
const LARGE: usize = 4 << 20;
/// How long lines wait for others, so that a trickle is not one sync a line.
const GATHER: Duration = Duration::from_millis(100);
/// How long they wait if one of them tells of something that is to be repaired.
const HURRY: Duration = Duration::from_millis(5);
/// How often is looked whether old things shall go.
const TICK: Duration = Duration::from_secs(1);
/// Pause before what the store refused is given to it again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is given once the daemon ends: systemd waits half a minute.
const TRIES_AT_END: u32 = 10;
/// The kind of messages that tell that somebody configured a device.
const CONFIGURED: &str = "configuration";
/// Once in so many ticks stored lines are packed closer, and old lines and events go.
const TEND: u32 = 10;

/// What is remembered of faults that come and go.
const FLAPS: &str = "flaps";

/// What the stage works by; a reload changes it.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The devices and relays.
    pub(crate) inventory: Arc<Inventory>,
    /// What messages mean.
    pub(crate) meanings: Arc<Meanings>,
    /// What is an event.
    pub(crate) intake: mend::Options,
    /// How long lines are kept.
    pub(crate) keep: Duration,
    /// How many bytes they may take.
    pub(crate) max_bytes: u64,
    /// How long events are kept.
    pub(crate) keep_events: Duration,
    /// Where lines are archived.
    pub(crate) archive: Option<PathBuf>,
}

impl Rules {
    /// Those of a configuration.
    ///
    /// # Errors
    /// The user's pattern files are wrong.
    pub(crate) fn of(syslog: &SyslogSettings, inventory: &Arc<Inventory>) -> Result<Self, Report> {
        let meanings = config::load_patterns(syslog.patterns.as_deref())
            .map_err(|problems| Report::because("cannot take the patterns", &problems))?;
        let intake = intake(syslog);
        Ok(Self {
            inventory: Arc::clone(inventory),
            meanings: Arc::new(meanings),
            intake,
            keep: syslog.keep,
            max_bytes: syslog.max_bytes,
            keep_events: syslog.keep_events,
            archive: syslog.archive.clone(),
        })
    }
}

/// What is an event, by the configuration.
pub(crate) fn intake(syslog: &SyslogSettings) -> mend::Options {
    let starts = |code: &String| code.strip_suffix('*').map(str::to_owned);
    mend::Options {
        severity: syslog.severity,
        codes: syslog.codes.iter().filter(|code| starts(code).is_none()).cloned().collect(),
        code_starts: syslog.codes.iter().filter_map(starts).collect(),
        settle: syslog.settle,
        ..mend::Options::default()
    }
}

/// What the stage has done.
#[derive(Debug, Default)]
pub(crate) struct HearCounts {
    /// Lines stored.
    pub(crate) stored: AtomicU64,
    /// Lines that named a device and came from elsewhere.
    pub(crate) conflicts: AtomicU64,
    /// Lines of nobody in the inventory.
    pub(crate) strangers: AtomicU64,
    /// Reports of events.
    pub(crate) reports: AtomicU64,
    /// Times the store refused what it was given.
    pub(crate) refusals: AtomicU64,
    /// Whether the daemon ends: then a store that takes nothing is not waited for without an end.
    closing: AtomicBool,
    /// When the stage moved last, by the monotonic clock, in milliseconds; 0 before it began.
    moved: AtomicU64,
}

impl HearCounts {
    /// How long the stage has stood still at this time of the monotonic clock.
    pub(crate) fn still(&self, now: Duration) -> Duration {
        match self.moved.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            moved => now.saturating_sub(Duration::from_millis(moved)),
        }
    }

    fn beat(&self, now: Duration) {
        let moved = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(1);
        self.moved.store(moved, Ordering::Relaxed);
    }
}

/// The running stage.
#[derive(Debug)]
pub(crate) struct Hearing {
    /// What it has done.
    pub(crate) counts: Arc<HearCounts>,
    rules: Arc<Mutex<(u64, Rules)>>,
    thread: Option<JoinHandle<()>>,
}

/// What holds now, for those who ask for devices and meanings.
#[derive(Clone, Debug)]
pub(crate) struct Known(Arc<Mutex<(u64, Rules)>>);

impl Known {
    /// The devices, and what their messages mean.
    pub(crate) fn rules(&self) -> (Arc<Inventory>, Arc<Meanings>) {
        let held = self.0.lock().expect("no holder of this lock can panic");
        (Arc::clone(&held.1.inventory), Arc::clone(&held.1.meanings))
    }
}

impl show::Devices for Known {
    fn inventory(&self) -> Arc<Inventory> {
        self.rules().0
    }
}

impl Hearing {
    /// The devices, as the pages ask for them.
    pub(crate) fn devices(&self) -> Arc<dyn show::Devices> {
        Arc::new(self.known())
    }

    /// The devices, and what their messages mean, as they are whenever somebody asks.
    pub(crate) fn known(&self) -> Known {
        Known(Arc::clone(&self.rules))
    }

    /// Starts to take batches; it ends when nobody sends any more. Rings the bell when there is something that
    /// may be repaired.
    pub(crate) fn start(
        rules: Rules,
        ground: &Ground,
        summons: &Summons,
        batches: mpsc::Receiver<Batch>,
    ) -> Result<Self, Report> {
        let failed = |why| Report::because("cannot start to take syslog lines", &why).code(4);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let counts = Arc::<HearCounts>::default();
        let shared = Arc::new(Mutex::new((0, rules.clone())));
        let mut intake = Intake::new(rules.intake.clone());
        intake.restore(flaps(&*ground.state)?);
        let mut stage = Stage {
            intake,
            archive: Archive::default(),
            rules,
            version: 0,
            shared: Arc::clone(&shared),
            counts: Arc::clone(&counts),
            state: Arc::clone(&ground.state),
            clock: Arc::clone(&ground.clock),
            shelf: Arc::clone(&summons.shelf),
            bell: Arc::clone(&summons.bell),
            pending: Pending::default(),
            words: Words::default(),
            tries_left: TRIES_AT_END,
        };
        let thread = std::thread::Builder::new()
            .name("hear".into())
            .spawn(move || runtime.block_on(stage.run(batches)))
            .map_err(failed)?;
        Ok(Self { counts, rules: shared, thread: Some(thread) })
    }

    /// Works by other rules from the next batch on.
    pub(crate) fn set(&self, rules: Rules) {
        let mut shared = self.rules.lock().expect("no holder of this lock can panic");
        shared.0 += 1;
        shared.1 = rules;
    }

    /// The daemon is about to end. To be said before the receivers are stopped, as they wait for this stage.
    pub(crate) fn close(&self) {
        self.counts.closing.store(true, Ordering::Relaxed);
    }

    /// Waits until everything that was sent is stored.
    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that takes syslog lines panicked");
        }
    }
}

/// What will be written together.
#[derive(Default)]
struct Pending {
    lines: LineBatch,
    changes: Vec<Change>,
    positions: Vec<FilePosition>,
    /// Whether something of it is to be repaired.
    hurry: bool,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.changes.is_empty() && self.positions.is_empty()
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= MANY || self.lines.bytes() >= LARGE
    }

    /// A newer position of a file takes the older one's place.
    fn reach(&mut self, reached: FilePosition) {
        let file = reached.position.file;
        self.positions.retain(|old| old.position.file != file || old.listener != reached.listener);
        self.positions.push(reached);
    }

    fn take(&mut self) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.changes);
        if !self.lines.is_empty() {
            changes.push(Change::Lines(Arc::new(std::mem::take(&mut self.lines))));
        }
        changes.extend(self.positions.drain(..).map(Change::Position));
        self.hurry = false;
        changes
    }
}

struct Stage {
    rules: Rules,
    version: u64,
    shared: Arc<Mutex<(u64, Rules)>>,
    intake: Intake,
    archive: Archive,
    counts: Arc<HearCounts>,
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    shelf: Arc<Shelf>,
    bell: Arc<Bell>,
    pending: Pending,
    words: Words,
    /// How often the store is still asked once the daemon ends.
    tries_left: u32,
}

impl Stage {
    async fn run(&mut self, mut batches: mpsc::Receiver<Batch>) {
        let (mut ticked, mut ticks) = (self.clock.monotonic(), 0_u32);
        loop {
            let first = timeout(TICK, batches.recv()).await;
            self.look_at_rules();
            let open = !matches!(first, Ok(None));
            if let Ok(Some(batch)) = first {
                self.take(&batch);
                self.gather(&mut batches).await;
                self.write().await;
            }
            let now = self.clock.monotonic();
            self.counts.beat(now);
            if now.saturating_sub(ticked) >= TICK {
                ticked = now;
                ticks = ticks.wrapping_add(1);
                if ticks.is_multiple_of(TEND) {
                    self.tend().await;
                }
            }
            if !open {
                // What flaps goes on flapping after a restart.
                let flaps = self.flaps();
                if !flaps.is_empty() {
                    self.apply(flaps).await;
                }
                return;
            }
        }
    }

    fn look_at_rules(&mut self) {
        let shared = self.shared.lock().expect("no holder of this lock can panic");
        if shared.0 != self.version {
            self.version = shared.0;
            self.rules = shared.1.clone();
            self.intake.set(self.rules.intake.clone());
        }
    }

    /// Takes what comes within a short time, or until it is enough.
    async fn gather(&mut self, batches: &mut mpsc::Receiver<Batch>) {
        let start = self.clock.monotonic();
        while !self.pending.is_full() {
            let until = start + if self.pending.hurry { HURRY } else { GATHER };
            let left = until.saturating_sub(self.clock.monotonic());
            let next = if left.is_zero() {
                batches.try_recv().ok()
            } else {
                timeout(left, batches.recv()).await.ok().flatten()
            };
            let Some(batch) = next else { return };
            self.take(&batch);
        }
    }

    fn take(&mut self, batch: &Batch) {
        for line in batch.lines() {
            self.line(batch.listener(), &line);
        }
        if let Some(position) = batch.position() {
            let listener = Listener::clone(batch.listener());
            self.pending.reach(FilePosition { listener, position });
        }
    }

    fn line(&mut self, listener: &Listener, line: &LineRef<'_>) {
        let at = line.at.to_ms();
        let meanings = Arc::clone(&self.rules.meanings);
        let record = meanings.read(line.bytes, at);
        let peer: Option<IpAddr> = line.peer.map(|peer| peer.ip());
        let inventory = Arc::clone(&self.rules.inventory);
        let relayed = inventory.trusts(listener, peer);
        let identity = inventory.identify(listener, peer, record.host(relayed));
        let evidence = evidence(listener);
        let doubt = match &identity {
            Identity::Known(_) => glued(line),
            Identity::Stranger(_) => {
                self.counts.strangers.fetch_add(1, Ordering::Relaxed);
                glued(line)
            }
            Identity::Conflict { claimed, from } => {
                self.counts.conflicts.fetch_add(1, Ordering::Relaxed);
                Some(format!("identity conflict: it names {}, but came from {from}", claimed.name))
            }
        };
        let device = identity.name();
        let code = record.code.map_or("", |code| code.printed);
        let severity = record.severity();
        self.pending.lines.push(LineView { at, device, code, severity, raw: line.bytes });
        self.event(&record, device, (doubt.as_deref(), evidence), at);
    }

    fn event(
        &mut self,
        record: &Record<'_>,
        device: &str,
        (doubt, evidence): (Option<&str>, Evidence),
        at: UnixMs,
    ) {
        let meanings = Arc::clone(&self.rules.meanings);
        let meaning = meanings.of(record);
        // What most lines say is no event: the words of one are put together in the same memory each time.
        let mut words = std::mem::take(&mut self.words);
        words.of(record, meaning.as_ref());
        let Words { code_norm, object, message } = &words;
        let mut fields = [("", ""); Field::ALL.len()];
        let mut count = 0;
        for (field, value) in meaning.iter().flat_map(Meaning::fields) {
            fields[count] = (field.as_str(), value);
            count += 1;
        }
        let said = Said {
            device,
            doubt,
            code: record.code.map_or("", |code| code.printed),
            code_norm,
            object,
            severity: record.severity(),
            turn: record.repeats_last().map_or(Turn::Told, Turn::Repeated),
            at,
            origin: Origin::Line,
            message,
            fields: &fields[..count],
            evidence,
            mendable: record.code.is_some_and(|code| self.shelf.is_for(code.printed, code_norm)),
        };
        if let Some(meaning) = meaning.as_ref().filter(|meaning| meaning.kind == CONFIGURED)
            && doubt.is_none()
        {
            let user = meaning.get(Field::User).unwrap_or_default().to_owned();
            let device = device.to_owned();
            self.pending.changes.push(Change::Configured { device, user, at });
        }
        match meaning {
            _ if matches!(said.turn, Turn::Repeated(_)) => self.said(&said),
            Some(meaning) if meaning.condition == Condition::Fault => {
                self.said(&Said { turn: Turn::Fault, ..said });
            }
            // The fault may have been told under any of these codes.
            Some(meaning) if meaning.condition == Condition::Clear => {
                for code in meaning.ends() {
                    self.said(&Said { turn: Turn::Clear(code), ..said });
                }
            }
            _ => self.said(&said),
        }
        // Once it counts by itself.
        if let Some(more) = record.repeated.checked_sub(1).filter(|more| *more > 0) {
            self.said(&Said { turn: Turn::Repeated(more), ..said });
        }
        self.words = words;
    }

    fn said(&mut self, said: &Said<'_>) {
        let Some(change) = self.intake.take(said) else { return };
        if let EventChange::Report(report) = &change {
            self.counts.reports.fetch_add(1, Ordering::Relaxed);
            self.pending.hurry |= said.mendable && report.not_before <= said.at;
        }
        self.pending.changes.push(Change::Event(change));
    }

    /// Writes what is pending; goes on trying while the store refuses it. Meanwhile lines wait in the
    /// channel, then in the receivers, then with their senders.
    async fn write(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let lines = self.pending.lines.len() as u64;
        if let Some(folder) = &self.rules.archive {
            self.archive.append(folder, &self.pending.lines, self.clock.now_ms());
        }
        let hurry = self.pending.hurry;
        let changes = self.pending.take();
        self.apply(changes).await;
        if hurry {
            self.bell.ring();
        }
        self.counts.stored.fetch_add(lines, Ordering::Relaxed);
    }

    async fn apply(&mut self, changes: Vec<Change>) {
        let mut told = false;
        loop {
            match self.state.apply(changes.clone()) {
                Ok(Applied::Done(_)) => break,
                Ok(Applied::Conflict) => {
                    tracing::error!("the store calls a report of a line a conflict");
                    break;
                }
                Err(store::Error::Closed) => return,
                Err(why) => {
                    self.counts.refusals.fetch_add(1, Ordering::Relaxed);
                    if !told {
                        tracing::error!(%why, "the store does not take syslog lines; they wait");
                        told = true;
                    }
                    if self.counts.closing.load(Ordering::Relaxed) && !self.tries_again() {
                        return;
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        if told {
            tracing::info!("the store takes syslog lines again");
        }
    }

    /// Whether the store is asked once more though the daemon ends.
    fn tries_again(&mut self) -> bool {
        if self.tries_left == 1 {
            tracing::error!(
                "stopped while the store takes no syslog lines: what waited is lost, but for what followed files still hold"
            );
        }
        self.tries_left = self.tries_left.saturating_sub(1);
        self.tries_left > 0
    }

    /// What is remembered of faults that come and go, where that changed since it was stored.
    fn flaps(&mut self) -> Vec<Change> {
        let body = self.intake.remembered(self.clock.now_ms());
        let body = body.map(|turns| {
            serde_json::to_vec(&turns).expect("numbers are JSON, and memory takes it")
        });
        body.map(|body| Change::Memo(Memo { key: FLAPS.to_owned(), body: Some(body) }))
            .into_iter()
            .collect()
    }

    /// Lets old things go.
    async fn tend(&mut self) {
        let now = self.clock.now_ms();
        let oldest = now - self.rules.keep;
        let keep = LineRetention { oldest, max_bytes: self.rules.max_bytes };
        let before = now - self.rules.keep_events;
        let forget = EventChange::Forget { before };
        let mut changes = vec![Change::TendLines(keep), Change::Event(forget)];
        changes.extend(self.flaps());
        self.apply(changes).await;
    }
}

/// Why a line is in doubt that stood behind another one in a datagram, if it did.
fn glued(line: &LineRef<'_>) -> Option<String> {
    const WHY: &str = "it stood within another line, whose text it may be";
    line.glued.then(|| WHY.to_owned())
}

/// How sure it is who sent what comes in there. What wrote a file may have heard it by whatever way.
fn evidence(listener: &Listener) -> Evidence {
    match listener.transport {
        Transport::Udp => Evidence::Datagram,
        Transport::Tcp | Transport::File => Evidence::Stream,
        Transport::Tls => Evidence::Sure,
    }
}

/// What was remembered of faults that come and go.
fn flaps(state: &dyn State) -> Result<mend::Remembered, Report> {
    let found = state.find(&Query::Memos { prefix: FLAPS.to_owned() }).map_err(|why| {
        Report::because("cannot look up what flapped before the start", &why).code(4)
    })?;
    let body = found.into_iter().find_map(|record| match record.value {
        Value::Memo(memo) if memo.key == FLAPS => memo.body,
        _ => None,
    });
    Ok(body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default())
}
