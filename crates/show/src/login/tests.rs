//! Who gets in, for how long, and what is left of it in the store.

use model::ManualClock;
use store::StateFile;

use super::*;

use std::sync::{OnceLock, Weak};

const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const START: i64 = 1_795_301_347_000;

struct Place {
    logins: Logins,
    state: Arc<StateFile>,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(UnixMs(START).to_ns()));
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(StateFile::open(folder.path(), &*clock).unwrap());
        let logins = open(&state, &clock);
        Self { logins, state, clock, _folder: folder }
    }

    fn add(&self, name: &str, role: Role, password: &str) {
        let hash = Hash::of(&Secret::new(password)).unwrap();
        self.logins.order("uid 0", Order::Add { name: name.into(), role, hash }).unwrap();
    }

    fn enter(&self, name: &str, password: &str) -> Result<SessionId, NotIn> {
        let shown = self.logins.log_in(name, &Secret::new(password), FROM)?;
        Ok(SessionId::of(shown.reveal()))
    }

    fn restarted(&self) -> Logins {
        open(&self.state, &self.clock)
    }
}

fn open(state: &Arc<StateFile>, clock: &Arc<ManualClock>) -> Logins {
    let (state, clock) = (Arc::<StateFile>::clone(state), Arc::<ManualClock>::clone(clock));
    Logins::open(state, clock, Terms::default()).unwrap()
}

#[test]
fn the_right_password_alone_opens_and_a_restart_closes_nothing() {
    let place = Place::new();
    assert!(!place.logins.has_users());
    place.add("Anna", Role::Operator, "correct horse");
    assert!(matches!(place.enter("anna", "correct horsf"), Err(NotIn::Wrong)));
    assert!(matches!(place.enter("bo", "correct horse"), Err(NotIn::Wrong)));
    assert!(matches!(place.enter("", ""), Err(NotIn::Wrong)));
    let session = place.enter(" ANNA ", "correct horse").unwrap();
    let known = Some(("anna".to_owned(), Role::Operator));
    assert_eq!(place.logins.session(session), known);
    assert_eq!(place.restarted().session(session), known);
    assert_eq!(place.logins.session(SessionId::of("")), None);
    assert_eq!(place.logins.users()[0].seen, Some(UnixMs(START)));
}

#[test]
fn a_session_ends_when_it_is_idle_and_at_the_latest_after_its_term() {
    let place = Place::new();
    place.add("anna", Role::Viewer, "correct horse");
    let session = place.enter("anna", "correct horse").unwrap();
    let lives = || place.logins.session(session).is_some();
    assert!(!place.logins.touch(session), "just used: not worth writing down");
    for _ in 0..15 {
        place.clock.advance(Duration::from_hours(11));
        assert!(lives());
        assert!(place.logins.touch(session));
        place.logins.write_touched(session);
        assert!(place.restarted().session(session).is_some());
    }
    place.clock.advance(Duration::from_hours(11));
    assert!(!lives(), "a week is over");
    let session = place.enter("anna", "correct horse").unwrap();
    place.clock.advance(Duration::from_hours(12));
    assert!(place.logins.session(session).is_none(), "half a day idle");
    assert!(place.restarted().session(session).is_none());
    let memos = place.state.find(&Query::Memos { prefix: format!("{PREFIX}session/") }).unwrap();
    assert_eq!(memos.len(), 0, "what is over is forgotten at the start");
}

#[test]
fn guessing_is_stopped_and_time_or_another_address_lets_in_again() {
    let place = Place::new();
    place.add("anna", Role::Viewer, "correct horse");
    for _ in 0..5 {
        assert!(matches!(place.enter("anna", "guess"), Err(NotIn::Wrong)));
    }
    let why = place.enter("anna", "correct horse").unwrap_err();
    assert!(matches!(why, NotIn::Wait(_)), "{why}");
    assert!(why.to_string().contains("Wait 15 min"), "{why}");
    let other = "192.0.2.8".parse().unwrap();
    assert!(place.logins.log_in("anna", &Secret::new("correct horse"), other).is_ok());
    place.clock.advance(Duration::from_mins(15));
    assert!(place.enter("anna", "correct horse").is_ok());
}

#[test]
fn another_password_or_no_user_any_more_ends_the_sessions_and_another_role_holds_at_once() {
    let place = Place::new();
    place.add("anna", Role::Viewer, "correct horse");
    place.add("bo", Role::Admin, "battery staple");
    let (anna, bo) = (
        place.enter("anna", "correct horse").unwrap(),
        place.enter("bo", "battery staple").unwrap(),
    );
    let role = Order::Role { name: "anna".into(), role: Role::Admin };
    place.logins.order("uid 0", role).unwrap();
    assert_eq!(place.logins.session(anna).unwrap().1, Role::Admin);

    let (old, new) = (Secret::new("correct horse"), Secret::new("correct horse two"));
    assert!(matches!(place.logins.change_password("anna", (&new, &old), FROM), Err(NotIn::Wrong)));
    let short = place.logins.change_password("anna", (&old, &Secret::new("x")), FROM);
    assert!(short.unwrap_err().to_string().contains("at least 8"));
    place.logins.change_password("anna", (&old, &new), FROM).unwrap();
    assert!(place.logins.session(anna).is_none());
    assert!(matches!(place.enter("anna", "correct horse"), Err(NotIn::Wrong)));
    assert!(place.enter("anna", "correct horse two").is_ok());

    place.logins.order("uid 0", Order::Remove { name: "bo".into() }).unwrap();
    assert!(place.logins.session(bo).is_none());
    assert!(place.restarted().session(bo).is_none());
    let names: Vec<String> = place.restarted().users().into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["anna"]);
}

#[test]
fn a_user_has_twenty_sessions_and_a_new_one_ends_the_one_used_longest_ago() {
    let place = Place::new();
    place.add("anna", Role::Viewer, "correct horse");
    let mut all = Vec::new();
    for _ in 0..=SESSIONS {
        all.push(place.enter("anna", "correct horse").unwrap());
        place.clock.advance(Duration::from_secs(1));
    }
    let logins = place.restarted();
    let live: Vec<bool> = all.iter().map(|id| logins.session(*id).is_some()).collect();
    assert_eq!(live.iter().filter(|live| **live).count(), SESSIONS);
    assert!(!live[0] && live[1]);
}

#[test]
fn tokens_are_shown_once_and_known_by_their_hash() {
    let place = Place::new();
    let order = Order::AddToken { name: "grafana".into(), role: Role::Viewer };
    let Done::Token(secret) = place.logins.order("uid 0", order.clone()).unwrap() else {
        panic!("no token")
    };
    assert!(secret.starts_with("netmend_") && secret.len() == 72);
    let known = Some(("grafana".to_owned(), Role::Viewer));
    assert_eq!(place.logins.token(&secret), known);
    assert_eq!(place.restarted().token(&secret), known);
    assert_eq!(place.logins.token(&secret[..71]), None);
    let again = place.logins.order("uid 0", order).unwrap_err().to_string();
    assert!(again.contains("there is a token grafana already"), "{again}");
    place.logins.order("uid 0", Order::RemoveToken { name: "grafana".into() }).unwrap();
    assert_eq!(place.logins.token(&secret), None);
    assert!(!place.logins.has_token("grafana"));
}

#[test]
fn the_audit_names_who_logged_in_and_who_changed_users() {
    let place = Place::new();
    place.add("anna", Role::Viewer, "correct horse");
    assert!(place.enter("anna", "wrong horse").is_err());
    place.enter("anna", "correct horse").unwrap();
    let found = place.state.find(&Query::Audit(store::AuditQuery::default())).unwrap();
    let entries: Vec<String> = found
        .into_iter()
        .map(|record| match record.value {
            Value::Audit(entry) => format!("{} {}: {}", entry.actor, entry.action, entry.detail),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected =
        ["anna log in: to the pages, from 192.0.2.7", "uid 0 users: anna may log in as viewer"];
    assert_eq!(entries, expected);
}

#[test]
fn nothing_in_the_store_lets_anybody_in() {
    let place = Place::new();
    place.add("anna", Role::Admin, "correct horse");
    let shown = place.logins.log_in("anna", &Secret::new("correct horse"), FROM).unwrap();
    let order = Order::AddToken { name: "ci".into(), role: Role::Admin };
    let Done::Token(token) = place.logins.order("uid 0", order).unwrap() else {
        panic!("no token")
    };
    let memos = place.state.find(&Query::Memos { prefix: String::new() }).unwrap();
    assert_eq!(memos.len(), 3);
    for secret in ["correct horse", shown.reveal(), &token, &token[8..]] {
        assert!(!format!("{memos:?}").contains(secret));
        for record in &memos {
            let Value::Memo(Memo { body: Some(body), .. }) = &record.value else { panic!() };
            let text = String::from_utf8_lossy(body);
            assert!(!text.contains(secret), "{text}");
            // What is stored is no session and no token by itself.
            assert!(place.logins.session(SessionId::of(&text)).is_none());
        }
    }
}

#[test]
fn orders_that_cannot_be_meant_are_refused_in_words() {
    let place = Place::new();
    place.add("anna", Role::Viewer, "correct horse");
    let hash = Hash::of(&Secret::new("correct horse")).unwrap();
    let add = |name: &str| Order::Add { name: name.into(), role: Role::Viewer, hash: hash.clone() };
    for (order, words) in [
        (add("ANNA"), "there is a user anna already"),
        (add("a b"), "cannot be a name"),
        (add(""), "cannot be a name"),
        (Order::Remove { name: "bo".into() }, "no user is called bo"),
        (Order::Role { name: "bo".into(), role: Role::Admin }, "no user is called bo"),
        (Order::RemoveToken { name: "ci".into() }, "no token is called"),
    ] {
        let why = place.logins.order("uid 0", order).unwrap_err().to_string();
        assert!(why.contains(words), "{why}");
    }
    let json = serde_json::to_string(&add("x")).unwrap();
    let read: Order = serde_json::from_str(&json).unwrap();
    assert!(matches!(read, Order::Add { name, .. } if name == "x"));
    let weak = json.replace("argon2id", "argon2i");
    assert!(serde_json::from_str::<Order>(&weak).is_err());
}

/// A store that, when a session is touched, lets somebody end it at that very moment.
struct Meanwhile {
    state: Arc<StateFile>,
    logins: OnceLock<Weak<Logins>>,
    ending: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl State for Meanwhile {
    fn apply(&self, changes: Vec<Change>) -> Result<Applied, store::Error> {
        if let (1, Some(logins)) = (changes.len(), self.logins.get().and_then(Weak::upgrade))
            && matches!(&changes[0], Change::Memo(Memo { key, body: Some(_) }) if key.contains("session/"))
        {
            assert!(logins.changing.try_lock().is_err(), "nobody ends a session that is written");
            let ending = std::thread::spawn(move || logins.end(|_, _| true).unwrap());
            *self.ending.lock().unwrap() = Some(ending);
        }
        self.state.apply(changes)
    }

    fn claim(&self, claim: store::Claim) -> Result<store::Claimed, store::Error> {
        self.state.claim(claim)
    }

    fn find(&self, query: &Query) -> Result<Vec<Record>, store::Error> {
        self.state.find(query)
    }

    fn changes(&self, since: u64) -> Result<Vec<Record>, store::Error> {
        self.state.changes(since)
    }
}

#[test]
fn a_session_that_ends_while_its_use_is_written_down_stays_ended() {
    let place = Place::new();
    place.add("anna", Role::Viewer, "correct horse");
    let (state, logins) = (Arc::clone(&place.state), OnceLock::new());
    let meanwhile = Arc::new(Meanwhile { state, logins, ending: Mutex::default() });
    let clock = Arc::<ManualClock>::clone(&place.clock);
    let kept = Arc::<Meanwhile>::clone(&meanwhile);
    let logins = Arc::new(Logins::open(kept, clock, Terms::default()).unwrap());
    meanwhile.logins.set(Arc::downgrade(&logins)).unwrap();
    let shown = logins.log_in("anna", &Secret::new("correct horse"), FROM).unwrap();
    let session = SessionId::of(shown.reveal());
    place.clock.advance(Duration::from_hours(1));
    assert!(logins.touch(session));
    logins.write_touched(session);
    meanwhile.ending.lock().unwrap().take().expect("somebody ended it").join().unwrap();
    assert!(logins.session(session).is_none());
    assert!(place.restarted().session(session).is_none(), "nor after a restart");
}
