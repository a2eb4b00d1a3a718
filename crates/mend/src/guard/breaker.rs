//! A remediation that fails, or whose repairs do not hold, asks a person from then on.

use model::event::Mode;
use model::run::RunState;
use store::Precedents;

use super::{Case, Limits, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    match tripped(case.before, case.limits) {
        Some(said) => {
            Verdict::AtMost(Mode::Approve, format!("breaker: {}: {said}", case.remediation))
        }
        None => Verdict::Pass,
    }
}

/// Why a remediation has lost our trust, if it has.
pub fn tripped(before: &Precedents, limits: &Limits) -> Option<String> {
    let failures = before.results.iter().filter(|state| **state != RunState::Success).count();
    if failures >= limits.failures {
        return Some(format!("{failures} of its last {} runs failed", before.results.len()));
    }
    (before.ineffective >= limits.ineffective)
        .then(|| format!("{} of its repairs were followed by the same fault", before.ineffective))
}
