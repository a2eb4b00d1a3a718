//! What comes and goes is left alone until it is quiet: each repair would be one change more.

use model::EventState;

use super::{Case, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    let event = case.event;
    if event.state == EventState::Held && case.now < event.not_before {
        return Verdict::Hold(event.reason.clone(), event.not_before);
    }
    Verdict::Pass
}
