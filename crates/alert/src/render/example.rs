//! The alert that a test message shows, so that people see what they will get: made up, about a host that
//! cannot exist. It must never stand in a message that is no test.

use std::time::Duration;

use model::alert::{Alert, AlertId, AlertState, Finding, TargetSubject};
use model::{Metric, Protocol, Rule, Severity, Subject, Target, UnixMs};

use super::curve::Curve;

const MINUTE: Duration = Duration::from_mins(1);

/// A latency alert, four minutes old at `now`.
pub(super) fn alert(now: UnixMs) -> Alert {
    // RFC 6761, 6.4: names under `invalid` never exist.
    let target = TargetSubject::of(&Target::new("edge7.invalid", "example", Protocol::Icmp));
    let since = now - 4 * MINUTE;
    let finding = Finding {
        metric: Metric::Rtt,
        series: target.series,
        rule: Rule::Nm,
        state: AlertState::Firing,
        since,
        ended: None,
        value: 62_000.0,
        peak: 64_000.0,
        usual: Some(24_000.0),
        varies: Some(3_000.0),
        limit: Some(36_000.0),
        share: 0.78,
        at: now,
    };
    Alert {
        raised: now - MINUTE,
        findings: vec![finding],
        normal: vec![Metric::Loss, Metric::Jitter],
        ..Alert::new(AlertId(0), Subject::Target(target), Severity::Warning, since)
    }
}

/// The curve of that alert: two hours as usual, then too high.
pub(super) fn curve(now: UnixMs) -> Curve {
    let from = now - 120 * MINUTE;
    let level = |minute: u32| {
        let wave = (f64::from(minute) * 0.7).sin() * 1_500.0;
        (from + minute * MINUTE, wave + if minute < 116 { 24_000.0 } else { 62_000.0 })
    };
    let line = |value| vec![(from, value), (now, value)];
    Curve {
        metric: Metric::Rtt,
        from,
        until: now,
        level: (0..=120).map(level).collect(),
        usual: line(24_000.0),
        varies: 3_000.0,
        limit: line(36_000.0),
        bad: (now - 4 * MINUTE, now),
        step: MINUTE,
    }
}
