//! Events in `state.db`. The unique index on open events is what keeps duplicates out; each change of state
//! is one update that says which state it expects.

use std::time::Duration;

use model::UnixMs;
use model::event::{Event, EventId, EventState, Origin};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use crate::state::{EventChange, EventQuery, EventReport, Record, Value};

/// A fault that was recorded and is told again within this time is the same event still.
const QUIET: Duration = Duration::from_mins(30);
/// A fault that comes back within this time after it was over names the event before as its parent.
const REOPEN: Duration = Duration::from_mins(30);
/// Among how many of the oldest events some may go at once.
const SLICE: u32 = 1000;

const COLUMNS: &str = "SELECT revision, id, device, code, code_norm, object, severity, first, last,
    count, state, reason, cleared, not_before, parent, origin, message FROM event";

/// Makes a change; `false` if the event is not as the change expects.
pub(super) fn put(db: &Connection, revision: i64, change: &EventChange) -> rusqlite::Result<bool> {
    match change {
        EventChange::Report(report) => take(db, revision, report)?,
        EventChange::Clear { fingerprint, at } => clear(db, revision, *fingerprint, *at)?,
        EventChange::Repeat { device, times, at } => {
            db.prepare_cached(
                "UPDATE event SET revision = ?1, count = count + ?3, last = max(last, ?4)
                 WHERE id = (SELECT id FROM event WHERE device = ?2 ORDER BY id DESC LIMIT 1)",
            )?
            .execute(params![revision, device, times.cast_signed(), at.0])?;
        }
        EventChange::Move { id, from, to, reason, at } => {
            return move_on(db, revision, *id, from, (*to, reason, *at));
        }
        EventChange::Settle { now } => {
            db.prepare_cached(
                "UPDATE event SET revision = ?1, state = 'recorded'
                 WHERE state IN ('new', 'held') AND not_before <= ?2",
            )?
            .execute(params![revision, now.0])?;
        }
        EventChange::Forget { before } => {
            db.prepare_cached(
                "DELETE FROM event WHERE id IN (
                     SELECT id FROM (SELECT id, last, state FROM event ORDER BY id LIMIT ?2)
                     WHERE last < ?1 AND state NOT IN
                         ('new', 'held', 'awaiting_approval', 'queued', 'running', 'verifying'))",
            )?
            .execute(params![before.0, SLICE])?;
        }
    }
    Ok(true)
}

/// What is known of an event with a fingerprint: the open one, else the newest.
struct Known {
    id: i64,
    state: EventState,
    cleared: Option<i64>,
    last: i64,
}

fn newest(db: &Connection, fingerprint: i64) -> rusqlite::Result<Option<Known>> {
    let known = |row: &Row<'_>| {
        Ok(Known {
            id: row.get(0)?,
            state: word(row, 1, EventState::from_name)?,
            cleared: row.get(2)?,
            last: row.get(3)?,
        })
    };
    // The conditions are those of the two indexes, to the letter.
    let open = db
        .prepare_cached(
            "SELECT id, state, cleared, last FROM event WHERE fp = ?1 AND state IN
             ('new', 'held', 'awaiting_approval', 'queued', 'running', 'verifying')",
        )?
        .query_row([fingerprint], known)
        .optional()?;
    if open.is_some() {
        return Ok(open);
    }
    db.prepare_cached(
        "SELECT id, state, cleared, last FROM event WHERE fp = ?1 AND state NOT IN
         ('new', 'held', 'awaiting_approval', 'queued', 'running', 'verifying')
         ORDER BY id DESC LIMIT 1",
    )?
    .query_row([fingerprint], known)
    .optional()
}

fn take(db: &Connection, revision: i64, report: &EventReport) -> rusqlite::Result<()> {
    let fingerprint =
        Event::fingerprint(&report.device, &report.code_norm, &report.object).cast_signed();
    let at = report.at.0;
    let known = newest(db, fingerprint)?;
    let same = known.as_ref().filter(|known| {
        let noted = known.state == EventState::Recorded && known.cleared.is_none();
        known.state.is_open() || (noted && within(at, known.last, QUIET))
    });
    if let Some(known) = same {
        db.prepare_cached(
            "UPDATE event SET revision = ?2, count = count + 1, last = max(last, ?3),
                 cleared = NULL WHERE id = ?1",
        )?
        .execute(params![known.id, revision, at])?;
        if report.state == EventState::Held
            && matches!(known.state, EventState::New | EventState::Held)
        {
            db.prepare_cached(
                "UPDATE event SET state = 'held', reason = ?2, not_before = ?3 WHERE id = ?1",
            )?
            .execute(params![known.id, report.reason, report.not_before.0])?;
        }
        return Ok(());
    }
    let parent = known
        .filter(|known| within(at, known.cleared.unwrap_or(known.last), REOPEN))
        .map(|known| known.id);
    db.prepare_cached(
        "INSERT INTO event (revision, fp, device, code, code_norm, object, severity, first, last,
             count, state, reason, not_before, parent, origin, message)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 1, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        revision,
        fingerprint,
        report.device,
        report.code,
        report.code_norm,
        report.object,
        report.severity,
        at,
        report.state.as_str(),
        report.reason,
        report.not_before.0,
        parent,
        report.origin.as_str(),
        report.message,
    ])?;
    Ok(())
}

fn within(now: i64, then: i64, span: Duration) -> bool {
    now.saturating_sub(then) <= i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn clear(db: &Connection, revision: i64, fingerprint: u64, at: UnixMs) -> rusqlite::Result<()> {
    let known = newest(db, fingerprint.cast_signed())?;
    let Some(known) = known.filter(|known| known.cleared.is_none()) else { return Ok(()) };
    let sql = match known.state {
        EventState::New => {
            "UPDATE event SET revision = ?2, cleared = ?3, state = 'suppressed',
                 reason = 'it cleared before anything was done' WHERE id = ?1"
        }
        _ => "UPDATE event SET revision = ?2, cleared = ?3 WHERE id = ?1",
    };
    db.prepare_cached(sql)?.execute(params![known.id, revision, at.0])?;
    Ok(())
}

fn move_on(
    db: &Connection,
    revision: i64,
    id: EventId,
    from: &[EventState],
    (to, reason, at): (EventState, &str, UnixMs),
) -> rusqlite::Result<bool> {
    let found = db
        .prepare_cached("SELECT state FROM event WHERE id = ?1")?
        .query_row([id.0.cast_signed()], |row| word(row, 0, EventState::from_name))
        .optional()?;
    if found.is_none_or(|state| !from.contains(&state)) {
        return Ok(false);
    }
    // Another open event of the same fault stands in the way of opening this one again.
    let moved = db
        .prepare_cached(
            "UPDATE OR IGNORE event SET revision = ?2, state = ?3, reason = ?4, not_before = ?5
             WHERE id = ?1",
        )?
        .execute(params![id.0.cast_signed(), revision, to.as_str(), reason, at.0])?;
    Ok(moved == 1)
}

/// Finds events, newest first.
pub(super) fn find(db: &Connection, query: &EventQuery) -> rusqlite::Result<Vec<Record>> {
    let mut sql = format!("{COLUMNS} WHERE 1");
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut clause = |text: &str, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            sql.push_str(" AND ");
            sql.push_str(text);
            values.push(value);
        }
    };
    clause("id = ?", query.id.map(|id| Box::new(id.0.cast_signed()) as _));
    clause("device = ?", query.device.clone().map(|device| Box::new(device) as _));
    clause("id < ?", query.before.map(|id| Box::new(id.0.cast_signed()) as _));
    clause("last >= ?", query.from.map(|from| Box::new(from.0) as _));
    clause("first < ?", query.until.map(|until| Box::new(until.0) as _));
    if let Some(code) = &query.code {
        let (text, code) = match code.strip_suffix('*') {
            Some(start) => (" AND (instr(code, ?) = 1 OR instr(code_norm, ?) = 1)", start),
            None => (" AND (code = ? OR code_norm = ?)", code.as_str()),
        };
        sql.push_str(text);
        values.extend([Box::new(code.to_owned()) as Box<dyn ToSql>, Box::new(code.to_owned())]);
    }
    if !query.states.is_empty() {
        let words: Vec<String> =
            query.states.iter().map(|state| format!("'{}'", state.as_str())).collect();
        sql.push_str(" AND state IN (");
        sql.push_str(&words.join(", "));
        sql.push(')');
    }
    sql.push_str(" ORDER BY id DESC LIMIT ?");
    values.push(Box::new(query.limit));
    let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
    db.prepare_cached(&sql)?.query_map(values.as_slice(), event)?.collect()
}

/// Events that changed after a revision.
pub(super) fn since(db: &Connection, revision: i64) -> rusqlite::Result<Vec<Record>> {
    let sql = format!("{COLUMNS} WHERE revision > ?1");
    db.prepare_cached(&sql)?.query_map([revision], event)?.collect()
}

fn event(row: &Row<'_>) -> rusqlite::Result<Record> {
    let event = Event {
        id: EventId(row.get::<_, i64>(1)?.cast_unsigned()),
        device: row.get(2)?,
        code: row.get(3)?,
        code_norm: row.get(4)?,
        object: row.get(5)?,
        severity: row.get(6)?,
        first: UnixMs(row.get(7)?),
        last: UnixMs(row.get(8)?),
        count: row.get::<_, i64>(9)?.cast_unsigned(),
        state: word(row, 10, EventState::from_name)?,
        reason: row.get(11)?,
        cleared: row.get::<_, Option<i64>>(12)?.map(UnixMs),
        not_before: UnixMs(row.get(13)?),
        parent: row.get::<_, Option<i64>>(14)?.map(|id| EventId(id.cast_unsigned())),
        origin: word(row, 15, Origin::from_name)?,
        message: row.get(16)?,
    };
    let revision = row.get::<_, i64>(0)?.cast_unsigned();
    Ok(Record { revision, value: Value::Event(Box::new(event)) })
}

/// A column that holds one of a few words.
fn word<T>(row: &Row<'_>, column: usize, read: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    read(text).ok_or_else(|| {
        let why = format!("`{text}` is no word of ours");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
    })
}
