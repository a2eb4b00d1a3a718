//! What is done about events: runs of remediations with their steps and their proof, approvals, and the
//! audit of everything that netmend did to a device or a person told it to. The words here are a format:
//! store, command line and API use them. It holds no rule about what may run: guards are in `mend`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::event::{Approved, EventId, Mode, words};
use crate::{SeriesId, UnixMs};

/// Number of a run: ascends from 1 in a data folder, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = std::num::ParseIntError;

    /// Reads `17` or `#17`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix('#').unwrap_or(text).parse().map(Self)
    }
}

words! {
    /// Where a run stands.
    enum RunState {
        /// A worker is at it: it looks, or repairs.
        Running = "running",
        /// It was repaired; whether that holds is being looked at.
        Verifying = "verifying",
        /// It was repaired, and nothing speaks against it.
        Success = "success",
        /// It did not work.
        Failure = "failure",
        /// It took too long.
        TimedOut = "timed_out",
        /// netmend ended in the middle of it.
        Unknown = "unknown",
        /// There was nothing to do: `check` said no.
        NotNeeded = "not_needed",
        /// A guard stopped it before anything was changed.
        Held = "held",
        /// A person or the kill switch ended it.
        Cancelled = "cancelled",
        /// A dry run: it was only looked at what would be sent.
        Looked = "looked",
    }
}

impl RunState {
    /// Whether a worker is at it.
    pub fn is_open(self) -> bool {
        self <= RunState::Verifying
    }
}

words! {
    /// A part of a remediation.
    enum Step {
        /// Whether the fault is there and may be repaired; only reads.
        Check = "check",
        /// The repair.
        Fix = "fix",
        /// Whether it worked; only reads.
        Verify = "verify",
        /// Takes the repair back.
        Undo = "undo",
    }
}

words! {
    /// How a step ended.
    enum StepOutcome {
        /// It said yes.
        Yes = "yes",
        /// It said no.
        No = "no",
        /// It came to its end.
        Done = "done",
        /// It did not.
        Failed = "failed",
    }
}

/// A step that was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// Which.
    pub step: Step,
    /// When it began.
    pub at: UnixMs,
    /// How long it took.
    pub took_ms: u64,
    /// How it ended.
    pub outcome: StepOutcome,
    /// What it said, or why it failed; empty if there is nothing to say.
    pub said: String,
}

/// What a guard said before a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardNote {
    /// Its name: `maintenance`, `budgets`.
    pub guard: String,
    /// Whether it let the run pass.
    pub passed: bool,
    /// Why not, or on what ground, one sentence; empty if there is nothing to say.
    pub said: String,
}

words! {
    /// Whether a repair held.
    enum ProofVerdict {
        /// `verify` said yes, and the targets of the device answer as usual.
        Proven = "proven",
        /// They do not.
        NotProven = "not_proven",
        /// `verify` said yes, and the device has no targets to measure.
        NotProvable = "not_provable",
    }
}

/// Measurements before and after a repair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// What they show.
    pub verdict: ProofVerdict,
    /// Why, one sentence.
    pub reason: String,
    /// Each target of the device.
    pub targets: Vec<TargetProof>,
}

/// One target before and after a repair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetProof {
    /// Its name, `host` or `host:port`.
    pub target: String,
    /// The series of its RTT.
    pub series: SeriesId,
    /// Before the repair.
    pub before: Measured,
    /// After it.
    pub after: Measured,
    /// Its usual RTT in µs, if known.
    pub usual_us: Option<f32>,
    /// The RTT in µs above which it is too slow, if known.
    pub limit_us: Option<f32>,
    /// Whether it is as it should be now.
    pub holds: bool,
}

/// Probes of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Probes whose outcome is known.
    pub sent: u32,
    /// Of these answered.
    pub received: u32,
    /// Mean RTT in µs of the answered ones, if any.
    pub rtt_us: Option<f32>,
}

/// One execution of a remediation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The event it is about.
    pub event: EventId,
    /// The how-manieth for this event, from 1.
    pub attempt: u32,
    /// The device.
    pub device: String,
    /// What runs on it.
    pub platform: String,
    /// The remediation.
    pub remediation: String,
    /// SHA-256 of its file, in hexadecimal digits.
    pub script_sha256: String,
    /// Whether its file says that it may be run again after it was cut off.
    pub idempotent: bool,
    /// How far it could go by itself.
    pub mode: Mode,
    /// Who said yes.
    pub approved: Option<Approved>,
    /// Who works at it: `worker 3`.
    pub worker: String,
    /// Which start of the daemon it belongs to.
    pub epoch: u64,
    /// Where it stands.
    pub state: RunState,
    /// Why, in words; empty if that needs none.
    pub reason: String,
    /// When it began.
    pub started: UnixMs,
    /// When it ended.
    pub ended: Option<UnixMs>,
    /// Whether anything that changes the device was sent, or was about to be.
    pub changed: bool,
    /// What was sent that changes the device, secrets taken out.
    pub sent: Vec<String>,
    /// What the guards said.
    pub guards: Vec<GuardNote>,
    /// The steps so far.
    pub steps: Vec<StepResult>,
    /// Whether the repair held, once that is known.
    pub proof: Option<Proof>,
}

/// One exchange with a device: what a transcript is made of. Secrets have been taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// When it began.
    pub at: UnixMs,
    /// How long it took.
    pub took_ms: u64,
    /// The step that it belongs to; `None` for login and preparation.
    pub step: Option<Step>,
    /// What was sent.
    pub sent: String,
    /// What came back.
    pub received: String,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// A question to a person: may this be run?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The event it is about; an event may be asked about more than once.
    pub event: EventId,
    /// Its device.
    pub device: String,
    /// What is to be run.
    pub remediation: String,
    /// When it was asked.
    pub asked: UnixMs,
    /// When the question is void.
    pub expires: UnixMs,
    /// Why a person is asked, one sentence.
    pub reason: String,
    /// What the repair would send, as a dry run on the device has shown, an entry of some lines for each thing
    /// that it does: the yes is to this and to nothing else. `None`: nobody looked.
    #[serde(default)]
    pub would: Option<Vec<String>>,
    /// The answer.
    pub decision: Option<Decision>,
}

/// The answer to an [`Approval`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who.
    pub by: String,
    /// When.
    pub at: UnixMs,
    /// Yes or no.
    pub approved: bool,
    /// What they said.
    pub note: String,
}

/// One entry of the audit: something was done to a device, or decided. Entries are only ever added; each
/// holds the hash of the one before, so that one that was changed or taken out shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number, from 1 without gaps.
    pub id: u64,
    /// When.
    pub at: UnixMs,
    /// Who: `worker 3`, or a person as the control socket or the login knows them.
    pub actor: String,
    /// What: `login`, `command`, `approve`, `pause`.
    pub action: String,
    /// The event it is about.
    pub event: Option<EventId>,
    /// The run it is part of.
    pub run: Option<RunId>,
    /// The rest, in words; secrets have been taken out.
    pub detail: String,
    /// Hash of the entry before, in hexadecimal digits; zeros for the first.
    pub previous: String,
    /// SHA-256 of all of the above, in hexadecimal digits.
    pub hash: String,
}

impl AuditEntry {
    /// The bytes that are hashed: every part with its length before it, so that none runs into the next.
    pub fn hashed(&self) -> Vec<u8> {
        let id = self.id.to_string();
        let at = self.at.0.to_string();
        let number = |id: Option<u64>| id.map(|id| id.to_string()).unwrap_or_default();
        let (event, run) = (number(self.event.map(|id| id.0)), number(self.run.map(|id| id.0)));
        let parts =
            [&self.previous, &id, &at, &self.actor, &self.action, &event, &run, &self.detail];
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back() {
        for state in RunState::ALL {
            assert_eq!(RunState::from_name(state.as_str()), Some(*state));
        }
        assert!(RunState::Verifying.is_open() && !RunState::Success.is_open());
        assert!(Mode::Observe < Mode::Suggest && Mode::Approve < Mode::Auto);
        assert_eq!(Step::from_name("fix"), Some(Step::Fix));
    }

    #[test]
    fn parts_of_an_audit_entry_do_not_run_into_each_other() {
        let entry = |actor: &str, action: &str| AuditEntry {
            id: 1,
            at: UnixMs(2),
            actor: actor.into(),
            action: action.into(),
            event: None,
            run: Some(RunId(3)),
            detail: String::new(),
            previous: "0".repeat(64),
            hash: String::new(),
        };
        assert_ne!(entry("ab", "c").hashed(), entry("a", "bc").hashed());
        let moved = AuditEntry { event: Some(EventId(3)), run: None, ..entry("ab", "c") };
        assert_ne!(entry("ab", "c").hashed(), moved.hashed());
    }
}
