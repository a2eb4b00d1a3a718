//! `/api/v1/range` and `/api/v1/marks`: the past.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use model::run::Run;
use model::{Band, Metric, SeriesId};
use serde::Serialize;
use store::{Bucket, RangeAnswer};

use super::{Problem, only};
use crate::app::App;
use crate::format::rfc3339;
use crate::history::{MAX_POINTS, Span, step_of_interval};
use crate::kin::devices_of;
use crate::select::BadParam;
use crate::time::{self, Step};

/// Buckets that `step=auto` aims below.
const AUTO_POINTS: i64 = 1_000;
/// Longest span of raw samples.
const RAW_SPAN: Duration = Duration::from_hours(6);
/// Most series of one question.
const MAX_SERIES: usize = 20;
/// Names of the numbers of a bucket, in their order.
const COLUMNS: [&str; 10] =
    ["at", "count", "min", "mean", "max", "p10", "p50", "p90", "p99", "merged"];
const SAMPLE_COLUMNS: [&str; 2] = ["at", "value"];

#[derive(Serialize)]
pub(super) struct Answer {
    from: i64,
    until: i64,
    step_ms: Option<u64>,
    columns: &'static [&'static str],
    series: Vec<One>,
}

#[derive(Serialize)]
struct One {
    series: String,
    metric: Option<&'static str>,
    band: Option<&'static str>,
    unit: Option<&'static str>,
    points: Points,
}

/// Rows of numbers, as `columns` names them.
enum Points {
    Samples(Vec<(i64, f64)>),
    Buckets(Vec<Bucket>),
}

impl Serialize for Points {
    /// By hand: an untagged enum would fail with `arbitrary_precision`, which another crate turns on.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Points::Samples(samples) => {
                serializer.collect_seq(samples.iter().map(|(at, value)| (at, finite(*value))))
            }
            Points::Buckets(buckets) => serializer.collect_seq(buckets.iter().map(|bucket| {
                (
                    bucket.at.0,
                    bucket.count.get(),
                    finite(bucket.min),
                    finite(bucket.mean),
                    finite(bucket.max),
                    finite(bucket.p10),
                    finite(bucket.p50),
                    finite(bucket.p90),
                    finite(bucket.p99),
                    bucket.merged,
                )
            })),
        }
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

pub(super) async fn range(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Answer>, Problem> {
    only(&pairs, &["target", "series", "metric", "band", "from", "until", "span", "step"])?;
    let (asked, narrowest) = series(&app, &pairs)?;
    let span = time::span(&pairs, app.now())?;
    let (span, step) = width(span, value(&pairs, "step"), narrowest)?;
    let ids = asked.iter().map(|asked| asked.id).collect();
    let answers = app.history.range(ids, span, step).await?;
    let one = |(asked, answer): (Asked, RangeAnswer)| One {
        series: asked.id.to_string(),
        metric: asked.metric.map(Metric::as_str),
        band: asked.band.map(Band::as_str),
        unit: asked.metric.map(Metric::unit),
        points: match answer {
            RangeAnswer::Samples(samples) => {
                Points::Samples(samples.into_iter().map(|(at, value)| (at.0, value)).collect())
            }
            RangeAnswer::Buckets(buckets) => Points::Buckets(buckets),
        },
    };
    Ok(Json(Answer {
        from: span.from.0,
        until: span.until.0,
        step_ms: step.map(|step| step.as_secs() * 1_000),
        columns: if step.is_some() { &COLUMNS } else { &SAMPLE_COLUMNS },
        series: asked.into_iter().zip(answers).map(one).collect(),
    }))
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
}

/// A series, and what it is where that is known.
struct Asked {
    id: SeriesId,
    metric: Option<Metric>,
    band: Option<Band>,
}

/// The series asked for, `series` by identity, or `target` and `metric`, with the detector's lines of the
/// first metric if `band` asks for them; and the narrowest step that suits them.
fn series(app: &App, pairs: &[(String, String)]) -> Result<(Vec<Asked>, Duration), Problem> {
    const ID: &str = "32 hexadecimal digits, several separated by commas, at most 20";
    let text = value(pairs, "series");
    if !text.is_empty() {
        let ids: Option<Vec<_>> = text.split(',').map(SeriesId::from_hex).collect();
        let ids = ids.filter(|ids| ids.len() <= MAX_SERIES);
        let ids = ids.ok_or_else(|| BadParam::new("series", text, ID))?;
        let asked = ids.into_iter().map(|id| Asked { id, metric: None, band: None });
        return Ok((asked.collect(), Duration::ZERO));
    }
    let text = value(pairs, "target");
    let view = app.present.view();
    let now = SeriesId::from_hex(text).and_then(|id| view.find(id)).ok_or_else(|| {
        BadParam::new("target", text, "an `id` of /api/v1/targets, or `series` instead")
    })?;
    let text = match value(pairs, "metric") {
        "" => "rtt",
        text => text,
    };
    let mut metrics = Vec::new();
    for name in text.split(',') {
        let of_target = |metric: &Metric| Metric::ALL.contains(metric);
        let metric = Metric::from_name(name).filter(of_target).ok_or_else(|| {
            let names = Metric::ALL.map(Metric::as_str).join(", ");
            BadParam::new("metric", text, format!("{names}; several separated by commas"))
        })?;
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    let of = |metric| Asked { id: now.series.get(metric), metric: Some(metric), band: None };
    let mut asked: Vec<Asked> = metrics.iter().copied().map(of).collect();
    let text = value(pairs, "band");
    for name in text.split(',').filter(|name| !name.is_empty()).take(Band::ALL.len()) {
        let band = Band::from_name(name)
            .ok_or_else(|| BadParam::new("band", text, "usual, limit or usual,limit"))?;
        let id = now.target.series(metrics[0]).band(band).id();
        asked.push(Asked { id, metric: Some(metrics[0]), band: Some(band) });
    }
    Ok((asked, step_of_interval(now.target.interval)))
}

/// The span in whole steps, and the step; refused if the answer would be too large.
fn width(span: Span, step: &str, narrowest: Duration) -> Result<(Span, Option<Duration>), Problem> {
    let step = match time::step(step)? {
        Step::Raw if u128::from(span.millis().unsigned_abs()) > RAW_SPAN.as_millis() => {
            let error = "raw samples are given for short spans only";
            let allowed = "step=raw with at most 6 h, or a step such as 15s";
            return Err(Problem::new(StatusCode::BAD_REQUEST, error, allowed));
        }
        Step::Raw => return Ok((span, None)),
        Step::Auto => span.step_for(AUTO_POINTS).max(narrowest),
        Step::Every(step) => step,
    };
    let points = span.millis() / i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    if points > MAX_POINTS {
        let error = format!("{points} buckets are too many for one answer");
        let allowed = format!("at most {MAX_POINTS}: a larger step, or step=auto");
        return Err(Problem::new(StatusCode::BAD_REQUEST, error, allowed));
    }
    Ok((span.aligned(step), Some(step)))
}

#[derive(Serialize)]
pub(super) struct Marks {
    from: i64,
    until: i64,
    marks: Vec<Mark>,
}

#[derive(Serialize)]
struct Mark {
    at: i64,
    time: Option<String>,
    subject: String,
    kind: String,
    text: String,
}

pub(super) async fn marks(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Marks>, Problem> {
    only(&pairs, &["subject", "target", "from", "until", "span"])?;
    let span = time::span(&pairs, app.now())?;
    let subject = match (value(&pairs, "subject"), value(&pairs, "target")) {
        ("", "") => None,
        ("", id) => {
            let view = app.present.view();
            let now = SeriesId::from_hex(id).and_then(|id| view.find(id)).ok_or_else(|| {
                BadParam::new("target", id, "an `id` of /api/v1/targets, or `subject` instead")
            })?;
            Some(now.target.host.clone())
        }
        (subject, _) => Some(subject.to_owned()),
    };
    let mut marks = app.history.marks(subject.clone(), span).await?;
    if let Some(subject) = &subject {
        marks.extend(runs(&app, subject, span).await?);
    }
    let marks = marks.into_iter().map(|mark| Mark {
        at: mark.at.0,
        time: rfc3339(mark.at),
        subject: mark.subject,
        kind: mark.kind,
        text: mark.text,
    });
    Ok(Json(Marks { from: span.from.0, until: span.until.0, marks: marks.collect() }))
}
/// Runs on the devices that the targets of a host are, as marks.
async fn runs(app: &App, host: &str, span: Span) -> Result<Vec<store::Mark>, Problem> {
    let (view, inventory) = (app.present.view(), app.deps.devices.inventory());
    let its = view.snapshot.targets.iter().filter(|now| now.target.host == host);
    let mut devices: Vec<String> = its.flat_map(|now| devices_of(now, &inventory)).collect();
    devices.sort_unstable();
    devices.dedup();
    let mark = |run: Run| {
        let proof = run.proof.as_ref().map(|proof| proof.verdict.as_str().replace('_', " "));
        let proof = proof.map(|proof| format!(", {proof}")).unwrap_or_default();
        let state = run.state.as_str().replace('_', " ");
        let text = format!("run #{} of {}: {state}{proof}", run.id, run.remediation);
        store::Mark { at: run.started, subject: host.to_owned(), kind: "run".to_owned(), text }
    };
    Ok(app.history.runs_on(devices, span).await?.into_iter().map(mark).collect())
}
