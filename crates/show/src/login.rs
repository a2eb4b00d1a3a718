//! Users, their sessions, and tokens for programs: who somebody is. All of it is in the store and in memory;
//! memory is what is asked. It must know no request and no page, and decides nothing about what may be done.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use model::{Clock, Secret, UnixMs};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Applied, AuditNote, Change, Memo, Query, Record, State, Value};

mod limit;
mod password;
mod record;

pub use password::{Hash, LONGEST, SHORTEST, Unfit};
pub(crate) use record::Session;
pub use record::{Role, SessionId, Token, User, name};

use limit::Limit;
use record::PREFIX;

/// Most sessions of one user; the one used longest ago ends for a new one.
const SESSIONS: usize = 20;
/// Most users, and most tokens.
const MOST: usize = 1_000;
/// When somebody asked last is written down so often at most.
const TOUCH: Duration = Duration::from_mins(5);

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A session ends after so long without a request but those of the live feed.
    pub idle: Duration,
    /// A session ends so long after the login.
    pub longest: Duration,
}

impl Default for Terms {
    /// Half a day idle, a week at most.
    fn default() -> Self {
        Self { idle: Duration::from_hours(12), longest: Duration::from_hours(7 * 24) }
    }
}

/// What an administrator wants. It is what the control socket carries: no password is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Add a user.
    Add {
        /// Their name.
        name: String,
        /// What they are for.
        role: Role,
        /// Of their password.
        hash: Hash,
    },
    /// Give a user another password. Their sessions end.
    Password {
        /// Who.
        name: String,
        /// Of the new one.
        hash: Hash,
    },
    /// Give a user another role, from now on.
    Role {
        /// Who.
        name: String,
        /// Which.
        role: Role,
    },
    /// Remove a user. Their sessions end.
    Remove {
        /// Who.
        name: String,
    },
    /// Make a token for a program.
    AddToken {
        /// What it is called.
        name: String,
        /// What it may do.
        role: Role,
    },
    /// Remove a token: it is worth nothing any more.
    RemoveToken {
        /// Which.
        name: String,
    },
}

/// An order was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// What was done, in a sentence.
    Said(String),
    /// The token, which is shown this once.
    Token(String),
}

/// Why something was not done: a sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It cannot be done as asked.
    #[error("{0}")]
    Unfit(String),
    /// The store did not take it.
    #[error("the store did not take it: {0}")]
    Store(#[from] store::Error),
    /// There are no random numbers.
    #[error("cannot read random numbers: {0}")]
    Random(#[source] std::io::Error),
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotIn {
    /// Which of both is not said.
    #[error("The name or the password is wrong.")]
    Wrong,
    /// Too many tries.
    #[error("Too many tries failed. Wait {} min, or ask an administrator.", minutes(*.0))]
    Wait(Duration),
    /// Something is broken.
    #[error("It cannot be checked now: {0}")]
    Broken(#[from] Refused),
}

fn minutes(span: Duration) -> u64 {
    span.as_secs().div_ceil(60).max(1)
}

/// Everybody who may log in, and everybody who has.
pub struct Logins {
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    terms: Terms,
    /// What the password for a name that nobody has is compared with, so that it takes as long.
    nobody: Hash,
    known: Mutex<Known>,
    /// Held from looking at a record until it is written: no change undoes another.
    changing: Mutex<()>,
}

#[derive(Default)]
struct Known {
    users: HashMap<String, User>,
    tokens: HashMap<String, Token>,
    sessions: HashMap<SessionId, Session>,
    limit: Limit,
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").field("terms", &self.terms).finish_non_exhaustive()
    }
}

impl Logins {
    /// Reads what the store has. Sessions that are over are forgotten.
    ///
    /// # Errors
    /// The store cannot be read, or a hash cannot be computed.
    pub fn open(
        state: Arc<dyn State>,
        clock: Arc<dyn Clock>,
        terms: Terms,
    ) -> Result<Self, Refused> {
        let nobody = Hash::of_nobody().map_err(|why| Refused::Unfit(why.to_string()))?;
        let (known, changing) = (Mutex::default(), Mutex::default());
        let logins = Self { state, clock, terms, nobody, known, changing };
        let now = logins.clock.now_ms();
        let mut known = Known::default();
        let mut over = Vec::new();
        for record in logins.state.find(&Query::Memos { prefix: PREFIX.to_owned() })? {
            let Record { value: Value::Memo(Memo { key, body: Some(body) }), .. } = record else {
                continue;
            };
            let Some((kind, name)) = key[PREFIX.len()..].split_once('/') else { continue };
            match kind {
                "user" => keep(&mut known.users, &key, name.to_owned(), &body),
                "token" => keep(&mut known.tokens, &key, name.to_owned(), &body),
                "session" => {
                    let session = serde_json::from_slice::<Session>(&body).ok();
                    let live = session.filter(|session| logins.lives(session, now));
                    match (name.parse(), live) {
                        (Ok(id), Some(session)) => drop(known.sessions.insert(id, session)),
                        _ => over.push(forget(key.clone())),
                    }
                }
                _ => tracing::warn!(key, "unknown record of logins"),
            }
        }
        let users = &known.users;
        known.sessions.retain(|_, session| users.contains_key(&session.user));
        *logins.known() = known;
        // They are over either way; a store that cannot be written forgets them at another start.
        if let Err(why) = logins.write(over) {
            tracing::debug!(%why, "sessions that are over stay in the store");
        }
        Ok(logins)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no holder of this lock panics")
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().expect("no holder of this lock panics")
    }

    fn lives(&self, session: &Session, now: UnixMs) -> bool {
        // One from the future was made before the clock was set back: it ends no later than it should.
        let within = |since: UnixMs, span: Duration| now < since + span && since - span <= now;
        within(session.created, self.terms.longest) && within(session.seen, self.terms.idle)
    }

    /// Whether there are users. Without any, nobody has to log in.
    pub fn has_users(&self) -> bool {
        !self.known().users.is_empty()
    }

    /// The users, by name.
    pub fn users(&self) -> Vec<User> {
        let mut users: Vec<User> = self.known().users.values().cloned().collect();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        users
    }

    /// The tokens of programs, by name.
    pub fn tokens(&self) -> Vec<Token> {
        let mut tokens: Vec<Token> = self.known().tokens.values().cloned().collect();
        tokens.sort_by(|a, b| a.name.cmp(&b.name));
        tokens
    }

    /// Carries out what an administrator wants, in the name of `actor`. It may block.
    ///
    /// # Errors
    /// Nothing was done, and why.
    pub fn order(&self, actor: &str, order: Order) -> Result<Done, Refused> {
        let _changing = self.changing();
        let done = match order {
            Order::Add { name, role, hash } => self.add(actor, &name, role, hash)?,
            Order::Password { name, hash } => {
                self.change(&name, |user| user.hash = hash)?;
                self.drop_sessions(|_, session| session.user.eq_ignore_ascii_case(&name))?;
                said(format!("{name} has another password; the sessions of {name} are over"))
            }
            Order::Role { name, role } => {
                self.change(&name, |user| user.role = role)?;
                said(format!("{name} is {role}"))
            }
            Order::Remove { name } => self.remove(&name)?,
            Order::AddToken { name, role } => self.add_token(actor, &name, role)?,
            Order::RemoveToken { name } => {
                if !self.known().tokens.contains_key(&name) {
                    return Err(Refused::Unfit(format!("no token is called {name:?}")));
                }
                self.write(vec![forget(format!("{PREFIX}token/{name}"))])?;
                self.known().tokens.remove(&name);
                said(format!("the token {name} is worth nothing any more"))
            }
        };
        let what = match &done {
            Done::Said(what) => what,
            Done::Token(_) => "a token was made",
        };
        tracing::info!(actor, "{what}");
        if let Err(why) = self.write(vec![self.note(actor, "users", what)]) {
            tracing::error!(%why, "a change of users is not in the audit");
        }
        Ok(done)
    }

    fn add(&self, actor: &str, typed: &str, role: Role, hash: Hash) -> Result<Done, Refused> {
        let name = fit(typed)?;
        if self.known().users.contains_key(&name) {
            return Err(Refused::Unfit(format!("there is a user {name} already")));
        }
        if self.known().users.len() >= MOST {
            return Err(Refused::Unfit(format!(
                "there are {MOST} users, which is all there may be"
            )));
        }
        let (created, by) = (self.clock.now_ms(), actor.to_owned());
        let user = User { name: name.clone(), role, hash, created, by, seen: None };
        self.write(vec![memo(format!("{PREFIX}user/{name}"), &user)])?;
        self.known().users.insert(name.clone(), user);
        Ok(said(format!("{name} may log in as {role}")))
    }

    /// Changes a user, in the store first.
    fn change(&self, typed: &str, change: impl FnOnce(&mut User)) -> Result<(), Refused> {
        let name = fit(typed)?;
        let user = self.known().users.get(&name).cloned();
        let mut user = user.ok_or_else(|| nobody_called(&name))?;
        change(&mut user);
        self.write(vec![memo(format!("{PREFIX}user/{name}"), &user)])?;
        self.known().users.insert(name, user);
        Ok(())
    }

    fn remove(&self, typed: &str) -> Result<Done, Refused> {
        let name = fit(typed)?;
        if !self.known().users.contains_key(&name) {
            return Err(nobody_called(&name));
        }
        self.write(vec![forget(format!("{PREFIX}user/{name}"))])?;
        self.known().users.remove(&name);
        self.drop_sessions(|_, session| session.user == name)?;
        let last = if self.has_users() { "" } else { "; nobody has to log in any more" };
        Ok(said(format!("{name} is removed{last}")))
    }

    fn add_token(&self, actor: &str, typed: &str, role: Role) -> Result<Done, Refused> {
        let name = fit(typed)?;
        if self.known().tokens.contains_key(&name) {
            return Err(Refused::Unfit(format!("there is a token {name} already")));
        }
        if self.known().tokens.len() >= MOST {
            return Err(Refused::Unfit(format!(
                "there are {MOST} tokens, which is all there may be"
            )));
        }
        let secret = format!("netmend_{}", random()?);
        let (digest, created) = (SessionId::of(&secret), self.clock.now_ms());
        let token = Token { name: name.clone(), role, digest, created, by: actor.to_owned() };
        self.write(vec![memo(format!("{PREFIX}token/{name}"), &token)])?;
        self.known().tokens.insert(name, token);
        Ok(Done::Token(secret))
    }

    /// Lets somebody in: gives what their browser must show from now on. It takes some ten milliseconds, so
    /// it is called on a thread that may block, by few at a time.
    pub(crate) fn log_in(
        &self,
        typed: &str,
        password: &Secret,
        from: IpAddr,
    ) -> Result<Secret, NotIn> {
        let now = self.clock.now_ms();
        let known_as = name(typed).unwrap_or_default();
        if let Some(wait) = self.known().limit.wait(&known_as, from, now) {
            tracing::warn!(user = known_as, %from, "not let in: too many tries");
            return Err(NotIn::Wait(wait));
        }
        // Counted before it is known: many at once must not get past the limit.
        self.known().limit.failed(&known_as, from, now);
        let user = self.known().users.get(&known_as).cloned();
        let right = user.as_ref().map_or(&self.nobody, |user| &user.hash).is_of(password);
        let Some(user) = user.filter(|_| right) else {
            tracing::warn!(user = known_as, %from, "not let in: wrong name or password");
            return Err(NotIn::Wrong);
        };
        let shown = self.begin(&user, from, now)?;
        self.known().limit.succeeded(&known_as, from);
        tracing::info!(user = known_as, %from, role = %user.role, "logged in");
        Ok(shown)
    }

    /// A new session of a user whose password was right.
    fn begin(&self, user: &User, from: IpAddr, now: UnixMs) -> Result<Secret, NotIn> {
        let _changing = self.changing();
        let shown = random()?;
        let id = SessionId::of(&shown);
        let from = from.to_canonical().to_string();
        let session = Session { user: user.name.clone(), created: now, seen: now, from };
        let (user, mut own) = {
            let known = self.known();
            // Removed meanwhile, or with another password: then it was the wrong one.
            let same = known.users.get(&user.name).filter(|now| now.hash == user.hash);
            let user = same.cloned().ok_or(NotIn::Wrong)?;
            let own = known.sessions.iter().filter(|(_, session)| session.user == user.name);
            let own: Vec<_> = own.map(|(id, session)| (session.seen, *id)).collect();
            (User { seen: Some(now), ..user }, own)
        };
        own.sort_unstable_by_key(|(seen, _)| *seen);
        own.truncate((own.len() + 1).saturating_sub(SESSIONS));
        let mut changes = vec![
            memo(session_key(id), &session),
            memo(format!("{PREFIX}user/{}", user.name), &user),
        ];
        let detail = format!("to the pages, from {}", session.from);
        changes.push(self.note(&user.name, "log in", &detail));
        changes.extend(own.iter().map(|(_, id)| forget(session_key(*id))));
        self.write(changes)?;
        let mut known = self.known();
        for (_, id) in &own {
            known.sessions.remove(id);
        }
        known.sessions.insert(id, session);
        known.users.insert(user.name.clone(), user);
        Ok(Secret::new(shown))
    }

    /// Whose session this is, if it lives.
    pub(crate) fn session(&self, id: SessionId) -> Option<(String, Role)> {
        let now = self.clock.now_ms();
        let known = self.known();
        let session = known.sessions.get(&id).filter(|session| self.lives(session, now))?;
        let user = known.users.get(&session.user)?;
        Some((user.name.clone(), user.role))
    }

    /// Somebody asked for something by this session. Whether that is to be written down now: then call
    /// [`Self::write_touched`] on a thread that may block.
    pub(crate) fn touch(&self, id: SessionId) -> bool {
        let now = self.clock.now_ms();
        let mut known = self.known();
        let Some(session) = known.sessions.get_mut(&id) else { return false };
        if now - TOUCH < session.seen && session.seen <= now {
            return false;
        }
        session.seen = now;
        true
    }

    /// Writes down when a session was used last.
    pub(crate) fn write_touched(&self, id: SessionId) {
        // Or one that ends meanwhile would stand in the store again, and live after a restart.
        let _changing = self.changing();
        let Some(session) = self.known().sessions.get(&id).cloned() else { return };
        if let Err(why) = self.write(vec![memo(session_key(id), &session)]) {
            tracing::warn!(%why, "when a session was used last is not written down");
        }
    }

    /// The sessions of a user, the one used last first.
    pub(crate) fn sessions(&self, user: &str) -> Vec<(SessionId, Session)> {
        let known = self.known();
        let own = known.sessions.iter().filter(|(_, session)| session.user == user);
        let mut own: Vec<_> = own.map(|(id, session)| (*id, session.clone())).collect();
        own.sort_by_key(|(_, session)| std::cmp::Reverse(session.seen));
        own
    }

    /// Ends the sessions that `which` names.
    pub(crate) fn end(&self, which: impl Fn(SessionId, &Session) -> bool) -> Result<(), Refused> {
        let _changing = self.changing();
        self.drop_sessions(which)
    }

    /// The same, for who holds `changing`.
    fn drop_sessions(&self, which: impl Fn(SessionId, &Session) -> bool) -> Result<(), Refused> {
        let ended: Vec<SessionId> = {
            let mut known = self.known();
            let ended = known.sessions.extract_if(|id, session| which(*id, session));
            ended.map(|(id, _)| id).collect()
        };
        self.write(ended.into_iter().map(|id| forget(session_key(id))).collect())
    }

    /// Gives a user another password, if they know the one they have. As slow as [`Self::log_in`].
    pub(crate) fn change_password(
        &self,
        user: &str,
        (old, new): (&Secret, &Secret),
        from: IpAddr,
    ) -> Result<(), NotIn> {
        let now = self.clock.now_ms();
        if let Some(wait) = self.known().limit.wait(user, from, now) {
            return Err(NotIn::Wait(wait));
        }
        let hash = Hash::of(new).map_err(|why| Refused::Unfit(why.to_string()))?;
        self.known().limit.failed(user, from, now);
        let known = self.known().users.get(user).cloned();
        if !known.is_some_and(|known| known.hash.is_of(old)) {
            return Err(NotIn::Wrong);
        }
        self.known().limit.succeeded(user, from);
        self.order(user, Order::Password { name: user.to_owned(), hash })?;
        Ok(())
    }

    /// Whose token this is.
    pub(crate) fn token(&self, shown: &str) -> Option<(String, Role)> {
        let digest = SessionId::of(shown);
        let known = self.known();
        let token = known.tokens.values().find(|token| token.digest == digest)?;
        Some((token.name.clone(), token.role))
    }

    /// Whether there is a token of this name.
    pub(crate) fn has_token(&self, name: &str) -> bool {
        self.known().tokens.contains_key(name)
    }

    /// An entry of the audit.
    fn note(&self, actor: &str, action: &str, detail: &str) -> Change {
        let (at, actor, action) = (self.clock.now_ms(), actor.to_owned(), action.to_owned());
        let detail = detail.to_owned();
        Change::Audit(AuditNote { at, actor, action, event: None, run: None, detail })
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), Refused> {
        if changes.is_empty() {
            return Ok(());
        }
        match self.state.apply(changes)? {
            Applied::Done(_) => Ok(()),
            Applied::Conflict => Err(Refused::Unfit("somebody else changed it".to_owned())),
        }
    }
}

fn keep<T: DeserializeOwned>(into: &mut HashMap<String, T>, key: &str, name: String, body: &[u8]) {
    match serde_json::from_slice(body) {
        Ok(kept) => drop(into.insert(name, kept)),
        // Who cannot be read cannot log in: the safe side.
        Err(why) => tracing::error!(key, %why, "a record of logins cannot be read"),
    }
}

fn memo(key: String, body: &impl Serialize) -> Change {
    let body = serde_json::to_vec(body).expect("plain records have a JSON form");
    Change::Memo(Memo { key, body: Some(body) })
}

fn forget(key: String) -> Change {
    Change::Memo(Memo { key, body: None })
}

fn session_key(id: SessionId) -> String {
    format!("{PREFIX}session/{id}")
}

fn fit(typed: &str) -> Result<String, Refused> {
    name(typed).ok_or_else(|| {
        let shown: String = typed.chars().take(80).collect();
        let what = "1 to 64 of the letters a-z, digits, `.`, `_`, `-` and `@`";
        Refused::Unfit(format!("{shown:?} cannot be a name: it has {what}"))
    })
}

fn nobody_called(name: &str) -> Refused {
    Refused::Unfit(format!("no user is called {name}"))
}

fn said(what: String) -> Done {
    Done::Said(what)
}

/// 256 random bits of the kernel, as 64 hexadecimal digits.
fn random() -> Result<String, Refused> {
    let bytes = crate::random::bytes::<32>().map_err(Refused::Random)?;
    Ok(crate::random::hex(&bytes))
}

#[cfg(test)]
mod tests;
