//! The seam for records that change: the trait [`State`] and the types it speaks. No SQL, no threads.

use std::collections::BTreeMap;

use std::sync::Arc;

use model::alert::{AlertId, Notice, NoticeState, Silence};
use model::event::{Event, EventId, EventState, Evidence, Origin};
use model::run::{Approval, AuditEntry, Exchange, Run, RunId};
use model::{Alert, UnixMs};

use crate::error::Error;
use crate::lines::{FilePosition, LineBatch, LineQuery, LineRetention, StoredLine};
use crate::mending::{
    Answered, AuditNote, AuditQuery, Claim, Claimed, EventPlan, Offender, PrecedentQuery,
    Precedents, RuleRecord, RunChange, RunQuery,
};

/// Records that change: marks, alerts, silences, notices. A new kind of record is one [`Change`] variant
/// and one file under `state_file/`.
pub trait State: Send + Sync {
    /// Applies all changes in one transaction, or none of them.
    fn apply(&self, changes: Vec<Change>) -> Result<Applied, Error>;

    /// The same for who does something else meanwhile: `done` is told on a thread of the store, which it must not hold
    /// up. Who calls this is in no hurry: the changes may wait a few milliseconds for others, to get onto disk together.
    fn submit(&self, changes: Arc<Vec<Change>>, done: Done) {
        done(self.apply(changes.to_vec()));
    }

    /// Gives an event that waits to a worker, if nothing speaks against it, in one transaction. It outlasts this process
    /// at once, and an outage of power together with the next change that is applied: who claims changes nothing before it
    /// has written down that it will.
    fn claim(&self, claim: Claim) -> Result<Claimed, Error>;

    /// One claim after the other, each as if it were alone; in one transaction, where that is cheaper.
    fn claim_all(&self, claims: Vec<Claim>) -> Result<Vec<Claimed>, Error> {
        claims.into_iter().map(|claim| self.claim(claim)).collect()
    }

    /// Finds records, newest first.
    fn find(&self, query: &Query) -> Result<Vec<Record>, Error>;

    /// Records whose revision is above `since`, oldest first.
    fn changes(&self, since: u64) -> Result<Vec<Record>, Error>;
}

/// Whom [`State::submit`] tells what came of it.
pub type Done = Box<dyn FnOnce(Result<Applied, Error>) + Send>;

/// What [`State::apply`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// On disk, up to this revision.
    Done(u64),
    /// A record was not as the change expected; nothing was written.
    Conflict,
}

/// One change of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Remember that something noteworthy happened.
    Mark(Mark),
    /// An alert as it is from now on. Its writer gives the numbers.
    Alert(Box<Alert>),
    /// A silence as it is from now on. Its writer gives the numbers.
    Silence(Silence),
    /// A notice as it is from now on. Its writer gives the numbers.
    Notice(Box<Notice>),
    /// What a stage remembers under a key from now on.
    Memo(Memo),
    /// Keep lines. Shared, since whoever gives them keeps them until they are stored.
    Lines(Arc<LineBatch>),
    /// A followed file has been read so far. Give it with the lines and events that came of it.
    Position(FilePosition),
    /// Pack lines closer and let old ones go, as far as that takes little time: give it now and then.
    TendLines(LineRetention),
    /// Something about an event.
    Event(EventChange),
    /// Something about a run.
    Run(RunChange),
    /// One more entry of the audit.
    Audit(AuditNote),
    /// Somebody configured a device, as it told itself.
    Configured {
        /// The device.
        device: String,
        /// Who; empty if that was not told.
        user: String,
        /// When.
        at: UnixMs,
    },
}

impl Change {
    /// Keeps these lines.
    pub fn lines(lines: impl IntoIterator<Item = StoredLine>) -> Self {
        Self::Lines(Arc::new(lines.into_iter().collect()))
    }
}

/// What happens to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventChange {
    /// Something was told: a new event, or one more report of one that is known.
    Report(Box<EventReport>),
    /// The fault is over: an event that was still new comes to nothing.
    Clear {
        /// [`Event::fingerprint`] of the fault.
        fingerprint: u64,
        /// When that was told.
        at: UnixMs,
    },
    /// The last event of a device was told so many times more (`last message repeated N times`).
    Repeat {
        /// The device.
        device: String,
        /// How many times.
        times: u64,
        /// When that was told.
        at: UnixMs,
    },
    /// Moves an event if it is in one of these states; else the whole call is a [`Applied::Conflict`].
    Move {
        /// The event.
        id: EventId,
        /// The states it may be in.
        from: Vec<EventState>,
        /// The state it gets.
        to: EventState,
        /// Why, in words.
        reason: String,
        /// When.
        at: UnixMs,
    },
    /// What is to be done about an event.
    Plan(Box<EventPlan>),
    /// A person answered the open question about an event, which is queued or cancelled by that. A conflict
    /// where no question is open.
    Answer(Box<Answered>),
    /// Questions that nobody answered in time are void; their events are for people.
    Expire {
        /// What now is.
        now: UnixMs,
    },
    /// Events that are new or held and whose time has come are recorded.
    Settle {
        /// What now is.
        now: UnixMs,
    },
    /// Events that are over and were told last before this time go.
    Forget {
        /// Which time.
        before: UnixMs,
    },
}

/// A report of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventReport {
    /// See [`Event::device`].
    pub device: String,
    /// See [`Event::code`].
    pub code: String,
    /// See [`Event::code_norm`].
    pub code_norm: String,
    /// See [`Event::object`].
    pub object: String,
    /// See [`Event::severity`].
    pub severity: Option<u8>,
    /// When it was told.
    pub at: UnixMs,
    /// The state of a new event; one that is known keeps its own, unless this is [`EventState::Held`].
    pub state: EventState,
    /// Why it is in that state.
    pub reason: String,
    /// Nothing is done about it before this time.
    pub not_before: UnixMs,
    /// Who told it.
    pub origin: Origin,
    /// What was told.
    pub message: String,
    /// See [`Event::fields`].
    pub fields: BTreeMap<String, String>,
    /// See [`Event::evidence`].
    pub evidence: Evidence,
}

impl EventReport {
    /// By what two reports are one event. What is in doubt is an event of its own: it may neither hide nor change one
    /// that is none.
    pub fn fingerprint(&self) -> u64 {
        let fingerprint = Event::fingerprint(&self.device, &self.code_norm, &self.object);
        if self.evidence == Evidence::Conflict { !fingerprint } else { fingerprint }
    }
}

/// What a stage remembers over restarts, in a form of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memo {
    /// Name of the stage and what it is about.
    pub key: String,
    /// `None` forgets it.
    pub body: Option<Vec<u8>>,
}

/// Something noteworthy that happened to the daemon or a target, drawn on charts: started, stopped,
/// configuration reloaded, address of a target changed, clock stepped, probing method changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: UnixMs,
    /// To whom: a host as in the targets file, or `netmend` itself.
    pub subject: String,
    /// What kind, from a small fixed set of words, for instance `address` or `reload`.
    pub kind: String,
    /// What happened, one sentence.
    pub text: String,
}

/// Which records to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Marks of a subject, or of all, in a span of time.
    Marks {
        /// `None` finds the marks of all subjects.
        subject: Option<String>,
        /// First millisecond.
        from: UnixMs,
        /// First millisecond after the span.
        until: UnixMs,
        /// At most this many.
        limit: u32,
    },
    /// Alerts.
    Alerts(AlertQuery),
    /// Silences that have not ended at a time; all with [`UnixMs`]`(i64::MIN)`.
    Silences {
        /// They end after it.
        after: UnixMs,
        /// At most this many.
        limit: u32,
    },
    /// Notices, sent and waiting.
    Notices {
        /// In this state alone.
        state: Option<NoticeState>,
        /// At most this many.
        limit: u32,
    },
    /// Notices about an alert, sent and waiting: those whose message holds it.
    NoticesOf {
        /// Which alert.
        alert: AlertId,
        /// At most this many.
        limit: u32,
    },
    /// Notices to be tried now, oldest first; of one thread and receiver only the oldest.
    DueNotices {
        /// What now is.
        now: UnixMs,
        /// Receivers whose notices are left out.
        except: Vec<String>,
        /// At most this many.
        limit: u32,
    },
    /// Memos by key.
    Memos {
        /// How their keys begin.
        prefix: String,
    },
    /// Syslog lines, newest first.
    Lines(LineQuery),
    /// How far the files of a follower have been read; the newest position last.
    Positions {
        /// The path of the follower.
        place: String,
    },
    /// Names of the devices that lines, events and runs are of.
    Devices,
    /// Events, newest first.
    Events(EventQuery),
    /// Runs, newest first.
    Runs(RunQuery),
    /// What was said in a run.
    Transcript(RunId),
    /// Approvals, newest first: those that wait for an answer, or all about an event.
    Approvals {
        /// `None`: those that wait.
        event: Option<EventId>,
        /// At most this many.
        limit: u32,
    },
    /// The audit, newest first.
    Audit(AuditQuery),
    /// What happened before.
    Precedents(Box<PrecedentQuery>),
    /// What each remediation did, or would have done, since a time.
    RuleRecords {
        /// Since when.
        from: UnixMs,
    },
    /// Faults that come back, those that do most often first.
    Offenders {
        /// Since when.
        from: UnixMs,
        /// At most this many.
        limit: u32,
    },
}

/// Which events to find; what is `None` or empty does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// The one with this number.
    pub id: Option<EventId>,
    /// Of this device.
    pub device: Option<String>,
    /// With this code, printed or normal; a `*` at its end stands for any rest.
    pub code: Option<String>,
    /// In one of these states.
    pub states: Vec<EventState>,
    /// With lower numbers: the next page.
    pub before: Option<EventId>,
    /// Told at this time or later.
    pub from: Option<UnixMs>,
    /// Told first before this time.
    pub until: Option<UnixMs>,
    /// Something may be done about them at this time: those that have waited longest come first.
    pub due: Option<UnixMs>,
    /// Planned for this remediation.
    pub remediation: Option<String>,
    /// Not of these devices.
    pub except: Vec<String>,
    /// At most this many.
    pub limit: u32,
}

impl Default for EventQuery {
    /// All events; the newest 100 of them.
    fn default() -> Self {
        Self {
            id: None,
            device: None,
            code: None,
            states: Vec::new(),
            before: None,
            from: None,
            until: None,
            due: None,
            remediation: None,
            except: Vec::new(),
            limit: 100,
        }
    }
}

/// Which alerts to find; what is `None` does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertQuery {
    /// The one with this number.
    pub id: Option<AlertId>,
    /// Those whose subject has this key.
    pub subject: Option<String>,
    /// Those that are open, or those that are over.
    pub open: Option<bool>,
    /// Those with lower numbers: the next page.
    pub before: Option<AlertId>,
    /// Those that were not over before this time.
    pub from: Option<UnixMs>,
    /// Those that were raised before this time.
    pub until: Option<UnixMs>,
    /// At most this many.
    pub limit: u32,
}

impl Default for AlertQuery {
    /// All alerts; the newest 100 of them.
    fn default() -> Self {
        Self {
            id: None,
            subject: None,
            open: None,
            before: None,
            from: None,
            until: None,
            limit: 100,
        }
    }
}

/// A stored record with its revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Ascends over all records with each change.
    pub revision: u64,
    /// The record.
    pub value: Value,
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A mark.
    Mark(Mark),
    /// An alert.
    Alert(Box<Alert>),
    /// A silence.
    Silence(Silence),
    /// A notice.
    Notice(Box<Notice>),
    /// A memo; its body is there.
    Memo(Memo),
    /// A syslog line. Lines have no revision.
    Line(StoredLine),
    /// How far a file has been read.
    Position(FilePosition),
    /// The name of a device. It has no revision.
    Device(String),
    /// An event.
    Event(Box<Event>),
    /// A run.
    Run(Box<Run>),
    /// What was said in a run. It has no revision.
    Transcript(Vec<Exchange>),
    /// An approval.
    Approval(Box<Approval>),
    /// An entry of the audit; its revision is its number.
    Audit(AuditEntry),
    /// What happened before. It has no revision.
    Precedents(Box<Precedents>),
    /// What a remediation did. It has no revision.
    RuleRecord(RuleRecord),
    /// A fault that comes back. It has no revision.
    Offender(Offender),
}
