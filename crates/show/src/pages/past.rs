//! What the page of a target shows of its past: the spans to choose from, smoke graph, loss strip, marks,
//! and the same numbers as text. It must not need the target to be there still.

use maud::{Markup, html};
use model::{Alert, Metric, UnixMs};
use store::{Bucket, Mark, RangeAnswer};

use super::chart::{Figure, Subject};
use super::{signs, when};
use crate::app::App;
use crate::format;
use crate::history::{Span, Unavailable};
use crate::time::SPANS;

/// Rows of the table of numbers.
const TABLE_ROWS: i64 = 24;

/// Everything of a span: what to choose from, charts, numbers, marks, with `facts` beside them. A store that
/// cannot answer is said where the answer would stand.
pub(super) async fn story(
    app: &App,
    subject: &Subject,
    pairs: &[(String, String)],
    span: Span,
    facts: &Markup,
) -> Markup {
    let past = past(app, subject, span).await;
    let alerts =
        app.history.alerts_in(model::Subject::key_of_target(subject.series.rtt), span).await;
    html! {
        (spans(subject, pairs, span))
        (Figure {
            subject,
            metric: metric(pairs),
            span,
            follows: follows(pairs).filter(|_| subject.is_present()),
            open_end: false,
            alert: None,
        }.markup())
        div.columns.wide {
            section.numbers { h2 { "Numbers" } @match &past {
                Ok((rows, _)) => (numbers(rows)),
                Err(error) => p.empty { (error) },
            } }
            div {
                (facts)
                section #past-alerts { h2 { "Alerts" } @match &alerts {
                    Ok(alerts) => (list_of_alerts(alerts, app.now())),
                    Err(error) => p.empty { (error) },
                } }
                section { h2 { "Marks" } @match &past {
                    Ok((_, marks)) => (list_of_marks(marks)),
                    Err(error) => p.empty { (error) },
                } }
            }
        }
    }
}

/// A row of the table: one bucket of all three metrics.
struct Row {
    at: UnixMs,
    rtt: Option<Bucket>,
    jitter: Option<Bucket>,
    loss: Option<Bucket>,
}

/// The metric of the chart, by its name in the URL; RTT unless another is named.
fn metric(pairs: &[(String, String)]) -> Metric {
    let named = pairs.iter().find(|(name, _)| name == "metric");
    named.and_then(|(_, value)| Metric::from_name(value)).unwrap_or(Metric::Rtt)
}

/// Rows and marks of a span, newest first.
async fn past(
    app: &App,
    subject: &Subject,
    span: Span,
) -> Result<(Vec<Row>, Vec<Mark>), Unavailable> {
    let step = span.step_for(TABLE_ROWS + 1);
    let series = Metric::ALL.map(|metric| subject.series.get(metric)).to_vec();
    let answers = app.history.range(series, span.aligned(step), Some(step)).await?;
    let marks = app.history.marks(Some(subject.host.clone()), span).await?;
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
                Metric::Interface(_) => {}
            }
        }
    }
    Ok((rows.into_values().rev().collect(), marks))
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

fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::Rtt => "RTT",
        Metric::Jitter => "Jitter",
        Metric::Loss => "Loss",
        Metric::Interface(of) => of.as_str(),
    }
}

/// The metrics and spans to choose from, and what is shown.
fn spans(subject: &Subject, pairs: &[(String, String)], span: Span) -> Markup {
    let (follows, metric) = (follows(pairs), metric(pairs));
    let half = span.millis() / 2;
    // Whoever looks at another metric goes on with it.
    let of = |metric: Metric| match metric {
        Metric::Rtt => String::new(),
        other => format!("&metric={other}"),
    };
    let within = |from: i64, until: i64, metric: Metric| {
        let (from, until) = (span.from.0.saturating_add(from), span.until.0.saturating_add(until));
        format!("{}?from={from}&until={until}{}", subject.link(), of(metric))
    };
    let moved = |from: i64, until: i64| within(from, until, metric);
    html! {
        nav.spans aria-label="Metric and span of the charts" {
            @for each in Metric::ALL {
                a href=(follows.map_or_else(
                    || within(0, 0, each),
                    |span| format!("{}?span={span}{}", subject.link(), of(each)),
                )) aria-current=[(metric == each).then_some("true")] { (name(each)) }
            }
            span.between {}
            @for (name, words, _) in SPANS {
                a href={ (subject.link()) "?span=" (name) (of(metric)) }
                    aria-current=[(follows == Some(name)).then_some("true")] { (words) }
            }
            a href=(moved(-half, -half)) rel="prev" { "← earlier" }
            a href=(moved(half, half)) rel="next" { "later →" }
            a href=(moved(-half, half)) { "zoom out" }
            span #shown { (when::span(span.from, span.until)) }
            span.hint { "drag to zoom, double-click to go back" }
        }
    }
}

/// The numbers of the span as a table.
fn numbers(rows: &[Row]) -> Markup {
    let us = |bucket: Option<Bucket>, of: fn(&Bucket) -> f64| {
        format::ms(bucket.map(|bucket| of(&bucket) as f32))
    };
    html! {
        @if rows.is_empty() { p.empty { "Nothing is stored of this span." } } @else {
            div.scroll { table.buckets {
                thead { tr {
                    th { "From " (when::zone()) } th.n { "Probes" } th.n { "Loss " small { "%" } }
                    th.n { "Min " small { "ms" } } th.n { "10 %" } th.n { "Median" } th.n { "90 %" }
                    th.n { "Max" } th.n { "Jitter" }
                } }
                tbody { @for row in rows {
                    @let loss = row.loss.map(|loss| loss.mean as f32);
                    tr {
                        th scope="row" { (when::stamp(row.at)) }
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

fn list_of_alerts(alerts: &[Alert], now: UnixMs) -> Markup {
    html! {
        @if alerts.is_empty() { p.empty { "None in this span." } } @else {
            ul.marks { @for alert in alerts {
                li {
                    (signs::badge(alert.severity, alert.state)) " "
                    (when::stamp(alert.since)) " "
                    a href=(signs::address(alert)) { (signs::brief(alert)) }
                    " for " (signs::lasting(alert, now))
                }
            } }
        }
    }
}

fn list_of_marks(marks: &[Mark]) -> Markup {
    html! {
        @if marks.is_empty() { p.empty { "None in this span." } } @else {
            ul.marks { @for mark in marks {
                li { (when::stamp(mark.at)) " " b { (mark.kind) } " " (mark.text) }
            } }
        }
    }
}
