//! Alerts in `state.db`. They are kept for ever.

use model::Alert;
use rusqlite::{Connection, ToSql, params};

use super::{json, record};
use crate::state::{AlertQuery, Record, Value};

const COLUMNS: &str = "SELECT revision, body FROM alert";

/// Writes an alert, new or changed.
pub(super) fn put(db: &Connection, revision: i64, alert: &Alert) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO alert (id, revision, subject, open, raised, ended, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET revision = ?2, subject = ?3, open = ?4, raised = ?5,
             ended = ?6, body = ?7",
    )?
    .execute(params![
        alert.id.0.cast_signed(),
        revision,
        alert.subject.key(),
        alert.is_open(),
        alert.raised.0,
        alert.ended.map(|ended| ended.0),
        json(alert)?,
    ])?;
    Ok(())
}

/// Finds alerts, newest first.
pub(super) fn find(db: &Connection, query: &AlertQuery) -> rusqlite::Result<Vec<Record>> {
    let id = query.id.map(|id| id.0.cast_signed());
    let before = query.before.map(|id| id.0.cast_signed());
    let from = query.from.map(|from| from.0);
    let until = query.until.map(|until| until.0);
    // Only what is asked for is in the text, so that each kind of question gets its index.
    let clauses: [(&str, Option<&dyn ToSql>); 5] = [
        ("id = ?", id.as_ref().map(|id| id as _)),
        ("subject = ?", query.subject.as_ref().map(|subject| subject as _)),
        ("id < ?", before.as_ref().map(|before| before as _)),
        ("(ended IS NULL OR ended >= ?)", from.as_ref().map(|from| from as _)),
        ("raised < ?", until.as_ref().map(|until| until as _)),
    ];
    let mut sql = format!("{COLUMNS} WHERE 1");
    let mut values: Vec<&dyn ToSql> = Vec::with_capacity(clauses.len() + 1);
    for (text, value) in clauses {
        if let Some(value) = value {
            sql.push_str(" AND ");
            sql.push_str(text);
            values.push(value);
        }
    }
    sql.push_str(match query.open {
        Some(true) => " AND open = 1",
        Some(false) => " AND open = 0",
        None => "",
    });
    sql.push_str(" ORDER BY id DESC LIMIT ?");
    values.push(&query.limit);
    let mut ask = db.prepare_cached(&sql)?;
    ask.query_map(values.as_slice(), |row| record(row, Value::Alert))?.collect()
}

/// Alerts that changed after a revision.
pub(super) fn since(db: &Connection, revision: i64) -> rusqlite::Result<Vec<Record>> {
    let mut ask = db.prepare_cached("SELECT revision, body FROM alert WHERE revision > ?1")?;
    ask.query_map([revision], |row| record(row, Value::Alert))?.collect()
}
