//! How a device is asked over SNMP: version, credential, pace. No packets here; `measure` sends them.

use std::fmt;
use std::time::Duration;

use crate::Secret;

/// How to ask a device over SNMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnmpAccess {
    /// What opens it.
    pub credential: SnmpCredential,
    /// UDP port, 161 as a rule.
    pub port: u16,
    /// Time between two polls.
    pub interval: Duration,
    /// How long one request may take before it is sent again.
    pub timeout: Duration,
    /// How often a request is sent again.
    pub retries: u32,
}

impl SnmpAccess {
    /// Port of agents.
    pub const PORT: u16 = 161;
    /// Time between two polls unless told otherwise.
    pub const INTERVAL: Duration = Duration::from_mins(1);
    /// How long one request may take unless told otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(2);
    /// How often a request is sent again unless told otherwise.
    pub const RETRIES: u32 = 2;

    /// The usual pace with this credential.
    pub fn new(credential: SnmpCredential) -> Self {
        Self {
            credential,
            port: Self::PORT,
            interval: Self::INTERVAL,
            timeout: Self::TIMEOUT,
            retries: Self::RETRIES,
        }
    }
}

/// What opens an agent, and with it the version that is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnmpCredential {
    /// `SNMPv2c` (RFC 1901): a community, in clear text on the wire.
    Community(Secret),
    /// `SNMPv3` with the User-based Security Model (RFC 3414).
    User(SnmpUser),
}

impl SnmpCredential {
    /// The version, as people write it.
    pub fn version(&self) -> &'static str {
        match self {
            SnmpCredential::Community(_) => "2c",
            SnmpCredential::User(_) => "3",
        }
    }
}

/// A user of `SNMPv3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnmpUser {
    /// Its name, 1 to 32 bytes.
    pub name: String,
    /// Authentication; without it anybody can claim to be the user.
    pub auth: Option<(SnmpAuth, Secret)>,
    /// Encryption; only with authentication.
    pub privacy: Option<(SnmpPrivacy, Secret)>,
    /// Context, for agents that speak for several; empty as a rule.
    pub context: String,
}

/// Defines protocols with the words that people write for them.
macro_rules! protocols {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them, the strongest last.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What a word means; upper case and hyphens are as good.
            pub fn from_name(word: &str) -> Option<Self> {
                let plain = word.to_ascii_lowercase().replace('-', "");
                Self::ALL.iter().copied().find(|one| one.as_str() == plain)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

protocols! {
    /// How messages of a user are authenticated.
    SnmpAuth {
        /// HMAC-MD5-96 (RFC 3414); broken, for old agents.
        Md5 = "md5",
        /// HMAC-SHA-96 (RFC 3414).
        Sha1 = "sha1",
        /// HMAC-SHA-224 (RFC 7860).
        Sha224 = "sha224",
        /// HMAC-SHA-256 (RFC 7860).
        Sha256 = "sha256",
        /// HMAC-SHA-384 (RFC 7860).
        Sha384 = "sha384",
        /// HMAC-SHA-512 (RFC 7860).
        Sha512 = "sha512",
    }
}

protocols! {
    /// How messages of a user are encrypted.
    SnmpPrivacy {
        /// AES-128 (RFC 3826).
        Aes128 = "aes128",
        /// AES-192, keys extended as in draft-blumenthal-aes-usm; net-snmp and most others.
        Aes192 = "aes192",
        /// AES-256, keys extended as in draft-blumenthal-aes-usm; net-snmp and most others.
        Aes256 = "aes256",
        /// AES-192, keys extended as in draft-reeder-snmpv3-usm-3desede; Cisco.
        Aes192Cisco = "aes192cisco",
        /// AES-256, keys extended as in draft-reeder-snmpv3-usm-3desede; Cisco.
        Aes256Cisco = "aes256cisco",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_known_by_the_words_that_people_write() {
        assert_eq!(SnmpAuth::from_name("SHA-256"), Some(SnmpAuth::Sha256));
        assert_eq!(SnmpPrivacy::from_name("AES-256-Cisco"), Some(SnmpPrivacy::Aes256Cisco));
        assert_eq!(SnmpPrivacy::from_name("rot13"), None);
        for auth in SnmpAuth::ALL {
            assert_eq!(SnmpAuth::from_name(auth.as_str()), Some(*auth));
        }
    }

    #[test]
    fn an_access_shows_no_secret() {
        let user = SnmpUser {
            name: "netmend".into(),
            auth: Some((SnmpAuth::Sha256, Secret::new("hunter2-auth"))),
            privacy: Some((SnmpPrivacy::Aes128, Secret::new("hunter2-priv"))),
            context: String::new(),
        };
        let access = SnmpAccess::new(SnmpCredential::User(user));
        assert!(!format!("{access:?}").contains("hunter2"));
    }
}
