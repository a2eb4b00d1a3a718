//! The audit in `state.db`: entries are added, each with the hash of the one before, and never changed. Triggers
//! refuse anything else; who writes to the file past them breaks the chain.

use std::fmt::Write as _;

use model::UnixMs;
use model::event::EventId;
use model::run::{AuditEntry, RunId};
use ring::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use crate::mending::{AuditNote, AuditQuery};
use crate::state::{Record, Value};

/// Adds an entry.
pub(super) fn put(db: &Connection, note: &AuditNote) -> rusqlite::Result<()> {
    let last: Option<(i64, String)> = db
        .prepare_cached("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (before, previous) = last.unwrap_or_else(|| (0, "0".repeat(64)));
    let mut entry = AuditEntry {
        id: before.cast_unsigned() + 1,
        at: note.at,
        actor: note.actor.clone(),
        action: note.action.clone(),
        event: note.event,
        run: note.run,
        detail: note.detail.clone(),
        previous,
        hash: String::new(),
    };
    entry.hash = hash(&entry);
    db.prepare_cached(
        "INSERT INTO audit (id, at, actor, action, event, run, detail, previous, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        entry.id.cast_signed(),
        entry.at.0,
        entry.actor,
        entry.action,
        entry.event.map(|id| id.0.cast_signed()),
        entry.run.map(|id| id.0.cast_signed()),
        entry.detail,
        entry.previous,
        entry.hash,
    ])?;
    Ok(())
}

fn hash(entry: &AuditEntry) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest(&SHA256, &entry.hashed()).as_ref() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Whether consecutive entries of the audit, oldest first, are as they were written: each follows the one
/// before, and holds its own hash.
///
/// # Errors
/// The number of the first entry that is not, or that has none before it.
pub fn check_audit(entries: &[AuditEntry]) -> Result<(), u64> {
    let mut before: Option<&AuditEntry> = None;
    for entry in entries {
        let follows = match before {
            Some(before) => entry.id == before.id + 1 && entry.previous == before.hash,
            // The first entry of all has nothing before it.
            None => entry.id > 1 || entry.previous.bytes().all(|byte| byte == b'0'),
        };
        if !follows || entry.hash != hash(entry) {
            return Err(entry.id);
        }
        before = Some(entry);
    }
    Ok(())
}

/// Finds entries, newest first.
pub(super) fn find(db: &Connection, query: &AuditQuery) -> rusqlite::Result<Vec<Record>> {
    let mut sql =
        "SELECT id, at, actor, action, event, run, detail, previous, hash FROM audit WHERE 1"
            .to_owned();
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut clause = |text: &str, value: Option<i64>| {
        if let Some(value) = value {
            sql.push_str(text);
            values.push(Box::new(value));
        }
    };
    let run = query.run.map(|id| id.0.cast_signed());
    clause(" AND event = ?", query.event.map(|id| id.0.cast_signed()));
    // What is of a run is of its event, by which there is an index.
    clause(" AND event = (SELECT event FROM run WHERE id = ?)", run);
    clause(" AND run = ?", run);
    clause(" AND id < ?", query.before.map(u64::cast_signed));
    sql.push_str(" ORDER BY id DESC LIMIT ?");
    values.push(Box::new(query.limit));
    let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
    db.prepare_cached(&sql)?.query_map(values.as_slice(), entry)?.collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Record> {
    let id = |column| -> rusqlite::Result<Option<u64>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned))
    };
    let entry = AuditEntry {
        id: row.get::<_, i64>(0)?.cast_unsigned(),
        at: UnixMs(row.get(1)?),
        actor: row.get(2)?,
        action: row.get(3)?,
        event: id(4)?.map(EventId),
        run: id(5)?.map(RunId),
        detail: row.get(6)?,
        previous: row.get(7)?,
        hash: row.get(8)?,
    };
    Ok(Record { revision: entry.id, value: Value::Audit(entry) })
}
