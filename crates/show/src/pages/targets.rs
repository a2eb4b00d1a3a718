//! The Targets page: dense rows, filter, order, Top-N, a hundred rows a page. htmx swaps `#list` alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::{TargetNow, TargetState};

use super::{layout, parts, sorry};
use crate::app::App;
use crate::format;
use crate::present::View;
use crate::select::{Page, Select, Sort};

/// The Top-N offered.
const TOPS: [(Sort, &str); 3] =
    [(Sort::Loss, "loss"), (Sort::Median, "median"), (Sort::Jitter, "jitter")];
const TOP: usize = 20;

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let select = match Select::parse(&pairs) {
        Ok(select) => select,
        Err(bad) => return sorry(&app, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let view = app.present.view();
    let page = select.apply(&view);
    let (judged, at) = (app.judging.view(), app.now());
    let row = |now: &TargetNow| parts::row(now, judged.standing(now.series.rtt, at).as_ref());
    let body = html! {
        h1.sr { "Targets" }
        (form(&view, &select))
        (list(&select, &page, row))
    };
    layout::page(&app, &view, "Targets", "/targets", &body).into_response()
}

fn form(view: &View, select: &Select) -> Markup {
    let targets = &view.snapshot.targets;
    let regions: BTreeSet<&str> = targets.iter().map(|now| now.target.region.as_str()).collect();
    let state = match select.states.as_slice() {
        [state] => Some(*state),
        _ => None,
    };
    html! {
        form.filter method="get" action="/targets" role="search"
            hx-get="/targets" hx-target="#list" hx-select="#list" hx-swap="outerHTML"
            hx-push-url="true" hx-trigger="submit, change, input delay:250ms from:find input"
        {
            input type="search" name="host" value=(select.host) size="22" autocomplete="off"
                placeholder="host or address" aria-label="Host or address";
            select name="region" aria-label="Region" {
                option value="" { "every region" }
                @for region in regions {
                    option value=(region) selected[region == select.region] { (region) }
                }
            }
            input type="text" name="tag" value=(select.tag) size="14" autocomplete="off"
                placeholder="tag=value" aria-label="Tag";
            select name="state" aria-label="State" {
                option value="" {
                    @if select.states.len() > 1 { "several states" } @else { "every state" }
                }
                @for each in TargetState::ALL {
                    option value=(each.name()) selected[state == Some(each)] { (each.as_str()) }
                }
            }
            label { "order by " select name="sort" {
                @for sort in Sort::ALL {
                    option value=(sort.as_str()) selected[sort == select.sort] { (sort.as_str()) }
                }
            } }
            button type="submit" { "Show" }
            span.tops { "Top " (TOP) " by"
                @for (sort, name) in TOPS {
                    @let top = Select { sort, top: Some(TOP), ..Select::default() };
                    " " a href={ "/targets" (top.to_query()) }
                        aria-current=[(select.sort == sort && select.top.is_some()).then_some("true")]
                        { (name) }
                }
                " " a href="/availability" { "availability" }
            }
        }
    }
}

fn list(select: &Select, page: &Page, row: impl Fn(&TargetNow) -> Markup) -> Markup {
    html! {
        div #list {
            @if page.rows.is_empty() {
                p.empty { "No target matches. " a href="/targets" { "Show all" } }
            } @else {
                div.scroll { table.targets {
                    thead { tr {
                        (head(select, Sort::State, "", &html! { "State" }))
                        (head(select, Sort::Host, "", &html! { "Host" }))
                        (head(select, Sort::Region, "c-region", &html! { "Region" }))
                        th.c-proto { "Protocol" } th.c-addr { "Address" }
                        (head(select, Sort::Rtt, "n", &html! { "RTT " small { "ms" } }))
                        (head(select, Sort::Median, "n c-median", &html! { "Median" }))
                        (head(select, Sort::Jitter, "n", &html! { "Jitter" }))
                        (head(select, Sort::Loss, "n", &html! { "Loss " small { "%" } }))
                        th.c-spark { "RTT of the last 60" }
                        th.c-cells { "Last 60 probes" }
                    } }
                    tbody { @for now in &page.rows { (row(now)) } }
                } }
            }
            (pager(select, page))
        }
    }
}

fn head(select: &Select, sort: Sort, class: &str, words: &Markup) -> Markup {
    let direction = match (select.sort == sort, select.reverse) {
        (false, _) => None,
        (true, false) => Some("descending"),
        (true, true) => Some("ascending"),
    };
    html! {
        th class=(class) aria-sort=[direction] {
            a href={ "/targets" (select.sorted(sort).to_query()) } { (words) }
        }
    }
}

fn pager(select: &Select, page: &Page) -> Markup {
    let first = (page.page - 1) * select.limit;
    html! {
        nav.pager aria-label="Pages of the list" {
            span {
                @if page.rows.is_empty() { "0" } @else {
                    (format::count(first + 1)) "–" (format::count(first + page.rows.len()))
                }
                " of " (format::count(page.matching))
            }
            @if page.pages > 1 {
                (turn(select, page.page > 1, 1, "First"))
                (turn(select, page.page > 1, page.page.saturating_sub(1), "Previous"))
                span { "page " (page.page) " of " (page.pages) }
                (turn(select, page.page < page.pages, page.page + 1, "Next"))
                (turn(select, page.page < page.pages, page.pages, "Last"))
            }
        }
    }
}

fn turn(select: &Select, possible: bool, to: usize, word: &str) -> Markup {
    let address = format!("/targets{}", select.on_page(to).to_query());
    html! {
        @if possible {
            a href=(address) hx-get=(address) hx-target="#list" hx-select="#list" hx-swap="outerHTML show:top"
                hx-push-url="true" { (word) }
        } @else { span.off { (word) } }
    }
}
