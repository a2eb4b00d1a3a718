//! A device that somebody else has just configured is theirs for a while.

use super::{Case, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    let own = case.device.and_then(|device| device.login.as_ref()).map(|login| login.user.as_str());
    let limits = case.limits;
    // A device may not tell who it was: then it was us if we were there.
    let somebody = case.before.configured.iter().filter(|(user, at)| {
        let ours = if user.is_empty() {
            case.before.own.iter().any(|run| {
                let until = run.ended.map(|ended| ended + limits.self_caused);
                *at >= run.started && until.is_none_or(|until| *at <= until)
            })
        } else {
            own == Some(user.as_str())
        };
        !ours && *at + limits.people > case.now
    });
    let Some((user, at)) = somebody.max_by_key(|(_, at)| *at) else { return Verdict::Pass };
    let user = if user.is_empty() { "somebody" } else { user };
    let minutes = (case.now.0 - at.0).max(0) / 60_000;
    let said = format!("{user} configured {} {minutes} minutes ago", case.event.device);
    Verdict::Hold(said, *at + limits.people)
}
