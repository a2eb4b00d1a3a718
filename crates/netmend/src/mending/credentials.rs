//! Which credentials devices refused: after the second time nobody logs in with one any more, since the account
//! may get locked. A person's `resume` lets them be tried again.

use std::collections::BTreeMap;
use std::sync::Mutex;

use mend::worker::Logins;
use model::Login;
use serde::{Deserialize, Serialize};
use store::{Change, Memo, Query, State, Value};

/// Where they are kept.
const KEY: &str = "mend/credentials";
/// So many refusals are enough.
const MOST: u32 = 2;

/// Refusals of one credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Refusals {
    count: u32,
    /// What the device said last.
    said: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Credentials(Mutex<BTreeMap<String, Refusals>>);

/// A credential by words that hold nothing secret: the account, and what it is proven with.
fn name(login: &Login) -> String {
    let ways = [
        (login.key.is_some(), "a key"),
        (login.agent, "the agent"),
        (login.password.is_some(), "a password"),
    ];
    let ways: Vec<&str> = ways.iter().filter(|(there, _)| *there).map(|(_, way)| *way).collect();
    format!(
        "{} with {}",
        login.user,
        if ways.is_empty() { "nothing".into() } else { ways.join(" and ") }
    )
}

impl Credentials {
    /// As they were left.
    pub(super) fn read(state: &dyn State) -> Result<Self, store::Error> {
        let found = state.find(&Query::Memos { prefix: KEY.to_owned() })?;
        let kept = found.into_iter().find_map(|record| match record.value {
            Value::Memo(memo) if memo.key == KEY => serde_json::from_slice(&memo.body?).ok(),
            _ => None,
        });
        Ok(Self(Mutex::new(kept.unwrap_or_default())))
    }

    /// Those that are not tried any more.
    pub(super) fn all_blocked(&self) -> Vec<String> {
        let all = self.0.lock().expect("no holder of this lock can panic");
        let blocked = all.iter().filter(|(_, one)| one.count >= MOST);
        blocked.map(|(name, one)| sentence(name, one)).collect()
    }

    /// What makes all of them be tried again, once it is kept.
    pub(super) fn forgotten() -> Change {
        change(&BTreeMap::new())
    }

    /// All of them are tried again.
    pub(super) fn forget(&self) {
        self.0.lock().expect("no holder of this lock can panic").clear();
    }
}

impl Logins for Credentials {
    fn refused(&self, login: &Login, said: &str) -> Change {
        let mut all = self.0.lock().expect("no holder of this lock can panic");
        let one = all.entry(name(login)).or_insert(Refusals { count: 0, said: String::new() });
        one.count += 1;
        said.clone_into(&mut one.said);
        change(&all)
    }

    // What was refused before does not count any more.
    fn accepted(&self, login: &Login) -> Option<Change> {
        let mut all = self.0.lock().expect("no holder of this lock can panic");
        all.remove(&name(login)).map(|_| change(&all))
    }

    fn blocked(&self, login: &Login) -> Option<String> {
        let all = self.0.lock().expect("no holder of this lock can panic");
        let name = name(login);
        all.get(&name).filter(|one| one.count >= MOST).map(|one| sentence(&name, one))
    }
}

fn sentence(name: &str, one: &Refusals) -> String {
    format!(
        "the login {name} was refused {} times and is not tried again until `netmend resume`: {}",
        one.count, one.said
    )
}

fn change(all: &BTreeMap<String, Refusals>) -> Change {
    let body = serde_json::to_vec(all).expect("names and numbers are JSON");
    Change::Memo(Memo { key: KEY.to_owned(), body: Some(body) })
}

#[cfg(test)]
mod tests {
    use model::Secret;

    use super::*;

    #[test]
    fn the_second_refusal_ends_it_until_a_person_or_a_device_says_otherwise() {
        let credentials = Credentials::default();
        let mut login = Login::new("netmend");
        login.password = Some(Secret::new("hunter2"));
        let other = Login::new("netmend");
        let kept = credentials.refused(&login, "r1 refused the login");
        assert!(!format!("{kept:?}").contains("hunter2"));
        assert_eq!(credentials.blocked(&login), None);
        credentials.refused(&login, "r2 refused the login");
        let said = credentials.blocked(&login).unwrap();
        assert!(said.contains("netmend with a password was refused 2 times"), "{said}");
        assert_eq!(credentials.blocked(&other), None);
        credentials.forget();
        assert_eq!(credentials.blocked(&login), None);
        credentials.refused(&login, "r1");
        assert!(credentials.accepted(&login).is_some());
        credentials.refused(&login, "r1");
        assert_eq!(credentials.blocked(&login), None, "it was let in in between");
    }
}
