//! The page of one target: how it is and its facts, then its past; also of one that left the
//! configuration, of which only the past is known.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::alert::words;
use model::{Judgement, Metric, SeriesId, TargetNow, TargetState, UnixMs};

use super::chart::Subject;
use super::{layout, parts, past, sorry, when};
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::judged::Standing;
use crate::present::{Values, View};
use crate::{strips, time};

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let view = app.present.view();
    let Some(id) = SeriesId::from_hex(&id) else { return unheard_of(&app) };
    let Some(now) = view.find(id) else { return left(&app, &view, id, &pairs).await };
    let span = match time::span(&pairs, app.now()) {
        Ok(span) => span,
        Err(bad) => return sorry(&app, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let body = html! {
        (head(now, app.now(), app.judging.view().standing(now.series.rtt, app.now()).as_ref()))
        (past::story(&app, &Subject::of(now), &pairs, span, &facts(&app, now)).await)
    };
    layout::page(&app, &view, &now.target.to_string(), "/targets", &body).into_response()
}

fn unheard_of(app: &App) -> Response {
    sorry(app, StatusCode::NOT_FOUND, "No target has this address, now or in the store.")
}

/// The page of a target that left the configuration: what the store has of it. Spans end where its
/// samples do.
async fn left(app: &App, view: &View, id: SeriesId, pairs: &[(String, String)]) -> Response {
    let (labels, last) = match app.history.known(id).await {
        Ok(Some(known)) => known,
        Ok(None) => return unheard_of(app),
        Err(error) => return sorry(app, StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    };
    let end = last.map_or_else(|| app.now(), |last| last + Duration::from_secs(1));
    let span = match time::span(pairs, end) {
        Ok(span) => span,
        Err(bad) => return sorry(app, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let label = |name| labels.get(name).unwrap_or(NOTHING);
    let facts = html! {
        section {
            h2 { "Facts" }
            dl {
                dt { "Region" } dd { (label("region")) }
                dt { "Protocol" } dd { (label("protocol")) " over IPv" (label("family")) }
                dt { "Last sample" }
                dd { @match last { Some(at) => { (when::moment(at)) } None => (NOTHING) } }
            }
        }
    };
    let title = match (label("host"), label("protocol").strip_prefix("tcp:")) {
        (host, None) => host.to_owned(),
        (host, Some(port)) if host.contains(':') => format!("[{host}]:{port}"),
        (host, Some(port)) => format!("{host}:{port}"),
    };
    let body = html! {
        header.target { div.who {
            h1 { (title) }
            p.left role="note" {
                (parts::shape(TargetState::NoData))
                "It is not probed any more: it left the configuration. This is what the store has of it."
            }
        } }
        (past::story(app, &Subject::left(&labels), pairs, span, &facts).await)
    };
    layout::page(app, view, &title, "/targets", &body).into_response()
}

fn head(now: &TargetNow, at: UnixMs, standing: Option<&Standing>) -> Markup {
    let values = Values::of(now);
    let why = parts::why(now);
    html! {
        header.target.{ "st-" (now.state.name()) } data-k=(parts::live_key(now)) {
            div.who {
                h1 { (now.target) }
                p { (parts::badge(now)) " for " (parts::since(now, at)) " · " (meaning(now.state)) }
                @if let Some(standing) = standing { p { (parts::standing(standing)) } }
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
        TargetState::NoData => {
            "no probe was reported for three intervals, or none was answered yet"
        }
    }
}

/// What is usual of a metric at this hour, in words.
fn usual(metric: Metric, judgement: &Judgement) -> String {
    if judgement.standing == model::Standing::Learning {
        return "not known yet: it is being learned".to_owned();
    }
    let known = |value: f32| value.is_finite().then(|| words::value(metric, value));
    let usual = known(judgement.usual).unwrap_or_else(|| NOTHING.to_owned());
    match (known(judgement.varies), known(judgement.limit)) {
        (Some(varies), Some(limit)) => format!("{usual} ±{varies}, too high above {limit}"),
        (None, Some(limit)) => format!("{usual}, too high above {limit}"),
        _ => usual,
    }
}

fn facts(app: &App, now: &TargetNow) -> Markup {
    let target = &now.target;
    let judged =
        Metric::ALL.map(|metric| (metric, app.deps.alerts.judgement(now.series.get(metric))));
    html! {
        section {
            h2 { "Facts" }
            dl {
                dt { "Region" } dd { (target.region) }
                dt { "Address" } dd { @match now.address { Some(ip) => (ip), None => (NOTHING) } }
                dt { "Protocol" } dd { (target.protocol) " over IPv" (target.family.as_str()) }
                dt { "Asked by" } dd { (now.method.map_or(NOTHING, model::Method::as_str)) }
                dt { "Interval" } dd { (format::setting(target.interval)) }
                dt { "Timeout" } dd { (format::setting(target.timeout)) }
                dt { "DSCP" } dd { (target.packet.dscp) }
                @for (metric, judgement) in judged {
                    @if let Some(judgement) = judgement {
                        dt { "Usual " (if metric == Metric::Rtt { "RTT" } else { metric.as_str() }) } dd { (usual(metric, &judgement)) }
                    }
                }
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
