//! What a chart shows: one metric of one target over the hours around an alert, from the store. It must not
//! draw.

use std::sync::Arc;
use std::time::Duration;

use model::alert::Alert;
use model::series::Band;
use model::wan;
use model::{Metric, SeriesId, Subject, Target, UnixMs};
use store::{RangeAnswer, RangeQuery, Samples};

/// Shown before the onset, to compare.
const BEFORE: Duration = Duration::from_hours(2);
/// Longest span of a chart.
const LONGEST: Duration = Duration::from_hours(48);
/// About so many points over the width.
const POINTS: i64 = 240;
const MINUTE: i64 = 60_000;
/// Minutes between two readings of a WAN link.
const LINK_STEP: i64 = 5;

/// One metric of one target around an alert, in the unit of the metric. Times ascend.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Of which metric.
    pub metric: Metric,
    /// First millisecond shown.
    pub from: UnixMs,
    /// First millisecond not shown.
    pub until: UnixMs,
    /// Medians of the buckets, of loss their means.
    pub level: Vec<(UnixMs, f64)>,
    /// What was usual.
    pub usual: Vec<(UnixMs, f64)>,
    /// How much it usually varies around that, up and down.
    pub varies: f64,
    /// The value above which it was too high.
    pub limit: Vec<(UnixMs, f64)>,
    /// While it was too high.
    pub bad: (UnixMs, UnixMs),
    /// Width of a bucket; a longer gap between points is a gap.
    pub step: Duration,
}

/// Where curves come from. Calls block.
pub trait Curves: Send + Sync {
    /// The curve of the alert's worst metric as seen at `now`; `None` if there is none, or none to be had: a
    /// message never waits for its chart.
    fn curve(&self, alert: &Alert, now: UnixMs) -> Option<Curve>;
}

/// Curves from the samples stored.
pub struct StoreCurves {
    samples: Arc<dyn Samples>,
}

impl std::fmt::Debug for StoreCurves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreCurves").finish_non_exhaustive()
    }
}

impl StoreCurves {
    /// Curves from `samples`.
    pub fn new(samples: Arc<dyn Samples>) -> Self {
        Self { samples }
    }
}

impl Curves for StoreCurves {
    fn curve(&self, alert: &Alert, now: UnixMs) -> Option<Curve> {
        let worst = alert.worst()?;
        let (metric, until) =
            (worst.metric, worst.ended.map_or(now, |ended| ended + BEFORE / 4).min(now));
        let from = (worst.since - BEFORE).max(until - LONGEST);
        // Readings of links are so far apart: in shorter buckets each would be a dot among gaps.
        let least = if matches!(alert.subject, Subject::Link(_)) { LINK_STEP } else { 1 };
        let minutes = ((until.0 - from.0) / MINUTE / POINTS).max(least);
        let step = Duration::from_secs(minutes.unsigned_abs() * 60);
        let band = |which| band(&alert.subject, worst.series, metric, which);
        let series: Vec<SeriesId> = [Some(worst.series), band(Band::Usual), band(Band::Limit)]
            .into_iter()
            .flatten()
            .collect();
        let query = RangeQuery { series, from, until, step: Some(step), exact: false };
        let mut answers = self.samples.range(&query).ok()?.into_iter().map(|a| points(metric, a));
        let level = answers.next().filter(|level| !level.is_empty())?;
        let flat = |value: Option<f32>| -> Vec<(UnixMs, f64)> {
            let value = value.filter(|value| value.is_finite()).map(f64::from);
            value.into_iter().flat_map(|value| [(from, value), (until, value)]).collect()
        };
        // Without a stored band, what the finding says now stands for the whole span.
        let mut stored = |value| {
            let points = answers.next().filter(|points| points.len() > 1);
            points.unwrap_or_else(|| flat(value))
        };
        let (usual, limit) = (stored(worst.usual), stored(worst.limit));
        let bad = (worst.since, worst.ended.unwrap_or(until));
        let varies = worst.varies.filter(|varies| varies.is_finite()).map_or(0.0, f64::from);
        Some(Curve { metric, from, until, level, usual, varies, limit, bad, step })
    }
}

/// The series that keeps a line of the detector beside a series of the subject.
fn band(subject: &Subject, series: SeriesId, metric: Metric, band: Band) -> Option<SeriesId> {
    let beside = match subject {
        Subject::Target(subject) => {
            let mut target = Target::new(&subject.host, &subject.region, subject.protocol);
            target.family = subject.family;
            target.series(metric)
        }
        Subject::Link(link) => wan::series(&link.orchestrator, &link.id, link.metric(series)?),
        Subject::Group(_) | Subject::Repair(_) | Subject::Site { .. } => return None,
    };
    Some(beside.band(band).id())
}

fn points(metric: Metric, answer: RangeAnswer) -> Vec<(UnixMs, f64)> {
    match answer {
        RangeAnswer::Samples(samples) => samples,
        RangeAnswer::Buckets(buckets) => {
            let level = |bucket: &store::Bucket| match metric {
                Metric::Loss | Metric::Interface(_) => bucket.mean,
                Metric::Rtt | Metric::Jitter => bucket.p50,
            };
            buckets.iter().map(|bucket| (bucket.at, level(bucket))).collect()
        }
    }
}
