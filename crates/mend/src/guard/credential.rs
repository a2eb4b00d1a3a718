//! A credential that devices refused twice is not tried a third time: the account may get locked.

use super::{Case, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    match &case.scene.blocked {
        Some(said) => Verdict::Hold(said.clone(), case.now + case.limits.again),
        None => Verdict::Pass,
    }
}
