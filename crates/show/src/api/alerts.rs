//! `/api/v1/alerts`: what is wrong now and what was, and the word that somebody knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::alert::{Entry, LinkSubject, Notice, QuietBy, TargetSubject, words};
use model::{AlertId, Metric, SeriesId, Subject};
use serde::{Deserialize, Serialize};
use store::AlertQuery;

use super::{Body, Problem, only};
use crate::app::App;
use crate::format::rfc3339;
use crate::history::Span;
use crate::select::BadParam;
use crate::sift::Sift;
use crate::{Command, act, time};

/// Parameters of the list.
const PARAMETERS: [&str; 14] = [
    "state", "severity", "region", "tag", "text", "quiet", "acked", "page", "limit", "before",
    "target", "from", "until", "span",
];

#[derive(Serialize)]
pub(super) struct List {
    at: Option<String>,
    calling: usize,
    open: usize,
    page: usize,
    pages: Option<usize>,
    matching: Option<usize>,
    next: Option<u64>,
    alerts: Vec<Alert>,
}

/// An alert as others read it.
#[derive(Serialize)]
pub(super) struct Alert {
    id: u64,
    subject: Whom,
    headline: String,
    facts: String,
    state: &'static str,
    severity: &'static str,
    cause: Option<&'static str>,
    since: Option<String>,
    raised: Option<String>,
    ended: Option<String>,
    findings: Vec<Finding>,
    normal: Vec<&'static str>,
    affected: u32,
    total: u32,
    neighbours: Vec<model::alert::Neighbours>,
    clues: Vec<Clue>,
    ack: Option<Ack>,
    quiet: Vec<Quiet>,
    reopened: u32,
    flapping: bool,
    told: bool,
}

#[derive(Serialize)]
struct Whom {
    kind: &'static str,
    name: String,
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<LinkSubject>,
    tag: Option<String>,
    value: Option<String>,
}

#[derive(Serialize)]
struct Target {
    id: String,
    host: String,
    region: String,
    protocol: String,
    family: &'static str,
    tags: BTreeMap<String, String>,
    parent: Option<String>,
}

#[derive(Serialize)]
struct Clue {
    at: Option<String>,
    device: String,
    code: Option<String>,
    text: String,
    count: u32,
}

impl Clue {
    fn of(clue: &model::alert::Clue) -> Self {
        Self {
            at: rfc3339(clue.at),
            device: clue.device.clone(),
            code: (!clue.code.is_empty()).then(|| clue.code.clone()),
            text: clue.text.clone(),
            count: clue.count,
        }
    }
}

#[derive(Serialize)]
struct Finding {
    metric: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    series: String,
    unit: &'static str,
    rule: model::Rule,
    state: &'static str,
    since: Option<String>,
    ended: Option<String>,
    value: Option<f32>,
    peak: Option<f32>,
    usual: Option<f32>,
    varies: Option<f32>,
    limit: Option<f32>,
    share: f32,
}

#[derive(Serialize)]
struct Ack {
    at: Option<String>,
    by: String,
    note: Option<String>,
    ticket: Option<String>,
}

#[derive(Serialize)]
struct Quiet {
    by: &'static str,
    id: Option<u64>,
    name: Option<String>,
}

impl Alert {
    fn of(alert: &model::Alert, now: model::UnixMs) -> Self {
        Self {
            id: alert.id.0,
            subject: Whom::of(&alert.subject),
            headline: words::headline(alert),
            facts: words::facts(alert, now),
            state: alert.state.name(),
            severity: alert.severity.as_str(),
            cause: alert.cause.map(cause),
            since: rfc3339(alert.since),
            raised: rfc3339(alert.raised),
            ended: alert.ended.and_then(rfc3339),
            findings: alert.findings.iter().map(|each| Finding::of(&alert.subject, each)).collect(),
            normal: alert.normal.iter().copied().map(Metric::as_str).collect(),
            affected: alert.affected,
            total: alert.total,
            neighbours: alert.neighbours.clone(),
            clues: alert.clues.iter().map(Clue::of).collect(),
            ack: alert.ack.as_ref().map(|ack| Ack {
                at: rfc3339(ack.at),
                by: ack.by.clone(),
                note: ack.note.clone(),
                ticket: ack.ticket.clone(),
            }),
            quiet: alert.quiet.iter().map(Quiet::of).collect(),
            reopened: alert.reopened,
            flapping: alert.flapping,
            told: alert.told,
        }
    }
}

fn cause(cause: model::alert::Cause) -> &'static str {
    match cause {
        model::alert::Cause::Application => "application",
        model::alert::Cause::Path => "path",
        model::alert::Cause::IcmpFiltered => "icmp_filtered",
    }
}

impl Whom {
    fn of(subject: &Subject) -> Self {
        let empty = |kind| Self {
            kind,
            name: subject.to_string(),
            target: None,
            link: None,
            tag: None,
            value: None,
        };
        match subject {
            Subject::Target(target) => Self { target: Some(Target::of(target)), ..empty("target") },
            Subject::Link(link) => Self { link: Some(link.clone()), ..empty("link") },
            Subject::Group(group) => Self {
                tag: Some(group.tag.clone()),
                value: Some(group.value.clone()),
                ..empty("group")
            },
            Subject::Repair(_) => empty("repair"),
            Subject::Site { .. } => empty("site"),
        }
    }
}

impl Target {
    fn of(target: &TargetSubject) -> Self {
        Self {
            id: target.series.to_string(),
            host: target.host.clone(),
            region: target.region.clone(),
            protocol: target.protocol.to_string(),
            family: target.family.as_str(),
            tags: target.tags.clone(),
            parent: target.parent.clone(),
        }
    }
}

impl Finding {
    fn of(subject: &Subject, finding: &model::alert::Finding) -> Self {
        let way = |link: &LinkSubject| Some(link.metric(finding.series)?.direction().as_str());
        let direction = match subject {
            Subject::Link(link) => way(link),
            _ => None,
        };
        let finite = |value: f32| value.is_finite().then_some(value);
        Self {
            metric: finding.metric.as_str(),
            direction,
            series: finding.series.to_string(),
            unit: finding.unit(),
            rule: finding.rule,
            state: finding.state.name(),
            since: rfc3339(finding.since),
            ended: finding.ended.and_then(rfc3339),
            value: finite(finding.value),
            peak: finite(finding.peak),
            usual: finding.usual.and_then(finite),
            varies: finding.varies.and_then(finite),
            limit: finding.limit.and_then(finite),
            share: if finding.share.is_finite() { finding.share.clamp(0.0, 1.0) } else { 0.0 },
        }
    }
}

impl Quiet {
    fn of(by: &QuietBy) -> Self {
        match by {
            QuietBy::Silence(id) => Self { by: "silence", id: Some(id.0), name: None },
            QuietBy::Maintenance(name) => {
                Self { by: "maintenance", id: None, name: Some(name.clone()) }
            }
            QuietBy::Alert(id) => Self { by: "alert", id: Some(id.0), name: None },
        }
    }
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<List>, Problem> {
    only(&pairs, &PARAMETERS)?;
    let sift = Sift::parse(&pairs)?;
    let now = app.now();
    let judged = app.judging.view();
    let (subject, span) = (subject(&pairs)?, span(&pairs, now)?);
    let mut list = List {
        at: rfc3339(now),
        calling: judged.calling,
        open: judged.open.len(),
        page: sift.page,
        pages: None,
        matching: None,
        next: None,
        alerts: Vec::new(),
    };
    if sift.is_present() && subject.is_none() && span.is_none() {
        let taken: Vec<_> = judged.open.iter().filter(|alert| sift.takes(alert)).collect();
        let pages = taken.len().div_ceil(sift.limit).max(1);
        list.page = sift.page.min(pages);
        (list.pages, list.matching) = (Some(pages), Some(taken.len()));
        let rows = taken.iter().skip((list.page - 1) * sift.limit).take(sift.limit);
        list.alerts = rows.map(|alert| Alert::of(alert, now)).collect();
        return Ok(Json(list));
    }
    let query = AlertQuery {
        subject,
        from: span.map(|span| span.from),
        until: span.map(|span| span.until),
        ..AlertQuery::default()
    };
    let found = app.history.alerts(&sift, query).await?;
    list.next = found.next.map(|id| id.0);
    list.alerts = found.alerts.iter().map(|alert| Alert::of(alert, now)).collect();
    Ok(Json(list))
}

fn given<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let pair = pairs.iter().find(|(known, value)| known == name && !value.trim().is_empty());
    pair.map(|(_, value)| value.trim())
}

/// The subject of one target.
fn subject(pairs: &[(String, String)]) -> Result<Option<String>, BadParam> {
    let Some(text) = given(pairs, "target") else { return Ok(None) };
    let id = SeriesId::from_hex(text)
        .ok_or_else(|| BadParam::new("target", text, "an `id` of /api/v1/targets"))?;
    Ok(Some(Subject::key_of_target(id)))
}

/// The span in which they were open, if one is asked for.
fn span(pairs: &[(String, String)], now: model::UnixMs) -> Result<Option<Span>, BadParam> {
    let asked = ["from", "until", "span"].iter().any(|name| given(pairs, name).is_some());
    if asked { time::span(pairs, now).map(Some) } else { Ok(None) }
}

/// One alert with everything known of it.
#[derive(Serialize)]
pub(super) struct One {
    alert: Alert,
    members: Vec<Member>,
    history: Vec<Happened>,
    notices: Vec<Sent>,
    clears: Option<String>,
    evidence: Vec<String>,
    traces: Vec<Trace>,
    ticket: Option<String>,
}

#[derive(Serialize)]
struct Member {
    subject: String,
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<LinkSubject>,
    alert: Option<u64>,
    state: &'static str,
    since: Option<String>,
}

#[derive(Serialize)]
struct Happened {
    at: Option<String>,
    text: String,
}

#[derive(Serialize)]
struct Sent {
    id: u64,
    receiver: String,
    kind: &'static str,
    state: &'static str,
    attempts: u32,
    created: Option<String>,
    next_try: Option<String>,
    done: Option<String>,
    last_error: Option<String>,
}

#[derive(Serialize)]
struct Trace {
    at: Option<String>,
    title: String,
    text: String,
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<One>, Problem> {
    let id = id.parse::<AlertId>().map_err(|_| unheard_of())?;
    let present = app.judging.view().find(id).map(|alert| (**alert).clone());
    let alert = match present {
        Some(alert) => alert,
        None => app.history.alert(id).await?.ok_or_else(unheard_of)?,
    };
    let (alerts, about) = (Arc::clone(&app.deps.alerts), alert.clone());
    let explanation = app.history.ask(move || Ok(alerts.explain(&about))).await?;
    let notices = app.history.notices(id).await?;
    let some = |text: String| (!text.is_empty()).then_some(text);
    Ok(Json(One {
        members: alert.members.iter().map(member).collect(),
        history: alert.history.iter().map(happened).collect(),
        notices: notices.iter().map(sent).collect(),
        alert: Alert::of(&alert, app.now()),
        clears: some(explanation.clears),
        evidence: explanation.evidence,
        traces: explanation
            .traces
            .into_iter()
            .map(|trace| Trace { at: rfc3339(trace.at), title: trace.title, text: trace.text })
            .collect(),
        ticket: some(explanation.ticket),
    }))
}

fn unheard_of() -> Problem {
    let allowed = "an `id` of /api/v1/alerts: a number such as 17";
    Problem::new(StatusCode::NOT_FOUND, "no alert has this number", allowed)
}

fn member(member: &model::alert::Member) -> Member {
    Member {
        subject: member.subject.to_string(),
        target: match &member.subject {
            Subject::Target(target) => Some(Target::of(target)),
            _ => None,
        },
        link: match &member.subject {
            Subject::Link(link) => Some(link.clone()),
            _ => None,
        },
        alert: member.alert.map(|id| id.0),
        state: member.state.name(),
        since: rfc3339(member.since),
    }
}

fn happened(entry: &Entry) -> Happened {
    Happened { at: rfc3339(entry.at), text: words::happening(&entry.what) }
}

fn sent(notice: &Notice) -> Sent {
    let waits = notice.state == model::alert::NoticeState::Waiting;
    Sent {
        id: notice.id.0,
        receiver: notice.receiver.clone(),
        kind: notice.message.kind.name(),
        state: notice.state.name(),
        attempts: notice.attempts,
        created: rfc3339(notice.created),
        next_try: waits.then(|| rfc3339(notice.next_try)).flatten(),
        done: notice.done.and_then(rfc3339),
        last_error: notice.last_error.clone(),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AckRequest {
    by: String,
    note: String,
    ticket: String,
}

#[derive(Serialize)]
pub(super) struct Acked {
    acked: u64,
}

pub(super) async fn ack(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(asked): Body<AckRequest>,
) -> Result<Json<Acked>, Problem> {
    let alert = id.parse::<AlertId>().map_err(|_| unheard_of())?;
    let note = act::note("the note", &asked.note)?;
    let ticket = act::word("the ticket", &asked.ticket)?;
    act::submit(&app, &asked.by, Command::Ack { alert, note, ticket }).await?;
    Ok(Json(Acked { acked: alert.0 }))
}
