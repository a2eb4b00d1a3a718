//! The page of one WAN link: how it is, its three metrics over time, mirrored, with the detector's lines, the
//! same numbers as text, and its alerts.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::alert::{LinkSubject, words};
use model::series::Band;
use model::text::printable;
use model::wan::{self, Direction, Traffic, WanMetric};
use model::{Alert, Metric, SeriesId, Subject, UnixMs};
use store::RangeAnswer;

use super::links::{number, rated, state, value};
use super::mirror::{Half, Mirror};
use super::{layout, parts, sorry, when};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::history::{Span, Unavailable};
use crate::port::links::LinkNow;
use crate::time::{self, SPANS};
use crate::wan::quality;

/// Most characters of a name.
const NAME: usize = 120;
/// Points over the width of a chart.
const POINTS: i64 = 400;
/// The grid of orchestrators: no step is narrower.
const STEP: Duration = Duration::from_mins(5);
/// Rows of the table of numbers.
const ROWS: usize = 24;

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let now = app.deps.links.links();
    let found = SeriesId::from_hex(&id)
        .and_then(|id| now.links.iter().find(|link| link.subject.series == id));
    let Some(link) = found else {
        return sorry(&app, StatusCode::NOT_FOUND, "No WAN link has this address now.");
    };
    let at = app.now();
    let span = match time::span(&pairs, at) {
        Ok(span) => span,
        Err(bad) => return sorry(&app, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let key = Subject::Link((*link.subject).clone()).key();
    let (past, alerts) =
        (past(&app, &link.subject, span).await, app.history.alerts_in(key, span).await);
    let view = app.present.view();
    let body = html! {
        (head(&app, link, at))
        (spans(&link.subject, &pairs))
        @match &past {
            Ok(halves) => (charts(&link.subject, halves, span, alerts.as_deref().unwrap_or_default(), at)),
            Err(error) => p.empty { (error) },
        }
        div.columns.wide {
            section.numbers { h2 { "Numbers" } @if let Ok(halves) = &past { (numbers(halves)) } }
            div {
                (facts(&app, link))
                section #past-alerts { h2 { "Alerts" } @match &alerts {
                    Ok(alerts) => (list_of(alerts, at)),
                    Err(error) => p.empty { (error) },
                } }
            }
        }
    };
    let title = printable(&link.subject.to_string(), NAME);
    layout::page(&app, &view, &title, "/links", &body).into_response()
}

fn head(app: &App, link: &LinkNow, at: UnixMs) -> Markup {
    let of = &link.subject;
    let standing = app.judging.view().standing(of.series, at);
    let of_kind = |kind: Metric| {
        Direction::ALL
            .map(|way| value(link, WanMetric::of(kind, way).expect("links have this kind")))
    };
    html! {
        header.target {
            div.who {
                h1 { bdi { (printable(&of.edge, NAME)) } " " bdi { (printable(&of.wan, NAME)) } }
                p {
                    @for traffic in Traffic::ALL {
                        span.for { (traffic.as_str()) " " (rated(quality(link, Some(traffic)))) } " "
                    }
                    (state(link))
                }
                @if let Some(standing) = &standing { p { (parts::standing(standing)) } }
                p.muted { @match link.recent.last() {
                    Some(last) => { "measured " (format::since(last.at, at)) " ago" },
                    None => "nothing was measured yet",
                } }
            }
            dl.big {
                @for (kind, name, unit) in [(Metric::Rtt, "Latency", "ms"), (Metric::Jitter, "Jitter", "ms"), (Metric::Loss, "Loss", "%")] {
                    @let [up, down] = of_kind(kind);
                    div { dt { (name) " up, down" } dd { b { (up) } " · " b { (down) } " " (unit) } }
                }
            }
        }
    }
}

fn spans(of: &LinkSubject, pairs: &[(String, String)]) -> Markup {
    let chosen = pairs.iter().find(|(name, _)| name == "span").map(|(_, value)| value.as_str());
    html! {
        nav.spans aria-label="Span" {
            @for (name, words, _) in SPANS {
                @let here = chosen.unwrap_or(SPANS[1].0) == name;
                a href={ "/links/" (of.series) "?span=" (name) } aria-current=[here.then_some("true")] { (words) }
                " "
            }
        }
    }
}

/// The past of the six metrics, in the order of [`WanMetric::ALL`], in milliseconds or percent.
async fn past(app: &App, of: &LinkSubject, span: Span) -> Result<Vec<Half>, Unavailable> {
    let step = span.step_for(POINTS).max(STEP);
    let ids: Vec<SeriesId> = WanMetric::ALL
        .into_iter()
        .flat_map(|metric| {
            let series = wan::series(&of.orchestrator, &of.id, metric);
            [series.id(), series.band(Band::Usual).id(), series.band(Band::Limit).id()]
        })
        .collect();
    let answers = app.history.range(ids, span.aligned(step), Some(step)).await?;
    let mut lines = answers.into_iter().enumerate().map(|(place, answer)| {
        let metric = WanMetric::ALL[place / 3];
        match answer {
            RangeAnswer::Samples(samples) => {
                samples.into_iter().map(|(at, value)| (at, metric.read(value))).collect()
            }
            RangeAnswer::Buckets(buckets) => {
                buckets.into_iter().map(|bucket| (bucket.at, metric.read(bucket.mean))).collect()
            }
        }
    });
    let mut line = || lines.next().unwrap_or_default();
    let half = |_| Half { values: line(), usual: line(), limit: line() };
    Ok(WanMetric::ALL.into_iter().map(half).collect())
}

/// The charts around an alert of a link.
pub(super) async fn around(app: &App, of: &LinkSubject, alert: &Alert, span: Span) -> Markup {
    match past(app, of, span).await {
        Ok(halves) => charts(of, &halves, span, std::slice::from_ref(alert), app.now()),
        Err(error) => html! { p.empty { (error) } },
    }
}

fn charts(of: &LinkSubject, halves: &[Half], span: Span, alerts: &[Alert], at: UnixMs) -> Markup {
    let reach = span.step_for(POINTS).max(STEP).as_millis() as i64 * 5 / 2;
    let wrong = |kind: Metric| -> Vec<(UnixMs, UnixMs)> {
        let findings = alerts.iter().flat_map(|alert| &alert.findings);
        let own =
            findings.filter(|found| found.metric == kind && of.metric(found.series).is_some());
        own.map(|found| (found.since, found.ended.unwrap_or(at))).collect()
    };
    html! {
        @for (kind, title) in [(Metric::Rtt, "Latency, ms"), (Metric::Jitter, "Jitter, ms"), (Metric::Loss, "Loss, %")] {
            @let pair = Direction::ALL.map(|way| &halves[WanMetric::of(kind, way).expect("links have this kind").index()]);
            (Mirror { title, halves: pair, span, reach, wrong: &wrong(kind) }.markup())
        }
        p.times { @for fifth in 0..=4 { (when::stamp(UnixMs(span.from.0.saturating_add(span.millis() / 4 * fifth)))) } }
        p.keys {
            span.key.level { "upload" } span.key.level.down { "download" } span.key.usual { "usual" } span.key.limit { "limit" } span.key.alerted { "alert" }
            span { "times in " (when::zone()) }
        }
    }
}

/// The newest values of the span, as text.
fn numbers(halves: &[Half]) -> Markup {
    let mut times: Vec<UnixMs> =
        halves.iter().flat_map(|half| half.values.iter().map(|(at, _)| *at)).collect();
    times.sort_unstable();
    times.dedup();
    let shown = |half: &Half, at: UnixMs| {
        let place = half.values.binary_search_by_key(&at, |(at, _)| *at).ok();
        place.map_or_else(|| NOTHING.to_owned(), |place| number(half.values[place].1))
    };
    html! {
        @if times.is_empty() { p.empty { "Nothing was measured in this span." } } @else {
            div.scroll { table {
                thead { tr {
                    th { "At " (when::zone()) }
                    @for metric in WanMetric::ALL { th.n { (metric.words()) } }
                } }
                tbody { @for at in times.iter().rev().take(ROWS) { tr {
                    th scope="row" { (when::stamp(*at)) }
                    @for half in halves { td.n { (shown(half, *at)) } }
                } } }
            } }
        }
    }
}

fn facts(app: &App, link: &LinkNow) -> Markup {
    let of = &link.subject;
    let usual = |metric: WanMetric| {
        let series = wan::series(&of.orchestrator, &of.id, metric).id();
        let judged = app.deps.alerts.judgement(series)?;
        if judged.standing == model::Standing::Learning {
            return Some("is being learned".to_owned());
        }
        let known = |value: f32| value.is_finite().then(|| words::value(metric.kind(), value));
        match (known(judged.usual), known(judged.limit)) {
            (Some(usual), Some(limit)) => Some(format!("{usual}, too high above {limit}")),
            (Some(usual), None) => Some(usual),
            (None, limit) => limit.map(|limit| format!("too high above {limit}")),
        }
    };
    html! {
        section { h2 { "Facts" } dl {
            @for (name, value) in of.labels() {
                dt { (words::label(name)) } dd { bdi { (printable(value, NAME)) } }
            }
            dt { "State" } dd { (link.state.as_str()) }
            @for metric in WanMetric::ALL { @if let Some(usual) = usual(metric) {
                dt { "Usual " (metric.words()) } dd { (usual) }
            } }
        } }
    }
}

fn list_of(alerts: &[Alert], at: UnixMs) -> Markup {
    html! {
        @if alerts.is_empty() { p.empty { "None in this span." } } @else {
            ul.plain { @for alert in alerts { li {
                a href={ "/alerts/" (alert.id) } { "#" (alert.id) } " " bdi { (words::headline(alert)) } " "
                span.muted { (words::moment(alert.since, at)) }
            } } }
        }
    }
}
