//! Why a session did not do what it was asked. Sentences that say what was tried on what; no secret is ever
//! part of one.

use std::time::Duration;

use super::hostkeys::HostKeyError;
use crate::platform::{NotReading, Platform};

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No address of the device, or none that answers.
    #[error("cannot connect to {device} at {address}")]
    Connect {
        /// The device.
        device: String,
        /// Address and port.
        address: String,
        /// What the kernel said.
        #[source]
        why: std::io::Error,
    },
    /// The inventory has no address for it.
    #[error("{device} has no address to connect to")]
    NoAddress {
        /// The device.
        device: String,
    },
    /// Something took longer than it may.
    #[error("{device} did not {doing} within {limit:?}")]
    Timeout {
        /// The device.
        device: String,
        /// What it should have done.
        doing: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// It is not, or not surely, the device that we know.
    #[error(transparent)]
    HostKey(#[from] HostKeyError),
    /// The two sides speak no common algorithm.
    #[error(
        "{device} speaks no {kind} that is safe; it offers {theirs}. `legacy: true` in its `login:` allows old ones"
    )]
    Algorithm {
        /// The device.
        device: String,
        /// Kind of algorithm.
        kind: String,
        /// What the device offers.
        theirs: String,
    },
    /// SSH itself failed.
    #[error("{doing} on {device} failed")]
    Ssh {
        /// The device.
        device: String,
        /// What was tried.
        doing: &'static str,
        /// What SSH said.
        #[source]
        why: russh::Error,
    },
    /// The device did not accept who we say we are.
    #[error("{device} refused the login of {user}: tried {tried}, it offers {accepts} besides")]
    Authentication {
        /// The device.
        device: String,
        /// The account.
        user: String,
        /// What was tried.
        tried: String,
        /// What the device would accept.
        accepts: String,
    },
    /// A key cannot be used.
    #[error("the {what} for {device} cannot be used: {why}")]
    Credential {
        /// The device.
        device: String,
        /// Which one.
        what: &'static str,
        /// Why; never the key.
        why: String,
    },
    /// There is nothing like a prompt.
    #[error("{device} showed no prompt within {limit:?}; its last line is {last:?}")]
    Prompt {
        /// The device.
        device: String,
        /// The limit.
        limit: Duration,
        /// The end of what it showed.
        last: String,
    },
    /// A command did not come to its end.
    #[error("`{command}` on {device} did not end within {limit:?}; its last line is {last:?}")]
    Unfinished {
        /// The device.
        device: String,
        /// The command.
        command: String,
        /// The limit.
        limit: Duration,
        /// The end of what it printed.
        last: String,
    },
    /// The device asked something that nobody expects.
    #[error(
        "{device} asked an unexpected question after `{command}`: {question:?}; it was declined"
    )]
    Question {
        /// The device.
        device: String,
        /// What was sent before.
        command: String,
        /// The question.
        question: String,
    },
    /// The device said that a command failed.
    #[error("{device} refused `{command}`: {said}")]
    Rejected {
        /// The device.
        device: String,
        /// The command.
        command: String,
        /// Its words.
        said: String,
    },
    /// The output of a command is longer than anybody reads.
    #[error("`{command}` on {device} printed more than {limit} bytes")]
    TooLong {
        /// The device.
        device: String,
        /// The command.
        command: String,
        /// The limit.
        limit: usize,
    },
    /// The device went away.
    #[error("{device} closed the connection during `{command}`")]
    Closed {
        /// The device.
        device: String,
        /// What was being done.
        command: String,
    },
    /// The command may do more than read.
    #[error(transparent)]
    NotReading(#[from] NotReading),
    /// A line of a change holds what no line may hold.
    #[error("the line {line:?} cannot be sent: {why}")]
    Line {
        /// The line.
        line: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The platform has no such way to change a configuration.
    #[error("{platform} has no {what}")]
    Unsupported {
        /// The platform.
        platform: Platform,
        /// What it has not.
        what: &'static str,
    },
    /// An earlier command ended in a way that leaves the terminal in doubt.
    #[error("the session on {device} cannot be used any more: {why}")]
    Broken {
        /// The device.
        device: String,
        /// What happened.
        why: &'static str,
    },
}
