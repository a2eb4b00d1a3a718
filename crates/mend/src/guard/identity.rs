//! Who told of it? A line that names one device and comes from another never runs anything, and one whose sender
//! can be forged does so only with a person's yes.

use model::event::{Evidence, Mode};

use super::{Case, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    let (event, scene) = (case.event, case.scene);
    if event.evidence == Evidence::Conflict {
        let said = "identity conflict: the line names one device and came from another";
        return Verdict::Suppress(said.into());
    }
    if case.device.is_none() {
        return Verdict::Record(format!("the inventory has no device {}", event.device));
    }
    if let Some(said) = &scene.unreachable {
        return Verdict::Record(said.clone());
    }
    match (event.evidence, &scene.evidence) {
        (Evidence::Datagram, None) => Verdict::AtMost(
            Mode::Approve,
            "it came by UDP, whose sender can be forged, and nothing else speaks for it".into(),
        ),
        (Evidence::Datagram, Some(said)) => Verdict::AtMost(Mode::Auto, said.clone()),
        _ => Verdict::Pass,
    }
}
