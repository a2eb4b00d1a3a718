//! What the writer, the sealer, readers and callers see of each other.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use model::{Clock, SeriesId, UnixMs};
use rusqlite::Connection;

use super::heads::Heads;
use crate::error::{Error, Site};
use crate::file;
use crate::samples::SamplesStats;

/// State shared by all threads of one samples file.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) site: Site,
    pub(crate) clock: Arc<dyn Clock>,
    heads: RwLock<Heads>,
    numbers: RwLock<HashMap<SeriesId, u32, BuildHasherDefault<IdHasher>>>,
    sources: RwLock<HashMap<u32, u64>>,
    idle: Mutex<Vec<Connection>>,
    pub(crate) counters: Counters,
}

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) samples: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) chunks: AtomicU64,
    pub(crate) sealing_failed: AtomicU64,
}

impl Counters {
    /// Adds to one of them.
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// A series identity is a hash already; its low half serves as is.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.0 = self.0.rotate_left(5) ^ u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }
}

const POISON: &str = "no holder of this lock panics: they only move data";

impl Shared {
    /// What is shared about one file, empty as yet.
    pub(crate) fn new(site: Site, clock: Arc<dyn Clock>) -> Self {
        Self {
            site,
            clock,
            heads: RwLock::default(),
            numbers: RwLock::default(),
            sources: RwLock::default(),
            idle: Mutex::default(),
            counters: Counters::default(),
        }
    }

    /// The heads, to look.
    pub(crate) fn heads(&self) -> RwLockReadGuard<'_, Heads> {
        self.heads.read().expect(POISON)
    }

    /// The heads, to change: the writer thread alone.
    pub(crate) fn heads_mut(&self) -> RwLockWriteGuard<'_, Heads> {
        self.heads.write().expect(POISON)
    }

    /// Numbers of series in the file, 0 for those that are unknown.
    pub(crate) fn numbers(&self, ids: impl Iterator<Item = SeriesId>) -> Vec<u32> {
        let numbers = self.numbers.read().expect(POISON);
        ids.map(|id| numbers.get(&id).copied().unwrap_or(0)).collect()
    }

    /// How many series are known.
    pub(crate) fn count(&self) -> u64 {
        self.numbers.read().expect(POISON).len() as u64
    }

    /// Runs `look` with a lookup of series numbers that takes its lock once.
    pub(crate) fn with_numbers<R>(
        &self,
        look: impl FnOnce(&dyn Fn(SeriesId) -> Option<u32>) -> R,
    ) -> R {
        let numbers = self.numbers.read().expect(POISON);
        look(&|id| numbers.get(&id).copied())
    }

    /// Makes series known whose rows are on disk.
    pub(crate) fn know(&self, series: impl Iterator<Item = (SeriesId, u32)>) {
        let mut heads = self.heads_mut();
        let mut numbers = self.numbers.write().expect(POISON);
        for (id, number) in series {
            heads.grow_to(number);
            numbers.insert(id, number);
        }
    }

    /// Highest batch on disk of a source.
    pub(crate) fn committed(&self, source: u32) -> Option<u64> {
        self.sources.read().expect(POISON).get(&source).copied()
    }

    /// Notes the highest batch on disk of a source.
    pub(crate) fn set_committed(&self, source: u32, seq: u64) {
        self.sources.write().expect(POISON).insert(source, seq);
    }

    /// The newest sample of each series.
    pub(crate) fn latest(&self, series: &[SeriesId]) -> Vec<Option<(UnixMs, f64)>> {
        let numbers = self.numbers(series.iter().copied());
        let heads = self.heads();
        let newest = |number| heads.newest(number).map(|(at, value)| (UnixMs(at), value));
        numbers.into_iter().map(newest).collect()
    }

    /// Figures of the file and of what was done with it.
    pub(crate) fn stats(&self) -> SamplesStats {
        let counters = &self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (unsealed, memory) = {
            let heads = self.heads();
            (heads.samples(), heads.memory())
        };
        SamplesStats {
            series: self.count(),
            samples: read(&counters.samples),
            batches: read(&counters.batches),
            duplicates: read(&counters.duplicates),
            refused: read(&counters.refused),
            failed: read(&counters.failed),
            commits: read(&counters.commits),
            chunks: read(&counters.chunks),
            sealing_failed: read(&counters.sealing_failed),
            unsealed,
            memory,
        }
    }

    /// A connection that reads, returned to the pool when dropped.
    pub(crate) fn reader(&self) -> Result<Reader<'_>, Error> {
        let pooled = self.pool().pop();
        let db = match pooled {
            Some(db) => db,
            None => file::open_reader(self.site.path())?,
        };
        Ok(Reader { db: Some(db), shared: self })
    }

    fn pool(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().expect(POISON)
    }
}

/// A reading connection on loan.
pub(crate) struct Reader<'a> {
    db: Option<Connection>,
    shared: &'a Shared,
}

/// Most reading connections kept open while nobody asks.
const IDLE: usize = 4;

impl std::ops::Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.db.as_ref().expect("taken in drop only")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let Some(db) = self.db.take() else { return };
        // A question that failed midway may have left its transaction open.
        if !db.is_autocommit() && db.execute_batch("ROLLBACK").is_err() {
            return;
        }
        let mut idle = self.shared.pool();
        if idle.len() < IDLE {
            idle.push(db);
        }
    }
}
