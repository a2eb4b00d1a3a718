//! Our own side inside one process: appends, questions, restart, memory. No peers, no HTTP.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Sample, SeriesId, SystemClock, UnixMs};
use store::{Batch, RangeAnswer, RangeQuery, Samples, SamplesFile};

use crate::data::{self, END, HOUR, Point, START};
use crate::http;

type Failure = Box<dyn std::error::Error>;

/// Milliseconds of a call.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = SystemClock.monotonic();
    let done = work();
    (done, SystemClock.monotonic().saturating_sub(start).as_secs_f64() * 1e3)
}

/// The median time of seven calls in milliseconds.
pub(crate) fn median(mut work: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let mut times = Vec::new();
    for _ in 0..7 {
        let (done, time) = timed(&mut work);
        done?;
        times.push(time);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[3])
}

pub(crate) fn open(dir: &Path) -> Result<SamplesFile, store::Error> {
    SamplesFile::open(dir, Arc::new(SystemClock))
}

pub(crate) fn ids() -> Vec<SeriesId> {
    (0..data::SERIES).map(|number| data::series(number).id()).collect()
}

/// Appends everything; returns the milliseconds until the last acknowledgement.
pub(crate) fn load(file: &SamplesFile, batches: &[Vec<Point>]) -> Result<f64, store::Error> {
    file.register(&(0..data::SERIES).map(data::series).collect::<Vec<_>>())?;
    let ids = ids();
    let batches: Vec<Batch> = (1..)
        .zip(batches)
        .map(|(seq, points)| {
            let sample = |&(number, at, value): &Point| Sample {
                series: ids[number],
                at: UnixMs(at),
                value,
            };
            Batch { source: 0, seq, samples: points.iter().map(sample).collect() }
        })
        .collect();
    let (done, time) =
        timed(|| batches.into_iter().try_for_each(|batch| file.append(batch).map(drop)));
    done.map(|()| time)
}

/// One series over the day in steps of 5 minutes; `exact`: with the samples' own percentiles.
pub(crate) fn day(file: &SamplesFile, exact: bool) -> Result<Vec<RangeAnswer>, store::Error> {
    ask(file, &ids()[..1], START, Some(Duration::from_mins(5)), exact)
}

/// A thousand series over an hour in steps of 1 minute; likewise.
pub(crate) fn hour(file: &SamplesFile, exact: bool) -> Result<Vec<RangeAnswer>, store::Error> {
    ask(file, &ids(), HOUR, Some(Duration::from_mins(1)), exact)
}

fn ask(
    file: &SamplesFile,
    series: &[SeriesId],
    from: i64,
    step: Option<Duration>,
    exact: bool,
) -> Result<Vec<RangeAnswer>, store::Error> {
    let (from, until) = (UnixMs(from), UnixMs(END));
    file.range(&RangeQuery { series: series.to_vec(), from, until, step, exact })
}

/// Compares everything that is stored with what was generated, bit for bit.
pub(crate) fn check(file: &SamplesFile, batches: &[Vec<Point>]) -> Result<(), Failure> {
    let mut expected = vec![Vec::new(); data::SERIES];
    for &(number, at, value) in batches.iter().flatten() {
        expected[number].push((UnixMs(at), value));
    }
    for (answer, expected) in ask(file, &ids(), START, None, true)?.into_iter().zip(expected) {
        if answer != RangeAnswer::Samples(expected) {
            return Err("what is stored is not what was appended".into());
        }
    }
    Ok(())
}

/// Bytes of all files in a folder and below.
pub(crate) fn bytes(dir: &Path) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // A file may go while its folder is read: it counts nothing.
        let Ok(meta) = entry.metadata() else { continue };
        sum += if meta.is_dir() { bytes(&entry.path())? } else { meta.len() };
    }
    Ok(sum)
}

/// Answers over HTTP what the peers answer over HTTP.
pub(crate) fn serve(address: &str, dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)?;
    let file = open(dir)?;
    http::serve(address, |path| answer(&file, path).map_err(|why| why.to_string()))?;
    Ok(())
}

fn answer(file: &SamplesFile, path: &str) -> Result<Vec<u8>, Failure> {
    let answers = match path {
        "/load" => return Ok(load(file, &data::batches())?.to_string().into_bytes()),
        "/seal" => return Ok(file.seal().map(|()| Vec::new())?),
        "/day" => day(file, false)?,
        "/median" => day(file, true)?,
        "/hour" => hour(file, false)?,
        other => {
            let number: usize = other.trim_start_matches("/all/").parse()?;
            ask(file, &[data::series(number).id()], START, None, true)?
        }
    };
    let mut out = String::from("[");
    for answer in answers {
        match answer {
            RangeAnswer::Samples(samples) => {
                for (at, value) in samples {
                    write!(out, "[{},{value}],", at.0)?;
                }
            }
            RangeAnswer::Buckets(buckets) => {
                for b in buckets {
                    write!(out, "[{}", b.at.0)?;
                    // The hour asks the peers for the mean alone.
                    if path != "/hour" {
                        write!(out, ",{},{}", b.min, b.max)?;
                    }
                    if path == "/median" {
                        write!(out, ",{}", b.p50)?;
                    }
                    write!(out, ",{}],", b.mean)?;
                }
            }
        }
    }
    out.truncate(out.trim_end_matches(',').len());
    out.push(']');
    Ok(out.into_bytes())
}

/// The whole round in this process.
pub(crate) fn run(dir: &Path) -> Result<(), Failure> {
    let batches = data::batches();
    let count: usize = batches.iter().map(Vec::len).sum();
    let file = open(dir)?;
    let ingest = load(&file, &batches)?;
    println!("{count} samples, {:.2} M/s acknowledged", count as f64 / ingest / 1e3);
    println!("{:?}", file.stats());
    let report = |file: &SamplesFile, what: &str| -> Result<(), Failure> {
        for (how, exact) in [("from rollups", false), ("with exact percentiles", true)] {
            let day = median(|| Ok(day(file, exact).map(drop)?))?;
            let hour = median(|| Ok(hour(file, exact).map(drop)?))?;
            println!("{what}, {how}: 1 series x 1 day {day:.2} ms, 1000 series x 1 h {hour:.2} ms");
        }
        Ok(())
    };
    report(&file, "as it stands")?;
    drop(file);
    let (file, reopen) = timed(|| open(dir));
    let file = file?;
    println!("opened again in {reopen:.1} ms, journal of {} samples", file.stats().unsealed);
    let (done, seal) = timed(|| file.seal());
    done?;
    println!(
        "sealed the rest in {seal:.0} ms: {:.3} bytes a sample",
        bytes(dir)? as f64 / count as f64
    );
    report(&file, "all in chunks")?;
    check(&file, &batches)?;
    println!("all samples came back bit for bit");
    drop(file);
    let (file, reopen) = timed(|| open(dir));
    file?;
    println!("opened again in {reopen:.1} ms, empty journal");
    Ok(())
}

/// Asks one question again and again; prints the shortest and the median time.
pub(crate) fn repeat(question: &str, times: usize, dir: &Path) -> Result<(), Failure> {
    type Question = fn(&SamplesFile) -> Result<Vec<RangeAnswer>, store::Error>;
    let ask: Question = match question {
        "day" => |file| day(file, false),
        "hour" => |file| hour(file, false),
        "exact-day" => |file| day(file, true),
        "exact-hour" => |file| hour(file, true),
        other => return Err(format!("no question named {other}").into()),
    };
    let file = open(dir)?;
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let (answer, time) = timed(|| ask(&file));
        answer?;
        taken.push(time);
    }
    taken.sort_by(f64::total_cmp);
    if let (Some(best), Some(median)) = (taken.first(), taken.get(times / 2)) {
        println!("{question}: shortest {best:.2} ms, median {median:.2} ms of {times}");
    }
    Ok(())
}
