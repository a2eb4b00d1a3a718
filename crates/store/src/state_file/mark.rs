//! Marks in `state.db`.

use model::UnixMs;
use rusqlite::{Connection, Row, params};

use crate::state::{Mark, Record, Value};

/// A mark goes once so many changes were made after it: a machine that has something to say every second
/// for years fills some 150 MB and no more.
pub(super) const KEPT: i64 = 1_000_000;

/// Writes a mark.
pub(super) fn put(db: &Connection, revision: i64, mark: &Mark) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO mark (revision, at, subject, kind, text) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![revision, mark.at.0, mark.subject, mark.kind, mark.text])?;
    db.prepare_cached("DELETE FROM mark WHERE revision <= ?1")?.execute([revision - KEPT])?;
    Ok(())
}

/// Marks of a subject, or of all, newest first.
pub(super) fn find(
    db: &Connection,
    subject: Option<&str>,
    (from, until): (UnixMs, UnixMs),
    limit: u32,
) -> rusqlite::Result<Vec<Record>> {
    let sql = if subject.is_some() {
        "SELECT revision, at, subject, kind, text FROM mark
         WHERE at >= ?2 AND at < ?3 AND subject = ?1 ORDER BY at DESC, revision DESC LIMIT ?4"
    } else {
        "SELECT revision, at, subject, kind, text FROM mark
         WHERE at >= ?2 AND at < ?3 AND ?1 IS NULL ORDER BY at DESC, revision DESC LIMIT ?4"
    };
    db.prepare_cached(sql)?
        .query_map(params![subject, from.0, until.0, limit], mark_record)?
        .collect()
}

/// Marks made after a revision.
pub(super) fn since(db: &Connection, revision: i64) -> rusqlite::Result<Vec<Record>> {
    let sql = "SELECT revision, at, subject, kind, text FROM mark WHERE revision > ?1";
    db.prepare_cached(sql)?.query_map([revision], mark_record)?.collect()
}

fn mark_record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let mark = Mark {
        at: UnixMs(row.get(1)?),
        subject: row.get(2)?,
        kind: row.get(3)?,
        text: row.get(4)?,
    };
    Ok(Record { revision: row.get::<_, i64>(0)?.cast_unsigned(), value: Value::Mark(mark) })
}
