//! The Events page: what devices told of, newest first, many of one kind at once put together as a storm;
//! and the page of one event with the lines around it. Filters stand in the URL.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::UnixMs;
use model::event::{Event, EventId, EventState};
use model::text::printable;

use super::{heard, layout, mending, remediations, sorry, when};
use crate::app::App;
use crate::format;
use crate::hark::Hark;
use crate::history::Unavailable;

/// Most characters of a message in a list.
const MESSAGE: usize = 300;
/// Most characters of a name.
const NAME: usize = 120;
/// So many events of one code in a row are a storm ...
const STORM: usize = 5;
/// ... if no more time than this lies between two of them.
const APART_MS: i64 = 120_000;
/// Severities by number (RFC 5424, section 6.2.1).
const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let hark = match Hark::parse(&pairs, app.now()) {
        Ok(hark) => hark,
        Err(bad) => return sorry(&app, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let mark = app.newest_event().await;
    let body = html! {
        h1.sr { "Events" }
        (form(&hark))
        (list(&app, &hark, &mark).await)
    };
    layout::page(&app, &app.present.view(), "Events", "/events", &body).into_response()
}

/// The way between what was told and who told it.
pub(super) fn tabs(here: &str) -> Markup {
    html! {
        span.tabs { @for (address, name) in [("/events", "Events"), ("/devices", "Devices")] {
            a href=(address) aria-current=[(address == here).then_some("true")] { (name) }
        } }
    }
}

fn form(hark: &Hark) -> Markup {
    let state = match hark.states.as_slice() {
        [state] => Some(*state),
        _ => None,
    };
    html! {
        form.filter method="get" action="/events" role="search"
            hx-get="/events" hx-target="#events" hx-select="#events" hx-swap="outerHTML"
            hx-push-url="true" hx-trigger="submit, change, input delay:250ms from:find input"
        {
            (tabs("/events"))
            input type="search" name="text" value=(hark.text) size="22" autocomplete="off"
                placeholder="text of the message" aria-label="Text of the message";
            input type="text" name="device" value=(hark.device) size="14" autocomplete="off"
                placeholder="device" aria-label="Device, exactly";
            input type="text" name="code" value=(hark.code) size="18" autocomplete="off"
                placeholder="code, or start*" aria-label="Code, or its start and *";
            select name="severity" aria-label="Severity" {
                option value="" { "every severity" }
                @for (number, name) in SEVERITIES.iter().enumerate().take(7) {
                    option value=(number) selected[hark.severity.map(usize::from) == Some(number)] {
                        (name) @if number > 0 { " or worse" }
                    }
                }
            }
            select name="state" aria-label="State" {
                option value="" { @if hark.states.len() > 1 { "several states" } @else { "every state" } }
                @for each in EventState::ALL {
                    option value=(each) selected[state == Some(*each)] { (each.as_str().replace('_', " ")) }
                }
            }
            select name="span" aria-label="Span" {
                @for (value, words) in [("", "all time"), ("1h", "last hour"), ("1d", "last day"), ("7d", "last week")] {
                    option value=(value) selected[hark.span == value] { (words) }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

async fn list(app: &App, hark: &Hark, mark: &str) -> Markup {
    let found = app.history.events(hark).await;
    // What is older does not change any more.
    let live = hark.before.is_none().then(|| format!("/events{}", hark.to_query()));
    html! {
        div #events data-events=[live.as_ref().map(|_| mark)] data-from=[live] { @match &found {
            Err(error) => p.empty { (error) },
            Ok(found) => {
                @if found.events.is_empty() { (nothing(hark, found.next.is_some())) }
                (blocks(&found.events, app.now()))
                nav.pager aria-label="Pages of the list" {
                    @if hark.before.is_some() { (turn(&Hark { before: None, ..hark.clone() }, "Newest")) }
                    @if let Some(next) = found.next { (turn(&Hark { before: Some(next), ..hark.clone() }, "Older")) }
                }
            }
        } }
    }
}

fn turn(hark: &Hark, word: &str) -> Markup {
    let address = format!("/events{}", hark.to_query());
    html! {
        a href=(address) hx-get=(address) hx-target="#events" hx-select="#events"
            hx-swap="outerHTML show:top" hx-push-url="true" { (word) }
    }
}

fn nothing(hark: &Hark, more: bool) -> Markup {
    html! {
        @if more { p.empty { "None of the events that were looked at matches; older ones may." } }
        @else if !hark.is_whole() { p.empty { "No event matches. " a href="/events" { "Show all" } } }
        @else { div.calm.teach {
            p { i.s.s-resolved aria-hidden="true" {} "No device has told of anything." }
            p {
                "An event is a fault or fact that a syslog line tells: a link that went down, a peer that was lost, a \
                 configuration that was changed. Lines that tell the same again count up; lines that mean nothing are \
                 kept, but are no events."
            }
            p { "Point a device at netmend: " code { "logging host ADDRESS transport udp port 5514" }
                ", with " code { "syslog: { udp: 0.0.0.0:5514 }" } " in the configuration." }
        } }
    }
}

/// Events in a row, and storms of them.
enum Block<'a> {
    Row(&'a Event),
    Storm(&'a [Event]),
}

/// Puts together events of one code that follow each other closely.
fn gather(events: &[Event]) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = events;
    while let Some(first) = rest.first() {
        let close = |pair: &[Event]| {
            pair[1].code_norm == first.code_norm
                && !first.code_norm.is_empty()
                && pair[0].first.0.saturating_sub(pair[1].first.0) <= APART_MS
        };
        let run = 1 + rest.windows(2).take_while(|pair| close(pair)).count();
        let (storm, after) = rest.split_at(run);
        if run >= STORM {
            blocks.push(Block::Storm(storm));
        } else {
            blocks.extend(storm.iter().map(Block::Row));
        }
        rest = after;
    }
    blocks
}

fn blocks(events: &[Event], now: UnixMs) -> Markup {
    let mut out = Vec::new();
    let mut rows: Vec<&Event> = Vec::new();
    for block in gather(events) {
        match block {
            Block::Row(event) => rows.push(event),
            Block::Storm(storm) => {
                if !rows.is_empty() {
                    out.push(table(&std::mem::take(&mut rows), now));
                }
                out.push(self::storm(storm, now));
            }
        }
    }
    if !rows.is_empty() {
        out.push(table(&rows, now));
    }
    html! { @for block in out { (block) } }
}

fn storm(events: &[Event], now: UnixMs) -> Markup {
    let mut devices: Vec<&str> = events.iter().map(|event| event.device.as_str()).collect();
    devices.sort_unstable();
    devices.dedup();
    let times: u64 = events.iter().map(|event| event.count).sum();
    let worst = events.iter().filter_map(|event| event.severity).min();
    let (newest, oldest) = (&events[0], &events[events.len() - 1]);
    html! {
        details.storm {
            summary {
                (severity(worst)) b { bdi { (printable(&newest.code, NAME)) } }
                span { (format::count(events.len())) " events, told " (times) " times by " (devices.len())
                    @if devices.len() == 1 { " device: " } @else { " devices: " }
                    bdi { (printable(&devices.iter().take(3).copied().collect::<Vec<_>>().join(", "), NAME)) }
                    @if devices.len() > 3 { " and " (devices.len() - 3) " more" }
                }
                span.lasting { (when::span(oldest.first, newest.last)) }
            }
            (table(&events.iter().collect::<Vec<_>>(), now))
        }
    }
}

/// A table of events, newest first.
pub(super) fn table(events: &[&Event], now: UnixMs) -> Markup {
    html! {
        div.scroll { table.events {
            thead { tr {
                th { "Severity" } th.c-time { "Last " (when::zone()) } th.c-device { "Device" } th.c-code { "Code" }
                th { "What" } th.n.c-count { "Told" } th.c-how { "State" } th.n.c-id { "#" }
            } }
            tbody { @for event in events { tr.{ "sev-" (grade(event.severity)) } {
                td.c-sign { (severity(event.severity)) }
                td.c-time { span title={ "first " (format::time(event.first)) " UTC, last " (format::since(event.last, now)) " ago" } {
                    (when::stamp(event.last))
                } }
                td.c-device { a href=(heard::address(&event.device)) { bdi { (printable(&event.device, NAME)) } } }
                td.c-code { bdi { (printable(&event.code, NAME)) } }
                th.c-what scope="row" {
                    a href={ "/events/" (event.id) } {
                        @if !event.object.is_empty() { b { bdi { (printable(&event.object, NAME)) } } " " }
                        bdi { (printable(&event.message, MESSAGE)) }
                    }
                }
                td.n.c-count { @if event.count > 1 { (format::count(usize::try_from(event.count).unwrap_or(usize::MAX))) "×" } @else { "once" } }
                td.c-how title=(printable(&event.reason, MESSAGE)) { (how(event)) }
                td.n.c-id { (event.id) }
            } } }
        } }
    }
}

/// How it stands, with what was told since.
fn how(event: &Event) -> String {
    let state = event.state.as_str().replace('_', " ");
    if event.cleared.is_some() && event.state.is_open() {
        return format!("{state}, cleared");
    }
    state
}

/// Which sign and colour a severity has.
pub(super) fn grade(severity: Option<u8>) -> &'static str {
    match severity {
        Some(0..=2) => "critical",
        Some(3..=4) => "warning",
        Some(5..=6) => "info",
        Some(_) | None => "no_data",
    }
}

/// A severity as shape and word.
pub(super) fn severity(severity: Option<u8>) -> Markup {
    let grade = grade(severity);
    let word = severity.and_then(|number| SEVERITIES.get(usize::from(number)).copied());
    html! { span.badge.{ "al-" (grade) } {
        i.s.{ "s-" (grade) } aria-hidden="true" {} span { (word.unwrap_or("not told")) }
    } }
}

pub(super) async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let unheard = || sorry(&app, StatusCode::NOT_FOUND, "No event has this number.");
    let Ok(id) = id.parse::<EventId>() else { return unheard() };
    let event = match app.history.event(id).await {
        Ok(Some(event)) => event,
        Ok(None) => return unheard(),
        Err(error) => return sorry(&app, StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    };
    let lines = app.history.lines_around(&event).await;
    let now = app.now();
    let mut waiting = app.history.waiting().await.unwrap_or_default();
    waiting.retain(|one| one.approval.event == id && one.approval.expires > now);
    let title = format!("{} {}", printable(&event.device, NAME), printable(&event.code, NAME));
    let body = html! {
        header.alert.{ "al-" (grade(event.severity)) } {
            h1 { bdi { (title) } }
            p.how { (severity(event.severity)) span { (how(&event)) " · told "
                @if event.count > 1 { (event.count) " times" } @else { "once" } " · #" (event.id) }
                a.chip href={ "/incidents/event-" (event.id) } { "the whole incident" } }
        }
        p.facts { bdi { (printable(&event.message, 4_000)) } }
        @if !waiting.is_empty() { ul.waiting { @for one in &waiting { (mending::question(one, now)) } } }
        div.columns.wide {
            section { h2 { "Lines around it" } @match &lines {
                Err(error) => p.empty { (error) },
                Ok(lines) => (heard::lines(lines)),
            } }
            div { (facts(&event)) (remediations::event_buttons(&event)) }
        }
    };
    layout::page(&app, &app.present.view(), &title, "/events", &body).into_response()
}

fn facts(event: &Event) -> Markup {
    html! {
        section {
            h2 { "Facts" }
            dl {
                dt { "Device" } dd { a href=(heard::address(&event.device)) { bdi { (printable(&event.device, NAME)) } } }
                @if !event.object.is_empty() { dt { "Object" } dd { bdi { (printable(&event.object, NAME)) } } }
                dt { "First" } dd { (when::moment(event.first)) }
                dt { "Last" } dd { (when::moment(event.last)) }
                @if let Some(cleared) = event.cleared { dt { "Cleared" } dd { (when::moment(cleared)) } }
                dt { "Told by" } dd { (event.origin) }
                dt { "State" } dd { (how(event)) }
                @if !event.reason.is_empty() { dt { "Why" } dd { bdi { (printable(&event.reason, MESSAGE)) } } }
                @if let Some(plan) = &event.plan {
                    dt { "Remediation" } dd { (mending::remediation(&plan.remediation)) ", mode " (plan.mode) }
                    @if let Some(yes) = &plan.approved { dt { "Approved" } dd { bdi { (printable(&yes.by, NAME)) } ", " (when::moment(yes.at)) } }
                    @if let Some(worker) = &plan.worker { dt { "Worker" } dd { bdi { (printable(worker, NAME)) } } }
                }
                @if let Some(parent) = event.parent {
                    dt { "The same before" } dd { a href={ "/events/" (parent) } { "#" (parent) } }
                }
            }
        }
    }
}

/// So that the page of a device can say what its events lack.
pub(super) fn few(found: &Result<crate::hark::Heard, Unavailable>, now: UnixMs) -> Markup {
    html! { @match found {
        Err(error) => p.empty { (error) },
        Ok(found) if found.events.is_empty() => p.empty { "It has told of nothing that matters." },
        Ok(found) => (table(&found.events.iter().collect::<Vec<_>>(), now)),
    } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64, code: &str, at: i64) -> Event {
        Event {
            id: EventId(id),
            device: format!("sw{id}"),
            code: code.into(),
            code_norm: code.into(),
            object: String::new(),
            severity: Some(3),
            first: UnixMs(at),
            last: UnixMs(at),
            count: 1,
            state: EventState::New,
            reason: String::new(),
            cleared: None,
            not_before: UnixMs(at),
            parent: None,
            origin: model::event::Origin::Line,
            message: "m".into(),
            fields: std::collections::BTreeMap::new(),
            evidence: model::Evidence::Datagram,
            plan: None,
        }
    }

    fn shapes(events: &[Event]) -> Vec<usize> {
        let size = |block: &Block<'_>| match block {
            Block::Row(_) => 1,
            Block::Storm(storm) => storm.len(),
        };
        gather(events).iter().map(size).collect()
    }

    #[test]
    fn many_of_one_code_in_a_row_are_a_storm_and_few_are_not() {
        let run = |count: u64, code: &str, from: i64, apart: i64| {
            (0..count)
                .map(|number| event(number, code, from - number.cast_signed() * apart))
                .collect::<Vec<_>>()
        };
        assert_eq!(shapes(&run(5, "A", 0, APART_MS)), [5]);
        assert_eq!(shapes(&run(4, "A", 0, 1)), [1, 1, 1, 1]);
        assert_eq!(shapes(&run(5, "A", 0, APART_MS + 1)), [1, 1, 1, 1, 1]);
        assert_eq!(shapes(&run(9, "", 0, 1)), [1; 9], "what has no code has nothing in common");
        let mixed = [run(2, "B", 0, 1), run(6, "A", -10, 1), run(1, "B", -20, 1)].concat();
        assert_eq!(shapes(&mixed), [1, 1, 6, 1]);
        assert_eq!(shapes(&[]), [] as [usize; 0]);
    }
}
