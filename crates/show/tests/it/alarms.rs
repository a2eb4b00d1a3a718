//! A simulated alert stage for tests and for looking at pages: holds the alerts it is given, keeps them in
//! the store as the real one does, and carries out commands. It judges nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::alert::{
    Ack, Entry, Finding, GroupSubject, Happening, Matcher, Member, Message, MessageKind,
    Neighbours, Notice, NoticeId, NoticeState, Operator, QuietBy, Silence, SilenceId,
    TargetSubject, Weekday, Weekly,
};
use model::{
    Alert, AlertId, AlertState, Clock, Judgement, Metric, Rule, SeriesId, Severity, Standing,
    Subject, Target, TargetNow, UnixMs,
};
use netmend_show::{
    Alerts, AlertsNow, Command, Commands, Explanation, Maintenance, Month, Receipt, Refusal,
    SilenceNow, Trace, Uptimes,
};
use store::{Applied, Change, State};

/// An alert stage whose alerts are what tests put there.
pub(crate) struct Alarms {
    now: Mutex<Arc<AlertsNow>>,
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    told: Mutex<Told>,
}

/// What the stage answers and what it was asked.
#[derive(Default)]
struct Told {
    explanation: Explanation,
    uptimes: Uptimes,
    counted: Vec<(String, String, usize)>,
    refusal: Option<Refusal>,
    asked: Vec<(String, Command)>,
    silences: u64,
}

impl Alarms {
    pub(crate) fn new(state: Arc<dyn State>, clock: Arc<dyn Clock>) -> Self {
        Self { now: Mutex::default(), state, clock, told: Mutex::default() }
    }

    /// An alert as it is from now on.
    pub(crate) fn put(&self, alert: Alert) {
        self.put_all(vec![alert]);
    }

    /// Many at once.
    pub(crate) fn put_all(&self, alerts: Vec<Alert>) {
        for some in alerts.chunks(1_000) {
            let changes = some.iter().map(|alert| Change::Alert(Box::new(alert.clone())));
            let applied = self.state.apply(changes.collect()).expect("the store takes alerts");
            assert!(matches!(applied, Applied::Done(_)));
        }
        self.edit(|now| {
            for alert in alerts {
                now.open.retain(|known| known.id != alert.id);
                if alert.is_open() {
                    now.open.push(Arc::new(alert));
                }
            }
        });
    }

    /// A silence as it is from now on, which holds or does not.
    pub(crate) fn silence(&self, silence: Silence, holds: bool) {
        self.state.apply(vec![Change::Silence(silence.clone())]).expect("the store takes silences");
        let mut told = self.told.lock().expect("no holder of this lock panics");
        told.silences = told.silences.max(silence.id.0);
        drop(told);
        self.edit(|now| {
            now.silences.retain(|known| known.silence.id != silence.id);
            if silence.expired.is_none() {
                now.silences.push(SilenceNow { silence, holds });
            }
        });
    }

    /// A maintenance window of the configuration.
    pub(crate) fn maintain(&self, window: Maintenance) {
        self.edit(|now| now.maintenance.push(window));
    }

    /// A message that was written.
    pub(crate) fn notice(&self, notice: Notice) {
        self.state.apply(vec![Change::Notice(Box::new(notice))]).expect("the store takes notices");
    }

    /// What is known of every alert.
    pub(crate) fn explain_as(&self, explanation: Explanation) {
        self.told.lock().expect("no holder of this lock panics").explanation = explanation;
    }

    /// What is counted for every month.
    pub(crate) fn count_as(&self, uptimes: Uptimes) {
        self.told.lock().expect("no holder of this lock panics").uptimes = uptimes;
    }

    /// Which months of which targets were asked for, and how many of them.
    pub(crate) fn counted(&self) -> Vec<(String, String, usize)> {
        self.told.lock().expect("no holder of this lock panics").counted.clone()
    }

    /// Lets every command fail.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.told.lock().expect("no holder of this lock panics").refusal = Some(refusal);
    }

    /// The commands so far, with who asked.
    pub(crate) fn asked(&self) -> Vec<(String, Command)> {
        self.told.lock().expect("no holder of this lock panics").asked.clone()
    }

    fn edit(&self, change: impl FnOnce(&mut AlertsNow)) {
        let mut held = self.now.lock().expect("no holder of this lock panics");
        let mut now = AlertsNow::clone(&held);
        now.version += 1;
        change(&mut now);
        *held = Arc::new(now);
    }

    fn ack(&self, actor: &str, id: AlertId, note: Option<String>, ticket: Option<String>) {
        let found = self.present().open.iter().find(|alert| alert.id == id).cloned();
        let mut alert = Alert::clone(&found.expect("it was found before"));
        let at = self.clock.now_ms();
        let ack = Ack { at, by: actor.to_owned(), note, ticket };
        alert.note(at, Happening::Acked(ack.clone()));
        alert.ack = Some(ack);
        self.put(alert);
    }
}

impl Alerts for Alarms {
    fn present(&self) -> Arc<AlertsNow> {
        Arc::clone(&self.now.lock().expect("no holder of this lock panics"))
    }

    fn judgement(&self, series: SeriesId) -> Option<Judgement> {
        let now = self.present();
        let findings = now.open.iter().flat_map(|alert| &alert.findings);
        let finding = findings.into_iter().find(|finding| finding.series == series)?;
        Some(Judgement {
            at: finding.at,
            value: finding.value,
            usual: finding.usual?,
            varies: finding.varies.unwrap_or(f32::NAN),
            limit: finding.limit?,
            share: finding.share,
            standing: Standing::Firing { since: finding.since, rule: finding.rule },
            change: None,
        })
    }

    fn explain(&self, _: &Alert) -> Explanation {
        self.told.lock().expect("no holder of this lock panics").explanation.clone()
    }

    fn availability(&self, month: Month, text: &str, most: usize) -> Result<Uptimes, store::Error> {
        let mut told = self.told.lock().expect("no holder of this lock panics");
        told.counted.push((month.name(), text.to_owned(), most));
        Ok(told.uptimes.clone())
    }
}

impl Commands for Alarms {
    fn submit(&self, actor: &str, command: Command) -> Result<Receipt, Refusal> {
        let mut told = self.told.lock().expect("no holder of this lock panics");
        told.asked.push((actor.to_owned(), command.clone()));
        if let Some(refusal) = &told.refusal {
            return Err(refusal.clone());
        }
        let next = told.silences + 1;
        drop(told);
        match command {
            Command::Ack { alert, note, ticket } => {
                if !self.present().open.iter().any(|known| known.id == alert) {
                    return Err(Refusal::TooLate(format!("alert {alert} is over")));
                }
                self.ack(actor, alert, note, ticket);
                Ok(Receipt::Acked(alert))
            }
            Command::Silence(new) => {
                let now = self.clock.now_ms();
                let from = new.from.unwrap_or(now);
                let id = SilenceId(next);
                let (matchers, weekly) = (new.matchers, new.weekly);
                let (created, by, expired) = (now, actor.to_owned(), None);
                let silence = Silence {
                    id,
                    matchers,
                    from,
                    until: new.until,
                    weekly,
                    created,
                    by,
                    note: new.note,
                    expired,
                };
                self.silence(silence, from <= now);
                Ok(Receipt::Silenced(id))
            }
            Command::Expire(id) => {
                let now = self.present();
                let known = now.silences.iter().find(|known| known.silence.id == id);
                let mut silence = known
                    .ok_or_else(|| Refusal::Unknown(format!("no silence has the number {id}")))?
                    .silence
                    .clone();
                silence.expired = Some((self.clock.now_ms(), actor.to_owned()));
                self.silence(silence, false);
                Ok(Receipt::Expired(id))
            }
        }
    }
}

/// A finding of the RTT of a target, since so many minutes.
pub(crate) fn slow(now: &TargetNow, at: UnixMs, minutes: u64) -> Finding {
    Finding {
        metric: Metric::Rtt,
        series: now.series.rtt,
        rule: Rule::Nm,
        state: AlertState::Firing,
        since: at - Duration::from_mins(minutes),
        ended: None,
        value: 41_300.0,
        peak: 52_700.0,
        usual: Some(11_800.0),
        varies: Some(900.0),
        limit: Some(19_800.0),
        share: 0.93,
        at,
    }
}

/// A finding of a target that answers nothing, since so many minutes.
pub(crate) fn dead(now: &TargetNow, at: UnixMs, minutes: u64) -> Finding {
    Finding {
        metric: Metric::Loss,
        series: now.series.loss,
        rule: Rule::Down,
        value: 100.0,
        peak: 100.0,
        usual: Some(0.0),
        varies: None,
        limit: Some(1.0),
        share: 1.0,
        ..slow(now, at, minutes)
    }
}

/// A finding of loss, since so many minutes.
pub(crate) fn lossy(now: &TargetNow, at: UnixMs, minutes: u64) -> Finding {
    Finding {
        metric: Metric::Loss,
        series: now.series.loss,
        value: 14.2,
        peak: 21.0,
        usual: Some(0.1),
        varies: None,
        limit: Some(1.1),
        ..slow(now, at, minutes)
    }
}

/// A firing alert of a target with these findings.
pub(crate) fn firing(
    id: u64,
    target: &Target,
    severity: Severity,
    findings: Vec<Finding>,
) -> Alert {
    let since = findings.first().map_or(UnixMs(0), |finding| finding.since);
    let raised = since + Duration::from_secs(110);
    let found: Vec<Metric> = findings.iter().map(|finding| finding.metric).collect();
    Alert {
        raised,
        findings,
        normal: Metric::ALL.into_iter().filter(|metric| !found.contains(metric)).collect(),
        told: true,
        history: vec![Entry { at: raised, what: Happening::Raised(severity) }],
        ..Alert::new(AlertId(id), Subject::Target(TargetSubject::of(target)), severity, since)
    }
}

/// The same after it ended.
pub(crate) fn over(mut alert: Alert, state: AlertState, ended: UnixMs) -> Alert {
    alert.state = state;
    alert.ended = Some(ended);
    for finding in &mut alert.findings {
        (finding.state, finding.ended) = (state, Some(ended));
    }
    let what =
        if state == AlertState::Accepted { Happening::Accepted } else { Happening::Resolved };
    alert.note(ended, what);
    alert
}

/// A message about an alert to a receiver.
pub(crate) fn notice(id: u64, receiver: &str, alert: &Alert, state: NoticeState) -> Notice {
    let at = alert.raised + Duration::from_secs(30);
    let message = Message {
        kind: MessageKind::Firing,
        site: "SIMULATION".into(),
        at,
        thread: format!("t-{}", alert.id),
        number: 1,
        severity: alert.severity,
        alerts: vec![alert.clone()],
        open: 1,
        resolved: 0,
        accepted: 0,
        pages: None,
    };
    let sent = state == NoticeState::Sent;
    Notice {
        id: NoticeId(id),
        receiver: receiver.into(),
        message,
        state,
        attempts: if sent { 1 } else { 4 },
        created: at,
        next_try: at + Duration::from_mins(8),
        done: sent.then(|| at + Duration::from_secs(2)),
        last_error: (!sent).then(|| {
            "could not connect to hooks.example.net:443: connection timed out after 10 s".to_owned()
        }),
        delivered: vec![],
    }
}

/// A silence over a matcher, from and until so many minutes from `now`.
pub(crate) fn silence(id: u64, matcher: (&str, &str), now: UnixMs, span: (i64, i64)) -> Silence {
    let minutes = |minutes: i64| UnixMs(now.0 + minutes * 60_000);
    let (label, value) = (matcher.0.to_owned(), matcher.1.to_owned());
    Silence {
        id: SilenceId(id),
        matchers: vec![Matcher { label, operator: Operator::Fits, value }],
        from: minutes(span.0),
        until: Some(minutes(span.1)),
        weekly: None,
        created: minutes(span.0),
        by: "bo, by the pages".into(),
        note: "CHG-20031: new line cards".into(),
        expired: None,
    }
}

/// One of everything that alerts can be, among the targets of the small network.
pub(crate) fn fill(alarms: &Alarms, targets: &[Arc<TargetNow>], at: UnixMs) {
    let of = |host: &str| {
        let found = targets.iter().find(|now| now.target.host == host);
        Arc::clone(found.expect("the small network has it"))
    };
    let ago = |minutes| at - Duration::from_mins(minutes);
    let gone = of("db2.aws-london.example.net");
    let down = firing(23, &gone.target, Severity::Critical, vec![dead(&gone, at, 6)]);
    let slowed = of("db1.aws-london.example.net");
    let mut slower = firing(
        21,
        &slowed.target,
        Severity::Warning,
        vec![
            slow(&slowed, at, 27),
            Finding {
                value: 9_400.0,
                peak: 15_100.0,
                usual: Some(700.0),
                varies: Some(250.0),
                limit: Some(6_700.0),
                metric: Metric::Jitter,
                series: slowed.series.jitter,
                ..slow(&slowed, at, 25)
            },
        ],
    );
    slower.neighbours.push(Neighbours {
        tag: "gateway".into(),
        value: "gw1".into(),
        affected: 2,
        total: 16,
    });
    slower.cause = Some(model::alert::Cause::Path);
    slower.note(ago(24), Happening::Found(Metric::Jitter));
    slower.note(ago(23), Happening::Told { receiver: "noc".into(), kind: MessageKind::Firing });
    slower.note(ago(21), Happening::Cause(model::alert::Cause::Path));
    past(alarms, &slowed, &slower, at);
    let group = cluster(targets, at);
    let loses = of("queue.aws-london.example.net");
    let mut known = firing(17, &loses.target, Severity::Warning, vec![lossy(&loses, at, 190)]);
    known.ack = Some(Ack {
        at: ago(120),
        by: "anna, by the pages".into(),
        note: Some("Carrier works on it until 02:00, see their mail.".into()),
        ticket: Some("INC-20931".into()),
    });
    (known.flapping, known.reopened) = (true, 3);
    let quiet = of("mail.tokyo.example.net");
    let mut hushed = firing(18, &quiet.target, Severity::Info, vec![slow(&quiet, at, 75)]);
    hushed.quiet = vec![QuietBy::Silence(SilenceId(2))];
    let silent = of("queue.gateway.example.net");
    let mut unheard = firing(16, &silent.target, Severity::Warning, vec![lossy(&silent, at, 300)]);
    unheard.state = AlertState::NoData;
    unheard.note(ago(40), Happening::NoData);
    alarms.put_all([vec![slower, down, known, hushed, unheard], group].concat());
    alarms.silence(silence(1, ("host", "cache.*"), at, (-3_000, -2_800)), false);
    alarms.silence(silence(2, ("region", "tokyo"), at, (-70, 50)), true);
    alarms.silence(silence(3, ("gateway", "gw[12]"), at, (600, 900)), false);
    let (label, value) = ("region".to_owned(), "aws-.*".to_owned());
    alarms.maintain(Maintenance {
        name: "weekend backups".into(),
        matchers: vec![Matcher { label, operator: Operator::Fits, value }],
        weekly: Some(Weekly {
            days: vec![Weekday::Sat, Weekday::Sun],
            from: 1_320,
            until: 360,
            zone: "Europe/London".into(),
        }),
        from: None,
        until: None,
        holds: false,
    });
    alarms.explain_as(explanation(at));
}

/// Earlier alerts of a target, and what was sent about the latest one.
fn past(alarms: &Alarms, slowed: &TargetNow, latest: &Alert, at: UnixMs) {
    for number in 0..5_u64 {
        let begin = 60 * 24 * (number * 3 + 1) + number * 170;
        let past =
            firing(5 - number, &slowed.target, Severity::Warning, vec![slow(slowed, at, begin)]);
        let state = if number == 2 { AlertState::Accepted } else { AlertState::Resolved };
        alarms.put(over(past, state, at - Duration::from_mins(begin - 18 - number * 31)));
    }
    for (number, (receiver, state)) in
        [("noc", NoticeState::Sent), ("chat", NoticeState::Waiting)].into_iter().enumerate()
    {
        alarms.notice(notice(1 + number as u64, receiver, latest, state));
    }
}

/// A group alert and the alerts it speaks for.
fn cluster(targets: &[Arc<TargetNow>], at: UnixMs) -> Vec<Alert> {
    let members: Vec<_> = targets
        .iter()
        .filter(|now| {
            now.target.region == "aws-frankfurt"
                && now.target.host != "mail.aws-frankfurt.example.net"
        })
        .collect();
    let subject =
        Subject::Group(GroupSubject { tag: "region".into(), value: "aws-frankfurt".into() });
    let mut group = firing(30, &members[0].target, Severity::Critical, vec![]);
    (group.subject, group.since) = (subject, at - Duration::from_mins(12));
    group.raised = group.since + Duration::from_mins(2);
    group.history = vec![Entry { at: group.raised, what: Happening::Raised(group.severity) }];
    group.normal = vec![];
    (group.affected, group.total) = (members.len() as u32, 8);
    let mut all = Vec::new();
    for (number, now) in members.iter().enumerate() {
        let id = AlertId(24 + number as u64 % 6);
        let finding = slow(now, at, 12 - number as u64 / 2);
        let since = finding.since;
        let state = AlertState::Firing;
        let subject = Subject::Target(TargetSubject::of(&now.target));
        group.members.push(Member { subject, alert: Some(id), since, state });
        let mut alert = firing(id.0, &now.target, Severity::Warning, vec![finding]);
        alert.quiet = vec![QuietBy::Alert(group.id)];
        all.push(alert);
    }
    all.push(group);
    all
}

fn explanation(at: UnixMs) -> Explanation {
    let hops = |slow: bool| {
        let last = if slow { "41.9 ms" } else { "11.7 ms" };
        let fifth = if slow { "203.0.113.77" } else { "198.51.100.9" };
        format!(
            " 1  192.0.2.1          0.4 ms\n 2  198.51.100.1       1.2 ms\n 3  *\n 4  198.51.100.5       \
             3.9 ms\n 5  {fifth:<15}    {}\n 6  198.18.0.10        {last}",
            if slow { "33.2 ms" } else { "6.1 ms" }
        )
    };
    Explanation {
        clears: "10 min with latency below 15.8 ms.".into(),
        evidence: vec![
            "Ping and TCP to port 443 are both slow: 41.3 ms and 42.0 ms, usual 11.8 ms.".into(),
            "The path changed at hop 5: 203.0.113.77 instead of 198.51.100.9.".into(),
        ],
        traces: vec![
            Trace {
                at: at - Duration::from_hours(9),
                title: "while all was well".into(),
                text: hops(false),
            },
            Trace {
                at: at - Duration::from_mins(25),
                title: "when it was raised".into(),
                text: hops(true),
            },
        ],
        ticket: "Latency to 198.18.0.10 is 41.3 ms instead of 11.8 ms\nSince: 2026-11-21 22:22 UTC, not \
                 over\nLoss: none\nPath changed at hop 5: 203.0.113.77 instead of 198.51.100.9\n"
            .into(),
    }
}
