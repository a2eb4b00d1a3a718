//! Runs in `state.db`: claimed, renewed, ended, recovered. Locks, budgets and the count of what is at work are
//! looked at in the transaction of the claim, so that no two workers can pass together where one may.

use std::cell::RefCell;

use model::UnixMs;
use model::event::{EventId, EventState};
use model::run::{Exchange, GuardNote, Run, RunId, RunState};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use zstd::bulk::Compressor;

use super::event::{self, millis, word};
use super::json;
use crate::mending::{Claim, ClaimLimits, Claimed, EventMove, RunChange, RunQuery};
use crate::state::{Record, Value};

/// Compression level of transcripts.
const LEVEL: i32 = 3;
/// Largest transcript that is kept, in bytes before compression; what is said beyond it is counted only.
const MOST: usize = 4 << 20;

thread_local! {
    /// What compresses transcripts: to make one costs more than what it has to do for most of them.
    static PACKER: RefCell<Compressor<'static>> =
        RefCell::new(Compressor::new(LEVEL).expect("there is memory for a compressor"));
}

/// How many other devices were worked on, and from when on.
const OTHERS: &str = "SELECT count(DISTINCT device), min(started) FROM run
    WHERE started > ?2 AND device <> ?1";

/// A run that stays in its state: the index of the open ones is not written again.
const GO_ON: &str =
    "UPDATE run SET revision = ?2, lease_until = ?4, ended = ?5, changed = ?6, body = ?7
    WHERE id = ?1 AND state = ?3 AND epoch = ?8";
/// An open run as it is from now on.
const MOVE: &str = "UPDATE run SET revision = ?2, state = ?3, lease_until = ?4, ended = ?5, changed = ?6, body = ?7
    WHERE id = ?1 AND state IN ('running', 'verifying') AND epoch = ?8";

/// Makes a change; `false` if the run is not as the change expects.
pub(super) fn put(db: &Connection, revision: i64, change: &RunChange) -> rusqlite::Result<bool> {
    match change {
        RunChange::Put { run, lease_until, event, transcript } => {
            if !update(db, revision, run, *lease_until)? {
                return Ok(false);
            }
            if let Some(transcript) = transcript {
                keep(db, run.id, transcript)?;
            }
            match event {
                Some(moved) => move_event(db, revision, run.event, moved),
                None => Ok(true),
            }
        }
        RunChange::Renew { epoch, until } => {
            db.prepare_cached(
                "UPDATE run SET lease_until = ?2
                 WHERE state IN ('running', 'verifying') AND epoch = ?1",
            )?
            .execute(params![epoch.cast_signed(), until.0])?;
            Ok(true)
        }
        RunChange::Recover { epoch, now, attempts } => {
            recover(db, revision, *epoch, *now, *attempts).map(|()| true)
        }
        RunChange::GiveUp { run, now, attempts } => {
            let open = db
                .prepare_cached(
                    "SELECT body FROM run WHERE id = ?1 AND state IN ('running', 'verifying')",
                )?
                .query_row([run.0.cast_signed()], body)
                .optional()?;
            if let Some(open) = open {
                give_up(db, revision, open, "its worker", (*now, *attempts))?;
            }
            Ok(true)
        }
    }
}

fn update(
    db: &Connection,
    revision: i64,
    run: &Run,
    lease_until: UnixMs,
) -> rusqlite::Result<bool> {
    let body = json(run)?;
    let set = |sql| -> rusqlite::Result<bool> {
        let changed = db.prepare_cached(sql)?.execute(params![
            run.id.0.cast_signed(),
            revision,
            run.state.as_str(),
            lease_until.0,
            run.ended.map(|at| at.0),
            run.changed,
            body,
            run.epoch.cast_signed(),
        ])?;
        Ok(changed == 1)
    };
    if run.state.is_open() {
        return Ok(set(GO_ON)? || set(MOVE)?);
    }
    let moved = set(MOVE)?;
    if moved {
        unlock(db, run.id)?;
    }
    Ok(moved)
}

fn unlock(db: &Connection, run: RunId) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM run_lock WHERE run = ?1")?.execute([run.0.cast_signed()])?;
    Ok(())
}

fn move_event(
    db: &Connection,
    revision: i64,
    id: EventId,
    moved: &EventMove,
) -> rusqlite::Result<bool> {
    let busy = [EventState::Running, EventState::Verifying];
    event::move_on(db, revision, id, &busy, (moved.to, &moved.reason, moved.not_before))
}

/// What a process that is dead was at. Its locks are gone with it.
fn recover(
    db: &Connection,
    revision: i64,
    epoch: u64,
    now: UnixMs,
    attempts: u32,
) -> rusqlite::Result<()> {
    let dead: Vec<Run> = db
        .prepare_cached(
            "SELECT body FROM run WHERE state IN ('running', 'verifying') AND epoch <> ?1",
        )?
        .query_map([epoch.cast_signed()], body)?
        .collect::<Result<_, _>>()?;
    for run in dead {
        give_up(db, revision, run, "netmend", (now, attempts))?;
    }
    // Whatever else was left of it.
    db.execute(
        "DELETE FROM run_lock WHERE run NOT IN
             (SELECT id FROM run WHERE state IN ('running', 'verifying'))",
        [],
    )?;
    Ok(())
}

/// Ends a run of which nobody knows how far it came since somebody ended in the middle of it.
fn give_up(
    db: &Connection,
    revision: i64,
    mut run: Run,
    who: &str,
    (now, attempts): (UnixMs, u32),
) -> rusqlite::Result<()> {
    let begun = if run.changed { "after its fix had begun" } else { "before its fix began" };
    run.state = RunState::Unknown;
    run.reason = format!("{who} ended in the middle of it, {begun}");
    run.ended = Some(now);
    db.prepare_cached(
        "UPDATE run SET revision = ?2, state = 'unknown', ended = ?3, body = ?4 WHERE id = ?1",
    )?
    .execute(params![run.id.0.cast_signed(), revision, now.0, json(&run)?])?;
    unlock(db, run.id)?;
    let again = run.idempotent && run.attempt < attempts;
    let (to, reason) = if again {
        (EventState::Queued, format!("{}; it may be run again", run.reason))
    } else if run.idempotent {
        (EventState::Unknown, format!("{}, at the last of {attempts} attempts", run.reason))
    } else {
        let file = &run.remediation;
        (EventState::Unknown, format!("{}; {file} may not be run again by itself", run.reason))
    };
    move_event(db, revision, run.event, &EventMove { to, reason, not_before: now })?;
    Ok(())
}

/// Gives an event to a worker, unless something speaks against it.
pub(super) fn claim(db: &Connection, revision: i64, claim: &Claim) -> rusqlite::Result<Claimed> {
    let id = claim.event.0.cast_signed();
    let now = claim.run.started;
    let found: Option<(EventState, i64, u32, i64)> = db
        .prepare_cached("SELECT state, not_before, attempt, fp FROM event WHERE id = ?1")?
        .query_row([id], |row| {
            Ok((word(row, 0, EventState::from_name)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((EventState::Queued, not_before, attempt, fp)) = found else {
        return Ok(Claimed::Gone);
    };
    if not_before > now.0 {
        return Ok(Claimed::Gone);
    }
    if let Some(busy) = locked(db, &claim.locks)? {
        return Ok(Claimed::Busy(busy));
    }
    if let Some(busy) = crowded(db, &claim.run.remediation, &claim.limits)? {
        return Ok(Claimed::Busy(busy));
    }
    if let Some((spent, until)) = spent(db, &claim.run, &claim.limits)? {
        return Ok(Claimed::Spent(spent, until));
    }
    let mut run = claim.run.clone();
    run.attempt = attempt + 1;
    insert(db, revision, fp, &mut run, claim)?;
    db.prepare_cached(
        "UPDATE event SET revision = ?2, state = 'running', reason = '', attempt = ?3, lease_owner = ?4
         WHERE id = ?1",
    )?
    .execute(params![id, revision, run.attempt, run.worker])?;
    Ok(Claimed::Run(Box::new(run)))
}

fn insert(
    db: &Connection,
    revision: i64,
    fp: i64,
    run: &mut Run,
    claim: &Claim,
) -> rusqlite::Result<()> {
    // The body holds the number, which no run before has had.
    let id: i64 = db
        .prepare_cached("SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'run'")?
        .query_row([], |row| row.get(0))?;
    run.id = RunId(id.cast_unsigned());
    db.prepare_cached(
        "INSERT INTO run (id, revision, event, fp, device, remediation, state, epoch, lease_until,
             started, changed, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11)",
    )?
    .execute(params![
        id,
        revision,
        run.event.0.cast_signed(),
        fp,
        run.device,
        run.remediation,
        run.state.as_str(),
        run.epoch.cast_signed(),
        claim.lease_until.0,
        run.started.0,
        json(run)?,
    ])?;
    for name in &claim.locks {
        db.prepare_cached("INSERT INTO run_lock (name, run) VALUES (?1, ?2)")?
            .execute(params![name, run.id.0.cast_signed()])?;
    }
    Ok(())
}

fn note(guard: &str, said: String) -> GuardNote {
    GuardNote { guard: guard.to_owned(), passed: false, said }
}

fn locked(db: &Connection, locks: &[String]) -> rusqlite::Result<Option<GuardNote>> {
    for name in locks {
        let holder: Option<i64> = db
            .prepare_cached("SELECT run FROM run_lock WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        if let Some(run) = holder {
            return Ok(Some(note("lock", format!("run {run} is at {name}"))));
        }
    }
    Ok(None)
}

fn crowded(
    db: &Connection,
    remediation: &str,
    limits: &ClaimLimits,
) -> rusqlite::Result<Option<GuardNote>> {
    let (all, rule): (u32, u32) = db
        .prepare_cached(
            "SELECT count(*), count(*) FILTER (WHERE remediation = ?1) FROM run
             WHERE state IN ('running', 'verifying')",
        )?
        .query_row([remediation], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let said = if all >= limits.running {
        format!("{all} runs are under way, which is the most")
    } else if rule >= limits.running_rule {
        format!("{rule} runs of {remediation} are under way, which is the most")
    } else {
        return Ok(None);
    };
    Ok(Some(note("concurrency", said)))
}

/// Whether a budget is used up, and from when on there is some of it again.
fn spent(
    db: &Connection,
    run: &Run,
    limits: &ClaimLimits,
) -> rusqlite::Result<Option<(GuardNote, UnixMs)>> {
    let since = run.started - limits.window;
    let again = |first: Option<i64>| {
        UnixMs(first.map_or(run.started.0, |at| at + millis(limits.window) + 1))
    };
    let count = |sql: &str, what: &str, most: u32| -> rusqlite::Result<(u32, Option<i64>)> {
        if most == u32::MAX {
            return Ok((0, None));
        }
        db.prepare_cached(sql)?
            .query_row(params![what, since.0], |row| Ok((row.get(0)?, row.get(1)?)))
    };
    let minutes = limits.window.as_secs() / 60;
    let (rule, first) = count(
        "SELECT count(*), min(started) FROM run
         WHERE remediation = ?1 AND started > ?2",
        &run.remediation,
        limits.rule,
    )?;
    if rule >= limits.rule {
        let said = format!("{} ran {rule} times within {minutes} minutes", run.remediation);
        return Ok(Some((note("budgets", said), again(first))));
    }
    let (device, first) = count(
        "SELECT count(*), min(started) FROM run
         WHERE device = ?1 AND started > ?2",
        &run.device,
        limits.device,
    )?;
    if device >= limits.device {
        let said = format!("{} was worked on {device} times within {minutes} minutes", run.device);
        return Ok(Some((note("budgets", said), again(first))));
    }
    let (others, first) = count(OTHERS, &run.device, limits.devices)?;
    if others >= limits.devices {
        let said = format!("{others} devices were worked on within {minutes} minutes");
        return Ok(Some((note("budgets", said), again(first))));
    }
    Ok(None)
}

/// Keeps what was said, in place of what was kept before.
fn keep(db: &Connection, run: RunId, transcript: &[Exchange]) -> rusqlite::Result<()> {
    let mut plain = Vec::new();
    for (number, exchange) in transcript.iter().enumerate() {
        let line = json(exchange)?;
        if plain.len() + line.len() > MOST {
            let left = transcript.len() - number;
            let error = Some(format!("{left} more exchanges are not kept"));
            let last = Exchange {
                sent: String::new(),
                received: String::new(),
                error,
                ..exchange.clone()
            };
            plain.extend_from_slice(json(&last)?.as_bytes());
            plain.push(b'\n');
            break;
        }
        plain.extend_from_slice(line.as_bytes());
        plain.push(b'\n');
    }
    let body = PACKER
        .with_borrow_mut(|packer| packer.compress(&plain))
        .map_err(|why| rusqlite::Error::ToSqlConversionFailure(Box::new(why)))?;
    db.prepare_cached(
        "INSERT OR REPLACE INTO run_transcript (run, plain, body) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![run.0.cast_signed(), plain.len().cast_signed(), body])?;
    Ok(())
}

/// What was said in a run; nothing if that was not kept.
pub(super) fn transcript(db: &Connection, run: RunId) -> rusqlite::Result<Vec<Record>> {
    let broken = |why: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, why)
    };
    let found: Option<Vec<u8>> = db
        .prepare_cached("SELECT body FROM run_transcript WHERE run = ?1")?
        .query_row([run.0.cast_signed()], |row| row.get(0))
        .optional()?;
    let Some(packed) = found else { return Ok(Vec::new()) };
    // A line more than the most may stand at the end.
    let plain = zstd::bulk::decompress(&packed, 2 * MOST).map_err(|why| broken(Box::new(why)))?;
    let exchanges = plain
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).map_err(|why| broken(Box::new(why))))
        .collect::<Result<Vec<Exchange>, _>>()?;
    Ok(vec![Record { revision: 0, value: Value::Transcript(exchanges) }])
}

/// Finds runs, newest first.
pub(super) fn find(db: &Connection, query: &RunQuery) -> rusqlite::Result<Vec<Record>> {
    let mut sql = "SELECT revision, body FROM run WHERE 1".to_owned();
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut clause = |text: &str, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            sql.push_str(" AND ");
            sql.push_str(text);
            values.push(value);
        }
    };
    clause("id = ?", query.id.map(|id| Box::new(id.0.cast_signed()) as _));
    clause("event = ?", query.event.map(|id| Box::new(id.0.cast_signed()) as _));
    clause("device = ?", query.device.clone().map(|name| Box::new(name) as _));
    clause("remediation = ?", query.remediation.clone().map(|name| Box::new(name) as _));
    clause("id < ?", query.before.map(|id| Box::new(id.0.cast_signed()) as _));
    clause("started >= ?", query.from.map(|from| Box::new(from.0) as _));
    clause("started < ?", query.until.map(|until| Box::new(until.0) as _));
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
    db.prepare_cached(&sql)?.query_map(values.as_slice(), run)?.collect()
}

/// Runs that changed after a revision.
pub(super) fn since(db: &Connection, revision: i64) -> rusqlite::Result<Vec<Record>> {
    db.prepare_cached("SELECT revision, body FROM run WHERE revision > ?1")?
        .query_map([revision], run)?
        .collect()
}

fn run(row: &Row<'_>) -> rusqlite::Result<Record> {
    super::record(row, |run| Value::Run(Box::new(run)))
}

/// A row whose only column is a run.
pub(super) fn body(row: &Row<'_>) -> rusqlite::Result<Run> {
    let body = row.get_ref(0)?.as_str()?;
    serde_json::from_str(body)
        .map_err(|why| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(why)))
}

#[cfg(test)]
mod tests {
    use model::SystemClock;

    use super::super::precedent::INEFFECTIVE;
    use super::super::tests::plan;
    use super::*;

    #[test]
    fn what_each_run_asks_before_it_begins_is_answered_by_indexes_alone() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::file::open_writer(dir.path(), &crate::state_file::SCHEMA, &SystemClock);
        let db = db.unwrap();
        for (sql, index) in [
            (OTHERS, "COVERING INDEX run_by_start (started>?)"),
            (INEFFECTIVE, "COVERING INDEX run_came_back (remediation=? AND started>?)"),
        ] {
            let plan = plan(&db, sql);
            assert!(plan.contains(index), "{sql}\n{plan}");
        }
    }
}
