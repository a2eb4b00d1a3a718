//! Questions about spans of time, answered beside the writer on connections that only read. A sample is
//! seen exactly once, also while it moves from the heads into a chunk.

use std::time::Duration;

use model::{Metric, Series, UnixMs};
use rusqlite::Connection;

use super::heads::HeadCopy;
use super::sealer::LONGEST;
use super::shared::Shared;
use super::summary::{buckets, tidy};
use crate::codec::rollup::{MINUTE, Minute};
use crate::codec::{chunk, rollup};
use crate::error::Error;
use crate::samples::{RangeAnswer, RangeQuery};

/// Series from which a second thread is worth starting.
const MANY: usize = 16;
/// Samples to decode from which a second thread is worth starting for fewer series.
const LONG: u64 = 20_000;
/// Samples in chunks from which a question in steps of minutes is answered from rollups.
const COSTLY: u64 = 1_000_000;

/// One question, prepared.
#[derive(Clone, Copy)]
struct Span {
    from: i64,
    until: i64,
    /// Bucket width in milliseconds; `None` asks for the samples themselves.
    step: Option<i64>,
    /// Use a rollup where there is one, although the samples are kept.
    coarse: bool,
}

impl Span {
    /// A time about in the middle at which neither a bucket nor a minute is cut; `None` if there is none.
    fn middle(&self) -> Option<i64> {
        let step = self.step.unwrap_or(MINUTE);
        let unit = if step % MINUTE == 0 { step } else { step.checked_mul(MINUTE)? };
        let middle = self.from.checked_add(self.until.checked_sub(self.from)? / 2)?;
        let middle = middle - middle.rem_euclid(unit);
        (middle > self.from).then_some(middle)
    }
}

/// Answers a question, in the order of its series.
pub(crate) fn range(shared: &Shared, query: &RangeQuery) -> Result<Vec<RangeAnswer>, Error> {
    let step = query.step.map(step_ms).transpose()?;
    let numbers = shared.numbers(query.series.iter().copied());
    let mut span = Span { from: query.from.0, until: query.until.0, step, coarse: false };
    if span.from >= span.until {
        return Ok(numbers.iter().map(|_| empty(step)).collect());
    }
    let minutes = step.is_some_and(|step| step % MINUTE == 0);
    span.coarse = minutes && !query.exact;
    let work = if span.coarse { 0 } else { estimate(shared, &numbers, span)? };
    span.coarse |= minutes && work > COSTLY;
    if numbers.len() >= MANY {
        return by_series(shared, &numbers, span);
    }
    match span.middle() {
        Some(middle) if !span.coarse && work >= LONG => by_time(shared, &numbers, span, middle),
        _ => answer_all(shared, &numbers, span),
    }
}

/// Two threads, each for some of the series.
fn by_series(shared: &Shared, numbers: &[u32], span: Span) -> Result<Vec<RangeAnswer>, Error> {
    let (here, there) = numbers.split_at(numbers.len() / 2);
    let (here, there) = both(|| answer_all(shared, here, span), || answer_all(shared, there, span));
    let mut answers = here?;
    answers.append(&mut there?);
    Ok(answers)
}

/// Two threads, each for a part of the span.
fn by_time(
    shared: &Shared,
    numbers: &[u32],
    span: Span,
    middle: i64,
) -> Result<Vec<RangeAnswer>, Error> {
    let (early, late) = both(
        || answer_all(shared, numbers, Span { until: middle, ..span }),
        || answer_all(shared, numbers, Span { from: middle, ..span }),
    );
    let mut answers = early?;
    for (early, late) in answers.iter_mut().zip(late?) {
        match (early, late) {
            (RangeAnswer::Samples(early), RangeAnswer::Samples(mut late)) => {
                early.append(&mut late);
            }
            (RangeAnswer::Buckets(early), RangeAnswer::Buckets(mut late)) => {
                early.append(&mut late);
            }
            _ => unreachable!("both parts have the step of the question"),
        }
    }
    Ok(answers)
}

/// Runs `there` on a second thread and `here` on this one.
fn both<T: Send>(here: impl FnOnce() -> T, there: impl FnOnce() -> T + Send) -> (T, T) {
    std::thread::scope(|scope| {
        let there = scope.spawn(there);
        let here = here();
        (here, there.join().expect("decoding returns errors and never panics"))
    })
}

fn step_ms(step: Duration) -> Result<i64, Error> {
    match i64::try_from(step.as_millis()) {
        Ok(0) => Err(Error::Question("a step must be at least one millisecond")),
        Ok(step) => Ok(step),
        Err(_) => Err(Error::Question("a step must be below 292 million years")),
    }
}

fn empty(step: Option<i64>) -> RangeAnswer {
    if step.is_some() { RangeAnswer::Buckets(Vec::new()) } else { RangeAnswer::Samples(Vec::new()) }
}

/// About how many samples lie in chunks of the span, from up to 64 of the series, spread evenly.
fn estimate(shared: &Shared, numbers: &[u32], span: Span) -> Result<u64, Error> {
    let db = shared.reader()?;
    let fail = |source| Error::sqlite("count samples", shared.site.path(), source);
    let mut ask = db
        .prepare_cached(
            "SELECT coalesce(sum(count), 0) FROM chunk
             WHERE series = ?1 AND first < ?2 AND first > ?3 AND last >= ?4",
        )
        .map_err(fail)?;
    let stride = numbers.len().div_ceil(64).max(1);
    let mut found = 0;
    for &number in numbers.iter().step_by(stride) {
        let reach = span.from.saturating_sub(LONGEST);
        let count = ask
            .query_row((number, span.until, reach, span.from), |row| row.get::<_, i64>(0))
            .map_err(fail)?;
        found += count.cast_unsigned() * stride as u64;
    }
    Ok(found)
}

fn answer_all(shared: &Shared, numbers: &[u32], span: Span) -> Result<Vec<RangeAnswer>, Error> {
    let db = shared.reader()?;
    let fail = |source| Error::sqlite("read chunks", shared.site.path(), source);
    let copies = {
        // While the heads are held nothing can be set apart for sealing. So what is active now is in no
        // chunk of the snapshot begun now, and of what was set apart the generation tells.
        let heads = shared.heads();
        db.execute_batch("BEGIN").map_err(fail)?;
        let generation = db
            .prepare_cached("SELECT generation FROM sealing")
            .and_then(|mut ask| ask.query_row([], |row| row.get(0)))
            .map_err(fail)?;
        let copy = |&number: &u32| heads.copy(number, generation, span.from);
        numbers.iter().map(copy).collect::<Vec<_>>()
    };
    let mut columns = Columns::default();
    let answers = numbers
        .iter()
        .zip(&copies)
        .map(|(&number, copy)| columns.answer(shared, &db, number, copy, span))
        .collect();
    db.execute_batch("COMMIT").map_err(fail)?;
    answers
}

/// Memory reused from series to series.
#[derive(Default)]
struct Columns {
    ats: Vec<i64>,
    values: Vec<f64>,
    minutes: Vec<Minute>,
    /// Chunks in the columns: their number and where they end.
    parts: Vec<(i64, usize)>,
}

impl Columns {
    fn answer(
        &mut self,
        shared: &Shared,
        db: &Connection,
        number: u32,
        head: &HeadCopy,
        span: Span,
    ) -> Result<RangeAnswer, Error> {
        self.ats.clear();
        self.values.clear();
        self.minutes.clear();
        self.parts.clear();
        self.read_chunks(shared, db, number, span)?;
        self.order_parts();
        head.unpack(&mut self.ats, &mut self.values);
        tidy(&mut self.ats, &mut self.values);
        let start = self.ats.partition_point(|&at| at < span.from);
        let end = self.ats.partition_point(|&at| at < span.until);
        let (ats, values) = (&self.ats[start..end], &self.values[start..end]);
        // A minute that the span touches counts whole: there is nothing finer to cut it with.
        let touched = |at: i64| at.saturating_add(MINUTE) > span.from && at < span.until;
        self.minutes.retain(|minute| touched(minute.at));
        if let Some(step) = span.step {
            return Ok(RangeAnswer::Buckets(buckets(ats, values, &mut self.minutes, step)));
        }
        let samples = ats.iter().map(|&at| UnixMs(at)).zip(values.iter().copied());
        Ok(RangeAnswer::Samples(samples.collect()))
    }

    /// Puts chunks that overlap in the order they were made, so that of two samples with one time the
    /// one that came last comes last.
    fn order_parts(&mut self) {
        if self.parts.is_sorted() {
            return;
        }
        let mut start = 0;
        let mut ranges = Vec::with_capacity(self.parts.len());
        for &(num, end) in &self.parts {
            ranges.push((num, start..end));
            start = end;
        }
        ranges.sort_unstable_by_key(|&(num, _)| num);
        let parts = ranges.iter().map(|(_, range)| range.clone());
        self.ats = parts.clone().flat_map(|part| self.ats[part].iter().copied()).collect();
        self.values = parts.flat_map(|part| self.values[part].iter().copied()).collect();
    }

    fn read_chunks(
        &mut self,
        shared: &Shared,
        db: &Connection,
        number: u32,
        span: Span,
    ) -> Result<(), Error> {
        let site = &shared.site;
        let fail = |source| Error::sqlite("read chunks", site.path(), source);
        let mut ask = db
            .prepare_cached(
                "SELECT num, count,
                        CASE WHEN raw IS NULL OR (?5 AND rollup IS NOT NULL) THEN rollup END,
                        CASE WHEN NOT ?5 OR rollup IS NULL THEN raw END
                 FROM chunk
                 WHERE series = ?1 AND first < ?2 AND first > ?3 AND last >= ?4 ORDER BY first",
            )
            .map_err(fail)?;
        let reach = span.from.saturating_sub(LONGEST);
        let mut rows =
            ask.query((number, span.until, reach, span.from, span.coarse)).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            let blob = |column| {
                row.get_ref(column)
                    .map_err(fail)?
                    .as_blob_or_null()
                    .map_err(|why| site.damaged("a chunk", &why))
            };
            if let Some(raw) = blob(3)? {
                let count: u32 = row.get(1).map_err(fail)?;
                chunk::unpack(raw, count as usize, &mut self.ats, &mut self.values)
                    .map_err(|why| site.damaged("a chunk", &why))?;
                self.parts.push((row.get(0).map_err(fail)?, self.ats.len()));
            } else if let Some(rolled) = blob(2)?
                && span.step.is_some()
            {
                rollup::unpack(rolled, &mut self.minutes)
                    .map_err(|why| site.damaged("a rollup", &why))?;
            }
        }
        Ok(())
    }
}

/// All series of a metric, or of all metrics, in the order they were registered.
pub(crate) fn list(shared: &Shared, metric: Option<Metric>) -> Result<Vec<Series>, Error> {
    let site = &shared.site;
    let fail = |source| Error::sqlite("list series", site.path(), source);
    let db = shared.reader()?;
    let mut ask = db
        .prepare_cached(
            "SELECT metric, labels FROM series WHERE ?1 IS NULL OR metric = ?1 ORDER BY num",
        )
        .map_err(fail)?;
    let mut rows = ask.query([metric.map(Metric::as_str)]).map_err(fail)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fail)? {
        let name: String = row.get(0).map_err(fail)?;
        let labels: String = row.get(1).map_err(fail)?;
        // A metric of a newer netmend that was downgraded: its samples stay, unlisted.
        let Some(metric) = Metric::from_name(&name) else { continue };
        let labels = serde_json::from_str(&labels)
            .map_err(|why| site.damaged("the labels of a series", &why))?;
        found.push(Series { metric, labels });
    }
    Ok(found)
}
