//! How passing on is doing, as counters and as warnings. It decides nothing.

use std::time::Duration;

use model::UnixMs;
use show::{Counter, CounterKind, Warning};
use store::sink::SinkNow;

use super::ForwardingNow;

/// A sink that has failed for less is no news: databases restart.
const PATIENCE: Duration = Duration::from_secs(10);

/// What operators should mend.
pub(crate) fn warnings(now: &ForwardingNow, at: UnixMs) -> Vec<Warning> {
    let failing = |sink: &SinkNow| {
        let failing = sink.failing.as_ref().filter(|failing| at >= failing.since + PATIENCE)?;
        let name = &sink.name;
        let waiting = sink.waiting.points;
        Some(Warning {
            text: format!("the sink {name} takes nothing, {waiting} points wait: {}", failing.why),
            fix: failing.fix.clone(),
            since: Some(failing.since),
        })
    };
    let lossy = |sink: &SinkNow| {
        let dropped = sink.waiting.dropped;
        (dropped > 0 && sink.failing.is_some()).then(|| Warning {
            text: format!(
                "{dropped} points for the sink {} were given up: the spool is full",
                sink.name
            ),
            fix: "let it keep more: `spool: { max_bytes: 10 GiB, max_age: 30d }`".to_owned(),
            since: None,
        })
    };
    now.sinks.iter().flat_map(|sink| failing(sink).into_iter().chain(lossy(sink))).collect()
}

/// One figure of each sink: its name, what it says, and its value.
type Figure = (&'static str, &'static str, fn(&SinkNow, UnixMs) -> f64);

const FIGURES: [Figure; 10] = [
    ("netmend_sink_up", "1 while the sink takes points, 0 while it fails.", |sink, _| {
        f64::from(u8::from(sink.failing.is_none()))
    }),
    ("netmend_sink_points_waiting", "Points that wait for the sink.", |sink, _| {
        sink.waiting.points as f64
    }),
    ("netmend_sink_bytes_waiting", "Bytes of the spool that wait for the sink.", |sink, _| {
        sink.waiting.bytes as f64
    }),
    ("netmend_sink_oldest_seconds", "Age of the oldest point that is being sent.", |sink, at| {
        sink.oldest.map_or(0.0, |oldest| (at.0 - oldest.0) as f64 / 1e3)
    }),
    ("netmend_sink_points_sent_total", "Points that the sink took.", |sink, _| sink.sent as f64),
    (
        "netmend_sink_points_dropped_total",
        "Points that went because the spool was full or they were too old.",
        |sink, _| sink.waiting.dropped as f64,
    ),
    ("netmend_sink_points_refused_total", "Points that the sink will never take.", |sink, _| {
        sink.refused as f64
    }),
    (
        "netmend_sink_points_partial_total",
        "Points in requests of which the sink took a part only.",
        |sink, _| sink.partial as f64,
    ),
    (
        "netmend_sink_points_damaged_total",
        "Points that could not be read from the spool again.",
        |sink, _| sink.waiting.damaged as f64,
    ),
    ("netmend_sink_requests_failed_total", "Requests that are made again.", |sink, _| {
        sink.failed as f64
    }),
];

/// What passing on has done.
pub(crate) fn counters(now: &ForwardingNow, at: UnixMs) -> Vec<Counter> {
    if now.sinks.is_empty() {
        return Vec::new();
    }
    let mut counters = vec![
        Counter::gauge("netmend_spool_bytes", "Size of the spool.", now.spool_bytes as f64),
        Counter::total(
            "netmend_spool_points_lost_total",
            "Points that the spool could not take.",
            now.unspooled,
        ),
        Counter::gauge(
            "netmend_spool_truncated_bytes",
            "Bytes at the end of the spool that were cut off at the start.",
            now.found.truncated as f64,
        ),
    ];
    for (name, help, value) in FIGURES {
        let kind = if name.ends_with("_total") { CounterKind::Counter } else { CounterKind::Gauge };
        counters.extend(now.sinks.iter().map(|sink| {
            let (labels, value) = (vec![("sink", sink.name.clone())], value(sink, at));
            Counter { name, help, kind, labels, value }
        }));
    }
    counters
}

#[cfg(test)]
mod tests {
    use store::sink::{Failing, Waiting};

    use super::*;

    #[test]
    fn a_sink_that_fails_for_a_while_is_a_warning_with_what_waits() {
        let failing =
            Failing { why: "db answers 401".into(), fix: "correct it".into(), since: UnixMs(0) };
        let waiting = Waiting { points: 7, dropped: 3, ..Waiting::default() };
        let failing = Some(failing);
        let sink = SinkNow { name: "a".into(), failing, waiting, ..SinkNow::default() };
        let now = ForwardingNow { sinks: vec![sink], ..ForwardingNow::default() };
        assert_eq!(warnings(&now, UnixMs(9_000)).len(), 1, "what was given up is said at once");
        let found = warnings(&now, UnixMs(10_000));
        assert_eq!(found[0].text, "the sink a takes nothing, 7 points wait: db answers 401");
        assert_eq!((&*found[0].fix, found[0].since), ("correct it", Some(UnixMs(0))));
        assert!(found[1].text.starts_with("3 points for the sink a were given up"));
    }
}
