//! Notices in `state.db`: the queue of what is to be sent, and what was sent lately.

use model::alert::{Notice, NoticeState};
use model::{AlertId, UnixMs};
use rusqlite::{Connection, params};

use super::{json, record};
use crate::state::{Record, Value};

/// A notice that is sent or given up goes once so many newer ones were written.
const KEPT: i64 = 10_000;

/// Writes a notice, new or changed.
pub(super) fn put(db: &Connection, revision: i64, notice: &Notice) -> rusqlite::Result<()> {
    let id = notice.id.0.cast_signed();
    db.prepare_cached(
        "INSERT INTO notice (id, revision, receiver, thread, state, next_try, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET revision = ?2, state = ?5, next_try = ?6, body = ?7",
    )?
    .execute(params![
        id,
        revision,
        notice.receiver,
        notice.message.thread,
        notice.state.name(),
        notice.next_try.0,
        json(notice)?,
    ])?;
    let mut about = db.prepare_cached("INSERT OR IGNORE INTO notice_alert VALUES (?1, ?2)")?;
    for alert in &notice.message.alerts {
        about.execute([alert.id.0.cast_signed(), id])?;
    }
    db.prepare_cached("DELETE FROM notice WHERE id <= ?1 AND state <> 'waiting'")?
        .execute([id - KEPT])?;
    Ok(())
}

/// Notices, newest first, those in one state alone if it is given.
pub(super) fn find(
    db: &Connection,
    state: Option<NoticeState>,
    limit: u32,
) -> rusqlite::Result<Vec<Record>> {
    let sql = match state {
        Some(_) => "SELECT revision, body FROM notice WHERE state = ?1 ORDER BY id DESC LIMIT ?2",
        None => "SELECT revision, body FROM notice WHERE ?1 IS NULL ORDER BY id DESC LIMIT ?2",
    };
    let mut ask = db.prepare_cached(sql)?;
    let state = state.map(NoticeState::name);
    ask.query_map(params![state, limit], |row| record(row, Value::Notice))?.collect()
}

/// Notices about an alert, newest first.
pub(super) fn of(db: &Connection, alert: AlertId, limit: u32) -> rusqlite::Result<Vec<Record>> {
    let mut ask = db.prepare_cached(
        "SELECT revision, body FROM notice_alert JOIN notice ON notice.id = notice_alert.notice
         WHERE alert = ?1 ORDER BY notice DESC LIMIT ?2",
    )?;
    ask.query_map(params![alert.0.cast_signed(), limit], |row| record(row, Value::Notice))?
        .collect()
}

/// Notices to be tried now but those to the receivers in `except`, oldest first. Of one thread and receiver
/// only the oldest: an end must not overtake its beginning.
pub(super) fn due(
    db: &Connection,
    now: UnixMs,
    except: &[String],
    limit: u32,
) -> rusqlite::Result<Vec<Record>> {
    let except = json(&except)?;
    let mut ask = db.prepare_cached(
        "SELECT revision, body FROM notice AS late
         WHERE state = 'waiting' AND next_try <= ?1 AND NOT EXISTS (
             SELECT 1 FROM notice AS early WHERE early.state = 'waiting' AND early.id < late.id
                 AND early.receiver = late.receiver AND early.thread = late.thread)
             AND receiver NOT IN (SELECT value FROM json_each(?3))
         ORDER BY id LIMIT ?2",
    )?;
    ask.query_map(params![now.0, limit, except], |row| record(row, Value::Notice))?.collect()
}

/// Notices that changed after a revision.
pub(super) fn since(db: &Connection, revision: i64) -> rusqlite::Result<Vec<Record>> {
    let mut ask = db.prepare_cached("SELECT revision, body FROM notice WHERE revision > ?1")?;
    ask.query_map([revision], |row| record(row, Value::Notice))?.collect()
}
