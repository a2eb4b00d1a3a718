//! The page of one target: facts, smoke graph, loss strip, marks, and the same numbers as text.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::{Metric, SeriesId, TargetNow, TargetState, UnixMs};
use store::{Bucket, Mark, RangeAnswer};

use super::{layout, parts, sorry};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::history::{Span, Unavailable};
use crate::present::Values;
use crate::time::{self, SPANS};
use crate::{assets, strips};

/// Rows of the table of numbers.
const TABLE_ROWS: i64 = 24;

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let view = app.present.view();
    let Some(now) = SeriesId::from_hex(&id).and_then(|id| view.find(id)) else {
        let text = "No target has this address. It may have left the configuration.";
        return sorry(&app, StatusCode::NOT_FOUND, text);
    };
    let span = match time::span(&pairs, app.now()) {
        Ok(span) => span,
        Err(bad) => return sorry(&app, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let past = past(&app, now, span).await;
    let body = html! {
        (head(now, app.now()))
        (spans(now, &pairs, span))
        (chart(now, span, follows(&pairs)))
        div.columns.wide {
            section.numbers { h2 { "Numbers" } @match &past {
                Ok((rows, _)) => (numbers(rows)),
                Err(error) => p.empty { (error) },
            } }
            div {
                (facts(now))
                section { h2 { "Marks" } @match &past {
                    Ok((_, marks)) => (list_of_marks(marks)),
                    Err(error) => p.empty { (error) },
                } }
            }
        }
        script defer src=(assets::url("uPlot.iife.min.js")) {}
        script defer src=(assets::url("chart.js")) {}
    };
    layout::page(&app, &view, &now.target.to_string(), "/targets", &body).into_response()
}

/// A row of the table: one bucket of all three metrics.
struct Row {
    at: UnixMs,
    rtt: Option<Bucket>,
    jitter: Option<Bucket>,
    loss: Option<Bucket>,
}

async fn past(
    app: &App,
    now: &TargetNow,
    span: Span,
) -> Result<(Vec<Row>, Vec<Mark>), Unavailable> {
    let step = span.step_for(TABLE_ROWS + 1);
    let series = Metric::ALL.map(|metric| now.series.get(metric)).to_vec();
    let answers = app.history.range(series, span.aligned(step), Some(step)).await?;
    let marks = app.history.marks(Some(now.target.host.clone()), span).await?;
    let mut rows = std::collections::BTreeMap::new();
    for (metric, answer) in Metric::ALL.into_iter().zip(answers) {
        let RangeAnswer::Buckets(buckets) = answer else { continue };
        for bucket in buckets {
            let empty = Row { at: bucket.at, rtt: None, jitter: None, loss: None };
            let row = rows.entry(bucket.at).or_insert(empty);
            match metric {
                Metric::Rtt => row.rtt = Some(bucket),
                Metric::Jitter => row.jitter = Some(bucket),
                Metric::Loss => row.loss = Some(bucket),
            }
        }
    }
    Ok((rows.into_values().rev().collect(), marks))
}

fn head(now: &TargetNow, at: UnixMs) -> Markup {
    let values = Values::of(now);
    let why = parts::why(now);
    html! {
        header.target.{ "st-" (now.state.name()) } data-k=(parts::live_key(now)) {
            div.who {
                h1 { (now.target) }
                p { (parts::badge(now.state)) " for " (parts::since(now, at)) " · " (meaning(now.state)) }
                @if !why.is_empty() { p.why { (why) } }
            }
            dl.big {
                div { dt { "RTT" } dd { b.v-rtt { (format::ms(values.rtt_us)) } " ms" } }
                div { dt { "Median" } dd { b.v-median { (format::ms(values.median_us)) } " ms" } }
                div { dt { "Jitter" } dd { b.v-jitter { (format::ms(values.jitter_us)) } " ms" } }
                div { dt { "Loss" } dd {
                    b.v-loss data-loss=(format::loss_grade(values.loss_pct)) { (format::percent(values.loss_pct)) } " %"
                } }
            }
            div.strips {
                (strips::spark_svg(&strips::levels(&now.recent)))
                (strips::cells_svg(&strips::cells(&now.recent)))
            }
        }
    }
}

/// What a state means, one sentence.
fn meaning(state: TargetState) -> &'static str {
    match state {
        TargetState::Up => "it answers",
        TargetState::Lossy => "two or more of the last 60 probes were lost",
        TargetState::Down => "the latest three probes and more were lost",
        TargetState::NeverAnswered => {
            "it has never answered since netmend started: it may not answer probes at all"
        }
        TargetState::Unresolved => "the resolver does not know the name, so nothing is sent",
        TargetState::Unknown => "netmend's own drops or refusals hide what it does",
        TargetState::NoData => "no probe was reported for three intervals",
    }
}

/// The span's name if the charts end now and go on with time; none if they are zoomed.
fn follows(pairs: &[(String, String)]) -> Option<&str> {
    let get = |name: &str| {
        let pair = pairs.iter().find(|(known, value)| known == name && !value.trim().is_empty());
        pair.map(|(_, value)| value.as_str())
    };
    let fixed = get("from").or(get("until")).is_some();
    (!fixed).then(|| get("span").unwrap_or(SPANS[0].0))
}

fn spans(now: &TargetNow, pairs: &[(String, String)], span: Span) -> Markup {
    let follows = follows(pairs);
    let half = span.millis() / 2;
    let moved = |from: i64, until: i64| {
        let (from, until) = (span.from.0.saturating_add(from), span.until.0.saturating_add(until));
        format!("{}?from={from}&until={until}", parts::link(now))
    };
    html! {
        nav.spans aria-label="Span of the charts" {
            @for (name, words, _) in SPANS {
                a href={ (parts::link(now)) "?span=" (name) }
                    aria-current=[(follows == Some(name)).then_some("true")] { (words) }
            }
            a href=(moved(-half, -half)) rel="prev" { "← earlier" }
            a href=(moved(half, half)) rel="next" { "later →" }
            a href=(moved(-half, half)) { "zoom out" }
            span #shown { (format::time(span.from)) " to " (format::time(span.until)) " UTC" }
            span.hint { "drag to zoom, double-click to go back" }
        }
    }
}

fn chart(now: &TargetNow, span: Span, follows: Option<&str>) -> Markup {
    html! {
        figure #chart data-target=(now.series.rtt) data-from=(span.from.0) data-until=(span.until.0)
            data-span=[follows] aria-label="RTT and loss over time; the same numbers stand in the table below"
        {
            div #smoke {} div #loss {} div #legend {}
            figcaption {
                span.key.k0 { "no loss" } span.key.k1 { "up to 5 %" } span.key.k2 { "up to 20 %" }
                span.key.k3 { "up to 50 %" } span.key.k4 { "more" }
                span.key.band1 { "10 to 90 %" } span.key.band2 { "min to max" }
                span #chart-note role="status" {}
            }
            noscript { p.empty { "The charts need JavaScript; the numbers below do not." } }
        }
    }
}

fn facts(now: &TargetNow) -> Markup {
    let target = &now.target;
    html! {
        section {
            h2 { "Facts" }
            dl {
                dt { "Region" } dd { (target.region) }
                dt { "Address" } dd { @match now.address { Some(ip) => (ip), None => (NOTHING) } }
                dt { "Protocol" } dd { (target.protocol) " over IPv" (target.family.as_str()) }
                dt { "Asked by" } dd { (now.method.map_or(NOTHING, model::Method::as_str)) }
                dt { "Interval" } dd { (format::span(target.interval)) }
                dt { "Timeout" } dd { (format::span(target.timeout)) }
                dt { "DSCP" } dd { (target.packet.dscp) }
                @if let Some(note) = &now.note { dt { "Note" } dd { (note) } }
                @if let Some(parent) = &target.parent { dt { "Behind" } dd { (parent) } }
                @for (name, value) in &target.tags { dt { (name) } dd { (value) } }
                dt { "Since the start" }
                dd {
                    (now.counts.sent) " sent, " (now.counts.received) " answered, "
                    (now.counts.lost) " lost, " (now.counts.late) " late, "
                    (now.counts.duplicates) " duplicate, " (now.counts.unknown) " unknown, "
                    (now.counts.unsent) " unsent"
                }
            }
        }
    }
}

fn numbers(rows: &[Row]) -> Markup {
    let us = |bucket: Option<Bucket>, of: fn(&Bucket) -> f64| {
        format::ms(bucket.map(|bucket| of(&bucket) as f32))
    };
    html! {
        @if rows.is_empty() { p.empty { "Nothing is stored of this span." } } @else {
            div.scroll { table.buckets {
                thead { tr {
                    th { "From " small { "UTC" } } th.n { "Probes" } th.n { "Loss " small { "%" } }
                    th.n { "Min " small { "ms" } } th.n { "10 %" } th.n { "Median" } th.n { "90 %" }
                    th.n { "Max" } th.n { "Jitter" }
                } }
                tbody { @for row in rows {
                    @let loss = row.loss.map(|loss| loss.mean as f32);
                    tr {
                        th scope="row" { (format::time(row.at)) }
                        td.n { (row.loss.map_or(0, |loss| loss.count.get())) }
                        td.n.v-loss data-loss=(format::loss_grade(loss)) { (format::percent(loss)) }
                        td.n { (us(row.rtt, |rtt| rtt.min)) }
                        td.n { (us(row.rtt, |rtt| rtt.p10)) }
                        td.n { b { (us(row.rtt, |rtt| rtt.p50)) } }
                        td.n { (us(row.rtt, |rtt| rtt.p90)) }
                        td.n { (us(row.rtt, |rtt| rtt.max)) }
                        td.n { (us(row.jitter, |jitter| jitter.mean)) }
                    }
                } }
            } }
        }
    }
}

fn list_of_marks(marks: &[Mark]) -> Markup {
    html! {
        @if marks.is_empty() { p.empty { "None in this span." } } @else {
            ul.marks { @for mark in marks {
                li { time { (format::time(mark.at)) } " " b { (mark.kind) } " " (mark.text) }
            } }
        }
    }
}

/// Spans that the page offers start with the shortest.
const _: () = assert!(SPANS[0].2.as_secs() < SPANS[1].2.as_secs());
