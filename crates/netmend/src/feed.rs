//! The way from the prober to the store: a bounded queue and one thread that appends what has piled up
//! once a second. A store that fails stops nobody: samples wait in memory, the oldest go when the queue
//! is full, and both are said.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use model::{Clock, Sample, Series, UnixMs};
use store::{Batch, Samples};

use crate::forwarding::Forwarding;
use crate::report::Report;

/// The local prober's number as a source.
pub(crate) const SOURCE: u32 = 0;
/// Most samples that wait for the store: 64 MB.
const CAPACITY: usize = 2_000_000;
/// Time between two appends, and between two tries of a failing store.
const BEAT: Duration = Duration::from_secs(1);

/// The queue, shared by the prober's side and the store's side.
pub(crate) struct Feed {
    samples: Arc<dyn Samples>,
    clock: Arc<dyn Clock>,
    capacity: usize,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Series that the store could not be told of yet.
    owed: Mutex<Vec<Series>>,
    /// Who passes on what was stored.
    onward: OnceLock<Arc<Forwarding>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Sample>,
    /// The batch that the store has not acknowledged yet; it keeps its number until it does.
    batch: Option<Batch>,
    next_seq: u64,
    closed: bool,
    status: FeedStatus,
}

/// How the store keeps up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FeedStatus {
    /// Highest batch number on disk.
    pub(crate) committed_until: Option<u64>,
    /// When the latest batch got onto disk.
    pub(crate) committed_at: Option<UnixMs>,
    /// Samples on disk since the start.
    pub(crate) stored: u64,
    /// Samples given up since the start, because the queue was full.
    pub(crate) dropped: u64,
    /// Samples that wait.
    pub(crate) waiting: usize,
    /// Why the store does not take samples, and since when.
    pub(crate) failing: Option<(String, UnixMs)>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Feed {
    /// A feed that goes on where the store's last batch ended.
    pub(crate) fn new(samples: Arc<dyn Samples>, clock: Arc<dyn Clock>) -> Result<Self, Report> {
        let committed = samples
            .committed_until(SOURCE)
            .map_err(|why| Report::because("cannot read how far the store is", &why))?;
        let status = FeedStatus { committed_until: committed, ..FeedStatus::default() };
        let next_seq = committed.map_or(1, |seq| seq + 1);
        let queue = Mutex::new(Queue { next_seq, status, ..Queue::default() });
        let (capacity, wake, onward) = (CAPACITY, Condvar::new(), OnceLock::new());
        let owed = Mutex::default();
        Ok(Self { samples, clock, capacity, queue, wake, owed, onward })
    }

    /// Takes over `samples` and leaves the vector empty. Never waits for the store.
    pub(crate) fn push(&self, samples: &mut Vec<Sample>) {
        let mut queue = self.lock();
        queue.waiting.extend(samples.drain(..));
        let excess = queue.waiting.len().saturating_sub(self.capacity);
        queue.waiting.drain(..excess);
        queue.status.dropped += excess as u64;
    }

    /// Lets `onward` have what is stored from now on. Said once, before the start.
    pub(crate) fn pass_on_to(&self, onward: Arc<Forwarding>) {
        // Who says it twice means the same.
        let _ = self.onward.set(onward);
    }

    /// Makes series known to the store before anything more is appended, as soon as it can be written.
    pub(crate) fn owe(&self, series: Vec<Series>) {
        self.owed.lock().expect("no holder of this lock can panic").extend(series);
    }

    /// How the store keeps up.
    pub(crate) fn status(&self) -> FeedStatus {
        let queue = self.lock();
        let batch = queue.batch.as_ref().map_or(0, |batch| batch.samples.len());
        FeedStatus { waiting: queue.waiting.len() + batch, ..queue.status.clone() }
    }

    /// How many series the store knows.
    pub(crate) fn series(&self) -> u64 {
        self.samples.stats().series
    }

    /// Starts the thread that appends. It ends after [`Feed::close`].
    pub(crate) fn start(self: &Arc<Self>) -> Result<JoinHandle<()>, Report> {
        let feed = Arc::clone(self);
        thread::Builder::new()
            .name("feed".into())
            .spawn(move || feed.run())
            .map_err(|why| Report::because("cannot start the feed thread", &why).code(4))
    }

    /// Asks the thread to append what is left and to end.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    fn run(&self) {
        loop {
            let queue = self.lock();
            let (queue, _) = self
                .wake
                .wait_timeout_while(queue, self.clock.wait(BEAT), |queue| !queue.closed)
                .expect("no holder of this lock can panic");
            let closed = queue.closed;
            drop(queue);
            self.append();
            if closed {
                self.part();
                return;
            }
        }
    }

    /// Tries once more, as a batch that had failed keeps others waiting, and says what is lost.
    fn part(&self) {
        self.append();
        let lost = self.status().waiting;
        if lost > 0 {
            tracing::error!(
                samples = lost,
                "stopped while the store takes no samples: they are lost"
            );
        }
    }

    /// Appends all that waits as one batch, or tries the failed one again.
    fn append(&self) {
        if let Err(why) = self.register() {
            return self.lock().fail(&why, self.clock.now_ms());
        }
        let Some(batch) = self.next() else { return };
        let count = batch.samples.len() as u64;
        let seq = batch.seq;
        if let Some(onward) = self.onward.get() {
            onward.prepare(&batch);
        }
        let done = self.samples.append(batch.clone());
        if let (Ok(_), Some(onward)) = (&done, self.onward.get()) {
            onward.acknowledged();
        }
        let now = self.clock.now_ms();
        let mut queue = self.lock();
        match done {
            Ok(_) => {
                if let Some((why, since)) = queue.status.failing.take() {
                    tracing::info!(%why, since = since.0, "the store takes samples again");
                }
                queue.status.committed_until = Some(seq);
                queue.status.committed_at = Some(now);
                queue.status.stored += count;
            }
            Err(why) => {
                queue.fail(&why, now);
                queue.batch = Some(batch);
            }
        }
    }

    /// Tells the store of the series that it could not be told of before.
    fn register(&self) -> Result<(), store::Error> {
        let mut owed = self.owed.lock().expect("no holder of this lock can panic");
        if !owed.is_empty() {
            self.samples.register(&owed)?;
            *owed = Vec::new();
        }
        Ok(())
    }

    fn next(&self) -> Option<Batch> {
        let mut queue = self.lock();
        if let Some(failed) = queue.batch.take() {
            return Some(failed);
        }
        if queue.waiting.is_empty() {
            return None;
        }
        let samples = std::mem::take(&mut queue.waiting).into();
        let seq = queue.next_seq;
        queue.next_seq += 1;
        Some(Batch { source: SOURCE, seq, samples })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no holder of this lock can panic")
    }
}

impl Queue {
    /// Notes that the store fails, and says it where it did not before.
    fn fail(&mut self, why: &store::Error, now: UnixMs) {
        let since = self.status.failing.as_ref().map(|(_, since)| *since);
        if since.is_none() {
            tracing::error!(%why, "the store does not take samples; probing goes on");
        }
        self.status.failing = Some((why.to_string(), since.unwrap_or(now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Labels, ManualClock, Metric, SeriesId, UnixNs};
    use store::{Appended, Error, RangeAnswer, RangeQuery, Retention};

    /// A store that fails so many times before it takes something.
    #[derive(Debug, Default)]
    struct Moody {
        failures: Mutex<u32>,
        taken: Mutex<Vec<Batch>>,
        known: Mutex<Vec<Series>>,
    }

    impl Moody {
        fn write(&self) -> Result<(), Error> {
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(Error::Full { what: "append", path: "samples.db".into() });
            }
            Ok(())
        }
    }

    impl Samples for Moody {
        fn append(&self, batch: Batch) -> Result<Appended, Error> {
            self.write()?;
            self.taken.lock().unwrap().push(batch);
            Ok(Appended::Committed)
        }
        fn register(&self, series: &[Series]) -> Result<(), Error> {
            self.write()?;
            self.known.lock().unwrap().extend_from_slice(series);
            Ok(())
        }
        fn range(&self, _: &RangeQuery) -> Result<Vec<RangeAnswer>, Error> {
            unreachable!("the feed appends only")
        }
        fn list(&self, _: Option<Metric>) -> Result<Vec<Series>, Error> {
            unreachable!("the feed appends only")
        }
        fn latest(&self, _: &[SeriesId]) -> Result<Vec<Option<(UnixMs, f64)>>, Error> {
            unreachable!("the feed appends only")
        }
        fn retain(&self, _: Retention, _: UnixMs) -> Result<bool, Error> {
            unreachable!("the feed appends only")
        }
        fn stats(&self) -> store::SamplesStats {
            unreachable!("the feed appends only")
        }
        fn committed_until(&self, _: u32) -> Result<Option<u64>, Error> {
            Ok(Some(41))
        }
    }

    fn feed(failures: u32, capacity: usize) -> (Arc<Moody>, Feed) {
        let moody = Arc::new(Moody { failures: Mutex::new(failures), ..Moody::default() });
        let clock = Arc::new(ManualClock::new(UnixNs(7_000_000)));
        let feed = Feed::new(Arc::clone(&moody) as _, clock).unwrap();
        (moody, Feed { capacity, ..feed })
    }

    fn samples(values: std::ops::Range<u32>) -> Vec<Sample> {
        let at = UnixMs(0);
        values.map(|value| Sample { series: SeriesId(1), at, value: value.into() }).collect()
    }

    #[test]
    fn a_failing_store_loses_nothing_and_the_batch_keeps_its_number() {
        let (store, feed) = feed(2, 100);
        feed.push(&mut samples(0..3));
        feed.append();
        feed.push(&mut samples(3..5));
        feed.append();
        let failing = feed.status();
        assert_eq!((failing.waiting, failing.committed_until), (5, Some(41)));
        assert!(failing.failing.unwrap().0.contains("no space left"));
        feed.append();
        feed.append();
        let batches: Vec<_> =
            store.taken.lock().unwrap().iter().map(|b| (b.seq, b.samples.len())).collect();
        assert_eq!(batches, [(42, 3), (43, 2)]);
        let status = feed.status();
        assert_eq!((status.failing, status.stored, status.waiting), (None, 5, 0));
    }

    #[test]
    fn series_that_the_store_could_not_take_come_before_their_samples() {
        let (store, feed) = feed(1, 100);
        let series = Series { metric: Metric::Rtt, labels: Labels::new([("host", "h")]) };
        feed.owe(vec![series.clone()]);
        feed.push(&mut samples(0..3));
        feed.append();
        let status = feed.status();
        assert_eq!((status.waiting, status.failing.is_some()), (3, true));
        assert!(store.taken.lock().unwrap().is_empty(), "samples of a series nobody knows");
        feed.append();
        feed.append();
        assert_eq!(*store.known.lock().unwrap(), [series]);
        assert_eq!(store.taken.lock().unwrap().len(), 1);
        let status = feed.status();
        assert_eq!((status.waiting, status.failing), (0, None));
    }

    #[test]
    fn a_full_queue_gives_up_the_oldest_and_counts_them() {
        let (store, feed) = feed(0, 4);
        feed.push(&mut samples(0..6));
        feed.append();
        assert_eq!(feed.status().dropped, 2);
        assert_eq!(store.taken.lock().unwrap()[0].samples, samples(2..6));
    }

    #[test]
    fn closing_stores_what_is_left() {
        let (store, feed) = feed(0, 4);
        let feed = Arc::new(feed);
        feed.push(&mut samples(0..2));
        let thread = feed.start().unwrap();
        feed.close();
        thread.join().unwrap();
        assert_eq!(store.taken.lock().unwrap().len(), 1);
    }
}
