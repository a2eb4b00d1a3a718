//! The Remediations page: what can be repaired and how far each may go by itself; and the page of one: its ladder,
//! what it did or would have done in the last week, why it was held, its file. Admins move it up and down.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::UnixMs;
use model::event::{Event, EventState, Mode};
use model::text::printable;
use store::{Offender, RuleRecord, RunQuery};

use super::{events, layout, mending, run, signs, sorry};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::history::Unavailable;
use crate::mended::{Counted, WEEK};
use crate::who::{Right, Who};
use crate::{MendNow, RemediationNow};

/// Most characters of a name and of a sentence.
const NAME: usize = 120;
const SENTENCE: usize = 600;
/// Most bytes of a file that are shown.
const SOURCE: usize = 64 * 1_024;
/// Latest runs on the page of a remediation.
const RUNS: u32 = 15;

pub(super) async fn list(State(app): State<Arc<App>>) -> Response {
    let mending = app.deps.mending.present();
    let from = app.now() - WEEK;
    let records = app.history.rule_records(from).await;
    let offenders = app.history.offenders(from).await;
    let body = html! {
        h1.sr { "Remediations" }
        (mending::paused(&mending))
        p.filter { (run::tabs("/remediations")) span.hint { "counted over the last 7 days" } }
        (problems(&mending))
        @match &records {
            Err(error) => p.empty { (error) },
            Ok(records) => (table(&mending, records)),
        }
        (repeated(&offenders, app.now()))
    };
    layout::page(&app, &app.present.view(), "Remediations", "/runs", &body).into_response()
}

fn problems(mending: &MendNow) -> Markup {
    html! {
        @for problem in &mending.problems { div.warning role="status" {
            i.s.s-warning aria-hidden="true" {} p { bdi { (printable(problem, SENTENCE)) } }
        } }
        @if !mending.owner && !mending.remediations.is_empty() { div.warning role="status" {
            i.s.s-no_data aria-hidden="true" {} p { "This instance only looks on: another one owns the repairs " code { "(remediations: owner)" } "." }
        } }
    }
}

fn table(mending: &MendNow, records: &[RuleRecord]) -> Markup {
    let record = |name: &str| records.iter().find(|record| record.remediation == name);
    let known: BTreeSet<&str> = mending.remediations.iter().map(|one| one.name.as_str()).collect();
    let gone = records.iter().filter(|record| !known.contains(record.remediation.as_str()));
    html! {
        @if mending.remediations.is_empty() && records.is_empty() {
            div.calm.teach {
                p { i.s.s-no_data aria-hidden="true" {} "There is no remediation." }
                p { "A remediation is one file that says which codes it is for and what to do about them. "
                    code { "netmend remedy new NAME" } " writes one to start from." }
            }
        } @else {
            div.scroll { table.remediations {
                thead { tr {
                    th { "Remediation" } th { "May go as far as" } th.c-codes { "For" } th.n { "Planned" } th.n { "Cleared by itself" }
                    th.n { "Runs" } th.n { "Worked" } th.n { "Came back" }
                } }
                tbody {
                    @for one in &mending.remediations { (row(one, record(&one.name))) }
                    @for record in gone { tr.gone {
                        th.c-alert scope="row" { (mending::remediation(&record.remediation)) " " span.chip { "its file is gone" } }
                        td {} td.c-codes {} (figures(Some(record)))
                    } }
                }
            } }
        }
    }
}

fn row(one: &RemediationNow, record: Option<&RuleRecord>) -> Markup {
    html! { tr {
        th.c-alert scope="row" {
            (mending::remediation(&one.name))
            @if one.tripped.is_some() { " " span.chip.tripped { "tripped" } }
        }
        td.c-mode { (mending::ladder(one.mode)) }
        td.c-codes { (few(&one.codes)) }
        (figures(record))
    } }
}

/// The first of many names.
fn few(names: &[String]) -> Markup {
    html! {
        @for name in names.iter().take(3) { code { bdi { (printable(name, 60)) } } " " }
        @if names.len() > 3 { "and " (names.len() - 3) " more" }
    }
}

fn figures(record: Option<&RuleRecord>) -> Markup {
    let counted = record.map(Counted::of).unwrap_or_default();
    html! {
        td.n data-label="planned" { (counted.planned) }
        td.n data-label="cleared by itself" { (share(counted.cleared, counted.planned)) }
        td.n data-label="runs" { (counted.judged) }
        td.n data-label="worked" { (share(counted.worked, counted.judged)) }
        td.n data-label="came back" { @if counted.worked > 0 { (counted.came_back) } @else { (NOTHING) } }
    }
}

/// `12 of 15, 80 %`, or nothing of nothing.
fn share(part: u32, whole: u32) -> String {
    if whole == 0 {
        return NOTHING.to_owned();
    }
    let percent = format::percent(Some(part as f32 * 100.0 / whole as f32));
    format!("{part} of {whole}, {} %", percent.trim_end_matches(".0"))
}

fn repeated(offenders: &Result<Vec<Offender>, Unavailable>, now: UnixMs) -> Markup {
    html! { @if let Ok(offenders) = offenders { @if !offenders.is_empty() {
        section {
            h2 { "Faults that come back " small { "repaired, and there again within 30 minutes" } }
            div.scroll { table.offenders {
                thead { tr { th { "Device" } th { "Code" } th { "Object" } th.n { "Runs" } th.n { "Came back" } th.n { "Last" } } }
                tbody { @for one in offenders { tr {
                    th.c-alert scope="row" { (mending::device(&one.device)) }
                    td.c-code { bdi { (printable(&one.code, NAME)) } }
                    td { bdi { (mending::or_nothing(&one.object)) } }
                    td.n { (one.runs) } td.n { b { (one.came_back) } }
                    td.n { (format::since(one.last, now)) " ago" }
                } } }
            } }
        }
    } } }
}

pub(super) async fn one(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    let mending = app.deps.mending.present();
    let known = mending.remediations.iter().find(|one| one.name == name).map(|one| &**one);
    let from = app.now() - WEEK;
    let records = app.history.rule_records(from).await;
    let record = match &records {
        Ok(records) => records.iter().find(|record| record.remediation == name),
        Err(error) => return sorry(&app, StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    };
    if known.is_none() && record.is_none() {
        return sorry(&app, StatusCode::NOT_FOUND, "No remediation has this name.");
    }
    let planned = app.history.planned(name.clone(), from).await;
    let query = RunQuery { remediation: Some(name.clone()), limit: RUNS, ..RunQuery::default() };
    let runs = app.history.runs(query).await;
    let shown = printable(&name, NAME);
    let body = html! {
        (mending::paused(&mending))
        header.target { div.who {
            h1 { bdi { (shown) } }
            @match known {
                Some(one) => p { "for " (few(&one.codes)) @if !one.platforms.is_empty() { "on " (printable(&one.platforms.join(", "), NAME)) } },
                None => p { "Its file is gone; this is what it did." },
            }
        } }
        @if let Some(one) = known { (how_far(one)) }
        div.columns.thirds { (week(record)) (held(record)) (file(known)) }
        (would(&planned, record, app.now()))
        section { h2 { "Latest runs" } @match &runs {
            Err(error) => p.empty { (error) },
            Ok(runs) if runs.is_empty() => p.empty { "It has not been run." },
            Ok(runs) => (mending::runs(runs, app.now())),
        } }
    };
    layout::page(&app, &app.present.view(), &shown, "/runs", &body).into_response()
}

/// The ladder, with a button for each step to who may move it.
fn how_far(one: &RemediationNow) -> Markup {
    html! {
        section.mode {
            (mending::ladder(one.mode))
            p.hint {
                (meaning(one.mode)) " Decided by " @if one.mode_by == "config" { "the configuration" } @else { bdi { (printable(&one.mode_by, NAME)) } } "."
            }
            @if let Some(tripped) = &one.tripped { p.problem { i.s.s-critical aria-hidden="true" {} span { bdi { (printable(tripped, SENTENCE)) } } } }
            @if Who::now().may(Right::Govern) {
                div.buttons {
                    @for mode in Mode::ALL { @if *mode != one.mode {
                        (move_to(one, mode.as_str(), mode.as_str(), confirm(*mode, one)))
                    } }
                    @if one.mode_by != "config" { (move_to(one, "config", "as configured", None)) }
                }
            }
        }
    }
}

/// A button that moves it; with a question before, where that lets it do more.
fn move_to(one: &RemediationNow, mode: &str, words: &str, question: Option<String>) -> Markup {
    html! {
        form.plain hx-post={ (mending::address(&one.name)) "/mode" } hx-confirm=[question]
            hx-target="find .problem" hx-swap="outerHTML"
        {
            input type="hidden" name="mode" value=(mode);
            button type="submit" { (words) }
            (signs::problem(""))
        }
    }
}

fn meaning(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "It is noted what it would do; nothing is run.",
        Mode::Suggest => "It looks at the device, and a person is asked with what it would send.",
        Mode::Approve => "It runs once a person says yes.",
        Mode::Auto => "It runs by itself.",
    }
}

/// What is asked before it may do more than now.
fn confirm(mode: Mode, one: &RemediationNow) -> Option<String> {
    (mode > one.mode).then(|| {
        format!("Let {} go as far as {mode}? {}", printable(&one.name, NAME), meaning(mode))
    })
}

/// What it would have run for in the last week.
fn would(
    planned: &Result<Vec<Event>, Unavailable>,
    record: Option<&RuleRecord>,
    now: UnixMs,
) -> Markup {
    let all = record.map_or(0, |record| record.planned as usize);
    html! { section {
        h2 { "What it was planned for " small { "the last 7 days" } }
        @match planned {
            Err(error) => p.empty { (error) },
            Ok(planned) if planned.is_empty() => p.empty { "No event of the last week matched it." },
            Ok(planned) => {
                (events::table(&planned.iter().collect::<Vec<_>>(), now))
                @if all > planned.len() { p.empty { "and " (format::count(all - planned.len())) " older ones" } }
            },
        }
    } }
}

/// What the last week says of it.
fn week(record: Option<&RuleRecord>) -> Markup {
    let counted = record.map(Counted::of).unwrap_or_default();
    html! { section {
        h2 { "The last 7 days" }
        dl {
            dt { "Planned for" } dd { (counted.planned) " events" }
            dt { "Cleared by itself" } dd { (share(counted.cleared, counted.planned)) }
            dt { "Worked" } dd { (share(counted.worked, counted.judged)) }
            dt { "Came back" } dd { @if counted.worked > 0 { (share(counted.came_back, counted.worked)) } @else { (NOTHING) } }
            @for (state, count) in record.map_or(&[][..], |record| &record.runs) {
                dt { (state.as_str().replace('_', " ")) } dd { (count) }
            }
        }
    } }
}

/// Why it did nothing.
fn held(record: Option<&RuleRecord>) -> Markup {
    let reasons = record.map_or(&[][..], |record| &record.reasons);
    html! { section {
        h2 { "Why it was held " small { "the last 7 days" } }
        @if reasons.is_empty() { p.empty { "It was not held." } }
        ul.marks { @for (reason, count) in reasons { li { b { (count) "× " } bdi { (printable(reason, SENTENCE)) } } } }
    } }
}

fn file(known: Option<&RemediationNow>) -> Markup {
    html! { @if let Some(one) = known {
        section.file {
            h2 { "Its file" }
            dl {
                dt { "Path" } dd { code { (printable(&one.path, SENTENCE)) } }
                dt { "SHA-256" } dd { code { (printable(&one.sha256, 64)) } }
                dt { "Try it" } dd { code { "netmend remedy run --dry-run " (printable(&one.name, NAME)) } }
            }
            details { summary { "Source" } pre { (source(&one.source)) } }
        }
    } }
}

fn source(text: &str) -> String {
    let mut end = text.len().min(SOURCE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].split('\n').map(run::shown).collect::<Vec<_>>().join("\n")
}

/// Whether an event of a remediation may be opened or ended by a person.
pub(super) fn event_buttons(event: &Event) -> Markup {
    let busy = matches!(event.state, EventState::Running | EventState::Verifying);
    html! { @if Who::now().may(Right::Mend) && !busy {
        @if event.plan.is_some() && event.state.may_be_looked_at() {
            form.plain hx-post={ "/events/" (event.id) "/look" } hx-target="find .problem" hx-swap="outerHTML" {
                button type="submit" { "Dry run" } (signs::problem(""))
            }
        }
        @let (word, words) = if event.state.is_open() { ("cancel", "End this event") } else { ("retry", "Handle it again") };
        form.plain hx-post={ "/events/" (event.id) "/" (word) } hx-target="find .problem" hx-swap="outerHTML" {
            button type="submit" { (words) } (signs::problem(""))
        }
    } }
}

#[cfg(test)]
mod tests {
    use super::*;

    use model::run::RunState;

    #[test]
    fn what_says_nothing_of_a_remediation_does_not_count() {
        let record = RuleRecord {
            remediation: "x".into(),
            planned: 10,
            cleared: 4,
            reasons: Vec::new(),
            runs: vec![
                (RunState::Success, 3),
                (RunState::Held, 5),
                (RunState::NotNeeded, 2),
                (RunState::Failure, 1),
            ],
            came_back: 1,
        };
        let counted = Counted::of(&record);
        assert_eq!((counted.judged, counted.worked, counted.cleared), (4, 3, 4));
        assert_eq!(share(counted.worked, counted.judged), "3 of 4, 75 %");
        assert_eq!(share(0, 0), "–");
        assert_eq!(share(1, 3), "1 of 3, 33.3 %");
    }
}
