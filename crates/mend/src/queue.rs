//! What becomes of an event that waits: from a remediation that is meant for it and what the guards say to a
//! plan. It looks nothing up and runs nothing.

use std::sync::Arc;
use std::time::Duration;

use model::event::{EventState, Mode};
use model::{Event, UnixMs};
use store::{Ask, EventPlan, PlannedRule};

use crate::guard::{self, Case, Outcome, Todo};
use crate::script::{Found, Remediation};

/// Attempts of one event at most, crashes included.
pub const ATTEMPTS: u32 = 5;
/// The first pause before a failed run is tried again; each further one is twice as long.
const BACKOFF: Duration = Duration::from_secs(30);
/// The longest such pause.
const LONGEST: Duration = Duration::from_mins(30);

/// States in which an event waits for a plan.
pub const WAITING: [EventState; 2] = [EventState::New, EventState::Held];

/// The plan of an event that nothing is for, or nothing that could be chosen.
pub fn unplanned(event: &Event, found: &Found) -> Option<EventPlan> {
    let reason = match found {
        Found::One(remediation) if remediation.meta.changes() => return None,
        Found::One(remediation) => format!("{} only records", remediation.name),
        Found::Default(_) | Found::Nothing => event.reason.clone(),
        Found::Several(several) => {
            let names: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
            format!("{} are for it and none has a higher priority", names.join(" and "))
        }
    };
    let rule = match found {
        Found::One(remediation) => Some(rule(remediation, Mode::Observe)),
        _ => None,
    };
    // What cleared before it settled came to nothing.
    Some(plan(event, EventState::Recorded, reason, event.not_before, rule))
}

/// The plan of an event that a remediation is for.
pub fn planned(case: &Case<'_>, remediation: &Remediation) -> (EventPlan, Outcome) {
    let outcome = guard::ask(case);
    let (event, said) = (case.event, outcome.said.clone());
    let rule = Some(rule(remediation, case.mode));
    let plan = match outcome.what {
        Todo::Run | Todo::Look => plan(event, EventState::Queued, said, case.now, rule),
        Todo::Ask => {
            let expires = case.now + case.limits.approval;
            let ask = Some(Ask { asked: case.now, expires, would: None });
            EventPlan { ask, ..plan(event, EventState::AwaitingApproval, said, expires, rule) }
        }
        Todo::Hold(until) => {
            // A guard that has no end in sight must not be asked without a pause.
            let until = until.max(case.now + Duration::from_millis(200));
            plan(event, EventState::Held, said, until, rule)
        }
        Todo::Suppress => plan(event, EventState::Suppressed, said, case.now, rule),
        Todo::Record => plan(event, EventState::Recorded, said, case.now, rule),
    };
    (plan, outcome)
}

fn rule(remediation: &Remediation, mode: Mode) -> PlannedRule {
    PlannedRule {
        remediation: remediation.name.clone(),
        script_sha256: remediation.sha256.clone(),
        mode,
    }
}

fn plan(
    event: &Event,
    to: EventState,
    reason: String,
    not_before: UnixMs,
    rule: Option<PlannedRule>,
) -> EventPlan {
    let from = vec![event.state];
    EventPlan { id: event.id, from, to, reason, not_before, rule, ask: None }
}

/// When a failed run may be tried again.
pub fn backoff(attempt: u32, now: UnixMs) -> UnixMs {
    let pause = BACKOFF.saturating_mul(1 << attempt.saturating_sub(1).min(10));
    now + pause.min(LONGEST)
}

/// Whether a remediation of this name still is what it was when the event was planned.
pub fn is_same(event: &Event, remediation: Option<&Arc<Remediation>>) -> bool {
    let planned = event.plan.as_ref().map(|plan| plan.script_sha256.as_str());
    planned.is_some() && planned == remediation.map(|remediation| remediation.sha256.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_have_an_end() {
        let pause = |attempt| backoff(attempt, UnixMs(0)).0 / 1000;
        assert_eq!([1, 2, 3, 4].map(pause), [30, 60, 120, 240]);
        assert_eq!([8, 99].map(pause), [1800, 1800]);
    }
}
