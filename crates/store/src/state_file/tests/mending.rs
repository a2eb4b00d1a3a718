//! Runs, approvals and the audit: who may begin, who may write, what is left after a crash.

use model::event::{EventState, Evidence, Mode, Origin};
use model::run::{AuditEntry, Decision, Exchange, Run, RunId, RunState};
use model::{EventId, UnixMs};

use super::*;
use crate::check_audit;
use crate::mending::{
    Answered, Ask, AuditNote, AuditQuery, Claim, ClaimLimits, Claimed, EventMove, EventPlan,
    PlannedRule, PrecedentQuery, RunChange, RunQuery, StormCount,
};
use crate::state::{EventQuery, EventReport};
use std::time::Duration;

const NOW: UnixMs = UnixMs(1_000_000_000);

fn report(device: &str, object: &str, at: UnixMs) -> EventChange {
    EventChange::Report(Box::new(EventReport {
        device: device.into(),
        code: "LINK-3-UPDOWN".into(),
        code_norm: "LINK-3-UPDOWN".into(),
        object: object.into(),
        severity: Some(3),
        at,
        state: EventState::New,
        reason: String::new(),
        not_before: at,
        origin: Origin::Line,
        message: "down".into(),
        fields: [("interface".to_owned(), object.to_owned())].into(),
        evidence: Evidence::Stream,
    }))
}

fn plan(id: u64, to: EventState) -> EventChange {
    let rule = PlannedRule {
        remediation: "bounce".into(),
        script_sha256: "ab".repeat(32),
        mode: Mode::Auto,
    };
    EventChange::Plan(Box::new(EventPlan {
        id: EventId(id),
        from: vec![EventState::New, EventState::Held],
        to,
        reason: "mode is approve".into(),
        not_before: NOW,
        rule: Some(rule),
        ask: (to == EventState::AwaitingApproval).then_some(Ask {
            asked: NOW,
            expires: UnixMs(NOW.0 + 1_000),
            would: None,
        }),
    }))
}

fn limits() -> ClaimLimits {
    ClaimLimits {
        running: 20,
        running_rule: 5,
        window: Duration::from_hours(1),
        rule: 20,
        device: 3,
        devices: 10,
    }
}

fn claim(event: u64, device: &str, at: UnixMs) -> Claim {
    let run = Run {
        id: RunId(0),
        event: EventId(event),
        attempt: 0,
        device: device.into(),
        platform: "ios".into(),
        remediation: "bounce".into(),
        script_sha256: "ab".repeat(32),
        idempotent: false,
        mode: Mode::Auto,
        approved: None,
        worker: "worker 1".into(),
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
    let locks = vec![format!("device {device}"), "pair sw1+sw2".into()];
    let lease_until = at + Duration::from_secs(30);
    Claim { event: EventId(event), run, lease_until, locks, limits: limits() }
}

/// A store with an event that waits for a worker for each of these devices, numbered from 1.
fn queued(devices: &[&str]) -> (tempfile::TempDir, StateFile) {
    let folder = tempfile::tempdir().unwrap();
    let state = StateFile::open(folder.path(), &model::ManualClock::new(model::UnixNs(0))).unwrap();
    for (number, device) in devices.iter().enumerate() {
        apply(&state, report(device, &format!("Gi0/{number}"), NOW));
        apply(&state, plan(number as u64 + 1, EventState::Queued));
    }
    (folder, state)
}

fn apply(state: &StateFile, change: EventChange) {
    let applied = state.apply(vec![Change::Event(change)]).unwrap();
    assert!(matches!(applied, Applied::Done(_)), "{applied:?}");
}

fn event(state: &StateFile, id: u64) -> model::Event {
    let query = EventQuery { id: Some(EventId(id)), ..EventQuery::default() };
    match state.find(&Query::Events(query)).unwrap().remove(0).value {
        Value::Event(event) => *event,
        other => panic!("no event: {other:?}"),
    }
}

fn begun(state: &StateFile, wanted: Claim) -> Run {
    match state.claim(wanted).unwrap() {
        Claimed::Run(run) => *run,
        other => panic!("no run: {other:?}"),
    }
}

fn put(state: &StateFile, run: &Run, to: Option<EventState>) -> Applied {
    let event = to.map(|to| EventMove { to, reason: run.reason.clone(), not_before: run.started });
    let run = Box::new(run.clone());
    let change = RunChange::Put { run, lease_until: NOW, event, transcript: None };
    state.apply(vec![Change::Run(change)]).unwrap()
}

fn ended(run: &Run, as_state: RunState) -> Run {
    Run { state: as_state, ended: Some(UnixMs(run.started.0 + 10)), ..run.clone() }
}

#[test]
fn only_what_comes_with_claims_waits_for_the_disk_or_else_what_comes_after_them() {
    let (folder, state) = queued(&["sw1", "sw3"]);
    drop(state);
    let db = file::open_writer(folder.path(), &SCHEMA, &SystemClock).unwrap();
    let mut writer = Writer { db, site: Site::new(folder.path()), syncs: true };
    let claim = |event, device| Call::Claim(vec![claim(event, device, NOW)], sync_channel(1).0);
    let other = || Call::Apply(vec![mark(1, "a", "one")], sync_channel(1).0);
    // https://www.sqlite.org/pragma.html#pragma_synchronous: 2 is FULL, which syncs the log; 1 is NORMAL.
    for (calls, how) in [
        (vec![other()], 2),
        (vec![claim(1, "sw1")], 1),
        (vec![claim(2, "sw3"), other()], 2),
        (vec![other()], 2),
    ] {
        let results = writer.commit(&calls).unwrap();
        assert!(results.iter().all(Result::is_ok));
        let found = writer.db.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0));
        assert_eq!(found.unwrap(), how);
    }
    let runs = "SELECT count(*) FROM run";
    assert_eq!(writer.db.query_row(runs, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[test]
fn an_event_is_claimed_once_and_keeps_its_plan() {
    let (_folder, state) = queued(&["sw1"]);
    let run = begun(&state, claim(1, "sw1", NOW));
    assert_eq!((run.id, run.attempt), (RunId(1), 1));
    assert_eq!(state.claim(claim(1, "sw1", NOW)).unwrap(), Claimed::Gone);
    let event = event(&state, 1);
    assert_eq!(event.state, EventState::Running);
    assert_eq!(event.fields["interface"], "Gi0/0");
    let plan = event.plan.unwrap();
    assert_eq!((plan.remediation.as_str(), plan.attempt), ("bounce", 1));
    assert_eq!(plan.worker.as_deref(), Some("worker 1"));
    let found = state.find(&Query::Runs(RunQuery::default())).unwrap();
    assert_eq!(found[0].value, Value::Run(Box::new(run)));
}

#[test]
fn a_device_and_both_halves_of_a_pair_are_worked_on_by_one_run_alone() {
    let (_folder, state) = queued(&["sw1", "sw1", "sw2"]);
    let run = begun(&state, claim(1, "sw1", NOW));
    for (number, device) in [(2, "sw1"), (3, "sw2")] {
        let Claimed::Busy(busy) = state.claim(claim(number, device, NOW)).unwrap() else {
            panic!("event {number} was begun beside the first");
        };
        assert!(busy.said.starts_with("run 1 is at "), "{}", busy.said);
    }
    assert!(matches!(
        put(&state, &ended(&run, RunState::Success), Some(EventState::Success)),
        Applied::Done(_)
    ));
    begun(&state, claim(3, "sw2", NOW));
}

#[test]
fn of_claims_that_come_together_each_sees_those_before_it() {
    let (_folder, state) = queued(&["sw1", "sw1", "sw2", "sw3"]);
    let mut last = claim(4, "sw3", NOW);
    last.locks = vec!["device sw3".into()];
    let wanted = vec![
        claim(1, "sw1", NOW),
        claim(2, "sw1", NOW),
        claim(3, "sw2", NOW),
        claim(1, "sw1", NOW),
        last,
    ];
    let claimed = state.claim_all(wanted).unwrap();
    let words = claimed.iter().map(|one| match one {
        Claimed::Run(run) => format!("run {} on {}", run.id.0, run.device),
        Claimed::Busy(note) | Claimed::Spent(note, _) => note.said.clone(),
        Claimed::Gone => "gone".to_owned(),
    });
    assert_eq!(
        words.collect::<Vec<_>>(),
        [
            "run 1 on sw1",
            "run 1 is at device sw1",
            "run 1 is at pair sw1+sw2",
            "gone",
            "run 2 on sw3"
        ]
    );
    assert_eq!(event(&state, 2).state, EventState::Queued);
    assert_eq!(event(&state, 4).state, EventState::Running);
}

#[test]
fn budgets_and_the_number_at_work_are_kept_by_the_claim_itself() {
    let (_folder, state) = queued(&["a", "a", "a", "a", "b", "c"]);
    let alone = |id, device: &str, at| {
        let mut claim = claim(id, device, at);
        claim.locks = vec![format!("device {device}")];
        claim
    };
    let mut few = alone(1, "a", NOW);
    few.limits.running = 0;
    assert!(matches!(state.claim(few).unwrap(), Claimed::Busy(_)));
    for id in 1..=3 {
        let run = begun(&state, alone(id, "a", NOW));
        put(&state, &ended(&run, RunState::Success), Some(EventState::Success));
    }
    let Claimed::Spent(spent, until) = state.claim(alone(4, "a", NOW)).unwrap() else {
        panic!("a fourth run on one device within an hour")
    };
    assert_eq!(spent.said, "a was worked on 3 times within 60 minutes");
    assert_eq!(until, NOW + Duration::from_hours(1) + Duration::from_millis(1));
    let mut others = alone(5, "b", NOW);
    others.limits.devices = 1;
    assert!(matches!(state.claim(others).unwrap(), Claimed::Spent(..)));
    let mut rule = alone(5, "b", NOW);
    rule.limits.rule = 3;
    assert!(matches!(state.claim(rule).unwrap(), Claimed::Spent(..)));
    begun(&state, alone(5, "b", NOW));
    begun(&state, alone(4, "a", until));
}

#[test]
fn who_was_taken_for_dead_writes_nothing_any_more() {
    let (_folder, state) = queued(&["sw1", "sw3"]);
    let mut wanted = claim(2, "sw3", NOW);
    wanted.run.idempotent = true;
    wanted.locks = vec!["device sw3".into()];
    let (mut once, again) = (begun(&state, claim(1, "sw1", NOW)), begun(&state, wanted));
    once.changed = true;
    put(&state, &once, None);
    let recover = RunChange::Recover { epoch: 2, now: NOW, attempts: 3 };
    state.apply(vec![Change::Run(recover)]).unwrap();
    let first = event(&state, 1);
    assert_eq!(first.state, EventState::Unknown);
    assert_eq!(
        first.reason,
        "netmend ended in the middle of it, after its fix had begun; bounce may not be run again by itself"
    );
    let second = event(&state, 2);
    assert_eq!(second.state, EventState::Queued, "{}", second.reason);
    for run in [once, again] {
        assert_eq!(put(&state, &ended(&run, RunState::Success), None), Applied::Conflict);
    }
    let mut anew = claim(2, "sw3", NOW);
    anew.run.epoch = 2;
    assert_eq!(begun(&state, anew).attempt, 2);
}

#[test]
fn a_question_is_answered_once_and_in_time() {
    let (_folder, state) = queued(&[]);
    for object in ["a", "b", "c"] {
        apply(&state, report("sw1", object, NOW));
    }
    for id in 1..=3 {
        apply(&state, plan(id, EventState::AwaitingApproval));
    }
    let answer = |id, approved, at| {
        let decision = Decision { by: "uid 0".into(), at, approved, note: String::new() };
        let answered = Box::new(Answered { event: EventId(id), decision });
        state.apply(vec![Change::Event(EventChange::Answer(answered))]).unwrap()
    };
    assert!(matches!(answer(1, true, NOW), Applied::Done(_)));
    assert_eq!(answer(1, false, NOW), Applied::Conflict);
    let first = event(&state, 1);
    assert_eq!((first.state, first.reason.as_str()), (EventState::Queued, "approved by uid 0"));
    assert_eq!(first.plan.unwrap().approved.unwrap().by, "uid 0");
    assert!(matches!(answer(2, false, NOW), Applied::Done(_)));
    assert_eq!(event(&state, 2).state, EventState::Cancelled);
    let late = UnixMs(NOW.0 + 1_000);
    assert_eq!(answer(3, true, late), Applied::Conflict);
    apply(&state, EventChange::Expire { now: late });
    assert_eq!(event(&state, 3).state, EventState::Escalated);
    let waiting = state.find(&Query::Approvals { event: None, limit: 10 }).unwrap();
    assert!(waiting.is_empty(), "{waiting:?}");
    let all = state.find(&Query::Approvals { event: Some(EventId(1)), limit: 10 }).unwrap();
    let Value::Approval(approval) = &all[0].value else { panic!("{all:?}") };
    assert!(approval.decision.as_ref().unwrap().approved);
}

#[test]
fn the_audit_is_a_chain_that_cannot_be_changed() {
    let (folder, state) = queued(&[]);
    for number in 0..3 {
        let note = AuditNote {
            at: NOW,
            actor: "worker 1".into(),
            action: "command".into(),
            event: Some(EventId(1)),
            run: None,
            detail: format!("show {number}"),
        };
        state.apply(vec![Change::Audit(note)]).unwrap();
    }
    let found = state.find(&Query::Audit(AuditQuery::default())).unwrap();
    let mut entries: Vec<AuditEntry> = found
        .into_iter()
        .rev()
        .map(|record| match record.value {
            Value::Audit(entry) => entry,
            other => panic!("no entry: {other:?}"),
        })
        .collect();
    assert_eq!(entries.len(), 3);
    assert_eq!(check_audit(&entries), Ok(()));
    let past = Connection::open(folder.path().join("state.db")).unwrap();
    for sql in ["UPDATE audit SET detail = ''", "DELETE FROM audit WHERE id = 2"] {
        let refused = past.execute(sql, []).unwrap_err().to_string();
        assert!(refused.contains("only ever added to"), "{refused}");
    }
    entries[1].detail = "show nothing".into();
    assert_eq!(check_audit(&entries), Err(2));
    entries.remove(1);
    assert_eq!(check_audit(&entries), Err(3));
}

#[test]
fn a_transcript_is_kept_whole_and_a_fault_that_comes_back_is_counted() {
    let (_folder, state) = queued(&["sw1"]);
    let run = begun(&state, claim(1, "sw1", NOW));
    let said = vec![Exchange {
        at: NOW,
        took_ms: 3,
        step: Some(model::run::Step::Check),
        sent: "show interfaces".into(),
        received: "é\n".repeat(1000),
        error: None,
    }];
    let done = ended(&run, RunState::Success);
    let change = RunChange::Put {
        run: Box::new(done.clone()),
        lease_until: NOW,
        event: Some(EventMove { to: EventState::Success, reason: String::new(), not_before: NOW }),
        transcript: Some(said.clone()),
    };
    state.apply(vec![Change::Run(change)]).unwrap();
    let found = state.find(&Query::Transcript(run.id)).unwrap();
    assert_eq!(found[0].value, Value::Transcript(said));
    let soon = NOW + Duration::from_mins(5);
    apply(&state, report("sw1", "Gi0/0", soon));
    assert_eq!(event(&state, 2).parent, Some(EventId(1)));
    apply(&state, plan(2, EventState::Queued));
    let query = PrecedentQuery {
        device: "sw1".into(),
        told: soon,
        partner: None,
        remediation: "bounce".into(),
        since: UnixMs(0),
        now: soon,
        storm: None,
    };
    let found = state.find(&Query::Precedents(Box::new(query))).unwrap();
    let Value::Precedents(before) = &found[0].value else { panic!("{found:?}") };
    assert_eq!((before.ineffective, before.results.as_slice()), (1, &[RunState::Success][..]));
    assert_eq!(before.own.iter().map(|run| run.id).collect::<Vec<_>>(), [run.id]);
    let found = state.find(&Query::Offenders { from: UnixMs(0), limit: 5 }).unwrap();
    let Value::Offender(offender) = &found[0].value else { panic!("{found:?}") };
    assert_eq!((offender.device.as_str(), offender.came_back), ("sw1", 1));
    let found = state.find(&Query::RuleRecords { from: UnixMs(0) }).unwrap();
    let Value::RuleRecord(rule) = &found[0].value else { panic!("{found:?}") };
    assert_eq!((rule.planned, rule.came_back), (2, 1));
}

#[test]
fn a_storm_is_counted_anew_once_there_is_another_event() {
    let (_folder, state) = queued(&[]);
    let count = |known: Option<StormCount>| {
        let query = PrecedentQuery {
            device: "sw1".into(),
            told: NOW,
            partner: None,
            remediation: "bounce".into(),
            since: UnixMs(0),
            now: NOW,
            storm: known,
        };
        let found = state.find(&Query::Precedents(Box::new(query))).unwrap();
        let Value::Precedents(before) = &found[0].value else { panic!("{found:?}") };
        before.storm
    };
    apply(&state, report("sw1", "Gi0/0", NOW));
    apply(&state, report("sw1", "Gi0/1", NOW));
    let first = count(None);
    assert_eq!(first, StormCount { events: 2, devices: 1, newest: 2 });
    let known = StormCount { events: 7, ..first };
    assert_eq!(count(Some(known)), known);
    apply(&state, report("sw2", "Gi0/0", NOW));
    assert_eq!(count(Some(known)), StormCount { events: 3, devices: 2, newest: 3 });
}
