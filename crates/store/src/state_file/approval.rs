//! Questions to people in `state.db`: asked with the plan of an event, answered once, void after a time.

use model::UnixMs;
use model::event::{EventId, EventState};
use model::run::{Approval, Decision};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{event, json};
use crate::mending::{Answered, EventPlan};
use crate::state::{Record, Value};

/// Asks, where a plan says so. The event has been moved already.
pub(super) fn ask(db: &Connection, revision: i64, plan: &EventPlan) -> rusqlite::Result<()> {
    let (Some(asking), Some(rule)) = (&plan.ask, &plan.rule) else { return Ok(()) };
    let id = plan.id.0.cast_signed();
    let device: String = db
        .prepare_cached("SELECT device FROM event WHERE id = ?1")?
        .query_row([id], |row| row.get(0))?;
    let approval = Approval {
        event: plan.id,
        device,
        remediation: rule.remediation.clone(),
        asked: asking.asked,
        expires: asking.expires,
        reason: plan.reason.clone(),
        would: asking.would.clone(),
        decision: None,
    };
    db.prepare_cached("UPDATE approval SET open = 0, revision = ?2 WHERE event = ?1 AND open = 1")?
        .execute(params![id, revision])?;
    db.prepare_cached(
        "INSERT INTO approval (revision, event, open, expires, body) VALUES (?1, ?2, 1, ?3, ?4)",
    )?
    .execute(params![revision, id, asking.expires.0, json(&approval)?])?;
    // An answer to an earlier question is none to this one.
    db.prepare_cached("UPDATE event SET approved_by = NULL, approved_at = NULL WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// Takes an answer; `false` if nobody asked, or the question is void.
pub(super) fn answer(
    db: &Connection,
    revision: i64,
    Answered { event, decision }: &Answered,
) -> rusqlite::Result<bool> {
    let open = db
        .prepare_cached("SELECT id, body FROM approval WHERE event = ?1 AND open = 1")?
        .query_row([event.0.cast_signed()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    let Some((id, body)) = open else { return Ok(false) };
    let Ok(mut approval) = serde_json::from_str::<Approval>(&body) else { return Ok(false) };
    if approval.expires <= decision.at {
        return Ok(false);
    }
    approval.decision = Some(decision.clone());
    db.prepare_cached("UPDATE approval SET open = 0, revision = ?2, body = ?3 WHERE id = ?1")?
        .execute(params![id, revision, json(&approval)?])?;
    let Decision { by, at, approved, note } = decision;
    let note = if note.is_empty() { String::new() } else { format!(": {note}") };
    let (to, reason) = if *approved {
        (EventState::Queued, format!("approved by {by}{note}"))
    } else {
        (EventState::Cancelled, format!("rejected by {by}{note}"))
    };
    if !event::move_on(db, revision, *event, &[EventState::AwaitingApproval], (to, &reason, *at))? {
        return Ok(false);
    }
    if *approved {
        db.prepare_cached("UPDATE event SET approved_by = ?2, approved_at = ?3 WHERE id = ?1")?
            .execute(params![event.0.cast_signed(), by, at.0])?;
    }
    Ok(true)
}

/// Ends questions that nobody answered in time.
pub(super) fn expire(db: &Connection, revision: i64, now: UnixMs) -> rusqlite::Result<()> {
    let void: Vec<(i64, i64)> = db
        .prepare_cached("SELECT id, event FROM approval WHERE open = 1 AND expires <= ?1")?
        .query_map([now.0], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (id, event) in void {
        db.prepare_cached("UPDATE approval SET open = 0, revision = ?2 WHERE id = ?1")?
            .execute(params![id, revision])?;
        let reason = "nobody approved it in time";
        let to = (EventState::Escalated, reason, now);
        event::move_on(
            db,
            revision,
            EventId(event.cast_unsigned()),
            &[EventState::AwaitingApproval],
            to,
        )?;
    }
    Ok(())
}

/// Approvals, newest first: those that wait, or all about an event.
pub(super) fn find(
    db: &Connection,
    event: Option<EventId>,
    limit: u32,
) -> rusqlite::Result<Vec<Record>> {
    let sql = match event {
        Some(_) => "SELECT revision, body FROM approval WHERE event = ?1 ORDER BY id DESC LIMIT ?2",
        None => {
            "SELECT revision, body FROM approval WHERE open = 1 AND ?1 IS NULL ORDER BY id DESC LIMIT ?2"
        }
    };
    let event = event.map(|id| id.0.cast_signed());
    db.prepare_cached(sql)?.query_map(params![event, limit], approval)?.collect()
}

fn approval(row: &Row<'_>) -> rusqlite::Result<Record> {
    super::record(row, |approval| Value::Approval(Box::new(approval)))
}
