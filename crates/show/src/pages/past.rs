//! What the page of a target shows of its past: the spans to choose from, smoke graph, loss strip, marks,
//! and the same numbers as text. It must not need the target to be there still.

use maud::{Markup, html};
use model::{Labels, Metric, Series, TargetNow, TargetSeries, UnixMs};
use store::{Bucket, Mark, RangeAnswer};

use crate::app::App;
use crate::history::{Span, Unavailable};
use crate::time::SPANS;
use crate::{assets, format};

/// Rows of the table of numbers.
const TABLE_ROWS: i64 = 24;

/// Whose past it is.
pub(super) struct Subject {
    host: String,
    series: TargetSeries,
    /// Whether it is still probed.
    present: bool,
}

impl Subject {
    /// A target of now.
    pub(super) fn of(now: &TargetNow) -> Self {
        Self { host: now.target.host.clone(), series: now.series, present: true }
    }

    /// A target of which only the store knows, by the labels of its series.
    pub(super) fn left(labels: &Labels) -> Self {
        let id = |metric| Series { metric, labels: labels.clone() }.id();
        let series = TargetSeries {
            rtt: id(Metric::Rtt),
            jitter: id(Metric::Jitter),
            loss: id(Metric::Loss),
        };
        let host = labels.get("host").unwrap_or_default().to_owned();
        Self { host, series, present: false }
    }

    fn link(&self) -> String {
        format!("/targets/{}", self.series.rtt)
    }
}

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
    html! {
        (spans(subject, pairs, span))
        (chart(subject, span, follows(pairs).filter(|_| subject.present)))
        div.columns.wide {
            section.numbers { h2 { "Numbers" } @match &past {
                Ok((rows, _)) => (numbers(rows)),
                Err(error) => p.empty { (error) },
            } }
            div {
                (facts)
                section { h2 { "Marks" } @match &past {
                    Ok((_, marks)) => (list_of_marks(marks)),
                    Err(error) => p.empty { (error) },
                } }
            }
        }
        script defer src=(assets::url("uPlot.iife.min.js")) {}
        script defer src=(assets::url("chart.js")) {}
    }
}

/// A row of the table: one bucket of all three metrics.
struct Row {
    at: UnixMs,
    rtt: Option<Bucket>,
    jitter: Option<Bucket>,
    loss: Option<Bucket>,
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

/// The spans to choose from, and what is shown.
fn spans(subject: &Subject, pairs: &[(String, String)], span: Span) -> Markup {
    let follows = follows(pairs);
    let half = span.millis() / 2;
    let moved = |from: i64, until: i64| {
        let (from, until) = (span.from.0.saturating_add(from), span.until.0.saturating_add(until));
        format!("{}?from={from}&until={until}", subject.link())
    };
    html! {
        nav.spans aria-label="Span of the charts" {
            @for (name, words, _) in SPANS {
                a href={ (subject.link()) "?span=" (name) }
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

/// Where `chart.js` draws.
fn chart(subject: &Subject, span: Span, follows: Option<&str>) -> Markup {
    let series = &subject.series;
    let by_series = (!subject.present).then(|| format!("{},{}", series.rtt, series.loss));
    html! {
        figure #chart data-target=(subject.series.rtt) data-from=(span.from.0) data-until=(span.until.0)
            data-span=[follows] data-series=[by_series] data-subject=(subject.host)
            aria-label="RTT and loss over time; the same numbers stand in the table below"
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

/// The numbers of the span as a table.
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
