//! Passwords: what is kept of one and how another is compared with it (Argon2id, RFC 9106). It must never hold
//! a password longer than a call.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use model::Secret;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Fewest characters of a password (NIST SP 800-63B, section 3.1.1).
pub const SHORTEST: usize = 8;
/// Most bytes of one, so that nobody can make us hash a book.
pub const LONGEST: usize = 1_024;
/// What we do for a hash: 19 MiB, twice (OWASP's Password Storage Cheat Sheet).
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// What we would do at most for a hash that somebody else made: 256 MiB.
const MOST_MEMORY: u32 = 262_144;
const MOST_ROUNDS: u32 = 16;
const MOST_LANES: u32 = 16;

/// Why a password or its hash is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Too few characters.
    #[error("a password has at least {SHORTEST} characters")]
    Short,
    /// Too many bytes.
    #[error("a password has at most {LONGEST} bytes")]
    Long,
    /// Not a hash that we can compare with.
    #[error("the hash of the password is no Argon2id hash of a bearable cost")]
    Hash,
    /// It could not be computed.
    #[error("the hash of the password cannot be computed: {0}")]
    Failed(String),
}

/// What is kept of a password: a string of the Password Hashing Competition's form.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Hash(String);

impl Hash {
    /// Of a new password. Takes some ten milliseconds and 19 MiB.
    ///
    /// # Errors
    /// It is too short or too long; or there is no memory or no random numbers.
    pub fn of(password: &Secret) -> Result<Self, Unfit> {
        let text = password.reveal();
        if text.chars().count() < SHORTEST {
            return Err(Unfit::Short);
        }
        if text.len() > LONGEST {
            return Err(Unfit::Long);
        }
        Self::at(COST, text)
    }

    /// Of the empty password at our usual cost: what a name that nobody has is compared with.
    pub(super) fn of_nobody() -> Result<Self, Unfit> {
        Self::at(COST, "")
    }

    fn at((memory, rounds, lanes): (u32, u32, u32), text: &str) -> Result<Self, Unfit> {
        let failed = |why: &dyn fmt::Display| Unfit::Failed(why.to_string());
        let cost = Params::new(memory, rounds, lanes, None).map_err(|why| failed(&why))?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost);
        let hash: PasswordHash =
            hasher.hash_password(text.as_bytes()).map_err(|why| failed(&why))?;
        Ok(Self(hash.to_string()))
    }

    /// Reads one, whoever made it.
    ///
    /// # Errors
    /// It is none, or comparing with it would cost too much.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        let hash: PasswordHash = text.parse().map_err(|_| Unfit::Hash)?;
        let cost = Params::try_from(&hash).map_err(|_| Unfit::Hash)?;
        let bearable = cost.m_cost() <= MOST_MEMORY
            && cost.t_cost() <= MOST_ROUNDS
            && cost.p_cost() <= MOST_LANES;
        let whole = hash.salt.is_some() && hash.hash.is_some();
        let ours = hash.algorithm == argon2::ARGON2ID_IDENT;
        (bearable && whole && ours).then(|| Self(text.to_owned())).ok_or(Unfit::Hash)
    }

    /// Whether it is of this password, in time that does not depend on how much of it is right.
    pub(super) fn is_of(&self, password: &Secret) -> bool {
        if password.reveal().len() > LONGEST {
            return false;
        }
        let Ok(hash) = self.0.parse::<PasswordHash>() else { return false };
        Argon2::default().verify_password(password.reveal().as_bytes(), &hash).is_ok()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(..)")
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_password_alone_and_two_of_one_differ() {
        let password = Secret::new("correct horse");
        let (one, two) = (Hash::of(&password).unwrap(), Hash::of(&password).unwrap());
        assert!(one.is_of(&password) && two.is_of(&password));
        assert_ne!(one, two, "each has salt of its own");
        assert!(!one.is_of(&Secret::new("correct horsf")));
        assert!(!one.is_of(&Secret::new("")));
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
        assert_eq!(format!("{one:?}"), "Hash(..)");
    }

    #[test]
    fn passwords_that_are_too_short_or_too_long_are_refused() {
        for (text, words) in
            [("", "at least 8"), ("1234567", "at least 8"), (&"x".repeat(1_025), "at most 1024")]
        {
            let why = Hash::of(&Secret::new(text)).unwrap_err().to_string();
            assert!(why.contains(words), "{why}");
        }
        assert!(Hash::of(&Secret::new("пароль12")).is_ok(), "characters count, not bytes");
    }

    #[test]
    fn only_argon2id_at_a_bearable_cost_is_read() {
        let good = Hash::of_nobody().unwrap();
        assert_eq!(Hash::parse(&good.0).unwrap(), good);
        for bad in [
            "",
            "secret",
            &good.0.replace("argon2id", "argon2i"),
            &good.0.replace("m=19456", "m=4000000"),
            &good.0.replace("t=2", "t=4000"),
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ",
            "$2b$12$abcdefghijklmnopqrstuv",
        ] {
            assert!(Hash::parse(bad).is_err(), "{bad}");
        }
    }
}
