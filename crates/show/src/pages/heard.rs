//! The page of a device, by the name it is heard under: its targets, its events, its lines. Also how lines
//! stand on other pages: as text, whatever bytes they hold.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::text::printable;
use model::{Device, TargetNow, UnixMs};
use store::{LineQuery, StoredLine};

use super::{events, interfaces, layout, parts, sorry, when};
use crate::app::App;
use crate::hark::{self, Hark};
use crate::history::Span;
use crate::kin::is_target_of;
use crate::select::{BadParam, encode};
use crate::time;

/// Most characters of a line.
const LINE: usize = 1_000;
/// Most characters of a name.
const NAME: usize = 200;
/// So many events of a device are listed.
const EVENTS: usize = 15;
/// Most targets of a device.
const TARGETS: usize = 50;
/// Lines are looked for so far back unless asked otherwise.
const BACK: Duration = Duration::from_hours(24);

/// The address of a device's page.
pub(super) fn address(device: &str) -> String {
    let mut address = "/devices/".to_owned();
    encode(device, &mut address);
    address
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let asked = match Asked::parse(&pairs, app.now()) {
        Ok(asked) => asked,
        Err(bad) => return sorry(&app, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let view = app.present.view();
    let inventory = app.deps.devices.inventory();
    let device = inventory.device(&name);
    let is_its = |now: &&Arc<TargetNow>| match device {
        Some(device) => is_target_of(now, device),
        None => is_called(now, &name),
    };
    let targets: Vec<_> = view.snapshot.targets.iter().filter(is_its).collect();
    let hark = Hark { device: name.clone(), limit: EVENTS, ..Hark::all() };
    let events = app.history.events(&hark).await;
    let lines = app.history.lines(asked.query(&name)).await;
    let shown = printable(&name, NAME);
    let (judged, at) = (app.judging.view(), app.now());
    let body = html! {
        header.alert { h1 { bdi { (shown) } } p.how {
            @match device {
                Some(device) => (facts(device)),
                None => "not in the inventory: this is what was heard under this name",
            }
        } }
        @if !targets.is_empty() {
            section { h2 { "Targets" }
                div.scroll { table.targets { (parts::plain_head()) tbody {
                    @for now in targets.iter().take(TARGETS) {
                        (parts::row(now, judged.standing(now.series.rtt, at).as_ref()))
                    }
                } } }
            }
        }
        (interfaces::section(&app, &name))
        section {
            h2 { "Events " small { a href={ "/events" (hark_query(&name)) } { "all of them" } } }
            (events::few(&events, at))
        }
        section #device-lines {
            h2 { "Lines " small { "newest first, at most 200" } }
            (form(&name, &asked))
            @match &lines {
                Err(error) => p.empty { (error) },
                Ok(lines) if lines.is_empty() => p.empty { "No line of it matches in this span." },
                Ok(lines) => (self::lines(lines)),
            }
        }
    };
    layout::page(&app, &view, &shown, "/events", &body).into_response()
}

fn hark_query(name: &str) -> String {
    Hark { device: name.to_owned(), ..Hark::all() }.to_query()
}

/// What the inventory says of a device, in a line.
fn facts(device: &Device) -> Markup {
    let addresses: Vec<String> = device.addresses.iter().map(ToString::to_string).collect();
    let list = |names: &mut dyn Iterator<Item = &String>| {
        printable(&names.map(String::as_str).collect::<Vec<_>>().join(", "), NAME)
    };
    html! {
        @if let Some(platform) = &device.platform { span.chip { (printable(platform, NAME)) } }
        span { (printable(&addresses.join(", "), NAME)) }
        @if !device.names.is_empty() { span { "· also " bdi { (list(&mut device.names.iter())) } } }
        @if !device.groups.is_empty() { span { "· in " bdi { (list(&mut device.groups.iter())) } } }
        @if let Some(pair) = &device.pair {
            span { "· pair of " a href=(address(pair)) { bdi { (printable(pair, NAME)) } } }
        }
    }
}

/// Whether a target may be what is heard under a name that nobody knows: by its host, with or without
/// domain, or by its address.
fn is_called(now: &TargetNow, device: &str) -> bool {
    let host = &now.target.host;
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_lowercase();
    let is_name = device.parse::<std::net::IpAddr>().is_err() && !device.is_empty();
    host.eq_ignore_ascii_case(device)
        || now.address.is_some_and(|address| address.to_string() == device)
        || (is_name
            && host.parse::<std::net::IpAddr>().is_err()
            && short(host) == short(device)
            && !(host.contains('.') && device.contains('.')))
}

/// Which lines are asked for.
struct Asked {
    text: String,
    code: String,
    severity: Option<u8>,
    span: Span,
    typed: String,
}

impl Asked {
    fn parse(pairs: &[(String, String)], now: UnixMs) -> Result<Self, BadParam> {
        let given = |name: &str| {
            let pair =
                pairs.iter().find(|(known, value)| known == name && !value.trim().is_empty());
            pair.map(|(_, value)| value.trim().to_owned())
        };
        let within = ["span", "from", "until"].iter().any(|name| given(name).is_some());
        let span = if within { time::span(pairs, now)? } else { Span::until_now(BACK, now) };
        Ok(Self {
            text: given("text").unwrap_or_default(),
            code: given("code").unwrap_or_default(),
            severity: given("severity").map(|value| hark::severity(&value)).transpose()?,
            span,
            typed: given("span").unwrap_or_default(),
        })
    }

    fn query(&self, device: &str) -> LineQuery {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        LineQuery {
            device: Some(device.to_owned()),
            code: some(&self.code),
            text: some(&self.text),
            severity: self.severity,
            from: self.span.from,
            // A line of this very millisecond is within.
            until: self.span.until + Duration::from_millis(1),
            ..LineQuery::default()
        }
    }
}

fn form(name: &str, asked: &Asked) -> Markup {
    html! {
        form.filter method="get" action=(address(name)) role="search" {
            input type="search" name="text" value=(asked.text) size="24" placeholder="text" aria-label="Text";
            input type="text" name="code" value=(asked.code) size="18" placeholder="code, or start*" aria-label="Code";
            select name="span" aria-label="Span" {
                @for (value, words) in [("", "last day"), ("1h", "last hour"), ("7d", "last week"), ("90d", "last 90 days")] {
                    option value=(value) selected[asked.typed == value] { (words) }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

/// Lines as text.
pub(super) fn lines(lines: &[StoredLine]) -> Markup {
    html! {
        @if lines.is_empty() { p.empty { "No line is kept." } } @else {
            ol.lines { @for line in lines { li {
                (when::stamp(line.at)) " "
                (events::severity(line.severity)) " "
                code { bdi { (printable(&String::from_utf8_lossy(&line.raw), LINE)) } }
            } } }
        }
    }
}
