//! Repairs to look at: those who mend as the pages see them, and records of a session that fell, was reset and
//! came back, of a question that waits, of runs that failed and go on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::UnixMs;
use model::event::{EventId, EventState, Evidence, Mode, Origin};
use model::run::{
    Exchange, GuardNote, Measured, Proof, ProofVerdict, Run, RunId, RunState, Step, StepOutcome,
    StepResult, TargetProof,
};
use netmend_show::{MendNow, MendOrder, Mending, Refusal, RemediationNow};
use store::{
    Ask, AuditNote, Change, Claim, ClaimLimits, Claimed, EventChange, EventMove, EventPlan,
    EventReport, PlannedRule, RunChange, State as _, StateFile, StoredLine,
};

use crate::world::{NOW, World};

/// A name and a text as an attacker would choose them.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script>\u{202e}\"'&";

/// Those who mend, as the pages see them; remembers what it is told.
#[derive(Debug, Default)]
pub(crate) struct Menders {
    now: Mutex<Arc<MendNow>>,
    asked: Mutex<Vec<(String, MendOrder)>>,
}

impl Menders {
    pub(crate) fn set(&self, now: MendNow) {
        *self.now.lock().unwrap() = Arc::new(now);
    }

    pub(crate) fn asked(&self) -> Vec<(String, MendOrder)> {
        self.asked.lock().unwrap().clone()
    }
}

impl Mending for Menders {
    fn present(&self) -> Arc<MendNow> {
        Arc::clone(&self.now.lock().unwrap())
    }

    fn submit(&self, actor: &str, order: MendOrder) -> Result<String, Refusal> {
        let known = |event: &EventId| event.0 < 90;
        match &order {
            MendOrder::Approve { event, .. } if !known(event) => {
                return Err(Refusal::TooLate(format!("nothing is asked about event {event}")));
            }
            _ => {}
        }
        self.asked.lock().unwrap().push((actor.to_owned(), order));
        Ok("done".to_owned())
    }
}

pub(crate) fn ago(seconds: u64) -> UnixMs {
    NOW - Duration::from_secs(seconds)
}

pub(crate) fn remediation(name: &str, mode: Mode) -> Arc<RemediationNow> {
    Arc::new(RemediationNow {
        name: name.into(),
        path: format!("(netmend)/{name}.star"),
        sha256: "ab".repeat(32),
        source: "remediation(match = [\"BGP-5-ADJCHANGE\"])\n\ndef fix(event, device):\n    device.command(\"clear bgp {}\", event.peer)\n".into(),
        codes: vec!["BGP-5-ADJCHANGE".into(), "BGP-3-NOTIFICATION".into()],
        platforms: vec!["frr".into(), "ios".into()],
        mode,
        mode_by: "config".into(),
        tripped: None,
    })
}

pub(crate) fn mend_now() -> MendNow {
    MendNow {
        version: 1,
        owner: true,
        workers: 10,
        busy: 1,
        remediations: vec![
            remediation("bgp_reset", Mode::Auto),
            remediation("port_bounce", Mode::Approve),
            Arc::new(RemediationNow {
                tripped: Some("3 of its last 5 runs failed".into()),
                mode_by: "ada".into(),
                ..(*remediation("lsp_reroute", Mode::Observe)).clone()
            }),
        ],
        ..MendNow::default()
    }
}

pub(crate) fn report(
    state: &StateFile,
    device: &str,
    code: &str,
    object: &str,
    at: UnixMs,
    message: &str,
) {
    let report = EventReport {
        device: device.into(),
        code: code.into(),
        code_norm: code.into(),
        object: object.into(),
        severity: Some(3),
        at,
        state: EventState::New,
        reason: String::new(),
        not_before: at,
        origin: Origin::Line,
        message: message.into(),
        fields: [("peer".to_owned(), object.to_owned())].into(),
        evidence: Evidence::Stream,
    };
    put(state, vec![Change::Event(EventChange::Report(Box::new(report)))]);
}

pub(crate) fn put(state: &StateFile, changes: Vec<Change>) {
    assert!(matches!(state.apply(changes).unwrap(), store::Applied::Done(_)));
}

pub(crate) fn plan(state: &StateFile, id: u64, name: &str, mode: Mode, to: EventState, at: UnixMs) {
    let rule = PlannedRule { remediation: name.into(), script_sha256: "ab".repeat(32), mode };
    let asks = to == EventState::AwaitingApproval;
    let plan = EventPlan {
        id: EventId(id),
        from: vec![EventState::New],
        to,
        reason: if asks { "its mode is approve".into() } else { String::new() },
        not_before: at,
        rule: Some(rule),
        ask: asks.then_some(Ask { asked: at, expires: at + Duration::from_mins(30), would: None }),
    };
    put(state, vec![Change::Event(EventChange::Plan(Box::new(plan)))]);
}

pub(crate) fn begin(state: &StateFile, event: u64, device: &str, name: &str, at: UnixMs) -> Run {
    let run = Run {
        id: RunId(0),
        event: EventId(event),
        attempt: 0,
        device: device.into(),
        platform: "frr".into(),
        remediation: name.into(),
        script_sha256: "ab".repeat(32),
        idempotent: true,
        mode: Mode::Auto,
        approved: None,
        worker: "worker 3".into(),
        epoch: 1,
        state: RunState::Running,
        reason: String::new(),
        started: at,
        ended: None,
        changed: false,
        sent: Vec::new(),
        guards: Vec::new(),
        steps: Vec::new(),
        proof: None,
    };
    let limits = ClaimLimits {
        running: 20,
        running_rule: 20,
        window: Duration::from_hours(1),
        rule: 20,
        device: 20,
        devices: 20,
    };
    let lease_until = at + Duration::from_mins(1);
    let claim = Claim { event: EventId(event), run, lease_until, locks: Vec::new(), limits };
    match state.claim(claim).unwrap() {
        Claimed::Run(run) => *run,
        other => panic!("no run: {other:?}"),
    }
}

pub(crate) fn end(state: &StateFile, run: Run, to: EventState, transcript: Vec<Exchange>) {
    let lease_until = run.started;
    let event = Some(EventMove { to, reason: run.reason.clone(), not_before: lease_until });
    let transcript = Some(transcript);
    let run = Box::new(run);
    put(state, vec![Change::Run(RunChange::Put { run, lease_until, event, transcript })]);
}

pub(crate) fn step(
    step: Step,
    at: UnixMs,
    took_ms: u64,
    outcome: StepOutcome,
    said: &str,
) -> StepResult {
    StepResult { step, at, took_ms, outcome, said: said.into() }
}

pub(crate) fn exchange(step: Option<Step>, at: UnixMs, sent: &str, received: &str) -> Exchange {
    let (sent, received) = (sent.to_owned(), received.to_owned());
    Exchange { at, took_ms: 42, step, sent, received, error: None }
}

/// A session that fell, was reset by a run and came back, with everything around it; a question that waits;
/// one fault that cleared by itself.
pub(crate) fn fill(world: &World) {
    world.menders.set(mend_now());
    told(world);
    mended(world);
    others(&world.state);
}

/// What the device said of it.
fn told(world: &World) {
    let state = &world.state;
    let line = |seconds: u64, raw: &str| {
        let (device, code) = ("edge1".to_owned(), "BGP-5-ADJCHANGE".to_owned());
        StoredLine { at: ago(seconds), device, code, severity: Some(3), raw: raw.into() }
    };
    put(
        state,
        vec![Change::lines(vec![
            line(
                601,
                "<187>bgpd[812]: %MAXPFX: No. of IPv4 Unicast prefix received from 198.51.100.9 reaches 101, max 100",
            ),
            line(
                600,
                "<187>bgpd[812]: %BGP-5-ADJCHANGE: neighbor 198.51.100.9 Down - Peer closed the session",
            ),
        ])],
    );
    report(
        state,
        "edge1",
        "BGP-5-ADJCHANGE",
        "198.51.100.9",
        ago(600),
        "neighbor 198.51.100.9 Down - maximum prefixes",
    );
    plan(state, 1, "bgp_reset", Mode::Auto, EventState::Queued, ago(590));
}

/// The measurements before and after.
fn proven(world: &World) -> Proof {
    let now = world.target("edge1.gateway.example.net");
    Proof {
        verdict: ProofVerdict::Proven,
        reason: "10 of 10 probes answered, RTT as usual".into(),
        targets: vec![TargetProof {
            target: "edge1.gateway.example.net".into(),
            series: now.series.rtt,
            before: Measured { sent: 10, received: 2, rtt_us: Some(31_000.0) },
            after: Measured { sent: 10, received: 10, rtt_us: Some(1_210.0) },
            usual_us: Some(1_180.0),
            limit_us: Some(5_000.0),
            holds: true,
        }],
    }
}

/// How the session was repaired, and that it held.
fn mended(world: &World) {
    let state = &world.state;
    let run = begin(state, 1, "edge1", "bgp_reset", ago(588));
    let proof = proven(world);
    let guard = |guard: &str, said: &str| GuardNote {
        guard: guard.into(),
        passed: true,
        said: said.into(),
    };
    let run = Run {
        state: RunState::Success,
        reason: "the session is established again".into(),
        ended: Some(ago(560)),
        changed: true,
        sent: vec!["clear bgp 198.51.100.9".into()],
        guards: vec![
            guard("kill switch", ""),
            guard("identity", "TCP from its own address"),
            guard("budgets", "1 of 3 runs on edge1 within the hour"),
        ],
        steps: vec![
            step(Step::Check, ago(587), 310, StepOutcome::Yes, "198.51.100.9 is Idle (PfxCt)"),
            step(Step::Fix, ago(586), 1_240, StepOutcome::Done, ""),
            step(Step::Verify, ago(584), 4_020, StepOutcome::Yes, "Established for 00:00:03"),
        ],
        proof: Some(proof),
        ..run
    };
    end(
        state,
        run,
        EventState::Success,
        vec![
            exchange(None, ago(588), "terminal length 0", ""),
            exchange(
                Some(Step::Check),
                ago(587),
                "show bgp summary",
                "Neighbor        V    AS   State/PfxRcd\n198.51.100.9    4 65001   Idle (PfxCt)\n",
            ),
            exchange(Some(Step::Fix), ago(586), "clear bgp 198.51.100.9", ""),
            exchange(
                Some(Step::Verify),
                ago(584),
                "show bgp summary",
                "Neighbor        V    AS   State/PfxRcd\n198.51.100.9    4 65001   87\n",
            ),
        ],
    );
    put(
        state,
        vec![Change::Event(EventChange::Clear {
            fingerprint: model::Event::fingerprint("edge1", "BGP-5-ADJCHANGE", "198.51.100.9"),
            at: ago(583),
        })],
    );
    let audit = |seconds: u64, actor: &str, action: &str, detail: &str, run: Option<RunId>| {
        Change::Audit(AuditNote {
            at: ago(seconds),
            actor: actor.into(),
            action: action.into(),
            event: Some(EventId(1)),
            run,
            detail: detail.into(),
        })
    };
    put(
        state,
        vec![
            audit(588, "worker 3", "login", "netmend@edge1, key SHA256:abcd", Some(RunId(1))),
            audit(586, "worker 3", "command", "clear bgp 198.51.100.9", Some(RunId(1))),
        ],
    );
}

/// A question that waits, a run that failed, one that goes on.
fn others(state: &StateFile) {
    report(
        state,
        "sw1",
        "ETHPORT-5-IF_DOWN_LINK_FAILURE",
        "Ethernet1/7",
        ago(300),
        "Interface Ethernet1/7 is down (Link failure)",
    );
    plan(state, 2, "port_bounce", Mode::Approve, EventState::AwaitingApproval, ago(240));
    report(
        state,
        "sw2",
        "BGP-5-ADJCHANGE",
        "198.51.100.17",
        ago(200),
        "neighbor 198.51.100.17 Down",
    );
    plan(state, 3, "bgp_reset", Mode::Auto, EventState::Queued, ago(190));
    let failed = begin(state, 3, "sw2", "bgp_reset", ago(189));
    let failed = Run {
        state: RunState::Failure,
        reason: "the session stayed Idle".into(),
        ended: Some(ago(150)),
        steps: vec![step(
            Step::Check,
            ago(188),
            90,
            StepOutcome::Failed,
            "connection closed by the device",
        )],
        ..failed
    };
    end(state, failed, EventState::Failure, Vec::new());
    report(
        state,
        "sw3",
        "BGP-5-ADJCHANGE",
        "198.51.100.18",
        ago(100),
        "neighbor 198.51.100.18 Down",
    );
    plan(state, 4, "bgp_reset", Mode::Auto, EventState::Queued, ago(20));
    begin(state, 4, "sw3", "bgp_reset", ago(12));
}

/// A world with repairs.
pub(crate) fn repaired() -> World {
    let world = World::alarmed();
    fill(&world);
    world
}

/// The run that is under way ends well.
pub(crate) fn finish(world: &World) {
    let query = store::RunQuery { id: Some(RunId(3)), ..store::RunQuery::default() };
    let mut found = world.state.find(&store::Query::Runs(query)).unwrap();
    let store::Value::Run(run) = found.remove(0).value else { panic!("no run") };
    let run = Run { state: RunState::Success, ended: Some(NOW), reason: "back".into(), ..*run };
    end(&world.state, run, EventState::Success, Vec::new());
}
