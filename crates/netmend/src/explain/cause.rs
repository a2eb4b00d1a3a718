//! Where the faults of open alerts are, by how the other targets of the same hosts stand at this moment. Pure:
//! who calls it sets the causes.

use std::collections::HashMap;
use std::sync::Arc;

use model::alert::{AlertId, Cause};
use model::{Alert, AlertState, Family, Protocol, SeriesId, Subject, TargetNow, TargetState};
use show::Snapshot;

use super::verdict::{Health, is_refused, judged, verdict};

/// The causes of these open alerts, as far as they can be told.
pub(crate) fn causes(open: &[Arc<Alert>], snapshot: &Snapshot) -> Vec<(AlertId, Cause)> {
    let mut alerts: HashMap<SeriesId, &Alert> = HashMap::new();
    let mut hosts: HashMap<(&str, Family), Vec<(Protocol, Health)>> = HashMap::new();
    for alert in open {
        if let (Subject::Target(target), AlertState::Firing) = (&alert.subject, alert.state) {
            alerts.insert(target.series, alert);
            hosts.insert((&target.host, target.family), Vec::new());
        }
    }
    if alerts.is_empty() {
        return Vec::new();
    }
    for row in &snapshot.targets {
        if let Some(seen) = hosts.get_mut(&(row.target.host.as_str(), row.target.family)) {
            seen.push((row.target.protocol, health(row, alerts.get(&row.series.rtt).copied())));
        }
    }
    let of = |alert: &&Alert| {
        let Subject::Target(target) = &alert.subject else { return None };
        let seen = hosts.get(&(target.host.as_str(), target.family))?;
        Some((alert.id, verdict(seen).cause?))
    };
    let mut found: Vec<_> = alerts.values().filter_map(of).collect();
    found.sort_unstable_by_key(|(id, _)| *id);
    found
}

/// How a target stands at this moment.
fn health(row: &TargetNow, open: Option<&Alert>) -> Health {
    if is_refused(row) {
        return Health::Refused;
    }
    match (row.state, open.and_then(judged)) {
        (TargetState::Unknown | TargetState::NoData | TargetState::Unresolved, _) => {
            Health::Unknown
        }
        (TargetState::Down, _) => Health::Silent,
        (_, Some(judged)) => judged,
        (TargetState::NeverAnswered, None) => Health::Mute,
        (TargetState::Up | TargetState::Lossy, None) => Health::Usual,
    }
}
