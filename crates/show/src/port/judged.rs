//! What the pages need of those who judge and tell: the ports [`Alerts`] and [`Commands`], which the daemon
//! implements. It must hold no rule: whether a silence holds, or what a command does, is decided there.

use std::sync::Arc;

use model::alert::{Matcher, Silence, SilenceId, Weekly};
use model::{Alert, AlertId, Judgement, SeriesId, UnixMs};

use crate::uptime::{Month, Uptimes};

/// What is wrong now, as the daemon has it.
pub trait Alerts: Send + Sync {
    /// What is open and what is kept quiet, at most a second old. Cheap, and never blocks.
    fn present(&self) -> Arc<AlertsNow>;

    /// What the detector said last of a series; `None` for a series that nobody judges. Cheap, and never
    /// blocks.
    fn judgement(&self, series: SeriesId) -> Option<Judgement>;

    /// What is known of an alert beyond its own record. It may read the store, so it is asked on a thread
    /// that may block.
    fn explain(&self, alert: &Alert) -> Explanation;

    /// How much of a month targets were up: the first `most` of those whose host or region holds `text` in any
    /// case. It reads the store, so it is asked on a thread that may block. None, where nobody counts.
    ///
    /// # Errors
    /// The store cannot be read.
    fn availability(&self, month: Month, text: &str, most: usize) -> Result<Uptimes, store::Error> {
        let _ = (month, text, most);
        Ok(Uptimes::default())
    }
}

/// Everything open at one moment. An alert that did not change since the last snapshot is shared with it.
#[derive(Clone, Debug, Default)]
pub struct AlertsNow {
    /// Ascends with each snapshot that differs from the one before.
    pub version: u64,
    /// The alerts that are not over, in any order.
    pub open: Vec<Arc<Alert>>,
    /// The silences that have not ended, in any order.
    pub silences: Vec<SilenceNow>,
    /// The maintenance windows of the configuration, in its order.
    pub maintenance: Vec<Maintenance>,
}

/// A silence that has not ended, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceNow {
    /// The silence.
    pub silence: Silence,
    /// Whether it holds at this moment: it has begun, and this is an hour of the week it names.
    pub holds: bool,
}

/// A maintenance window of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// Its name.
    pub name: String,
    /// Whom it is for; all must fit.
    pub matchers: Vec<Matcher>,
    /// Its hours of the week, if it recurs.
    pub weekly: Option<Weekly>,
    /// It begins; `None` for one that always recurred.
    pub from: Option<UnixMs>,
    /// It ends; `None` for one that recurs for ever.
    pub until: Option<UnixMs>,
    /// Whether it holds at this moment.
    pub holds: bool,
}

/// What is known of an alert beyond its own record. Nothing of it is kept by the pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What would clear it, one sentence; empty if nothing can be said.
    pub clears: String,
    /// What was found out, one sentence each: who answers how, who else is affected, what was changed.
    pub evidence: Vec<String>,
    /// The paths, the oldest first: best one while all was well, and one of the moment.
    pub traces: Vec<Trace>,
    /// Text for the carrier's ticket, to be copied as it is; empty if there is nothing to write.
    pub ticket: String,
}

/// A path to a target, traced at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// When.
    pub at: UnixMs,
    /// What it shows: `while all was well`, `when the alert was raised`.
    pub title: String,
    /// The hops as `netmend trace` prints them, in columns.
    pub text: String,
}

/// Carries out what people ask for.
pub trait Commands: Send + Sync {
    /// Does what is asked in the name of `actor`, and returns when it is on disk: it may block.
    ///
    /// # Errors
    /// Nothing was done, and why.
    fn submit(&self, actor: &str, command: Command) -> Result<Receipt, Refusal>;
}

/// What people ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Somebody knows of an alert.
    Ack {
        /// Which.
        alert: AlertId,
        /// What they say.
        note: Option<String>,
        /// Number of a ticket elsewhere.
        ticket: Option<String>,
    },
    /// Keep alerts quiet for a time.
    Silence(NewSilence),
    /// End a silence now.
    Expire(SilenceId),
}

/// A silence to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSilence {
    /// All must fit.
    pub matchers: Vec<Matcher>,
    /// When it begins; `None` is now.
    pub from: Option<UnixMs>,
    /// When it ends; `None` only for one that recurs.
    pub until: Option<UnixMs>,
    /// It holds only at these hours of the week.
    pub weekly: Option<Weekly>,
    /// Why.
    pub note: String,
}

/// A command was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The alert is acknowledged.
    Acked(AlertId),
    /// The silence has this number.
    Silenced(SilenceId),
    /// The silence has ended.
    Expired(SilenceId),
}

/// Why a command was not carried out: sentences for people, that say what can be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What it names does not exist.
    #[error("{0}")]
    Unknown(String),
    /// It cannot be done as asked, for instance a regular expression that is none.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be done any more, for instance to an alert that is over.
    #[error("{0}")]
    TooLate(String),
    /// It cannot be done now, for instance because the disk is full.
    #[error("{0}")]
    Unavailable(String),
}

/// A daemon that judges nothing: there are no alerts, and commands say so. For programs that show pages
/// over a network that nobody judges.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unjudged;

impl Alerts for Unjudged {
    fn present(&self) -> Arc<AlertsNow> {
        Arc::default()
    }

    fn judgement(&self, _: SeriesId) -> Option<Judgement> {
        None
    }

    fn explain(&self, _: &Alert) -> Explanation {
        Explanation::default()
    }
}

impl Commands for Unjudged {
    fn submit(&self, _: &str, _: Command) -> Result<Receipt, Refusal> {
        Err(Refusal::Unavailable("nothing is judged here, so there are no alerts".to_owned()))
    }
}
