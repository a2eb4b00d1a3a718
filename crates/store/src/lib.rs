//! Where netmend remembers: [`Samples`] (series over time) and [`State`] (records that change). The only
//! crate that knows SQL. A call that returns `Ok` has been fsynced: that is what *acknowledged* means.

use std::num::NonZeroU32;
use std::time::Duration;

use model::{Sample, Series, SeriesId, UnixMs};

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
