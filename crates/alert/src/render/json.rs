//! A message as the JSON that webhooks get. Its names and units are a contract, described in
//! `docs/notify.md`: fields are added, never renamed or removed.

use jiff::Timestamp;
use model::alert::{Alert, Clue, Finding, Member, Message, Neighbours, words};
use model::text::printable;
use model::{Subject, UnixMs};
use serde::Serialize;
use std::collections::BTreeMap;

/// Number of the format: ascends when a receiver would have to change.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Body<'m> {
    version: u32,
    id: &'m str,
    kind: &'static str,
    site: &'m str,
    at: String,
    thread: &'m str,
    number: u32,
    severity: &'static str,
    title: String,
    open: u32,
    resolved: u32,
    accepted: u32,
    alerts: Vec<One<'m>>,
}

#[derive(Serialize)]
struct One<'m> {
    id: u64,
    url: Option<String>,
    title: String,
    text: String,
    state: &'static str,
    severity: &'static str,
    subject: Whom<'m>,
    since: String,
    raised: String,
    ended: Option<String>,
    cause: Option<model::alert::Cause>,
    flapping: bool,
    acknowledged: Option<Known<'m>>,
    findings: Vec<Found>,
    normal: Vec<&'static str>,
    affected: u32,
    total: u32,
    members: Vec<Behind>,
    neighbours: &'m [Neighbours],
    clues: Vec<Said<'m>>,
}

#[derive(Serialize)]
struct Said<'m> {
    at: String,
    device: &'m str,
    code: Option<&'m str>,
    text: &'m str,
    count: u32,
}

#[derive(Serialize)]
struct Whom<'m> {
    kind: &'static str,
    name: String,
    host: Option<&'m str>,
    region: Option<&'m str>,
    protocol: Option<String>,
    family: Option<&'static str>,
    tags: BTreeMap<&'m str, &'m str>,
}

#[derive(Serialize)]
struct Known<'m> {
    at: String,
    by: &'m str,
    note: Option<&'m str>,
    ticket: Option<&'m str>,
}

#[derive(Serialize)]
struct Found {
    metric: &'static str,
    /// `upload` or `download` of a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    unit: &'static str,
    rule: model::Rule,
    state: &'static str,
    since: String,
    ended: Option<String>,
    value: Option<f32>,
    peak: Option<f32>,
    usual: Option<f32>,
    varies: Option<f32>,
    limit: Option<f32>,
    share: Option<f32>,
}

#[derive(Serialize)]
struct Behind {
    target: String,
    alert: Option<u64>,
    since: String,
    state: &'static str,
}

/// The body of a POST. `id` names the notice, the same for each try.
pub fn json(message: &Message, id: &str) -> Vec<u8> {
    let body = Body {
        version: VERSION,
        id,
        kind: message.kind.name(),
        site: &message.site,
        at: time(message.at),
        thread: &message.thread,
        number: message.number,
        severity: message.severity.as_str(),
        title: super::subject(message),
        open: message.open,
        resolved: message.resolved,
        accepted: message.accepted,
        alerts: message.alerts.iter().map(|alert| one(message, alert)).collect(),
    };
    serde_json::to_vec(&body).expect("maps have text keys, so nothing in it can fail to be written")
}

fn one<'m>(message: &Message, alert: &'m Alert) -> One<'m> {
    One {
        id: alert.id.0,
        url: super::link(message, alert),
        title: words::headline(alert),
        text: words::facts(alert, message.at),
        state: alert.state.name(),
        severity: alert.severity.as_str(),
        subject: whom(&alert.subject),
        since: time(alert.since),
        raised: time(alert.raised),
        ended: alert.ended.map(time),
        cause: alert.cause,
        flapping: alert.flapping,
        acknowledged: alert.ack.as_ref().map(|ack| Known {
            at: time(ack.at),
            by: &ack.by,
            note: ack.note.as_deref(),
            ticket: ack.ticket.as_deref(),
        }),
        findings: alert.findings.iter().map(|each| found(&alert.subject, each)).collect(),
        normal: alert.normal.iter().map(|metric| metric.as_str()).collect(),
        affected: alert.affected,
        total: alert.total,
        members: alert.members.iter().map(behind).collect(),
        neighbours: &alert.neighbours,
        clues: alert.clues.iter().map(said).collect(),
    }
}

fn whom(subject: &Subject) -> Whom<'_> {
    let name = words::subject(subject);
    let plain = |kind, tags| Whom {
        kind,
        name: name.clone(),
        host: None,
        region: None,
        protocol: None,
        family: None,
        tags,
    };
    match subject {
        Subject::Target(target) => Whom {
            kind: "target",
            host: Some(&target.host),
            region: Some(&target.region),
            protocol: Some(target.protocol.to_string()),
            family: Some(target.family.as_str()),
            tags: target.tags.iter().map(|(tag, value)| (tag.as_str(), value.as_str())).collect(),
            name,
        },
        Subject::Link(link) => plain("link", link.labels().collect()),
        Subject::Group(group) => plain("group", BTreeMap::from([(&*group.tag, &*group.value)])),
        Subject::Repair(_) => plain("repair", BTreeMap::new()),
        Subject::Site { .. } => plain("site", BTreeMap::new()),
    }
}

/// Which way a finding of a link is.
fn direction(subject: &Subject, finding: &Finding) -> Option<&'static str> {
    let Subject::Link(link) = subject else { return None };
    Some(link.metric(finding.series)?.direction().as_str())
}

fn found(subject: &Subject, finding: &Finding) -> Found {
    let known = |value: Option<f32>| value.filter(|value| value.is_finite());
    Found {
        metric: finding.metric.as_str(),
        direction: direction(subject, finding),
        unit: finding.unit(),
        rule: finding.rule,
        state: finding.state.name(),
        since: time(finding.since),
        ended: finding.ended.map(time),
        value: known(Some(finding.value)),
        peak: known(Some(finding.peak)),
        usual: known(finding.usual),
        varies: known(finding.varies),
        limit: known(finding.limit),
        share: known(Some(finding.share)),
    }
}

fn said(clue: &Clue) -> Said<'_> {
    Said {
        at: time(clue.at),
        device: &clue.device,
        code: Some(clue.code.as_str()).filter(|code| !code.is_empty()),
        text: &clue.text,
        count: clue.count,
    }
}

fn behind(member: &Member) -> Behind {
    Behind {
        target: printable(&member.subject.to_string(), 300),
        alert: member.alert.map(|alert| alert.0),
        since: time(member.since),
        state: member.state.name(),
    }
}

/// RFC 3339 in UTC; beyond its years, the epoch's edge.
fn time(at: UnixMs) -> String {
    format!("{:.3}", Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH))
}
