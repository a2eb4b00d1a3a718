//! The page of WAN links: a row a link, edge by edge, with how good it is for voice, video and transactions.
//! htmx swaps `#list` alone.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::UnixMs;
use model::text::printable;
use model::wan::{LinkState, Quality, Traffic, WanMetric};

use super::{layout, parts, sorry};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::judged::Standing;
use crate::port::links::{LinkNow, LinksNow, OrchestratorNow};
use crate::wan::{PAGE_ROWS, Sifting, quality};

/// Most characters of a name.
const NAME: usize = 80;

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let sifting = match Sifting::parse(&pairs) {
        Ok(sifting) => sifting,
        Err(bad) => return sorry(&app, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let (view, now, at) = (app.present.view(), app.deps.links.links(), app.now());
    let found = sifting.apply(&now);
    let judged = app.judging.view();
    let row = |link: &LinkNow, same_edge: bool| {
        row(link, same_edge, judged.standing(link.subject.series, at).as_ref(), at)
    };
    let pages = found.len().div_ceil(PAGE_ROWS).max(1);
    let page = sifting.page.min(pages);
    let first = (page - 1) * PAGE_ROWS;
    let shown = &found[first..found.len().min(first + PAGE_ROWS)];
    let body = html! {
        h1.sr { "WAN links" }
        (orchestrators(&now, at))
        @if !now.orchestrators.is_empty() { (form(&now, &sifting)) }
        div #list hx-get={ "/links" (sifting.to_query()) } hx-trigger="every 60s" hx-select="#list"
            hx-target="#list" hx-swap="outerHTML"
        {
            @if now.orchestrators.is_empty() {
                p.empty { "No orchestrator is in the configuration: " code { "orchestrators:" } " names those that are asked." }
            } @else if shown.is_empty() {
                p.empty { "No link matches. " a href="/links" { "Show all" } }
            } @else {
                div.scroll { table.links {
                    (head())
                    tbody { @for (place, link) in shown.iter().enumerate() {
                        (row(link, place > 0 && same_edge(&shown[place - 1], link)))
                    } }
                } }
                (pager(&sifting, page, pages, found.len()))
            }
        }
    };
    layout::page(&app, &view, "WAN links", "/links", &body).into_response()
}

fn same_edge(one: &LinkNow, other: &LinkNow) -> bool {
    let (one, other) = (&one.subject, &other.subject);
    one.orchestrator == other.orchestrator
        && one.enterprise == other.enterprise
        && one.edge == other.edge
}

/// How those do who measure the links.
fn orchestrators(now: &LinksNow, at: UnixMs) -> Markup {
    let data = |one: &OrchestratorNow| match (&one.failing, one.until) {
        (Some((why, since)), _) => html! {
            b.badge.st-no_data { "no data" } " for " (format::since(*since, at)) ": " bdi { (printable(why, 300)) }
        },
        (None, Some(until)) => html! { "data up to " (format::since(until, at)) " ago" },
        (None, None) => html! { "not asked yet" },
    };
    html! {
        @for one in &now.orchestrators {
            p.orchestrator {
                b { (printable(&one.name, NAME)) } " " span.muted { (one.product) " at " (printable(&one.at, 120)) } " · "
                (data(one))
                @if one.edges_failing > 0 { " · " b.badge.st-lossy { (edges(one.edges_failing)) " not answered for" } }
                @if one.past_left > 0 { " · the past of " (edges(one.past_left)) " is being fetched" }
            }
        }
    }
}

fn edges(count: usize) -> String {
    format!("{} {}", format::count(count), if count == 1 { "edge" } else { "edges" })
}

fn form(now: &LinksNow, sifting: &Sifting) -> Markup {
    html! {
        form.filter method="get" action="/links" role="search"
            hx-get="/links" hx-target="#list" hx-select="#list" hx-swap="outerHTML"
            hx-push-url="true" hx-trigger="submit, change, input delay:250ms from:find input"
        {
            input type="search" name="text" value=(sifting.text) size="24" autocomplete="off"
                placeholder="edge, link, provider, gateway" aria-label="Part of a name";
            @if now.orchestrators.len() > 1 {
                select name="orchestrator" aria-label="Orchestrator" {
                    option value="" { "every orchestrator" }
                    @for one in &now.orchestrators {
                        option value=(one.name) selected[one.name == sifting.orchestrator] { (one.name) }
                    }
                }
            }
            select name="quality" aria-label="Quality" {
                option value="" { "every quality" }
                @for each in Quality::ALL {
                    option value=(each.as_str()) selected[sifting.quality == Some(each)] { (each.as_str()) }
                }
            }
            select name="for" aria-label="Traffic" {
                option value="" { "for all traffic" }
                @for each in Traffic::ALL {
                    option value=(each.as_str()) selected[sifting.traffic == Some(each)] { "for " (each.as_str()) }
                }
            }
            label { "order by " select name="sort" {
                option value="name" { "name" }
                option value="worst" selected[sifting.worst] { "worst" }
            } }
            button type="submit" { "Show" }
        }
    }
}

fn head() -> Markup {
    html! {
        thead {
            tr {
                th rowspan="2" { "Edge" } th rowspan="2" { "Link" }
                th.c-place rowspan="2" { "Customer, gateway" }
                th colspan="3" { "Good for" }
                th.n colspan="2" { "Latency " small { "ms" } } th.n.c-jitter colspan="2" { "Jitter " small { "ms" } }
                th.n colspan="2" { "Loss " small { "%" } } th.n.c-age rowspan="2" { "Age" }
            }
            tr.under {
                @for traffic in Traffic::ALL { th { abbr title=(traffic.as_str()) { (short(traffic)) } } }
                th.n { "up" } th.n { "down" } th.n.c-jitter { "up" } th.n.c-jitter { "down" }
                th.n { "up" } th.n { "down" }
            }
        }
    }
}

fn unit(metric: WanMetric) -> &'static str {
    if metric.kind() == model::Metric::Loss { "%" } else { "ms" }
}

fn short(traffic: Traffic) -> &'static str {
    match traffic {
        Traffic::Voice => "Voice",
        Traffic::Video => "Video",
        Traffic::Transactional => "Trans.",
    }
}

fn row(link: &LinkNow, same_edge: bool, standing: Option<&Standing>, at: UnixMs) -> Markup {
    let of = &link.subject;
    let show = |text: &str| printable(text, NAME);
    let beside = [of.interface.as_deref(), of.isp.as_deref()];
    let beside: Vec<&str> = beside.into_iter().flatten().filter(|word| *word != of.wan).collect();
    let place = [Some(of.enterprise.as_str()), of.gateway.as_deref()];
    let place: Vec<&str> = place.into_iter().flatten().collect();
    html! {
        tr.first[!same_edge] {
            th.c-edge scope="row" { @if !same_edge { bdi { (show(&of.edge)) } } @else { span.sr { (show(&of.edge)) } } }
            td.c-link {
                a href={ "/links/" (of.series) } { bdi { (show(&of.wan)) } }
                @if !beside.is_empty() { " " small { bdi { (show(&beside.join(", "))) } } }
                (state(link))
                @if let Some(standing) = standing { " " (parts::standing(standing)) }
            }
            td.c-place { bdi { (show(&place.join(", "))) } }
            @for traffic in Traffic::ALL { td data-label=(traffic.as_str()) { (rated(quality(link, Some(traffic)))) } }
            @for metric in WanMetric::ALL {
                td.n.c-jitter[metric.kind() == model::Metric::Jitter] data-label={ (metric.words()) ", " (unit(metric)) } { (value(link, metric)) }
            }
            td.n.c-age data-label="age" { @match link.recent.last() {
                Some(last) => (format::since(last.at, at)),
                None => (NOTHING),
            } }
        }
    }
}

/// How a link is, if it is not simply in use.
pub(super) fn state(link: &LinkNow) -> Markup {
    let (sign, words) = match link.state {
        LinkState::Dead => ("st-down", "dead"),
        LinkState::Standby => ("st-unknown", "standby"),
        LinkState::Disconnected => ("st-unknown", "disconnected"),
        LinkState::Active if link.fresh => return html! {},
        LinkState::Active => ("st-no_data", "no data"),
    };
    html! { " " span.badge.(sign) { (words) } }
}

/// A quality by shape, word and colour.
pub(super) fn rated(quality: Option<Quality>) -> Markup {
    let (sign, shape, word) = match quality {
        Some(Quality::Good) => ("good", "●", "good"),
        Some(Quality::Fair) => ("fair", "▲", "fair"),
        Some(Quality::Critical) => ("critical", "■", "critical"),
        None => ("none", "–", "not known"),
    };
    html! { span.q.{ "q-" (sign) } title=(word) { span aria-hidden="true" { (shape) } span { (word) } } }
}

/// The newest value of a metric; what is old is not shown as if it were new.
pub(super) fn value(link: &LinkNow, metric: WanMetric) -> String {
    let value = link.reading().and_then(|reading| reading.get(metric));
    value.map_or_else(|| NOTHING.to_owned(), number)
}

/// A number of the API with as many digits as people read.
pub(super) fn number(value: f64) -> String {
    let places = match value {
        value if value >= 100.0 => 0,
        value if value >= 10.0 || value == 0.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    if value == 0.0 { "0".to_owned() } else { text }
}

fn pager(sifting: &Sifting, page: usize, pages: usize, found: usize) -> Markup {
    let turn = |possible: bool, to: usize, word: &str| {
        let address = format!("/links{}", sifting.on_page(to).to_query());
        html! { @if possible { a href=(address) { (word) } } @else { span.off { (word) } } }
    };
    html! {
        nav.pager aria-label="Pages of the list" {
            span { (format::count(found)) @if found == 1 { " link" } @else { " links" } }
            @if pages > 1 {
                (turn(page > 1, page - 1, "Previous"))
                span { "page " (page) " of " (pages) }
                (turn(page < pages, page + 1, "Next"))
            }
        }
    }
}
