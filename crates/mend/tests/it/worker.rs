//! Workers on simulated devices: what is written down before and after, and what ends a run early.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lab::{Device, DeviceOptions, Dialect, Misbehaviour};
use mend::proof::{Judge, Measuring, Prober, ProofTarget};
use mend::script::{Facts, Host, Meta, Pattern, Remediation, Step, Verdict, VerdictKind};
use mend::session::{HostKeys, Kept, Limits};
use mend::worker::{self, Ending, Errand, Logins, Scripts, Stepping, Steps, Switch, Task, Tools};
use mend::{Endpoint, Platform};
use model::event::{EventState, Evidence, Mode, Origin as Told};
use model::run::{Measured, Run, RunId, RunState};
use model::{EventId, Judgement, Login, Secret, SeriesId, SystemClock, UnixMs};
use store::{
    AuditQuery, Change, Claim, ClaimLimits, Claimed, EventChange, EventPlan, EventQuery,
    EventReport, Memo, PlannedRule, Query, RunQuery, State, StateFile, Value,
};

const PORT: &str = "GigabitEthernet0/1";

/// `check`, `fix` and `verify` in Rust.
#[derive(Clone)]
struct Bounce {
    /// What is done besides, at the beginning of the fix.
    before_fix: Arc<dyn Fn() + Send + Sync>,
}

impl Scripts for Bounce {
    fn begin<'a>(
        &'a self,
        _: &'a Remediation,
        _: &'a Facts,
        _: Platform,
        _: Step,
    ) -> Box<dyn Steps + 'a> {
        Box::new(self.clone())
    }
}

impl Steps for Bounce {
    fn step<'a>(&'a mut self, step: Step, host: &'a mut dyn Host, _: Duration) -> Stepping<'a> {
        Box::pin(async move {
            let command = format!("show interfaces {PORT}");
            let said = |kind| Verdict { kind, reason: String::new(), notes: Vec::new() };
            let yes = |yes: bool| said(if yes { VerdictKind::Yes } else { VerdictKind::No });
            let failed = |why: mend::script::HostError| why.to_string();
            match step {
                Step::Check => {
                    let shown = host.show(&command).await.map_err(failed)?;
                    Ok(yes(shown.contains("is down")))
                }
                Step::Fix | Step::Undo => {
                    (self.before_fix)();
                    let lines =
                        [format!("interface {PORT}"), "shutdown".into(), "no shutdown".into()];
                    host.configure(&lines).await.map_err(failed)?;
                    Ok(yes(true))
                }
                Step::Verify => {
                    let shown = host.show(&command).await.map_err(failed)?;
                    Ok(yes(shown.contains("is up")))
                }
            }
        })
    }
}

/// Shuts ports for good, each by a change of its own.
#[derive(Clone)]
struct Shut {
    ports: Vec<&'static str>,
    /// What is done besides, once they are shut.
    after_fix: Arc<dyn Fn() + Send + Sync>,
}

impl Scripts for Shut {
    fn begin<'a>(
        &'a self,
        _: &'a Remediation,
        _: &'a Facts,
        platform: Platform,
        _: Step,
    ) -> Box<dyn Steps + 'a> {
        Box::new(Shutting(self.clone(), platform))
    }
}

/// The same at work.
struct Shutting(Shut, Platform);

impl Steps for Shutting {
    fn step<'a>(&'a mut self, step: Step, host: &'a mut dyn Host, _: Duration) -> Stepping<'a> {
        Box::pin(async move {
            if step == Step::Fix {
                for port in &self.0.ports {
                    let lines = match self.1 {
                        Platform::Junos => {
                            [format!("edit interfaces {port}"), "set disable".into()]
                        }
                        _ => [format!("interface {port}"), "shutdown".into()],
                    };
                    host.configure(&lines).await.map_err(|why| why.to_string())?;
                }
                (self.0.after_fix)();
            }
            Ok(Verdict { kind: VerdictKind::Yes, reason: String::new(), notes: Vec::new() })
        })
    }
}

#[derive(Default)]
struct Pause(Mutex<Option<String>>);

impl Switch for Pause {
    fn stopped(&self) -> Option<String> {
        self.0.lock().unwrap().clone()
    }
}

/// What was said of credentials.
#[derive(Default)]
struct Heard {
    blocked: bool,
    said: Mutex<Vec<&'static str>>,
}

impl Logins for Heard {
    fn blocked(&self, _: &Login) -> Option<String> {
        self.blocked.then(|| "it was refused twice".into())
    }

    fn refused(&self, _: &Login, _: &str) -> Change {
        self.said.lock().unwrap().push("refused");
        Change::Memo(Memo { key: "refused".into(), body: Some(Vec::new()) })
    }

    fn accepted(&self, _: &Login) -> Option<Change> {
        self.said.lock().unwrap().push("accepted");
        None
    }
}

/// Measures what a test says.
struct Probes(Vec<Measured>);

impl Prober for Probes {
    fn targets(&self, _: &str) -> Vec<ProofTarget> {
        let series = |number: usize| SeriesId(number as u128);
        let target = |number| ProofTarget { name: format!("t{number}"), series: series(number) };
        (0..self.0.len()).map(target).collect()
    }

    fn before(&self, targets: &[ProofTarget]) -> Vec<Measured> {
        targets.iter().map(|_| Measured { sent: 10, received: 0, rtt_us: None }).collect()
    }

    fn probe<'a>(&'a self, _: &'a [ProofTarget], _: u32) -> Measuring<'a> {
        Box::pin(async { self.0.clone() })
    }
}

struct Unjudged;

impl Judge for Unjudged {
    fn now(&self, _: SeriesId) -> Option<Judgement> {
        None
    }
}

/// A device whose port is down, an event of it that was claimed, and what a worker needs.
struct Bench {
    device: Device,
    state: Arc<StateFile>,
    pause: Arc<Pause>,
    heard: Arc<Heard>,
    tools: Tools,
    task: Task,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new(change: impl FnOnce(&mut DeviceOptions)) -> Self {
        Self::on(Platform::Ios, change).await
    }

    async fn on(platform: Platform, change: impl FnOnce(&mut DeviceOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = DeviceOptions::new("r1", Dialect::named(platform.name()).unwrap());
        change(&mut options);
        let device = Device::new(options).unwrap();
        device.break_interface(PORT);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut login = Login::new("netmend");
        login.port = listener.local_addr().unwrap().port();
        login.password = Some(Secret::new("lab"));
        let served = device.clone();
        tokio::spawn(async move { served.listen(listener).await });
        std::fs::write(folder.path().join("known"), format!("r1 {}\n", device.public_key()))
            .unwrap();
        let state = Arc::new(StateFile::open(folder.path(), &SystemClock).unwrap());
        let pause = Arc::new(Pause::default());
        let heard = Arc::new(Heard::default());
        let tools = Tools {
            scripts: Arc::new(Bounce { before_fix: Arc::new(|| ()) }),
            switch: Arc::clone(&pause) as _,
            logins: Arc::clone(&heard) as _,
            prober: Arc::new(Probes(Vec::new())),
            judge: Arc::new(Unjudged),
            state: Arc::clone(&state) as _,
            clock: Arc::new(SystemClock),
            keys: HostKeys::at(folder.path().join("known")),
            limits: Limits { command: Duration::from_secs(2), ..Limits::default() },
            kept: Kept::default(),
        };
        let endpoint = Endpoint {
            device: "r1".into(),
            addresses: vec!["127.0.0.1".parse().unwrap()],
            login,
            platform,
            jump: None,
        };
        let (event, run) = claimed(&state);
        let mut remediation = remediation();
        remediation.meta.platforms = vec![platform];
        let remediation = Arc::new(remediation);
        let errand = Errand::Repair;
        let task = Task { run, event, remediation, endpoint, changed_before: false, errand };
        Self { device, state, pause, heard, tools, task, _folder: folder }
    }

    async fn work(&self) -> (Ending, Run) {
        let ending = worker::run(&self.tools, self.task.clone()).await;
        (ending, self.stored())
    }

    fn stored(&self) -> Run {
        let found = self.state.find(&Query::Runs(RunQuery::default())).unwrap();
        match &found[0].value {
            Value::Run(run) => (**run).clone(),
            other => panic!("no run: {other:?}"),
        }
    }

    fn event(&self) -> model::Event {
        match self.state.find(&Query::Events(EventQuery::default())).unwrap().remove(0).value {
            Value::Event(event) => *event,
            other => panic!("no event: {other:?}"),
        }
    }

    fn changes(&self) -> usize {
        self.device.commands().iter().filter(|line| *line == "shutdown").count()
    }
}

fn remediation() -> Remediation {
    let meta = Meta {
        about: "bounce".into(),
        codes: vec![Pattern::new("LINK-3-UPDOWN")],
        when: Vec::new(),
        platforms: vec![Platform::Ios],
        timeout: Duration::from_secs(20),
        idempotent: true,
        priority: 0,
        settle: Duration::ZERO,
        retries: 1,
        steps: vec![Step::Check, Step::Fix, Step::Verify],
    };
    Remediation::without_text("bounce", meta)
}

/// An event that waits for a worker, and the run that a worker was given for it.
fn claimed(state: &StateFile) -> (model::Event, Run) {
    let now = UnixMs(1_000);
    let report = EventReport {
        device: "r1".into(),
        code: "LINK-3-UPDOWN".into(),
        code_norm: "LINK-3-UPDOWN".into(),
        object: PORT.into(),
        severity: Some(3),
        at: now,
        state: EventState::New,
        reason: String::new(),
        not_before: now,
        origin: Told::Line,
        message: "down".into(),
        fields: [("interface".to_owned(), PORT.to_owned())].into(),
        evidence: Evidence::Stream,
    };
    let rule = PlannedRule {
        remediation: "bounce".into(),
        script_sha256: String::new(),
        mode: Mode::Auto,
    };
    let plan = EventPlan {
        id: EventId(1),
        from: vec![EventState::New],
        to: EventState::Queued,
        reason: String::new(),
        not_before: now,
        rule: Some(rule),
        ask: None,
    };
    let changes = [EventChange::Report(Box::new(report)), EventChange::Plan(Box::new(plan))];
    state.apply(changes.map(Change::Event).to_vec()).unwrap();
    let run = Run {
        id: RunId(0),
        event: EventId(1),
        attempt: 0,
        device: "r1".into(),
        platform: "ios".into(),
        remediation: "bounce".into(),
        script_sha256: String::new(),
        idempotent: true,
        mode: Mode::Auto,
        approved: None,
        worker: "worker 1".into(),
        epoch: 1,
        state: RunState::Running,
        reason: String::new(),
        started: now,
        ended: None,
        changed: false,
        sent: Vec::new(),
        guards: Vec::new(),
        steps: Vec::new(),
        proof: None,
    };
    let Claimed::Run(run) = state.claim(claim(run)).unwrap() else { panic!("it was not claimed") };
    let found = state.find(&Query::Events(EventQuery::default())).unwrap();
    let Value::Event(event) = &found[0].value else { panic!("{found:?}") };
    ((**event).clone(), *run)
}

/// A claim of the event for this run.
fn claim(run: Run) -> Claim {
    let limits = ClaimLimits {
        running: 9,
        running_rule: 9,
        window: Duration::from_hours(1),
        rule: 9,
        device: 9,
        devices: 9,
    };
    Claim { event: run.event, lease_until: run.started, run, locks: vec!["r1".into()], limits }
}

#[tokio::test]
async fn a_repair_ends_with_its_proof_and_its_transcript() {
    let mut bench = Bench::new(|_| ()).await;
    let answered = Measured { sent: 10, received: 10, rtt_us: Some(900.0) };
    bench.tools.prober = Arc::new(Probes(vec![answered]));
    let (ending, run) = bench.work().await;
    assert_eq!(ending, Ending::Over(RunState::Success), "{run:#?}");
    assert_eq!(run.reason, "proven: its target answers as usual, and did not before");
    assert_eq!(bench.event().state, EventState::Success);
    assert_eq!((run.changed, bench.changes()), (true, 1));
    let found = bench.state.find(&Query::Transcript(run.id)).unwrap();
    let Value::Transcript(said) = &found[0].value else { panic!("{found:?}") };
    assert!(said.iter().any(|exchange| exchange.step == Some(model::run::Step::Verify)));
    let audit = bench.state.find(&Query::Audit(AuditQuery::default())).unwrap();
    let actions: Vec<String> = audit
        .iter()
        .rev()
        .map(|record| match &record.value {
            Value::Audit(entry) => entry.action.clone(),
            other => panic!("no entry: {other:?}"),
        })
        .collect();
    assert_eq!(actions[0], "login");
    assert_eq!(actions.last().unwrap(), "success");
    let at = |action: &str| actions.iter().position(|known| known == action).unwrap();
    assert!(at("configure") < at("verifying"), "{actions:?}");
}

/// Measures something else each time.
struct Recovering(Mutex<Vec<Measured>>);

impl Prober for Recovering {
    fn targets(&self, _: &str) -> Vec<ProofTarget> {
        vec![ProofTarget { name: "t0".into(), series: SeriesId(0) }]
    }

    fn before(&self, _: &[ProofTarget]) -> Vec<Measured> {
        vec![Measured { sent: 10, received: 0, rtt_us: None }]
    }

    fn probe<'a>(&'a self, _: &'a [ProofTarget], _: u32) -> Measuring<'a> {
        Box::pin(async { vec![self.0.lock().unwrap().pop().expect("nobody looks more often")] })
    }
}

#[tokio::test]
async fn what_takes_a_while_to_be_used_again_is_measured_once_more_if_it_may_settle_that_long() {
    let answered = |received| Measured { sent: 10, received, rtt_us: Some(900.0) };
    for (settle, first, second, wanted) in [
        (11, 8, 10, RunState::Success),
        (11, 8, 8, RunState::Failure),
        (10, 8, 10, RunState::Failure),
        (11, 9, 0, RunState::Success),
    ] {
        let mut bench = Bench::new(|_| ()).await;
        let remediation = Arc::get_mut(&mut bench.task.remediation).expect("nobody has it yet");
        remediation.meta.settle = Duration::from_secs(settle);
        let measured = vec![answered(second), answered(first)];
        bench.tools.prober = Arc::new(Recovering(Mutex::new(measured)));
        let (_, run) = bench.work().await;
        assert_eq!(run.state, wanted, "{settle} s, {first} and {second} of 10: {}", run.reason);
    }
}

#[tokio::test]
async fn targets_that_stay_silent_prove_that_it_did_not_work() {
    let mut bench = Bench::new(|_| ()).await;
    bench.tools.prober = Arc::new(Probes(vec![Measured { sent: 10, received: 0, rtt_us: None }]));
    let (_, run) = bench.work().await;
    assert_eq!(run.state, RunState::Failure);
    assert!(run.reason.starts_with("not proven: t0 answered 0 of 10 probes"), "{}", run.reason);
    let event = bench.event();
    assert_eq!(event.state, EventState::Queued, "it is idempotent and may be tried once more");
    assert!(event.not_before > run.ended.unwrap());
}

#[tokio::test]
async fn the_kill_switch_stops_a_run_before_its_next_command() {
    let mut bench = Bench::new(|_| ()).await;
    let pause = Arc::clone(&bench.pause);
    let stop = move || *pause.0.lock().unwrap() = Some("paused by noc".into());
    bench.tools.scripts = Arc::new(Bounce { before_fix: Arc::new(stop) });
    let (_, run) = bench.work().await;
    assert_eq!((run.state, run.reason.as_str()), (RunState::Cancelled, "paused by noc"));
    assert_eq!((run.changed, bench.changes()), (false, 0));
    assert_eq!(bench.event().state, EventState::Held, "it may begin again later");
}

#[tokio::test]
async fn what_carries_our_own_session_is_not_taken_down_and_people_are_told() {
    let here = Some((PORT.to_owned(), "127.0.0.1".parse().unwrap()));
    let bench = Bench::new(|options| options.address = here).await;
    let (ending, run) = bench.work().await;
    assert_eq!((ending, bench.changes()), (Ending::Over(RunState::Held), 0), "{run:#?}");
    assert_eq!(run.reason, format!("{PORT} carries our own session: it is not taken down"));
    assert!(!run.changed);
    assert_eq!(bench.event().state, EventState::Escalated, "it would be refused again and again");
}

/// Platforms that take back what is not confirmed, with two ports of each.
const REVERTING: [(Platform, [&str; 2]); 3] = [
    (Platform::IosXr, ["GigabitEthernet0/0/0/0", "GigabitEthernet0/0/0/1"]),
    (Platform::Eos, ["Ethernet1", "Ethernet2"]),
    (Platform::Junos, ["ge-0/0/0", "ge-0/0/1"]),
];

#[tokio::test]
async fn a_change_stays_once_it_is_proven_and_undoes_itself_otherwise() {
    for (platform, [port, _]) in REVERTING {
        for (received, proven) in [(10, true), (0, false)] {
            let mut bench = Bench::on(platform, |_| ()).await;
            bench.tools.scripts = Arc::new(Shut { ports: vec![port], after_fix: Arc::new(|| ()) });
            bench.tools.prober =
                Arc::new(Probes(vec![Measured { sent: 10, received, rtt_us: None }]));
            let (_, run) = bench.work().await;
            assert_eq!(run.state == RunState::Success, proven, "{platform}: {run:#?}");
            assert_eq!(bench.device.is_enabled(port), Some(false), "{platform}");
            assert_eq!(bench.device.roll_back(), !proven, "{platform}: {run:#?}");
            assert_eq!(bench.device.is_enabled(port), Some(!proven), "{platform}");
            let said = "; r1 takes the change back by itself within 2 minutes";
            assert_eq!(run.reason.contains(said), !proven, "{platform}: {}", run.reason);
            if !proven {
                let event = bench.event();
                assert_eq!(event.state, EventState::Queued, "it may be tried again");
                let first = run.ended.unwrap() + Duration::from_secs(59);
                assert!(event.not_before > first, "but not before the device is as it was");
            }
        }
    }
}

#[tokio::test]
async fn the_kill_switch_leaves_a_change_unconfirmed() {
    for (platform, [port, _]) in REVERTING {
        let mut bench = Bench::on(platform, |_| ()).await;
        let pause = Arc::clone(&bench.pause);
        let stop = move || *pause.0.lock().unwrap() = Some("enough".into());
        bench.tools.scripts = Arc::new(Shut { ports: vec![port], after_fix: Arc::new(stop) });
        let (_, run) = bench.work().await;
        assert_eq!(run.state, RunState::Cancelled, "{platform}: {run:#?}");
        assert!(run.reason.starts_with("enough; r1 takes the change back"), "{}", run.reason);
        let event = bench.event();
        assert_eq!(event.state, EventState::Escalated, "nothing takes it up again");
        assert!(event.reason.starts_with("it was stopped when it had changed"), "{event:#?}");
        assert!(bench.device.roll_back(), "{platform}");
        assert_eq!(bench.device.is_enabled(port), Some(true), "{platform}");
    }
}

#[tokio::test]
async fn of_several_changes_all_stay_or_none() {
    for (platform, ports) in REVERTING {
        for (received, proven) in [(10, true), (0, false)] {
            let mut bench = Bench::on(platform, |_| ()).await;
            bench.tools.scripts =
                Arc::new(Shut { ports: ports.to_vec(), after_fix: Arc::new(|| ()) });
            bench.tools.prober =
                Arc::new(Probes(vec![Measured { sent: 10, received, rtt_us: None }]));
            let (_, run) = bench.work().await;
            assert_eq!(run.state == RunState::Success, proven, "{platform}: {run:#?}");
            let enabled = ports.map(|port| bench.device.is_enabled(port).unwrap());
            assert_eq!(enabled, [!proven; 2], "{platform}: {run:#?}");
            assert!(!bench.device.roll_back(), "{platform}: something waits");
            let said = run.reason.ends_with("; r1 is as it was before");
            assert_eq!(said, !proven, "{platform}: {}", run.reason);
        }
    }
}

#[tokio::test]
async fn the_kill_switch_keeps_several_changes_from_being_taken_back_and_says_so() {
    for (platform, ports) in REVERTING {
        let mut bench = Bench::on(platform, |_| ()).await;
        let pause = Arc::clone(&bench.pause);
        let stop = move || *pause.0.lock().unwrap() = Some("enough".into());
        bench.tools.scripts = Arc::new(Shut { ports: ports.to_vec(), after_fix: Arc::new(stop) });
        bench.tools.prober =
            Arc::new(Probes(vec![Measured { sent: 10, received: 0, rtt_us: None }]));
        let (_, run) = bench.work().await;
        assert_eq!(run.state, RunState::Failure, "{platform}: {run:#?}");
        let said = run.reason.ends_with("; what it changed on r1 stays");
        assert!(said, "{platform}: {}", run.reason);
        let enabled = ports.map(|port| bench.device.is_enabled(port).unwrap());
        assert_eq!(enabled, [false; 2], "{platform}");
    }
}

#[tokio::test]
async fn a_worker_that_panics_keeps_neither_its_device_nor_its_event() {
    let mut bench = Bench::new(|_| ()).await;
    bench.tools.scripts = Arc::new(Bounce { before_fix: Arc::new(|| panic!("on purpose")) });
    let (ending, run) = bench.work().await;
    assert_eq!((ending, run.state), (Ending::Lost, RunState::Unknown));
    assert_eq!(run.reason, "its worker ended in the middle of it, before its fix began");
    let event = bench.event();
    assert_eq!(event.state, EventState::Queued, "it is idempotent: {}", event.reason);
    let again = Run { started: run.ended.unwrap(), ended: None, state: RunState::Running, ..run };
    assert!(matches!(bench.state.claim(claim(again)).unwrap(), Claimed::Run(_)), "it is locked");
}

#[tokio::test]
async fn who_was_taken_for_dead_changes_nothing_any_more() {
    let mut bench = Bench::new(|_| ()).await;
    let state = Arc::clone(&bench.state);
    let recover = move || {
        let recover = store::RunChange::Recover { epoch: 2, now: UnixMs(2_000), attempts: 5 };
        state.apply(vec![Change::Run(recover)]).unwrap();
    };
    bench.tools.scripts = Arc::new(Bounce { before_fix: Arc::new(recover) });
    let (ending, run) = bench.work().await;
    assert_eq!((ending, run.state), (Ending::Lost, RunState::Unknown));
    assert_eq!(bench.changes(), 0, "what changes a device is on disk before it is sent");
}

#[tokio::test]
async fn a_device_that_refuses_the_login_is_told_apart_from_one_that_hangs_or_is_gone() {
    let mut refused = Bench::new(|_| ()).await;
    refused.task.endpoint.login.password = Some(Secret::new("wrong"));
    let (ending, run) = refused.work().await;
    assert_eq!(ending, Ending::Over(RunState::Failure), "{run:#?}");
    assert_eq!(*refused.heard.said.lock().unwrap(), ["refused"]);
    assert_eq!(refused.event().state, EventState::Failure, "{}", run.reason);
    let hangs = Bench::new(|options| options.misbehaviours = vec![Misbehaviour::Hang]).await;
    let (ending, run) = hangs.work().await;
    assert_eq!(ending, Ending::Over(RunState::Failure), "{run:#?}");
    assert_eq!(*hangs.heard.said.lock().unwrap(), ["accepted"]);
    assert_eq!(hangs.event().state, EventState::Queued, "nothing was changed: it is tried again");
    let mut gone = Bench::new(|_| ()).await;
    gone.task.endpoint.login.port = 1;
    let (ending, run) = gone.work().await;
    assert_eq!(ending, Ending::Over(RunState::Failure), "{run:#?}");
    assert_eq!(*gone.heard.said.lock().unwrap(), [""; 0], "that says nothing of the credential");
    let mut blocked = Bench::new(|_| ()).await;
    blocked.tools.logins = Arc::new(Heard { blocked: true, ..Heard::default() });
    let (_, run) = blocked.work().await;
    assert_eq!((run.state, blocked.device.logins()), (RunState::Cancelled, 0), "{run:#?}");
    assert_eq!(blocked.event().state, EventState::Held, "{}", run.reason);
}
