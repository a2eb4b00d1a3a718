//! What our own measurement finds wrong starts repairs, too: an open alert about a target of a device is an event
//! of that device, if a remediation is for its code. Looked at again and again, so that no restart loses one.

use std::collections::{BTreeMap, BTreeSet};

use model::alert::{Alert, Finding, Subject};
use model::event::{Event, EventState, Evidence, Origin};
use model::{AlertState, Metric, Rule, UnixMs};
use show::Alerts as _;
use store::{Change, EventChange, EventReport};

use super::Shared;

/// The code of an event by what was found.
fn code(finding: &Finding) -> &'static str {
    match (finding.rule, finding.metric) {
        (Rule::Down, _) => "TARGET_DOWN",
        (_, Metric::Rtt) => "TARGET_LATENCY",
        (_, Metric::Jitter) => "TARGET_JITTER",
        (_, Metric::Loss) => "TARGET_LOSS",
        (_, Metric::Interface(_)) => "INTERFACE",
    }
}

/// Faults that were told of, by device, code and target.
pub(super) type Told = BTreeSet<(String, &'static str, String)>;

impl Shared {
    /// Makes events of what is found wrong now, and ends those of what is not any more.
    pub(super) fn look_at_alerts(&self) -> Result<(), store::Error> {
        let library = self.shelf.now();
        let now = self.clock.now_ms();
        let present = self.telling.present();
        let mut found = Told::new();
        let mut changes = Vec::new();
        let mut told = self.told.lock().expect("no holder of this lock can panic");
        for alert in &present.open {
            let Subject::Target(target) = &alert.subject else { continue };
            for device in self.around.devices_of(target.series) {
                for finding in alert.findings.iter().filter(|one| one.state == AlertState::Firing) {
                    let code = code(finding);
                    let key = (device.clone(), code, target.to_string());
                    if library.is_for(code, code)
                        && found.insert(key.clone())
                        && !told.contains(&key)
                    {
                        changes.push(report(&key, alert, finding, now));
                    }
                }
            }
        }
        for (device, code, target) in told.difference(&found) {
            let fingerprint = Event::fingerprint(device, code, target);
            changes.push(Change::Event(EventChange::Clear { fingerprint, at: now }));
        }
        if !changes.is_empty() {
            self.apply(changes)?;
        }
        *told = found;
        Ok(())
    }
}

fn report(
    (device, code, target): &(String, &'static str, String),
    alert: &Alert,
    finding: &Finding,
    now: UnixMs,
) -> Change {
    let message = format!("alert {}: {}", alert.id, model::alert::words::headline(alert));
    let fields = BTreeMap::from([
        ("state".to_owned(), "down".to_owned()),
        ("target".to_owned(), target.clone()),
        ("value".to_owned(), finding.value.to_string()),
    ]);
    Change::Event(EventChange::Report(Box::new(EventReport {
        device: device.clone(),
        code: (*code).to_owned(),
        code_norm: (*code).to_owned(),
        object: target.clone(),
        severity: Some(3),
        at: now,
        state: EventState::New,
        reason: String::new(),
        // It has lasted already: that is why there is an alert.
        not_before: now,
        origin: Origin::Judgement,
        message,
        fields,
        evidence: Evidence::Sure,
    })))
}
