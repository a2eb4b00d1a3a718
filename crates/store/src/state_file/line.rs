//! Lines in `state.db`: each write is a segment, and segments are merged in steps, so that both many small
//! writes and long questions stay cheap. Positions of followed files lie beside them.

use std::sync::Arc;

use model::{FileId, Listener, Position, Transport};
use rusqlite::types::Type;
use rusqlite::{Connection, params};

use crate::lines::segment::{self, Line, Packed};
use crate::lines::{FilePosition, LineBatch, LineQuery, LineRetention, TextFinder};
use crate::state::{Record, Value};

/// So many segments of a level become one of the next.
const FAN: u32 = 16;
/// Plain bytes that a merged segment holds at most, or so.
const MERGED: u64 = 4 << 20;
/// Highest level: 16^4 writes.
const LEVELS: i64 = 4;
/// Segments that go at once.
const SLICE: u32 = 64;
/// Files of one name whose positions are kept.
const FILES: u32 = 8;

/// Writes lines as a segment.
pub(super) fn put(db: &Connection, lines: &LineBatch) -> rusqlite::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let lines = lines.iter().map(|line| Line {
        at: line.at.0,
        device: line.device,
        code: line.code,
        severity: line.severity,
        raw: line.raw,
    });
    let packed = segment::pack(lines).map_err(|why| failed(&why))?;
    insert(db, None, 0, &packed)
}

/// Writes a segment, under a number or the next one.
fn insert(db: &Connection, id: Option<i64>, level: i64, packed: &Packed) -> rusqlite::Result<()> {
    let id: i64 = db
        .prepare_cached(
            "INSERT INTO line_segment (id, level, first, last, count, plain, packed, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id",
        )?
        .query_row(
            params![
                id,
                level,
                packed.first,
                packed.last,
                packed.count.cast_signed(),
                packed.plain.cast_signed(),
                (packed.body.len() as u64).cast_signed(),
                packed.body
            ],
            |row| row.get(0),
        )?;
    let mut name =
        db.prepare_cached("INSERT OR IGNORE INTO line_device (device, segment) VALUES (?1, ?2)")?;
    packed.devices.iter().try_for_each(|device| name.execute(params![device, id]).map(drop))
}

fn remove(db: &Connection, id: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM line_device WHERE segment = ?1")?.execute([id])?;
    db.prepare_cached("DELETE FROM line_segment WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Lets old lines go and merges one run of segments.
pub(super) fn tend(db: &Connection, keep: &LineRetention) -> rusqlite::Result<()> {
    let mut old: Vec<i64> = db
        .prepare_cached("SELECT id FROM line_segment WHERE last < ?1 LIMIT ?2")?
        .query_map(params![keep.oldest.0, SLICE], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut sizes = db.prepare_cached("SELECT total(packed) FROM line_segment")?;
    let bytes: f64 = sizes.query_row([], |row| row.get(0))?;
    if bytes > keep.max_bytes as f64 {
        let mut oldest = db.prepare_cached("SELECT id FROM line_segment ORDER BY id LIMIT ?1")?;
        let more = oldest.query_map([SLICE / 16], |row| row.get(0))?;
        old.extend(more.collect::<Result<Vec<i64>, _>>()?);
    }
    old.iter().try_for_each(|id| remove(db, *id))?;
    (0..LEVELS).try_for_each(|level| merge(db, level))
}

/// Merges the oldest segments of a level if there are enough of them.
fn merge(db: &Connection, level: i64) -> rusqlite::Result<()> {
    let rows: Vec<(i64, i64)> = db
        .prepare_cached("SELECT id, plain FROM line_segment WHERE level = ?1 ORDER BY id LIMIT ?2")?
        .query_map(params![level, FAN], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    if rows.len() < FAN as usize {
        return Ok(());
    }
    let mut bytes = 0;
    let fits = rows.iter().take_while(|(_, plain)| {
        bytes += plain.cast_unsigned();
        bytes <= MERGED
    });
    let ids: Vec<i64> = fits.map(|(id, _)| *id).collect();
    let [.., last] = ids[..] else {
        // It is large enough as it is.
        db.prepare_cached("UPDATE line_segment SET level = ?2 WHERE id = ?1")?
            .execute(params![rows[0].0, LEVELS])?;
        return Ok(());
    };
    let plains: Vec<Vec<u8>> =
        ids.iter().map(|id| body(db, *id)).collect::<rusqlite::Result<_>>()?;
    let mut lines = Vec::new();
    for plain in &plains {
        lines.extend(segment::lines(plain).map_err(|why| failed(&why))?);
    }
    let packed = segment::pack(lines.into_iter()).map_err(|why| failed(&why))?;
    ids.iter().try_for_each(|id| remove(db, *id))?;
    // Under the number of the newest, so that numbers go on ascending with time.
    insert(db, Some(last), if ids.len() == 1 { LEVELS } else { level + 1 }, &packed)
}

fn body(db: &Connection, id: i64) -> rusqlite::Result<Vec<u8>> {
    db.prepare_cached("SELECT body, plain FROM line_segment WHERE id = ?1")?.query_row(
        [id],
        |row| {
            let plain = row.get::<_, i64>(1)?.cast_unsigned();
            segment::unpack(row.get_ref(0)?.as_blob()?, plain).map_err(|why| failed(&why))
        },
    )
}

/// Finds lines, newest first.
pub(super) fn find(db: &Connection, query: &LineQuery) -> rusqlite::Result<Vec<Record>> {
    let sql = if query.device.is_some() {
        "SELECT id FROM line_segment JOIN line_device ON segment = id AND device = ?3
         WHERE last >= ?1 AND first < ?2 ORDER BY id DESC"
    } else {
        "SELECT id FROM line_segment WHERE last >= ?1 AND first < ?2 AND ?3 IS NULL
         ORDER BY id DESC"
    };
    let mut ask = db.prepare_cached(sql)?;
    let mut rows = ask.query(params![query.from.0, query.until.0, query.device])?;
    let text = query.text.as_deref().map(TextFinder::new);
    let mut found = Vec::new();
    while found.len() < query.limit as usize
        && let Some(row) = rows.next()?
    {
        let plain = body(db, row.get(0)?)?;
        let lines = segment::lines(&plain).map_err(|why| failed(&why))?;
        let fitting = lines.iter().rev().filter(|line| query.fits(line, text.as_ref()));
        found.extend(
            fitting
                .take(query.limit as usize - found.len())
                .map(|line| Record { revision: 0, value: Value::Line(line.to_stored()) }),
        );
    }
    Ok(found)
}

/// Remembers how far a file was read.
pub(super) fn put_position(
    db: &Connection,
    revision: i64,
    reached: &FilePosition,
) -> rusqlite::Result<()> {
    let position = &reached.position;
    db.prepare_cached(
        "INSERT INTO line_position (listener, device, inode, offset, head, revision)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET offset = ?4, head = ?5, revision = ?6",
    )?
    .execute(params![
        reached.listener.place,
        position.file.device.cast_signed(),
        position.file.inode.cast_signed(),
        position.offset.cast_signed(),
        position.head.cast_signed(),
        revision
    ])?;
    db.prepare_cached(
        "DELETE FROM line_position WHERE listener = ?1 AND revision <= (
             SELECT revision FROM line_position WHERE listener = ?1
             ORDER BY revision DESC LIMIT 1 OFFSET ?2)",
    )?
    .execute(params![reached.listener.place, FILES])?;
    Ok(())
}

/// The positions of a follower, the newest last.
pub(super) fn positions(db: &Connection, place: &str) -> rusqlite::Result<Vec<Record>> {
    let mut ask = db.prepare_cached(
        "SELECT revision, device, inode, offset, head FROM line_position
         WHERE listener = ?1 ORDER BY revision",
    )?;
    let number = |value: i64| value.cast_unsigned();
    ask.query_map([place], |row| {
        let file = FileId { device: number(row.get(1)?), inode: number(row.get(2)?) };
        let position = Position { file, offset: number(row.get(3)?), head: number(row.get(4)?) };
        let listener = Listener { transport: Transport::File, place: Arc::from(place) };
        let value = Value::Position(FilePosition { listener, position });
        Ok(Record { revision: number(row.get(0)?), value })
    })?
    .collect()
}

/// Bytes that are no segment.
fn failed(why: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, format!("lines: {why}").into())
}
