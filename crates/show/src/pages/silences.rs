//! The Silences page: what keeps alerts quiet now, what will, what did; the maintenance windows of the
//! configuration; and the form for a new silence. Whether one holds, the daemon says.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::UnixMs;
use model::alert::{QuietBy, Silence, SilenceId, Weekday};
use model::text::printable;

use super::alert::refused;
use super::{layout, signs, when};
use crate::act::Typed;
use crate::app::App;
use crate::format;
use crate::history::Unavailable;
use crate::judged::Judged;
use crate::who::{Right, Who};
use crate::{Command, Maintenance, Receipt, Refusal, act};

/// Most characters of a name, and of a reason, in a list.
const NAME: usize = 120;
const REASON: usize = 400;
/// Rows of matchers in the form.
const MATCHERS: usize = 3;
/// Labels that every alert of a target has, to choose from.
const LABELS: [&str; 9] =
    ["target", "host", "region", "protocol", "family", "severity", "kind", "site", "alert"];
/// How long silences usually last.
const LENGTHS: [(&str, &str); 6] = [
    ("1h", "1 hour"),
    ("2h", "2 hours"),
    ("8h", "8 hours"),
    ("1d", "1 day"),
    ("3d", "3 days"),
    ("1w", "1 week"),
];

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let judged = app.judging.view();
    let silences = app.history.silences(UnixMs(i64::MIN)).await;
    let body = html! {
        h1.sr { "Silences" }
        (list(&app, &judged, &silences))
        (maintenance(&judged.now.maintenance))
        @if Who::now().may(Right::Note) { (form(&app, &pairs)) }
        (ended(&app, &silences))
    };
    layout::page(&app, &app.present.view(), "Silences", "/silences", &body).into_response()
}

/// How a silence stands.
enum Standing {
    /// It keeps alerts quiet now.
    Holds,
    /// It will begin.
    Planned,
    /// It recurs, and this is not its hour.
    Rests,
    /// It has ended.
    Ended,
}

fn standing(silence: &Silence, judged: &Judged, now: UnixMs) -> Standing {
    let ended = silence.expired.is_some() || silence.until.is_some_and(|until| until <= now);
    let known = judged.now.silences.iter().find(|known| known.silence.id == silence.id);
    // The daemon's snapshot may be a second older than the silence.
    let holds = known.map_or(silence.weekly.is_none(), |known| known.holds);
    match (ended, silence.from > now) {
        (true, _) => Standing::Ended,
        (false, true) => Standing::Planned,
        (false, false) if holds => Standing::Holds,
        (false, false) => Standing::Rests,
    }
}

/// Those that have not ended.
fn list(app: &App, judged: &Judged, silences: &Result<Vec<Silence>, Unavailable>) -> Markup {
    let now = app.now();
    html! {
        section #silences data-alerts=(format!("{:016x}", judged.mark)) data-from="/silences" {
            h2 { "Silences" }
            @match silences {
                Err(error) => p.empty { (error) },
                Ok(silences) => {
                    @let open: Vec<_> = silences.iter()
                        .map(|silence| (silence, standing(silence, judged, now)))
                        .filter(|(_, standing)| !matches!(standing, Standing::Ended)).collect();
                    @if open.is_empty() {
                        p.empty { "Nothing is silenced. A silence keeps alerts quiet while somebody works; they \
                                   are judged and listed all the same, and told if they outlast it." }
                    } @else {
                        div.scroll { table.silences {
                            thead { tr {
                                th { "State" } th { "Matchers" } th { "Until" } th { "Why" } th { "By" }
                                th.n { "Quiet now" } th {}
                            } }
                            tbody { @for (silence, standing) in open { (row(silence, &standing, judged, now)) } }
                        } }
                    }
                },
            }
        }
    }
}

fn row(silence: &Silence, standing: &Standing, judged: &Judged, now: UnixMs) -> Markup {
    let (shape, word) = match standing {
        Standing::Holds => ("resolved", "active".to_owned()),
        Standing::Planned => ("no_data", format!("in {}", format::since(now, silence.from))),
        Standing::Rests => ("no_data", "not now".to_owned()),
        Standing::Ended => ("accepted", "ended".to_owned()),
    };
    let by = QuietBy::Silence(silence.id);
    let quiet = judged.open.iter().filter(|alert| alert.quiet.contains(&by)).count();
    html! {
        tr id={ "silence-" (silence.id) } {
            td.c-sign { span.badge { i.s.{ "s-" (shape) } aria-hidden="true" {} span { (word) } } " #" (silence.id) }
            td.c-matchers { (signs::matchers(&silence.matchers)) }
            td.c-until {
                @match silence.until {
                    Some(until) => { (when::moment(until)) }
                    None => "until expired",
                }
                @if let Some(weekly) = &silence.weekly { br; (signs::weekly(weekly)) }
            }
            td.c-why { bdi { (printable(&silence.note, REASON)) } }
            td.c-by { bdi { (printable(&silence.by, NAME)) } }
            td.n { @if quiet > 0 { a href="/alerts?quiet=yes" { (format::count(quiet)) } } @else { "0" } }
            td.c-act { @if Who::now().may(Right::Note) { (expire_form(silence.id)) } }
        }
    }
}

fn expire_form(id: SilenceId) -> Markup {
    html! {
        form hx-post={ "/silences/" (id) "/expire" } hx-target="find .problem" hx-swap="outerHTML"
            hx-confirm={ "End silence #" (id) " now? Alerts that still fire are told then." }
        {
            button type="submit" { "Expire" }
            (signs::problem(""))
        }
    }
}

fn maintenance(windows: &[Maintenance]) -> Markup {
    html! {
        section #maintenance {
            h2 { "Maintenance " small { "from the configuration" } }
            @if windows.is_empty() {
                p.empty { "None is configured; " code { "maintenance:" } " holds windows that recur." }
            } @else {
                div.scroll { table.silences {
                    thead { tr { th { "State" } th { "Name" } th { "Matchers" } th { "When" } } }
                    tbody { @for window in windows { tr {
                        @let (shape, word) = if window.holds { ("resolved", "active") } else { ("no_data", "not now") };
                        td.c-sign { span.badge { i.s.{ "s-" (shape) } aria-hidden="true" {} span { (word) } } }
                        td { bdi { (printable(&window.name, NAME)) } }
                        td.c-matchers { (signs::matchers(&window.matchers)) }
                        td.c-until {
                            @if let Some(from) = window.from { (when::moment(from)) }
                            @if let Some(until) = window.until { " to " (when::moment(until)) }
                            @if let Some(weekly) = &window.weekly { " " (signs::weekly(weekly)) }
                        }
                    } } }
                } }
            }
        }
    }
}

fn ended(app: &App, silences: &Result<Vec<Silence>, Unavailable>) -> Markup {
    let now = app.now();
    let over = |silence: &&Silence| {
        silence.expired.is_some() || silence.until.is_some_and(|until| until <= now)
    };
    let over: Vec<&Silence> = silences.iter().flatten().filter(over).collect();
    html! {
        @if !over.is_empty() {
            section.ended {
                h2 { "Ended" }
                div.scroll { table.silences {
                    thead { tr { th { "#" } th { "Matchers" } th { "Ended" } th { "Lasted" } th { "Why" } th { "By" } } }
                    tbody { @for silence in over { (ended_row(silence)) } }
                } }
            }
        }
    }
}

fn ended_row(silence: &Silence) -> Markup {
    let expired = silence.expired.as_ref();
    let end = expired.map(|(at, _)| *at).or(silence.until).unwrap_or(silence.from);
    html! {
        tr id={ "silence-" (silence.id) } {
            td.c-sign { "#" (silence.id) }
            td.c-matchers { (signs::matchers(&silence.matchers)) }
            td.c-until { (when::moment(end)) }
            td { (signs::length(silence.from, end)) }
            td.c-why { bdi { (printable(&silence.note, REASON)) } }
            td.c-by {
                bdi { (printable(&silence.by, NAME)) }
                @if let Some((_, by)) = expired { ", ended by " bdi { (printable(by, NAME)) } }
            }
        }
    }
}

fn form(app: &App, pairs: &[(String, String)]) -> Markup {
    let all = |name: &str| {
        let named = pairs.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    let (labels, values) = (all("label"), all("value"));
    html! {
        section #new {
            details open[!labels.is_empty()] {
                summary { "New silence" }
                form.act.wide hx-post="/silences" hx-target="find .problem" hx-swap="outerHTML" {
                    fieldset.matchers {
                        legend { "Which alerts " small { "all of these must fit; =~ is a regular expression for the whole value" } }
                        @for place in 0..MATCHERS.max(labels.len()) {
                            (matcher(labels.get(place).copied(), values.get(place).copied()))
                        }
                    }
                    datalist #labels {
                        @for label in LABELS { option value=(label) {} }
                        @for label in tags(app) { option value=(label) {} }
                    }
                    fieldset.when {
                        legend { "For how long" }
                        label { "for" select name="duration" {
                            @for (value, words) in LENGTHS { option value=(value) selected[value == "2h"] { (words) } }
                        } }
                        label { span { "from (" (when::zone()) "; now if empty)" } input type="datetime-local" name="from"; }
                        label { span { "until (" (when::zone()) "; instead of a length)" } input type="datetime-local" name="until"; }
                    }
                    (recurring())
                    label.grow { "Why" input name="note" required maxlength="2000" placeholder="INC-1234: replacing the line card"; }
                    (signs::your_name())
                    (signs::problem(""))
                    button type="submit" { "Silence" }
                    noscript { p.hint { "This needs JavaScript. In a shell: " code { "netmend silence add" } } }
                }
            }
        }
    }
}

/// Hours of the week, for a silence that recurs.
fn recurring() -> Markup {
    html! {
        details.recurs {
            summary { "Only at some hours of the week" }
            fieldset.when {
                span.days { @for day in Weekday::ALL {
                    label { input type="checkbox" name="day" value=(day); (day) }
                } }
                label { "from" input type="time" name="day_from" value="22:00"; }
                label { "until" input type="time" name="day_until" value="06:00"; }
                label { "by the clock of" input name="zone" placeholder="Europe/London" maxlength="100"; }
                label.check { input type="checkbox" name="for_ever" value="yes"; "for ever, until it is expired" }
            }
        }
    }
}

fn matcher(label: Option<&str>, value: Option<&str>) -> Markup {
    html! {
        div.matcher-row {
            input name="label" list="labels" value=[label] placeholder="region" aria-label="Label" maxlength="200" autocomplete="off";
            select name="operator" aria-label="Operator" {
                option { "=" } option { "!=" } option { "=~" } option { "!~" }
            }
            input name="value" value=[value] placeholder="aws-london" aria-label="Value" maxlength="2000" autocomplete="off";
        }
    }
}

/// Names of the users' own tags, a few of them.
fn tags(app: &App) -> Vec<String> {
    let view = app.present.view();
    let mut names = std::collections::BTreeSet::new();
    for now in &view.snapshot.targets {
        names.extend(now.target.tags.keys().filter(|name| !LABELS.contains(&name.as_str())));
    }
    names.into_iter().take(50).cloned().collect()
}

/// Sets a silence, and answers with where to go or why not.
pub(super) async fn add(
    State(app): State<Arc<App>>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let all = |name: &str| {
        let named = fields.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let one = |name: &str| all(name).into_iter().next().unwrap_or_default();
    let (operators, values) = (all("operator"), all("value"));
    let place = |(place, label): (usize, String)| {
        let at = |list: &[String]| list.get(place).cloned().unwrap_or_default();
        (label, at(&operators), at(&values))
    };
    let days = all("day");
    let for_ever = !days.is_empty() && one("for_ever") == "yes";
    // The form always sends a length; an end is meant instead of it.
    let until = one("until");
    let without = for_ever || !until.trim().is_empty();
    let typed = Typed {
        matchers: all("label").into_iter().enumerate().map(place).collect(),
        from: one("from"),
        until,
        duration: if without { String::new() } else { one("duration") },
        days,
        day_from: one("day_from"),
        day_until: one("day_until"),
        zone: one("zone"),
        note: one("note"),
    };
    let done = match typed.read(app.now()) {
        Ok(silence) => act::submit(&app, &one("by"), Command::Silence(silence)).await,
        Err(refusal) => Err(refusal),
    };
    match done {
        Ok(Receipt::Silenced(id)) => gone_to(&format!("/silences?set={id}#silence-{id}")),
        Ok(_) => gone_to("/silences"),
        Err(refusal) => refused(&refusal),
    }
}

/// Ends a silence.
pub(super) async fn expire(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<SilenceId>() else {
        return refused(&Refusal::Unknown("No silence has this number.".to_owned()));
    };
    match act::submit(&app, "", Command::Expire(id)).await {
        Ok(_) => gone_to("/silences"),
        Err(refusal) => refused(&refusal),
    }
}

/// Where the browser goes next.
fn gone_to(address: &str) -> Response {
    ([("hx-redirect", address)], StatusCode::NO_CONTENT).into_response()
}
