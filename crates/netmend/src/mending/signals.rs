//! What people must see to, told as alerts: questions that wait, repairs that did not work, and why nothing is
//! repaired at all. Put together anew each time from what is in the store, so that no restart loses one.

use std::time::Duration;

use alert::Signal;
use model::alert::RepairSubject;
use model::event::{Event, EventState};
use model::{Severity, UnixMs};
use show::MendNow;
use store::{EventQuery, Query, Value};

use super::Shared;

/// Events that are told of, each by an alert of its own; of more the latest.
const MANY: u32 = 200;
/// How long it is told that a repair did not work.
const LASTING: Duration = Duration::from_hours(24);

/// States that people must see to.
const FOR_PEOPLE: [EventState; 5] = [
    EventState::AwaitingApproval,
    EventState::Failure,
    EventState::TimedOut,
    EventState::Unknown,
    EventState::Escalated,
];

impl Shared {
    /// Tells what people must see to now.
    pub(super) fn tell(&self) -> Result<(), store::Error> {
        let now = self.clock.now_ms();
        let query = EventQuery {
            states: FOR_PEOPLE.to_vec(),
            from: Some(now - LASTING),
            limit: MANY,
            ..EventQuery::default()
        };
        let found = self.state.find(&Query::Events(query))?;
        let events: Vec<Event> = found
            .into_iter()
            .filter_map(|record| match record.value {
                Value::Event(event) => Some(*event),
                _ => None,
            })
            .collect();
        let mut signals: Vec<Signal> = events
            .iter()
            .filter(|event| event.plan.is_some() && event.cleared.is_none())
            // Of a fault that came back the latest event is told of.
            .filter(|event| !events.iter().any(|later| later.parent == Some(event.id)))
            .map(about_event)
            .collect();
        signals.extend(about_all(&self.present(), now));
        self.telling.repairs(signals);
        Ok(())
    }
}

fn about_event(event: &Event) -> Signal {
    let name = event.plan.as_ref().map_or("", |plan| plan.remediation.as_str());
    let (severity, said) = match event.state {
        EventState::AwaitingApproval => (
            Severity::Warning,
            format!(
                "{name} waits for a yes: {}. `netmend approve {}`, or the page of the event",
                event.reason, event.id
            ),
        ),
        EventState::Unknown => {
            (Severity::Critical, format!("{name} was cut off: {}", event.reason))
        }
        EventState::Escalated => (Severity::Critical, format!("for people: {}", event.reason)),
        _ => (Severity::Critical, format!("{name} did not work: {}", event.reason)),
    };
    let code = if event.code.is_empty() { "event" } else { &event.code };
    let what = [code, &event.object].join(" ").trim_end().to_owned();
    Signal {
        subject: RepairSubject {
            key: format!("event {}", event.id),
            device: Some(event.device.clone()),
            event: Some(event.id),
            what,
            said,
        },
        severity,
        since: event.first,
    }
}

/// Why nothing is repaired, or not everything.
fn about_all(present: &MendNow, now: UnixMs) -> Vec<Signal> {
    let signal = |key: String, what: &str, said: String| Signal {
        subject: RepairSubject { key, device: None, event: None, what: what.to_owned(), said },
        severity: Severity::Warning,
        since: now,
    };
    let storm = present.storm.iter().map(|said| signal("storm".into(), "repairs", said.clone()));
    let blocked = present
        .blocked
        .iter()
        .enumerate()
        .map(|(number, said)| signal(format!("credential {number}"), "logins", said.clone()));
    let tripped = present.remediations.iter().filter_map(|one| {
        let said = one.tripped.as_ref()?;
        let key = format!("breaker {}", one.name);
        let said = format!("{said}; it asks a person until `netmend mode {} ...`", one.name);
        Some(signal(key, &one.name, said))
    });
    storm.chain(blocked).chain(tripped).collect()
}
