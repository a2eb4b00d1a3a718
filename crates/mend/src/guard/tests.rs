//! Each guard by itself, and their order.

use model::event::{Approved, EventState, Evidence, Origin, Plan};
use model::run::{Run, RunId, RunState};
use model::{EventId, Login};
use store::StormCount;

use super::*;

const NOW: UnixMs = UnixMs(10_000_000);

/// An event on `sw1`, whose partner is `sw2`, with nothing in its way.
struct Bed {
    event: Event,
    device: Device,
    before: Precedents,
    scene: Scene,
    mode: Mode,
}

impl Bed {
    fn new() -> Self {
        let event = Event {
            id: EventId(7),
            device: "sw1".into(),
            code: "LINK-3-UPDOWN".into(),
            code_norm: "LINK-3-UPDOWN".into(),
            object: "Gi0/1".into(),
            severity: Some(3),
            first: NOW - Duration::from_secs(20),
            last: NOW - Duration::from_secs(20),
            count: 1,
            state: EventState::New,
            reason: String::new(),
            cleared: None,
            not_before: NOW - Duration::from_secs(10),
            parent: None,
            origin: Origin::Line,
            message: "Interface Gi0/1, changed state to down".into(),
            fields: [("interface".to_owned(), "Gi0/1".to_owned())].into(),
            evidence: Evidence::Stream,
            plan: None,
        };
        let device = Device {
            name: "sw1".into(),
            pair: Some("sw2".into()),
            login: Some(Login::new("netmend")),
            ..Device::default()
        };
        let (before, scene) = (Precedents::default(), Scene::default());
        Self { event, device, before, scene, mode: Mode::Auto }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut bed = Self::new();
        change(&mut bed);
        bed
    }

    fn ask(&self) -> Outcome {
        ask(&Case {
            now: NOW,
            event: &self.event,
            device: Some(&self.device),
            partner: self.device.pair.as_deref(),
            remediation: "bounce",
            mode: self.mode,
            before: &self.before,
            scene: &self.scene,
            limits: &Limits::default(),
        })
    }

    fn approve(&mut self, at: UnixMs) {
        self.event.plan = Some(Plan {
            remediation: "bounce".into(),
            script_sha256: String::new(),
            mode: self.mode,
            attempt: 0,
            approved: Some(Approved { by: "noc".into(), at }),
            worker: None,
        });
    }

    /// A run of ours on the device that shut and enabled a port, over for so long.
    fn own_run(&mut self, port: &str, ago: Duration) {
        let run = Run {
            id: RunId(3 + self.before.own.len() as u64),
            event: EventId(2),
            attempt: 1,
            device: "sw1".into(),
            platform: "ios".into(),
            remediation: "bounce".into(),
            script_sha256: String::new(),
            idempotent: true,
            mode: Mode::Auto,
            approved: None,
            worker: "worker 1".into(),
            epoch: 1,
            state: RunState::Success,
            reason: String::new(),
            started: self.event.first - Duration::from_secs(90),
            ended: Some(self.event.first - ago),
            changed: true,
            sent: vec![format!("interface {port}\nshutdown\nno shutdown")],
            guards: Vec::new(),
            steps: Vec::new(),
            proof: None,
        };
        self.before.own.insert(0, run);
    }
}

#[track_caller]
fn check(bed: &Bed, what: Todo, words: &str) {
    let outcome = bed.ask();
    assert_eq!(outcome.what, what, "{outcome:?}");
    assert!(outcome.said.contains(words), "{}", outcome.said);
}

fn soon() -> Todo {
    Todo::Hold(NOW + Limits::default().again)
}

#[test]
fn with_nothing_in_its_way_it_runs_and_every_guard_was_asked() {
    let outcome = Bed::new().ask();
    assert_eq!(outcome.what, Todo::Run);
    let asked: Vec<&str> = outcome.notes.iter().map(|note| note.guard.as_str()).collect();
    assert_eq!(asked, GUARDS.map(|(name, _)| name));
    assert!(outcome.notes.iter().all(|note| note.passed));
}

#[test]
fn the_kill_switch_a_storm_and_a_blocked_credential_hold_everything() {
    let paused = Bed::with(|bed| bed.scene.paused = Some("paused by noc: lunch".into()));
    check(&paused, soon(), "paused by noc: lunch");
    let until = NOW + Duration::from_mins(5);
    let storm = Bed::with(|bed| bed.scene.storm = Some(("storm: 500 events".into(), until)));
    check(&storm, Todo::Hold(until), "storm");
    let blocked = Bed::with(|bed| bed.scene.blocked = Some("netmend was refused twice".into()));
    check(&blocked, soon(), "refused twice");
}

#[test]
fn it_is_a_storm_only_if_many_devices_speak() {
    let limits = StormLimits::default();
    let storm = |events, devices| {
        let storm = StormCount { events, devices, newest: 1 };
        let before = Precedents { storm, ..Precedents::default() };
        limits.storm(&before, NOW).is_some()
    };
    assert!(storm(500, 500));
    assert!(!storm(5_000, 1), "one device that speaks much is none");
    assert!(!storm(50, 50));
}

#[test]
fn a_remediation_that_fails_or_does_not_hold_asks_a_person() {
    use RunState::{Failure, Success, TimedOut};
    let results = |results: &[RunState]| {
        let results = results.to_vec();
        Bed::with(|bed| bed.before.results = results)
    };
    check(
        &results(&[Failure, Success, Failure, TimedOut]),
        Todo::Ask,
        "3 of its last 4 runs failed",
    );
    check(&results(&[Failure, Success, Failure, Success, Success]), Todo::Run, "");
    let vain = Bed::with(|bed| bed.before.ineffective = 2);
    check(&vain, Todo::Ask, "2 of its repairs were followed by the same fault");
}

#[test]
fn who_is_not_sure_to_be_the_device_starts_nothing_by_itself() {
    let conflict = Bed::with(|bed| bed.event.evidence = Evidence::Conflict);
    check(&conflict, Todo::Suppress, "identity conflict");
    let forged = Bed::with(|bed| bed.event.evidence = Evidence::Datagram);
    check(&forged, Todo::Ask, "it came by UDP");
    let seen = Bed::with(|bed| {
        bed.event.evidence = Evidence::Datagram;
        bed.scene.evidence = Some("r1 answers no ping".into());
    });
    check(&seen, Todo::Run, "");
    let nowhere = Bed::with(|bed| bed.scene.unreachable = Some("sw1 has no `login:`".into()));
    check(&nowhere, Todo::Record, "no `login:`");
}

#[test]
fn the_mode_says_how_far_it_goes_and_a_yes_holds_half_an_hour() {
    for (mode, what) in
        [(Mode::Observe, Todo::Record), (Mode::Suggest, Todo::Look), (Mode::Approve, Todo::Ask)]
    {
        check(&Bed::with(|bed| bed.mode = mode), what, mode.as_str());
    }
    let yes = |ago| {
        Bed::with(|bed| {
            bed.mode = Mode::Approve;
            bed.approve(NOW - ago);
        })
    };
    check(&yes(Duration::from_mins(29)), Todo::Run, "");
    check(&yes(Duration::from_mins(30)), Todo::Ask, "the mode of bounce is approve");
    let lowered = Bed::with(|bed| {
        bed.mode = Mode::Observe;
        bed.approve(NOW);
    });
    check(&lowered, Todo::Record, "observe");
    // A yes does not lift what else speaks against it.
    let worked_on = Bed::with(|bed| {
        bed.mode = Mode::Approve;
        bed.approve(NOW);
        bed.scene.maintenance = Some("night".into());
    });
    check(&worked_on, soon(), "maintenance window night");
}

#[test]
fn what_is_worked_on_or_over_is_left_alone() {
    let maintenance = Bed::with(|bed| bed.scene.maintenance = Some("night".into()));
    check(&maintenance, soon(), "sw1 is in the maintenance window night");
    let cleared = Bed::with(|bed| bed.event.cleared = Some(NOW));
    check(&cleared, Todo::Suppress, "it cleared");
}

#[test]
fn what_we_caused_ourselves_is_no_fault() {
    let run = |port: &str, ago| {
        let port = port.to_owned();
        Bed::with(|bed| bed.own_run(&port, ago))
    };
    let moment = Duration::from_secs(10);
    check(&run("GigabitEthernet0/1", moment), Todo::Suppress, "self-caused: run 3 was at Gi0/1");
    check(&run("GigabitEthernet0/2", moment), Todo::Run, "");
    check(&run("GigabitEthernet0/1", Duration::from_secs(61)), Todo::Run, "");
    // Another run since then does not hide the one before.
    let two = Bed::with(|bed| {
        bed.own_run("GigabitEthernet0/1", moment);
        bed.own_run("GigabitEthernet0/2", Duration::from_secs(1));
    });
    check(&two, Todo::Suppress, "self-caused: run 3 was at Gi0/1");
    let login = Bed::with(|bed| {
        bed.own_run("GigabitEthernet0/2", moment);
        bed.event.fields.insert("user".into(), "netmend".into());
    });
    check(&login, Todo::Suppress, "the device as netmend");
}

#[test]
fn a_device_that_somebody_else_configured_is_theirs_for_a_quarter_of_an_hour() {
    let by = |user: &str, minutes| {
        let configured = vec![(user.to_owned(), NOW - Duration::from_mins(minutes))];
        Bed::with(|bed| bed.before.configured = configured)
    };
    let until = NOW + Duration::from_mins(11);
    check(&by("alice", 4), Todo::Hold(until), "alice configured sw1 4 minutes ago");
    check(&by("", 4), Todo::Hold(until), "somebody configured sw1");
    check(&by("alice", 15), Todo::Run, "");
    check(&by("netmend", 4), Todo::Run, "");
}

#[test]
fn while_its_partner_is_in_trouble_a_device_is_left_alone() {
    let down = Bed::with(|bed| bed.scene.partner = Some("answers no ping".into()));
    check(&down, soon(), "its partner sw2 answers no ping");
    let told = Bed::with(|bed| {
        let event = Event { id: EventId(9), device: "sw2".into(), ..bed.event.clone() };
        bed.before.partner = Some(event);
    });
    check(&told, soon(), "its partner sw2 told of LINK-3-UPDOWN itself (event 9)");
}

#[test]
fn what_only_observes_neither_waits_nor_asks() {
    let observed = Bed::with(|bed| {
        bed.mode = Mode::Observe;
        bed.scene.partner = Some("answers no ping".into());
    });
    check(&observed, Todo::Record, "observe: bounce would not run now: its partner sw2");
}
