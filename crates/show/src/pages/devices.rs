//! The Devices page: those of the inventory and those that were heard of without being in it, each with its
//! targets and how much it told lately. It must not decide whom a line is from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::event::Event;
use model::text::printable;
use model::{Device, Inventory, TargetState, UnixMs};
use serde::Deserialize;

use super::{events, heard, interfaces, layout, parts, when};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::hark::{Hark, Heard};
use crate::history::Unavailable;
use crate::kin::is_target_of;
use crate::present::View;

/// Most devices of the list; a filter finds the others.
const ROWS: usize = 500;
/// Most events that are counted.
const COUNTED: usize = 10_000;
/// Events are counted so far back.
const BACK: Duration = Duration::from_hours(24);
/// Most characters of a name.
const NAME: usize = 120;

#[derive(Deserialize)]
pub(super) struct Params {
    /// Part of a name, an address, a platform or a group, in any case.
    #[serde(default)]
    text: String,
}

/// What one device told.
#[derive(Default)]
struct Told {
    events: usize,
    worst: Option<u8>,
    last: Option<UnixMs>,
}

pub(super) async fn page(State(app): State<Arc<App>>, Query(params): Query<Params>) -> Response {
    let view = app.present.view();
    let inventory = app.deps.devices.inventory();
    let from = Some(app.now() - BACK);
    let hark = Hark { from, limit: COUNTED, ..Hark::all() };
    let heard = app.history.events(&hark).await;
    let told = told(&heard);
    let needle = params.text.trim().to_lowercase();
    let known = inventory.devices().iter().filter(|device| fits(device, &needle));
    let strangers = told.keys().filter(|name| inventory.device(name).is_none());
    let strangers: Vec<&&str> =
        strangers.filter(|name| name.to_lowercase().contains(&needle)).collect();
    let known: Vec<&Device> = known.collect();
    let body = html! {
        h1.sr { "Devices" }
        form.filter method="get" action="/devices" role="search" {
            (events::tabs("/devices"))
            input type="search" name="text" value=(params.text) size="26"
                placeholder="name, address, platform, group" aria-label="Name, address, platform or group";
            button type="submit" { "Show" }
        }
        @if let Err(error) = &heard { p.empty { (error) } }
        @if known.is_empty() && strangers.is_empty() { (nothing(&inventory)) } @else {
            div.scroll { table.devices {
                thead { tr {
                    th { "Device" } th { "Platform" } th { "Addresses" } th { "Groups" } th { "Targets" } th { "Interfaces" }
                    th { "Events " small { "last day" } } th.c-time { "Last " (when::zone()) }
                } }
                tbody {
                    @for device in known.iter().take(ROWS) {
                        (row(&app, device, &view, told.get(device.name.as_str())))
                    }
                    @for name in strangers.iter().take(ROWS) { (stranger(name, told.get(**name))) }
                }
            } }
            @let hidden = known.len().saturating_sub(ROWS) + strangers.len().saturating_sub(ROWS);
            @if hidden > 0 { p.empty { "and " (format::count(hidden)) " more: search for them" } }
        }
    };
    layout::page(&app, &view, "Devices", "/events", &body).into_response()
}

fn told(heard: &Result<Heard, Unavailable>) -> BTreeMap<&str, Told> {
    let mut told: BTreeMap<&str, Told> = BTreeMap::new();
    for event in heard.iter().flat_map(|heard| &heard.events) {
        let Event { device, severity, last, .. } = event;
        let one = told.entry(device).or_default();
        one.events += 1;
        one.last = one.last.max(Some(*last));
        one.worst = match (one.worst, *severity) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    told
}

fn fits(device: &Device, needle: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(needle);
    has(&device.name)
        || device.names.iter().any(|name| has(name))
        || device.addresses.iter().any(|address| has(&address.to_string()))
        || device.platform.as_deref().is_some_and(has)
        || device.groups.iter().any(|group| has(group))
}

fn nothing(inventory: &Inventory) -> Markup {
    html! {
        @if inventory.devices().is_empty() {
            p.empty { "No device is known, and none was heard of in the last day. " code { "devices:" }
                " in the configuration names those that lines come from." }
        } @else { p.empty { "No device matches. " a href="/devices" { "Show all" } } }
    }
}

fn row(app: &App, device: &Device, view: &View, told: Option<&Told>) -> Markup {
    let targets = view.snapshot.targets.iter().filter(|now| is_target_of(now, device));
    let targets: Vec<_> = targets.collect();
    let worst = targets.iter().map(|now| now.state).min_by_key(|state| state.rank());
    let addresses: Vec<String> = device.addresses.iter().map(ToString::to_string).collect();
    let groups: Vec<&str> = device.groups.iter().map(String::as_str).collect();
    html! {
        tr {
            th.c-alert scope="row" { a href=(heard::address(&device.name)) { bdi { (printable(&device.name, NAME)) } } }
            td { (device.platform.as_deref().map_or_else(|| NOTHING.to_owned(), |name| printable(name, NAME))) }
            td.c-addr { (printable(&addresses.join(", "), NAME)) }
            td { bdi { (printable(&groups.join(", "), NAME)) } }
            td { @match worst {
                None => (NOTHING),
                Some(state) => { (state_badge(state)) " of " (targets.len()) }
            } }
            td { (interfaces::brief(app, &device.name)) }
            (told_cells(told))
        }
    }
}

fn state_badge(state: TargetState) -> Markup {
    html! { span.badge.{ "st-" (state.name()) } { (parts::shape(state)) (state.as_str()) } }
}

fn stranger(name: &str, told: Option<&Told>) -> Markup {
    html! {
        tr.stranger {
            th.c-alert scope="row" { a href=(heard::address(name)) { bdi { (printable(name, NAME)) } } }
            td colspan="5" { "not in the inventory" }
            (told_cells(told))
        }
    }
}

fn told_cells(told: Option<&Told>) -> Markup {
    html! { @match told {
        None => { td { "none" } td.c-time { (NOTHING) } }
        Some(told) => {
            td { (format::count(told.events)) ", worst " (events::severity(told.worst)) }
            td.c-time { @match told.last { Some(at) => (when::stamp(at)), None => (NOTHING) } }
        }
    } }
}
