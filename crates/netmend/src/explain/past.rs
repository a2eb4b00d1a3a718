//! Numbers of a target out of the store: how it was in the last minutes and what is usual in a day. Reads
//! samples; judges nothing.

use std::ops::Range;
use std::time::Duration;

use model::alert::TargetSubject;
use model::series::Band;
use model::{Family, Metric, Series, SeriesId, Target, UnixMs};
use serde::{Deserialize, Serialize};
use store::{Error, RangeAnswer, RangeQuery, Samples};

/// The present is so many minutes.
pub(crate) const PRESENT: Duration = Duration::from_mins(10);
/// The day before it.
pub(crate) const DAY: Duration = Duration::from_hours(24);
/// A limit older than this says nothing about now.
const BAND_AGE: Duration = Duration::from_mins(15);

/// A target of the store: the series of its RTT with its labels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    /// Its RTT; the other metrics have the same labels.
    pub(crate) rtt: Series,
}

impl Stored {
    /// All that the store knows, in the order of host, region and protocol.
    pub(crate) fn all(samples: &dyn Samples) -> Result<Vec<Self>, Error> {
        let mut all: Vec<Self> = samples
            .list(Some(Metric::Rtt))?
            .into_iter()
            // WAN links have an RTT, too, and no host.
            .filter(|series| {
                series.labels.get("band").is_none() && series.labels.get("host").is_some()
            })
            .map(|rtt| Self { rtt })
            .collect();
        all.sort_by_cached_key(|stored| {
            let of = |name| stored.label(name).to_owned();
            (of("host"), of("region"), stored.port(), of("family"))
        });
        Ok(all)
    }

    /// A label; empty if it has none.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.rtt.labels.get(name).unwrap_or_default()
    }

    /// How it is asked; `None` for what this version does not know.
    pub(crate) fn protocol(&self) -> Option<model::Protocol> {
        let text = self.label("protocol");
        match text.strip_prefix("tcp:") {
            Some(port) => port.parse().ok().map(model::Protocol::Tcp),
            None => (text == "icmp").then_some(model::Protocol::Icmp),
        }
    }

    /// It as alerts name it. Its tags are not known: the store keeps none.
    pub(crate) fn subject(&self) -> TargetSubject {
        let protocol = self.protocol().unwrap_or(model::Protocol::Icmp);
        let family = match self.label("family") {
            "6" => Family::V6,
            _ => Family::V4,
        };
        let target = Target::new(self.label("host"), self.label("region"), protocol);
        TargetSubject { family, series: self.rtt.id(), ..TargetSubject::of(&target) }
    }

    fn port(&self) -> u16 {
        match self.protocol() {
            Some(model::Protocol::Tcp(port)) => port,
            _ => 0,
        }
    }

    /// The series of a metric.
    pub(crate) fn series(&self, metric: Metric) -> Series {
        Series { metric, labels: self.rtt.labels.clone() }
    }

    /// When a probe of it was stored last.
    pub(crate) fn last(&self, samples: &dyn Samples) -> Result<Option<UnixMs>, Error> {
        let newest = samples.latest(&[self.series(Metric::Loss).id()])?;
        Ok(newest.first().copied().flatten().map(|(at, _)| at))
    }
}

/// Probes of a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Span {
    /// Probes whose outcome is known.
    pub(crate) probes: u64,
    /// Of these lost, in percent; `None` without any.
    pub(crate) loss_pct: Option<f64>,
    /// Median RTT in microseconds; over hours the median of the hours' medians.
    pub(crate) median_us: Option<f64>,
    /// The lowest and the highest median of an hour, in microseconds.
    pub(crate) hours_us: Option<(f64, f64)>,
    /// 90th percentile of the RTT in microseconds; over hours the highest of an hour.
    pub(crate) p90_us: Option<f64>,
}

/// How a target was until a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Past {
    /// The last minutes.
    pub(crate) now: Span,
    /// The day before these.
    pub(crate) day: Span,
    /// Probes lost in a row at the end.
    pub(crate) silent: u64,
    /// Above it the detector takes the RTT for too high, in microseconds.
    pub(crate) limit_us: Option<f64>,
}

impl Past {
    /// Looks it up.
    pub(crate) fn read(samples: &dyn Samples, target: &Stored, at: UnixMs) -> Result<Self, Error> {
        let end = at + Duration::from_millis(1);
        let recent = end - PRESENT;
        let loss = target.series(Metric::Loss).id();
        let limit = target.rtt.band(Band::Limit).id();
        Ok(Self {
            now: exact(samples, target, recent..end)?,
            day: span(samples, target, recent - DAY..recent)?,
            silent: silent(&raw(samples, loss, recent..end)?),
            limit_us: samples
                .latest(&[limit])?
                .first()
                .copied()
                .flatten()
                .filter(|(when, _)| *when >= at - BAND_AGE)
                .map(|(_, value)| value),
        })
    }
}

/// Sums up a short span from its samples.
fn exact(samples: &dyn Samples, target: &Stored, span: Range<UnixMs>) -> Result<Span, Error> {
    let loss = raw(samples, target.series(Metric::Loss).id(), span.clone())?;
    let mut rtts = raw(samples, target.rtt.id(), span)?;
    rtts.sort_unstable_by(f64::total_cmp);
    let probes = loss.len() as u64;
    let lost = loss.iter().filter(|value| **value > 50.0).count() as f64;
    Ok(Span {
        probes,
        loss_pct: (probes > 0).then(|| lost / probes as f64 * 100.0),
        median_us: rank(&rtts, 50),
        hours_us: None,
        p90_us: rank(&rtts, 90),
    })
}

/// Sums up a span by its hours. A span that is shorter is an hour of its own.
pub(crate) fn span(
    samples: &dyn Samples,
    target: &Stored,
    span: Range<UnixMs>,
) -> Result<Span, Error> {
    // Rollups answer whole minutes.
    let minutes = u64::try_from((span.end.0 - span.start.0) / 60_000).unwrap_or(0);
    let step = Duration::from_mins(minutes.clamp(1, 60));
    let query = RangeQuery {
        series: vec![target.series(Metric::Loss).id(), target.rtt.id()],
        from: span.start,
        until: span.end,
        step: Some(step),
        exact: false,
    };
    let mut found = samples.range(&query)?.into_iter().map(|answer| match answer {
        RangeAnswer::Buckets(buckets) => buckets,
        RangeAnswer::Samples(_) => Vec::new(),
    });
    let (loss, rtt) = (found.next().unwrap_or_default(), found.next().unwrap_or_default());
    let probes: u64 = loss.iter().map(|bucket| u64::from(bucket.count.get())).sum();
    let lost: f64 = loss.iter().map(|bucket| bucket.mean * f64::from(bucket.count.get())).sum();
    let mut medians: Vec<f64> = rtt.iter().map(|bucket| bucket.p50).collect();
    medians.sort_unstable_by(f64::total_cmp);
    Ok(Span {
        probes,
        loss_pct: (probes > 0).then(|| lost / probes as f64),
        median_us: rank(&medians, 50),
        hours_us: medians.first().copied().zip(medians.last().copied()),
        p90_us: rtt.iter().map(|bucket| bucket.p90).max_by(f64::total_cmp),
    })
}

fn raw(samples: &dyn Samples, id: SeriesId, span: Range<UnixMs>) -> Result<Vec<f64>, Error> {
    let query =
        RangeQuery { series: vec![id], from: span.start, until: span.end, step: None, exact: true };
    let answer = samples.range(&query)?.into_iter().next();
    Ok(match answer {
        Some(RangeAnswer::Samples(found)) => found.into_iter().map(|(_, value)| value).collect(),
        _ => Vec::new(),
    })
}

/// Probes lost in a row at the end.
fn silent(loss: &[f64]) -> u64 {
    loss.iter().rev().take_while(|value| **value > 50.0).count() as u64
}

/// Nearest-rank percentile of what is sorted.
fn rank(sorted: &[f64], percent: usize) -> Option<f64> {
    let index = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_nearest_sample() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(rank(&values, 50), Some(2.0));
        assert_eq!(rank(&values, 90), Some(4.0));
        assert_eq!(rank(&[], 50), None);
    }

    #[test]
    fn only_losses_at_the_end_are_silence() {
        assert_eq!(silent(&[100.0, 0.0, 100.0, 100.0]), 2);
        assert_eq!(silent(&[100.0, 0.0]), 0);
        assert_eq!(silent(&[]), 0);
    }
}
