//! The seam for records that change: the trait [`State`] and the types it speaks. No SQL, no threads.

use model::alert::{AlertId, Notice, NoticeState, Silence};
use model::{Alert, UnixMs};

use crate::error::Error;

/// Records that change: marks, alerts, silences, notices. A new kind of record is one [`Change`] variant
/// and one file under `state_file/`.
pub trait State: Send + Sync {
    /// Applies all changes in one transaction, or none of them.
    fn apply(&self, changes: Vec<Change>) -> Result<Applied, Error>;

    /// Finds records, newest first.
    fn find(&self, query: &Query) -> Result<Vec<Record>, Error>;

    /// Records whose revision is above `since`, oldest first.
    fn changes(&self, since: u64) -> Result<Vec<Record>, Error>;
}

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
        /// At most this many.
        limit: u32,
    },
    /// Memos by key.
    Memos {
        /// How their keys begin.
        prefix: String,
    },
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
}
