//! What may keep a remediation from running, one file a guard, in the order of [`GUARDS`]. Values in, verdicts
//! out: whoever asks has looked everything up. They are asked when an event is planned, and again when a worker
//! begins, after an approval too. Locks, concurrency and budgets are looked at by the claim, in the store's
//! transaction; [`lock`] and [`budget`] say what it looks for. The kill switch is looked at before each command.
//! What has not lasted yet and what flaps does not come here at all: the intake says until when it waits.

mod breaker;
pub mod budget;
mod credential;
mod identity;
mod kill_switch;
pub mod lock;
mod maintenance;
mod mode;
mod partner;
mod people;
mod self_caused;
mod settle;
mod storm;

use std::time::Duration;

use model::event::Mode;
use model::run::GuardNote;
use model::{Device, Event, UnixMs};
use store::Precedents;

pub use breaker::tripped;
pub use storm::StormLimits;

/// What a guard is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What now is.
    pub now: UnixMs,
    /// The event.
    pub event: &'a Event,
    /// Its device, if the inventory knows it.
    pub device: Option<&'a Device>,
    /// The other half of its pair.
    pub partner: Option<&'a str>,
    /// The remediation that would run.
    pub remediation: &'a str,
    /// How far it may go, as people and the configuration say.
    pub mode: Mode,
    /// What happened before.
    pub before: &'a Precedents,
    /// What is now.
    pub scene: &'a Scene,
    /// The numbers.
    pub limits: &'a Limits,
}

/// What is now, around an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scene {
    /// Why all repairs are stopped, one sentence.
    pub paused: Option<String>,
    /// Why too much fails at once, one sentence, and until when that holds at least.
    pub storm: Option<(String, UnixMs)>,
    /// The maintenance window that the device is in.
    pub maintenance: Option<String>,
    /// What is wrong with the other half of the device's pair, by our own measurement.
    pub partner: Option<String>,
    /// What else speaks for the fault, by our own measurement.
    pub evidence: Option<String>,
    /// Why nobody logs in with the device's credential any more.
    pub blocked: Option<String>,
    /// Why the device cannot be logged in to: no login, no platform.
    pub unreachable: Option<String>,
}

/// The numbers that guards go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long after our own session what a device says may be our own doing.
    pub self_caused: Duration,
    /// How long after somebody else configured a device it is theirs.
    pub people: Duration,
    /// How long a yes of a person holds.
    pub approval: Duration,
    /// Among the last five runs so many failures trip a remediation.
    pub failures: usize,
    /// So many successes that did not hold trip it, too.
    pub ineffective: u32,
    /// When something is held that no time ends, it is looked at again after this.
    pub again: Duration,
}

impl Default for Limits {
    /// A minute, 15 minutes, 30 minutes; three failures, two successes in vain; half a minute.
    fn default() -> Self {
        Self {
            self_caused: Duration::from_mins(1),
            people: Duration::from_mins(15),
            approval: Duration::from_mins(30),
            failures: 3,
            ineffective: 2,
            again: Duration::from_secs(30),
        }
    }
}

/// What a guard says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it.
    Pass,
    /// It may go no further than this by itself.
    AtMost(Mode, String),
    /// Not now; it is looked at again at a time.
    Hold(String, UnixMs),
    /// Never, for this event.
    Suppress(String),
    /// There is nothing that could be done.
    Record(String),
}

/// Looks at a case.
pub type Guard = fn(&Case<'_>) -> Verdict;

/// The guards in their order. What the claim looks at comes after them.
pub const GUARDS: [(&str, Guard); 11] = [
    ("kill switch", kill_switch::look),
    ("storm", storm::look),
    ("breaker", breaker::look),
    ("identity", identity::look),
    ("credential", credential::look),
    ("mode", mode::look),
    ("maintenance", maintenance::look),
    ("settle", settle::look),
    ("self-caused", self_caused::look),
    ("people", people::look),
    ("partner", partner::look),
];

/// What is to become of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What to do.
    pub what: Todo,
    /// Why, one sentence; empty where it needs none.
    pub said: String,
    /// What each guard said that was asked.
    pub notes: Vec<GuardNote>,
}

/// What to do with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Run the remediation.
    Run,
    /// Ask a person.
    Ask,
    /// Look at the device what it would do, then ask a person.
    Look,
    /// Look again at this time.
    Hold(UnixMs),
    /// Nothing, ever.
    Suppress,
    /// Note it.
    Record,
}

/// Asks the guards.
pub fn ask(case: &Case<'_>) -> Outcome {
    let mut notes = Vec::with_capacity(GUARDS.len());
    let mut mode = (case.mode, String::new());
    let mut stop = None;
    for (guard, look) in GUARDS {
        let mut note = |passed, said: &str| {
            notes.push(GuardNote { guard: guard.into(), passed, said: said.to_owned() });
        };
        match look(case) {
            Verdict::Pass => note(true, ""),
            Verdict::AtMost(most, said) => {
                note(most > Mode::Approve || approved(case), &said);
                if most < mode.0 || (most == mode.0 && mode.1.is_empty()) {
                    mode = (most, said);
                }
            }
            Verdict::Hold(said, until) => {
                note(false, &said);
                stop = Some((Todo::Hold(until), said));
            }
            Verdict::Suppress(said) => {
                note(false, &said);
                stop = Some((Todo::Suppress, said));
            }
            Verdict::Record(said) => {
                note(false, &said);
                stop = Some((Todo::Record, said));
            }
        }
        if stop.is_some() {
            break;
        }
    }
    let (what, said) = decide(case, mode, stop);
    Outcome { what, said, notes }
}

fn decide(
    case: &Case<'_>,
    (mode, why): (Mode, String),
    stop: Option<(Todo, String)>,
) -> (Todo, String) {
    let name = case.remediation;
    match (mode, stop) {
        // What only observes neither waits nor asks.
        (Mode::Observe, Some((_, said))) => {
            (Todo::Record, format!("observe: {name} would not run now: {said}"))
        }
        (Mode::Observe, None) => (Todo::Record, format!("observe: {name} would run")),
        (_, Some(stop)) => stop,
        (Mode::Suggest | Mode::Approve, None) if approved(case) => (Todo::Run, String::new()),
        (Mode::Suggest, None) => {
            (Todo::Look, format!("suggest: it is looked at what {name} would do"))
        }
        (Mode::Approve, None) => (Todo::Ask, why),
        (Mode::Auto, None) => (Todo::Run, String::new()),
    }
}

/// Whether a person said yes not too long ago.
fn approved(case: &Case<'_>) -> bool {
    let plan = case.event.plan.as_ref();
    let approved = plan.and_then(|plan| plan.approved.as_ref());
    approved.is_some_and(|approved| case.now < approved.at + case.limits.approval)
}

#[cfg(test)]
mod tests;
