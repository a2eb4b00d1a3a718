//! Silences in `state.db`. They are kept for ever: an alert's history names them.

use model::UnixMs;
use model::alert::Silence;
use rusqlite::{Connection, params};

use super::{json, record};
use crate::state::{Record, Value};

/// Writes a silence, new or changed.
pub(super) fn put(db: &Connection, revision: i64, silence: &Silence) -> rusqlite::Result<()> {
    let expired = silence.expired.as_ref().map(|(at, _)| *at);
    let ends = expired.or(silence.until).map_or(i64::MAX, |end| end.0);
    db.prepare_cached(
        "INSERT INTO silence (id, revision, ends, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET revision = ?2, ends = ?3, body = ?4",
    )?
    .execute(params![silence.id.0.cast_signed(), revision, ends, json(silence)?])?;
    Ok(())
}

/// Silences that end after a time, newest first.
pub(super) fn find(db: &Connection, after: UnixMs, limit: u32) -> rusqlite::Result<Vec<Record>> {
    let mut ask = db.prepare_cached(
        "SELECT revision, body FROM silence WHERE ends > ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    ask.query_map(params![after.0, limit], |row| record(row, Value::Silence))?.collect()
}

/// Silences that changed after a revision.
pub(super) fn since(db: &Connection, revision: i64) -> rusqlite::Result<Vec<Record>> {
    let mut ask = db.prepare_cached("SELECT revision, body FROM silence WHERE revision > ?1")?;
    ask.query_map([revision], |row| record(row, Value::Silence))?.collect()
}
