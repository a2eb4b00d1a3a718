//! Messages for the tests, as the engine writes them.

use model::alert::{
    Alert, AlertId, AlertState, Finding, Message, MessageKind, Neighbours, Notice, NoticeId,
    NoticeState, TargetSubject,
};
use model::{Metric, Protocol, Rule, Severity, Subject, Target, UnixMs};

/// Tuesday 2026-11-24 10:06:00 UTC.
pub(crate) const NOW: UnixMs = UnixMs(1_795_514_760_000);

/// So many minutes before [`NOW`].
pub(crate) fn ago(minutes: i64) -> UnixMs {
    UnixMs(NOW.0 - minutes * 60_000)
}

/// A latency alert of `host`.
pub(crate) fn alert(host: &str) -> Alert {
    let mut target = Target::new(host, "emea", Protocol::Icmp);
    target.tags.insert("gateway".into(), "gw1".into());
    let subject = TargetSubject::of(&target);
    let finding = Finding {
        metric: Metric::Rtt,
        series: subject.series,
        rule: Rule::Nm,
        state: AlertState::Firing,
        since: ago(4),
        ended: None,
        value: 62_040.0,
        peak: 71_500.0,
        usual: Some(24_000.0),
        varies: Some(3_000.0),
        limit: Some(36_000.0),
        share: 0.78,
        at: NOW,
    };
    Alert {
        raised: ago(1),
        findings: vec![finding],
        normal: vec![Metric::Loss, Metric::Jitter],
        neighbours: vec![Neighbours {
            tag: "gateway".into(),
            value: "gw1".into(),
            affected: 2,
            total: 8,
        }],
        told: true,
        ..Alert::new(AlertId(17), Subject::Target(subject), Severity::Warning, ago(4))
    }
}

/// The same alert, over.
pub(crate) fn over(mut alert: Alert) -> Alert {
    (alert.state, alert.ended) = (AlertState::Resolved, Some(ago(0)));
    for finding in &mut alert.findings {
        (finding.state, finding.ended, finding.value) =
            (AlertState::Resolved, Some(ago(0)), 25_000.0);
    }
    alert
}

/// Message `number` of the thread about `alerts`.
pub(crate) fn message(kind: MessageKind, number: u32, alerts: Vec<Alert>) -> Message {
    let count = |wanted: fn(&Alert) -> bool| alerts.iter().filter(|a| wanted(a)).count() as u32;
    Message {
        kind,
        site: "london-1".into(),
        at: NOW,
        thread: "a17-1795514700".into(),
        number,
        severity: alerts.iter().map(|alert| alert.severity).max().unwrap_or(Severity::Info),
        open: count(Alert::is_open),
        resolved: count(|alert| alert.state == AlertState::Resolved),
        accepted: count(|alert| alert.state == AlertState::Accepted),
        alerts,
        pages: Some("https://netmend.example.com".into()),
    }
}

/// The first message about a latency alert of `edge7/wan1`.
pub(crate) fn firing() -> Message {
    message(MessageKind::Firing, 1, vec![alert("edge7/wan1")])
}

/// `message` on its way to `receiver`.
pub(crate) fn notice(id: u64, receiver: &str, message: Message) -> Notice {
    Notice {
        id: NoticeId(id),
        receiver: receiver.into(),
        message,
        state: NoticeState::Waiting,
        attempts: 0,
        created: NOW,
        next_try: NOW,
        done: None,
        last_error: None,
        delivered: vec![],
    }
}
