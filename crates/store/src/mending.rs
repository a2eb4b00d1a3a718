//! What mending asks of the store: claims, changes of runs, approvals, audit, and what happened before. Values
//! only; the SQL is in `state_file`, the rules are in `mend`.

use std::time::Duration;

use model::event::{EventId, EventState, Mode};
use model::run::{Decision, Exchange, GuardNote, Run, RunId, RunState};
use model::{Event, UnixMs};

/// What is to be done about an event from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPlan {
    /// The event.
    pub id: EventId,
    /// The states it may be in; else the whole call is a conflict.
    pub from: Vec<EventState>,
    /// The state it gets.
    pub to: EventState,
    /// Why, in words.
    pub reason: String,
    /// Nothing is done about it before this time.
    pub not_before: UnixMs,
    /// What is to be run; `None` leaves that as it is.
    pub rule: Option<PlannedRule>,
    /// With [`EventState::AwaitingApproval`]: the question.
    pub ask: Option<Ask>,
}

/// A question to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// When it was asked.
    pub asked: UnixMs,
    /// When it is void.
    pub expires: UnixMs,
    /// See [`model::run::Approval::would`].
    pub would: Option<Vec<String>>,
}

/// A remediation as it was when an event was planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRule {
    /// Its name.
    pub remediation: String,
    /// SHA-256 of its file, in hexadecimal digits.
    pub script_sha256: String,
    /// How far it may go.
    pub mode: Mode,
}

/// Something about a run.
#[derive(Clone, Debug, PartialEq)]
pub enum RunChange {
    /// A run as it is from now on. A conflict unless the stored one is open and of the same epoch: whoever was
    /// taken for dead writes nothing any more. A run that is over lets go of its locks.
    Put {
        /// The run.
        run: Box<Run>,
        /// Until when its worker surely lives.
        lease_until: UnixMs,
        /// What becomes of its event, which is running or verifying; `None` leaves it.
        event: Option<EventMove>,
        /// What was said on the device, if it is all known.
        transcript: Option<Vec<Exchange>>,
    },
    /// All open runs of this epoch go on until then.
    Renew {
        /// Of which start of the daemon.
        epoch: u64,
        /// Until when.
        until: UnixMs,
    },
    /// Open runs of other epochs become [`RunState::Unknown`]. Their events too, but those whose remediation is
    /// idempotent are queued again, so often at most.
    Recover {
        /// The epoch that begins.
        epoch: u64,
        /// What now is.
        now: UnixMs,
        /// Most attempts of one event.
        attempts: u32,
    },
    /// An open run whose worker is gone becomes [`RunState::Unknown`], and its event as with
    /// [`RunChange::Recover`]. Nothing changes if it is over.
    GiveUp {
        /// The run.
        run: RunId,
        /// What now is.
        now: UnixMs,
        /// Most attempts of one event.
        attempts: u32,
    },
}

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMove {
    /// Its state.
    pub to: EventState,
    /// Why, in words.
    pub reason: String,
    /// Nothing is done about it before this time.
    pub not_before: UnixMs,
}

/// Something for the audit. The store numbers and chains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditNote {
    /// When.
    pub at: UnixMs,
    /// See [`model::run::AuditEntry::actor`].
    pub actor: String,
    /// See [`model::run::AuditEntry::action`].
    pub action: String,
    /// The event it is about.
    pub event: Option<EventId>,
    /// The run it is part of.
    pub run: Option<RunId>,
    /// The rest, in words, without secrets.
    pub detail: String,
}

/// A person's answer to an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The event that was asked about.
    pub event: EventId,
    /// The answer.
    pub decision: Decision,
}

/// A worker wants an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Which.
    pub event: EventId,
    /// The run as it would begin; the store gives number and attempt.
    pub run: Run,
    /// Until when the worker surely lives.
    pub lease_until: UnixMs,
    /// What nobody else may be at.
    pub locks: Vec<String>,
    /// How much may be done at once and in an hour.
    pub limits: ClaimLimits,
}

/// How much may be done; checked in the transaction of the claim. `u32::MAX` of a budget is no limit, and not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimLimits {
    /// Runs at once.
    pub running: u32,
    /// Runs of one remediation at once.
    pub running_rule: u32,
    /// The span of the budgets.
    pub window: Duration,
    /// Runs of one remediation within the window.
    pub rule: u32,
    /// Runs on one device within the window.
    pub device: u32,
    /// Devices that are worked on within the window.
    pub devices: u32,
}

/// What a claim came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Claimed {
    /// The worker has it.
    Run(Box<Run>),
    /// Somebody else is at the device or its partner, or too many are at work.
    Busy(GuardNote),
    /// It would be too much; it may be tried again at a time.
    Spent(GuardNote, UnixMs),
    /// The event does not wait any more.
    Gone,
}

/// Which runs to find; what is `None` or empty does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunQuery {
    /// The one with this number.
    pub id: Option<RunId>,
    /// About this event.
    pub event: Option<EventId>,
    /// On this device.
    pub device: Option<String>,
    /// Of this remediation.
    pub remediation: Option<String>,
    /// In one of these states.
    pub states: Vec<RunState>,
    /// With lower numbers: the next page.
    pub before: Option<RunId>,
    /// Begun at this time or later.
    pub from: Option<UnixMs>,
    /// Begun before this time.
    pub until: Option<UnixMs>,
    /// At most this many.
    pub limit: u32,
}

impl Default for RunQuery {
    /// All runs; the newest 100 of them.
    fn default() -> Self {
        Self {
            id: None,
            event: None,
            device: None,
            remediation: None,
            states: Vec::new(),
            before: None,
            from: None,
            until: None,
            limit: 100,
        }
    }
}

/// Which entries of the audit to find; what is `None` does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// About this event.
    pub event: Option<EventId>,
    /// Of this run.
    pub run: Option<RunId>,
    /// With lower numbers: the next page.
    pub before: Option<u64>,
    /// At most this many.
    pub limit: u32,
}

impl Default for AuditQuery {
    /// All entries; the newest 100 of them.
    fn default() -> Self {
        Self { event: None, run: None, before: None, limit: 100 }
    }
}

/// What to look up before an event is planned or begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrecedentQuery {
    /// The event's device.
    pub device: String,
    /// When the event was told first.
    pub told: UnixMs,
    /// The other half of the device's pair.
    pub partner: Option<String>,
    /// The remediation that would be run.
    pub remediation: String,
    /// Runs of the remediation that began before this do not count against it.
    pub since: UnixMs,
    /// What now is.
    pub now: UnixMs,
    /// What was counted a moment ago; it holds until there is another event.
    pub storm: Option<StormCount>,
}

/// How many events began lately, everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StormCount {
    /// Within the last minute.
    pub events: u32,
    /// Of how many devices.
    pub devices: u32,
    /// The number of the newest event; 0 if there is none.
    pub newest: u64,
}

/// What happened before: on the device, to its partner, with the remediation, everywhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Precedents {
    /// Runs on the device that began before the event was told, and were not over for an hour by then; newest first.
    pub own: Vec<Run>,
    /// Who configured the device within the last hour, and when last.
    pub configured: Vec<(String, UnixMs)>,
    /// An event of the partner that is not over, told within the last 15 minutes.
    pub partner: Option<Event>,
    /// How the last runs of the remediation ended, the newest first; at most five.
    pub results: Vec<RunState>,
    /// How many of its successes of the last day were followed by the same fault within 30 minutes.
    pub ineffective: u32,
    /// Whether all fails at once.
    pub storm: StormCount,
}

/// What a remediation did, or would have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRecord {
    /// Its name.
    pub remediation: String,
    /// Events that it was planned for.
    pub planned: u32,
    /// Of these, how many cleared by themselves before anything was done.
    pub cleared: u32,
    /// Why events were held, suppressed or only recorded, the most frequent first, and how often.
    pub reasons: Vec<(String, u32)>,
    /// How its runs ended, and how often.
    pub runs: Vec<(RunState, u32)>,
    /// Successes that were followed by the same fault within 30 minutes.
    pub came_back: u32,
}

/// A fault that comes back although it was repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offender {
    /// The device.
    pub device: String,
    /// The code of the fault.
    pub code: String,
    /// What it is about.
    pub object: String,
    /// How many runs there were.
    pub runs: u32,
    /// After how many of them it came back.
    pub came_back: u32,
    /// When it was told last.
    pub last: UnixMs,
}
