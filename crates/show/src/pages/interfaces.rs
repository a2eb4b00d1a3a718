//! Interfaces of a device, as read over SNMP: their table on the page of the device, and the page of one, with
//! its traffic in both directions over time. It must not ask a device anything.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::text::printable;
use model::{
    AdminStatus, Direction, InterfaceMetric, InterfaceNow, InterfaceReading, OperStatus,
    PolledDevice, SeriesId, UnixMs, bit_rate, interface_series,
};
use store::{Bucket, RangeAnswer};

use super::{heard, layout, sorry, when};
use crate::app::App;
use crate::assets;
use crate::format::{self, NOTHING};
use crate::history::{Span, Unavailable, step_of_interval};
use crate::select::encode;
use crate::strips;
use crate::time::{self, SPANS};

/// Most interfaces of the table; the API has all.
const ROWS: usize = 1_000;
/// Most characters of a name.
const NAME: usize = 120;
/// Rows of the table of numbers.
const NUMBERS: i64 = 24;

/// The address of an interface's page.
pub(super) fn address(device: &str, interface: &str) -> String {
    let mut address = heard::address(device) + "/interfaces/";
    encode(interface, &mut address);
    address
}

/// The interfaces of a device, or why there are none; nothing for a device that is not asked.
pub(super) fn section(app: &App, device: &str) -> Markup {
    let Some(polled) = app.deps.interfaces.device(device) else { return html! {} };
    let now = app.now();
    html! {
        section #interfaces {
            h2 { "Interfaces " small { (asked(&polled, now)) } }
            @if let Some((why, since)) = &polled.failing {
                div.warning role="note" {
                    i.s.s-no_data aria-hidden="true" {}
                    p { "It has not been read for " (format::since(*since, now)) ": " (printable(why, 400)) }
                }
            }
            @if polled.interfaces.is_empty() {
                p.empty { @if polled.answered.is_some() { "It names no interfaces: its view may leave them out." }
                    @else { "It has not been read yet." } }
            } @else { (table(&polled)) }
        }
    }
}

/// How many interfaces a device has, and how many of them should pass packets and do not.
pub(super) fn brief(app: &App, device: &str) -> Markup {
    let Some(polled) = app.deps.interfaces.device(device) else { return html! { (NOTHING) } };
    let is = |one: &&InterfaceNow, wanted: &str| state_words(&polled, one).0 == wanted;
    let down = polled.interfaces.iter().filter(|one| is(one, "down")).count();
    html! {
        @if polled.failing.is_some() {
            span.badge.st-no_data { i.s.s-no_data aria-hidden="true" {} "not read" }
        } @else if polled.answered.is_none() { "not read yet" } @else {
            (format::count(polled.interfaces.len()))
            @if down > 0 { ", " (format::count(down)) " down" }
        }
    }
}

/// How a device is asked, in a line.
fn asked(polled: &PolledDevice, now: UnixMs) -> Markup {
    html! {
        "over SNMP every " (format::setting(polled.interval))
        @if let Some(at) = polled.answered { ", last " (format::since(at, now)) " ago" }
        @if let Some(uptime) = polled.uptime { ", up " (format::span(uptime)) }
        @if !polled.sys_name.is_empty() { ", calls itself " bdi { (printable(&polled.sys_name, NAME)) } }
    }
}

fn table(polled: &PolledDevice) -> Markup {
    html! {
        div.scroll { table.interfaces {
            thead { tr {
                th { "Interface" } th { "State" } th { "Alias" } th.n { "Speed" } th.n { "In" } th.n { "Out" }
                th.n { "Errors " small { "/s" } } th.n { "Discards " small { "/s" } } th.c-spark { "Last 60 polls" }
            } }
            tbody { @for one in polled.interfaces.iter().take(ROWS) { (row(polled, one)) } }
        } }
        @if polled.interfaces.len() > ROWS {
            p.empty { "and " (format::count(polled.interfaces.len() - ROWS)) " more: the API lists all of them" }
        }
    }
}

fn row(polled: &PolledDevice, one: &InterfaceNow) -> Markup {
    let reading = &one.reading;
    let fresh = is_fresh(polled, one);
    html! {
        tr {
            th.c-alert scope="row" {
                a href=(address(&polled.device, &reading.name)) { bdi { (printable(&reading.name, NAME)) } }
            }
            td { (state(polled, one)) }
            td { bdi { (printable(&reading.alias, NAME)) } }
            td.n { (speed(reading)) }
            @for direction in Direction::ALL { (rate(one, direction, fresh)) }
            @for both in [one.rates.errors, one.rates.discards] {
                td.n { @if fresh { (packets(both.received, both.sent)) } @else { (NOTHING) } }
            }
            td.c-spark { @if fresh { (strips::spark_svg(&strips::levels_of(one.recent.iter().copied()))) } }
        }
    }
}

/// The state of an interface by word, shape and colour.
fn state(polled: &PolledDevice, one: &InterfaceNow) -> Markup {
    let (name, words) = state_words(polled, one);
    html! { span.badge.{ "st-" (name) } { i class={ "s s-" (name) } aria-hidden="true" {} (words) } }
}

/// Whether the latest answer of its device named it. What is older is not shown as if it were so now.
fn is_fresh(polled: &PolledDevice, one: &InterfaceNow) -> bool {
    polled.failing.is_none() && polled.answered == Some(one.read)
}

/// The class and the words of a state. What is not read any more is never up.
fn state_words(polled: &PolledDevice, one: &InterfaceNow) -> (&'static str, &'static str) {
    let reading = &one.reading;
    if polled.answered != Some(one.read) {
        return ("no_data", "gone");
    }
    match (polled.failing.is_some(), reading.admin, reading.oper) {
        (true, ..) => ("no_data", "no data"),
        (_, AdminStatus::Down, _) => ("unknown", "shut"),
        (_, _, OperStatus::Up) => ("up", "up"),
        (_, _, OperStatus::Untold | OperStatus::Unknown) => ("unknown", "unknown"),
        (_, _, OperStatus::Dormant | OperStatus::Testing) => ("lossy", reading.oper.as_str()),
        (_, _, oper) => ("down", oper.as_str()),
    }
}

fn speed(reading: &InterfaceReading) -> String {
    reading.speed_bps.map_or_else(|| NOTHING.to_owned(), |bits| bit_rate(bits as f64))
}

/// A cell with the rate of a direction and how much of the speed it is.
fn rate(one: &InterfaceNow, direction: Direction, fresh: bool) -> Markup {
    let share = one.rates.utilisation.get(direction).filter(|_| fresh).map(|share| share as f32);
    let bits = one.rates.bits.get(direction).filter(|_| fresh);
    let title = one.rates.gap.map(model::Gap::as_str);
    html! {
        td.n title=[title] {
            @match bits { Some(bits) => (bit_rate(bits)), None => (NOTHING) }
            @if let Some(share) = share {
                " " small.use { (format::percent(Some(share))) " %" }
                meter min="0" max="100" high="80" value=(format!("{:.1}", share.clamp(0.0, 100.0))) aria-hidden="true" {}
            }
        }
    }
}

fn packets(received: Option<f64>, sent: Option<f64>) -> String {
    match (received, sent) {
        (None, None) => NOTHING.to_owned(),
        (received, sent) => match received.unwrap_or(0.0) + sent.unwrap_or(0.0) {
            0.0 => "0".to_owned(),
            rate => format!("{rate:.2}"),
        },
    }
}

/// The page of one interface; also of one that is read no more, of which only the past is known.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path((device, interface)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let span = match time::span(&pairs, app.now()) {
        Ok(span) => span,
        Err(bad) => return sorry(&app, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let polled = app.deps.interfaces.device(&device);
    let place = |polled: &PolledDevice| {
        polled.interfaces.iter().position(|one| *one.reading.name == *interface)
    };
    let found = polled.as_ref().and_then(|polled| Some((polled, place(polled)?)));
    let series = Ids::of(&device, &interface);
    let interval = polled.as_ref().map_or(Duration::from_mins(1), |polled| polled.interval);
    let past = past(&app, &series, span).await;
    let is_known = matches!(&past, Ok(rows) if !rows.is_empty());
    if found.is_none() && !is_known && past.is_ok() {
        let text = "No interface of this name was read on this device in this span.";
        return sorry(&app, StatusCode::NOT_FOUND, text);
    }
    let shown = printable(&interface, NAME);
    let body = html! {
        header.alert {
            h1 { a href=(heard::address(&device)) { bdi { (printable(&device, NAME)) } } " " bdi { (shown) } }
            p.how { @match found {
                Some((polled, place)) => (facts(polled, &polled.interfaces[place], app.now())),
                None => "it is not read now: this is what the store has of it",
            } }
        }
        (spans(&address(&device, &interface), &pairs, span))
        (figure(&series, span, follows(&pairs), interval))
        section.numbers { h2 { "Numbers" } @match &past {
            Ok(rows) => (numbers(rows)),
            Err(error) => p.empty { (error) },
        } }
    };
    let title = format!("{} {shown}", printable(&device, NAME));
    layout::page(&app, &app.present.view(), &title, "/events", &body).into_response()
}

fn facts(polled: &PolledDevice, one: &InterfaceNow, now: UnixMs) -> Markup {
    let reading = &one.reading;
    html! {
        (state(polled, one)) span { "for " (format::since(one.since, now)) " or longer" }
        @if !reading.alias.is_empty() { span { "· " bdi { (printable(&reading.alias, NAME)) } } }
        span { "· " (speed(reading)) }
        @for direction in Direction::ALL {
            @if let Some(bits) = one.rates.bits.get(direction).filter(|_| is_fresh(polled, one)) {
                span { "· " (direction.as_str()) " " b { (bit_rate(bits)) } }
            }
        }
        @if let Some(gap) = one.rates.gap { span { "· no rates: " (gap.as_str()) } }
        @if !reading.descr.is_empty() && reading.descr != reading.name {
            span { "· " bdi { (printable(&reading.descr, NAME)) } }
        }
        span { "· number " (reading.index) ", " (if reading.wide { "64" } else { "32" }) "-bit counters" }
    }
}

/// The series of an interface that its page shows.
struct Ids {
    traffic: [SeriesId; 2],
    errors: [SeriesId; 2],
    discards: [SeriesId; 2],
}

impl Ids {
    fn of(device: &str, interface: &str) -> Self {
        let both = |metric| {
            Direction::ALL
                .map(|direction| interface_series(metric, device, interface, Some(direction)).id())
        };
        Self {
            traffic: both(InterfaceMetric::Traffic),
            errors: both(InterfaceMetric::Errors),
            discards: both(InterfaceMetric::Discards),
        }
    }
}

/// A row of the table: one bucket of all series.
#[derive(Default)]
struct Row {
    traffic: [Option<Bucket>; 2],
    errors: Option<f64>,
    discards: Option<f64>,
}

/// Rows of a span, newest first.
async fn past(app: &App, ids: &Ids, span: Span) -> Result<Vec<(UnixMs, Row)>, Unavailable> {
    let step = span.step_for(NUMBERS + 1).max(Duration::from_mins(1));
    let series = [ids.traffic, ids.errors, ids.discards].concat();
    let answers = app.history.range(series, span.aligned(step), Some(step)).await?;
    let mut rows = std::collections::BTreeMap::<UnixMs, Row>::new();
    for (place, answer) in answers.into_iter().enumerate() {
        let RangeAnswer::Buckets(buckets) = answer else { continue };
        for bucket in buckets {
            let row = rows.entry(bucket.at).or_default();
            match place {
                0 | 1 => row.traffic[place] = Some(bucket),
                2 | 3 => *row.errors.get_or_insert(0.0) += bucket.mean,
                _ => *row.discards.get_or_insert(0.0) += bucket.mean,
            }
        }
    }
    Ok(rows.into_iter().rev().collect())
}

fn numbers(rows: &[(UnixMs, Row)]) -> Markup {
    html! {
        @if rows.is_empty() { p.empty { "Nothing was read in this span." } } @else {
            div.scroll { table {
                thead { tr {
                    th { "From " (when::zone()) } th.n { "In" } th.n { "most" } th.n { "Out" } th.n { "most" }
                    th.n { "Errors " small { "/s" } } th.n { "Discards " small { "/s" } }
                } }
                tbody { @for (at, row) in rows { tr {
                    th scope="row" { (when::stamp(*at)) }
                    @for traffic in &row.traffic {
                        td.n { @match traffic { Some(bucket) => (bit_rate(bucket.mean)), None => (NOTHING) } }
                        td.n { @match traffic { Some(bucket) => (bit_rate(bucket.max)), None => (NOTHING) } }
                    }
                    td.n { (packets(row.errors, None)) } td.n { (packets(row.discards, None)) }
                } } }
            } }
        }
    }
}

/// The span's name if the chart ends now and goes on with time.
fn follows(pairs: &[(String, String)]) -> Option<&str> {
    let get = |name: &str| pairs.iter().find(|(known, value)| known == name && !value.is_empty());
    let fixed = get("from").or(get("until")).is_some();
    (!fixed).then(|| get("span").map_or(SPANS[0].0, |(_, value)| value.as_str()))
}

fn spans(address: &str, pairs: &[(String, String)], span: Span) -> Markup {
    let follows = follows(pairs);
    html! {
        nav.spans aria-label="Span of the chart" {
            @for (name, words, _) in SPANS {
                a href={ (address) "?span=" (name) } aria-current=[(follows == Some(name)).then_some("true")] { (words) }
            }
            span.between {}
            span { (when::span(span.from, span.until)) }
        }
    }
}

/// Where `traffic.js` draws: received above the line, sent below it.
fn figure(ids: &Ids, span: Span, follows: Option<&str>, interval: Duration) -> Markup {
    let series: Vec<String> = ids
        .traffic
        .iter()
        .chain(&ids.errors)
        .chain(&ids.discards)
        .map(ToString::to_string)
        .collect();
    html! {
        figure #traffic data-series=(series.join(",")) data-from=(span.from.0) data-until=(span.until.0)
            data-span=[follows] data-narrowest=(step_of_interval(interval).as_secs())
            aria-label="Traffic over time, received above the line and sent below it; the table has the numbers"
        {
            div #flow {} div #flow-legend {}
            figcaption {
                span.key.flow-in { "in, above the line" } span.key.flow-out { "out, below the line" }
                span #flow-note role="status" {}
            }
            noscript { p.empty { "The chart needs JavaScript; the numbers below do not." } }
        }
        script defer src=(assets::url("uPlot.iife.min.js")) {}
        script defer src=(assets::url("traffic.js")) {}
    }
}
