//! The front page: what is wrong first, then every target by region, with live numbers.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::{TargetNow, TargetState, UnixMs};
use serde::Deserialize;

use super::{layout, mending, parts, signs};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::judged::Judged;
use crate::present::{Values, View};
use crate::strips;

/// Up to so many targets get a full row each; more get a tile each.
const ROWS_UP_TO: usize = 120;
/// So many tiles stand together, so that a browser can leave out those that are not in view.
const BLOCK: usize = 200;
/// The first tiles have all their elements: they are what is seen first.
const NEAR: usize = 2 * BLOCK;
/// So many of the wrong ones are listed; the rest is a link.
const WRONG_ROWS: usize = 40;
/// So many alerts are listed, those that others speak for not counted; the rest is a link.
const ALERTS: usize = 12;

#[derive(Deserialize)]
pub(super) struct Params {
    /// `wrong`, `firing` and `waiting` ask for that section alone.
    part: Option<String>,
}

pub(super) async fn page(State(app): State<Arc<App>>, Query(params): Query<Params>) -> Response {
    let view = app.present.view();
    if params.part.as_deref() == Some("wrong") {
        return wrong(&app, &view).into_response();
    }
    let judged = app.judging.view();
    if params.part.as_deref() == Some("waiting") {
        return waiting(&app).await.into_response();
    }
    if params.part.as_deref() == Some("firing") {
        return signs::firing(&app, &judged, ALERTS).into_response();
    }
    let (head, foot) = layout::halves(&app, &view, "Now", "/");
    let top = html! {
        h1.sr { "Now" }
        (parts::warnings(&app))
        (waiting(&app).await)
        (signs::firing(&app, &judged, ALERTS))
        (wrong(&app, &view))
    };
    let first = head + &top.into_string();
    // Rendered as it is sent: the browser paints the first regions while the others are on their way.
    let at = app.now();
    let rest = blocks(&view)
        .into_iter()
        .map(move |block| self::block(&view, &judged, at, &block).into_string());
    let pieces = std::iter::once(first).chain(rest).chain(std::iter::once(foot));
    let body = Body::from_stream(tokio_stream::iter(pieces.map(Ok::<_, Infallible>)));
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
}

/// What waits for a person, and whether repairs are stopped.
async fn waiting(app: &App) -> Markup {
    let waiting = app.history.waiting().await;
    let mark = app.newest_event().await;
    mending::waiting(app, &app.deps.mending.present(), &waiting, &mark)
}

/// Everything that is not up. The live script fetches this section again when `data-mark` changed.
fn wrong(app: &App, view: &View) -> Markup {
    let (judged, at) = (app.judging.view(), app.now());
    let rows = view.wrong.iter().take(WRONG_ROWS).map(|place| &view.snapshot.targets[*place]);
    html! {
        section #wrong data-mark=(judged.wrong_mark(view)) {
            @if view.snapshot.targets.is_empty() {
                p.empty {
                    "No targets yet: name some in the configuration or with " code { "--target HOST" } "."
                }
            } @else if view.wrong.is_empty() {
                p.calm {
                    (parts::shape(TargetState::Up))
                    @if judged.calling == 0 { "Nothing is wrong: all " } @else { "All " }
                    (format::count(view.snapshot.targets.len()))
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
                    tbody { @for now in rows { (wrong_row(now, &judged, at)) } }
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

fn wrong_row(now: &TargetNow, judged: &Judged, at: UnixMs) -> Markup {
    let values = Values::of(now);
    let why = parts::why(now);
    let standing = judged.standing(now.series.rtt, at);
    html! {
        tr data-k=(parts::live_key(now)) class={ "st-" (now.state.name()) } {
            td.c-state { (parts::badge(now)) }
            th.c-host scope="row" {
                a href=(parts::link(now)) { (now.target) }
            }
            td.c-region { (now.target.region) }
            td.n.c-for { (parts::since(now, at)) }
            td.n.c-loss.v-loss data-loss=(format::loss_grade(values.loss_pct)) {
                (format::percent(values.loss_pct))
            }
            td.n.c-median.v-rtt { (format::ms(values.rtt_us)) }
            td.c-cells { (strips::cells_svg(&strips::cells(&now.recent))) }
            td.c-why.none[why.is_empty() && standing.is_none()] {
                @if let Some(standing) = &standing { (parts::standing(standing)) " " }
                @if !why.is_empty() { (why) } @else if standing.is_none() { (NOTHING) }
            }
        }
    }
}

/// Some targets of one region.
struct Block {
    region: String,
    /// How many of the region are up and how many there are, before the first of them.
    head: Option<(usize, usize)>,
    /// Positions of the targets.
    places: Vec<usize>,
    /// Whether they are far down the page.
    is_far: bool,
}

/// Every target, by region in the order of the configuration.
fn blocks(view: &View) -> Vec<Block> {
    let targets = &view.snapshot.targets;
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (place, now) in targets.iter().enumerate() {
        let group = *known.entry(&now.target.region).or_insert_with(|| {
            groups.push((now.target.region.as_str(), Vec::new()));
            groups.len() - 1
        });
        groups[group].1.push(place);
    }
    let mut blocks = Vec::new();
    let mut before = 0;
    for (region, places) in groups {
        let up = places.iter().filter(|place| targets[**place].state == TargetState::Up).count();
        let mut head = Some((up, places.len()));
        for some in places.chunks(BLOCK) {
            let (region, places) = (region.to_owned(), some.to_vec());
            blocks.push(Block { region, head: head.take(), is_far: before >= NEAR, places });
            before += some.len();
        }
    }
    blocks
}

fn block(view: &View, judged: &Judged, at: UnixMs, block: &Block) -> Markup {
    let targets = &view.snapshot.targets;
    let group = || block.places.iter().map(|place| &*targets[*place]);
    let standing = |now: &TargetNow| judged.standing(now.series.rtt, at);
    html! {
        section.region {
            @if let Some((up, all)) = block.head {
                h2 { (block.region) " " small { (format::count(up)) " of " (format::count(all)) " up" } }
            }
            @if targets.len() <= ROWS_UP_TO {
                div.scroll { table.targets.one-region { (parts::plain_head()) tbody {
                    @for now in group() { (parts::row(now, standing(now).as_ref())) }
                } } }
            } @else {
                div.tiles { @for now in group() {
                    (parts::tile(now, standing(now).as_ref(), block.is_far))
                } }
            }
        }
    }
}
