//! Pieces of mending that several pages share: how a run stands, what waits for a person, the switch that stops
//! all repairs; and what the forms about them do. Whether anything may be run is decided elsewhere.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::UnixMs;
use model::event::{Event, EventId, Mode};
use model::run::{ProofVerdict, Run, RunState};
use model::text::printable;

use super::alert::refused;
use super::{heard, signs, when};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::history::Unavailable;
use crate::mended::Waiting;
use crate::select::encode;
use crate::who::{Right, Who};
use crate::{MendNow, MendOrder, Refusal, act};

/// Most characters of a name, and of a sentence.
const NAME: usize = 120;
const SENTENCE: usize = 600;
/// So many approvals stand on the front page.
const LISTED: usize = 20;
/// The script loads the page again.
const AGAIN: HeaderName = HeaderName::from_static("hx-refresh");

/// The address of a remediation's page.
pub(super) fn address(remediation: &str) -> String {
    let mut address = "/remediations/".to_owned();
    encode(remediation, &mut address);
    address
}

/// A link to the page of a remediation.
pub(super) fn remediation(name: &str) -> Markup {
    html! { a href=(address(name)) { bdi { (printable(name, NAME)) } } }
}

/// A link to the page of a device.
pub(super) fn device(name: &str) -> Markup {
    html! { a href=(heard::address(name)) { bdi { (printable(name, NAME)) } } }
}

/// What a run is shown by.
pub(super) fn sign(state: RunState) -> &'static str {
    match state {
        RunState::Running | RunState::Verifying => "info",
        RunState::Success => "resolved",
        RunState::Failure => "critical",
        RunState::TimedOut | RunState::Unknown => "warning",
        RunState::NotNeeded | RunState::Cancelled | RunState::Looked => "accepted",
        RunState::Held => "no_data",
    }
}

/// How a run stands, as shape and word.
pub(super) fn badge(state: RunState) -> Markup {
    shaped(sign(state), state.as_str())
}

/// A shape and a word.
pub(super) fn shaped(sign: &str, word: &str) -> Markup {
    html! { span.badge.{ "al-" (sign) } {
        i.s.{ "s-" (sign) } aria-hidden="true" {} span { (word.replace('_', " ")) }
    } }
}

/// Whether a repair held, as shape and words.
pub(super) fn verdict(verdict: ProofVerdict) -> Markup {
    match verdict {
        ProofVerdict::Proven => shaped("resolved", "proven"),
        ProofVerdict::NotProven => shaped("critical", "not proven"),
        ProofVerdict::NotProvable => shaped("no_data", "not provable"),
    }
}

/// How far a remediation may go, as the steps of a ladder.
pub(super) fn ladder(mode: Mode) -> Markup {
    html! { ol.ladder aria-label={ "mode: " (mode) } { @for step in Mode::ALL {
        li.on[*step <= mode].here[*step == mode] aria-current=[(*step == mode).then_some("step")] { (step) }
    } } }
}

/// How long a run took, or takes so far.
pub(super) fn took(run: &Run, now: UnixMs) -> Markup {
    html! { @match run.ended {
        None => span.v-since data-since=(run.started.0) { (format::since(run.started, now)) },
        Some(ended) => (lasted(run.started, ended)),
    } }
}

/// A span to the tenth of a second where it is short.
pub(super) fn lasted(from: UnixMs, until: UnixMs) -> String {
    millis(u64::try_from(until.0.saturating_sub(from.0)).unwrap_or(0))
}

/// The same of milliseconds.
pub(super) fn millis(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{:.1} s", millis as f64 / 1_000.0),
        _ => format::span(std::time::Duration::from_secs(millis / 1_000)),
    }
}

/// A table of runs, newest first.
pub(super) fn runs(runs: &[Run], now: UnixMs) -> Markup {
    html! {
        div.scroll { table.runs {
            thead { tr {
                th { "State" } th.c-time { "Began " (when::zone()) } th.c-device { "Device" } th.c-code { "Remediation" }
                th { "What came of it" } th.c-worker { "Worker" } th.n.c-for { "Took" } th.n.c-id { "#" }
            } }
            tbody { @for run in runs { tr.{ "al-" (sign(run.state)) } {
                td.c-sign { (badge(run.state)) }
                td.c-time { (when::stamp(run.started)) }
                td.c-device { (device(&run.device)) }
                td.c-code { (remediation(&run.remediation)) }
                th.c-what scope="row" { a href={ "/runs/" (run.id) } { (outcome(run)) } }
                td.c-worker { bdi { (printable(&run.worker, NAME)) } }
                td.n.c-for { (took(run, now)) }
                td.n.c-id { (run.id) }
            } } }
        } }
    }
}

/// What came of a run, in a line.
fn outcome(run: &Run) -> Markup {
    let said = printable(&run.reason, SENTENCE);
    html! {
        @if let Some(proof) = &run.proof { (verdict(proof.verdict)) " " }
        @if !said.is_empty() { bdi { (said) } }
        @else if run.proof.is_none() {
            @match run.steps.last() {
                Some(step) => { (step.step) ": " (step.outcome) },
                None => { "event #" (run.event) },
            }
        }
    }
}

/// What waits for a person: the section of the front page. It is fetched again when something happens.
pub(super) fn waiting(
    app: &App,
    mending: &MendNow,
    waiting: &Result<Vec<Waiting>, Unavailable>,
    mark: &str,
) -> Markup {
    let now = app.now();
    let open = |waiting: &&Waiting| waiting.approval.expires > now;
    html! {
        section #waiting data-events=(mark) data-from="/?part=waiting" {
            (paused(mending))
            @match waiting {
                Err(error) => p.empty { (error) },
                Ok(all) => {
                    @let open: Vec<&Waiting> = all.iter().filter(open).collect();
                    @if !open.is_empty() {
                        h2 { "Waiting for approval " small { (format::count(open.len())) } }
                        ul.waiting { @for one in open.iter().take(LISTED) { (question(one, now)) } }
                        @if open.len() > LISTED { p { "and " (format::count(open.len() - LISTED)) " more, when these are answered" } }
                    }
                },
            }
        }
    }
}

/// One question and its two answers.
pub(super) fn question(waiting: &Waiting, now: UnixMs) -> Markup {
    let approval = &waiting.approval;
    html! {
        li.question {
            div.what {
                p.ask {
                    i.s.s-warning aria-hidden="true" {}
                    "Run " b { (remediation(&approval.remediation)) } " on " b { (device(&approval.device)) } "?"
                    " " a.chip href={ "/incidents/event-" (approval.event) } { "#" (approval.event) }
                }
                @if let Some(event) = &waiting.event { p.about { (about(event)) } }
                p.why {
                    @if !approval.reason.is_empty() { bdi { (printable(&approval.reason, SENTENCE)) } " · " }
                    "asked " (format::since(approval.asked, now)) " ago, expires in "
                    (format::since(now, approval.expires))
                }
                @if let Some(would) = &approval.would {
                    p.why { "A yes is to what it would send now, and to nothing else:" }
                    (lines(would))
                }
            }
            (answers(approval.event))
        }
    }
}

/// What would be sent.
fn lines(would: &[String]) -> Markup {
    html! { @if would.is_empty() { p.about { "nothing" } } @else {
        pre.sent { @for line in would.iter().flat_map(|entry| entry.lines()) { (printable(line, SENTENCE)) "\n" } }
    } }
}

/// What an event is, in a line.
pub(super) fn about(event: &Event) -> Markup {
    html! {
        code { bdi { (printable(&event.code, NAME)) } } " "
        @if !event.object.is_empty() { b { bdi { (printable(&event.object, NAME)) } } " " }
        bdi { (printable(&event.message, SENTENCE)) }
        @if event.count > 1 { " · told " (event.count) " times" }
    }
}

/// The two answers, for who may give one.
fn answers(event: EventId) -> Markup {
    html! {
        @if Who::now().may(Right::Mend) {
            form.answers hx-post={ "/events/" (event) "/approve" } hx-target="find .problem" hx-swap="outerHTML" {
                input name="note" maxlength="2000" placeholder="note" aria-label="Note" autocomplete="off";
                button.yes type="submit" { "Approve" }
                // No submit button: pressing it must never send the form around it, which says yes.
                button.no type="button" hx-post={ "/events/" (event) "/reject" } hx-include="closest form"
                    hx-target="next .problem" hx-swap="outerHTML" { "Reject" }
                (signs::problem(""))
            }
        } @else {
            p.hint.answers { (instead(&format!("netmend approve {event}"))) }
        }
    }
}

/// What somebody does who may not do it here.
fn instead(command: &str) -> Markup {
    html! {
        @if Who::now().is_unnamed() { "In a shell on netmend's machine: " code { (command) } }
        @else { "This needs the role operator." }
    }
}

/// That repairs are stopped, if they are.
pub(super) fn paused(mending: &MendNow) -> Markup {
    html! {
        @if let Some(paused) = &mending.paused {
            div.warning.stuck role="status" {
                i.s.s-critical aria-hidden="true" {}
                div.grow {
                    p { b { "All repairs are stopped" } " by " bdi { (printable(&paused.by, NAME)) } " since "
                        (when::moment(paused.at))
                        @if !paused.note.is_empty() { ": " bdi { (printable(&paused.note, SENTENCE)) } } }
                    @if !Who::now().may(Right::Mend) { p { (instead("netmend resume")) } }
                }
                @if Who::now().may(Right::Mend) {
                    form.plain hx-post="/resume" hx-target="find .problem" hx-swap="outerHTML"
                        hx-confirm="Let repairs run again?"
                    { button type="submit" { "Resume" } (signs::problem("")) }
                }
            }
        }
        @if let Some(storm) = &mending.storm {
            div.warning role="status" {
                i.s.s-warning aria-hidden="true" {}
                p { b { "Nothing is run by itself for the moment: " } bdi { (printable(storm, SENTENCE)) } }
            }
        }
    }
}

/// How mending is and the switch that stops it: a section of the System page.
pub(super) fn switch(mending: &MendNow) -> Markup {
    html! {
        section #mending {
            h2 { "Repairs" }
            dl {
                dt { "State" } dd {
                    @if mending.workers == 0 { (shaped("no_data", "nothing is repaired here")) }
                    @else if !mending.owner { (shaped("no_data", "another instance mends")) }
                    @else if mending.paused.is_some() { (shaped("critical", "stopped")) }
                    @else { (shaped("resolved", "on")) }
                }
                dt { "Workers" } dd { (mending.busy) " of " (mending.workers) " at work" }
                dt { "Remediations" } dd { a href="/remediations" { (format::count(mending.remediations.len())) } }
                @for blocked in &mending.blocked { dt { "Login held" } dd { bdi { (printable(blocked, SENTENCE)) } } }
                @for problem in &mending.problems { dt { "File" } dd { bdi { (printable(problem, SENTENCE)) } } }
            }
            @if mending.paused.is_none() && mending.workers > 0 { @if Who::now().may(Right::Mend) {
                form.act.stop hx-post="/pause" hx-target="find .problem" hx-swap="outerHTML"
                    hx-confirm="Stop all repairs now, those under way before their next command?"
                {
                    label { "Why" input name="note" maxlength="2000" autocomplete="off"; }
                    button.no type="submit" { "Stop all repairs" }
                    (signs::problem(""))
                }
            } @else { p.hint { "To stop all repairs: " (instead("netmend pause")) } } }
        }
    }
}

/// Hands an order on, and answers with the page again or why not.
async fn order(app: &Arc<App>, order: Result<MendOrder, Refusal>) -> Response {
    let done = match order {
        Ok(order) => act::mend(app, order).await,
        Err(refusal) => Err(refusal),
    };
    match done {
        Ok(_) => (StatusCode::NO_CONTENT, [(AGAIN, "true")]).into_response(),
        Err(refusal) => refused(&refusal),
    }
}

fn note(fields: &[(String, String)]) -> Result<String, Refusal> {
    let given = fields.iter().find(|(name, _)| name == "note");
    let text = given.map_or("", |(_, value)| value.as_str());
    Ok(act::note("the note", text)?.unwrap_or_default())
}

/// Answers a question about an event, or opens or ends it.
pub(super) async fn event(
    State(app): State<Arc<App>>,
    Path((id, what)): Path<(String, String)>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let asked = || {
        let unknown = || Refusal::Unknown("No event has this number.".to_owned());
        let event = id.parse::<EventId>().map_err(|_| unknown())?;
        let note = note(&fields)?;
        act::about_event(event, &what, note)
    };
    order(&app, asked()).await
}

/// Stops all repairs.
pub(super) async fn pause(
    State(app): State<Arc<App>>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    order(&app, note(&fields).map(|note| MendOrder::Pause { note })).await
}

/// Lets repairs run again.
pub(super) async fn resume(State(app): State<Arc<App>>) -> Response {
    order(&app, Ok(MendOrder::Resume)).await
}

/// Says how far a remediation may go.
pub(super) async fn mode(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let given = fields.iter().find(|(name, _)| name == "mode");
    let word = given.map_or("", |(_, value)| value.as_str());
    order(&app, act::mode(word).map(|mode| MendOrder::SetMode { remediation: name, mode })).await
}

/// What stands where nothing is known.
pub(super) fn or_nothing(text: &str) -> String {
    match printable(text, SENTENCE) {
        text if text.is_empty() => NOTHING.to_owned(),
        text => text,
    }
}
