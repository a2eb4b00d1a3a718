//! Links of an SD-WAN, judged by the rule `sigma` over the windows of one poll: the rule of the VCO anomaly
//! alert, exactly. It asks nobody and keeps nothing.

use std::fmt;
use std::time::Duration;

use detect::{Found, Sigma};
use jiff::Timestamp;
use measure::sdwan::{Poll, Window};
use model::text::printable;
use model::wan::{Link, Reading, WanMetric};
use model::{Metric, Severity, UnixMs};
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

/// A link with something unusual.
#[derive(Clone, Debug)]
pub(crate) struct Odd {
    /// The link.
    pub(crate) link: Link,
    /// What is unusual of it, in the order of the metrics; at least one.
    pub(crate) anomalies: Vec<Anomaly>,
    /// What was measured and is as usual.
    pub(crate) usual: Vec<WanMetric>,
    /// When the window began whose means are unusual.
    pub(crate) since: UnixMs,
}

/// The links with something unusual in a poll, by customer, edge and name.
pub(crate) fn judge(poll: &Poll, windows: Windows, settings: &Settings) -> Vec<Odd> {
    let rules = &settings.verdict.judging;
    let mut found = Vec::new();
    for (link, readings) in poll.links.iter().filter(|(link, _)| link.state.is_judged()) {
        let (mut anomalies, mut usual) = (Vec::new(), Vec::new());
        for metric in WanMetric::ALL {
            let at_least = rules.at_least(metric.kind());
            let found = compare(readings, metric, windows);
            if found.is_high(rules.sigma().k, at_least) {
                anomalies.push(Anomaly::of(link, metric, found));
            } else if found.present.is_finite() {
                usual.push(metric);
            }
        }
        if !anomalies.is_empty() {
            let since = windows.present.start;
            found.push(Odd { link: link.clone(), anomalies, usual, since });
        }
    }
    found
}

fn compare(readings: &[Reading], metric: WanMetric, windows: Windows) -> Found {
    let within = |window: Window| {
        let inside = readings.iter().filter(move |reading| window.contains(reading.at));
        inside.filter_map(move |reading| reading.get(metric))
    };
    detect::compare(within(windows.baseline), within(windows.present))
}

impl Anomaly {
    fn of(link: &Link, metric: WanMetric, found: Found) -> Self {
        Self {
            enterprise: link.customer.clone(),
            edge: link.edge_name.clone(),
            wan: link.name.clone(),
            metric,
            present_mean: found.present,
            baseline_mean: found.mean,
            baseline_sd: found.deviation,
            sigmas: found.sigmas(),
        }
    }

    /// What was found, without the link: `download latency 100.00 ms, before ...`.
    pub(crate) fn finding(&self) -> String {
        let unit = unit(self.metric);
        let Self { present_mean, baseline_mean, baseline_sd, .. } = self;
        let above = match self.sigmas {
            Some(sigmas) => format!("{sigmas:.1} of them above"),
            None => "nothing varied before".to_owned(),
        };
        format!(
            "{} {present_mean:.2} {unit}, before {baseline_mean:.2} {unit} with a standard \
             deviation of {baseline_sd:.2} {unit}: {above}",
            self.metric.words()
        )
    }
}

fn unit(metric: WanMetric) -> &'static str {
    if metric.kind() == Metric::Loss { "%" } else { "ms" }
}

impl Odd {
    /// The value of a label that routes match: `kind` is link, `severity` is warning.
    pub(crate) fn label(&self, name: &str) -> Option<String> {
        let link = &self.link;
        Some(match name {
            "kind" => "link".to_owned(),
            "severity" => Severity::Warning.as_str().to_owned(),
            "enterprise" => link.customer.clone(),
            "edge" => link.edge_name.clone(),
            "wan" => link.name.clone(),
            "interface" => link.interface.clone()?,
            "isp" => link.isp.clone()?,
            _ => return None,
        })
    }

    /// A paragraph for people: the link, each finding on a line, and what is as usual.
    pub(crate) fn paragraph(&self) -> String {
        let show = |text: &str| printable(text, 120);
        let Link { customer, edge_name, name, interface, isp, .. } = &self.link;
        let beside = [interface.as_deref(), isp.as_deref()];
        let beside: Vec<String> =
            beside.into_iter().flatten().filter(|word| word != name).map(show).collect();
        let beside =
            if beside.is_empty() { String::new() } else { format!(" ({})", beside.join(", ")) };
        let (edge, name, customer) = (show(edge_name), show(name), show(customer));
        let since = stamp(self.since);
        let mut lines =
            vec![format!("Edge {edge}, link {name}{beside} of {customer}, since {since}:")];
        lines.extend(self.anomalies.iter().map(|anomaly| format!("- {}", anomaly.finding())));
        if !self.usual.is_empty() {
            let usual: Vec<String> = self.usual.iter().map(|metric| metric.words()).collect();
            lines.push(format!("As usual: {}.", usual.join(", ")));
        }
        lines.join("\n")
    }
}

/// A time for people: `2026-11-24 10:02 UTC`.
pub(crate) fn stamp(at: UnixMs) -> String {
    let at = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

impl fmt::Display for Anomaly {
    /// A sentence with all of its numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |text: &str| printable(text, 120);
        let (customer, edge, wan) = (show(&self.enterprise), show(&self.edge), show(&self.wan));
        write!(f, "{customer}: edge {edge}, link {wan}: {}", self.finding())
    }
}
