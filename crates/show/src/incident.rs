//! An incident: everything that happened around one fault, in one order of time. It is found anew from what the
//! store has each time somebody asks; nothing of it is kept. It must not render anything.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use model::event::{Event, EventId};
use model::run::{Approval, AuditEntry, Run, StepResult};
use model::{Alert, AlertId, Inventory, Subject, TargetNow, UnixMs};
use store::{
    AlertQuery, AuditQuery, EventQuery, LineQuery, Query, Record, RunQuery, State, StoredLine,
    Value,
};

use crate::app::App;
use crate::history::Span;
use crate::kin::{devices_of, is_target_of};

/// What is so near to the fault in time belongs to it.
const BEFORE: Duration = Duration::from_mins(5);
const AFTER: Duration = Duration::from_mins(5);
/// The cause of an alert may have been told so long before it.
const BEFORE_ALERT: Duration = Duration::from_mins(15);
/// Lines so near to the first event are shown.
const LINES_AROUND: Duration = Duration::from_mins(1);
/// Most of each kind.
const LINES: u32 = 40;
const EVENTS: u32 = 100;
const RUNS: u32 = 50;
const ALERTS: u32 = 50;
const AUDIT: u32 = 100;
/// Most events of one fault that came back.
const CHAIN: u32 = 200;
/// Most targets whose alerts are looked for.
const TARGETS: usize = 20;

/// What an incident is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// An event of it.
    Event(EventId),
    /// An alert of it.
    Alert(AlertId),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Event(id) => write!(f, "event-{id}"),
            Key::Alert(id) => write!(f, "alert-{id}"),
        }
    }
}

impl FromStr for Key {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = "event-NUMBER or alert-NUMBER";
        let (kind, number) = text.split_once('-').ok_or(allowed)?;
        // `parse` of a number alone would take a `#` too.
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(allowed);
        }
        match kind {
            "event" => number.parse().map(Key::Event).map_err(|_| allowed),
            "alert" => number.parse().map(Key::Alert).map_err(|_| allowed),
            _ => Err(allowed),
        }
    }
}

/// What happened at one time.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// When.
    pub(crate) at: UnixMs,
    /// What.
    pub(crate) what: What,
}

/// The kinds of what happens.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A device said a line.
    Line(StoredLine),
    /// An event began.
    Event(Box<Event>),
    /// An event was told to be over.
    Cleared(Box<Event>),
    /// An alert's fault began, and it was raised later.
    Alert(Box<Alert>),
    /// An alert ended.
    Ended(Box<Alert>),
    /// A person was asked.
    Asked(Box<Approval>),
    /// A person answered.
    Answered(Box<Approval>),
    /// A run began.
    Began(Box<Run>),
    /// A step of a run ended.
    Step(Box<Run>, StepResult),
    /// A run ended, with what it came to.
    Run(Box<Run>),
    /// Somebody did something.
    Did(AuditEntry),
}

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Incident {
    /// The fault and its returns, oldest first; empty for an alert without an event.
    pub(crate) chain: Vec<Event>,
    /// The alert that it was found by.
    pub(crate) alert: Option<Alert>,
    /// The devices it is about.
    pub(crate) devices: Vec<String>,
    /// When.
    pub(crate) span: Span,
    /// The runs, oldest first.
    pub(crate) runs: Vec<Run>,
    /// The alerts of its targets, oldest first.
    pub(crate) alerts: Vec<Alert>,
    /// What was asked, oldest first.
    pub(crate) approvals: Vec<Approval>,
    /// All of it in order.
    pub(crate) moments: Vec<Moment>,
    /// A target of the devices, for a chart.
    pub(crate) target: Option<Arc<TargetNow>>,
}

/// Where it is looked for.
pub(crate) struct Field {
    /// The devices.
    pub(crate) inventory: Arc<Inventory>,
    /// The targets.
    pub(crate) targets: Vec<Arc<TargetNow>>,
    /// What now is.
    pub(crate) now: UnixMs,
}

impl Field {
    /// That of the running daemon.
    pub(crate) fn of(app: &App) -> Self {
        Self {
            inventory: app.deps.devices.inventory(),
            targets: app.present.view().snapshot.targets.clone(),
            now: app.now(),
        }
    }
}

/// Finds an incident; none if its event or alert is unknown.
pub(crate) fn gather(
    state: &dyn State,
    field: &Field,
    key: Key,
) -> Result<Option<Incident>, store::Error> {
    let (chain, alert) = match key {
        Key::Event(id) => (chain(state, id)?, None),
        Key::Alert(id) => (Vec::new(), alert(state, id)?),
    };
    if chain.is_empty() && alert.is_none() {
        return Ok(None);
    }
    let devices = devices(field, &chain, alert.as_ref());
    let mut span = match &alert {
        Some(alert) => Span {
            from: alert.since - BEFORE_ALERT,
            until: alert.ended.map_or(field.now, |ended| ended + AFTER),
        },
        None => span_of(&chain),
    };
    let runs = runs(state, &chain, &devices, span)?;
    let last = runs.iter().map(|run| run.ended.unwrap_or(field.now)).max();
    span.until = span.until.max(last.map_or(span.until, |last| last + AFTER)).min(field.now);
    let of_device = |now: &&Arc<TargetNow>| {
        let mut its = devices.iter().filter_map(|name| field.inventory.device(name));
        its.any(|device| is_target_of(now, device))
    };
    let targets: Vec<Arc<TargetNow>> =
        field.targets.iter().filter(of_device).take(TARGETS).cloned().collect();
    let alerts = alerts(state, &targets, alert.as_ref(), span)?;
    let mut events = chain.clone();
    for device in &devices {
        let query = EventQuery {
            device: Some(device.clone()),
            from: Some(span.from),
            until: Some(span.until),
            limit: EVENTS,
            ..EventQuery::default()
        };
        events.extend(find_events(state, query)?);
    }
    events.sort_by_key(|event| event.id);
    events.dedup_by_key(|event| event.id);
    let (approvals, audit) = said_of(state, &events, &runs)?;
    let lines = match chain.first().or(events.first()) {
        Some(first) => lines(state, first)?,
        None => Vec::new(),
    };
    let moments = moments(&events, &alerts, &runs, &approvals, audit, lines);
    let target = targets.into_iter().next();
    Ok(Some(Incident { chain, alert, devices, span, runs, alerts, approvals, moments, target }))
}

/// The fault of an event: itself, what it was before, and what it came back as.
fn chain(state: &dyn State, id: EventId) -> Result<Vec<Event>, store::Error> {
    let one = |id| {
        let query = EventQuery { id: Some(id), limit: 1, ..EventQuery::default() };
        Ok::<_, store::Error>(find_events(state, query)?.pop())
    };
    let Some(mut root) = one(id)? else { return Ok(Vec::new()) };
    let mut known = BTreeSet::from([root.id]);
    while let Some(parent) = root.parent.filter(|parent| known.insert(*parent)) {
        let Some(event) = one(parent)? else { break };
        root = event;
    }
    let query = EventQuery {
        device: Some(root.device.clone()),
        code: (!root.code_norm.is_empty()).then(|| root.code_norm.clone()),
        from: Some(root.first),
        limit: CHAIN,
        ..EventQuery::default()
    };
    let mut later = find_events(state, query)?;
    later.reverse();
    let mut chain = vec![root];
    for event in later {
        if event.parent.is_some_and(|parent| chain.iter().any(|known| known.id == parent)) {
            chain.push(event);
        }
    }
    Ok(chain)
}

fn devices(field: &Field, chain: &[Event], alert: Option<&Alert>) -> Vec<String> {
    let mut devices: Vec<String> =
        chain.first().map(|event| event.device.clone()).into_iter().collect();
    if let Some(Subject::Target(subject)) = alert.map(|alert| &alert.subject)
        && let Some(now) = field.targets.iter().find(|now| now.series.rtt == subject.series)
    {
        devices.extend(devices_of(now, &field.inventory));
    }
    let pairs: Vec<String> = devices
        .iter()
        .filter_map(|name| field.inventory.device(name)?.pair.clone())
        .filter(|pair| !devices.contains(pair))
        .collect();
    devices.extend(pairs);
    devices
}

fn span_of(chain: &[Event]) -> Span {
    let first = chain.iter().map(|event| event.first).min().unwrap_or(UnixMs(0));
    let last = chain.iter().map(|event| event.cleared.unwrap_or(event.last).max(event.last)).max();
    Span { from: first - BEFORE, until: last.unwrap_or(first) + AFTER }
}

fn runs(
    state: &dyn State,
    chain: &[Event],
    devices: &[String],
    span: Span,
) -> Result<Vec<Run>, store::Error> {
    let mut found = Vec::new();
    let mut ask = |query: RunQuery| -> Result<(), store::Error> {
        let run = |record: Record| match record.value {
            Value::Run(run) => Some(*run),
            _ => None,
        };
        found.extend(state.find(&Query::Runs(query))?.into_iter().filter_map(run));
        Ok(())
    };
    for event in chain {
        ask(RunQuery { event: Some(event.id), limit: RUNS, ..RunQuery::default() })?;
    }
    for device in devices {
        ask(RunQuery {
            device: Some(device.clone()),
            from: Some(span.from),
            until: Some(span.until),
            limit: RUNS,
            ..RunQuery::default()
        })?;
    }
    found.sort_by_key(|run| run.id);
    found.dedup_by_key(|run| run.id);
    Ok(found)
}

fn alert(state: &dyn State, id: AlertId) -> Result<Option<Alert>, store::Error> {
    let query = AlertQuery { id: Some(id), limit: 1, ..AlertQuery::default() };
    Ok(find_alerts(state, query)?.pop())
}

fn alerts(
    state: &dyn State,
    targets: &[Arc<TargetNow>],
    known: Option<&Alert>,
    span: Span,
) -> Result<Vec<Alert>, store::Error> {
    let mut alerts: Vec<Alert> = known.cloned().into_iter().collect();
    for now in targets {
        let query = AlertQuery {
            subject: Some(Subject::key_of_target(now.series.rtt)),
            from: Some(span.from),
            until: Some(span.until),
            limit: ALERTS,
            ..AlertQuery::default()
        };
        alerts.extend(find_alerts(state, query)?);
    }
    alerts.sort_by_key(|alert| alert.id);
    alerts.dedup_by_key(|alert| alert.id);
    Ok(alerts)
}

/// What people were asked about events and runs, and what they did.
fn said_of(
    state: &dyn State,
    events: &[Event],
    runs: &[Run],
) -> Result<(Vec<Approval>, Vec<AuditEntry>), store::Error> {
    let (mut approvals, mut audit) = (Vec::new(), Vec::new());
    // Events that nothing was planned for have neither.
    let touched = events
        .iter()
        .filter(|event| event.plan.is_some() || runs.iter().any(|run| run.event == event.id));
    for event in touched {
        let asked = Query::Approvals { event: Some(event.id), limit: EVENTS };
        let did = Query::Audit(AuditQuery {
            event: Some(event.id),
            limit: AUDIT,
            ..AuditQuery::default()
        });
        for record in state.find(&asked)?.into_iter().chain(state.find(&did)?) {
            match record.value {
                Value::Approval(approval) => approvals.push(*approval),
                Value::Audit(entry) => audit.push(entry),
                _ => {}
            }
        }
    }
    approvals.sort_by_key(|approval: &Approval| approval.asked);
    Ok((approvals, audit))
}

fn lines(state: &dyn State, first: &Event) -> Result<Vec<StoredLine>, store::Error> {
    let query = LineQuery {
        device: Some(first.device.clone()),
        from: first.first - LINES_AROUND,
        until: first.first + LINES_AROUND,
        limit: LINES,
        ..LineQuery::default()
    };
    let line = |record: Record| match record.value {
        Value::Line(line) => Some(line),
        _ => None,
    };
    Ok(state.find(&Query::Lines(query))?.into_iter().filter_map(line).collect())
}

/// What runs and approvals say by themselves: entries of the audit that would say it again.
const SAID_ELSEWHERE: [&str; 8] =
    ["approve", "reject", "login", "command", "configure", "run", "claim", "step"];

fn moments(
    events: &[Event],
    alerts: &[Alert],
    runs: &[Run],
    approvals: &[Approval],
    audit: Vec<AuditEntry>,
    lines: Vec<StoredLine>,
) -> Vec<Moment> {
    let mut all = Vec::new();
    let mut add = |at: UnixMs, what: What| all.push(Moment { at, what });
    for line in lines {
        add(line.at, What::Line(line));
    }
    for event in events {
        add(event.first, What::Event(Box::new(event.clone())));
        if let Some(cleared) = event.cleared {
            add(cleared, What::Cleared(Box::new(event.clone())));
        }
    }
    for alert in alerts {
        add(alert.since, What::Alert(Box::new(alert.clone())));
        if let Some(ended) = alert.ended {
            add(ended, What::Ended(Box::new(alert.clone())));
        }
    }
    for approval in approvals {
        add(approval.asked, What::Asked(Box::new(approval.clone())));
        if let Some(decision) = &approval.decision {
            add(decision.at, What::Answered(Box::new(approval.clone())));
        }
    }
    for run in runs {
        add(run.started, What::Began(Box::new(run.clone())));
        for step in &run.steps {
            let at = step.at + Duration::from_millis(step.took_ms);
            add(at, What::Step(Box::new(run.clone()), step.clone()));
        }
        if let Some(ended) = run.ended {
            add(ended, What::Run(Box::new(run.clone())));
        }
    }
    for entry in audit.into_iter().filter(|entry| !SAID_ELSEWHERE.contains(&&*entry.action)) {
        add(entry.at, What::Did(entry));
    }
    // Stable: what happened in the same millisecond stays in the order of cause and effect above.
    all.sort_by_key(|moment| moment.at);
    all
}

fn find_events(state: &dyn State, query: EventQuery) -> Result<Vec<Event>, store::Error> {
    let event = |record: Record| match record.value {
        Value::Event(event) => Some(*event),
        _ => None,
    };
    Ok(state.find(&Query::Events(query))?.into_iter().filter_map(event).collect())
}

fn find_alerts(state: &dyn State, query: AlertQuery) -> Result<Vec<Alert>, store::Error> {
    let alert = |record: Record| match record.value {
        Value::Alert(alert) => Some(*alert),
        _ => None,
    };
    Ok(state.find(&Query::Alerts(query))?.into_iter().filter_map(alert).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_kind_and_a_number() {
        assert_eq!("event-17".parse(), Ok(Key::Event(EventId(17))));
        assert_eq!("alert-4".parse(), Ok(Key::Alert(AlertId(4))));
        assert_eq!(Key::Event(EventId(17)).to_string(), "event-17");
        for bad in
            ["", "17", "event-", "event-#1", "event--1", "run-1", "event-99999999999999999999"]
        {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }
}
