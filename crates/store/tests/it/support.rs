//! What the tests share: a folder, a clock that stands, series by number.

use std::path::Path;
use std::sync::Arc;

use model::{Labels, ManualClock, Metric, Sample, Series, SeriesId, UnixMs, UnixNs};
use store::{Appended, Batch, RangeAnswer, RangeQuery, Samples, SamplesFile};

/// 2023-11-14 22:13:20 UTC, a whole minute and 20 s.
pub(crate) const START: i64 = 1_700_000_000_000;

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(UnixNs(START * 1_000_000)))
}

pub(crate) fn series(number: usize) -> Series {
    Series { metric: Metric::Rtt, labels: Labels::new([("host", format!("h{number}"))]) }
}

pub(crate) fn open(dir: &Path) -> SamplesFile {
    SamplesFile::open(dir, clock()).unwrap()
}

/// Opens the file and registers that many series.
pub(crate) fn open_with(dir: &Path, count: usize) -> (SamplesFile, Vec<SeriesId>) {
    let file = open(dir);
    let all: Vec<Series> = (0..count).map(series).collect();
    file.register(&all).unwrap();
    (file, all.iter().map(Series::id).collect())
}

pub(crate) fn sample(series: SeriesId, at: i64, value: f64) -> Sample {
    Sample { series, at: UnixMs(at), value }
}

pub(crate) fn append(file: &SamplesFile, seq: u64, samples: Vec<Sample>) {
    assert_eq!(file.append(Batch { source: 0, seq, samples }).unwrap(), Appended::Committed);
}

/// All samples of a series, whenever they were.
pub(crate) fn all(file: &SamplesFile, series: SeriesId) -> Vec<(i64, f64)> {
    let query = RangeQuery {
        series: vec![series],
        from: UnixMs(0),
        until: UnixMs(i64::MAX),
        step: None,
        exact: true,
    };
    match file.range(&query).unwrap().remove(0) {
        RangeAnswer::Samples(samples) => {
            samples.into_iter().map(|(at, value)| (at.0, value)).collect()
        }
        RangeAnswer::Buckets(_) => panic!("asked for samples"),
    }
}
