//! Events in `state.db`. The unique index on open events is what keeps duplicates out; each change of state
//! is one update that says which state it expects.

use std::time::Duration;

use model::UnixMs;
use model::event::{Approved, Event, EventId, EventState, Evidence, Mode, Origin, Plan};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use crate::mending::EventPlan;
use crate::state::{EventChange, EventQuery, EventReport, Record, Value};

/// A fault that was recorded and is told again within this time is the same event still.
const QUIET: Duration = Duration::from_mins(30);
/// A fault that comes back within this time after it was over names the event before as its parent.
const REOPEN: Duration = Duration::from_mins(30);
/// Among how many of the oldest events some may go at once.
const SLICE: u32 = 1000;

/// Whether an event is open. This and [`over`] are the conditions of two indexes, to the letter. They are no lists,
/// since SQLite makes a table of a list each time a statement runs.
macro_rules! open {
    () => {
        "(state = 'new' OR state = 'held' OR state = 'awaiting_approval' OR state = 'queued'
            OR state = 'running' OR state = 'verifying')"
    };
}

/// Whether an event is over.
macro_rules! over {
    () => {
        "state <> 'new' AND state <> 'held' AND state <> 'awaiting_approval' AND state <> 'queued'
            AND state <> 'running' AND state <> 'verifying'"
    };
}

/// The open event of a fingerprint.
const OPEN: &str =
    concat!("SELECT id, state, cleared, last, evidence FROM event WHERE fp = ?1 AND ", open!());
/// Its newest event that is over.
const OVER: &str = concat!(
    "SELECT id, state, cleared, last, evidence FROM event WHERE fp = ?1 AND ",
    over!(),
    " ORDER BY id DESC LIMIT 1"
);
/// Records the events whose time has come.
const SETTLE: &str = "UPDATE event SET revision = ?1, state = 'recorded'
    WHERE (state = 'new' OR state = 'held') AND not_before <= ?2";
/// Lets some of the oldest events go.
const FORGET: &str = concat!(
    "DELETE FROM event WHERE id IN (
         SELECT id FROM (SELECT id, last, state FROM event ORDER BY id LIMIT ?2)
         WHERE last < ?1 AND ",
    over!(),
    ")"
);

/// What [`event`] reads.
pub(super) const COLUMNS: &str = "SELECT revision, id, device, code, code_norm, object, severity, first, last,
    count, state, reason, cleared, not_before, parent, origin, message, fields, evidence, remediation,
    script_sha256, mode, attempt, approved_by, approved_at, lease_owner FROM event";

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
        // These are about questions to people, too, and come by `approval`.
        EventChange::Plan(_) | EventChange::Answer(_) | EventChange::Expire { .. } => {
            return Ok(false);
        }
        EventChange::Settle { now } => {
            db.prepare_cached(SETTLE)?.execute(params![revision, now.0])?;
        }
        EventChange::Forget { before } => {
            db.prepare_cached(FORGET)?.execute(params![before.0, SLICE])?;
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
    evidence: Evidence,
}

fn newest(db: &Connection, fingerprint: i64) -> rusqlite::Result<Option<Known>> {
    let known = |row: &Row<'_>| {
        Ok(Known {
            id: row.get(0)?,
            state: word(row, 1, EventState::from_name)?,
            cleared: row.get(2)?,
            last: row.get(3)?,
            evidence: word(row, 4, Evidence::from_name)?,
        })
    };
    let open = db.prepare_cached(OPEN)?.query_row([fingerprint], known).optional()?;
    if open.is_some() {
        return Ok(open);
    }
    db.prepare_cached(OVER)?.query_row([fingerprint], known).optional()
}

fn take(db: &Connection, revision: i64, report: &EventReport) -> rusqlite::Result<()> {
    let fingerprint = report.fingerprint().cast_signed();
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
        if report.evidence > known.evidence {
            db.prepare_cached("UPDATE event SET evidence = ?2 WHERE id = ?1")?
                .execute(params![known.id, report.evidence.as_str()])?;
        }
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
             count, state, reason, not_before, parent, origin, message, fields, evidence)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 1, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
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
        if report.fields.is_empty() { String::new() } else { super::json(&report.fields)? },
        report.evidence.as_str(),
    ])?;
    Ok(())
}

fn within(now: i64, then: i64, span: Duration) -> bool {
    now.saturating_sub(then) <= millis(span)
}

/// A span in milliseconds, as times are stored.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn clear(db: &Connection, revision: i64, fingerprint: u64, at: UnixMs) -> rusqlite::Result<()> {
    let known = newest(db, fingerprint.cast_signed())?;
    let Some(known) = known.filter(|known| known.cleared.is_none()) else { return Ok(()) };
    let sql = match known.state {
        EventState::New | EventState::AwaitingApproval | EventState::Queued => {
            "UPDATE event SET revision = ?2, cleared = ?3, state = 'suppressed',
                 reason = 'it cleared before anything was done' WHERE id = ?1"
        }
        _ => "UPDATE event SET revision = ?2, cleared = ?3 WHERE id = ?1",
    };
    db.prepare_cached(sql)?.execute(params![known.id, revision, at.0])?;
    if known.state == EventState::AwaitingApproval {
        close_question(db, revision, known.id)?;
    }
    Ok(())
}

/// Moves an event if it is in one of these states; `false` if it is not.
pub(super) fn move_on(
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
    if moved == 1 && found == Some(EventState::AwaitingApproval) {
        close_question(db, revision, id.0.cast_signed())?;
    }
    Ok(moved == 1)
}

/// Nobody needs to answer any more.
fn close_question(db: &Connection, revision: i64, event: i64) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE approval SET open = 0, revision = ?2 WHERE event = ?1 AND open = 1")?
        .execute(params![event, revision])?;
    Ok(())
}

/// Writes what is to be done about an event, if it is in one of the states that the plan expects.
pub(super) fn put_plan(db: &Connection, revision: i64, plan: &EventPlan) -> rusqlite::Result<bool> {
    let to = (plan.to, plan.reason.as_str(), plan.not_before);
    if !move_on(db, revision, plan.id, &plan.from, to)? {
        return Ok(false);
    }
    if let Some(rule) = &plan.rule {
        db.prepare_cached(
            "UPDATE event SET remediation = ?2, script_sha256 = ?3, mode = ?4 WHERE id = ?1",
        )?
        .execute(params![
            plan.id.0.cast_signed(),
            rule.remediation,
            rule.script_sha256,
            rule.mode.as_str()
        ])?;
        if plan.to != EventState::Suppressed {
            // A fault that was repaired and is back: the repair was none.
            db.prepare_cached(
                "UPDATE run SET came_back = 1 FROM event WHERE event.id = ?1
                     AND run.event = event.parent AND run.state = 'success'
                     AND run.ended >= event.first - ?2",
            )?
            .execute(params![plan.id.0.cast_signed(), millis(REOPEN)])?;
        }
    }
    Ok(true)
}

/// Finds events, newest first.
pub(super) fn find(db: &Connection, query: &EventQuery) -> rusqlite::Result<Vec<Record>> {
    let (sql, values) = question(query)?;
    let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
    db.prepare_cached(&sql)?.query_map(values.as_slice(), event)?.collect()
}

/// The statement that answers a question, and what it is given.
fn question(query: &EventQuery) -> rusqlite::Result<(String, Vec<Box<dyn ToSql>>)> {
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
    clause("not_before <= ?", query.due.map(|due| Box::new(due.0) as _));
    clause("remediation = ?", query.remediation.clone().map(|name| Box::new(name) as _));
    if let Some(code) = &query.code {
        let (text, code) = match code.strip_suffix('*') {
            Some(start) => (" AND (instr(code, ?) = 1 OR instr(code_norm, ?) = 1)", start),
            None => (" AND (code = ? OR code_norm = ?)", code.as_str()),
        };
        sql.push_str(text);
        values.extend([Box::new(code.to_owned()) as Box<dyn ToSql>, Box::new(code.to_owned())]);
    }
    if !query.states.is_empty() {
        // In the order in which the conditions of indexes name them.
        let mut states = query.states.clone();
        states.sort_unstable();
        let words: Vec<String> = states.iter().map(|state| format!("state = '{state}'")).collect();
        sql.push_str(" AND (");
        sql.push_str(&words.join(" OR "));
        sql.push(')');
    }
    if !query.except.is_empty() {
        sql.push_str(" AND device NOT IN (SELECT value FROM json_each(?))");
        values.push(Box::new(super::json(&query.except)?));
    }
    let order = if query.due.is_some() { "not_before, id" } else { "id DESC" };
    sql.push_str(" ORDER BY ");
    sql.push_str(order);
    sql.push_str(" LIMIT ?");
    values.push(Box::new(query.limit));
    Ok((sql, values))
}

/// Events that changed after a revision.
pub(super) fn since(db: &Connection, revision: i64) -> rusqlite::Result<Vec<Record>> {
    let sql = format!("{COLUMNS} WHERE revision > ?1");
    db.prepare_cached(&sql)?.query_map([revision], event)?.collect()
}

pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<Record> {
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
        fields: match row.get_ref(17)?.as_str()? {
            "" => std::collections::BTreeMap::new(),
            json => serde_json::from_str(json).map_err(|why| {
                rusqlite::Error::FromSqlConversionFailure(17, Type::Text, Box::new(why))
            })?,
        },
        evidence: word(row, 18, Evidence::from_name)?,
        plan: plan(row)?,
    };
    let revision = row.get::<_, i64>(0)?.cast_unsigned();
    Ok(Record { revision, value: Value::Event(Box::new(event)) })
}

/// What is to be done, from column 19 on.
fn plan(row: &Row<'_>) -> rusqlite::Result<Option<Plan>> {
    let Some(remediation) = row.get(19)? else { return Ok(None) };
    let approved = match (row.get(23)?, row.get(24)?) {
        (Some(by), Some(at)) => Some(Approved { by, at: UnixMs(at) }),
        _ => None,
    };
    Ok(Some(Plan {
        remediation,
        script_sha256: row.get(20)?,
        mode: word(row, 21, Mode::from_name)?,
        attempt: row.get(22)?,
        approved,
        worker: row.get(25)?,
    }))
}

/// A column that holds one of a few words.
pub(super) fn word<T>(
    row: &Row<'_>,
    column: usize,
    read: fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    read(text).ok_or_else(|| {
        let why = format!("`{text}` is no word of ours");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
    })
}

#[cfg(test)]
mod tests {
    use model::SystemClock;

    use super::super::tests::plan;
    use super::*;

    #[test]
    fn what_is_asked_all_the_time_is_answered_by_an_index() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::file::open_writer(dir.path(), &crate::state_file::SCHEMA, &SystemClock);
        let db = db.unwrap();
        let asked = |query: EventQuery| question(&query).unwrap().0;
        let query = EventQuery::default;
        let states = |states: &[EventState]| EventQuery { states: states.to_vec(), ..query() };
        let for_people = states(&[
            EventState::Escalated,
            EventState::Failure,
            EventState::TimedOut,
            EventState::Unknown,
            EventState::AwaitingApproval,
        ]);
        let due = |of: &[EventState]| EventQuery { due: Some(UnixMs(0)), ..states(of) };
        let of_device = EventQuery { device: Some("sw1".into()), ..query() };
        for (sql, index) in [
            (OPEN.to_owned(), "event_open (fp=?)"),
            (OVER.to_owned(), "event_over (fp=?)"),
            (SETTLE.to_owned(), "event_waiting (not_before<?)"),
            (asked(for_people), "event_for_people"),
            (asked(due(&[EventState::New, EventState::Held])), "event_waiting (not_before<?)"),
            (asked(due(&[EventState::Queued])), "event_queued (not_before<?)"),
            (asked(of_device), "event_by_device (device=?)"),
        ] {
            let plan = plan(&db, &sql);
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
    }
}
