//! The seam for records that change: the trait [`State`] and the types it speaks. No SQL, no threads.

use model::UnixMs;

use crate::error::Error;

/// Records that change: marks now, and with later capabilities events, runs, alerts. A new kind of record
/// is one [`Change`] variant and one SQL file.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Remember that something noteworthy happened.
    Mark(Mark),
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
}

/// A stored record with its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Ascends over all records with each change.
    pub revision: u64,
    /// The record.
    pub value: Value,
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A mark.
    Mark(Mark),
}
