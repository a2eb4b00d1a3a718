//! Tests of the records in `state.db`.

use model::alert::{
    AlertState, GroupSubject, Matcher, Message, MessageKind, Notice, NoticeId, NoticeState,
    Operator, Severity, Silence, SilenceId, Subject,
};
use model::{Alert, AlertId, SystemClock, UnixMs};

mod mending;
mod syslog;

use super::mark::KEPT;
use super::*;
use crate::state::{AlertQuery, Mark, Memo};

/// How SQLite would answer a statement.
pub(super) fn plan(db: &Connection, sql: &str) -> String {
    let mut asked = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    // What is not bound is NULL, which changes no plan.
    let steps = asked.raw_query().mapped(|row| row.get::<_, String>(3));
    steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
}

fn mark(at: i64, subject: &str, text: &str) -> Change {
    Change::Mark(Mark {
        at: UnixMs(at),
        subject: subject.into(),
        kind: "address".into(),
        text: text.into(),
    })
}

fn texts(records: Vec<Record>) -> Vec<String> {
    let text = |record: Record| match record.value {
        Value::Mark(mark) => mark.text,
        other => panic!("no mark: {other:?}"),
    };
    records.into_iter().map(text).collect()
}

fn marks(subject: Option<&str>, limit: u32) -> Query {
    let subject = subject.map(str::to_owned);
    Query::Marks { subject, from: UnixMs(0), until: UnixMs(1000), limit }
}

#[test]
fn marks_are_found_by_subject_and_time_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateFile::open(dir.path(), &SystemClock).unwrap();
    let changes = vec![mark(1, "a", "one"), mark(3, "b", "three"), mark(2, "a", "two")];
    assert_eq!(state.apply(changes).unwrap(), Applied::Done(3));
    state.apply(vec![mark(1000, "a", "later")]).unwrap();
    assert_eq!(texts(state.find(&marks(None, 9)).unwrap()), ["three", "two", "one"]);
    assert_eq!(texts(state.find(&marks(Some("a"), 9)).unwrap()), ["two", "one"]);
    assert_eq!(texts(state.find(&marks(None, 1)).unwrap()), ["three"]);
}

#[test]
fn revisions_go_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let open = || StateFile::open(dir.path(), &SystemClock).unwrap();
    assert_eq!(open().apply(vec![mark(1, "a", "one")]).unwrap(), Applied::Done(1));
    let state = open();
    assert_eq!(state.apply(vec![mark(1, "a", "two")]).unwrap(), Applied::Done(2));
    assert_eq!(texts(state.changes(0).unwrap()), ["one", "two"]);
    assert_eq!(texts(state.changes(1).unwrap()), ["two"]);
    assert!(state.changes(u64::MAX).unwrap().is_empty());
}

#[test]
fn who_submits_is_told_once_it_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateFile::open(dir.path(), &SystemClock).unwrap();
    let (told, hear) = std::sync::mpsc::channel();
    let folder = dir.path().to_owned();
    for text in ["one", "two"] {
        let (told, folder) = (told.clone(), folder.clone());
        let done = move |result: Result<Applied, Error>| {
            let found = StateReader::open(&folder).unwrap().find(&marks(None, 9)).unwrap();
            told.send((result.unwrap(), texts(found))).unwrap();
        };
        state.submit(Arc::new(vec![mark(1, "a", text)]), Box::new(done));
    }
    // Who does not wait is first, or shares the commit; nobody is forgotten.
    state.apply(vec![mark(1, "a", "three")]).unwrap();
    for text in ["one", "two"] {
        let (applied, found) = hear.recv().unwrap();
        assert!(matches!(applied, Applied::Done(_)) && found.iter().any(|it| it == text));
    }
    drop(state);
}

#[test]
fn of_calls_that_share_a_commit_one_that_conflicts_takes_back_itself_alone() {
    let dir = tempfile::tempdir().unwrap();
    let db = file::open_writer(dir.path(), &SCHEMA, &SystemClock).unwrap();
    let site = Site::new(&dir.path().join(SCHEMA.file));
    let mut writer = Writer { db, site, syncs: true };
    let nobody = Change::Event(EventChange::Move {
        id: model::EventId(7),
        from: vec![model::event::EventState::New],
        to: model::event::EventState::Recorded,
        reason: String::new(),
        at: UnixMs(0),
    });
    let call = |changes| Call::Submit(Arc::new(changes), Box::new(|_| ()));
    let calls = [
        call(vec![mark(1, "a", "one")]),
        call(vec![mark(2, "a", "two"), nobody]),
        call(vec![mark(3, "a", "three")]),
    ];
    let results = writer.commit(&calls).unwrap();
    let [first, second, third] = &results[..] else { panic!("a result for each call") };
    assert!(matches!(first, Ok(Outcome::Applied(Applied::Done(1)))));
    assert!(matches!(second, Ok(Outcome::Applied(Applied::Conflict))));
    assert!(matches!(third, Ok(Outcome::Applied(Applied::Done(2)))));
    let found = StateReader::open(dir.path()).unwrap().find(&marks(None, 9)).unwrap();
    assert_eq!(texts(found), ["three", "one"]);
}

#[test]
fn marks_go_once_a_million_changes_were_made_after_them() {
    let dir = tempfile::tempdir().unwrap();
    let open = || StateFile::open(dir.path(), &SystemClock).unwrap();
    open().apply(vec![mark(1, "a", "one"), mark(2, "a", "two")]).unwrap();
    let db = Connection::open(dir.path().join(SCHEMA.file)).unwrap();
    db.execute("UPDATE revision SET newest = ?1", [KEPT]).unwrap();
    drop(db);
    let state = open();
    state.apply(vec![mark(3, "a", "three")]).unwrap();
    assert_eq!(texts(state.changes(0).unwrap()), ["two", "three"]);
}

#[test]
fn calls_from_many_threads_get_revisions_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateFile::open(dir.path(), &SystemClock).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let state = &state;
            scope.spawn(move || {
                for round in 0..10 {
                    state.apply(vec![mark(round, &thread.to_string(), "x")]).unwrap();
                }
            });
        }
    });
    let revisions: Vec<u64> =
        state.changes(0).unwrap().iter().map(|record| record.revision).collect();
    assert_eq!(revisions, (1..=80).collect::<Vec<u64>>());
}

fn alert(id: u64, subject: &str, raised: i64, ended: Option<i64>) -> Alert {
    let group = GroupSubject { tag: "gateway".into(), value: subject.into() };
    Alert {
        state: if ended.is_some() { AlertState::Resolved } else { AlertState::Firing },
        ended: ended.map(UnixMs),
        ..Alert::new(AlertId(id), Subject::Group(group), Severity::Warning, UnixMs(raised))
    }
}

fn ids(state: &StateFile, query: AlertQuery) -> Vec<u64> {
    let id = |record: Record| match record.value {
        Value::Alert(alert) => alert.id.0,
        other => panic!("no alert: {other:?}"),
    };
    state.find(&Query::Alerts(query)).unwrap().into_iter().map(id).collect()
}

#[test]
fn an_alert_is_found_by_number_subject_time_and_whether_it_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateFile::open(dir.path(), &SystemClock).unwrap();
    let put = |alert| state.apply(vec![Change::Alert(Box::new(alert))]).unwrap();
    for (id, subject, raised, ended) in
        [(1, "a", 10, Some(20)), (2, "b", 15, None), (3, "a", 30, None)]
    {
        put(alert(id, subject, raised, ended));
    }
    let all = AlertQuery::default;
    assert_eq!(ids(&state, all()), [3, 2, 1]);
    assert_eq!(ids(&state, AlertQuery { limit: 1, ..all() }), [3]);
    assert_eq!(ids(&state, AlertQuery { id: Some(AlertId(2)), ..all() }), [2]);
    assert_eq!(ids(&state, AlertQuery { open: Some(true), ..all() }), [3, 2]);
    assert_eq!(ids(&state, AlertQuery { open: Some(false), ..all() }), [1]);
    assert_eq!(ids(&state, AlertQuery { before: Some(AlertId(3)), ..all() }), [2, 1]);
    let of_a = AlertQuery { subject: Some("group gateway=a".into()), ..all() };
    assert_eq!(ids(&state, of_a), [3, 1]);
    let within = |from, until| AlertQuery {
        from: Some(UnixMs(from)),
        until: Some(UnixMs(until)),
        ..AlertQuery::default()
    };
    assert_eq!(ids(&state, within(21, 40)), [3, 2]);
    assert_eq!(ids(&state, within(0, 15)), [1]);

    put(alert(2, "b", 15, Some(50)));
    assert_eq!(ids(&state, AlertQuery { open: Some(true), ..all() }), [3]);
    let latest = state.changes(3).unwrap();
    assert_eq!(latest.len(), 1);
    assert_eq!(latest[0].value, Value::Alert(Box::new(alert(2, "b", 15, Some(50)))));
}

fn notice(id: u64, receiver: &str, thread: &str, state: NoticeState, next_try: i64) -> Change {
    let message = Message {
        kind: MessageKind::Test,
        site: "s".into(),
        at: UnixMs(1),
        thread: thread.into(),
        number: 1,
        severity: Severity::Info,
        alerts: vec![],
        open: 0,
        resolved: 0,
        accepted: 0,
        pages: None,
    };
    Change::Notice(Box::new(Notice {
        id: NoticeId(id),
        receiver: receiver.into(),
        message,
        state,
        attempts: 0,
        created: UnixMs(1),
        next_try: UnixMs(next_try),
        done: None,
        last_error: None,
        delivered: vec![],
    }))
}

fn notice_ids(state: &StateFile, query: &Query) -> Vec<u64> {
    let id = |record: Record| match record.value {
        Value::Notice(notice) => notice.id.0,
        other => panic!("no notice: {other:?}"),
    };
    state.find(query).unwrap().into_iter().map(id).collect()
}

#[test]
fn a_due_notice_waits_for_the_earlier_ones_of_its_thread() {
    use NoticeState::{Sent, Waiting};
    let dir = tempfile::tempdir().unwrap();
    let state = StateFile::open(dir.path(), &SystemClock).unwrap();
    let put = |changes| state.apply(changes).unwrap();
    put(vec![
        notice(1, "noc", "t1", Waiting, 500),
        notice(2, "noc", "t1", Waiting, 10),
        notice(3, "noc", "t2", Waiting, 10),
        notice(4, "boss", "t1", Waiting, 10),
        notice(5, "boss", "t3", Waiting, 99),
    ]);
    let due_except = |now, except: &[&str]| {
        let except = except.iter().map(ToString::to_string).collect();
        notice_ids(&state, &Query::DueNotices { now: UnixMs(now), except, limit: 9 })
    };
    let due = |now| due_except(now, &[]);
    assert_eq!(due(10), [3, 4]);
    assert_eq!(due_except(10, &["noc", "nobody"]), [4]);
    put(vec![notice(1, "noc", "t1", Sent, 500), notice(3, "noc", "t2", Sent, 10)]);
    assert_eq!(due(10), [2, 4]);
    let find = |state_of| notice_ids(&state, &Query::Notices { state: state_of, limit: 9 });
    assert_eq!(find(Some(Sent)), [3, 1]);
    assert_eq!(find(None), [5, 4, 3, 2, 1]);
    put(vec![notice(10_004, "boss", "t9", Waiting, 99)]);
    assert_eq!(find(None), [10_004, 5, 4, 2], "what waits is never dropped");
}

#[test]
fn the_notices_about_an_alert_are_found_and_go_with_their_notice() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateFile::open(dir.path(), &SystemClock).unwrap();
    let about = |id: u64, alerts: &[u64], of: NoticeState| {
        let Change::Notice(mut notice) = notice(id, "noc", "t1", of, 10) else {
            unreachable!("it is a notice")
        };
        notice.message.alerts = alerts.iter().map(|id| alert(*id, "a", 1, None)).collect();
        Change::Notice(notice)
    };
    let of = |alert| notice_ids(&state, &Query::NoticesOf { alert: AlertId(alert), limit: 9 });
    state
        .apply(vec![
            about(1, &[7, 8], NoticeState::Waiting),
            about(2, &[7], NoticeState::Waiting),
            about(3, &[8], NoticeState::Sent),
        ])
        .unwrap();
    state.apply(vec![about(1, &[7, 8], NoticeState::Sent)]).unwrap();
    assert_eq!((of(7), of(8), of(9)), (vec![2, 1], vec![3, 1], vec![]));
    state.apply(vec![about(10_001, &[], NoticeState::Sent)]).unwrap();
    assert_eq!((of(7), of(8)), (vec![2], vec![3]), "the first one gave way");
    let db = Connection::open(dir.path().join(SCHEMA.file)).unwrap();
    let left: i64 =
        db.query_row("SELECT count(*) FROM notice_alert", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 2);
}

#[test]
fn silences_are_found_until_they_end_or_are_expired() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateFile::open(dir.path(), &SystemClock).unwrap();
    let matcher = Matcher { label: "host".into(), operator: Operator::Is, value: "sw1".into() };
    let silence = |id, until, expired: Option<i64>| Silence {
        id: SilenceId(id),
        matchers: vec![matcher.clone()],
        from: UnixMs(1),
        until,
        weekly: None,
        created: UnixMs(1),
        by: "uid 0".into(),
        note: "work".into(),
        expired: expired.map(|at| (UnixMs(at), "uid 0".into())),
    };
    let put = |silence| state.apply(vec![Change::Silence(silence)]).unwrap();
    put(silence(1, Some(UnixMs(100)), None));
    put(silence(2, None, None));
    let found = |after| state.find(&Query::Silences { after: UnixMs(after), limit: 9 }).unwrap();
    assert_eq!((found(99).len(), found(100).len(), found(i64::MIN).len()), (2, 1, 2));
    put(silence(2, None, Some(50)));
    assert_eq!(found(50).len(), 1);
    assert_eq!(found(0)[0].value, Value::Silence(silence(2, None, Some(50))));
}

#[test]
fn memos_are_found_by_the_beginning_of_their_key_until_they_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateFile::open(dir.path(), &SystemClock).unwrap();
    let memo = |key: &str, body: Option<&[u8]>| {
        Change::Memo(Memo { key: key.into(), body: body.map(<[u8]>::to_vec) })
    };
    state
        .apply(vec![memo("a/1", Some(b"x")), memo("a/2", Some(b"y")), memo("a_1", Some(b"z"))])
        .unwrap();
    let keys = || -> Vec<String> {
        let key = |record: Record| match record.value {
            Value::Memo(memo) => memo.key,
            other => panic!("no memo: {other:?}"),
        };
        state.find(&Query::Memos { prefix: "a/".into() }).unwrap().into_iter().map(key).collect()
    };
    assert_eq!(keys(), ["a/1", "a/2"]);
    state.apply(vec![memo("a/1", None)]).unwrap();
    assert_eq!(keys(), ["a/2"]);
}
