//! The front page: what is wrong first, then every target by region, with live numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::{TargetNow, TargetState, UnixMs};
use serde::Deserialize;

use super::{layout, parts};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::present::{Values, View};
use crate::strips;

/// Up to so many targets get a full row each; more get a tile each.
const ROWS_UP_TO: usize = 120;
/// So many of the wrong ones are listed; the rest is a link.
const WRONG_ROWS: usize = 40;

#[derive(Deserialize)]
pub(super) struct Params {
    /// `wrong` asks for that section alone.
    part: Option<String>,
}

pub(super) async fn page(State(app): State<Arc<App>>, Query(params): Query<Params>) -> Response {
    let view = app.present.view();
    if params.part.as_deref() == Some("wrong") {
        return wrong(&app, &view).into_response();
    }
    let body = html! {
        h1.sr { "Now" }
        (parts::warnings(&app))
        (wrong(&app, &view))
        (regions(&view))
    };
    layout::page(&app, &view, "Now", "/", &body).into_response()
}

/// Everything that is not up. The live script fetches this section again when `data-mark` changed.
fn wrong(app: &App, view: &View) -> Markup {
    let at = app.now();
    let rows = view.wrong.iter().take(WRONG_ROWS).map(|place| &view.snapshot.targets[*place]);
    html! {
        section #wrong data-mark=(format!("{:016x}", view.wrong_mark)) {
            @if view.snapshot.targets.is_empty() {
                p.empty {
                    "No targets yet: name some in the configuration or with " code { "--target HOST" } "."
                }
            } @else if view.wrong.is_empty() {
                p.calm {
                    (parts::shape(TargetState::Up))
                    "Nothing is wrong: all " (format::count(view.snapshot.targets.len()))
                    " targets answer."
                }
            } @else {
                h2 { "Wrong now " small { (format::count(view.wrong.len())) } }
                div.scroll { table.wrong {
                    thead { tr {
                        th { "State" } th { "Host" } th.c-region { "Region" } th.n { "For" }
                        th.n { "Loss " small { "%" } } th.n.c-median { "RTT " small { "ms" } }
                        th.c-cells { "Last 60 probes" } th.c-why { "Why" }
                    } }
                    tbody { @for now in rows { (wrong_row(now, at)) } }
                } }
                @if view.wrong.len() > WRONG_ROWS {
                    p { a href="/targets?sort=state" {
                        "All " (format::count(view.wrong.len())) " that are not up"
                    } }
                }
            }
        }
    }
}

fn wrong_row(now: &TargetNow, at: UnixMs) -> Markup {
    let values = Values::of(now);
    let why = parts::why(now);
    html! {
        tr data-k=(parts::live_key(now)) class={ "st-" (now.state.name()) } {
            td.c-state { (parts::badge(now.state)) }
            th.c-host scope="row" { a href=(parts::link(now)) { (now.target) } }
            td.c-region { (now.target.region) }
            td.n.c-for { (parts::since(now, at)) }
            td.n.c-loss.v-loss data-loss=(format::loss_grade(values.loss_pct)) {
                (format::percent(values.loss_pct))
            }
            td.n.c-median.v-rtt { (format::ms(values.rtt_us)) }
            td.c-cells { (strips::cells_svg(&strips::cells(&now.recent))) }
            td.c-why.none[why.is_empty()] { @if why.is_empty() { (NOTHING) } @else { (why) } }
        }
    }
}

/// Every target, by region in the order of the configuration.
fn regions(view: &View) -> Markup {
    let targets = &view.snapshot.targets;
    let mut order: Vec<&str> = Vec::new();
    let mut groups: BTreeMap<&str, Vec<&TargetNow>> = BTreeMap::new();
    for now in targets {
        let group = groups.entry(&now.target.region).or_default();
        if group.is_empty() {
            order.push(&now.target.region);
        }
        group.push(now);
    }
    let full = targets.len() <= ROWS_UP_TO;
    html! {
        @for region in order {
            @let group = &groups[region];
            @let up = group.iter().filter(|now| now.state == TargetState::Up).count();
            section.region {
                h2 {
                    (region) " "
                    small { (format::count(up)) " of " (format::count(group.len())) " up" }
                }
                @if full {
                    div.scroll { table.targets.one-region { (parts::plain_head()) tbody {
                        @for now in group { (parts::row(now)) }
                    } } }
                } @else {
                    div.tiles { @for now in group { (parts::tile(now)) } }
                }
            }
        }
    }
}
