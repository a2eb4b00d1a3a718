//! Something that happened to a device and matters. Lines are not events: an event is one fault or fact,
//! however many lines tell of it. The words here are a format: store, command line and API use them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::UnixMs;

/// Number of an event: ascends from 1 in a data folder, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub u64);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EventId {
    type Err = std::num::ParseIntError;

    /// Reads `17` or `#17`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix('#').unwrap_or(text).parse().map(Self)
    }
}

/// Defines an enum whose variants have one word each, in the store and for people.
macro_rules! words {
    ($(#[$meta:meta])* enum $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$about])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            /// What a word means.
            pub fn from_name(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(crate) use words;

words! {
    /// Where an event stands.
    enum EventState {
        /// It has just happened and may still clear by itself.
        New = "new",
        /// It waits: it flaps, or a guard holds it.
        Held = "held",
        /// A person must say yes.
        AwaitingApproval = "awaiting_approval",
        /// It waits for a worker.
        Queued = "queued",
        /// A worker is at it.
        Running = "running",
        /// It was repaired; whether that holds is being looked at.
        Verifying = "verifying",
        /// It was noted and nothing is to be done.
        Recorded = "recorded",
        /// It came to nothing: it cleared in time, or a guard refused it.
        Suppressed = "suppressed",
        /// It was repaired.
        Success = "success",
        /// The repair did not work.
        Failure = "failure",
        /// The repair took too long.
        TimedOut = "timed_out",
        /// netmend ended in the middle of the repair.
        Unknown = "unknown",
        /// It was handed to people.
        Escalated = "escalated",
        /// A person ended it.
        Cancelled = "cancelled",
    }
}

impl EventState {
    /// Whether something may still be done about it. A device has one open event for each code and object.
    pub fn is_open(self) -> bool {
        self <= EventState::Verifying
    }

    /// Whether it may be looked at what would be done: while nobody is at it, and where nothing was done. How
    /// others ended is what their history and their remediation are judged by.
    pub fn may_be_looked_at(self) -> bool {
        use EventState::{AwaitingApproval, Held, New, Recorded};
        matches!(self, New | Held | AwaitingApproval | Recorded)
    }
}

words! {
    /// Who told of an event.
    enum Origin {
        /// A syslog line.
        Line = "line",
        /// An SNMP trap.
        Trap = "trap",
        /// An orchestrator of an SD-WAN.
        Orchestrator = "orchestrator",
        /// The detector.
        Judgement = "judgement",
        /// A person.
        Person = "person",
    }
}

words! {
    /// How far a remediation may go by itself, from nothing to everything.
    enum Mode {
        /// It is noted that it would be run.
        Observe = "observe",
        /// People are told what it would do.
        Suggest = "suggest",
        /// It runs once a person says yes.
        Approve = "approve",
        /// It runs.
        Auto = "auto",
    }
}

words! {
    /// How sure it is that the device itself told of an event: the greater, the surer.
    enum Evidence {
        /// It names a device and came from elsewhere: nothing may ever be run because of it.
        Conflict = "conflict",
        /// A datagram, whose sender anybody can forge.
        Datagram = "datagram",
        /// A TCP connection from its address, or a file of this machine.
        Stream = "stream",
        /// TLS, our own measurement, or a person.
        Sure = "sure",
    }
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number.
    pub id: EventId,
    /// Name of the device in the inventory; for others the name or address they are known by.
    pub device: String,
    /// The code as printed first; empty if the message had none.
    pub code: String,
    /// The code as rules match it.
    pub code_norm: String,
    /// Interface, peer or other thing on the device; empty if the message names none.
    pub object: String,
    /// Severity, 0 (emergency) to 7 (debug), if it was told.
    pub severity: Option<u8>,
    /// When it was told first.
    pub first: UnixMs,
    /// When it was told last.
    pub last: UnixMs,
    /// How often it was told.
    pub count: u64,
    /// Where it stands.
    pub state: EventState,
    /// Why it stands there, in words; empty if that needs none.
    pub reason: String,
    /// When the fault was told to be over.
    pub cleared: Option<UnixMs>,
    /// Nothing is done about it before this time.
    pub not_before: UnixMs,
    /// The event that was the same fault before and was over.
    pub parent: Option<EventId>,
    /// Who told of it.
    pub origin: Origin,
    /// What was said first, as text that can be shown.
    pub message: String,
    /// Parts of the message by the names that patterns give them (`interface`, `peer`, `state`), as told:
    /// text from the network.
    pub fields: BTreeMap<String, String>,
    /// How sure it is that the device told this: the surest of the reports.
    pub evidence: Evidence,
    /// The remediation that is or was to be run.
    pub plan: Option<Plan>,
}

/// What is to be done about an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the remediation.
    pub remediation: String,
    /// SHA-256 of its file, in hexadecimal digits.
    pub script_sha256: String,
    /// How far it may go by itself.
    pub mode: Mode,
    /// How often it was begun.
    pub attempt: u32,
    /// Who said yes, and when.
    pub approved: Option<Approved>,
    /// The worker that is at it, such as `worker 3`.
    pub worker: Option<String>,
}

/// A yes of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// Who.
    pub by: String,
    /// When.
    pub at: UnixMs,
}

impl Event {
    /// By what two reports are one event: device, code and object.
    pub fn fingerprint(device: &str, code_norm: &str, object: &str) -> u64 {
        let mut hash = Xxh3::new();
        for part in [device, code_norm, object] {
            // The length keeps `ab`, `c` and `a`, `bc` apart.
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back() {
        for state in EventState::ALL {
            assert_eq!(EventState::from_name(state.as_str()), Some(*state));
            let json = format!("\"{state}\"");
            assert_eq!(serde_json::to_string(state).unwrap(), json);
        }
        assert_eq!(EventState::from_name("done"), None);
        assert!(EventState::Verifying.is_open() && !EventState::Recorded.is_open());
    }

    #[test]
    fn the_parts_of_a_fingerprint_do_not_run_into_each_other() {
        let prints = [("ab", "c", ""), ("a", "bc", ""), ("ab", "", "c")]
            .map(|(device, code, object)| Event::fingerprint(device, code, object));
        assert!(prints[0] != prints[1] && prints[1] != prints[2] && prints[0] != prints[2]);
    }
}
