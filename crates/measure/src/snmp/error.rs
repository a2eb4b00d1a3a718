//! Why a poll failed, in sentences that say what was tried and what to look at. No secret is ever in one.

use std::net::SocketAddr;
use std::time::Duration;

use async_snmp::{Error as Wire, ErrorStatus};
use model::SnmpCredential;

/// Why a device could not be polled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnmpError {
    /// Nothing came back.
    #[error(
        "{address} answered none of {tries} requests within {} s: it is down, something in between drops \
         UDP, or it does not know {what}",
        within.as_secs_f64()
    )]
    Silent {
        /// Whom was asked.
        address: SocketAddr,
        /// How often.
        tries: u32,
        /// For how long.
        within: Duration,
        /// What an agent keeps quiet about: `the community`, `the user`.
        what: &'static str,
    },
    /// The agent is there and answers no request of the user. Which part is wrong it says in clear, if at
    /// all, so that it cannot be believed.
    #[error(
        "{address} is there and answers nothing that the user {user:?} asks: its name, a password or a \
         protocol is another one there, or its view is empty"
    )]
    Refused {
        /// Whom was asked.
        address: SocketAddr,
        /// As whom.
        user: String,
    },
    /// The agent does not know the user.
    #[error("{address} knows no user {user:?}")]
    UnknownUser {
        /// Whom was asked.
        address: SocketAddr,
        /// As whom.
        user: String,
    },
    /// The agent could not read the message.
    #[error("{0} could not decrypt the request: the privacy password or protocol is another one")]
    Privacy(SocketAddr),
    /// The agent wants more or less protection than the user has here.
    #[error(
        "{0} does not allow the user this level of security: it wants authentication or privacy, or has none"
    )]
    Level(SocketAddr),
    /// The clocks of the agent's engine disagree.
    #[error(
        "{0} says that requests are out of its time window, again and again: its clock or boot count jumps"
    )]
    TimeWindow(SocketAddr),
    /// The agent answered with an error.
    #[error("{address} answered with the error {status}")]
    Agent {
        /// Whom was asked.
        address: SocketAddr,
        /// The error of RFC 3416.
        status: String,
    },
    /// The rows of a table do not ascend, so that reading it would never end.
    #[error("{0} gives the rows of its tables in no order, so that there is no end to them")]
    Disorder(SocketAddr),
    /// The answer lacks what was asked for.
    #[error("{address} answered without {what}")]
    Lacking {
        /// Whom was asked.
        address: SocketAddr,
        /// What is missing.
        what: &'static str,
    },
    /// Nothing can be sent there.
    #[error("nothing can be sent to {address}: {source}")]
    Network {
        /// Whom was asked.
        address: SocketAddr,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// The credential cannot be used.
    #[error("the credential for {address} cannot be used: {why}")]
    Credential {
        /// For whom it is.
        address: SocketAddr,
        /// What is wrong with it.
        why: String,
    },
    /// Anything else.
    #[error("{address} cannot be polled: {why}")]
    Other {
        /// Whom was asked.
        address: SocketAddr,
        /// What is wrong.
        why: String,
    },
}

impl SnmpError {
    /// A word for counters and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            SnmpError::Silent { .. } => "silent",
            SnmpError::Refused { .. }
            | SnmpError::UnknownUser { .. }
            | SnmpError::Privacy(_)
            | SnmpError::Level(_)
            | SnmpError::TimeWindow(_)
            | SnmpError::Credential { .. } => "credential",
            SnmpError::Agent { .. } => "agent",
            SnmpError::Disorder(_) | SnmpError::Lacking { .. } => "malformed",
            SnmpError::Network { .. } => "network",
            SnmpError::Other { .. } => "other",
        }
    }

    /// What an error of the wire means for this device.
    pub(super) fn of(error: Wire, address: SocketAddr, credential: &SnmpCredential) -> Self {
        use async_snmp::v3::ReportStatus as Report;
        let (what, user) = match credential {
            SnmpCredential::Community(_) => ("the community", ""),
            SnmpCredential::User(user) => ("the user", user.name.as_str()),
        };
        match error.exchange_source() {
            Wire::Timeout { elapsed, retries, .. } => {
                return SnmpError::Silent { address, tries: retries + 1, within: *elapsed, what };
            }
            Wire::Auth { .. } => return SnmpError::Refused { address, user: user.to_owned() },
            Wire::Report { status, .. } => match **status {
                Report::WrongDigest { .. } => {
                    return SnmpError::Refused { address, user: user.to_owned() };
                }
                Report::UnknownUserName { .. } => {
                    return SnmpError::UnknownUser { address, user: user.to_owned() };
                }
                Report::DecryptionError { .. } => return SnmpError::Privacy(address),
                Report::UnsupportedSecurityLevel { .. } => return SnmpError::Level(address),
                Report::NotInTimeWindow { .. } => return SnmpError::TimeWindow(address),
                _ => {}
            },
            Wire::Snmp { status, .. } => {
                return SnmpError::Agent { address, status: status.to_string() };
            }
            _ => {}
        }
        match error {
            Wire::Network { source, .. } => SnmpError::Network { address, source },
            other => SnmpError::Other { address, why: other.to_string() },
        }
    }
}

/// Whether the agent says that its answer would not fit into a packet.
pub(super) fn is_too_big(error: &Wire) -> bool {
    matches!(error.exchange_source(), Wire::Snmp { status: ErrorStatus::TooBig, .. })
}

/// Whether nothing came back.
pub(super) fn is_timeout(error: &Wire) -> bool {
    matches!(error.exchange_source(), Wire::Timeout { .. })
}
