//! Where netmend remembers: [`Samples`] (series over time) and [`State`] (records that change). The only
//! crate that knows SQL. A call that returns `Ok` has been fsynced: that is what *acknowledged* means.

use std::num::NonZeroU32;
use std::time::Duration;

use model::{Metric, Sample, Series, SeriesId, UnixMs};

/// Samples from one source. The local prober is source 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Who measured: 0 is this process, others are agents.
    pub source: u32,
    /// Number of the batch within its source, ascending; a batch that was already stored is `Duplicate`.
    pub seq: u64,
    /// The samples, in any order. Their series must be known ([`Samples::register`]).
    pub samples: Vec<Sample>,
}

/// What [`Samples::append`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// On disk.
    Committed,
    /// It had been on disk already; nothing was written.
    Duplicate,
}

/// A question about series over a span of time.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeQuery {
    /// Which series.
    pub series: Vec<SeriesId>,
    /// First millisecond.
    pub from: UnixMs,
    /// First millisecond after the span.
    pub until: UnixMs,
    /// Width of a bucket; `None` answers with the samples themselves.
    pub step: Option<Duration>,
}

/// Answer for one series, in the order of the query.
#[derive(Clone, Debug, PartialEq)]
pub enum RangeAnswer {
    /// The samples themselves, ascending by time.
    Samples(Vec<(UnixMs, f64)>),
    /// Buckets that hold at least one sample, ascending.
    Buckets(Vec<Bucket>),
}

/// Summary of the samples of one series in one bucket. Percentiles are those of the samples themselves
/// where raw samples are still kept, else merged from the one-minute rollups and marked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// First millisecond of the bucket.
    pub at: UnixMs,
    /// Samples in it.
    pub count: NonZeroU32,
    /// Smallest value.
    pub min: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Largest value.
    pub max: f64,
    /// 10th percentile.
    pub p10: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Whether the percentiles are merged from rollups instead of computed from samples.
    pub merged: bool,
}

/// How long and how much to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Age after which samples go.
    pub raw: Duration,
    /// Age after which one-minute rollups go.
    pub rollup: Duration,
    /// Size of the database on disk above which the oldest samples go first.
    pub max_bytes: u64,
}

/// Series over time. Calls block: callers in async code use `spawn_blocking`.
pub trait Samples: Send + Sync {
    /// Makes series known, so that their samples can be listed by name. Idempotent.
    fn register(&self, series: &[Series]) -> Result<(), Error>;

    /// Stores a batch; returns after it is on disk.
    fn append(&self, batch: Batch) -> Result<Appended, Error>;

    /// Answers a question about a span of time.
    fn range(&self, query: &RangeQuery) -> Result<Vec<RangeAnswer>, Error>;

    /// All series known of a metric, or of all metrics.
    fn list(&self, metric: Option<Metric>) -> Result<Vec<Series>, Error>;

    /// The newest sample of each series.
    fn latest(&self, series: &[SeriesId]) -> Result<Vec<Option<(UnixMs, f64)>>, Error>;

    /// Drops what is older or larger than `keep`, a slice at a time.
    fn retain(&self, keep: Retention, now: UnixMs) -> Result<(), Error>;

    /// Highest batch number on disk of a source.
    fn committed_until(&self, source: u32) -> Result<Option<u64>, Error>;
}

/// Records that change: marks now, and with later capabilities events, runs, alerts. A new kind of record
/// is one [`Change`] variant and one SQL file.
pub trait State: Send + Sync {
    /// Applies all changes in one transaction, or none of them.
    fn apply(&self, changes: Vec<Change>) -> Result<Applied, Error>;

    /// Finds records, newest first.
    fn find(&self, query: &Query) -> Result<Vec<Record>, Error>;

    /// Records whose revision is above `since`, oldest first.
    fn changes(&self, since: u64) -> Result<Vec<Record>, Error>;
}

/// What [`State::apply`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// On disk, up to this revision.
    Done(u64),
    /// A record was not as the change expected; nothing was written.
    Conflict,
}

/// One change of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Remember that something noteworthy happened.
    Mark(Mark),
}

/// Something noteworthy that happened to the daemon or a target, drawn on charts: started, stopped,
/// configuration reloaded, address of a target changed, clock stepped, probing method changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: UnixMs,
    /// To whom: a host as in the targets file, or `netmend` itself.
    pub subject: String,
    /// What kind, from a small fixed set of words, for instance `address` or `reload`.
    pub kind: String,
    /// What happened, one sentence.
    pub text: String,
}

/// Which records to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Marks of a subject, or of all, in a span of time.
    Marks {
        /// `None` finds the marks of all subjects.
        subject: Option<String>,
        /// First millisecond.
        from: UnixMs,
        /// First millisecond after the span.
        until: UnixMs,
        /// At most this many.
        limit: u32,
    },
}

/// A stored record with its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Ascends over all records with each change.
    pub revision: u64,
    /// The record.
    pub value: Value,
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A mark.
    Mark(Mark),
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk is full or a quota was reached; nothing was written, later calls may succeed.
    #[error("{what}: no space left on the disk of {path}")]
    Full {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: String,
    },
    /// Another failure of SQLite or the file system.
    #[error("{what} in {path}: {source}")]
    Database {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: String,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// The database was written by a newer netmend.
    #[error(
        "{path} has schema version {found}, this netmend knows up to {known}: start the newer netmend, or restore a backup"
    )]
    Newer {
        /// Which file.
        path: String,
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
    /// Stored bytes that do not decode.
    #[error("{what} in {path} is damaged: {why}")]
    Damaged {
        /// What was read.
        what: &'static str,
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}
