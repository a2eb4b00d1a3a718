//! `/api/v1/runs`, `/api/v1/approvals`, `/api/v1/remediations`, `/api/v1/incidents`: what was done about events,
//! what waits for a person, what can be done; and the orders that people give.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::event::{EventId, Mode};
use model::run::{Approval, Exchange, GuardNote, Proof, Run, RunId, RunState, StepResult};
use serde::{Deserialize, Serialize};
use store::RunQuery;

use super::{Body, Problem, only};
use crate::app::App;
use crate::format::rfc3339;
use crate::incident::{Field, Key, Moment, What, gather};
use crate::mended::{Counted, WEEK};
use crate::select::BadParam;
use crate::{MendOrder, Refusal, RemediationNow, act};

/// Most runs of an answer, and how many there are unless told otherwise.
const MOST: u32 = 1_000;
const USUAL: u32 = 100;
/// Parameters of the list of runs.
const OF_RUNS: [&str; 6] = ["device", "remediation", "state", "event", "before", "limit"];

#[derive(Serialize)]
pub(super) struct Runs {
    runs: Vec<One>,
    next: Option<u64>,
}

/// A run, its times as RFC 3339.
#[derive(Serialize)]
pub(super) struct One {
    id: u64,
    event: u64,
    attempt: u32,
    device: String,
    platform: String,
    remediation: String,
    script_sha256: String,
    mode: Mode,
    approved_by: Option<String>,
    approved: Option<String>,
    worker: String,
    state: RunState,
    reason: Option<String>,
    started: Option<String>,
    ended: Option<String>,
    changed: bool,
    sent: Vec<String>,
    guards: Vec<GuardNote>,
    steps: Vec<StepResult>,
    proof: Option<Proof>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transcript: Option<Vec<Exchange>>,
}

impl One {
    fn of(run: Run) -> Self {
        Self {
            id: run.id.0,
            event: run.event.0,
            attempt: run.attempt,
            device: run.device,
            platform: run.platform,
            remediation: run.remediation,
            script_sha256: run.script_sha256,
            mode: run.mode,
            approved: run.approved.as_ref().and_then(|yes| rfc3339(yes.at)),
            approved_by: run.approved.map(|yes| yes.by),
            worker: run.worker,
            state: run.state,
            reason: some(run.reason),
            started: rfc3339(run.started),
            ended: run.ended.and_then(rfc3339),
            changed: run.changed,
            sent: run.sent,
            guards: run.guards,
            steps: run.steps,
            proof: run.proof,
            transcript: None,
        }
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(super) async fn runs(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Runs>, Problem> {
    only(&pairs, &OF_RUNS)?;
    let mut query = RunQuery { limit: USUAL, ..RunQuery::default() };
    for (name, value) in pairs.iter().filter(|(_, value)| !value.trim().is_empty()) {
        let value = value.trim();
        let known = OF_RUNS.into_iter().find(|known| known == name).unwrap_or_default();
        let bad = |allowed: &str| BadParam::new(known, value, allowed);
        match known {
            "device" => query.device = Some(value.to_owned()),
            "remediation" => query.remediation = Some(value.to_owned()),
            "state" => {
                let words: Vec<&str> = RunState::ALL.iter().map(|state| state.as_str()).collect();
                let state = RunState::from_name(value).ok_or_else(|| bad(&words.join(", ")))?;
                query.states.push(state);
            }
            "event" => {
                query.event = Some(value.parse().map_err(|_| bad("the number of an event"))?);
            }
            "before" => query.before = Some(value.parse().map_err(|_| bad("the number of a run"))?),
            _ => {
                let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                query.limit = limit.ok_or_else(|| bad("1 to 1000"))?;
            }
        }
    }
    let limit = query.limit as usize;
    let runs = app.history.runs(query).await?;
    let next = runs.last().map(|run| run.id.0).filter(|_| runs.len() == limit);
    Ok(Json(Runs { runs: runs.into_iter().map(One::of).collect(), next }))
}

pub(super) async fn run(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<One>, Problem> {
    only(&pairs, &["transcript"])?;
    let with = match pairs.first().map_or("no", |(_, value)| value.as_str()) {
        "no" => false,
        "yes" => true,
        other => return Err(BadParam::new("transcript", other, "yes or no").into()),
    };
    let unheard = || {
        let allowed = "an `id` of /api/v1/runs: a number such as 17";
        Problem::new(StatusCode::NOT_FOUND, "no run has this number", allowed)
    };
    let id = id.parse::<RunId>().map_err(|_| unheard())?;
    let whole = app.history.run(id).await?.ok_or_else(unheard)?;
    let transcript = with.then_some(whole.transcript);
    Ok(Json(One { transcript, ..One::of(whole.run) }))
}

#[derive(Serialize)]
pub(super) struct Approvals {
    approvals: Vec<Question>,
}

#[derive(Serialize)]
struct Question {
    event: u64,
    device: String,
    remediation: String,
    reason: Option<String>,
    would: Option<Vec<String>>,
    asked: Option<String>,
    expires: Option<String>,
}

impl Question {
    fn of(approval: Approval) -> Self {
        Self {
            event: approval.event.0,
            device: approval.device,
            remediation: approval.remediation,
            reason: some(approval.reason),
            would: approval.would,
            asked: rfc3339(approval.asked),
            expires: rfc3339(approval.expires),
        }
    }
}

pub(super) async fn approvals(State(app): State<Arc<App>>) -> Result<Json<Approvals>, Problem> {
    let waiting = app.history.waiting().await?;
    let now = app.now();
    let open = waiting.into_iter().map(|one| one.approval).filter(|one| one.expires > now);
    Ok(Json(Approvals { approvals: open.map(Question::of).collect() }))
}

#[derive(Serialize)]
pub(super) struct Remediations {
    owner: bool,
    paused_by: Option<String>,
    paused: Option<String>,
    storm: Option<String>,
    workers: u32,
    busy: u32,
    problems: Vec<String>,
    remediations: Vec<Remediation>,
}

#[derive(Serialize)]
pub(super) struct Remediation {
    name: String,
    path: Option<String>,
    sha256: Option<String>,
    codes: Vec<String>,
    platforms: Vec<String>,
    mode: Option<Mode>,
    mode_by: Option<String>,
    tripped: Option<String>,
    /// Of the last 7 days.
    week: Week,
}

#[derive(Default, Serialize)]
struct Week {
    planned: u32,
    cleared: u32,
    judged: u32,
    worked: u32,
    came_back: u32,
    reasons: Vec<Reason>,
}

#[derive(Serialize)]
struct Reason {
    reason: String,
    count: u32,
}

impl Remediation {
    fn of(now: Option<&RemediationNow>, name: &str, record: Option<&store::RuleRecord>) -> Self {
        let counted = record.map(Counted::of).unwrap_or_default();
        let reasons = record.map_or(&[][..], |record| &record.reasons).iter();
        let reasons =
            reasons.map(|(reason, count)| Reason { reason: reason.clone(), count: *count });
        Self {
            name: name.to_owned(),
            path: now.map(|now| now.path.clone()),
            sha256: now.map(|now| now.sha256.clone()),
            codes: now.map(|now| now.codes.clone()).unwrap_or_default(),
            platforms: now.map(|now| now.platforms.clone()).unwrap_or_default(),
            mode: now.map(|now| now.mode),
            mode_by: now.map(|now| now.mode_by.clone()),
            tripped: now.and_then(|now| now.tripped.clone()),
            week: Week {
                planned: counted.planned,
                cleared: counted.cleared,
                judged: counted.judged,
                worked: counted.worked,
                came_back: counted.came_back,
                reasons: reasons.collect(),
            },
        }
    }
}

pub(super) async fn remediations(
    State(app): State<Arc<App>>,
) -> Result<Json<Remediations>, Problem> {
    let now = app.deps.mending.present();
    let records = app.history.rule_records(app.now() - WEEK).await?;
    let record = |name: &str| records.iter().find(|record| record.remediation == name);
    let known = now
        .remediations
        .iter()
        .map(|one| Remediation::of(Some(&**one), &one.name, record(&one.name)));
    let is_gone = |record: &&store::RuleRecord| {
        !now.remediations.iter().any(|one| one.name == record.remediation)
    };
    let gone = records.iter().filter(is_gone);
    let gone = gone.map(|record| Remediation::of(None, &record.remediation, Some(record)));
    Ok(Json(Remediations {
        owner: now.owner,
        paused_by: now.paused.as_ref().map(|paused| paused.by.clone()),
        paused: now.paused.as_ref().and_then(|paused| rfc3339(paused.at)),
        storm: now.storm.clone(),
        workers: now.workers,
        busy: now.busy,
        problems: now.problems.clone(),
        remediations: known.chain(gone).collect(),
    }))
}

#[derive(Serialize)]
pub(super) struct Incident {
    key: String,
    devices: Vec<String>,
    events: Vec<u64>,
    runs: Vec<u64>,
    alerts: Vec<u64>,
    moments: Vec<Told>,
}

/// One entry of the time line: what kind, and the number or text that tells more.
#[derive(Serialize)]
struct Told {
    at: Option<String>,
    kind: &'static str,
    event: Option<u64>,
    run: Option<u64>,
    alert: Option<u64>,
    text: String,
}

impl Told {
    fn of(moment: Moment) -> Self {
        let told = |kind: &'static str, text: String| Self {
            at: rfc3339(moment.at),
            kind,
            event: None,
            run: None,
            alert: None,
            text,
        };
        match moment.what {
            What::Line(line) => told("line", String::from_utf8_lossy(&line.raw).into_owned()),
            What::Event(event) => Self { event: Some(event.id.0), ..told("event", event.message) },
            What::Cleared(event) => Self { event: Some(event.id.0), ..told("cleared", event.code) },
            What::Alert(alert) => Self {
                alert: Some(alert.id.0),
                ..told("alert", model::alert::words::headline(&alert))
            },
            What::Ended(alert) => {
                Self { alert: Some(alert.id.0), ..told("alert ended", alert.state.to_string()) }
            }
            What::Asked(asked) => {
                Self { event: Some(asked.event.0), ..told("asked", asked.reason) }
            }
            What::Answered(asked) => {
                let said = asked.decision.map(|said| {
                    let word = if said.approved { "yes" } else { "no" };
                    format!("{word}, by {}", said.by)
                });
                Self { event: Some(asked.event.0), ..told("answer", said.unwrap_or_default()) }
            }
            What::Began(run) => Self { run: Some(run.id.0), ..told("run", run.remediation) },
            What::Step(run, step) => {
                let text = format!("{}: {}", step.step, step.outcome);
                Self { run: Some(run.id.0), ..told("step", text) }
            }
            What::Run(run) => {
                Self { run: Some(run.id.0), ..told("run ended", run.state.to_string()) }
            }
            What::Did(entry) => {
                told("person", format!("{}: {} {}", entry.actor, entry.action, entry.detail))
            }
        }
    }
}

pub(super) async fn incident(
    State(app): State<Arc<App>>,
    Path(key): Path<String>,
) -> Result<Json<Incident>, Problem> {
    let unheard = || {
        let allowed = "event-NUMBER or alert-NUMBER";
        Problem::new(StatusCode::NOT_FOUND, "no event or alert has this number", allowed)
    };
    let key = key.parse::<Key>().map_err(|_| unheard())?;
    let field = Field::of(&app);
    let found = app.history.ask_state(move |state| gather(state, &field, key)).await?;
    let found = found.ok_or_else(unheard)?;
    Ok(Json(Incident {
        key: key.to_string(),
        devices: found.devices,
        events: found.chain.iter().map(|event| event.id.0).collect(),
        runs: found.runs.iter().map(|run| run.id.0).collect(),
        alerts: found.alerts.iter().map(|alert| alert.id.0).collect(),
        moments: found.moments.into_iter().map(Told::of).collect(),
    }))
}

/// What an order says beside its address.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    note: String,
    mode: String,
}

#[derive(Serialize)]
pub(super) struct Done {
    done: String,
}

async fn order(app: &Arc<App>, order: Result<MendOrder, Refusal>) -> Result<Json<Done>, Problem> {
    let done = act::mend(app, order?).await?;
    Ok(Json(Done { done }))
}

fn note(asked: &Asked) -> Result<String, Refusal> {
    Ok(act::note("the note", &asked.note)?.unwrap_or_default())
}

pub(super) async fn event(
    State(app): State<Arc<App>>,
    Path((id, what)): Path<(String, String)>,
    Body(asked): Body<Asked>,
) -> Result<Json<Done>, Problem> {
    let id =
        id.parse::<EventId>().map_err(|_| Refusal::Unknown("no event has this number".into()))?;
    let wanted = note(&asked).and_then(|note| act::about_event(id, &what, note));
    order(&app, wanted).await
}

pub(super) async fn pause(
    State(app): State<Arc<App>>,
    Body(asked): Body<Asked>,
) -> Result<Json<Done>, Problem> {
    order(&app, note(&asked).map(|note| MendOrder::Pause { note })).await
}

pub(super) async fn resume(State(app): State<Arc<App>>) -> Result<Json<Done>, Problem> {
    order(&app, Ok(MendOrder::Resume)).await
}

pub(super) async fn mode(
    State(app): State<Arc<App>>,
    Path(remediation): Path<String>,
    Body(asked): Body<Asked>,
) -> Result<Json<Done>, Problem> {
    order(&app, act::mode(&asked.mode).map(|mode| MendOrder::SetMode { remediation, mode })).await
}
