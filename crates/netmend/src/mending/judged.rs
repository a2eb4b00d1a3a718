//! What our own measurement finds wrong starts repairs, too: an open alert about a target of a device is an event
//! of that device, if a remediation is for its code. Looked at again and again, so that no restart loses one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::alert::{Alert, Finding, Subject};
use model::event::{Event, EventState, Evidence, Origin};
use model::{AlertState, Metric, Rule, SeriesId, UnixMs};
use show::Alerts as _;
use store::{Change, EventChange, EventQuery, EventReport, Query, State, Value};

use super::Shared;

/// The codes of such events.
const CODES: [&str; 4] = ["TARGET_DOWN", "TARGET_LATENCY", "TARGET_JITTER", "TARGET_LOSS"];
/// Events that are looked at when it starts, the newest.
const MANY: u32 = 10_000;

/// The code of an event by what was found; what is found of an interface is none of a target.
fn code(finding: &Finding) -> Option<&'static str> {
    let [down, latency, jitter, loss] = CODES;
    match (finding.rule, finding.metric) {
        (Rule::Down, _) => Some(down),
        (_, Metric::Rtt) => Some(latency),
        (_, Metric::Jitter) => Some(jitter),
        (_, Metric::Loss) => Some(loss),
        (_, Metric::Interface(_)) => None,
    }
}

/// Faults that were told of and last, by device, code and target.
pub(super) type Told = BTreeSet<(String, &'static str, String)>;

/// Those that the last start told of: a fault that outlasts a restart is no new one.
pub(super) fn read(state: &dyn State) -> Result<Told, store::Error> {
    let code = Some("TARGET_*".to_owned());
    let query = EventQuery { code, limit: MANY, ..EventQuery::default() };
    let found = state.find(&Query::Events(query))?;
    let told = |record: store::Record| match record.value {
        Value::Event(event) if event.origin == Origin::Judgement && event.cleared.is_none() => {
            let code = CODES.into_iter().find(|code| *code == event.code)?;
            Some((event.device, code, event.object))
        }
        _ => None,
    };
    Ok(found.into_iter().filter_map(told).collect())
}

impl Shared {
    /// Makes events of what is found wrong now, and ends those of what is not any more.
    pub(super) fn look_at_alerts(&self) -> Result<(), store::Error> {
        let library = self.shelf.now();
        let open = &self.telling.present().open;
        let mut told = self.told.lock().expect("no holder of this lock can panic");
        let wanted = |code: &str| library.is_for(code, code);
        let of = |target| self.around.devices_of(target);
        let (next, changes) = compared(&told, open, (wanted, of), self.clock.now_ms());
        if !changes.is_empty() {
            self.apply(changes)?;
        }
        *told = next;
        Ok(())
    }
}

/// What is told once these alerts are open, and what has to be said for that. Asks whether a code is `wanted`, and
/// which devices a target is `of`.
fn compared(
    told: &Told,
    alerts: &[Arc<Alert>],
    (wanted, of): (impl Fn(&str) -> bool, impl Fn(SeriesId) -> Vec<String>),
    now: UnixMs,
) -> (Told, Vec<Change>) {
    let (mut next, mut changes) = (told.clone(), Vec::new());
    let mut open = BTreeSet::new();
    for alert in alerts {
        let Subject::Target(target) = &alert.subject else { continue };
        for finding in alert.findings.iter().filter(|one| one.state == AlertState::Firing) {
            let Some(code) = code(finding) else { continue };
            open.insert((code, target.to_string()));
            // Where nothing is heard any more it has not ended, but nothing begins either.
            if alert.state != AlertState::Firing || !wanted(code) {
                continue;
            }
            for device in of(target.series) {
                let key = (device, code, target.to_string());
                if next.insert(key.clone()) {
                    changes.push(report(&key, alert, finding, now));
                }
            }
        }
    }
    // Not by what is known of devices now: right after a start no target has an address.
    next.retain(|(device, code, target)| {
        let lasts = open.contains(&(*code, target.clone()));
        if !lasts {
            let fingerprint = Event::fingerprint(device, code, target);
            changes.push(Change::Event(EventChange::Clear { fingerprint, at: now }));
        }
        lasts
    });
    (next, changes)
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

#[cfg(test)]
mod tests {
    use model::alert::{AlertId, TargetSubject};
    use model::{ManualClock, Protocol, Severity, Target, UnixNs};
    use store::StateFile;

    use super::*;

    const NOW: UnixMs = UnixMs(1_000_000);

    fn alert(rule: Rule, metric: Metric) -> Alert {
        let target = TargetSubject::of(&Target::new("192.0.2.1", "lab", Protocol::Icmp));
        let finding = Finding {
            metric,
            series: target.series,
            rule,
            state: AlertState::Firing,
            since: NOW,
            ended: None,
            value: 100.0,
            peak: 100.0,
            usual: None,
            varies: None,
            limit: None,
            share: 1.0,
            at: NOW,
        };
        Alert {
            findings: vec![finding],
            affected: 1,
            total: 1,
            ..Alert::new(AlertId(1), Subject::Target(target), Severity::Critical, NOW)
        }
    }

    /// What is said of these alerts, where a remediation is for all codes and the target is of `devices`.
    fn said(told: &mut Told, alerts: &[Alert], devices: &[&str]) -> Vec<Change> {
        let alerts: Vec<_> = alerts.iter().cloned().map(Arc::new).collect();
        let of = |_| devices.iter().map(|&device| device.to_owned()).collect();
        let (next, changes) = compared(told, &alerts, (|_: &str| true, of), NOW);
        *told = next;
        changes
    }

    #[test]
    fn an_alert_of_a_devices_target_is_an_event_of_it_once_and_ends_with_it() {
        let down = [alert(Rule::Down, Metric::Loss)];
        let mut told = Told::new();
        assert_eq!(said(&mut told, &down, &[]), [], "it is the target of no device");
        let changes = said(&mut told, &down, &["r1"]);
        let [Change::Event(EventChange::Report(report))] = &changes[..] else {
            panic!("{changes:?}")
        };
        assert_eq!((report.device.as_str(), report.code.as_str()), ("r1", "TARGET_DOWN"));
        assert_eq!((report.state, report.not_before), (EventState::New, NOW));
        assert_eq!((report.origin, report.evidence), (Origin::Judgement, Evidence::Sure));
        assert_eq!(said(&mut told, &down, &["r1"]), [], "it is known");
        assert_eq!(said(&mut told, &down, &[]), [], "its target has no address for a moment");
        let fingerprint = Event::fingerprint("r1", "TARGET_DOWN", &report.object);
        let cleared = Change::Event(EventChange::Clear { fingerprint, at: NOW });
        assert_eq!(said(&mut told, &[], &["r1"]), [cleared]);
        assert!(told.is_empty());
    }

    #[test]
    fn what_is_silent_begins_no_repair_and_ends_none() {
        let slow = alert(Rule::Nm, Metric::Rtt);
        let silent = [Alert { state: AlertState::NoData, ..slow.clone() }];
        let mut told = Told::new();
        assert_eq!(said(&mut told, &silent, &["r1"]), []);
        assert_eq!(said(&mut told, &[slow], &["r1"]).len(), 1);
        assert_eq!(said(&mut told, &silent, &["r1"]), []);
    }

    #[test]
    fn a_fault_that_outlasts_a_restart_is_no_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFile::open(folder.path(), &ManualClock::new(UnixNs(0))).unwrap();
        let alerts = [alert(Rule::Down, Metric::Loss), alert(Rule::Nm, Metric::Jitter)];
        let mut told = Told::new();
        state.apply(said(&mut told, &alerts, &["r1", "r2"])).unwrap();
        let kept = read(&state).unwrap();
        assert_eq!((&kept, kept.len()), (&told, 4));
        state.apply(said(&mut told, &alerts[..1], &["r1", "r2"])).unwrap();
        assert_eq!((read(&state).unwrap(), told.len()), (told, 2), "what is over is forgotten");
    }
}
