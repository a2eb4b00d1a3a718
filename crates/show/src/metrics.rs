//! `/metrics`: netmend's own counters and every target, in the Prometheus text format 0.0.4. Written
//! straight into one string, since ten thousand targets make tens of thousands of lines.

mod interfaces;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use model::{AlertState, RttHistogram, Severity, TargetNow, TargetState};

use crate::app::App;
use crate::judged::Judged;
use crate::port::links::LinksNow;
use crate::port::{Counter, System};
use crate::present::{Values, View};

mod links;

/// The routes of this file.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let text = render(
        &app.present.view(),
        &app.judging.view(),
        &app.deps.now.system(),
        &app.deps.links.links(),
    );
    let text = text + &interfaces::render(&app.deps.interfaces.all());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// One metric of every target; a target where it is not known has no line.
struct PerTarget {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    value: fn(&TargetNow, &Values) -> Option<f64>,
}

const PER_TARGET: [PerTarget; 9] = [
    PerTarget {
        name: "netmend_target_up",
        help: "1 if the target answers (up or lossy), 0 if it does not; absent while nobody can know.",
        kind: "gauge",
        value: |now, _| match now.state {
            TargetState::Up | TargetState::Lossy => Some(1.0),
            TargetState::Down | TargetState::NeverAnswered | TargetState::Unresolved => Some(0.0),
            TargetState::Unknown | TargetState::NoData => None,
        },
    },
    PerTarget {
        name: "netmend_target_rtt_seconds",
        help: "RTT of the latest probe; absent if it was not answered.",
        kind: "gauge",
        value: |_, values| seconds(values.rtt_us),
    },
    PerTarget {
        name: "netmend_target_rtt_median_seconds",
        help: "Median RTT of the last 60 probes.",
        kind: "gauge",
        value: |_, values| seconds(values.median_us),
    },
    PerTarget {
        name: "netmend_target_jitter_seconds",
        help: "Mean difference of consecutive RTTs over the last 60 probes.",
        kind: "gauge",
        value: |_, values| seconds(values.jitter_us),
    },
    PerTarget {
        name: "netmend_target_loss_ratio",
        help: "Share of the last 60 probes that was lost, 0 to 1.",
        kind: "gauge",
        value: |_, values| values.loss_pct.map(|pct| f64::from(pct) / 100.0),
    },
    PerTarget {
        name: "netmend_target_probes_sent_total",
        help: "Probes sent since the start.",
        kind: "counter",
        value: |now, _| Some(now.counts.sent as f64),
    },
    PerTarget {
        name: "netmend_target_probes_received_total",
        help: "Probes answered in time since the start.",
        kind: "counter",
        value: |now, _| Some(now.counts.received as f64),
    },
    PerTarget {
        name: "netmend_target_probes_lost_total",
        help: "Probes lost or unreachable since the start.",
        kind: "counter",
        value: |now, _| Some(now.counts.lost as f64),
    },
    PerTarget {
        name: "netmend_target_probes_unknown_total",
        help: "Probes of which nobody can know, since the start.",
        kind: "counter",
        value: |now, _| Some(now.counts.unknown as f64),
    },
];

fn seconds(us: Option<f32>) -> Option<f64> {
    us.map(|us| f64::from(us) / 1e6)
}

fn render(view: &View, judged: &Judged, system: &System, links: &LinksNow) -> String {
    let targets = &view.snapshot.targets;
    let lines = PER_TARGET.len() + RttHistogram::BOUNDS_US.len() + 4;
    let mut out = String::with_capacity(4_096 + targets.len() * lines * 140);
    about(&mut out, "netmend_build_info", "Version and site of this instance.", "gauge");
    let (version, site) = (escape(system.version), escape(&system.site));
    line(&mut out, "netmend_build_info", &format!("version=\"{version}\",site=\"{site}\""), 1.0);
    about(&mut out, "netmend_uptime_seconds", "Time since the start.", "gauge");
    line(&mut out, "netmend_uptime_seconds", "", system.uptime.as_secs_f64());
    about(&mut out, "netmend_targets", "Targets by state.", "gauge");
    for state in TargetState::ALL {
        let label = format!("state=\"{}\"", state.name());
        line(&mut out, "netmend_targets", &label, view.count(state) as f64);
    }
    alerts(&mut out, judged);
    counters(&mut out, &system.counters);
    let labels: Vec<String> = targets.iter().map(|now| labels(now)).collect();
    let values: Vec<Values> = targets.iter().map(|now| Values::of(now)).collect();
    for metric in &PER_TARGET {
        about(&mut out, metric.name, metric.help, metric.kind);
        for ((now, labels), values) in targets.iter().zip(&labels).zip(&values) {
            if let Some(value) = (metric.value)(now, values) {
                line(&mut out, metric.name, labels, value);
            }
        }
    }
    histograms(&mut out, targets, &labels);
    links::render(&mut out, links);
    about(&mut out, "netmend_target_state", "1 for the state the target is in.", "gauge");
    for (now, labels) in targets.iter().zip(&labels) {
        let labels = format!("{labels},state=\"{}\"", now.state.name());
        line(&mut out, "netmend_target_state", &labels, 1.0);
    }
    out
}

/// RTTs of all targets as histograms. Buckets are cumulative, as the format wants them.
fn histograms(out: &mut String, targets: &[Arc<TargetNow>], labels: &[String]) {
    const NAME: &str = "netmend_target_probe_rtt_seconds";
    about(out, NAME, "RTT of the answered probes since the start.", "histogram");
    for (now, labels) in targets.iter().zip(labels) {
        let lines = now.rtts.cumulative().try_for_each(|(end, count)| match end {
            Some(end) => writeln!(out, "{NAME}_bucket{{{labels},le=\"{end}\"}} {count}"),
            None => writeln!(out, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {count}"),
        });
        lines
            .and_then(|()| writeln!(out, "{NAME}_sum{{{labels}}} {}", now.rtts.sum()))
            .and_then(|()| writeln!(out, "{NAME}_count{{{labels}}} {}", now.rtts.count()))
            .expect("a String takes every write");
    }
}

/// Open alerts by severity and state, those that are kept quiet apart. All combinations have a line, so that
/// a rule on one never lacks its series.
fn alerts(out: &mut String, judged: &Judged) {
    const NAME: &str = "netmend_alerts";
    let help = "Open alerts; quiet ones are silenced, in maintenance or told by another alert.";
    about(out, NAME, help, "gauge");
    for severity in Severity::ALL {
        for state in [AlertState::Firing, AlertState::NoData] {
            for (quiet, word) in [(false, "no"), (true, "yes")] {
                let count = judged.open.iter().filter(|alert| {
                    (alert.severity, alert.state, !alert.quiet.is_empty())
                        == (severity, state, quiet)
                });
                let labels =
                    format!("severity=\"{severity}\",state=\"{}\",quiet=\"{word}\"", state.name());
                line(out, NAME, &labels, count.count() as f64);
            }
        }
    }
}

/// Lines of one name must stand together, whatever the order they come in.
fn counters(out: &mut String, counters: &[Counter]) {
    for (first, counter) in counters.iter().enumerate() {
        let same = |other: &&Counter| other.name == counter.name;
        if counters[..first].iter().any(|other| same(&other)) {
            continue;
        }
        about(out, counter.name, counter.help, counter.kind.as_str());
        for each in counters[first..].iter().filter(same) {
            let pairs: Vec<String> = each
                .labels
                .iter()
                .map(|(name, value)| format!("{name}=\"{}\"", escape(value)))
                .collect();
            line(out, each.name, &pairs.join(","), each.value);
        }
    }
}

fn labels(now: &TargetNow) -> String {
    let target = &now.target;
    format!(
        "host=\"{}\",region=\"{}\",protocol=\"{}\",family=\"{}\"",
        escape(&target.host),
        escape(&target.region),
        target.protocol,
        target.family.as_str()
    )
}

fn about(out: &mut String, name: &str, help: &str, kind: &str) {
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
        .expect("a String takes every write");
}

fn line(out: &mut String, name: &str, labels: &str, value: f64) {
    let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
    let written = if value.is_nan() {
        writeln!(out, "{name}{open}{labels}{close} NaN")
    } else if value.is_infinite() {
        let sign = if value > 0.0 { '+' } else { '-' };
        writeln!(out, "{name}{open}{labels}{close} {sign}Inf")
    } else {
        writeln!(out, "{name}{open}{labels}{close} {value}")
    };
    written.expect("a String takes every write");
}

/// A label value: backslash, quote and line feed are escaped, as the format says.
fn escape(value: &str) -> Cow<'_, str> {
    if value.contains(['\\', '"', '\n']) {
        value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
    } else {
        value.into()
    }
}
