//! Memos in `state.db`: what a stage remembers over restarts, in its own words.

use rusqlite::{Connection, params};

use crate::state::{Memo, Record, Value};

/// Writes a memo; without a body it goes.
pub(super) fn put(db: &Connection, revision: i64, memo: &Memo) -> rusqlite::Result<()> {
    match &memo.body {
        Some(body) => db
            .prepare_cached(
                "INSERT INTO memo (key, revision, body) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET revision = ?2, body = ?3",
            )?
            .execute(params![memo.key, revision, body])?,
        None => db.prepare_cached("DELETE FROM memo WHERE key = ?1")?.execute([&memo.key])?,
    };
    Ok(())
}

/// Memos whose key begins with `prefix`, by key.
pub(super) fn find(db: &Connection, prefix: &str) -> rusqlite::Result<Vec<Record>> {
    let mut ask = db.prepare_cached(
        "SELECT revision, key, body FROM memo WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1
         ORDER BY key",
    )?;
    let rows = ask.query_map([prefix], |row| {
        let memo = Memo { key: row.get(1)?, body: Some(row.get(2)?) };
        Ok(Record { revision: row.get::<_, i64>(0)?.cast_unsigned(), value: Value::Memo(memo) })
    })?;
    rows.collect()
}
