//! The Incident page: one fault from its first line to the proof that its repair held, in one order of time.
//! What belongs to it, `incident` finds; this file puts it into words.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::alert::words;
use model::event::Event;
use model::run::{Approval, Run, StepOutcome, StepResult};
use model::text::printable;
use model::{Alert, Metric, UnixMs};

use super::chart::{Figure, Subject as Charted};
use super::{events, layout, mending, run, signs, sorry, when};
use crate::app::App;
use crate::format;
use crate::incident::{Field, Incident, Key, Moment, What, gather};
use crate::judged::sign;
use crate::mended::Waiting;

/// Most characters of a name, of a sentence and of a line.
const NAME: usize = 120;
const SENTENCE: usize = 600;
const LINE: usize = 1_000;

pub(super) async fn page(State(app): State<Arc<App>>, Path(key): Path<String>) -> Response {
    let unheard = || sorry(&app, StatusCode::NOT_FOUND, "No event or alert has this number.");
    let Ok(key) = key.parse::<Key>() else { return unheard() };
    let field = Field::of(&app);
    let found = app.history.ask_state(move |state| gather(state, &field, key)).await;
    let incident = match found {
        Ok(Some(incident)) => incident,
        Ok(None) => return unheard(),
        Err(error) => return sorry(&app, StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    };
    let mark = app.newest_event().await;
    let title = title(&incident);
    let body = html! {
        div #incident data-events=(mark) data-from={ "/incidents/" (key) } {
            (head(&incident, &title, app.now()))
            (asked(&incident, app.now()))
            div.columns.wide {
                div {
                    section { h2 { "What happened " (when::zone()) } (story(&incident.moments)) }
                    (proofs(&incident.runs))
                }
                (facts(&incident))
            }
        }
        (chart(&incident))
    };
    layout::page(&app, &app.present.view(), &title, "/runs", &body).into_response()
}

fn title(incident: &Incident) -> String {
    match (incident.chain.first(), &incident.alert) {
        (Some(event), _) => {
            let parts = [&event.device, &event.code, &event.object];
            let parts: Vec<_> =
                parts.into_iter().filter(|part| !part.is_empty()).cloned().collect();
            printable(&parts.join(" "), NAME)
        }
        (None, Some(alert)) => words::headline(alert),
        (None, None) => "Incident".to_owned(),
    }
}

/// Which sign it has, and how it stands in a sentence.
fn standing(incident: &Incident) -> (&'static str, Markup) {
    let last = incident.runs.iter().rfind(|run| run.state != model::run::RunState::Held);
    if let Some(run) = last {
        let how = html! {
            "Run " a href={ "/runs/" (run.id) } { "#" (run.id) } " of " (mending::remediation(&run.remediation)) ": "
            (run.state.as_str().replace('_', " "))
            @if let Some(proof) = &run.proof { ", " (proof.verdict.as_str().replace('_', " ")) }
            @if !run.reason.is_empty() { ": " bdi { (printable(&run.reason, SENTENCE)) } }
        };
        return (mending::sign(run.state), how);
    }
    if let Some(event) = incident.chain.last() {
        let reason = printable(&event.reason, SENTENCE);
        let how = html! {
            "Nothing was run. The event is " (event.state.as_str().replace('_', " "))
            @if !reason.is_empty() { ": " bdi { (reason) } }
        };
        return (events::grade(event.severity), how);
    }
    let alert =
        incident.alert.as_ref().map_or("no_data", |alert| sign(alert.severity, alert.state));
    (alert, html! { "Nothing was run." })
}

fn head(incident: &Incident, title: &str, now: UnixMs) -> Markup {
    let (sign, how) = standing(incident);
    let from = incident.moments.iter().map(|moment| moment.at).min().unwrap_or(now);
    let until = incident.moments.iter().map(|moment| moment.at).max().unwrap_or(now);
    html! {
        header.alert.{ "al-" (sign) } {
            h1 { bdi { (title) } }
            p.how {
                span { "Incident · " (when::moment(from)) ", " (mending::lasted(from, until)) }
                @if incident.chain.len() > 1 { span.chip { "came back " (incident.chain.len() - 1) "×" } }
            }
        }
        p.facts { i.s.{ "s-" (sign) } aria-hidden="true" {} " " (how) }
    }
}

/// The questions that wait for an answer.
fn asked(incident: &Incident, now: UnixMs) -> Markup {
    let open = |approval: &&Approval| approval.decision.is_none() && approval.expires > now;
    let waiting: Vec<Waiting> = incident
        .approvals
        .iter()
        .filter(open)
        .map(|approval| Waiting { approval: approval.clone(), event: None })
        .collect();
    html! { @if !waiting.is_empty() {
        ul.waiting { @for one in &waiting { (mending::question(one, now)) } }
    } }
}

fn story(moments: &[Moment]) -> Markup {
    html! {
        @if moments.is_empty() { p.empty { "Nothing is written down." } }
        ol.story { @for moment in moments { (told(moment)) } }
    }
}

fn told(moment: &Moment) -> Markup {
    let entry = |sign: &str, kind: &str, text: Markup| {
        html! { li.{ "k-" (kind) } {
            (when::stamp(moment.at)) i.s.{ "s-" (sign) } aria-hidden="true" {}
            b.kind { (kind) } div { (text) }
        } }
    };
    match &moment.what {
        What::Line(line) => {
            let text = printable(&String::from_utf8_lossy(&line.raw), LINE);
            entry("line", "line", html! { code { bdi { (text) } } })
        }
        What::Event(event) => entry(events::grade(event.severity), "event", began(event)),
        What::Cleared(event) => entry(
            "resolved",
            "event",
            html! {
                "over: " code { bdi { (printable(&event.code, NAME)) } } " " bdi { (printable(&event.object, NAME)) }
                " " a href={ "/events/" (event.id) } { "#" (event.id) }
            },
        ),
        What::Alert(alert) => {
            entry(sign(alert.severity, model::AlertState::Firing), "alert", raised(alert))
        }
        What::Ended(alert) => entry(
            sign(alert.severity, alert.state),
            "alert",
            html! {
                (alert.state) ": " (signs::link(alert)) " after " (format::since(alert.since, moment.at))
            },
        ),
        What::Asked(approval) => entry(
            "warning",
            "asked",
            html! {
                "May " (mending::remediation(&approval.remediation)) " be run on " (mending::device(&approval.device)) "? "
                bdi { (printable(&approval.reason, SENTENCE)) }
            },
        ),
        What::Answered(approval) => answered(approval, entry),
        What::Began(run) => entry(
            "info",
            "run",
            html! {
                a href={ "/runs/" (run.id) } { "run #" (run.id) } " of " (mending::remediation(&run.remediation))
                " on " (mending::device(&run.device)) " began, by " bdi { (printable(&run.worker, NAME)) }
            },
        ),
        What::Step(run, step) => entry(run::step_sign(step), "step", stepped(run, step)),
        What::Run(run) => entry(mending::sign(run.state), "run", ended(run)),
        What::Did(audit) => entry(
            "info",
            "person",
            html! {
                bdi { (printable(&audit.actor, NAME)) } ": " (printable(&audit.action, NAME)) " "
                bdi { (printable(&audit.detail, SENTENCE)) }
            },
        ),
    }
}

fn began(event: &Event) -> Markup {
    html! {
        a href={ "/events/" (event.id) } { "#" (event.id) } " " (mending::about(event))
        @if !event.reason.is_empty() {
            p.why { (event.state.as_str().replace('_', " ")) ": " bdi { (printable(&event.reason, SENTENCE)) } }
        }
    }
}

fn raised(alert: &Alert) -> Markup {
    html! {
        (signs::link(alert)) " " (signs::brief(alert))
        @if alert.raised > alert.since { " " small { "raised " (when::stamp(alert.raised)) } }
    }
}

fn answered(approval: &Approval, entry: impl Fn(&str, &str, Markup) -> Markup) -> Markup {
    let Some(decision) = &approval.decision else { return html! {} };
    let (sign, word) = if decision.approved { ("resolved", "yes") } else { ("critical", "no") };
    entry(
        sign,
        "answer",
        html! {
            b { (word) } ", said " b { bdi { (printable(&decision.by, NAME)) } }
            @if !decision.note.is_empty() { ": " bdi { (printable(&decision.note, SENTENCE)) } }
        },
    )
}

fn stepped(run: &Run, step: &StepResult) -> Markup {
    html! {
        b { (step.step) } ": " (step.outcome) " in " (mending::millis(step.took_ms))
        @if !step.said.is_empty() { ", " bdi { (printable(&step.said, SENTENCE)) } }
        " " a href={ "/runs/" (run.id) "#" (step.step) } { "transcript" }
        @if step.outcome == StepOutcome::Failed { " " span.chip { "failed" } }
    }
}

fn ended(run: &Run) -> Markup {
    html! {
        a href={ "/runs/" (run.id) } { "run #" (run.id) } " ended: " b { (run.state.as_str().replace('_', " ")) }
        " after " (mending::lasted(run.started, run.ended.unwrap_or(run.started)))
        @if !run.reason.is_empty() { ". " bdi { (printable(&run.reason, SENTENCE)) } }
        @if let Some(proof) = &run.proof { p.why { (mending::verdict(proof.verdict)) " " bdi { (printable(&proof.reason, SENTENCE)) } } }
    }
}

fn facts(incident: &Incident) -> Markup {
    html! {
        section {
            h2 { "Facts" }
            dl {
                @for device in &incident.devices { dt { "Device" } dd { (mending::device(device)) } }
                @for event in &incident.chain {
                    dt { "Event" }
                    dd { a href={ "/events/" (event.id) } { "#" (event.id) } " " (event.state.as_str().replace('_', " ")) }
                }
                @for run in &incident.runs {
                    dt { "Run" }
                    dd { a href={ "/runs/" (run.id) } { "#" (run.id) } " " bdi { (printable(&run.remediation, NAME)) } ", " (run.state.as_str().replace('_', " ")) }
                }
                @for alert in &incident.alerts {
                    dt { "Alert" }
                    dd { a href={ "/alerts/" (alert.id) } { "#" (alert.id) } " " (signs::brief(alert)) ", " (alert.state) }
                }
            }
        }
    }
}

fn proofs(runs: &[Run]) -> Markup {
    html! {
        @for run in runs { @if let Some(proof) = &run.proof {
            section.proof {
                h2 { "Proof of run " a href={ "/runs/" (run.id) } { "#" (run.id) } }
                (run::proof(proof))
            }
        } }
    }
}

fn chart(incident: &Incident) -> Markup {
    html! { @if let Some(now) = &incident.target {
        section {
            h2 { a href={ "/targets/" (now.series.rtt) } { (now.target) } }
            (Figure {
                subject: &Charted::of(now), metric: Metric::Rtt, span: incident.span, follows: None,
                open_end: false, alert: None,
            }.markup())
        }
    } }
}
