//! The page of one alert: what is wrong in sentences, the chart around it, its numbers, whom it speaks for,
//! what happened and what was sent; who knows of it; and a text for the carrier. Reading: the latest of what
//! the daemon has in memory and what the store has.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::alert::{Entry, Finding, Member, Notice, NoticeState, words};
use model::text::printable;
use model::{Alert, AlertId, AlertState, Metric, Subject, UnixMs};

use super::chart::{Figure, Subject as Charted, around};
use super::{layout, link, signs, sorry, when};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::history::Unavailable;
use crate::judged::{alert_mark, sign};
use crate::who::{Right, Who};
use crate::{Command, Explanation, Refusal, act, time};

/// So many earlier alerts of the same subject are listed.
const EARLIER: u32 = 8;
/// Most characters of a name on this page.
const NAME: usize = 200;

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let Ok(id) = id.parse::<AlertId>() else { return unheard_of(&app) };
    let known = match Known::of(&app, id).await {
        Ok(Some(known)) => known,
        Ok(None) => return unheard_of(&app),
        Err(error) => return sorry(&app, StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    };
    if pairs.iter().any(|(name, value)| name == "part" && value == "live") {
        return known.moving(true).into_response();
    }
    let alert = &known.alert;
    let zoomed = pairs.iter().any(|(name, value)| name == "from" && !value.is_empty());
    let span = if zoomed {
        time::span(&pairs, app.now())
    } else {
        Ok(around(alert.since, alert.ended, app.now()))
    };
    let span = match span {
        Ok(span) => span,
        Err(bad) => return sorry(&app, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let charted = charted(&app, alert).await;
    let metric = alert.worst().map_or(Metric::Rtt, |finding| finding.metric);
    let body = html! {
        (known.moving(false))
        @if let Some(subject) = &charted {
            (Figure {
                subject, metric, span, follows: None, open_end: alert.is_open() && !zoomed, alert: Some(id),
            }.markup())
        }
        @if let Subject::Link(of) = &alert.subject { (link::around(&app, of, alert, span).await) }
        div.columns.wide {
            div {
                (known.then(false))
                (traces(&known.explanation))
                (ticket(&known.explanation))
            }
            div {
                @if alert.is_open() && Who::now().may(Right::Note) { (ack_form(alert)) }
                (facts(alert))
                (known.history(false))
                (notices(&known.notices))
                (earlier(&known.earlier, app.now()))
            }
        }
    };
    let title = words::headline(alert);
    layout::page(&app, &app.present.view(), &title, "/alerts", &body).into_response()
}

fn unheard_of(app: &App) -> Response {
    sorry(app, StatusCode::NOT_FOUND, "No alert has this number.")
}

/// Acknowledges it, and answers with the page to go to or why not.
pub(super) async fn ack(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let Ok(id) = id.parse::<AlertId>() else {
        return refused(&Refusal::Unknown("No alert has this number.".to_owned()));
    };
    let field = |name: &str| {
        fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    };
    let command = || -> Result<Command, Refusal> {
        let note = act::note("the note", field("note"))?;
        let ticket = act::word("the ticket", field("ticket"))?;
        Ok(Command::Ack { alert: id, note, ticket })
    };
    let done = match command() {
        Ok(command) => act::submit(&app, field("by"), command).await,
        Err(refusal) => Err(refusal),
    };
    match done {
        Ok(_) => {
            ([("hx-redirect", format!("/alerts/{id}"))], StatusCode::NO_CONTENT).into_response()
        }
        Err(refusal) => refused(&refusal),
    }
}

/// Why it was not done, to stand in the form.
pub(super) fn refused(refusal: &Refusal) -> Response {
    (act::status(refusal), signs::problem(&refusal.to_string())).into_response()
}

/// All that is known of an alert.
struct Known {
    alert: Alert,
    explanation: Explanation,
    notices: Result<Vec<Notice>, Unavailable>,
    earlier: Result<Vec<Alert>, Unavailable>,
    now: UnixMs,
}

impl Known {
    async fn of(app: &App, id: AlertId) -> Result<Option<Self>, Unavailable> {
        let present = app.judging.view().find(id).map(|alert| (**alert).clone());
        let stored = app.history.alert(id).await;
        let alert = match (present, stored) {
            (Some(present), Ok(Some(stored))) => later(present, stored),
            (Some(present), _) => present,
            (None, Ok(Some(stored))) => stored,
            (None, Ok(None)) => return Ok(None),
            (None, Err(error)) => return Err(error),
        };
        let (alerts, about) = (Arc::clone(&app.deps.alerts), alert.clone());
        let explanation = app.history.ask(move || Ok(alerts.explain(&about))).await;
        let notices = app.history.notices(id).await;
        let earlier = app.history.earlier(&alert, EARLIER).await;
        let explanation = explanation.unwrap_or_default();
        Ok(Some(Self { alert, explanation, notices, earlier, now: app.now() }))
    }

    /// What changes while people look: fetched again by the live script, as `part=live`, in which case what
    /// stands elsewhere on the page comes along.
    fn moving(&self, alone: bool) -> Markup {
        let alert = &self.alert;
        html! {
            section #alert-now data-alert-mark=(format!("{:016x}", alert_mark(alert)))
                data-alert-id=(alert.id) data-over[!alert.is_open()] data-from={ "/alerts/" (alert.id) "?part=live" }
            {
                header.alert.{ "al-" (sign(alert.severity, alert.state)) } {
                    h1 { bdi { (words::subject(&alert.subject)) } }
                    p.how {
                        (signs::badge(alert.severity, alert.state))
                        span {
                            @if alert.state != AlertState::Firing { (alert.severity) ", " }
                            @else { "firing " }
                            "for " (signs::lasting(alert, self.now)) " · #" (alert.id)
                        }
                        (signs::chips(alert))
                        a.chip href={ "/incidents/alert-" (alert.id) } { "the whole incident" }
                    }
                }
                p.facts { (words::facts(alert, self.now)) }
                @if !self.explanation.clears.is_empty() && alert.is_open() {
                    p.clears { b { "Clears when: " } (self.explanation.clears) }
                }
                @if !self.explanation.evidence.is_empty() {
                    ul.evidence { @for sentence in &self.explanation.evidence { li { (sentence) } } }
                }
            }
            @if alone { (self.then(true)) (self.history(true)) }
        }
    }

    /// Its numbers, and whom it speaks for.
    fn then(&self, swap: bool) -> Markup {
        html! {
            div #alert-then hx-swap-oob=[swap.then_some("true")] {
                (findings(&self.alert, self.now))
                (members(&self.alert, self.now))
            }
        }
    }

    /// What happened, newest first.
    fn history(&self, swap: bool) -> Markup {
        html! {
            section #alert-history hx-swap-oob=[swap.then_some("true")] {
                h2 { "What happened " (when::zone()) }
                @if self.alert.history.is_empty() { p.empty { "Nothing is written down." } } @else {
                    ol.timeline { @for entry in self.alert.history.iter().rev() { (happened(entry)) } }
                }
            }
        }
    }
}

/// Whichever knows more: the store is ahead right after a command, memory between two writes.
fn later(present: Alert, stored: Alert) -> Alert {
    let last = |alert: &Alert| alert.history.last().map(|entry| entry.at);
    if last(&stored) > last(&present) || stored.ended.is_some() { stored } else { present }
}

/// Whose chart it gets: that of its target, also after it left the configuration.
async fn charted(app: &App, alert: &Alert) -> Option<Charted> {
    let Subject::Target(target) = &alert.subject else { return None };
    if let Some(now) = app.present.view().find(target.series) {
        return Some(Charted::of(now));
    }
    let known = app.history.known(target.series).await.ok().flatten();
    known.map(|(labels, _)| Charted::left(&labels))
}

fn happened(entry: &Entry) -> Markup {
    html! { li { (when::stamp(entry.at)) " " (words::happening(&entry.what)) } }
}

fn findings(alert: &Alert, now: UnixMs) -> Markup {
    let or = |finding: &Finding, value: Option<f32>| {
        value.map_or_else(|| NOTHING.to_owned(), |value| words::value(finding.metric, value))
    };
    html! {
        @if !alert.findings.is_empty() {
            section.findings {
                h2 { "Numbers" }
                div.scroll { table {
                    thead { tr {
                        th { "Metric" } th { "State" } th.n { "Value" } th.n { "Peak" } th.n { "Usual" }
                        th.n.c-varies { "Varies" } th.n { "Limit" } th.n.c-share { "Above" } th.c-since { "Since" }
                        th.c-rule { "Rule" }
                    } }
                    tbody { @for finding in &alert.findings { tr {
                        th scope="row" { (words::measure(&alert.subject, finding)) }
                        td { (finding.state) }
                        td.n { b { (words::value(finding.metric, finding.value)) } }
                        td.n { (words::value(finding.metric, finding.peak)) }
                        td.n { (or(finding, finding.usual)) }
                        td.n.c-varies { @match finding.varies {
                            Some(varies) => { "±" (words::value(finding.metric, varies)) }
                            None => (NOTHING),
                        } }
                        td.n { (or(finding, finding.limit)) }
                        td.n.c-share { (format::percent(Some(finding.share.clamp(0.0, 1.0) * 100.0))) " %" }
                        td.c-since { (words::moment(finding.since, now)) }
                        td.c-rule { (rule(finding.rule)) }
                    } } }
                } }
            }
        }
    }
}

/// A rule in few words.
fn rule(rule: model::Rule) -> &'static str {
    match rule {
        model::Rule::Nm => "above usual at this hour",
        model::Rule::Sigma => "above the hour before",
        model::Rule::Limit => "above the limit that is set",
        model::Rule::Down => "no answer",
    }
}

fn members(alert: &Alert, now: UnixMs) -> Markup {
    let shown = alert.members.len();
    let hidden = (alert.affected as usize).saturating_sub(shown);
    html! {
        @if shown > 0 {
            section #members {
                h2 { "It speaks for " small { (alert.affected) @if alert.total > 0 { " of " (alert.total) } } }
                div.scroll { table.members {
                    thead { tr { th { "State" } th { "Target" } th.c-region { "Region" } th { "Since" } th.n.c-id { "#" } } }
                    tbody { @for member in &alert.members { (member_row(member, now)) } }
                } }
                @if hidden > 0 { p.empty { "and " (format::count(hidden)) " more, which are not listed" } }
            }
        }
    }
}

fn member_row(member: &Member, now: UnixMs) -> Markup {
    let name = printable(&member.subject.to_string(), NAME);
    html! {
        tr {
            td { (member.state) }
            th.c-alert scope="row" { @match address(&member.subject) {
                Some(address) => a href=(address) { bdi { (name) } },
                None => bdi { (name) },
            } }
            td.c-region { bdi { (printable(&place(&member.subject), NAME)) } }
            td { (words::moment(member.since, now)) }
            td.n.c-id { @match member.alert {
                Some(id) => a href={ "/alerts/" (id) } { (id) },
                None => (NOTHING),
            } }
        }
    }
}

/// The page of a target or a link.
fn address(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Target(target) => Some(format!("/targets/{}", target.series)),
        Subject::Link(link) => Some(format!("/links/{}", link.series)),
        Subject::Group(_) | Subject::Repair(_) | Subject::Site { .. } => None,
    }
}

/// Where a target or a link is: its region or its customer.
fn place(subject: &Subject) -> String {
    let name = if matches!(subject, Subject::Link(_)) { "enterprise" } else { "region" };
    subject.label(name).unwrap_or_default()
}

/// Facts that do not move.
fn facts(alert: &Alert) -> Markup {
    html! {
        section {
            h2 { "Facts" }
            dl {
                @if let Subject::Target(target) = &alert.subject {
                    dt { "Target" }
                    dd { a href={ "/targets/" (target.series) } { bdi { (printable(&target.to_string(), NAME)) } } }
                    dt { "Region" } dd { bdi { (printable(&target.region, NAME)) } }
                    dt { "Protocol" } dd { (target.protocol) " over IPv" (target.family.as_str()) }
                    @if let Some(parent) = &target.parent { dt { "Behind" } dd { bdi { (printable(parent, NAME)) } } }
                    @for (name, value) in &target.tags {
                        dt { bdi { (printable(name, NAME)) } } dd { bdi { (printable(value, NAME)) } }
                    }
                }
                @if let Subject::Link(link) = &alert.subject {
                    dt { "Link" }
                    dd { a href={ "/links/" (link.series) } { bdi { (printable(&link.to_string(), NAME)) } } }
                    @for (name, value) in link.labels() {
                        dt { (words::label(name)) } dd { bdi { (printable(value, NAME)) } }
                    }
                }
                dt { "Bad since" } dd { (when::moment(alert.since)) }
                dt { "Raised" } dd { (when::moment(alert.raised)) }
                @if let Some(ended) = alert.ended { dt { "Ended" } dd { (when::moment(ended)) } }
                @if let Some(ack) = &alert.ack {
                    dt { "Known to" }
                    dd { bdi { (printable(&ack.by, NAME)) } ", " (when::moment(ack.at)) }
                    @if let Some(ticket) = &ack.ticket { dt { "Ticket" } dd { bdi { (printable(ticket, NAME)) } } }
                    @if let Some(note) = &ack.note { dt { "Note" } dd.note { bdi { (printable(note, 2_000)) } } }
                }
            }
            @if alert.is_open() && Who::now().may(Right::Note) { p.act { a href=(silence_link(alert)) { "Silence this" } } }
        }
    }
}

/// The form for a silence, filled in with what fits this alert alone.
fn silence_link(alert: &Alert) -> String {
    let (label, value) = match &alert.subject {
        Subject::Target(target) => ("target", target.to_string()),
        Subject::Link(link) => ("edge", link.edge.clone()),
        Subject::Group(group) => (group.tag.as_str(), group.value.clone()),
        Subject::Repair(repair) => match &repair.device {
            Some(device) => ("device", device.clone()),
            None => ("kind", "repair".to_owned()),
        },
        Subject::Site { site } => ("site", site.clone()),
    };
    let mut query = String::new();
    crate::select::add(&mut query, "label", label);
    crate::select::add(&mut query, "value", &value);
    format!("/silences{query}#new")
}

fn ack_form(alert: &Alert) -> Markup {
    let words = match &alert.ack {
        None => "Acknowledge",
        Some(_) => "Add to what is known",
    };
    html! {
        section.acting {
            h2 { (words) }
            form.act hx-post={ "/alerts/" (alert.id) "/ack" } hx-target="find .problem" hx-swap="outerHTML" {
                p.hint { "It is not repeated then until it gets worse. Its end is told all the same." }
                (signs::your_name())
                label { "Ticket" input name="ticket" autocomplete="off" maxlength="200"; }
                label { "Note" textarea name="note" rows="2" maxlength="2000" {} }
                (signs::problem(""))
                button type="submit" { "Acknowledge" }
                noscript { p.hint { "This needs JavaScript. In a shell: " code { "netmend ack " (alert.id) } } }
            }
        }
    }
}

fn traces(explanation: &Explanation) -> Markup {
    html! {
        @if !explanation.traces.is_empty() {
            section.traces {
                h2 { "The path" }
                div.side { @for trace in &explanation.traces {
                    figure.text {
                        figcaption { (trace.title) " · " (when::moment(trace.at)) }
                        pre { (trace.text) }
                    }
                } }
            }
        }
    }
}

fn ticket(explanation: &Explanation) -> Markup {
    html! {
        @if !explanation.ticket.is_empty() {
            section.ticket {
                h2 { "For the carrier" }
                details {
                    summary { "A text for their ticket " button type="button" data-copy="#ticket" hidden { "Copy" } }
                    pre #ticket tabindex="0" { (explanation.ticket) }
                }
            }
        }
    }
}

fn notices(notices: &Result<Vec<Notice>, Unavailable>) -> Markup {
    html! {
        section {
            h2 { "What was sent" }
            @match notices {
                Err(error) => p.empty { (error) },
                Ok(notices) if notices.is_empty() => p.empty {
                    "Nothing: it is kept quiet, another alert speaks for it, or nobody is named under "
                    code { "notify:" } "."
                },
                Ok(notices) => ul.notices { @for notice in notices { (sent(notice)) } },
            }
        }
    }
}

fn sent(notice: &Notice) -> Markup {
    let (shape, word) = match notice.state {
        NoticeState::Sent => ("resolved", "sent"),
        NoticeState::Waiting if notice.attempts > 0 => ("warning", "waits for another try"),
        NoticeState::Waiting => ("no_data", "waits"),
        NoticeState::GivenUp => ("critical", "given up"),
    };
    let at = notice.done.unwrap_or(notice.created);
    html! {
        li {
            i.s.{ "s-" (shape) } aria-hidden="true" {}
            div {
                b { bdi { (printable(&notice.receiver, NAME)) } } " " (notice.message.kind) ": " (word)
                " " (when::stamp(at))
                @if notice.attempts > 1 { " · " (notice.attempts) " tries" }
                @if let Some(error) = notice.last_error.as_ref().filter(|_| notice.state != NoticeState::Sent) {
                    p.why { (printable(error, 600)) }
                }
            }
        }
    }
}

fn earlier(earlier: &Result<Vec<Alert>, Unavailable>, now: UnixMs) -> Markup {
    html! {
        section {
            h2 { "Before" }
            @match earlier {
                Err(error) => p.empty { (error) },
                Ok(alerts) if alerts.is_empty() => p.empty { "It is the first alert of this subject." },
                Ok(alerts) => ul.marks { @for alert in alerts { li {
                    (signs::badge(alert.severity, alert.state)) " "
                    (when::stamp(alert.since)) " "
                    a href=(signs::address(alert)) { (signs::brief(alert)) }
                    " for " (signs::lasting(alert, now))
                } } },
            }
        }
    }
}
