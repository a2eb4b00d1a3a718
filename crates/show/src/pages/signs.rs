//! Pieces of alerts that several pages share: the sign of how bad it is, what is said beside it, a row of a
//! list. It must not decide which alerts are shown.

use std::time::Duration;

use maud::{Markup, html};
use model::alert::{Matcher, QuietBy, Weekly, words};
use model::text::printable;
use model::{Alert, AlertState, Severity, UnixMs};

use super::{parts, when};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::judged::{Judged, sign};
use crate::sift::Row;
use crate::who::Who;

/// Most characters of a name or a value that a page shows in a line.
const NAME: usize = 120;
/// So many of those that an alert speaks for stand below it in a list.
const BELOW: usize = 4;

/// The sign as shape and word.
pub(super) fn badge(severity: Severity, state: AlertState) -> Markup {
    let name = sign(severity, state);
    let word = match state {
        AlertState::Firing => severity.as_str(),
        other => other.as_str(),
    };
    html! { span.badge.{ "al-" (name) } { i.s.{ "s-" (name) } aria-hidden="true" {} span { (word) } } }
}

/// Whom it is about, as a link to its page.
pub(super) fn link(alert: &Alert) -> Markup {
    html! { a href=(address(alert)) { bdi { (words::subject(&alert.subject)) } } }
}

/// The address of an alert's page.
pub(super) fn address(alert: &Alert) -> String {
    format!("/alerts/{}", alert.id)
}

/// What is wrong in few words, without the subject.
pub(super) fn brief(alert: &Alert) -> String {
    let line = words::headline(alert);
    let subject = words::subject(&alert.subject);
    line.strip_prefix(&subject).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&line).to_owned()
}

/// What else a list says of an alert: who knows, what keeps it quiet, whether it comes and goes.
pub(super) fn chips(alert: &Alert) -> Markup {
    html! {
        @if let Some(ack) = &alert.ack {
            span.chip.known title=[ack.note.as_ref().map(|note| printable(note, 400))] {
                "known to " bdi { (printable(&ack.by, 40)) }
                @if let Some(ticket) = &ack.ticket { " · " bdi { (printable(ticket, 40)) } }
            }
        }
        @for by in &alert.quiet { (quiet(by)) }
        @if alert.flapping { span.chip { "comes and goes" } }
        @if alert.reopened > 0 { span.chip { "bad again " (alert.reopened) "×" } }
    }
}

fn quiet(by: &QuietBy) -> Markup {
    html! { @match by {
        QuietBy::Silence(id) => a.chip.quiet href={ "/silences#silence-" (id) } { "silence #" (id) },
        QuietBy::Maintenance(_) => a.chip.quiet href="/silences#maintenance" { (words::quiet(by)) },
        QuietBy::Alert(id) => a.chip.quiet href={ "/alerts/" (id) } { "in #" (id) },
    } }
}

/// The region it is in, as far as it is in one.
fn place(alert: &Alert) -> String {
    alert.label("region").map_or_else(|| NOTHING.to_owned(), |region| printable(&region, NAME))
}

/// How long it has been bad, for the live script to count on; or how long it was.
pub(super) fn lasting(alert: &Alert, now: UnixMs) -> Markup {
    html! { @match alert.ended {
        None => span.v-since data-since=(alert.since.0) title={ "since " (format::time(alert.since)) " UTC" } {
            (format::since(alert.since, now))
        },
        Some(ended) => span title={ (format::time(alert.since)) " to " (format::time(ended)) " UTC" } {
            (format::since(alert.since, ended))
        },
    } }
}

/// A table of alerts that are open, each with some of those it speaks for.
pub(super) fn table(rows: &[Row], now: UnixMs) -> Markup {
    html! {
        div.scroll { table.alerts {
            thead { tr {
                th { "Severity" } th { "Alert" } th.c-region { "Region" } th.n.c-for { "For" } th.n.c-id { "#" }
            } }
            tbody { @for row in rows {
                (one(&row.alert, false, now))
                @for alert in row.below.iter().take(BELOW) { (one(alert, true, now)) }
                @if row.below.len() > BELOW { tr.below.more {
                    td {}
                    td colspan="4" { a href={ (address(&row.alert)) "#members" } {
                        "and " (format::count(row.below.len() - BELOW)) " more"
                    } }
                } }
            } }
        } }
    }
}

fn one(alert: &Alert, below: bool, now: UnixMs) -> Markup {
    html! {
        tr.{ "al-" (sign(alert.severity, alert.state)) }.below[below] {
            td.c-sign { (badge(alert.severity, alert.state)) }
            th.c-alert scope="row" {
                (link(alert)) " " span.brief { (brief(alert)) } " "
                // Who speaks for it stands right above it.
                @if !below { (chips(alert)) }
            }
            td.c-region { bdi { (place(alert)) } }
            td.n.c-for { (lasting(alert, now)) }
            td.n.c-id { (alert.id) }
        }
    }
}

/// A table of alerts that are over, newest first.
pub(super) fn past(alerts: &[Alert], now: UnixMs) -> Markup {
    html! {
        div.scroll { table.alerts.past {
            thead { tr {
                th { "State" } th { "Alert" } th.c-region { "Region" } th.c-time { "Since " (when::zone()) }
                th.n.c-for { "Lasted" } th.n.c-id { "#" }
            } }
            tbody { @for alert in alerts {
                tr.{ "al-" (sign(alert.severity, alert.state)) } {
                    td.c-sign { (badge(alert.severity, alert.state)) }
                    th.c-alert scope="row" {
                        (link(alert)) " " span.brief { (brief(alert)) }
                        @if alert.state.is_over() { " " span.chip { (alert.severity) } }
                        " " (chips(alert))
                    }
                    td.c-region { bdi { (place(alert)) } }
                    td.c-time { (when::stamp(alert.since)) }
                    td.n.c-for { (lasting(alert, now)) }
                    td.n.c-id { (alert.id) }
                }
            } }
        } }
    }
}

/// Matchers as people type them.
pub(super) fn matchers(matchers: &[Matcher]) -> Markup {
    html! { @for (number, matcher) in matchers.iter().enumerate() {
        @if number > 0 { " " }
        code.matcher { bdi { (printable(&matcher.to_string(), NAME)) } }
    } }
}

/// Hours of the week in words.
pub(super) fn weekly(weekly: &Weekly) -> String {
    printable(&weekly.to_string(), NAME)
}

/// A span of time as it was set.
pub(super) fn length(from: UnixMs, until: UnixMs) -> String {
    format::span(Duration::from_millis(u64::try_from(until.0.saturating_sub(from.0)).unwrap_or(0)))
}

/// Where somebody without a login says who they are.
pub(super) fn your_name() -> Markup {
    html! { @if Who::now().is_unnamed() {
        label { "Your name" input name="by" autocomplete="name" maxlength="200" data-remember="by"; }
    } }
}

/// Where answers to a form appear that could not be done.
pub(super) fn problem(text: &str) -> Markup {
    html! {
        p.problem role="alert" hidden[text.is_empty()] { (parts::shape(model::TargetState::Down)) span { (text) } }
    }
}

/// The section of the front page: what calls for somebody.
pub(super) fn firing(app: &App, judged: &Judged, most: usize) -> Markup {
    let sift = crate::sift::Sift { limit: most, ..crate::sift::Sift::default() };
    let shown = sift.apply(judged);
    html! {
        section #firing data-alerts=(format!("{:016x}", judged.mark)) data-from="/?part=firing" {
            @if !shown.rows.is_empty() {
                h2 { "Alerts " small { (format::count(shown.tops)) } }
                (table(&shown.rows, app.now()))
                @if shown.tops > shown.rows.len() {
                    p { a href="/alerts" { "All " (format::count(shown.tops)) " alerts" } }
                }
            }
        }
    }
}
