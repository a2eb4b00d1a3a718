//! The two questions that the stage asks again and again: what becomes of the events whose time has come, and
//! which of those that are queued can be begun? What guards say is asked both times, with everything looked up
//! anew.

use std::sync::Arc;
use std::time::Duration;

use mend::guard::{self, Case, Outcome, Scene, Todo};
use mend::queue::{self, planned, unplanned};
use mend::script::{Facts, Found, Remediation};
use mend::worker::{self, Errand, LEASE, Logins as _, Task};
use mend::{Endpoint, Platform};
use model::event::{EventState, Evidence, Mode};
use model::run::{Run, RunId, RunState};
use model::{Device, Event, Inventory, UnixMs};
use store::{
    Change, Claim, Claimed, EventChange, EventPlan, EventQuery, PrecedentQuery, Precedents, Query,
    RunQuery, StormCount, Value,
};
use tokio::runtime::Runtime;

use super::{Rules, Shared, switch};

/// Events that are planned at a time.
const MANY: u32 = 500;
/// Events that are looked at together, at least, for whether they can be begun.
const FEW: u32 = 4;
/// Times that more is begun before others get their turn.
const PASSES: usize = 16;
/// How long what was counted of lately holds, unless there is another event.
const COUNTED: Duration = Duration::from_secs(1);
/// Pause before an event is looked at again whose device somebody else is at.
const BUSY: Duration = Duration::from_millis(500);

/// Everything that guards look at.
struct Around<'a> {
    rules: &'a Rules,
    device: Option<&'a Device>,
    partner: Option<&'a str>,
    remediation: &'a Remediation,
    mode: Mode,
    /// Whether a person wants to see what would be done, and no more.
    wanted: bool,
    /// Whether a dry run ends with a question.
    asks: bool,
    before: Precedents,
    scene: Scene,
}

impl Around<'_> {
    fn case<'a>(&'a self, event: &'a Event, now: UnixMs) -> Case<'a> {
        Case {
            now,
            event,
            device: self.device,
            partner: self.partner,
            remediation: &self.remediation.name,
            mode: self.mode,
            before: &self.before,
            scene: &self.scene,
            limits: &self.rules.settings.guards,
        }
    }
}

/// What an event is begun with, once it is claimed.
struct Wanted {
    event: Event,
    remediation: Arc<Remediation>,
    endpoint: Endpoint,
    errand: Errand,
}

/// Whether an event can be begun.
enum Begin {
    Claim(Box<(Claim, Wanted)>),
    /// Something speaks against it: what becomes of it.
    Plan(EventPlan),
}

impl Shared {
    /// Plans the events whose time has come.
    pub(super) fn plan(&self) -> Result<(), store::Error> {
        loop {
            let now = self.clock.now_ms();
            let due = self.due(&queue::WAITING, now, MANY)?;
            let last = due.len() < MANY as usize;
            let rules = self.rules();
            let plan = |event| self.plan_of(event, &rules, now);
            self.apply_plans(due.iter().map(plan).collect::<Result<_, _>>()?)?;
            if last {
                return Ok(());
            }
        }
    }

    /// Writes plans down. One whose event has changed meanwhile does not hold up the others.
    fn apply_plans(&self, plans: Vec<EventPlan>) -> Result<(), store::Error> {
        let change = |plan| Change::Event(EventChange::Plan(Box::new(plan)));
        let changes: Vec<Change> = plans.into_iter().map(change).collect();
        if !changes.is_empty() && !self.apply(changes.clone())? {
            for change in changes {
                self.apply(vec![change])?;
            }
        }
        Ok(())
    }

    fn due(
        &self,
        states: &[EventState],
        now: UnixMs,
        limit: u32,
    ) -> Result<Vec<Event>, store::Error> {
        let states = states.to_vec();
        self.events(EventQuery { states, due: Some(now), limit, ..EventQuery::default() })
    }

    fn events(&self, query: EventQuery) -> Result<Vec<Event>, store::Error> {
        let event = |record: store::Record| match record.value {
            Value::Event(event) => Some(*event),
            _ => None,
        };
        Ok(self.state.find(&Query::Events(query))?.into_iter().filter_map(event).collect())
    }

    fn plan_of(
        &self,
        event: &Event,
        rules: &Rules,
        now: UnixMs,
    ) -> Result<EventPlan, store::Error> {
        let device = rules.inventory.device(&event.device);
        let platform =
            device.and_then(|device| device.platform.as_deref()).and_then(Platform::meant_by);
        let facts = Facts { fields: event.fields.clone(), event: event.clone() };
        let library = self.shelf.now();
        let found = library.remediations.matching(&facts, platform);
        // Whoever is not in the inventory has nothing that could be done.
        if let Some(plan) =
            unplanned(event, &found).or_else(|| device.is_none().then(|| stranger(event)))
        {
            return Ok(plan);
        }
        let Found::One(remediation) = found else { return Ok(stranger(event)) };
        let around = self.around(event, device, &remediation, rules, now)?;
        let (plan, outcome) = planned(&around.case(event, now), &remediation);
        tracing::debug!(
            event = event.id.0,
            device = event.device,
            remediation = remediation.name,
            to = plan.to.as_str(),
            why = outcome.said,
            "planned"
        );
        Ok(plan)
    }

    /// Looks up what guards want to know.
    fn around<'a>(
        &self,
        event: &Event,
        device: Option<&'a Device>,
        remediation: &'a Remediation,
        rules: &'a Rules,
        now: UnixMs,
    ) -> Result<Around<'a>, store::Error> {
        let partner = device.and_then(|device| partner_of(&rules.inventory, device));
        let allowed = self.modes.of(&remediation.name, &rules.settings);
        let query = PrecedentQuery {
            device: event.device.clone(),
            told: event.first,
            partner: partner.map(str::to_owned),
            remediation: remediation.name.clone(),
            since: allowed.since,
            now,
            storm: self.storm_count(),
        };
        let found = self.state.find(&Query::Precedents(Box::new(query)))?;
        let before = found.into_iter().find_map(|record| match record.value {
            Value::Precedents(before) => Some(*before),
            _ => None,
        });
        let before = before.unwrap_or_default();
        self.note_storm_count(before.storm);
        let scene = Scene {
            paused: self.switch.now().map(|paused| switch::sentence(&paused)),
            storm: self.storm(&before, rules, now),
            maintenance: device
                .and_then(|device| self.around.maintenance(device, &rules.maintenance, now)),
            partner: partner.and_then(|partner| self.around.trouble(partner)),
            evidence: (event.evidence == Evidence::Datagram)
                .then(|| self.around.trouble(&event.device))
                .flatten()
                .map(|said| format!("{} {said}", event.device)),
            blocked: device
                .and_then(|device| device.login.as_ref())
                .and_then(|login| self.credentials.blocked(login)),
            unreachable: Endpoint::of(&rules.inventory, &event.device)
                .err()
                .map(|why| why.to_string()),
        };
        self.note_breaker(remediation, &before, rules);
        // Of two instances that watch the same devices one alone repairs.
        let owner = rules.settings.owner;
        let asks = allowed.mode != Mode::Observe;
        let wanted = self.looks.wants(event.id);
        let mode = match allowed.mode {
            _ if !owner => Mode::Observe,
            // A person wants to see it.
            _ if wanted => Mode::Suggest,
            mode => mode,
        };
        Ok(Around { rules, device, partner, remediation, mode, wanted, asks, before, scene })
    }

    /// Remembers, for people, whether a remediation has lost our trust.
    fn note_breaker(&self, remediation: &Remediation, before: &Precedents, rules: &Rules) {
        let why = guard::tripped(before, &rules.settings.guards);
        let mut tripped = self.tripped.lock().expect("no holder of this lock can panic");
        match why {
            Some(why) => tripped.insert(remediation.name.clone(), why),
            None => tripped.remove(&remediation.name),
        };
    }

    /// How many events began lately, as counted a moment ago.
    fn storm_count(&self) -> Option<StormCount> {
        let counted = *self.storm_count.lock().expect("no holder of this lock can panic");
        let now = self.clock.monotonic();
        counted.filter(|(at, _)| now.saturating_sub(*at) < COUNTED).map(|(_, count)| count)
    }

    fn note_storm_count(&self, count: StormCount) {
        if self.storm_count() != Some(count) {
            let mut counted = self.storm_count.lock().expect("no holder of this lock can panic");
            *counted = Some((self.clock.monotonic(), count));
        }
    }

    /// Whether it is a storm, now or lately.
    fn storm(&self, before: &Precedents, rules: &Rules, now: UnixMs) -> Option<(String, UnixMs)> {
        let mut storm = self.storm.lock().expect("no holder of this lock can panic");
        if let Some(new) = rules.settings.storm.storm(before, now) {
            if storm.is_none() {
                tracing::warn!("{}; nothing is repaired until it is over", new.0);
            }
            *storm = Some(new);
        }
        if storm.as_ref().is_some_and(|(_, until)| *until <= now) {
            *storm = None;
        }
        storm.clone()
    }

    /// Begins what can be begun.
    pub(super) fn dispatch(
        self: &Arc<Self>,
        epoch: u64,
        runtime: &Runtime,
    ) -> Result<(), store::Error> {
        let rules = self.rules();
        if !rules.settings.owner {
            return Ok(());
        }
        for _ in 0..PASSES {
            let busy = self.busy_devices();
            let workers = rules.settings.workers as usize;
            // More than can be begun would be read again as soon as one run has ended.
            let free = workers.saturating_sub(busy.len()) as u32;
            if free == 0 {
                return Ok(());
            }
            let query = EventQuery {
                states: vec![EventState::Queued],
                due: Some(self.clock.now_ms()),
                except: busy,
                limit: free.clamp(FEW, MANY),
                ..EventQuery::default()
            };
            let due = self.events(query)?;
            if due.is_empty() {
                return Ok(());
            }
            let (mut plans, mut wanted) = (Vec::new(), Vec::<(Claim, Wanted)>::new());
            for event in due {
                if wanted.len() >= free as usize {
                    break;
                }
                // The one before it may be of the same device.
                if wanted.iter().any(|(_, one)| one.event.device == event.device) {
                    continue;
                }
                let place = workers - free as usize + wanted.len() + 1;
                let approved = event.plan.as_ref().is_some_and(|plan| plan.approved.is_some());
                match self.begin(event, &rules, (epoch, place))? {
                    Begin::Claim(one) => wanted.push(*one),
                    Begin::Plan(plan) if approved => plans.push(come_to_nothing(plan)),
                    Begin::Plan(plan) => plans.push(plan),
                }
            }
            plans.extend(self.claim(wanted, runtime)?);
            self.apply_plans(plans)?;
        }
        // There is more; but others may have waited for a plan meanwhile.
        self.bell.ring();
        Ok(())
    }

    /// The devices that a worker is at.
    fn busy_devices(&self) -> Vec<String> {
        let busy = self.busy.lock().expect("no holder of this lock can panic");
        busy.values().cloned().collect()
    }

    /// What one event needs to be begun, or what becomes of it if something speaks against that by now.
    fn begin(
        &self,
        event: Event,
        rules: &Arc<Rules>,
        seat: (u64, usize),
    ) -> Result<Begin, store::Error> {
        let now = self.clock.now_ms();
        let device = rules.inventory.device(&event.device);
        let name = event.plan.as_ref().map(|plan| plan.remediation.as_str());
        let library = self.shelf.now();
        let remediation = name.and_then(|name| library.remediations.named(name));
        let (Some(device), Some(remediation)) = (device, remediation) else {
            let what = if device.is_none() { "its device" } else { "its remediation" };
            let said = format!("{what} is gone");
            return Ok(Begin::Plan(replan(&event, EventState::Recorded, &said, now)));
        };
        if !queue::is_same(&event, Some(remediation)) {
            // Whoever said yes said it to another file.
            let said = format!("{} has changed since it was planned", remediation.name);
            return Ok(Begin::Plan(replan(&event, EventState::New, &said, now)));
        }
        let around = self.around(&event, Some(device), remediation, rules, now)?;
        let case = around.case(&event, now);
        let outcome = guard::ask(&case);
        if !matches!(outcome.what, Todo::Run | Todo::Look) {
            let (mut plan, _) = planned(&case, remediation);
            plan.from = vec![EventState::Queued];
            return Ok(Begin::Plan(plan));
        }
        let errand = self.errand(&event, &around, outcome.what)?;
        let endpoint = match Endpoint::of(&rules.inventory, &event.device) {
            Ok(endpoint) => endpoint,
            Err(why) => {
                let said = why.to_string();
                return Ok(Begin::Plan(replan(&event, EventState::Recorded, &said, now)));
            }
        };
        let mut run = run_of((&event, seat), &endpoint, remediation, (around.mode, &outcome), now);
        // Who only looks may look again.
        run.idempotent |= matches!(errand, Errand::Look(_));
        let claim = Claim {
            event: event.id,
            run,
            lease_until: now + LEASE,
            locks: guard::lock::names(device, around.partner, &rules.settings.exclusive),
            limits: rules.settings.budgets.limits(rules.inventory.devices().len()),
        };
        let remediation = Arc::clone(remediation);
        Ok(Begin::Claim(Box::new((claim, Wanted { event, remediation, endpoint, errand }))))
    }

    /// Begins what nobody stands in the way of, all in one transaction; gives what becomes of the rest.
    fn claim(
        self: &Arc<Self>,
        wanted: Vec<(Claim, Wanted)>,
        runtime: &Runtime,
    ) -> Result<Vec<EventPlan>, store::Error> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let (claims, wanted): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
        let mut plans = Vec::new();
        for (claimed, one) in self.state.claim_all(claims)?.into_iter().zip(wanted) {
            let Wanted { event, remediation, endpoint, errand } = one;
            match claimed {
                Claimed::Run(run) => {
                    let run = *run;
                    let changed_before = run.attempt > 1 && self.changed_before(&event);
                    let task = Task { run, event, remediation, endpoint, changed_before, errand };
                    self.work(task, runtime);
                }
                Claimed::Busy(note) => {
                    let again = self.clock.now_ms() + BUSY;
                    plans.push(replan(&event, EventState::Queued, &note.said, again));
                }
                Claimed::Spent(note, until) => {
                    let said = format!("budget: {}", note.said);
                    plans.push(replan(&event, EventState::Held, &said, until));
                }
                Claimed::Gone => {}
            }
        }
        Ok(plans)
    }

    /// How far a run may go that nothing speaks against.
    fn errand(
        &self,
        event: &Event,
        around: &Around<'_>,
        what: Todo,
    ) -> Result<Errand, store::Error> {
        let looking = || Errand::Look(around.asks.then_some(around.rules.settings.guards.approval));
        if what == Todo::Look || around.wanted {
            return Ok(looking());
        }
        if event.plan.as_ref().is_none_or(|plan| plan.approved.is_none()) {
            return Ok(Errand::Repair);
        }
        // The yes was to what was shown then.
        let found = self.state.find(&Query::Approvals { event: Some(event.id), limit: 1 })?;
        let would = found.into_iter().find_map(|record| match record.value {
            Value::Approval(approval) => approval.would,
            _ => None,
        });
        Ok(match would {
            Some(lines) => Errand::Exactly(lines),
            None if around.mode == Mode::Suggest => looking(),
            None => Errand::Repair,
        })
    }

    fn work(self: &Arc<Self>, task: Task, runtime: &Runtime) {
        let (run, event) = (&task.run, &task.event);
        self.busy
            .lock()
            .expect("no holder of this lock can panic")
            .insert(event.id, run.device.clone());
        tracing::info!(
            run = run.id.0,
            event = event.id.0,
            device = run.device,
            remediation = run.remediation,
            worker = run.worker,
            "a run begins"
        );
        let (id, event_id) = (run.id, event.id);
        let shared = Arc::clone(self);
        runtime.spawn(async move {
            let ending = worker::run(&shared.tools, task).await;
            tracing::info!(run = id.0, event = event_id.0, ?ending, "a run has ended");
            let mut ended = shared.ended.lock().expect("no holder of this lock can panic");
            ended.push((event_id, ending));
            drop(ended);
            shared.bell.ring();
        });
    }

    /// Whether an earlier run of an event may have changed the device.
    fn changed_before(&self, event: &Event) -> bool {
        let query = RunQuery { event: Some(event.id), ..RunQuery::default() };
        match self.state.find(&Query::Runs(query)) {
            Ok(runs) => {
                runs.iter().any(|record| matches!(&record.value, Value::Run(run) if run.changed))
            }
            Err(why) => {
                tracing::error!(event = event.id.0, %why, "its earlier runs cannot be read");
                true
            }
        }
    }
}

/// What a run is, as it begins; `epoch` is the start of the daemon and `place` the worker's number.
fn run_of(
    (event, (epoch, place)): (&Event, (u64, usize)),
    endpoint: &Endpoint,
    remediation: &Remediation,
    (mode, outcome): (Mode, &Outcome),
    now: UnixMs,
) -> Run {
    Run {
        id: RunId(0),
        event: event.id,
        attempt: 0,
        device: endpoint.device.clone(),
        platform: endpoint.platform.to_string(),
        remediation: remediation.name.clone(),
        script_sha256: remediation.sha256.clone(),
        idempotent: remediation.meta.idempotent,
        mode,
        approved: event.plan.as_ref().and_then(|plan| plan.approved.clone()),
        worker: format!("worker {place}"),
        epoch,
        state: RunState::Running,
        reason: String::new(),
        started: now,
        ended: None,
        changed: false,
        sent: Vec::new(),
        guards: outcome.notes.clone(),
        steps: Vec::new(),
        proof: None,
    }
}

/// Whoever said yes believes that it is repaired: that it is not is for people.
fn come_to_nothing(plan: EventPlan) -> EventPlan {
    if plan.to != EventState::Recorded {
        return plan;
    }
    let reason = format!("the yes came to nothing: {}", plan.reason);
    EventPlan { to: EventState::Escalated, reason, ..plan }
}

/// A queued event waits on, or waits for something else.
fn replan(event: &Event, to: EventState, reason: &str, not_before: UnixMs) -> EventPlan {
    EventPlan {
        id: event.id,
        from: vec![EventState::Queued],
        to,
        reason: reason.to_owned(),
        not_before,
        rule: None,
        ask: None,
    }
}

/// The other half of a device's pair; one of them may be the only one that says so.
fn partner_of<'a>(inventory: &'a Inventory, device: &'a Device) -> Option<&'a str> {
    device.pair.as_deref().or_else(|| {
        let mut others = inventory.devices().iter();
        others.find(|other| other.pair.as_deref() == Some(&*device.name)).map(|other| &*other.name)
    })
}

/// What becomes of an event that nothing can be done about.
fn stranger(event: &Event) -> EventPlan {
    EventPlan {
        id: event.id,
        from: vec![event.state],
        to: EventState::Recorded,
        reason: event.reason.clone(),
        not_before: event.not_before,
        rule: None,
        ask: None,
    }
}
