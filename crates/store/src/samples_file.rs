//! [`Samples`] on `samples.db`: starts and stops the engine's threads and checks what callers hand in.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use model::{Clock, Metric, Series, SeriesId, UnixMs};

use crate::codec::journal;
use crate::engine::load;
use crate::engine::reader;
use crate::engine::sealer;
use crate::engine::shared::{Counters, Shared};
use crate::engine::writer::{Command, Reply, Writer};
use crate::error::{Error, Site};
use crate::file::{self, Schema};
use crate::samples::{Appended, Batch, RangeAnswer, RangeQuery, Retention, Samples, SamplesStats};

/// The versions of `samples.db`.
pub(crate) const SCHEMA: Schema = Schema {
    file: "samples.db",
    application: 0x6e6d_5331, // "nmS1"
    // Chunks of about 5 kB fill whole overflow pages but for their first part: the smaller the page, the
    // less that part wastes. Pages of 4 kB and 8 kB were a fifth empty.
    page: 2048,
    steps: &[include_str!("sql/samples/0001-start.sql")],
};

/// Commands that may wait for the writer.
const QUEUE: usize = 256;
/// Last millisecond of the year 9999.
const LAST_MS: i64 = 253_402_300_799_999;

/// Series over time in one SQLite file.
#[derive(Debug)]
pub struct SamplesFile {
    shared: Arc<Shared>,
    commands: SyncSender<Command>,
    threads: Vec<JoinHandle<()>>,
}

impl SamplesFile {
    /// Opens or creates `dir/samples.db`, migrates it if it is older, and rebuilds from its journal what
    /// was in memory.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let db = file::open_writer(dir, &SCHEMA, &*clock)?;
        let path = dir.join(SCHEMA.file);
        let shared = Arc::new(Shared::new(Site::new(&path), clock));
        let (commands, inbox) = sync_channel(QUEUE);
        let (jobs, job_inbox) = sync_channel(1);
        let (done, done_inbox) = sync_channel(1);
        let writer = Writer::new(db, Arc::clone(&shared), inbox, jobs, done_inbox)?;
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(|source| Error::file("start a thread for", &path, source))
        };
        let seal_side = (Arc::clone(&shared), commands.clone());
        let threads = vec![
            spawn("samples-writer", Box::new(move || writer.run()))?,
            spawn(
                "samples-sealer",
                Box::new(move || {
                    let (shared, wake) = seal_side;
                    // A full queue means that the writer is awake.
                    sealer::run(&shared, &job_inbox, &done, &|| drop(wake.try_send(Command::Wake)));
                }),
            )?,
        ];
        Ok(Self { shared, commands, threads })
    }

    /// Packs everything into chunks, as large as they would become in time, and empties the journal. For
    /// measuring; nothing needs it.
    pub fn seal(&self) -> Result<(), Error> {
        self.ask(|reply| Command::Seal { reply })
    }

    fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = sync_channel(1);
        self.commands.send(command(reply)).map_err(|_| Error::Closed)?;
        answer.recv().map_err(|_| Error::Closed)?
    }

    /// Translates a batch into journal bytes, or says which sample is wrong.
    fn encode(&self, batch: &Batch) -> Result<journal::Writer, Error> {
        let mut samples = journal::Writer::with_capacity(batch.samples.len());
        self.shared.with_numbers(|number| {
            for sample in &batch.samples {
                let (series, at, value) = (sample.series, sample.at, sample.value);
                if !value.is_finite() {
                    return Err(Error::NotFinite { series, at, value });
                }
                if !(0..=LAST_MS).contains(&at.0) {
                    return Err(Error::NotATime { series, at });
                }
                let number = number(series).ok_or(Error::UnknownSeries(series))?;
                samples.push(number, at.0, value);
            }
            Ok(())
        })?;
        Ok(samples)
    }
}

impl Samples for SamplesFile {
    fn register(&self, series: &[Series]) -> Result<(), Error> {
        let known = self.shared.numbers(series.iter().map(Series::id));
        let unknown = series.iter().zip(known).filter(|&(_, number)| number == 0);
        let unknown: Vec<Series> = unknown.map(|(series, _)| series.clone()).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        self.ask(|reply| Command::Register { series: unknown, reply })
    }

    fn append(&self, batch: Batch) -> Result<Appended, Error> {
        let samples =
            self.encode(&batch).inspect_err(|_| Counters::add(&self.shared.counters.refused, 1))?;
        let Batch { source, seq, samples: given } = batch;
        let count = given.len() as u64;
        drop(given);
        self.ask(|reply| Command::Append { source, seq, count, samples, reply })
    }

    fn range(&self, query: &RangeQuery) -> Result<Vec<RangeAnswer>, Error> {
        reader::range(&self.shared, query)
    }

    fn list(&self, metric: Option<Metric>) -> Result<Vec<Series>, Error> {
        reader::list(&self.shared, metric)
    }

    fn latest(&self, series: &[SeriesId]) -> Result<Vec<Option<(UnixMs, f64)>>, Error> {
        Ok(self.shared.latest(series))
    }

    fn retain(&self, keep: Retention, now: UnixMs) -> Result<bool, Error> {
        self.ask(|reply| Command::Retain { keep, now, reply })
    }

    fn committed_until(&self, source: u32) -> Result<Option<u64>, Error> {
        Ok(self.shared.committed(source))
    }

    fn stats(&self) -> SamplesStats {
        self.shared.stats()
    }
}

/// Looks into `samples.db` without changing it. It sees what was there when it was opened: no netmend may run on
/// the folder meanwhile.
#[derive(Debug)]
pub(crate) struct SamplesReader(Shared);

impl SamplesReader {
    /// Opens `dir/samples.db`, which must be of this netmend's version.
    pub(crate) fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let db = file::open_as_is(dir, &SCHEMA)?;
        let shared = Shared::new(Site::new(&dir.join(SCHEMA.file)), clock);
        load::load(&db, &shared.site, shared.clock.monotonic())?.share(&shared);
        Ok(Self(shared))
    }
}

impl Samples for SamplesReader {
    fn register(&self, _: &[Series]) -> Result<(), Error> {
        Err(Error::ReadOnly { what: "register series" })
    }

    fn append(&self, _: Batch) -> Result<Appended, Error> {
        Err(Error::ReadOnly { what: "append samples" })
    }

    fn range(&self, query: &RangeQuery) -> Result<Vec<RangeAnswer>, Error> {
        reader::range(&self.0, query)
    }

    fn list(&self, metric: Option<Metric>) -> Result<Vec<Series>, Error> {
        reader::list(&self.0, metric)
    }

    fn latest(&self, series: &[SeriesId]) -> Result<Vec<Option<(UnixMs, f64)>>, Error> {
        Ok(self.0.latest(series))
    }

    fn retain(&self, _: Retention, _: UnixMs) -> Result<bool, Error> {
        Err(Error::ReadOnly { what: "drop old samples" })
    }

    fn committed_until(&self, source: u32) -> Result<Option<u64>, Error> {
        Ok(self.0.committed(source))
    }

    fn stats(&self) -> SamplesStats {
        self.0.stats()
    }
}

impl Drop for SamplesFile {
    fn drop(&mut self) {
        // Whoever got an answer has it on disk; nobody else was promised anything.
        drop(self.commands.send(Command::Close));
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}
