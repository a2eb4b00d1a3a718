//! How far people let the remediation go by itself.

use model::event::Mode;

use super::{Case, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    match case.mode {
        Mode::Auto => Verdict::Pass,
        mode => Verdict::AtMost(mode, format!("the mode of {} is {mode}", case.remediation)),
    }
}
