//! Where people work, we do not.

use super::{Case, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    match &case.scene.maintenance {
        Some(window) => {
            let said = format!("{} is in the maintenance window {window}", case.event.device);
            Verdict::Hold(said, case.now + case.limits.again)
        }
        None => Verdict::Pass,
    }
}
