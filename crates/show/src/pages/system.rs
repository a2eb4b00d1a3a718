//! The System page: what netmend itself is doing, its warnings, its store and every counter.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use maud::{Markup, html};
use model::UnixMs;
use store::sink::SinkNow;

use super::{layout, mending, parts, when};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::port::{Counter, Stage, StoreNow, System};

pub(super) async fn page(State(app): State<Arc<App>>) -> Markup {
    let view = app.present.view();
    let system = app.deps.now.system();
    let body = html! {
        h1.sr { "System" }
        (parts::warnings(&app))
        div.columns {
            (itself(&system, view.snapshot.targets.len()))
            (stages(&app.deps.now.stages()))
            (store(&system.store))
            (mending::switch(&app.deps.mending.present()))
        }
        (sinks(&system.sinks))
        (counters(&system.counters))
    };
    layout::page(&app, &view, "System", "/system", &body)
}

fn itself(system: &System, targets: usize) -> Markup {
    html! {
        section {
            h2 { "netmend" }
            dl {
                dt { "Version" } dd { (system.version) }
                dt { "Site" } dd { (system.site) }
                dt { "Running for" } dd { (format::span(system.uptime)) }
                dt { "Started" } dd { (when::moment(system.started)) }
                dt { "Targets" } dd { (format::count(targets)) }
                @for (method, count) in &system.methods {
                    dt { (method.as_str()) } dd { (format::count(*count)) }
                }
            }
        }
    }
}

fn stages(stages: &[Stage]) -> Markup {
    html! {
        section {
            h2 { "Stages" }
            dl { @for stage in stages {
                dt { (stage.name) }
                dd { @match &stage.stuck {
                    None => { span.badge.st-up { i.s.s-up aria-hidden="true" {} "moving" } }
                    Some(why) => {
                        span.badge.st-down { i.s.s-down aria-hidden="true" {} "stuck" } " " (why)
                    }
                } }
            } }
        }
    }
}

fn store(store: &StoreNow) -> Markup {
    let or = |value: Option<String>| value.unwrap_or_else(|| NOTHING.to_owned());
    html! {
        section {
            h2 { "Store" }
            dl {
                dt { "Folder" } dd { code { (store.path) } }
                dt { "On disk until" }
                dd {
                    (moment(store.committed_at))
                    @if let Some(batch) = store.committed_until { " · batch " (batch) }
                }
                dt { "Size" } dd { (or(store.bytes.map(format::bytes))) }
                dt { "Free on the disk" } dd { (or(store.free_bytes.map(format::bytes))) }
                dt { "Series" } dd { (or(store.series.map(|count| format::count(count as usize)))) }
            }
        }
    }
}

fn moment(at: Option<UnixMs>) -> Markup {
    html! { @match at { Some(at) => (when::moment(at)), None => (NOTHING) } }
}

/// Databases of others. Nothing where there are none.
fn sinks(sinks: &[SinkNow]) -> Markup {
    html! {
        @if !sinks.is_empty() {
            section {
                h2 { "Sinks" }
                div.scroll { table {
                    thead { tr {
                        th { "Name" } th { "State" } th { "What" }
                        th.n { "Sent" } th.n { "Waiting" } th { "Oldest" } th.n { "Given up" }
                        th { "Last error" }
                    } }
                    tbody { @for sink in sinks { (sink_row(sink)) } }
                } }
            }
        }
    }
}

fn sink_row(sink: &SinkNow) -> Markup {
    let count = |points: u64| format::count(points as usize);
    let given_up = sink.waiting.dropped + sink.waiting.damaged + sink.refused;
    html! {
        tr {
            th scope="row" { (sink.name) }
            td { @match &sink.failing {
                None => { span.badge.st-up { i.s.s-up aria-hidden="true" {} "taking" } }
                Some(failing) => {
                    span.badge.st-down { i.s.s-down aria-hidden="true" {} "failing" }
                    " since " (when::moment(failing.since))
                }
            } }
            td { (sink.kind) " at " (sink.at) }
            td.n { (count(sink.sent)) }
            td.n { (count(sink.waiting.points)) " · " (format::bytes(sink.waiting.bytes)) }
            td { (moment(sink.oldest)) }
            td.n { (count(given_up)) }
            td { @match (&sink.failing, &sink.refusal) {
                (Some(failing), _) => (failing.why),
                (None, Some((why, at))) => { (why) " (" (when::moment(*at)) ")" }
                (None, None) => {}
            } }
        }
    }
}

fn counters(counters: &[Counter]) -> Markup {
    html! {
        section {
            h2 { "Counters" }
            div.scroll { table.counters {
                thead { tr { th { "Name" } th.n { "Value" } th { "Counts" } } }
                tbody { @for counter in counters {
                    tr {
                        th scope="row" { code { (name(counter)) } }
                        td.n { (format::number(counter.value)) }
                        td { (counter.help) }
                    }
                } }
            } }
        }
    }
}

fn name(counter: &Counter) -> String {
    let mut name = counter.name.to_owned();
    for (number, (label, value)) in counter.labels.iter().enumerate() {
        let open = if number == 0 { '{' } else { ',' };
        write!(name, "{open}{label}={value:?}").expect("a String takes every write");
    }
    if !counter.labels.is_empty() {
        name.push('}');
    }
    name
}
