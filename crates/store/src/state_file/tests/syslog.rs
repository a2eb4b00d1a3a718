//! Tests of lines, positions and events in `state.db`.

use model::event::{EventState, Origin};
use model::{Event, EventId, FileId, Listener, Position, SystemClock, UnixMs};

use super::super::*;
use crate::lines::{FilePosition, LineQuery, LineRetention, StoredLine};
use crate::state::{EventChange, EventQuery, EventReport};

fn open() -> (tempfile::TempDir, StateFile) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateFile::open(dir.path(), &SystemClock).unwrap();
    (dir, state)
}

fn line(at: i64, device: &str, raw: &str) -> StoredLine {
    StoredLine {
        at: UnixMs(at),
        device: device.into(),
        code: raw.split(' ').next().unwrap().into(),
        severity: u8::try_from(at % 8).ok(),
        raw: raw.into(),
    }
}

fn raws(state: &StateFile, query: LineQuery) -> Vec<String> {
    let found = state.find(&Query::Lines(query)).unwrap();
    found
        .into_iter()
        .map(|record| match record.value {
            Value::Line(line) => String::from_utf8(line.raw).unwrap(),
            other => panic!("no line: {other:?}"),
        })
        .collect()
}

const FOREVER: LineRetention = LineRetention { oldest: UnixMs(0), max_bytes: u64::MAX };

#[test]
fn lines_are_found_by_device_code_text_severity_and_time_newest_first() {
    let (_dir, state) = open();
    let first = vec![line(1, "a", "LINK-3-UPDOWN down"), line(2, "b", "SYS-5-CONFIG_I by bob")];
    state.apply(vec![Change::lines(first)]).unwrap();
    state.apply(vec![Change::lines(vec![line(3, "a", "LINK-3-UPDOWN up")])]).unwrap();
    let all = ["LINK-3-UPDOWN up", "SYS-5-CONFIG_I by bob", "LINK-3-UPDOWN down"];
    let query = LineQuery::default;
    assert_eq!(raws(&state, query()), all);
    assert_eq!(raws(&state, LineQuery { limit: 1, ..query() }), all[..1]);
    assert_eq!(raws(&state, LineQuery { device: Some("b".into()), ..query() }), all[1..2]);
    assert_eq!(raws(&state, LineQuery { device: Some("c".into()), ..query() }), [""; 0]);
    assert_eq!(raws(&state, LineQuery { code: Some("SYS*".into()), ..query() }), all[1..2]);
    assert_eq!(raws(&state, LineQuery { code: Some("SYS".into()), ..query() }), [""; 0]);
    assert_eq!(raws(&state, LineQuery { text: Some("BOB".into()), ..query() }), all[1..2]);
    assert_eq!(raws(&state, LineQuery { severity: Some(1), ..query() }), all[2..]);
    let span = LineQuery { from: UnixMs(2), until: UnixMs(3), ..query() };
    assert_eq!(raws(&state, span), all[1..2]);
}

#[test]
fn merging_loses_no_line_and_keeps_their_order() {
    let (dir, state) = open();
    for at in 0..300 {
        state.apply(vec![Change::lines(vec![line(at, "a", &format!("C {at}"))])]).unwrap();
        state.apply(vec![Change::TendLines(FOREVER)]).unwrap();
    }
    let db = Connection::open(dir.path().join(SCHEMA.file)).unwrap();
    let segments: i64 =
        db.query_row("SELECT count(*) FROM line_segment", [], |row| row.get(0)).unwrap();
    assert!(segments < 48, "{segments} segments");
    let expected: Vec<String> = (0..300).rev().map(|at| format!("C {at}")).collect();
    let query = LineQuery { limit: 1000, device: Some("a".into()), ..LineQuery::default() };
    assert_eq!(raws(&state, query), expected);
}

#[test]
fn segments_that_are_large_are_not_merged_for_ever() {
    let (_dir, state) = open();
    // Text that does not compress would not change the plain size, which is what counts.
    let large = "x".repeat(3 << 20);
    for at in 0..40 {
        let lines = vec![line(at, "a", &large)];
        state.apply(vec![Change::lines(lines), Change::TendLines(FOREVER)]).unwrap();
    }
    let query = LineQuery { limit: 1000, ..LineQuery::default() };
    assert_eq!(raws(&state, query).len(), 40);
}

#[test]
fn old_lines_go_by_age_and_by_size_and_the_newest_stay() {
    let (_dir, state) = open();
    for at in 0..200 {
        state.apply(vec![Change::lines(vec![line(at, "a", &format!("C {at}"))])]).unwrap();
    }
    let by_age = LineRetention { oldest: UnixMs(100), max_bytes: u64::MAX };
    for _ in 0..10 {
        state.apply(vec![Change::TendLines(by_age)]).unwrap();
    }
    let query = || LineQuery { limit: 1000, ..LineQuery::default() };
    let kept = raws(&state, query());
    assert!((100..116).contains(&kept.len()), "{} lines are kept", kept.len());
    assert_eq!(kept[0], "C 199");
    let by_size = LineRetention { oldest: UnixMs(0), max_bytes: 300 };
    for _ in 0..40 {
        state.apply(vec![Change::TendLines(by_size)]).unwrap();
    }
    let kept = raws(&state, query());
    assert!(kept.len() < 20, "{} lines are kept", kept.len());
}

#[test]
fn positions_come_back_newest_last_and_those_of_long_gone_files_go() {
    let (_dir, state) = open();
    let listener = Listener::of_file("/var/log/messages".as_ref());
    let reached = |inode, offset| {
        let file = FileId { device: u64::MAX, inode };
        let position = Position { file, offset, head: u64::MAX - offset };
        Change::Position(FilePosition { listener: listener.clone(), position })
    };
    for inode in 1..=12 {
        state.apply(vec![reached(inode, inode)]).unwrap();
    }
    state.apply(vec![reached(8, 99)]).unwrap();
    let place = listener.place.to_string();
    let found = state.find(&Query::Positions { place }).unwrap();
    let found: Vec<(u64, u64)> = found
        .into_iter()
        .map(|record| match record.value {
            Value::Position(reached) => (reached.position.file.inode, reached.position.offset),
            other => panic!("no position: {other:?}"),
        })
        .collect();
    assert_eq!(found.len(), 8);
    assert_eq!(found[6..], [(12, 12), (8, 99)]);
    let other = Query::Positions { place: "/other".into() };
    assert!(state.find(&other).unwrap().is_empty());
}

fn report(at: i64, object: &str) -> EventReport {
    EventReport {
        device: "sw1".into(),
        code: "LINK-SW2-3-UPDOWN".into(),
        code_norm: "LINK-3-UPDOWN".into(),
        object: object.into(),
        severity: Some(3),
        at: UnixMs(at),
        state: EventState::New,
        reason: String::new(),
        not_before: UnixMs(at + 10_000),
        origin: Origin::Line,
        message: "Interface down".into(),
        fields: [("interface".to_owned(), object.to_owned())].into(),
        evidence: model::Evidence::Datagram,
    }
}

fn apply(state: &StateFile, change: EventChange) -> Applied {
    state.apply(vec![Change::Event(change)]).unwrap()
}

fn tell(state: &StateFile, report: EventReport) {
    apply(state, EventChange::Report(Box::new(report)));
}

fn events(state: &StateFile, query: EventQuery) -> Vec<Event> {
    let found = state.find(&Query::Events(query)).unwrap();
    found
        .into_iter()
        .map(|record| match record.value {
            Value::Event(event) => *event,
            other => panic!("no event: {other:?}"),
        })
        .collect()
}

fn fault(object: &str) -> u64 {
    Event::fingerprint("sw1", "LINK-3-UPDOWN", object)
}

#[test]
fn duplicates_of_an_open_event_only_count_up() {
    let (_dir, state) = open();
    tell(&state, report(1000, "Eth1"));
    tell(&state, report(3000, "Eth1"));
    tell(&state, report(2000, "Eth1"));
    tell(&state, report(2000, "Eth2"));
    let found = events(&state, EventQuery::default());
    assert_eq!(found.len(), 2);
    assert_eq!((found[1].count, found[1].first, found[1].last), (3, UnixMs(1000), UnixMs(3000)));
    assert_eq!(found[1].parent, None);
}

#[test]
fn a_fault_that_clears_while_it_is_new_comes_to_nothing_and_its_return_names_it() {
    let (_dir, state) = open();
    tell(&state, report(1000, "Eth1"));
    apply(&state, EventChange::Clear { fingerprint: fault("Eth1"), at: UnixMs(2000) });
    apply(&state, EventChange::Clear { fingerprint: fault("Eth9"), at: UnixMs(2000) });
    tell(&state, report(3000, "Eth1"));
    let found = events(&state, EventQuery::default());
    assert_eq!(found.len(), 2);
    assert_eq!((found[1].state, found[1].cleared), (EventState::Suppressed, Some(UnixMs(2000))));
    assert_eq!((found[0].state, found[0].parent), (EventState::New, Some(found[1].id)));
}

#[test]
fn what_settles_is_recorded_and_goes_on_counting_until_it_clears_or_is_long_quiet() {
    let (_dir, state) = open();
    tell(&state, report(1000, "Eth1"));
    apply(&state, EventChange::Settle { now: UnixMs(10_999) });
    assert_eq!(events(&state, EventQuery::default())[0].state, EventState::New);
    apply(&state, EventChange::Settle { now: UnixMs(11_000) });
    tell(&state, report(60_000, "Eth1"));
    let found = events(&state, EventQuery::default());
    assert_eq!((found.len(), found[0].state, found[0].count), (1, EventState::Recorded, 2));
    tell(&state, report(60_000 + QUIET_MS + 1, "Eth1"));
    assert_eq!(events(&state, EventQuery::default()).len(), 2);
}

const QUIET_MS: i64 = 30 * 60_000;

#[test]
fn a_fault_that_flaps_is_held_until_it_is_quiet() {
    let (_dir, state) = open();
    tell(&state, report(1000, "Eth1"));
    let held = EventReport {
        state: EventState::Held,
        reason: "it flaps".into(),
        not_before: UnixMs(900_000),
        ..report(2000, "Eth1")
    };
    tell(&state, held);
    apply(&state, EventChange::Settle { now: UnixMs(11_000) });
    let found = events(&state, EventQuery::default());
    assert_eq!((found[0].state, found[0].reason.as_str()), (EventState::Held, "it flaps"));
    apply(&state, EventChange::Settle { now: UnixMs(900_000) });
    assert_eq!(events(&state, EventQuery::default())[0].state, EventState::Recorded);
}

#[test]
fn what_is_in_doubt_neither_hides_a_fault_nor_changes_it() {
    let (_dir, state) = open();
    let doubtful = |at| EventReport {
        state: EventState::Recorded,
        evidence: model::Evidence::Conflict,
        ..report(at, "Eth1")
    };
    tell(&state, doubtful(1000));
    tell(&state, report(2000, "Eth1"));
    tell(&state, doubtful(3000));
    let found = events(&state, EventQuery::default());
    let facts = found.iter().map(|event| (event.state, event.count, event.evidence));
    let facts: Vec<_> = facts.collect();
    assert_eq!(
        facts,
        [
            (EventState::New, 1, model::Evidence::Datagram),
            (EventState::Recorded, 2, model::Evidence::Conflict),
        ],
    );
}

#[test]
fn a_move_from_another_state_is_a_conflict_and_changes_nothing_of_its_call() {
    let (_dir, state) = open();
    tell(&state, report(1000, "Eth1"));
    let go = |from: &[EventState], to| EventChange::Move {
        id: EventId(1),
        from: from.to_vec(),
        to,
        reason: "by hand".into(),
        at: UnixMs(2000),
    };
    let changes = vec![
        Change::Event(EventChange::Report(Box::new(report(2000, "Eth2")))),
        Change::Event(go(&[EventState::Held], EventState::Cancelled)),
    ];
    assert_eq!(state.apply(changes).unwrap(), Applied::Conflict);
    assert_eq!(events(&state, EventQuery::default()).len(), 1);
    let cancel = go(&[EventState::New], EventState::Cancelled);
    assert!(matches!(apply(&state, cancel), Applied::Done(_)));
    // A second open event of the same fault forbids opening the first one again.
    tell(&state, report(3000, "Eth1"));
    let again = go(&[EventState::Cancelled], EventState::New);
    assert_eq!(apply(&state, again), Applied::Conflict);
}

#[test]
fn a_repeat_counts_for_the_last_event_of_its_device() {
    let (_dir, state) = open();
    tell(&state, report(1000, "Eth1"));
    tell(&state, report(1001, "Eth2"));
    let repeat =
        |device: &str| EventChange::Repeat { device: device.into(), times: 7, at: UnixMs(5000) };
    apply(&state, repeat("sw1"));
    apply(&state, repeat("sw2"));
    let counts: Vec<u64> =
        events(&state, EventQuery::default()).iter().map(|event| event.count).collect();
    assert_eq!(counts, [8, 1]);
}

#[test]
fn events_are_found_by_what_people_ask_for() {
    let (_dir, state) = open();
    tell(&state, report(1000, "Eth1"));
    tell(&state, EventReport { device: "r1".into(), ..report(2000, "Eth1") });
    let count = |query: EventQuery| events(&state, query).len();
    let query = EventQuery::default;
    assert_eq!(count(EventQuery { device: Some("r1".into()), ..query() }), 1);
    assert_eq!(count(EventQuery { code: Some("LINK-3-UPDOWN".into()), ..query() }), 2);
    let found = state.find(&Query::Devices).unwrap();
    let names: Vec<_> = found.into_iter().map(|record| record.value).collect();
    assert_eq!(names, ["r1", "sw1"].map(|name| Value::Device(name.into())));
    assert_eq!(count(EventQuery { code: Some("LINK-SW2*".into()), ..query() }), 2);
    assert_eq!(count(EventQuery { code: Some("UPDOWN*".into()), ..query() }), 0);
    let states = vec![EventState::New, EventState::Held];
    assert_eq!(count(EventQuery { states, before: Some(EventId(2)), ..query() }), 1);
    assert_eq!(count(EventQuery { states: vec![EventState::Held], ..query() }), 0);
    assert_eq!(count(EventQuery { from: Some(UnixMs(1500)), ..query() }), 1);
    assert_eq!(count(EventQuery { until: Some(UnixMs(1500)), ..query() }), 1);
    assert_eq!(state.changes(1).unwrap().len(), 1);
    apply(&state, EventChange::Settle { now: UnixMs(i64::MAX) });
    apply(&state, EventChange::Forget { before: UnixMs(1500) });
    assert_eq!(count(query()), 1);
}
