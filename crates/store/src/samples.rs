//! The seam for series over time: the trait [`Samples`] and the types it speaks. No SQL, no threads: a
//! second implementation would only need this file.

use std::num::NonZeroU32;
use std::time::Duration;

use model::{Metric, Sample, Series, SeriesId, UnixMs};

use crate::error::Error;

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

/// A question about series over a span of time. Where one-minute rollups answer it, which [`Bucket::merged`]
/// tells, a minute that the span touches counts whole.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeQuery {
    /// Which series.
    pub series: Vec<SeriesId>,
    /// First millisecond.
    pub from: UnixMs,
    /// First millisecond after the span.
    pub until: UnixMs,
    /// Width of a bucket, at least 1 ms; `None` answers with the samples themselves, as far as they are
    /// still kept. Buckets start at multiples of the width since 1970, whatever `from` is, so that a
    /// chart keeps its shape while time moves on.
    pub step: Option<Duration>,
    /// Whether percentiles shall be those of the samples, which must be unpacked for it. If not, a step of
    /// whole minutes is answered from one-minute rollups, many times faster: count, smallest, mean and
    /// largest value are the same, percentiles are merged and close.
    pub exact: bool,
}

/// Answer for one series, in the order of the query.
#[derive(Clone, Debug, PartialEq)]
pub enum RangeAnswer {
    /// The samples themselves, ascending by time.
    Samples(Vec<(UnixMs, f64)>),
    /// Buckets that hold at least one sample, ascending.
    Buckets(Vec<Bucket>),
}

/// Summary of the samples of one series in one bucket. Percentiles (nearest rank) are those of the samples
/// themselves; they are merged from one-minute rollups, and marked, where the samples are no longer kept
/// or where the question covers more than a million of them in steps of whole minutes, or does not ask for
/// [exact](RangeQuery::exact) ones. Count, smallest,
/// mean and largest value are exact either way.
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

impl Default for Retention {
    /// Samples for 30 days, rollups for 400, at most 20 GB.
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self { raw: 30 * DAY, rollup: 400 * DAY, max_bytes: 20_000_000_000 }
    }
}

/// What the store has done since the start and what it holds in memory. For `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SamplesStats {
    /// Series known.
    pub series: u64,
    /// Samples on disk since the start.
    pub samples: u64,
    /// Batches taken in; some of them may have failed.
    pub batches: u64,
    /// Batches that had been on disk already.
    pub duplicates: u64,
    /// Batches refused for a wrong sample.
    pub refused: u64,
    /// Batches that could not be written, for instance because the disk was full.
    pub failed: u64,
    /// Commits, each one sync of the disk.
    pub commits: u64,
    /// Chunks written.
    pub chunks: u64,
    /// Sealing transactions that failed and were or will be tried again.
    pub sealing_failed: u64,
    /// Samples in the journal and in memory that are in no chunk yet.
    pub unsealed: u64,
    /// Bytes of memory of those and of the series' newest samples.
    pub memory: u64,
}

/// Series over time. Calls block: callers in async code use `spawn_blocking`.
pub trait Samples: Send + Sync {
    /// Makes series known, so that their samples can be listed by name. Idempotent.
    fn register(&self, series: &[Series]) -> Result<(), Error>;

    /// Stores a batch; returns after it is on disk. A batch with a sample that is not finite, has no sane
    /// time or belongs to an unknown series is refused whole; its number is not used up.
    fn append(&self, batch: Batch) -> Result<Appended, Error>;

    /// Answers a question about a span of time.
    fn range(&self, query: &RangeQuery) -> Result<Vec<RangeAnswer>, Error>;

    /// All series known of a metric, or of all metrics.
    fn list(&self, metric: Option<Metric>) -> Result<Vec<Series>, Error>;

    /// The newest sample of each series, by time; from memory.
    fn latest(&self, series: &[SeriesId]) -> Result<Vec<Option<(UnixMs, f64)>>, Error>;

    /// Drops some of what is older or larger than `keep`, one short slice; `true` if that was all. There may
    /// be hours of it after `keep` was changed, so whoever calls has to look up in between.
    fn retain(&self, keep: Retention, now: UnixMs) -> Result<bool, Error>;

    /// Highest batch number on disk of a source.
    fn committed_until(&self, source: u32) -> Result<Option<u64>, Error>;

    /// Counters and sizes.
    fn stats(&self) -> SamplesStats;
}
