//! What is kept of users, of tokens for programs and of sessions, as memos of the store. Neither a password
//! nor a token is among it: of each only a hash. It must not decide who gets in.

use std::fmt;

use model::UnixMs;
use ring::digest;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::password::Hash;

/// How the keys of our memos begin.
pub(super) const PREFIX: &str = "login/";
/// Most characters of a name.
const NAME: usize = 64;

/// What a user is for. The words are a format: store, command line and API use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Also acknowledges, silences, approves and pauses.
    Operator,
    /// Also decides which remediations run by themselves.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// What a word means.
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// Their name, as [`name`] makes it.
    pub name: String,
    /// What they are for.
    pub role: Role,
    /// Of their password.
    pub(super) hash: Hash,
    /// When they were added.
    pub created: UnixMs,
    /// Who added them.
    pub by: String,
    /// When they logged in last, or changed their password.
    pub seen: Option<UnixMs>,
}

/// A token with which a program asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Of the token.
    pub(super) digest: SessionId,
    /// When it was made.
    pub created: UnixMs,
    /// Who made it.
    pub by: String,
}

/// Somebody is logged in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Who.
    pub(crate) user: String,
    /// Since when.
    pub(crate) created: UnixMs,
    /// When they asked for something last.
    pub(crate) seen: UnixMs,
    /// From where they logged in.
    pub(crate) from: String,
}

/// SHA-256 of what a browser or a program shows. It opens nothing by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 32]);

impl SessionId {
    /// Of what was shown.
    pub(crate) fn of(shown: &str) -> Self {
        let mut id = [0; 32];
        id.copy_from_slice(digest::digest(&digest::SHA256, shown.as_bytes()).as_ref());
        Self(id)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl std::str::FromStr for SessionId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut id = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err("64 hexadecimal digits");
        }
        for (place, byte) in id.iter_mut().enumerate() {
            let digits = &text[2 * place..2 * place + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| "64 hexadecimal digits")?;
        }
        Ok(Self(id))
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A name of a user or a token: 1 to 64 of `a-z`, `0-9`, `.`, `_`, `-` and `@`, whatever the case it was typed
/// in. What may not be in it cannot be mistaken for another name in a log.
pub fn name(typed: &str) -> Option<String> {
    let name = typed.trim().to_ascii_lowercase();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
    (!name.is_empty() && name.len() <= NAME && name.bytes().all(fits)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_few_plain_letters_in_one_case() {
        assert_eq!(name(" Anna.B@noc-1 ").as_deref(), Some("anna.b@noc-1"));
        for bad in ["", " ", "a b", "a\nb", "<b>", "anna\u{202e}", "ä", &"a".repeat(65)] {
            assert_eq!(name(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_hash_of_a_session_is_read_back_and_is_not_what_was_shown() {
        let id = SessionId::of("abc");
        // FIPS 180-2, appendix B.1.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(id.to_string(), known);
        assert_eq!(known.parse(), Ok(id));
        for bad in ["", "ba", &known[1..], &format!("{}zz", &known[2..]), &"é".repeat(32)] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }
}
