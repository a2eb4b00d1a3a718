//! A fault that is over needs no repair: most clear by themselves. Until it has lasted long enough its event is
//! not planned at all.

use super::{Case, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    match case.event.cleared {
        Some(_) => Verdict::Suppress("it cleared before anything was done".into()),
        None => Verdict::Pass,
    }
}
