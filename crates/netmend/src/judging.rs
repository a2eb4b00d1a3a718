//! The judging stage: samples in, judgements out, on one thread with a bounded queue before it. What was
//! learned is kept in a file of the data folder and the rest is read from the store at the start. It tells
//! nobody: words go to `telling`.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use detect::{Judge, Settings};
use model::series::Band;
use model::{Change, Clock, Judgement, Metric, Sample, Series, SeriesId, Standing, Target, UnixMs};
use store::{RangeAnswer, RangeQuery, Samples};

use crate::feed::Feed;
use crate::report::Report;

/// Batches of samples that may wait to be judged. What does not fit is counted and not judged; it is
/// stored all the same.
const QUEUE: usize = 4_096;
/// Time between two looks at the clock while no samples come.
const BEAT: Duration = Duration::from_secs(1);
/// How often it is said how bad a bad series is.
const RENEW_MS: i64 = 10_000;
/// How often the lines beside a series are stored.
const LINE_MS: i64 = 60_000;
/// How often what was learned is put on disk.
const SNAPSHOT: Duration = Duration::from_mins(10);
/// What was learned, in the data folder.
const FILE: &str = "learned.bin";
/// So far back the store is read for what others have measured: as far as the rule `nm` profits.
const RELEARN: Duration = Duration::from_hours(14 * 24);
/// So far back the store is read where nothing was learned yet.
const REPLAY: Duration = Duration::from_hours(7 * 24);
/// Most samples that are read at the start, over all series: some ten seconds of work.
const REPLAY_MOST: u64 = 50_000_000;
/// Series that are read together.
const TOGETHER: usize = 16;

/// What the detector says of a series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// Which series.
    pub(crate) series: SeriesId,
    /// What is said.
    pub(crate) judgement: Judgement,
}

/// Who hears words. A call may wait for a moment, never for the network.
pub(crate) trait Hearer: Send {
    /// Takes words over and leaves the vector empty.
    fn hear(&self, words: &mut Vec<Word>);
}

/// The judging stage, shared by those who bring samples and those who ask.
pub(crate) struct Judging {
    judge: Mutex<Judge>,
    known: Mutex<HashMap<SeriesId, Known>>,
    inbox: Mutex<Option<SyncSender<Vec<Sample>>>>,
    file: PathBuf,
    feed: Arc<Feed>,
    clock: Arc<dyn Clock>,
    moved: Mutex<Duration>,
    judged: AtomicU64,
    dropped: AtomicU64,
    /// How long it took to go on with what was learned, once it was taken up.
    took_up: OnceLock<Duration>,
}

/// What is remembered of a series beside what is learned.
#[derive(Debug)]
struct Known {
    /// Whose series it is.
    whose: Whose,
    usual: SeriesId,
    limit: SeriesId,
    /// What was said last: nothing, or whether it was learning, good or bad.
    said: Option<Kind>,
    /// When that was.
    at: UnixMs,
    /// It was accepted while the store was read, and nobody heard of it.
    accepted: bool,
    /// The minute whose lines were stored last.
    minute: i64,
}

/// Whose series are judged. Each kind is set by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Of targets that we probe.
    Targets,
    /// Of WAN links that orchestrators measure.
    Links,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Learning,
    Usual,
    Firing,
}

impl Kind {
    fn of(standing: Standing) -> Self {
        match standing {
            Standing::Learning => Kind::Learning,
            Standing::Usual => Kind::Usual,
            Standing::Firing { .. } => Kind::Firing,
        }
    }
}

impl std::fmt::Debug for Judging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judging").field("file", &self.file).finish_non_exhaustive()
    }
}

/// What the stage has done, for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Samples judged.
    pub(crate) judged: u64,
    /// Samples that were not, since too many waited.
    pub(crate) dropped: u64,
    /// Samples that could not be or came out of order.
    pub(crate) refused: u64,
    /// Series that are judged.
    pub(crate) series: usize,
    /// How long it took to go on with what was learned; `None` while it does.
    pub(crate) took_up: Option<Duration>,
}

impl Judging {
    /// A stage that judges nothing yet; what it learns is kept in `data`.
    pub(crate) fn new(data: &Path, feed: Arc<Feed>, clock: Arc<dyn Clock>) -> Self {
        Self {
            judge: Mutex::new(Judge::new()),
            known: Mutex::default(),
            inbox: Mutex::new(None),
            file: data.join(FILE),
            feed,
            moved: Mutex::new(clock.monotonic()),
            clock,
            judged: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            took_up: OnceLock::new(),
        }
    }

    /// Judges these targets from now on and no others. Those that stay go on with what was learned.
    pub(crate) fn set(
        &self,
        targets: &[Arc<Target>],
        settings: impl Fn(&Target, Metric) -> Settings,
    ) -> Result<(), Report> {
        let all = targets.iter().flat_map(|target| {
            let of = |metric| (target.series(metric), settings(target, metric), target.to_string());
            Metric::ALL.map(of)
        });
        self.watch(Whose::Targets, all)
    }

    /// Judges these series from now on and no others of their kind; each comes with how it is judged and a
    /// name for people.
    pub(crate) fn watch(
        &self,
        whose: Whose,
        all: impl Iterator<Item = (Series, Settings, String)>,
    ) -> Result<(), Report> {
        let (mut judge, mut known) = (self.judge(), lock(&self.known));
        let (mut old, others) =
            std::mem::take(&mut *known).into_iter().partition(|(_, known)| known.whose == whose);
        *known = others;
        let mut wrong = Ok(());
        for (series, settings, name) in all {
            let (id, metric) = (series.id(), series.metric);
            if let Err(why) = judge.watch(id, metric, &settings) {
                wrong = Err(Report::because(format!("cannot judge the {metric} of {name}"), &why));
                continue;
            }
            let kept = old.remove(&id).unwrap_or_else(|| Known::of(whose, &series));
            known.insert(id, kept);
        }
        if wrong.is_err() {
            // What could not be taken over stays as it was.
            known.extend(old);
            return wrong;
        }
        for id in old.into_keys() {
            judge.forget(id);
        }
        Ok(())
    }

    /// Forgets what was learned of some series and learns them anew from the store: their past has come.
    /// Blocks; gives how many samples there were.
    pub(crate) fn relearn(
        &self,
        samples: &dyn Samples,
        ids: &[SeriesId],
    ) -> Result<u64, store::Error> {
        let now = self.clock.now_ms();
        let mut count = 0;
        for ids in ids.chunks(TOGETHER) {
            count += self.replay(samples, ids, (now - RELEARN, now), true)?;
        }
        Ok(count)
    }

    /// The series of the lines that are drawn beside those of the targets.
    pub(crate) fn lines(targets: &[Arc<Target>]) -> impl Iterator<Item = Series> + '_ {
        let series =
            targets.iter().flat_map(|target| Metric::ALL.map(|metric| target.series(metric)));
        series.flat_map(|series| Band::ALL.map(|band| series.band(band)))
    }

    /// Takes in samples as they come. Never waits.
    pub(crate) fn push(&self, samples: &[Sample]) {
        let inbox = lock(&self.inbox);
        let Some(inbox) = inbox.as_ref().filter(|_| !samples.is_empty()) else { return };
        if let Err(TrySendError::Full(batch)) = inbox.try_send(samples.to_vec()) {
            self.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
    }

    /// How a series stands at a time; `None` if it is not judged.
    pub(crate) fn now(&self, series: SeriesId, at: UnixMs) -> Option<Judgement> {
        self.judge().now(series, at)
    }

    /// How long a series must be good until what is wrong with it is over, where somebody decided.
    pub(crate) fn clear_after(&self, series: SeriesId) -> Option<Duration> {
        self.judge().clear_after(series)
    }

    /// What was done since the start.
    pub(crate) fn counts(&self) -> Counts {
        let judge = self.judge();
        Counts {
            judged: self.judged.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            refused: judge.refused(),
            series: judge.len(),
            took_up: self.took_up.get().copied(),
        }
    }

    /// How long the stage has stood still.
    pub(crate) fn still(&self) -> Duration {
        self.clock.monotonic().saturating_sub(*lock(&self.moved))
    }

    /// Starts the thread: it takes up what was learned, reads the rest from the store, and then judges
    /// what comes until [`Judging::close`].
    pub(crate) fn start(
        self: &Arc<Self>,
        samples: Arc<dyn Samples>,
        hearer: Box<dyn Hearer>,
    ) -> Result<JoinHandle<()>, Report> {
        let (sender, inbox) = sync_channel(QUEUE);
        *lock(&self.inbox) = Some(sender);
        let stage = Arc::clone(self);
        thread::Builder::new()
            .name("judge".into())
            .spawn(move || {
                let began = stage.clock.monotonic();
                stage.take_up(&*samples);
                let took = stage.clock.monotonic().saturating_sub(began);
                stage.took_up.get_or_init(|| took);
                stage.work(&inbox, &*hearer);
                stage.keep();
            })
            .map_err(|why| Report::because("cannot start the judge thread", &why).code(4))
    }

    /// Asks the thread to judge what is left and to end.
    pub(crate) fn close(&self) {
        *lock(&self.inbox) = None;
    }

    fn work(&self, inbox: &Receiver<Vec<Sample>>, hearer: &dyn Hearer) {
        let (mut words, mut lines) = (Vec::new(), Vec::new());
        let mut kept = self.clock.monotonic();
        loop {
            match inbox.recv_timeout(self.clock.wait(BEAT)) {
                Ok(batch) => self.take(&batch, &mut words, &mut lines),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if !words.is_empty() {
                hearer.hear(&mut words);
            }
            if !lines.is_empty() {
                self.feed.push(&mut lines);
            }
            let now = self.clock.monotonic();
            *lock(&self.moved) = now;
            if now.saturating_sub(kept) >= SNAPSHOT {
                self.keep();
                kept = now;
            }
        }
    }

    /// Judges a batch: what has to be said goes to `words`, what has to be drawn to `lines`.
    pub(crate) fn take(&self, batch: &[Sample], words: &mut Vec<Word>, lines: &mut Vec<Sample>) {
        let (mut judge, mut known) = (self.judge(), lock(&self.known));
        for sample in batch {
            let Some(mut judgement) = judge.push(sample) else { continue };
            let Some(known) = known.get_mut(&sample.series) else { continue };
            known.draw(&judgement, lines);
            if known.speak(&mut judgement) {
                words.push(Word { series: sample.series, judgement });
            }
        }
        self.judged.fetch_add(batch.len() as u64, Ordering::Relaxed);
    }

    /// Takes up what was learned before, and judges what the store has since. Nobody hears of it: the
    /// first sample of each series that comes says how it stands.
    pub(crate) fn take_up(&self, samples: &dyn Samples) {
        match fs::read(&self.file) {
            Ok(bytes) => match self.judge().restore(&bytes) {
                Ok(series) => tracing::info!(series, "went on with what was learned"),
                Err(why) => {
                    tracing::warn!(%why, file = %self.file.display(), "learning anew from the store");
                }
            },
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => {
                tracing::warn!(%why, file = %self.file.display(), "learning anew from the store");
            }
        }
        let now = self.clock.now_ms();
        let ids: Vec<SeriesId> = lock(&self.known).keys().copied().collect();
        let mut read = 0;
        for ids in ids.chunks(TOGETHER) {
            match self.replay(samples, ids, (now - REPLAY, now), false) {
                Ok(count) => read += count,
                Err(why) => {
                    tracing::warn!(%why, "cannot read what was measured before");
                    return;
                }
            }
            *lock(&self.moved) = self.clock.monotonic();
            if read > REPLAY_MOST {
                tracing::warn!(read, "not all that was measured before could be judged again");
                return;
            }
        }
        tracing::info!(samples = read, "judged again what was measured before");
    }

    /// Judges the stored samples of some series that were not judged yet, or `anew` all of them; gives how
    /// many.
    fn replay(
        &self,
        samples: &dyn Samples,
        ids: &[SeriesId],
        (oldest, now): (UnixMs, UnixMs),
        anew: bool,
    ) -> Result<u64, store::Error> {
        let from = |id: &SeriesId| {
            let last = if anew { None } else { self.judge().last(*id) };
            last.map_or(oldest, |last| UnixMs(last.0 + 1).max(oldest))
        };
        let froms: Vec<UnixMs> = ids.iter().map(from).collect();
        let Some(first) = froms.iter().min() else { return Ok(0) };
        let query =
            RangeQuery { series: ids.to_vec(), from: *first, until: now, step: None, exact: true };
        let mut count = 0;
        for ((id, from), answer) in ids.iter().zip(froms).zip(samples.range(&query)?) {
            let RangeAnswer::Samples(values) = answer else { continue };
            let (mut judge, mut known) = (self.judge(), lock(&self.known));
            if anew {
                // Not sooner: a sample that came in between would make all before it too old to be judged.
                judge.renew(*id);
            }
            for (at, value) in values.into_iter().filter(|(at, _)| *at >= from) {
                count += 1;
                let change =
                    judge.push(&Sample { series: *id, at, value }).and_then(|said| said.change);
                if let (Some(change), Some(known)) = (change, known.get_mut(id)) {
                    known.accepted = change == Change::Accepted;
                }
            }
        }
        Ok(count)
    }

    /// Puts what was learned on disk: beside the old file first, so that there always is a whole one.
    fn keep(&self) {
        let bytes = self.judge().snapshot();
        let new = self.file.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file = fs::File::create(&new)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&new, &self.file)?;
            let folder = self.file.parent().unwrap_or(Path::new("."));
            fs::File::open(folder)?.sync_all()
        };
        if let Err(why) = write() {
            tracing::warn!(%why, file = %self.file.display(), "what was learned is not on disk");
        }
    }

    fn judge(&self) -> MutexGuard<'_, Judge> {
        lock(&self.judge)
    }

    /// Puts what was learned on disk, as the thread does from time to time.
    #[cfg(test)]
    pub(crate) fn keep_now(&self) {
        self.keep();
    }
}

impl Known {
    fn of(whose: Whose, series: &Series) -> Self {
        Self {
            whose,
            usual: series.band(Band::Usual).id(),
            limit: series.band(Band::Limit).id(),
            said: None,
            at: UnixMs(i64::MIN),
            accepted: false,
            minute: i64::MIN,
        }
    }

    /// Adds the lines of a minute, once a minute.
    fn draw(&mut self, judgement: &Judgement, lines: &mut Vec<Sample>) {
        let minute = judgement.at.0.div_euclid(LINE_MS);
        if minute == self.minute {
            return;
        }
        self.minute = minute;
        let at = judgement.at;
        for (series, value) in [(self.usual, judgement.usual), (self.limit, judgement.limit)] {
            if value.is_finite() {
                lines.push(Sample { series, at, value: f64::from(value) });
            }
        }
    }

    /// Whether this has to be said: the first word, a change, and from time to time how bad it is.
    fn speak(&mut self, judgement: &mut Judgement) -> bool {
        let kind = Kind::of(judgement.standing);
        let renewed = kind == Kind::Firing && judgement.at.0.saturating_sub(self.at.0) >= RENEW_MS;
        if self.said == Some(kind) && judgement.change.is_none() && !renewed {
            return false;
        }
        if std::mem::take(&mut self.accepted) && self.said.is_none() && kind == Kind::Usual {
            judgement.change = Some(Change::Accepted);
        }
        self.said = Some(kind);
        self.at = judgement.at;
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock can panic")
}
