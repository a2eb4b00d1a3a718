//! Names of devices in `state.db`: whom lines, events and runs are of.

use rusqlite::Connection;

use crate::{Record, Value};

/// Each name once, ascending. An index of each table is gone through from name to name, not from row to row.
pub(super) fn find(db: &Connection) -> rusqlite::Result<Vec<Record>> {
    let steps = |table: &str| {
        format!(
            "{table}_of(name) AS (
                 SELECT min(device) FROM {table} UNION ALL
                 SELECT (SELECT min(device) FROM {table} WHERE device > name) FROM {table}_of
                 WHERE name IS NOT NULL)"
        )
    };
    let [lines, events, runs] = ["line_device", "event", "run"].map(steps);
    let sql = format!(
        "WITH RECURSIVE {lines}, {events}, {runs}
         SELECT name FROM line_device_of WHERE name IS NOT NULL UNION
         SELECT name FROM event_of WHERE name IS NOT NULL UNION
         SELECT name FROM run_of WHERE name IS NOT NULL ORDER BY 1"
    );
    let mut ask = db.prepare_cached(&sql)?;
    let names = ask.query_map([], |row| row.get(0))?;
    names.map(|name| Ok(Record { revision: 0, value: Value::Device(name?) })).collect()
}
