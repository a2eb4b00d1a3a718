//! What happened before, looked up for guards and pages: on a device, to its partner, with a remediation.
//! It only reads; what follows from it is for `mend` to say.

use std::time::Duration;

use model::UnixMs;
use model::run::RunState;
use rusqlite::{Connection, OptionalExtension, params};

use super::event::{self, millis, word};
use super::run;
use crate::mending::{Offender, PrecedentQuery, Precedents, RuleRecord, StormCount};
use crate::state::{Record, Value};

/// How long ago somebody may have configured a device for that to be told.
const CONFIGURED: Duration = Duration::from_hours(1);
/// How long ago our own runs on a device may have ended, and how many of them are looked at.
const OWN: Duration = Duration::from_hours(1);
const OWN_MOST: u32 = 20;
/// How long ago the partner's trouble may have been told last.
const PARTNER: Duration = Duration::from_mins(15);
/// How many results of a remediation are looked at.
const RESULTS: u32 = 5;
/// How far back a success that did not hold counts.
const INEFFECTIVE_SINCE: Duration = Duration::from_hours(24);
/// The span in which a storm is counted.
const STORM: Duration = Duration::from_mins(1);
/// Most different reasons that are told of a remediation.
const REASONS: usize = 10;

/// Successes of a remediation that did not hold.
pub(super) const INEFFECTIVE: &str =
    "SELECT count(*) FROM run WHERE remediation = ?1 AND started >= ?2 AND came_back = 1";

/// Looks up what matters for one event.
pub(super) fn find(db: &Connection, query: &PrecedentQuery) -> rusqlite::Result<Vec<Record>> {
    // One transaction: what is read belongs together, and the file is locked once.
    let db = &*db.unchecked_transaction()?;
    let now = query.now;
    let own = db
        .prepare_cached(
            "SELECT body FROM run WHERE device = ?1 AND started <= ?2 AND (ended IS NULL OR ended >= ?3)
             ORDER BY started DESC LIMIT ?4",
        )?
        .query_map(
            params![query.device, query.told.0, (query.told - OWN).0, OWN_MOST],
            run::body,
        )?
        .collect::<Result<_, _>>()?;
    let configured = db
        .prepare_cached("SELECT user, at FROM configured WHERE device = ?1 AND at >= ?2")?
        .query_map(params![query.device, (now - CONFIGURED).0], |row| {
            Ok((row.get(0)?, UnixMs(row.get(1)?)))
        })?
        .collect::<Result<_, _>>()?;
    let results = db
        .prepare_cached(
            "SELECT state FROM run WHERE remediation = ?1 AND started >= ?2
                 AND state IN ('success', 'failure', 'timed_out', 'unknown')
             ORDER BY started DESC, id DESC LIMIT ?3",
        )?
        .query_map(params![query.remediation, query.since.0, RESULTS], |row| {
            word(row, 0, RunState::from_name)
        })?
        .collect::<Result<_, _>>()?;
    let since = query.since.max(now - INEFFECTIVE_SINCE);
    let ineffective = db
        .prepare_cached(INEFFECTIVE)?
        .query_row(params![query.remediation, since.0], |row| row.get(0))?;
    let storm = storm(db, query.storm, now)?;
    let partner = match &query.partner {
        Some(partner) => partner_event(db, partner, now)?,
        None => None,
    };
    let found = Precedents { own, configured, partner, results, ineffective, storm };
    Ok(vec![Record { revision: 0, value: Value::Precedents(Box::new(found)) }])
}

/// Counts what began lately, unless that is known: of many events each one asks.
fn storm(db: &Connection, known: Option<StormCount>, now: UnixMs) -> rusqlite::Result<StormCount> {
    let newest = db
        .prepare_cached("SELECT coalesce(max(id), 0) FROM event")?
        .query_row([], |row| row.get::<_, i64>(0))?
        .cast_unsigned();
    if let Some(known) = known.filter(|known| known.newest == newest) {
        return Ok(known);
    }
    db.prepare_cached("SELECT count(*), count(DISTINCT device) FROM event WHERE first > ?1")?
        .query_row([(now - STORM).0], |row| {
            Ok(StormCount { events: row.get(0)?, devices: row.get(1)?, newest })
        })
}

/// An event of severity 3 or worse of the partner, lately told and not over.
fn partner_event(
    db: &Connection,
    partner: &str,
    now: UnixMs,
) -> rusqlite::Result<Option<model::Event>> {
    let sql = format!(
        "{} WHERE device = ?1 AND last >= ?2 AND cleared IS NULL AND (severity IS NULL OR severity <= 3)
             AND state NOT IN ('suppressed', 'success', 'cancelled')
         ORDER BY id DESC LIMIT 1",
        event::COLUMNS
    );
    let found = db
        .prepare_cached(&sql)?
        .query_row(params![partner, (now - PARTNER).0], event::event)
        .optional()?;
    Ok(found.and_then(|record| match record.value {
        Value::Event(event) => Some(*event),
        _ => None,
    }))
}

/// Notes that somebody configured a device.
pub(super) fn configured(
    db: &Connection,
    (device, user): (&str, &str),
    at: UnixMs,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO configured (device, user, at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
    )?
    .execute(params![device, user, at.0])?;
    // Names come from the network: old ones go, so that they do not pile up.
    db.prepare_cached("DELETE FROM configured WHERE at < ?1")?
        .execute([at.0 - millis(CONFIGURED)])?;
    Ok(())
}

/// What each remediation did since a time, by name.
pub(super) fn records(db: &Connection, from: UnixMs) -> rusqlite::Result<Vec<Record>> {
    let mut rules: std::collections::BTreeMap<String, RuleRecord> =
        std::collections::BTreeMap::new();
    let blank = |name: &str| RuleRecord {
        remediation: name.to_owned(),
        planned: 0,
        cleared: 0,
        reasons: Vec::new(),
        runs: Vec::new(),
        came_back: 0,
    };
    let mut planned = db.prepare_cached(
        "SELECT remediation, count(*), count(*) FILTER (WHERE cleared IS NOT NULL AND attempt = 0)
         FROM event WHERE remediation IS NOT NULL AND first >= ?1 GROUP BY remediation",
    )?;
    let mut rows = planned.query([from.0])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let rule = rules.entry(name.clone()).or_insert_with(|| blank(&name));
        (rule.planned, rule.cleared) = (row.get(1)?, row.get(2)?);
    }
    let mut reasons = db.prepare_cached(
        "SELECT remediation, reason, count(*) FROM event
         WHERE remediation IS NOT NULL AND first >= ?1 AND reason <> ''
             AND state IN ('held', 'suppressed', 'recorded', 'awaiting_approval')
         GROUP BY remediation, reason ORDER BY count(*) DESC",
    )?;
    let mut rows = reasons.query([from.0])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let rule = rules.entry(name.clone()).or_insert_with(|| blank(&name));
        if rule.reasons.len() < REASONS {
            rule.reasons.push((row.get(1)?, row.get(2)?));
        }
    }
    let mut runs = db.prepare_cached(
        "SELECT remediation, state, count(*), sum(came_back) FROM run WHERE started >= ?1
         GROUP BY remediation, state",
    )?;
    let mut rows = runs.query([from.0])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let rule = rules.entry(name.clone()).or_insert_with(|| blank(&name));
        rule.runs.push((word(row, 1, RunState::from_name)?, row.get(2)?));
        rule.came_back += row.get::<_, u32>(3)?;
    }
    let record = |rule| Record { revision: 0, value: Value::RuleRecord(rule) };
    Ok(rules.into_values().map(record).collect())
}

/// Faults that came back after a repair, those that did most often first.
pub(super) fn offenders(
    db: &Connection,
    from: UnixMs,
    limit: u32,
) -> rusqlite::Result<Vec<Record>> {
    db.prepare_cached(
        "SELECT e.device, e.code_norm, e.object, count(*), sum(r.came_back), max(e.last)
         FROM run r JOIN event e ON e.id = r.event
         WHERE r.started >= ?1 AND r.state <> 'held' GROUP BY r.fp
         HAVING sum(r.came_back) > 0 ORDER BY sum(r.came_back) DESC, max(e.last) DESC LIMIT ?2",
    )?
    .query_map(params![from.0, limit], |row| {
        let offender = Offender {
            device: row.get(0)?,
            code: row.get(1)?,
            object: row.get(2)?,
            runs: row.get(3)?,
            came_back: row.get(4)?,
            last: UnixMs(row.get(5)?),
        };
        Ok(Record { revision: 0, value: Value::Offender(offender) })
    })?
    .collect()
}
