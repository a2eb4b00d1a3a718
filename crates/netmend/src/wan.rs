//! Links of an SD-WAN, judged by the rule `sigma` over the windows of one poll: the rule of the VCO anomaly
//! alert, exactly. It asks nobody and keeps nothing.

use std::fmt;
use std::time::Duration;

use detect::Sigma;
use measure::vco::{Link, Poll, Reading, WanMetric, Window};
use model::{Metric, UnixMs};
use serde::Serialize;

use crate::config::Settings;

/// The two windows of the rule. They touch and never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    /// What is compared with the present.
    pub(crate) baseline: Window,
    /// What is judged.
    pub(crate) present: Window,
}

impl Windows {
    /// The windows of `sigma` that end at `end`.
    pub(crate) fn before(end: UnixMs, sigma: &Sigma) -> Self {
        let border = end - Duration::from_secs_f64(sigma.present);
        let start = border - Duration::from_secs_f64(sigma.baseline);
        Self { baseline: Window { start, end: border }, present: Window { start: border, end } }
    }
}

/// A metric of a link that is unusually high. The field names are a contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Anomaly {
    /// Name of the customer.
    pub(crate) enterprise: String,
    /// Name of the edge.
    pub(crate) edge: String,
    /// Name of the link.
    pub(crate) wan: String,
    /// The API's name of the metric.
    #[serde(serialize_with = "as_named")]
    pub(crate) metric: WanMetric,
    /// Mean of the present window in milliseconds or percent.
    pub(crate) present_mean: f64,
    /// Mean of the window before.
    pub(crate) baseline_mean: f64,
    /// Its standard deviation, with n - 1 in the denominator.
    pub(crate) baseline_sd: f64,
    /// How many standard deviations the one is above the other; none where nothing varied.
    pub(crate) sigmas: Option<f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn as_named<S: serde::Serializer>(metric: &WanMetric, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(metric.as_str())
}

/// What is unusual in a poll, by customer, edge, link and metric.
pub(crate) fn judge(poll: &Poll, windows: Windows, settings: &Settings) -> Vec<Anomaly> {
    let rules = &settings.verdict.judging;
    let mut found = Vec::new();
    for (link, readings) in poll.links.iter().filter(|(link, _)| link.state.is_judged()) {
        for metric in WanMetric::ALL {
            let at_least = rules.at_least(metric.kind());
            found.extend(compare(link, readings, metric, (windows, rules.sigma().k), at_least));
        }
    }
    found
}

fn compare(
    link: &Link,
    readings: &[Reading],
    metric: WanMetric,
    (windows, k): (Windows, f64),
    at_least: Option<f64>,
) -> Option<Anomaly> {
    let within = |window: Window| {
        let inside = readings.iter().filter(move |reading| window.contains(reading.at));
        inside.filter_map(move |reading| reading.get(metric))
    };
    let found = detect::compare(within(windows.baseline), within(windows.present));
    found.is_high(k, at_least).then(|| Anomaly {
        enterprise: link.customer.clone(),
        edge: link.edge_name.clone(),
        wan: link.name.clone(),
        metric,
        present_mean: found.present,
        baseline_mean: found.mean,
        baseline_sd: found.deviation,
        sigmas: found.sigmas(),
    })
}

impl fmt::Display for Anomaly {
    /// A sentence with all of its numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, unit) = match self.metric.kind() {
            Metric::Rtt => ("latency", "ms"),
            Metric::Jitter => ("jitter", "ms"),
            Metric::Loss => ("loss", "%"),
        };
        let show = |text: &str| model::text::printable(text, 120);
        let (edge, wan) = (show(&self.edge), show(&self.wan));
        let direction = self.metric.direction();
        let Self { present_mean, baseline_mean, baseline_sd, .. } = self;
        write!(f, "{}: edge {edge}, link {wan}: {direction} {what} ", show(&self.enterprise))?;
        write!(f, "{present_mean:.2} {unit}, before {baseline_mean:.2} {unit} ")?;
        write!(f, "with a standard deviation of {baseline_sd:.2} {unit}")?;
        match self.sigmas {
            Some(sigmas) => write!(f, ": {sigmas:.1} of them above"),
            None => write!(f, ": nothing varied before"),
        }
    }
}
