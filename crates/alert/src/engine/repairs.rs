//! Alerts of those who repair: they say again and again what needs people, and what is not said any more is
//! over. No series is behind these alerts, and nobody speaks for them.

use std::collections::HashMap;

use model::alert::{AlertId, RepairSubject, Subject};
use model::{Alert, AlertState, Severity, UnixMs};

use super::Engine;

/// Something that people must see to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// What it is about.
    pub subject: RepairSubject,
    /// How much it matters.
    pub severity: Severity,
    /// Since when.
    pub since: UnixMs,
}

impl Engine {
    /// Takes in all that needs people now: raises what is new, ends what is not among it.
    pub fn repairs(&mut self, signals: Vec<Signal>, now: UnixMs) {
        let mut open: HashMap<String, AlertId> = self
            .held
            .iter()
            .filter(|(_, held)| held.alert.is_open())
            .filter_map(|(id, held)| match &held.alert.subject {
                Subject::Repair(repair) => Some((repair.key.clone(), *id)),
                _ => None,
            })
            .collect();
        for Signal { subject, severity, since } in signals {
            let Some(id) = open.remove(&subject.key) else {
                self.create(Alert::new(AlertId(0), Subject::Repair(subject), severity, since), now);
                continue;
            };
            if self.held[&id].alert.subject != Subject::Repair(subject.clone()) {
                self.change(id).subject = Subject::Repair(subject);
            }
            self.raise_severity(id, severity, now);
        }
        let mut over: Vec<AlertId> = open.into_values().collect();
        over.sort_unstable();
        for id in over {
            self.end(id, AlertState::Resolved, now);
        }
    }
}
