//! WAN links in the Prometheus text format: names and units as its conventions have them.

use std::fmt::Write as _;

use model::Metric;
use model::wan::{LinkState, Quality, Traffic, WanMetric};

use super::{about, escape, line};
use crate::port::links::{LinkNow, LinksNow};
use crate::wan::quality;

/// Each metric's name, its help, and what a value of the API is multiplied with.
const METRICS: [(Metric, &str, &str, f64); 3] = [
    (
        Metric::Rtt,
        "netmend_link_latency_seconds",
        "Newest latency of the WAN link, by direction; absent while it is not known.",
        1e-3,
    ),
    (
        Metric::Jitter,
        "netmend_link_jitter_seconds",
        "Newest jitter of the WAN link, by direction; absent while it is not known.",
        1e-3,
    ),
    (
        Metric::Loss,
        "netmend_link_loss_ratio",
        "Newest loss of the WAN link, 0 to 1, by direction; absent while it is not known.",
        1e-2,
    ),
];

/// Writes all links.
pub(super) fn render(out: &mut String, now: &LinksNow) {
    if now.links.is_empty() {
        return;
    }
    let labels: Vec<String> = now.links.iter().map(|link| labels(link)).collect();
    let all = || now.links.iter().zip(&labels);
    for (kind, name, help, scale) in METRICS {
        about(out, name, help, "gauge");
        for (link, labels) in all() {
            let Some(reading) = link.reading() else { continue };
            for metric in WanMetric::ALL.into_iter().filter(|metric| metric.kind() == kind) {
                if let Some(value) = reading.get(metric) {
                    let labels = format!("{labels},direction=\"{}\"", metric.direction());
                    line(out, name, &labels, value * scale);
                }
            }
        }
    }
    let name = "netmend_link_up";
    about(out, name, "1 if the WAN link is in use, 0 if it is dead; absent otherwise.", "gauge");
    for (link, labels) in all() {
        match link.state {
            LinkState::Active if link.fresh => line(out, name, labels, 1.0),
            LinkState::Dead => line(out, name, labels, 0.0),
            _ => {}
        }
    }
    let name = "netmend_link_quality";
    let help = "How good the WAN link is for a kind of traffic: 2 good, 1 fair, 0 critical.";
    about(out, name, help, "gauge");
    for (link, labels) in all() {
        for traffic in Traffic::ALL {
            let value = match quality(link, Some(traffic)) {
                Some(Quality::Good) => 2.0,
                Some(Quality::Fair) => 1.0,
                Some(Quality::Critical) => 0.0,
                None => continue,
            };
            line(out, name, &format!("{labels},traffic=\"{}\"", traffic.as_str()), value);
        }
    }
    let name = "netmend_link_measured_timestamp_seconds";
    about(out, name, "When the newest reading of the WAN link was made.", "gauge");
    for (link, labels) in all() {
        if let Some(last) = link.recent.last() {
            line(out, name, labels, last.at.0 as f64 / 1e3);
        }
    }
}

fn labels(link: &LinkNow) -> String {
    // Names may be alike, the identity is not.
    let mut out = format!("link=\"{}\"", escape(&link.subject.id));
    for (name, value) in link.subject.labels() {
        write!(out, ",{name}=\"{}\"", escape(value)).expect("a String takes every write");
    }
    out
}
