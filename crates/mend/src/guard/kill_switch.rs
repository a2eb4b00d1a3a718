//! Nothing is repaired while people have stopped all repairs. It is looked at before each command, too.

use super::{Case, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    match &case.scene.paused {
        Some(said) => Verdict::Hold(said.clone(), case.now + case.limits.again),
        None => Verdict::Pass,
    }
}
