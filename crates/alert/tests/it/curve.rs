//! Curves for charts from the real store.

use std::sync::Arc;
use std::time::Duration;

use alert::render::{Chart, Curves, StoreCurves};
use model::series::Band;
use model::{Labels, ManualClock, Metric, Sample, Series, UnixMs};
use store::{Batch, Samples, Store};

use crate::messages::{self, NOW, ago};

/// The series of the alert's target, and the lines beside it.
fn series() -> [Series; 3] {
    let pairs = [("family", "4"), ("host", "edge7/wan1"), ("protocol", "icmp"), ("region", "emea")];
    let level = Series { metric: Metric::Rtt, labels: Labels::new(pairs) };
    [level.clone(), level.band(Band::Usual), level.band(Band::Limit)]
}

/// A store with three hours of samples, ten seconds apart, and with the lines if `bands`.
fn samples(folder: &std::path::Path, bands: bool) -> (Store, Arc<dyn Samples>) {
    let store = Store::open(folder, Arc::new(ManualClock::new(NOW.to_ns()))).unwrap();
    let samples = store.samples();
    let [level, usual, limit] = series();
    samples.register(&[level.clone(), usual.clone(), limit.clone()]).unwrap();
    let mut all = Vec::new();
    for second in (0..3 * 3_600).step_by(10) {
        let at = UnixMs(NOW.0 - second * 1_000);
        let value = if at >= ago(4) { 62_000.0 } else { 24_000.0 };
        all.push(Sample { series: level.id(), at, value });
        if bands && second % 60 == 0 {
            all.push(Sample { series: usual.id(), at, value: 23_000.0 });
            all.push(Sample { series: limit.id(), at, value: 35_000.0 });
        }
    }
    samples.append(Batch { source: 0, seq: 1, samples: all }).unwrap();
    (store, samples)
}

#[test]
fn a_curve_shows_two_hours_before_the_onset_with_the_lines_that_were_stored() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, samples) = samples(folder.path(), true);
    let curve = StoreCurves::new(samples).curve(&messages::alert("edge7/wan1"), NOW).unwrap();
    assert_eq!((curve.from, curve.until), (ago(124), NOW));
    assert_eq!(curve.step, Duration::from_mins(1));
    assert_eq!(curve.level.len(), 124);
    assert!(curve.level.iter().all(|(at, value)| (*value > 60_000.0) == (*at >= ago(4))));
    assert!(
        curve.usual.len() > 100
            && curve.usual.iter().all(|(_, value)| (value - 23_000.0).abs() < 0.5)
    );
    assert!(
        curve.limit.len() > 100
            && curve.limit.iter().all(|(_, value)| (value - 35_000.0).abs() < 0.5)
    );
    let chart = Chart::of(&curve).unwrap();
    assert_eq!(chart.scale(), "Latency 0 to 75 ms");
    assert_eq!(chart.words(), "Latency from 08:02 UTC to 10:06 UTC, last 62 ms");
}

#[test]
fn without_stored_lines_those_of_the_finding_stand_for_the_whole_span() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, samples) = samples(folder.path(), false);
    let curve = StoreCurves::new(samples).curve(&messages::alert("edge7/wan1"), NOW).unwrap();
    assert_eq!(curve.usual, [(curve.from, 24_000.0), (NOW, 24_000.0)]);
    assert_eq!(curve.limit, [(curve.from, 36_000.0), (NOW, 36_000.0)]);
}

#[test]
fn an_alert_without_samples_has_no_curve() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, samples) = samples(folder.path(), true);
    let curves = StoreCurves::new(samples);
    assert_eq!(curves.curve(&messages::alert("elsewhere"), NOW), None);
    let mut silent = messages::alert("edge7/wan1");
    silent.findings.clear();
    assert_eq!(curves.curve(&silent, NOW), None);
}
