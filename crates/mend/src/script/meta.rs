//! What a remediation says of itself, and the names of its steps and of what comes of them.

use std::fmt;
use std::time::Duration;

use super::facts::Facts;
use super::pattern::Pattern;
use crate::platform::Platform;

/// What a file's `remediation(...)` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// What it does, in one line: the first of the file's docstring.
    pub about: String,
    /// Codes of the events that it is for, as printed or in normal form.
    pub codes: Vec<Pattern>,
    /// What must be so besides; all of it.
    pub when: Vec<Condition>,
    /// Platforms that it is for; none: all.
    pub platforms: Vec<Platform>,
    /// How long a run may take, the time of the device included.
    pub timeout: Duration,
    /// Whether it may run again after nobody knows how far it came.
    pub idempotent: bool,
    /// Of two that match an event the one with the higher priority runs.
    pub priority: i32,
    /// How long `verify` may go on saying no after `fix`, before it counts.
    pub settle: Duration,
    /// How often it may be tried again after a failure.
    pub retries: u32,
    /// The steps that the file defines.
    pub steps: Vec<Step>,
}

impl Meta {
    /// Whether the file defines this step.
    pub fn has(&self, step: Step) -> bool {
        self.steps.contains(&step)
    }

    /// Whether it changes something.
    pub fn changes(&self) -> bool {
        self.has(Step::Fix)
    }

    /// Whether it is for an event with these facts on this platform. `None`: it is not known what runs there.
    pub fn matches(&self, facts: &Facts, platform: Option<Platform>) -> bool {
        let event = &facts.event;
        self.runs_on(platform)
            && self.codes.iter().any(|code| code.fits(&event.code) || code.fits(&event.code_norm))
            && self.when.iter().all(|condition| condition.holds(facts))
    }

    pub(super) fn runs_on(&self, platform: Option<Platform>) -> bool {
        self.platforms.is_empty() || platform.is_some_and(|one| self.platforms.contains(&one))
    }
}

/// What must be so of an event: one of its fields is one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The field, as patterns of messages name it.
    pub field: String,
    /// What it may be, upper and lower case alike.
    pub values: Vec<Pattern>,
}

impl Condition {
    /// Whether it is so.
    pub fn holds(&self, facts: &Facts) -> bool {
        let value = facts.field(&self.field).unwrap_or_default();
        self.values.iter().any(|pattern| pattern.fits_folded(value))
    }
}

/// A step of a remediation, a function of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Is it as the event says, and may it be repaired? It can only look.
    Check,
    /// The repair.
    Fix,
    /// Is it repaired? It can only look.
    Verify,
    /// Takes the repair back.
    Undo,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Step; 4] = [Step::Check, Step::Fix, Step::Verify, Step::Undo];

    /// The name of its function.
    pub fn name(self) -> &'static str {
        match self {
            Step::Check => "check",
            Step::Fix => "fix",
            Step::Verify => "verify",
            Step::Undo => "undo",
        }
    }

    /// The step of this function.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }

    /// Whether it may change the device.
    pub fn may_change(self) -> bool {
        matches!(self, Step::Fix | Step::Undo)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Yes, no, or neither.
    pub kind: VerdictKind,
    /// Why, in the words of the file; empty if it says nothing.
    pub reason: String,
    /// What the file had to note on the way.
    pub notes: Vec<String>,
}

/// What a step says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictKind {
    /// `check`: it is broken and may be repaired. `fix`, `undo`: done. `verify`: it is repaired.
    Yes,
    /// `check`: there is nothing to do. `fix`, `undo`: not done. `verify`: it is still broken.
    No,
    /// People must look at it.
    Escalate,
}
