//! What need not be kept any longer goes, a short slice at a time, so that appends wait little for it.
//! Samples go first and leave their one-minute rollup; rollups go later.

use std::time::Duration;

use model::{Clock, UnixMs};
use rusqlite::{Connection, params};

use crate::codec::{chunk, rollup};
use crate::error::{Error, Site};
use crate::file;
use crate::samples::Retention;

/// Time after which a slice ends.
const SLICE: Duration = Duration::from_millis(12);
/// Chunks handled in one transaction.
const CHUNKS: u32 = 32;
/// Pages given back to the file system in one transaction.
const PAGES: u32 = 128;

/// Works for one slice; `true` if nothing was left to do.
pub(crate) fn slice(
    db: &mut Connection,
    site: &Site,
    clock: &dyn Clock,
    keep: Retention,
    now: UnixMs,
) -> Result<bool, Error> {
    let start = clock.monotonic();
    while clock.monotonic().saturating_sub(start) < SLICE {
        if !step(db, site, keep, now)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One transaction; `false` if there was nothing to do.
fn step(db: &mut Connection, site: &Site, keep: Retention, now: UnixMs) -> Result<bool, Error> {
    let raw_until = (now - keep.raw).0;
    let rollup_until = (now - keep.rollup).0;
    let size = Size::of(db, site)?;
    if drop_rows(db, site, rollup_until)?
        || strip(db, site, raw_until)?
        || (size.used() > keep.max_bytes
            && (strip(db, site, i64::MAX)? || drop_rows(db, site, i64::MAX)?))
    {
        return Ok(true);
    }
    // Free pages are used again; they are worth moving only where they are many or the file too large.
    let worth = size.free > size.pages / 4 || size.total() > keep.max_bytes;
    if size.free == 0 || !worth {
        return Ok(false);
    }
    file::give_back(db, site, PAGES)?;
    Ok(true)
}

struct Size {
    pages: u64,
    free: u64,
    page: u64,
}

impl Size {
    fn of(db: &Connection, site: &Site) -> Result<Self, Error> {
        let ask = |name| {
            db.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                .map(i64::cast_unsigned)
                .map_err(site.fail("measure"))
        };
        Ok(Self {
            pages: ask("page_count")?,
            free: ask("freelist_count")?,
            page: ask("page_size")?,
        })
    }

    fn used(&self) -> u64 {
        (self.pages - self.free.min(self.pages)) * self.page
    }

    fn total(&self) -> u64 {
        self.pages * self.page
    }
}

/// Deletes the oldest chunks that end before `until`, with all they hold.
fn drop_rows(db: &Connection, site: &Site, until: i64) -> Result<bool, Error> {
    let gone = db
        .prepare_cached(
            "DELETE FROM chunk WHERE num IN
             (SELECT num FROM chunk WHERE last < ?1 ORDER BY last LIMIT ?2)",
        )
        .and_then(|mut delete| delete.execute((until, CHUNKS)))
        .map_err(site.fail("delete old chunks"))?;
    Ok(gone > 0)
}

/// Reduces the oldest chunks that end before `until` to their rollups.
fn strip(db: &mut Connection, site: &Site, until: i64) -> Result<bool, Error> {
    let fail = |source| Error::sqlite("reduce old chunks", site.path(), source);
    let unit = db.transaction().map_err(fail)?;
    let mut stripped = false;
    {
        let mut ask = unit
            .prepare_cached(
                "SELECT num, count, CASE WHEN rollup IS NULL THEN raw END FROM chunk
                 WHERE raw IS NOT NULL AND last < ?1 ORDER BY last LIMIT ?2",
            )
            .map_err(fail)?;
        let mut reduce = unit
            .prepare_cached(
                "UPDATE chunk SET raw = NULL, rollup = coalesce(?2, rollup) WHERE num = ?1",
            )
            .map_err(fail)?;
        let rows = ask
            .query_map((until, CHUNKS), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .map_err(fail)?;
        let rows: Vec<(i64, u32, Option<Vec<u8>>)> =
            rows.collect::<Result<_, _>>().map_err(fail)?;
        for (num, count, raw) in rows {
            let rollup = raw.map(|raw| roll(&raw, count)).transpose();
            match rollup {
                Ok(rollup) => reduce.execute(params![num, rollup]).map_err(fail)?,
                // Nothing can be read from it any more, so nothing is lost with it.
                Err(why) => {
                    tracing::error!(chunk = num, %why, "an old chunk is damaged and is dropped");
                    unit.execute("DELETE FROM chunk WHERE num = ?1", [num]).map_err(fail)?
                }
            };
            stripped = true;
        }
    }
    unit.commit().map_err(fail)?;
    Ok(stripped)
}

fn roll(raw: &[u8], count: u32) -> Result<Vec<u8>, crate::codec::Malformed> {
    let (mut ats, mut values) = (Vec::new(), Vec::new());
    chunk::unpack(raw, count as usize, &mut ats, &mut values)?;
    Ok(rollup::pack(&rollup::roll(&ats, &values, &mut Vec::new())))
}
