//! [`State`] on `state.db`: one thread that writes, and connections that read beside it. Each kind of
//! record has its own file of SQL under `sql/state/`.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use model::{Clock, UnixMs};
use rusqlite::{Connection, Row, TransactionBehavior, params};

use crate::error::{Error, Site};
use crate::file::{self, Schema};
use crate::state::{Applied, Change, Mark, Query, Record, State, Value};

/// The versions of `state.db`.
pub(crate) const SCHEMA: Schema = Schema {
    file: "state.db",
    application: 0x6e6d_5431, // "nmT1"
    page: 4096,
    steps: &[include_str!("sql/state/0001-marks.sql")],
};

/// Calls that may wait for the writer.
const QUEUE: usize = 256;
/// Calls that share one commit at most.
const GROUP: usize = 256;
/// A mark goes once so many changes were made after it: a machine that has something to say every second
/// for years fills some 150 MB and no more.
const KEPT: i64 = 1_000_000;

/// Records in one SQLite file.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    reader: Mutex<Connection>,
    calls: Option<SyncSender<Call>>,
    thread: Option<JoinHandle<()>>,
}

struct Call {
    changes: Vec<Change>,
    reply: SyncSender<Result<Applied, Error>>,
}

impl StateFile {
    /// Opens or creates `dir/state.db` and migrates it if it is older.
    pub fn open(dir: &Path, clock: &dyn Clock) -> Result<Self, Error> {
        let mut db = file::open_writer(dir, &SCHEMA, clock)?;
        let path = dir.join(SCHEMA.file);
        let site = Site::new(&path);
        let reader = Mutex::new(file::open_reader(&path)?);
        let (calls, inbox) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn(move || write(&mut db, &site, &inbox))
            .map_err(|source| Error::file("start a thread for", &path, source))?;
        Ok(Self { path, reader, calls: Some(calls), thread: Some(thread) })
    }

    fn read(
        &self,
        what: &'static str,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<Record>, Error> {
        let fail = |source| Error::sqlite(what, &self.path, source);
        let db = self.reader.lock().expect("no holder of this lock panics");
        let mut ask = db.prepare_cached(sql).map_err(fail)?;
        let rows = ask.query_map(params, mark_record).map_err(fail)?;
        rows.collect::<Result<_, _>>().map_err(fail)
    }
}

impl State for StateFile {
    fn apply(&self, changes: Vec<Change>) -> Result<Applied, Error> {
        let calls = self.calls.as_ref().ok_or(Error::Closed)?;
        let (reply, answer) = sync_channel(1);
        calls.send(Call { changes, reply }).map_err(|_| Error::Closed)?;
        answer.recv().map_err(|_| Error::Closed)?
    }

    fn find(&self, query: &Query) -> Result<Vec<Record>, Error> {
        match query {
            Query::Marks { subject, from, until, limit } => self.read(
                "find marks",
                if subject.is_some() {
                    "SELECT revision, at, subject, kind, text FROM mark
                     WHERE at >= ?2 AND at < ?3 AND subject = ?1 ORDER BY at DESC, revision DESC LIMIT ?4"
                } else {
                    "SELECT revision, at, subject, kind, text FROM mark
                     WHERE at >= ?2 AND at < ?3 AND ?1 IS NULL ORDER BY at DESC, revision DESC LIMIT ?4"
                },
                params![subject, from.0, until.0, limit],
            ),
        }
    }

    fn changes(&self, since: u64) -> Result<Vec<Record>, Error> {
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        self.read(
            "read changes",
            "SELECT revision, at, subject, kind, text FROM mark WHERE revision > ?1 ORDER BY revision",
            [since],
        )
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn mark_record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let mark = Mark {
        at: UnixMs(row.get(1)?),
        subject: row.get(2)?,
        kind: row.get(3)?,
        text: row.get(4)?,
    };
    Ok(Record { revision: row.get::<_, i64>(0)?.cast_unsigned(), value: Value::Mark(mark) })
}

/// Commits what is queued whenever it is free; answers after the sync.
fn write(db: &mut Connection, site: &Site, inbox: &Receiver<Call>) {
    while let Ok(first) = inbox.recv() {
        let calls: Vec<Call> =
            std::iter::once(first).chain(inbox.try_iter().take(GROUP - 1)).collect();
        let results = commit(db, site, &calls);
        for (index, call) in calls.into_iter().enumerate() {
            let result = match &results {
                Ok(results) => results[index].clone(),
                Err(error) => Err(error.clone()),
            };
            // Whoever stopped waiting does not mind.
            drop(call.reply.send(result));
        }
    }
    file::empty_log(db);
}

type Results = Vec<Result<Applied, Error>>;

/// All calls in one transaction, each whole or not at all.
fn commit(db: &mut Connection, site: &Site, calls: &[Call]) -> Result<Results, Error> {
    let fail = |source| Error::sqlite("apply changes", site.path(), source);
    let mut unit = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let mut results = Vec::with_capacity(calls.len());
    for call in calls {
        let mut part = unit.savepoint().map_err(fail)?;
        let result = call.changes.iter().try_for_each(|change| apply(&part, change));
        match result {
            Ok(()) => {
                let newest: i64 = part
                    .query_row("SELECT newest FROM revision", [], |row| row.get(0))
                    .map_err(fail)?;
                part.commit().map_err(fail)?;
                results.push(Ok(Applied::Done(newest.cast_unsigned())));
            }
            Err(source) => {
                part.rollback().map_err(fail)?;
                results.push(Err(fail(source)));
            }
        }
    }
    unit.commit().map_err(fail)?;
    Ok(results)
}

fn apply(db: &Connection, change: &Change) -> rusqlite::Result<()> {
    let revision: i64 = db
        .prepare_cached("UPDATE revision SET newest = newest + 1 RETURNING newest")?
        .query_row([], |row| row.get(0))?;
    match change {
        Change::Mark(mark) => {
            db.prepare_cached(
                "INSERT INTO mark (revision, at, subject, kind, text) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                revision,
                mark.at.0,
                mark.subject,
                mark.kind,
                mark.text
            ])?;
            db.prepare_cached("DELETE FROM mark WHERE revision <= ?1")?
                .execute([revision - KEPT])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::SystemClock;

    use super::*;

    fn mark(at: i64, subject: &str, text: &str) -> Change {
        Change::Mark(Mark {
            at: UnixMs(at),
            subject: subject.into(),
            kind: "address".into(),
            text: text.into(),
        })
    }

    fn texts(records: Vec<Record>) -> Vec<String> {
        let text = |record: Record| match record.value {
            Value::Mark(mark) => mark.text,
        };
        records.into_iter().map(text).collect()
    }

    fn marks(subject: Option<&str>, limit: u32) -> Query {
        let subject = subject.map(str::to_owned);
        Query::Marks { subject, from: UnixMs(0), until: UnixMs(1000), limit }
    }

    #[test]
    fn marks_are_found_by_subject_and_time_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateFile::open(dir.path(), &SystemClock).unwrap();
        let changes = vec![mark(1, "a", "one"), mark(3, "b", "three"), mark(2, "a", "two")];
        assert_eq!(state.apply(changes).unwrap(), Applied::Done(3));
        state.apply(vec![mark(1000, "a", "later")]).unwrap();
        assert_eq!(texts(state.find(&marks(None, 9)).unwrap()), ["three", "two", "one"]);
        assert_eq!(texts(state.find(&marks(Some("a"), 9)).unwrap()), ["two", "one"]);
        assert_eq!(texts(state.find(&marks(None, 1)).unwrap()), ["three"]);
    }

    #[test]
    fn revisions_go_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let open = || StateFile::open(dir.path(), &SystemClock).unwrap();
        assert_eq!(open().apply(vec![mark(1, "a", "one")]).unwrap(), Applied::Done(1));
        let state = open();
        assert_eq!(state.apply(vec![mark(1, "a", "two")]).unwrap(), Applied::Done(2));
        assert_eq!(texts(state.changes(0).unwrap()), ["one", "two"]);
        assert_eq!(texts(state.changes(1).unwrap()), ["two"]);
        assert!(state.changes(u64::MAX).unwrap().is_empty());
    }

    #[test]
    fn marks_go_once_a_million_changes_were_made_after_them() {
        let dir = tempfile::tempdir().unwrap();
        let open = || StateFile::open(dir.path(), &SystemClock).unwrap();
        open().apply(vec![mark(1, "a", "one"), mark(2, "a", "two")]).unwrap();
        let db = Connection::open(dir.path().join(SCHEMA.file)).unwrap();
        db.execute("UPDATE revision SET newest = ?1", [KEPT]).unwrap();
        drop(db);
        let state = open();
        state.apply(vec![mark(3, "a", "three")]).unwrap();
        assert_eq!(texts(state.changes(0).unwrap()), ["two", "three"]);
    }

    #[test]
    fn calls_from_many_threads_get_revisions_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateFile::open(dir.path(), &SystemClock).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let state = &state;
                scope.spawn(move || {
                    for round in 0..10 {
                        state.apply(vec![mark(round, &thread.to_string(), "x")]).unwrap();
                    }
                });
            }
        });
        let revisions: Vec<u64> =
            state.changes(0).unwrap().iter().map(|record| record.revision).collect();
        assert_eq!(revisions, (1..=80).collect::<Vec<u64>>());
    }
}
