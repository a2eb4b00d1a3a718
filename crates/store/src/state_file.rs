//! [`State`] on `state.db`: one thread that writes, and connections that read beside it. Each kind of
//! record has its own file of SQL under `sql/state/`.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use model::Clock;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, TransactionBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Site};
use crate::file::{self, Schema};
use crate::mending::{Claim, Claimed};
use crate::state::{Applied, Change, Done, EventChange, Query, Record, State, Value};

mod alert;
mod approval;
mod audit;
mod device;
mod event;
mod line;
mod mark;
mod memo;
mod notice;
mod precedent;
mod run;
mod silence;

pub use audit::check_audit;

/// The versions of `state.db`.
pub(crate) const SCHEMA: Schema = Schema {
    file: "state.db",
    application: 0x6e6d_5431, // "nmT1"
    page: 4096,
    steps: &[
        include_str!("sql/state/0001-marks.sql"),
        include_str!("sql/state/0002-alerts.sql"),
        include_str!("sql/state/0003-lines-and-events.sql"),
        include_str!("sql/state/0004-mending.sql"),
        include_str!("sql/state/0005-event-indexes.sql"),
        include_str!("sql/state/0006-run-indexes.sql"),
        include_str!("sql/state/0007-fewer-indexes.sql"),
    ],
};

/// Calls that may wait for the writer.
const QUEUE: usize = 256;
/// Calls that share one commit at most.
const GROUP: usize = 256;
/// How long what is in no hurry waits for others to share a commit with.
const LINGER: Duration = Duration::from_millis(4);

/// Looks into `state.db` without changing it, also beside a daemon that does.
#[derive(Debug)]
pub struct StateReader {
    path: PathBuf,
    reader: Mutex<Connection>,
    /// For questions that may take long, so that no other waits for them.
    searcher: Mutex<Connection>,
}

/// Records in one SQLite file.
#[derive(Debug)]
pub struct StateFile {
    reader: StateReader,
    calls: Option<SyncSender<Call>>,
    thread: Option<JoinHandle<()>>,
}

/// What is asked of the writer, and who is told.
enum Call {
    Apply(Vec<Change>, SyncSender<Result<Applied, Error>>),
    Submit(Arc<Vec<Change>>, Done),
    Claim(Vec<Claim>, SyncSender<Result<Vec<Claimed>, Error>>),
}

/// What came of a call.
enum Outcome {
    Applied(Applied),
    Claimed(Vec<Claimed>),
}

impl StateFile {
    /// Opens or creates `dir/state.db` and migrates it if it is older.
    pub fn open(dir: &Path, clock: &dyn Clock) -> Result<Self, Error> {
        let db = file::open_writer(dir, &SCHEMA, clock)?;
        let path = dir.join(SCHEMA.file);
        let mut writer = Writer { db, site: Site::new(&path), syncs: true };
        let reader = StateReader::on(&path)?;
        let (calls, inbox) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn(move || writer.work(&inbox))
            .map_err(|source| Error::file("start a thread for", &path, source))?;
        Ok(Self { reader, calls: Some(calls), thread: Some(thread) })
    }
}

impl StateFile {
    /// Hands the writer what `call` makes of the way back, and waits until it is on disk.
    fn call<T>(&self, call: impl FnOnce(SyncSender<Result<T, Error>>) -> Call) -> Result<T, Error> {
        let (reply, answer) = sync_channel(1);
        self.hand(call(reply)).map_err(|_| Error::Closed)?;
        answer.recv().map_err(|_| Error::Closed)?
    }

    /// Hands something to the writer; gives it back if that is no more.
    fn hand(&self, call: Call) -> Result<(), Call> {
        match &self.calls {
            Some(calls) => calls.send(call).map_err(|refused| refused.0),
            None => Err(call),
        }
    }
}

impl State for StateFile {
    fn apply(&self, changes: Vec<Change>) -> Result<Applied, Error> {
        self.call(|reply| Call::Apply(changes, reply))
    }

    fn submit(&self, changes: Arc<Vec<Change>>, done: Done) {
        if let Err(refused) = self.hand(Call::Submit(changes, done)) {
            refused.answer(Err(Error::Closed));
        }
    }

    fn claim(&self, claim: Claim) -> Result<Claimed, Error> {
        let mut claimed = self.claim_all(vec![claim])?;
        Ok(claimed.pop().expect("a claim is answered with what was claimed"))
    }

    fn claim_all(&self, claims: Vec<Claim>) -> Result<Vec<Claimed>, Error> {
        self.call(|reply| Call::Claim(claims, reply))
    }

    fn find(&self, query: &Query) -> Result<Vec<Record>, Error> {
        self.reader.find(query)
    }

    fn changes(&self, since: u64) -> Result<Vec<Record>, Error> {
        self.reader.changes(since)
    }
}

/// Whoever only reads finds and changes nothing.
impl State for StateReader {
    fn apply(&self, _: Vec<Change>) -> Result<Applied, Error> {
        Err(Error::ReadOnly { what: "apply changes" })
    }

    fn claim(&self, _: Claim) -> Result<Claimed, Error> {
        Err(Error::ReadOnly { what: "claim an event" })
    }

    fn find(&self, query: &Query) -> Result<Vec<Record>, Error> {
        Self::find(self, query)
    }

    fn changes(&self, since: u64) -> Result<Vec<Record>, Error> {
        Self::changes(self, since)
    }
}

impl StateReader {
    /// Opens `dir/state.db`, which must be of this netmend's version.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        file::open_as_is(dir, &SCHEMA)?;
        Self::on(&dir.join(SCHEMA.file))
    }

    /// As [`StateReader::open`]; `None` if nothing was ever stored there.
    pub fn open_if_there(dir: &Path) -> Result<Option<Self>, Error> {
        dir.join(SCHEMA.file).exists().then(|| Self::open(dir)).transpose()
    }

    /// The newest revision.
    pub fn revision(&self) -> Result<u64, Error> {
        let db = self.reader.lock().expect("no holder of this lock panics");
        db.query_row("SELECT newest FROM revision", [], |row| row.get(0))
            .map(i64::cast_unsigned)
            .map_err(|source| Error::sqlite("read the newest revision", &self.path, source))
    }

    /// Events whose revision is above `since`.
    pub fn events_since(&self, since: u64) -> Result<Vec<Record>, Error> {
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        self.read("read changed events", |db| event::since(db, since))
    }

    /// Runs whose revision is above `since`.
    pub fn runs_since(&self, since: u64) -> Result<Vec<Record>, Error> {
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        self.read("read changed runs", |db| run::since(db, since))
    }

    fn on(path: &Path) -> Result<Self, Error> {
        let open = || file::open_reader(path).map(Mutex::new);
        Ok(Self { path: path.to_owned(), reader: open()?, searcher: open()? })
    }

    /// Reads with `ask` beside the writer.
    fn read(
        &self,
        what: &'static str,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<Vec<Record>>,
    ) -> Result<Vec<Record>, Error> {
        let db = self.reader.lock().expect("no holder of this lock panics");
        ask(&db).map_err(|source| Error::sqlite(what, &self.path, source))
    }

    /// As [`State::find`].
    pub fn find(&self, query: &Query) -> Result<Vec<Record>, Error> {
        match query {
            Query::Marks { subject, from, until, limit } => self.read("find marks", |db| {
                mark::find(db, subject.as_deref(), (*from, *until), *limit)
            }),
            Query::Alerts(query) => self.read("find alerts", |db| alert::find(db, query)),
            Query::Silences { after, limit } => {
                self.read("find silences", |db| silence::find(db, *after, *limit))
            }
            Query::Notices { state, limit } => {
                self.read("find notices", |db| notice::find(db, *state, *limit))
            }
            Query::NoticesOf { alert, limit } => {
                self.read("find notices", |db| notice::of(db, *alert, *limit))
            }
            Query::DueNotices { now, except, limit } => {
                self.read("find due notices", |db| notice::due(db, *now, except, *limit))
            }
            Query::Memos { prefix } => self.read("find memos", |db| memo::find(db, prefix)),
            Query::Lines(query) => {
                let db = self.searcher.lock().expect("no holder of this lock panics");
                line::find(&db, query)
                    .map_err(|source| Error::sqlite("find lines", &self.path, source))
            }
            Query::Positions { place } => {
                self.read("find positions", |db| line::positions(db, place))
            }
            Query::Devices => self.read("find devices", device::find),
            Query::Events(query) => self.read("find events", |db| event::find(db, query)),
            Query::Runs(query) => self.read("find runs", |db| run::find(db, query)),
            Query::Transcript(id) => self.read("find a transcript", |db| run::transcript(db, *id)),
            Query::Approvals { event, limit } => {
                self.read("find approvals", |db| approval::find(db, *event, *limit))
            }
            Query::Audit(query) => self.read("read the audit", |db| audit::find(db, query)),
            Query::Precedents(query) => {
                self.read("find what happened before", |db| precedent::find(db, query))
            }
            Query::RuleRecords { from } => {
                self.read("sum up remediations", |db| precedent::records(db, *from))
            }
            Query::Offenders { from, limit } => self
                .read("find faults that come back", |db| precedent::offenders(db, *from, *limit)),
        }
    }

    /// As [`State::changes`].
    pub fn changes(&self, since: u64) -> Result<Vec<Record>, Error> {
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        self.read("read changes", |db| {
            // One transaction, so that no table is read later than another.
            let unit = db.unchecked_transaction()?;
            let mut records = mark::since(&unit, since)?;
            records.extend(alert::since(&unit, since)?);
            records.extend(silence::since(&unit, since)?);
            records.extend(notice::since(&unit, since)?);
            records.extend(event::since(&unit, since)?);
            records.extend(run::since(&unit, since)?);
            records.sort_unstable_by_key(|record| record.revision);
            Ok(records)
        })
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

/// A row of revision and JSON as a record.
fn record<T: DeserializeOwned>(
    row: &Row<'_>,
    value: impl FnOnce(T) -> Value,
) -> rusqlite::Result<Record> {
    let body = row.get_ref(1)?.as_str()?;
    let body = serde_json::from_str(body)
        .map_err(|why| rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(why)))?;
    Ok(Record { revision: row.get::<_, i64>(0)?.cast_unsigned(), value: value(body) })
}

/// A record as JSON.
fn json(record: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(record)
        .map_err(|why| rusqlite::Error::ToSqlConversionFailure(Box::new(why)))
}

impl Call {
    /// Does the work; `false` if nothing of it may stay.
    fn work(&self, db: &Connection) -> rusqlite::Result<(Outcome, bool)> {
        let applied = |applied| (Outcome::Applied(applied), applied != Applied::Conflict);
        match self {
            Self::Apply(changes, _) => apply_all(db, changes).map(applied),
            Self::Submit(changes, _) => apply_all(db, changes).map(applied),
            Self::Claim(claims, _) => {
                let claimed = claims.iter().map(|claim| take(db, claim));
                Ok((Outcome::Claimed(claimed.collect::<Result<_, _>>()?), true))
            }
        }
    }

    /// Tells whoever waits.
    fn answer(self, result: Result<Outcome, Error>) {
        // Whoever stopped waiting does not mind.
        match (self, result) {
            (Self::Apply(_, reply), Ok(Outcome::Applied(applied))) => drop(reply.send(Ok(applied))),
            (Self::Apply(_, reply), Err(why)) => drop(reply.send(Err(why))),
            (Self::Submit(_, done), Ok(Outcome::Applied(applied))) => done(Ok(applied)),
            (Self::Submit(_, done), Err(why)) => done(Err(why)),
            (Self::Claim(_, reply), Ok(Outcome::Claimed(claimed))) => drop(reply.send(Ok(claimed))),
            (Self::Claim(_, reply), Err(why)) => drop(reply.send(Err(why))),
            (_, Ok(_)) => unreachable!("a call is answered with what came of it"),
        }
    }
}

/// What the thread that writes has.
struct Writer {
    db: Connection,
    site: Site,
    /// Whether a commit waits for the disk.
    syncs: bool,
}

type Results = Vec<Result<Outcome, Error>>;

impl Writer {
    /// Commits what is queued whenever it is free; answers after the sync.
    fn work(&mut self, inbox: &Receiver<Call>) {
        while let Ok(first) = inbox.recv() {
            if matches!(first, Call::Submit(..)) {
                linger();
            }
            let calls: Vec<Call> =
                std::iter::once(first).chain(inbox.try_iter().take(GROUP - 1)).collect();
            match self.commit(&calls) {
                Ok(results) => {
                    calls.into_iter().zip(results).for_each(|(call, result)| call.answer(result));
                }
                Err(why) => calls.into_iter().for_each(|call| call.answer(Err(why.clone()))),
            }
        }
        file::empty_log(&self.db);
    }

    /// All calls in one transaction, each whole or not at all.
    fn commit(&mut self, calls: &[Call]) -> Result<Results, Error> {
        let fail = |source| Error::sqlite("apply changes", self.site.path(), source);
        // The log is synced as a whole: claims are on disk with whatever comes after them.
        let syncs = !calls.iter().all(|call| matches!(call, Call::Claim(..)));
        if syncs != self.syncs {
            let how = if syncs { "FULL" } else { "NORMAL" };
            self.db.pragma_update(None, "synchronous", how).map_err(fail)?;
            self.syncs = syncs;
        }
        if let Some(outcomes) = commit_whole(&mut self.db, calls).map_err(fail)? {
            return Ok(outcomes.into_iter().map(Ok).collect());
        }
        let mut unit =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        let mut results = Vec::with_capacity(calls.len());
        for call in calls {
            let mut part = unit.savepoint().map_err(fail)?;
            let done = call.work(&part);
            if matches!(done, Ok((_, true))) {
                part.commit().map_err(fail)?;
            } else {
                part.rollback().map_err(fail)?;
            }
            results.push(done.map(|(outcome, _)| outcome).map_err(fail));
        }
        unit.commit().map_err(fail)?;
        Ok(results)
    }
}

/// All calls, without a place to go back to between them, before which SQLite would copy each page that changes.
/// `None` if nothing of one of them may stay; then nothing of any does.
fn commit_whole(db: &mut Connection, calls: &[Call]) -> rusqlite::Result<Option<Vec<Outcome>>> {
    let unit = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(calls.len());
    for call in calls {
        let Ok((outcome, true)) = call.work(&unit) else { return Ok(None) };
        outcomes.push(outcome);
    }
    unit.commit()?;
    Ok(Some(outcomes))
}

/// Lets others come who are in no hurry either.
#[expect(clippy::disallowed_methods, reason = "the thread is the writer's own, and it is to wait")]
fn linger() {
    std::thread::sleep(LINGER);
}

fn revision(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT newest FROM revision")?.query_row([], |row| row.get(0))
}

fn set_revision(db: &Connection, revision: i64) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE revision SET newest = ?1")?.execute([revision]).map(drop)
}

/// Gives an event to a worker, or says what speaks against it.
fn take(db: &Connection, claim: &Claim) -> rusqlite::Result<Claimed> {
    let revision = revision(db)? + 1;
    let claimed = run::claim(db, revision, claim)?;
    set_revision(db, revision)?;
    Ok(claimed)
}

/// Applies changes one after the other, until one finds a record not as it expects.
fn apply_all(db: &Connection, changes: &[Change]) -> rusqlite::Result<Applied> {
    // There is one writer: the counter is read and written once for all of them.
    let mut revision = revision(db)?;
    for change in changes {
        revision += 1;
        if !apply(db, revision, change)? {
            return Ok(Applied::Conflict);
        }
    }
    set_revision(db, revision)?;
    Ok(Applied::Done(revision.cast_unsigned()))
}

fn apply(db: &Connection, revision: i64, change: &Change) -> rusqlite::Result<bool> {
    match change {
        Change::Mark(mark) => mark::put(db, revision, mark),
        Change::Alert(alert) => alert::put(db, revision, alert),
        Change::Silence(silence) => silence::put(db, revision, silence),
        Change::Notice(notice) => notice::put(db, revision, notice),
        Change::Memo(memo) => memo::put(db, revision, memo),
        Change::Lines(lines) => line::put(db, lines),
        Change::Position(reached) => line::put_position(db, revision, reached),
        Change::TendLines(keep) => line::tend(db, keep),
        Change::Event(EventChange::Plan(plan)) => {
            if !event::put_plan(db, revision, plan)? {
                return Ok(false);
            }
            approval::ask(db, revision, plan)
        }
        Change::Event(EventChange::Answer(answered)) => {
            return approval::answer(db, revision, answered);
        }
        Change::Event(EventChange::Expire { now }) => approval::expire(db, revision, *now),
        Change::Event(change) => return event::put(db, revision, change),
        Change::Run(change) => return run::put(db, revision, change),
        Change::Audit(note) => audit::put(db, note),
        Change::Configured { device, user, at } => precedent::configured(db, (device, user), *at),
    }
    .map(|()| true)
}

#[cfg(test)]
mod tests;
