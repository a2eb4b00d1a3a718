//! What of the file is in memory, read when it is opened: the writer begins with it, and a backup whose
//! file does not load is no backup. Changes nothing.

use std::collections::VecDeque;
use std::time::Duration;

use model::SeriesId;
use rusqlite::Connection;

use super::heads::Heads;
use super::shared::Shared;
use crate::codec::journal;
use crate::codec::scalar::Scalar;
use crate::error::{Error, Site};

/// The file's present state.
pub(crate) struct Loaded {
    /// The samples that are in no chunk yet, and the newest of each series.
    heads: Heads,
    /// All series and their numbers in the file.
    series: Vec<(SeriesId, u32)>,
    /// Highest batch on disk of each source.
    sources: Vec<(u32, u64)>,
    ledger: Ledger,
}

impl Loaded {
    /// Puts what was read where threads see it.
    pub(crate) fn share(self, shared: &Shared) -> Ledger {
        let Self { heads, series, sources, ledger } = self;
        *shared.heads_mut() = heads;
        shared.know(series.into_iter());
        for (source, seq) in sources {
            shared.set_committed(source, seq);
        }
        ledger
    }
}

/// What the writer alone has to know of the file.
pub(crate) struct Ledger {
    /// The newest sealing transaction.
    pub(crate) generation: i64,
    /// The newest journal row that ever was.
    pub(crate) row: i64,
    /// Rows in the journal and their bytes, oldest first.
    pub(crate) journal: VecDeque<(i64, u64)>,
    /// Bytes of all of them.
    pub(crate) journal_bytes: u64,
}

/// Reads all of it; `now` is when its samples came, as far as their age in memory goes.
///
/// # Errors
/// The file cannot be read, or what it holds was never written so: [`Error::Damaged`] says where.
pub(crate) fn load(db: &Connection, site: &Site, now: Duration) -> Result<Loaded, Error> {
    let (mut heads, series) = load_series(db, site)?;
    let sources = load_sources(db, site)?;
    let sealed = load_sealed(db, site, &mut heads)?;
    let fail = |source| Error::sqlite("read the journal", site.path(), source);
    let generation =
        db.query_row("SELECT generation FROM sealing", [], |row| row.get(0)).map_err(fail)?;
    let journal = read_journal(db, site, series.len(), |num, series, at, value| {
        if sealed.get(series as usize).is_none_or(|&through| through < num) {
            heads.push(series, num, now, at, value);
        }
    })?;
    let newest = sealed.iter().copied().chain(journal.back().map(|&(num, _)| num)).max();
    let journal_bytes = journal.iter().map(|&(_, bytes)| bytes).sum();
    let ledger = Ledger { generation, row: newest.unwrap_or(0), journal, journal_bytes };
    Ok(Loaded { heads, series, sources, ledger })
}

/// Reads all of it and keeps nothing: fails where [`load`] would.
pub(crate) fn check(db: &Connection, site: &Site) -> Result<(), Error> {
    let (mut heads, series) = load_series(db, site)?;
    load_sources(db, site)?;
    load_sealed(db, site, &mut heads)?;
    read_journal(db, site, series.len(), |_, _, _, _| {}).map(drop)
}

/// Hands over all samples of the journal: row, series, time and value. Series have the numbers from 1 to
/// `largest`. Answers with the rows and their bytes, oldest first.
fn read_journal(
    db: &Connection,
    site: &Site,
    largest: usize,
    mut each: impl FnMut(i64, u32, i64, Scalar),
) -> Result<VecDeque<(i64, u64)>, Error> {
    let fail = |source| Error::sqlite("read the journal", site.path(), source);
    let mut journal = VecDeque::new();
    let mut ask = db.prepare("SELECT num, data FROM journal ORDER BY num").map_err(fail)?;
    let mut rows = ask.query([]).map_err(fail)?;
    while let Some(row) = rows.next().map_err(fail)? {
        let num: i64 = row.get(0).map_err(fail)?;
        let damaged = |why: &dyn std::fmt::Display| {
            site.damaged("the journal", &format_args!("row {num}, {why}"))
        };
        let data = row.get_ref(1).map_err(fail)?;
        let data = data.as_blob().map_err(|why| damaged(&why))?;
        let mut stranger = false;
        journal::read(data, |series, at, value| {
            if series == 0 || series as usize > largest {
                stranger = true;
            } else {
                each(num, series, at, value);
            }
        })
        .map_err(|why| damaged(&why))?;
        if stranger {
            return Err(damaged(&"a sample of an unknown series"));
        }
        journal.push_back((num, data.len() as u64));
    }
    Ok(journal)
}

/// All series, and room for their samples.
fn load_series(db: &Connection, site: &Site) -> Result<(Heads, Vec<(SeriesId, u32)>), Error> {
    let fail = |source| Error::sqlite("read the series", site.path(), source);
    let mut ask = db.prepare("SELECT id, num FROM series").map_err(fail)?;
    let rows = ask
        .query_map([], |row| {
            Ok((SeriesId::from_bytes(row.get::<_, [u8; 16]>(0)?), row.get::<_, u32>(1)?))
        })
        .map_err(fail)?;
    let known: Vec<_> = rows.collect::<Result<_, _>>().map_err(fail)?;
    // Numbers are given in order and never taken back, and memory is set aside up to the largest.
    if known.iter().any(|&(_, number)| number == 0 || number as usize > known.len()) {
        return Err(site.damaged("table series", &"a number that was never given"));
    }
    let mut heads = Heads::default();
    if let Some(largest) = known.iter().map(|&(_, number)| number).max() {
        heads.grow_to(largest);
    }
    Ok((heads, known))
}

fn load_sources(db: &Connection, site: &Site) -> Result<Vec<(u32, u64)>, Error> {
    let fail = |source| Error::sqlite("read how far each source is", site.path(), source);
    let mut ask = db.prepare("SELECT source, seq FROM source").map_err(fail)?;
    let rows = ask
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))
        .map_err(fail)?;
    rows.collect::<Result<_, _>>().map_err(fail)
}

/// The journal row up to which each series is in chunks; sets the newest samples.
fn load_sealed(db: &Connection, site: &Site, heads: &mut Heads) -> Result<Vec<i64>, Error> {
    let fail = |source| Error::sqlite("read what is sealed", site.path(), source);
    let mut through = Vec::new();
    let mut ask = db.prepare("SELECT series, journal, at, value FROM sealed").map_err(fail)?;
    let mut rows = ask.query([]).map_err(fail)?;
    while let Some(row) = rows.next().map_err(fail)? {
        let series: u32 = row.get(0).map_err(fail)?;
        if !heads.knows(series) {
            return Err(site.damaged("table sealed", &"an unknown series"));
        }
        if through.len() <= series as usize {
            through.resize(series as usize + 1, 0);
        }
        through[series as usize] = row.get(1).map_err(fail)?;
        heads.set_newest(series, row.get(2).map_err(fail)?, row.get(3).map_err(fail)?);
    }
    Ok(through)
}
