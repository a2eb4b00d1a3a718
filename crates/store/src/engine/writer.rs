//! The one thread that changes the samples file. It commits all batches that are queued in one
//! transaction, answers them after the sync, and between commits moves finished chunks from the sealer
//! into the file.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::time::Duration;

use model::{Series, UnixMs};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::heads::Frozen;
use super::load::{self, Ledger};
use super::retention;
use super::sealer::{Job, Sealed};
use super::shared::{Counters, Shared};
use crate::codec::journal;
use crate::error::{Error, Site};
use crate::file;
use crate::samples::{Appended, Retention};

/// Where an answer goes. Its reader may have gone away, which is its own affair.
pub(crate) type Reply<T> = SyncSender<Result<T, Error>>;

/// What callers ask of the writer.
pub(crate) enum Command {
    /// Store a batch.
    Append { source: u32, seq: u64, count: u64, samples: journal::Writer, reply: Reply<Appended> },
    /// Make series known.
    Register { series: Vec<Series>, reply: Reply<()> },
    /// Put everything into chunks now.
    Seal { reply: Reply<()> },
    /// Drop what need not be kept, one slice; answers whether that was all.
    Retain { keep: Retention, now: UnixMs, reply: Reply<bool> },
    /// The sealer has finished something.
    Wake,
    /// End, after all that was asked before.
    Close,
}

/// How long the writer sleeps when nothing happens.
const IDLE: Duration = Duration::from_secs(1);
/// Journal bytes after which a group is committed although more is queued.
const GROUP: usize = 2 << 20;
/// Most series in one sealing transaction, which keeps it within its slice of time.
const JOB: usize = 256;
/// Bytes of journal rows deleted in one transaction.
const TRIM: u64 = 4 << 20;
/// Journal bytes above which series are sealed early: bounds the file and the time to start again.
const JOURNAL: u64 = 256 << 20;
/// Samples in no chunk above which new ones wait for the sealer: bounds memory.
const UNSEALED: u64 = 64 << 20;
/// Time between two looks for series that are old.
const LOOK: Duration = Duration::from_secs(10);
/// Time until chunks that could not be committed are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The writer's own state.
pub(crate) struct Writer {
    db: Connection,
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    jobs: SyncSender<Job>,
    sealed: Receiver<Sealed>,
    /// The newest journal row.
    row: i64,
    /// Rows in the journal and their bytes, oldest first.
    journal: VecDeque<(i64, u64)>,
    journal_bytes: u64,
    /// The newest sealing transaction in the file.
    generation: i64,
    /// A job is with the sealer.
    sealing: bool,
    /// Chunks that could not be committed, and when to try again.
    uncommitted: Option<(Sealed, Duration)>,
    looked: Duration,
}

/// Batches that will share one commit.
#[derive(Default)]
struct Group {
    row: Vec<u8>,
    samples: u64,
    newest: HashMap<u32, u64>,
    replies: Vec<(Reply<Appended>, Appended)>,
}

impl Writer {
    /// Reads the file's present state into `shared` and stands ready to [`Writer::run`].
    pub(crate) fn new(
        db: Connection,
        shared: Arc<Shared>,
        commands: Receiver<Command>,
        jobs: SyncSender<Job>,
        sealed: Receiver<Sealed>,
    ) -> Result<Self, Error> {
        db.set_prepared_statement_cache_capacity(32);
        let now = shared.clock.monotonic();
        let Ledger { generation, row, journal, journal_bytes } =
            load::load(&db, &shared.site, now)?.share(&shared);
        Ok(Self {
            db,
            commands,
            jobs,
            sealed,
            row,
            journal,
            journal_bytes,
            generation,
            sealing: false,
            uncommitted: None,
            looked: now,
            shared,
        })
    }

    /// Works until told to close, and leaves an empty log.
    pub(crate) fn run(mut self) {
        loop {
            let first = match self.commands.recv_timeout(IDLE) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if !self.serve(first) {
                break;
            }
            self.maintain();
        }
        file::empty_log(&self.db);
    }

    /// Handles `first` and what is queued behind it; `false` means close.
    fn serve(&mut self, first: Option<Command>) -> bool {
        let mut group = Group::default();
        let mut next = first;
        let mut open = true;
        while let Some(command) = next {
            match command {
                Command::Append { source, seq, count, samples, reply } => {
                    group.add(&self.shared, (source, seq), count, &samples, reply);
                }
                Command::Wake => {}
                Command::Close => open = false,
                other => {
                    self.commit(std::mem::take(&mut group));
                    self.administer(other);
                }
            }
            if !open || group.row.len() >= GROUP {
                break;
            }
            next = match self.commands.try_recv() {
                Ok(command) => Some(command),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => {
                    open = false;
                    None
                }
            };
        }
        self.commit(group);
        open
    }

    fn administer(&mut self, command: Command) {
        match command {
            Command::Register { series, reply } => {
                drop(reply.send(self.register(&series)));
            }
            Command::Seal { reply } => drop(reply.send(self.seal_all())),
            Command::Retain { keep, now, reply } => {
                let Self { db, shared, .. } = self;
                let done = retention::slice(db, &shared.site, &*shared.clock, keep, now);
                drop(reply.send(done));
            }
            Command::Append { .. } | Command::Wake | Command::Close => {}
        }
    }

    /// Puts a group on disk, then into the heads, then answers.
    fn commit(&mut self, group: Group) {
        let Group { row, samples, newest, replies } = group;
        if replies.is_empty() {
            return;
        }
        let counters = &self.shared.counters;
        if row.is_empty() && newest.is_empty() {
            answer(replies, &Ok(()));
            return;
        }
        let result = write_group(&mut self.db, &self.shared.site, self.row + 1, &row, &newest);
        if result.is_ok() {
            self.row += 1;
            self.journal.push_back((self.row, row.len() as u64));
            self.journal_bytes += row.len() as u64;
            let now = self.shared.clock.monotonic();
            let mut heads = self.shared.heads_mut();
            journal::read(&row, |series, at, value| heads.push(series, self.row, now, at, value))
                .expect("this process wrote the row");
            drop(heads);
            for (source, seq) in newest {
                self.shared.set_committed(source, seq);
            }
            Counters::add(&counters.commits, 1);
            Counters::add(&counters.samples, samples);
        } else {
            Counters::add(&counters.failed, replies.len() as u64);
        }
        answer(replies, &result);
    }

    fn register(&mut self, series: &[Series]) -> Result<(), Error> {
        let site = &self.shared.site;
        let fail = |source| Error::sqlite("register series", site.path(), source);
        let unit = begin(&mut self.db, site)?;
        let mut known = Vec::with_capacity(series.len());
        {
            let mut insert = unit
                .prepare_cached(
                    "INSERT INTO series (id, metric, labels) VALUES (?1, ?2, ?3)
                     ON CONFLICT (id) DO NOTHING",
                )
                .map_err(fail)?;
            let mut find =
                unit.prepare_cached("SELECT num FROM series WHERE id = ?1").map_err(fail)?;
            for series in series {
                let id = series.id();
                let labels =
                    serde_json::to_string(&series.labels).expect("a map of strings is always JSON");
                insert
                    .execute(params![id.to_bytes(), series.metric.as_str(), labels])
                    .map_err(fail)?;
                known.push((id, find.query_row([id.to_bytes()], |row| row.get(0)).map_err(fail)?));
            }
        }
        unit.commit().map_err(fail)?;
        self.shared.know(known.into_iter());
        Ok(())
    }

    /// What is done between commits: chunks into the file, heads to the sealer.
    fn maintain(&mut self) {
        if let Ok(sealed) = self.sealed.try_recv() {
            drop(self.store(sealed)); // counted, logged and tried again
        }
        let now = self.shared.clock.monotonic();
        if let Some((_, retry)) = &self.uncommitted
            && now >= *retry
            && let Some((sealed, _)) = self.uncommitted.take()
        {
            drop(self.store(sealed));
        }
        self.dispatch(now);
        while self.sealing && self.shared.heads().samples() > UNSEALED {
            let Ok(sealed) = self.sealed.recv() else { return };
            drop(self.store(sealed));
            self.dispatch(now);
        }
    }

    /// Hands the next heads to the sealer, if it is free.
    fn dispatch(&mut self, now: Duration) {
        if self.sealing || self.uncommitted.is_some() {
            return;
        }
        let mut wanted = self.shared.heads_mut().take_full(JOB);
        if wanted.len() < JOB && now.saturating_sub(self.looked) >= LOOK {
            wanted.extend(self.shared.heads().old(now, JOB - wanted.len()));
            // There may be more of them: look again at once.
            if wanted.len() < JOB {
                self.looked = now;
            }
        }
        if wanted.len() < JOB && self.journal_bytes > JOURNAL {
            let row = self.row_to_free();
            wanted.extend(self.shared.heads().holding(row, JOB - wanted.len()));
        }
        self.send(wanted, false);
    }

    /// The journal row up to which rows must go for the journal to be well within its limit.
    fn row_to_free(&self) -> i64 {
        let mut left = self.journal_bytes;
        let rows = self.journal.iter();
        let gone = rows.take_while(|&&(_, bytes)| {
            left = left.saturating_sub(bytes);
            left > JOURNAL / 2
        });
        gone.last().map_or(0, |&(row, _)| row)
    }

    fn send(&mut self, wanted: Vec<u32>, merge: bool) {
        let generation = self.generation + 1;
        let mut all = self.shared.heads_mut();
        let freeze = |series| -> Option<(u32, Arc<Frozen>)> {
            Some((series, all.freeze(series, generation, self.row)?))
        };
        let heads: Vec<_> = wanted.into_iter().filter_map(freeze).collect();
        drop(all);
        // The sealer ends after the writer; were it gone, the samples would stay safe in the journal.
        self.sealing = !heads.is_empty() && self.jobs.send(Job { heads, merge }).is_ok();
    }

    /// Commits finished chunks, or keeps them for later: their samples stay in memory and the journal.
    fn store(&mut self, sealed: Sealed) -> Result<(), Error> {
        self.sealing = false;
        if let Err(error) = self.try_store(&sealed) {
            tracing::warn!(%error, "chunks wait to be written");
            Counters::add(&self.shared.counters.sealing_failed, 1);
            self.uncommitted = Some((sealed, self.shared.clock.monotonic() + RETRY));
            return Err(error);
        }
        self.generation = sealed.generation;
        let mut heads = self.shared.heads_mut();
        for series in &sealed.series {
            heads.thaw(series.series);
        }
        Ok(())
    }

    fn try_store(&mut self, sealed: &Sealed) -> Result<(), Error> {
        let site = &self.shared.site;
        let oldest = self.shared.heads().oldest_row_after(sealed.generation);
        let (mut rows, mut bytes) = (0_usize, 0);
        for &(row, size) in &self.journal {
            if bytes > TRIM || oldest.is_some_and(|oldest| row >= oldest) {
                break;
            }
            rows += 1;
            bytes += size;
        }
        let unit = begin(&mut self.db, site)?;
        write_chunks(&unit, sealed).map_err(site.fail("write chunks"))?;
        if let Some(&(row, _)) = rows.checked_sub(1).and_then(|last| self.journal.get(last)) {
            unit.execute("DELETE FROM journal WHERE num <= ?1", [row])
                .map_err(site.fail("trim the journal"))?;
        }
        unit.commit().map_err(site.fail("write chunks"))?;
        self.journal.drain(..rows);
        self.journal_bytes -= bytes;
        let chunks = sealed.series.iter().map(|series| series.chunks.len() as u64).sum();
        Counters::add(&self.shared.counters.chunks, chunks);
        Ok(())
    }

    fn seal_all(&mut self) -> Result<(), Error> {
        loop {
            if let Some((sealed, _)) = self.uncommitted.take() {
                self.store(sealed)?;
            }
            if self.sealing {
                let sealed = self.sealed.recv().map_err(|_| Error::Closed)?;
                self.store(sealed)?;
                continue;
            }
            let wanted = self.shared.heads().holding(i64::MAX, JOB);
            if wanted.is_empty() {
                break;
            }
            self.send(wanted, true);
        }
        while !self.journal.is_empty() {
            self.try_store(&Sealed { generation: self.generation, series: Vec::new() })?;
        }
        file::give_back(&self.db, &self.shared.site, u32::MAX >> 1)?;
        file::empty_log(&self.db);
        Ok(())
    }
}

impl Group {
    fn add(
        &mut self,
        shared: &Shared,
        (source, seq): (u32, u64),
        count: u64,
        samples: &journal::Writer,
        reply: Reply<Appended>,
    ) {
        let newest = self.newest.get(&source).copied().or_else(|| shared.committed(source));
        if newest.is_some_and(|newest| seq <= newest) {
            Counters::add(&shared.counters.duplicates, 1);
            self.replies.push((reply, Appended::Duplicate));
            return;
        }
        samples.append_to(&mut self.row);
        self.samples += count;
        self.newest.insert(source, seq);
        self.replies.push((reply, Appended::Committed));
        Counters::add(&shared.counters.batches, 1);
    }
}

/// Answers all batches of a group. A duplicate in a group that failed has failed too: what it repeats
/// may be in the same group.
fn answer(replies: Vec<(Reply<Appended>, Appended)>, result: &Result<(), Error>) {
    for (reply, appended) in replies {
        drop(reply.send(result.clone().map(|()| appended)));
    }
}

fn begin<'a>(db: &'a mut Connection, site: &Site) -> Result<Transaction<'a>, Error> {
    db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(site.fail("begin"))
}

fn write_group(
    db: &mut Connection,
    site: &Site,
    row: i64,
    data: &[u8],
    newest: &HashMap<u32, u64>,
) -> Result<(), Error> {
    let fail = |source| Error::sqlite("append samples", site.path(), source);
    let unit = begin(db, site)?;
    unit.prepare_cached("INSERT INTO journal (num, data) VALUES (?1, ?2)")
        .and_then(|mut insert| insert.execute(params![row, data]))
        .map_err(fail)?;
    for (source, seq) in newest {
        unit.prepare_cached(
            "INSERT INTO source (source, seq) VALUES (?1, ?2)
             ON CONFLICT (source) DO UPDATE SET seq = excluded.seq",
        )
        .and_then(|mut upsert| upsert.execute(params![source, seq.cast_signed()]))
        .map_err(fail)?;
    }
    unit.commit().map_err(fail)
}

fn write_chunks(unit: &Transaction<'_>, sealed: &Sealed) -> rusqlite::Result<()> {
    let mut delete = unit.prepare_cached("DELETE FROM chunk WHERE num = ?1")?;
    let mut insert = unit.prepare_cached(
        "INSERT INTO chunk (series, first, last, count, rollup, raw) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut note = unit.prepare_cached(
        "INSERT OR REPLACE INTO sealed (series, journal, at, value) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for done in &sealed.series {
        for num in &done.replaced {
            delete.execute([num])?;
        }
        for chunk in &done.chunks {
            let (first, last, count) = (chunk.first, chunk.last, chunk.count);
            insert.execute(params![done.series, first, last, count, chunk.rollup, chunk.raw])?;
        }
        let (at, value) = done.frozen.newest;
        note.execute(params![done.series, done.frozen.through, at, value])?;
    }
    unit.execute("UPDATE sealing SET generation = ?1", [sealed.generation])?;
    Ok(())
}
