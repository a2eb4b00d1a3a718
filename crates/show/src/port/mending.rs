//! What the pages need of those who mend: the port [`Mending`], which the daemon implements. Runs, approvals and
//! the audit are read from the store; here is what only the running daemon knows, and what people may tell
//! it. It must hold no rule.

use std::sync::Arc;

use model::event::Mode;
use model::{EventId, UnixMs};
use serde::{Deserialize, Serialize};

use super::judged::{Refusal, Unjudged};

/// Who mends, and takes orders.
pub trait Mending: Send + Sync {
    /// How mending is now, at most a second old. Cheap, and never blocks.
    fn present(&self) -> Arc<MendNow>;

    /// Does what is asked in the name of `actor`, and returns a sentence about it when it is on disk: it may
    /// block.
    ///
    /// # Errors
    /// Nothing was done, and why.
    fn submit(&self, actor: &str, order: MendOrder) -> Result<String, Refusal>;
}

/// What people may tell those who mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MendOrder {
    /// Yes, do what the open question about an event asks.
    Approve {
        /// Which event.
        event: EventId,
        /// What they say.
        note: String,
    },
    /// No, do not.
    Reject {
        /// Which event.
        event: EventId,
        /// What they say.
        note: String,
    },
    /// Stop all repairs, those under way before their next command.
    Pause {
        /// Why.
        note: String,
    },
    /// Repair again, and let credentials that were refused be tried again.
    Resume,
    /// How far a remediation may go by itself, whatever the configuration says; `None`: as that says. The
    /// results so far do not count against it any more.
    SetMode {
        /// Which remediation.
        remediation: String,
        /// How far.
        mode: Option<Mode>,
    },
    /// Log in to the device of an event and see what would be done about it, without doing it.
    Look {
        /// Which event.
        event: EventId,
    },
    /// Open an event that is over: it is handled as if it had just happened.
    Retry {
        /// Which event.
        event: EventId,
    },
    /// End an event that is open; nothing more is done about it.
    Cancel {
        /// Which event.
        event: EventId,
    },
}

/// How mending is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MendNow {
    /// Ascends with each snapshot that differs from the one before.
    pub version: u64,
    /// Whether this instance mends at all: of two that watch the same network only the owner does.
    pub owner: bool,
    /// Who stopped all repairs, when and why.
    pub paused: Option<Paused>,
    /// Why nothing is run by itself for the moment, one sentence: too much fails at once.
    pub storm: Option<String>,
    /// How many workers there are.
    pub workers: u32,
    /// How many of them are at work.
    pub busy: u32,
    /// The remediations, by name.
    pub remediations: Vec<Arc<RemediationNow>>,
    /// What is wrong with remediation files, each with its place.
    pub problems: Vec<String>,
    /// Credentials that devices refused twice and that are not tried any more, in words without secrets.
    pub blocked: Vec<String>,
}

/// The kill switch is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Who: a person, or the file `PAUSE` in the data folder.
    pub by: String,
    /// When.
    pub at: UnixMs,
    /// Why.
    pub note: String,
}

/// A remediation as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemediationNow {
    /// Its name, the stem of its file.
    pub name: String,
    /// Where its file is; a name in brackets for those that come with netmend.
    pub path: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// The file.
    pub source: Arc<str>,
    /// Codes that it is for.
    pub codes: Vec<String>,
    /// Platforms that it is for.
    pub platforms: Vec<String>,
    /// How far it may go now.
    pub mode: Mode,
    /// Who decided that: `config`, or a person.
    pub mode_by: String,
    /// Why it does not go as far as its mode says, one sentence: it failed too often.
    pub tripped: Option<String>,
}

impl Mending for Unjudged {
    fn present(&self) -> Arc<MendNow> {
        Arc::default()
    }

    fn submit(&self, _: &str, _: MendOrder) -> Result<String, Refusal> {
        Err(Refusal::Unavailable("nothing is mended here".to_owned()))
    }
}
