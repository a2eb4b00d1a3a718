//! Heads into chunks, on a thread of its own: packing costs processor time that the writer needs to
//! acknowledge samples. It changes nothing in the file; the writer commits what it made.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use rusqlite::Connection;

use super::heads::Frozen;
use super::shared::Shared;
use super::summary::tidy;
use crate::codec::{chunk, rollup};
use crate::error::{Error, Site};

/// Heads to pack.
#[derive(Debug)]
pub(crate) struct Job {
    /// Series number and samples.
    pub(crate) heads: Vec<(u32, Arc<Frozen>)>,
    /// Merge small chunks however few they are.
    pub(crate) merge: bool,
}

/// A finished job.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) generation: i64,
    pub(crate) series: Vec<SealedSeries>,
}

/// The new chunks of one series and the older, smaller ones they contain.
#[derive(Debug)]
pub(crate) struct SealedSeries {
    pub(crate) series: u32,
    pub(crate) frozen: Arc<Frozen>,
    pub(crate) replaced: Vec<i64>,
    pub(crate) chunks: Vec<NewChunk>,
}

/// A row of table `chunk`.
#[derive(Debug)]
pub(crate) struct NewChunk {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) count: u32,
    pub(crate) rollup: Option<Vec<u8>>,
    pub(crate) raw: Vec<u8>,
}

/// Chunks below this many samples are merged as soon as that makes one above it: 2,048 samples pack within
/// 2 % of the best size.
const SMALL: u32 = 2048;
/// So many small chunks are merged in any case; a sample is rewritten once or twice that way.
const TAIL: usize = 4;
/// Most samples of a chunk.
const LARGEST: usize = 4096;
/// Longest span of a chunk in milliseconds: how far back a reader looks for one that reaches its span.
pub(crate) const LONGEST: i64 = 7 * 24 * 3_600_000;
/// Samples a minute from which a rollup is made at once; below, samples are hardly larger.
const DENSE: u64 = 10;

/// Packs jobs until their sender is gone; `wake` tells the writer that something is done.
pub(crate) fn run(
    shared: &Shared,
    jobs: &Receiver<Job>,
    done: &SyncSender<Sealed>,
    wake: &dyn Fn(),
) {
    let mut scratch = Columns::default();
    let mut db = None;
    for job in jobs {
        if db.is_none() {
            // Without a reader old chunks stay small, which costs bytes and nothing else.
            db = crate::file::open_reader(shared.site.path()).ok();
        }
        let generation = job.heads.first().map_or(0, |(_, frozen)| frozen.generation);
        let merge = Merge { db: db.as_ref(), site: &shared.site, any: job.merge };
        let seal = |(series, frozen)| seal(series, frozen, &merge, &mut scratch);
        let sealed = Sealed { generation, series: job.heads.into_iter().map(seal).collect() };
        if done.send(sealed).is_err() {
            return;
        }
        wake();
    }
}

#[derive(Default)]
struct Columns {
    ats: Vec<i64>,
    values: Vec<f64>,
    sorted: Vec<f64>,
}

/// How small chunks are merged.
struct Merge<'a> {
    db: Option<&'a Connection>,
    site: &'a Site,
    /// However few they are.
    any: bool,
}

fn seal(
    series: u32,
    frozen: Arc<Frozen>,
    merge: &Merge<'_>,
    columns: &mut Columns,
) -> SealedSeries {
    let small = frozen.points.count() < SMALL;
    columns.ats.clear();
    columns.values.clear();
    let replaced = match merge.db {
        Some(db) if small => {
            merge.read_tail(db, (series, frozen.points.count()), columns).unwrap_or_else(|error| {
                tracing::warn!(%error, "small chunks stay unmerged");
                columns.ats.clear();
                columns.values.clear();
                Vec::new()
            })
        }
        _ => Vec::new(),
    };
    frozen.points.unpack(&mut columns.ats, &mut columns.values);
    tidy(&mut columns.ats, &mut columns.values);
    SealedSeries { series, frozen, replaced, chunks: pack(columns) }
}

impl Merge<'_> {
    /// Reads the small chunks at the end of a series if they are due to be merged with its `own` new samples:
    /// their row numbers, and their samples in order into the columns.
    fn read_tail(
        &self,
        db: &Connection,
        (series, own): (u32, u32),
        columns: &mut Columns,
    ) -> Result<Vec<i64>, Error> {
        let site = self.site;
        let fail = |source| Error::sqlite("read small chunks", site.path(), source);
        let mut ask = db
            .prepare_cached(
                "SELECT num, count, first, last FROM chunk WHERE series = ?1 AND raw IS NOT NULL
                 ORDER BY first DESC LIMIT ?2",
            )
            .map_err(fail)?;
        let rows = ask.query_map((series, TAIL as u32 - 1), Small::read).map_err(fail)?;
        let mut rows: Vec<Small> = rows.collect::<Result<_, _>>().map_err(fail)?;
        let small = rows.iter().take_while(|row| row.count < SMALL).count();
        rows.truncate(small);
        let total: u32 = own + rows.iter().map(|row| row.count).sum::<u32>();
        if !self.any && rows.len() + 1 < TAIL && total < SMALL {
            return Ok(Vec::new());
        }
        if passes_another(db, series, &rows).map_err(fail)? {
            return Ok(Vec::new());
        }
        let mut fetch = db.prepare_cached("SELECT raw FROM chunk WHERE num = ?1").map_err(fail)?;
        // In the order they were made, so that of two samples with one time the later one wins.
        rows.sort_unstable_by_key(|row| row.num);
        for row in &rows {
            let raw: Vec<u8> = fetch.query_row([row.num], |row| row.get(0)).map_err(fail)?;
            chunk::unpack(&raw, row.count as usize, &mut columns.ats, &mut columns.values)
                .map_err(|why| site.damaged("a chunk", &why))?;
        }
        Ok(rows.into_iter().map(|row| row.num).collect())
    }
}

/// A chunk that may be merged.
struct Small {
    num: i64,
    count: u32,
    first: i64,
    last: i64,
}

impl Small {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { num: row.get(0)?, count: row.get(1)?, first: row.get(2)?, last: row.get(3)? })
    }
}

/// Whether a chunk made after one of `rows` reaches into their span and stays. What is merged counts as
/// made last: an older value could then win over that chunk's value of the same time.
fn passes_another(db: &Connection, series: u32, rows: &[Small]) -> rusqlite::Result<bool> {
    let oldest = rows.iter().map(|row| row.num).min().unwrap_or(i64::MAX);
    let first = rows.iter().map(|row| row.first).min().unwrap_or(i64::MAX);
    let last = rows.iter().map(|row| row.last).max().unwrap_or(i64::MIN);
    let mut ask = db.prepare_cached(
        "SELECT num FROM chunk
         WHERE series = ?1 AND first <= ?2 AND first > ?3 AND last >= ?4 AND num > ?5",
    )?;
    let reach = first.saturating_sub(LONGEST);
    let mut found = ask.query((series, last, reach, first, oldest))?;
    while let Some(row) = found.next()? {
        let num: i64 = row.get(0)?;
        if rows.iter().all(|row| row.num != num) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Cuts tidy columns into chunks of at most [`LARGEST`] samples and [`LONGEST`] time, and packs them.
fn pack(columns: &mut Columns) -> Vec<NewChunk> {
    let Columns { ats, values, sorted } = columns;
    let mut chunks = Vec::new();
    // Equal parts instead of full ones and a small rest.
    let parts = ats.len().div_ceil(LARGEST).max(1);
    let most = ats.len().div_ceil(parts);
    let mut start = 0;
    while start < ats.len() {
        let reach = ats[start].saturating_add(LONGEST);
        let length = ats[start..].partition_point(|&at| at < reach).min(most);
        let (ats, values) = (&ats[start..start + length], &values[start..start + length]);
        chunks.push(pack_one(ats, values, sorted));
        start += length;
    }
    chunks
}

fn pack_one(ats: &[i64], values: &[f64], sorted: &mut Vec<f64>) -> NewChunk {
    let (first, last) = (ats[0], ats[ats.len() - 1]);
    let minutes = (last - first) / rollup::MINUTE + 1;
    let dense = ats.len() as u64 >= minutes.cast_unsigned() * DENSE;
    NewChunk {
        first,
        last,
        count: ats.len() as u32,
        rollup: dense.then(|| rollup::pack(&rollup::roll(ats, values, sorted))),
        raw: chunk::pack(ats, values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(ats: Vec<i64>) -> Vec<NewChunk> {
        let values = ats.iter().map(|&at| at as f64).collect();
        pack(&mut Columns { ats, values, sorted: Vec::new() })
    }

    #[test]
    fn large_heads_are_cut_into_equal_chunks() {
        let counts: Vec<u32> =
            cut((0..10_000).map(|i| i * 1000).collect()).iter().map(|chunk| chunk.count).collect();
        assert_eq!(counts, [3334, 3334, 3332]);
    }

    #[test]
    fn a_gap_of_weeks_starts_a_new_chunk() {
        let chunks = cut(vec![0, 1, LONGEST, LONGEST + 1]);
        let spans: Vec<(i64, i64)> = chunks.iter().map(|chunk| (chunk.first, chunk.last)).collect();
        assert_eq!(spans, [(0, 1), (LONGEST, LONGEST + 1)]);
    }

    #[test]
    fn only_dense_series_are_rolled_up_at_once() {
        assert!(cut((0..100).map(|i| i * 1000).collect())[0].rollup.is_some());
        assert!(cut((0..100).map(|i| i * 10_000).collect())[0].rollup.is_none());
    }
}
