//! The Run page: what one execution of a remediation did and why it might: guards, who said yes, each step with
//! what was said on the device, the measurements before and after, the audit. And the list of runs.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::run::{
    AuditEntry, Exchange, GuardNote, Measured, Proof, Run, RunId, RunState, Step, StepOutcome,
    StepResult, TargetProof,
};
use model::text::printable;
use store::RunQuery;

use super::{layout, mending, sorry, when};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::mended::Whole;
use crate::select::add;

/// Runs on a page.
const ROWS: u32 = 100;
/// Most characters of a name and of a sentence.
const NAME: usize = 120;
const SENTENCE: usize = 600;
/// Most bytes of one answer of a device that stand on the page; the API has the rest.
const SHOWN: usize = 16 * 1_024;
/// An exchange with longer output is folded.
const FOLDED: usize = 30;

/// Which runs to show.
#[derive(Default)]
struct Asked {
    device: String,
    remediation: String,
    state: Option<RunState>,
    before: Option<RunId>,
}

impl Asked {
    fn parse(pairs: &[(String, String)]) -> Self {
        let get = |name: &str| {
            let pair =
                pairs.iter().find(|(known, value)| known == name && !value.trim().is_empty());
            pair.map(|(_, value)| value.trim().to_owned())
        };
        Self {
            device: get("device").unwrap_or_default(),
            remediation: get("remediation").unwrap_or_default(),
            state: get("state").and_then(|word| RunState::from_name(&word)),
            before: get("before").and_then(|number| number.parse().ok()),
        }
    }

    fn query(&self) -> RunQuery {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        RunQuery {
            device: some(&self.device),
            remediation: some(&self.remediation),
            states: self.state.into_iter().collect(),
            before: self.before,
            limit: ROWS,
            ..RunQuery::default()
        }
    }

    fn address(&self) -> String {
        let mut query = String::new();
        let state = self.state.map(|state| state.to_string()).unwrap_or_default();
        let before = self.before.map(|id| id.to_string()).unwrap_or_default();
        let pairs = [
            ("device", &self.device),
            ("remediation", &self.remediation),
            ("state", &state),
            ("before", &before),
        ];
        for (name, value) in pairs {
            if !value.is_empty() {
                add(&mut query, name, value);
            }
        }
        format!("/runs{query}")
    }
}

/// The way between what was done and what can be done.
pub(super) fn tabs(here: &str) -> Markup {
    html! {
        span.tabs { @for (address, name) in [("/runs", "Runs"), ("/remediations", "Remediations")] {
            a href=(address) aria-current=[(address == here).then_some("true")] { (name) }
        } }
    }
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let asked = Asked::parse(&pairs);
    let runs = app.history.runs(asked.query()).await;
    let mark = app.newest_event().await;
    let live = asked.before.is_none().then(|| asked.address());
    let body = html! {
        h1.sr { "Runs" }
        (mending::paused(&app.deps.mending.present()))
        (form(&asked))
        div #runs data-events=[live.as_ref().map(|_| mark)] data-from=[live] { @match &runs {
            Err(error) => p.empty { (error) },
            Ok(runs) if runs.is_empty() => (nothing(&asked)),
            Ok(runs) => {
                (mending::runs(runs, app.now()))
                nav.pager aria-label="Pages of the list" {
                    @if asked.before.is_some() { a href=(Asked { before: None, ..asked }.address()) { "Newest" } }
                    @if runs.len() == ROWS as usize { @if let Some(last) = runs.last() {
                        a href=(Asked { before: Some(last.id), ..Asked::parse(&pairs) }.address()) { "Older" }
                    } }
                }
            },
        } }
    };
    layout::page(&app, &app.present.view(), "Runs", "/runs", &body).into_response()
}

fn form(asked: &Asked) -> Markup {
    html! {
        form.filter method="get" action="/runs" role="search"
            hx-get="/runs" hx-target="#runs" hx-select="#runs" hx-swap="outerHTML"
            hx-push-url="true" hx-trigger="submit, change"
        {
            (tabs("/runs"))
            input type="text" name="device" value=(asked.device) size="14" autocomplete="off"
                placeholder="device" aria-label="Device, exactly";
            input type="text" name="remediation" value=(asked.remediation) size="18" autocomplete="off"
                placeholder="remediation" aria-label="Remediation, exactly";
            select name="state" aria-label="State" {
                option value="" { "every state" }
                @for each in RunState::ALL {
                    option value=(each) selected[asked.state == Some(*each)] { (each.as_str().replace('_', " ")) }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

fn nothing(asked: &Asked) -> Markup {
    let all = asked.address() == "/runs";
    html! {
        @if !all { p.empty { "No run matches. " a href="/runs" { "Show all" } } }
        @else { div.calm.teach {
            p { i.s.s-no_data aria-hidden="true" {} "Nothing has been run yet." }
            p { "A remediation is one file. It runs when an event matches it, its mode allows that and no guard holds it; "
                "until then its page says what it would have done." }
            p { a href="/remediations" { "The remediations" } }
        } }
    }
}

pub(super) async fn page(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let unheard = || sorry(&app, StatusCode::NOT_FOUND, "No run has this number.");
    let Ok(id) = id.parse::<RunId>() else { return unheard() };
    let whole = match app.history.run(id).await {
        Ok(Some(whole)) => whole,
        Ok(None) => return unheard(),
        Err(error) => return sorry(&app, StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    };
    let mark = app.newest_event().await;
    let run = &whole.run;
    let live = run.state.is_open().then(|| format!("/runs/{id}"));
    let title = printable(&format!("{} on {}", run.remediation, run.device), NAME);
    let body = html! {
        div #run data-events=[live.as_ref().map(|_| mark)] data-from=[live] {
            (head(&whole, &app))
            div.columns.wide {
                div {
                    (steps(run, &whole.transcript))
                    @if let Some(proof) = &run.proof { section { h2 { "Proof" } (self::proof(proof)) } }
                }
                div {
                    (facts(run))
                    (guards(&run.guards))
                    (audit(&whole.audit))
                }
            }
        }
    };
    layout::page(&app, &app.present.view(), &title, "/runs", &body).into_response()
}

fn head(whole: &Whole, app: &App) -> Markup {
    let run = &whole.run;
    html! {
        header.alert.{ "al-" (mending::sign(run.state)) } {
            h1 { (mending::remediation(&run.remediation)) " on " (mending::device(&run.device)) }
            p.how {
                (mending::badge(run.state))
                @if let Some(proof) = &run.proof { (mending::verdict(proof.verdict)) }
                span { "run #" (run.id) " · attempt " (run.attempt) " · " (mending::took(run, app.now()))
                    " · " bdi { (printable(&run.worker, NAME)) } }
                a.chip href={ "/incidents/event-" (run.event) } { "the whole incident" }
            }
        }
        @if !run.reason.is_empty() { p.facts { bdi { (printable(&run.reason, SENTENCE)) } } }
        @if let Some(event) = &whole.event { p.evidence.plain { "For " a href={ "/events/" (event.id) } { "#" (event.id) } " " (mending::about(event)) } }
    }
}

/// What a step is shown by.
pub(super) fn step_sign(step: &StepResult) -> &'static str {
    match step.outcome {
        StepOutcome::Yes | StepOutcome::Done => "resolved",
        StepOutcome::No => "accepted",
        StepOutcome::Failed => "critical",
    }
}

/// The steps in their order, each with what was said on the device.
fn steps(run: &Run, transcript: &[Exchange]) -> Markup {
    let of = |step: Option<Step>| transcript.iter().filter(move |exchange| exchange.step == step);
    html! {
        section.steps {
            h2 { "Transcript" }
            @if run.steps.is_empty() && transcript.is_empty() { p.empty { "Nothing was said on the device." } }
            @if of(None).next().is_some() {
                details.step { summary { b { "login" } } @for exchange in of(None) { (said(exchange)) } }
            }
            @for step in &run.steps {
                details.step id=(step.step) open {
                    summary {
                        i.s.{ "s-" (step_sign(step)) } aria-hidden="true" {} b { (step.step) } " " (step.outcome)
                        small { " in " (mending::millis(step.took_ms)) }
                        @if !step.said.is_empty() { span.said { bdi { (printable(&step.said, SENTENCE)) } } }
                    }
                    @for exchange in of(Some(step.step)) { (said(exchange)) }
                    @if of(Some(step.step)).next().is_none() { p.empty { "Nothing was asked of the device." } }
                }
            }
            // A step that is under way has no result yet, but what was said so far.
            @for step in Step::ALL { @if !run.steps.iter().any(|known| known.step == *step) && of(Some(*step)).next().is_some() {
                details.step open { summary { b { (step) } } @for exchange in of(Some(*step)) { (said(exchange)) } }
            } }
        }
    }
}

fn said(exchange: &Exchange) -> Markup {
    let (output, left) = output(&exchange.received);
    let lines = output.lines().count();
    html! {
        div.exchange {
            p.sent { code { bdi { (printable(&exchange.sent, SENTENCE)) } }
                small { (when::stamp(exchange.at)) " · " (mending::millis(exchange.took_ms)) } }
            @if let Some(error) = &exchange.error { p.problem { i.s.s-critical aria-hidden="true" {} span { (printable(error, SENTENCE)) } } }
            @if lines > FOLDED {
                details { summary { (lines) " lines" } pre { (output) } }
            } @else if !output.trim().is_empty() { pre { (output) } }
            @if left > 0 { p.empty { "and " (format::bytes(left as u64)) " more: " code { "/api/v1/runs/ID?transcript=yes" } } }
        }
    }
}

/// Output of a device as text that can be shown: its lines stay, what moves or hides text does not.
fn output(received: &str) -> (String, usize) {
    let mut end = received.len().min(SHOWN);
    while !received.is_char_boundary(end) {
        end -= 1;
    }
    let clean = |line: &str| {
        let indent: String = line.chars().take_while(|c| *c == ' ' || *c == '\t').collect();
        format!("{indent}{}", shown(line.trim_end_matches('\r')))
    };
    let lines: Vec<String> = received[..end].split('\n').map(clean).collect();
    (lines.join("\n"), received.len() - end)
}

/// A line as it stands, blanks included: columns must stay columns.
pub(super) fn shown(line: &str) -> String {
    let rest = line.trim_start_matches([' ', '\t']);
    rest.chars()
        .map(|c| {
            if c == '\t' || printable(&c.to_string(), 1) == c.to_string() || c == ' ' {
                c
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect()
}

/// Measurements before and after.
pub(super) fn proof(proof: &Proof) -> Markup {
    html! {
        p { (mending::verdict(proof.verdict)) " " bdi { (printable(&proof.reason, SENTENCE)) } }
        @if !proof.targets.is_empty() {
            div.scroll { table.proofs {
                thead { tr {
                    th { "Target" } th.n { "Answered before" } th.n { "after" } th.n { "RTT before " small { "ms" } } th.n { "after" }
                    th.n { "Usual" } th { "Holds" }
                } }
                tbody { @for target in &proof.targets { (measured(target)) } }
            } }
        }
    }
}

fn measured(target: &TargetProof) -> Markup {
    let share = |measured: &Measured| match measured.sent {
        0 => NOTHING.to_owned(),
        sent => format!("{} of {sent}", measured.received),
    };
    html! { tr {
        th scope="row" { a href={ "/targets/" (target.series) } { bdi { (printable(&target.target, NAME)) } } }
        td.n { (share(&target.before)) } td.n { b { (share(&target.after)) } }
        td.n { (format::ms(target.before.rtt_us)) } td.n { b { (format::ms(target.after.rtt_us)) } }
        td.n { (format::ms(target.usual_us)) }
        td { @if target.holds { (mending::shaped("resolved", "yes")) } @else { (mending::shaped("critical", "no")) } }
    } }
}

fn facts(run: &Run) -> Markup {
    html! {
        section {
            h2 { "Facts" }
            dl {
                dt { "Event" } dd { a href={ "/events/" (run.event) } { "#" (run.event) } }
                dt { "Device" } dd { (mending::device(&run.device)) ", " bdi { (printable(&run.platform, NAME)) } }
                dt { "Remediation" } dd { (mending::remediation(&run.remediation)) }
                dt { "Script" } dd title=(run.script_sha256) { code { (printable(&run.script_sha256, 12)) } }
                dt { "Mode" } dd { (run.mode) }
                dt { "Approved" } dd { @match &run.approved {
                    Some(yes) => { b { bdi { (printable(&yes.by, NAME)) } } ", " (when::moment(yes.at)) }
                    None if run.mode == model::event::Mode::Auto => "not needed: its mode is auto",
                    None => (NOTHING),
                } }
                dt { "Began" } dd { (when::moment(run.started)) }
                @if let Some(ended) = run.ended { dt { "Ended" } dd { (when::moment(ended)) } }
                dt { "Changed" } dd { @if run.changed { "the device was changed, or was about to be" } @else { "nothing" } }
            }
            @if !run.sent.is_empty() {
                h2 { "Sent to change it" }
                pre.sent { @for line in &run.sent { (printable(line, SENTENCE)) "\n" } }
            }
        }
    }
}

fn guards(guards: &[GuardNote]) -> Markup {
    html! {
        section {
            h2 { "Guards" }
            @if guards.is_empty() { p.empty { "None was asked yet." } }
            ul.notices { @for guard in guards { li {
                i.s.{ "s-" (if guard.passed { "resolved" } else { "critical" }) } aria-hidden="true" {}
                div { b { bdi { (printable(&guard.guard, NAME)) } } @if guard.passed { " passed" } @else { " held it" }
                    @if !guard.said.is_empty() { p.why { bdi { (printable(&guard.said, SENTENCE)) } } } }
            } } }
        }
    }
}

fn audit(entries: &[AuditEntry]) -> Markup {
    html! {
        section {
            h2 { "Audit " small { "newest first" } }
            @if entries.is_empty() { p.empty { "Nothing is written down." } }
            ol.timeline { @for entry in entries { li {
                (when::stamp(entry.at)) " " bdi { (printable(&entry.actor, NAME)) } ": "
                (printable(&entry.action, NAME)) " " bdi { (printable(&entry.detail, SENTENCE)) }
            } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_columns_and_nothing_moves_text() {
        let (text, left) =
            output("Neighbor   AS\r\n  192.0.2.1  65001\t up\r\n\u{202e}evil\u{1b}[31m");
        assert_eq!(text, "Neighbor   AS\n  192.0.2.1  65001\t up\n\u{fffd}evil\u{fffd}[31m");
        assert_eq!(left, 0);
        let (text, left) = output(&"é".repeat(SHOWN));
        assert_eq!((text.len(), left), (SHOWN, SHOWN));
    }
}
