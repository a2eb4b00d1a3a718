//! A fault must last before anything is done: most clear by themselves.

use model::EventState;

use super::{Case, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    let event = case.event;
    if event.cleared.is_some() {
        return Verdict::Suppress("it cleared before anything was done".into());
    }
    if event.state == EventState::New && case.now < event.not_before {
        return Verdict::Hold("it may still clear by itself".into(), event.not_before);
    }
    Verdict::Pass
}
