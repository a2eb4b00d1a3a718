//! While the other half of a pair is down, alerting or silent, this half carries everything: hands off.

use super::{Case, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    let Some(partner) = case.partner else { return Verdict::Pass };
    let until = case.now + case.limits.again;
    if let Some(said) = &case.scene.partner {
        return Verdict::Hold(format!("its partner {partner} {said}"), until);
    }
    match &case.before.partner {
        Some(event) => {
            let what = if event.code.is_empty() { &event.message } else { &event.code };
            let said = format!("its partner {partner} told of {what} itself (event {})", event.id);
            Verdict::Hold(said, until)
        }
        None => Verdict::Pass,
    }
}
