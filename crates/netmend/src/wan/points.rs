//! Readings of links as points of the measurement `wan_link`, one for each direction, for the sinks. Pure.

use std::sync::Arc;

use model::UnixMs;
use model::alert::LinkSubject;
use model::wan::{Direction, Reading, WanMetric};
use store::sink::{Kind, Subject};

/// A point: of what, when, and its fields in the order of the kind.
pub(super) type Point = (Arc<Subject>, UnixMs, [f64; 3]);

/// Of what the points of a link are: its upload and its download. Names and labels are those of `/metrics`.
pub(super) fn subjects(link: &LinkSubject) -> [Arc<Subject>; 2] {
    Direction::ALL.map(|way| {
        let own = [("link", link.id.as_str()), ("direction", way.as_str())];
        let labels: Vec<_> = own.into_iter().chain(link.labels()).collect();
        Arc::new(Subject::new(Kind::Link, &labels, &labels))
    })
}

/// The points of a reading; a direction without a value has none.
pub(super) fn of(subjects: &[Arc<Subject>; 2], reading: &Reading) -> impl Iterator<Item = Point> {
    let [up, down] = [
        [WanMetric::LatencyTx, WanMetric::JitterTx, WanMetric::LossTx],
        [WanMetric::LatencyRx, WanMetric::JitterRx, WanMetric::LossRx],
    ]
    .map(|way| way.map(|metric| reading.get(metric).unwrap_or(f64::NAN)));
    let points =
        subjects.iter().zip([up, down]).map(|(of, values)| (Arc::clone(of), reading.at, values));
    points.filter(|(.., values)| values.iter().any(|value| value.is_finite()))
}
