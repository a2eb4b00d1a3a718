//! What can go wrong between an orchestrator and us, in sentences that hold no secret.

use std::time::Duration;

/// Why a question to an orchestrator got no answer that counts. `at` is its scheme, host and port, `method`
/// what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection, or no name.
    #[error("cannot connect to {at}: {why}")]
    Connect {
        /// Where.
        at: String,
        /// What the system says.
        why: String,
    },
    /// Its certificate is not trusted, or it cannot speak TLS.
    #[error(
        "{at} is not trusted: {why}; if its certificate is of a private authority, give that with `ca: FILE`"
    )]
    Untrusted {
        /// Where.
        at: String,
        /// What is wrong with it.
        why: String,
    },
    /// It takes too long.
    #[error("{at} did not answer {method} within {} s", after.as_secs_f32())]
    Timeout {
        /// Where.
        at: String,
        /// What was asked.
        method: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke.
    #[error("{at} broke off while it answered {method}: {why}")]
    Broken {
        /// Where.
        at: String,
        /// What was asked.
        method: &'static str,
        /// What the system says.
        why: String,
    },
    /// It kept answering 429, however slowly it was asked.
    #[error("{at} refuses {method} for too many requests (429), again and again")]
    Limited {
        /// Where.
        at: String,
        /// What was asked.
        method: &'static str,
    },
    /// Neither login takes the name and password.
    #[error("{at} takes no login of {username}: {why}; it will not be tried again before {} min have passed, lest the account gets locked", hold.as_secs() / 60)]
    Login {
        /// Where.
        at: String,
        /// Who.
        username: String,
        /// What it says.
        why: String,
        /// How long no login is tried.
        hold: Duration,
    },
    /// The token is unknown, revoked or has expired.
    #[error(
        "{at} does not take the API token: {why}; tokens expire after 12 months at most, make a new one"
    )]
    Token {
        /// Where.
        at: String,
        /// What it says.
        why: String,
    },
    /// The session has ended. The client logs in again; who sees this saw two sessions end at once.
    #[error("{at} ended the session while it answered {method}")]
    Session {
        /// Where.
        at: String,
        /// What was asked.
        method: &'static str,
    },
    /// It understood, and the answer is no.
    #[error("{at} refused {method}: {message}")]
    Refused {
        /// Where.
        at: String,
        /// What was asked.
        method: &'static str,
        /// What it says, shortened, with printable characters only.
        message: String,
    },
    /// An HTTP status that is no success, without an error object that says more.
    #[error("{at} answered {method} with HTTP {status}{}", quoted(body))]
    Status {
        /// Where.
        at: String,
        /// What was asked.
        method: &'static str,
        /// The status.
        status: u16,
        /// The beginning of what came with it.
        body: String,
    },
    /// What came is no answer to the question.
    #[error("the answer of {at} to {method} makes no sense: {why}")]
    Answer {
        /// Where.
        at: String,
        /// What was asked.
        method: &'static str,
        /// Why not.
        why: String,
    },
}

fn quoted(body: &str) -> String {
    if body.is_empty() { String::new() } else { format!(": {body}") }
}

impl Error {
    /// Whether asking the same again a little later may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Error::Connect { .. }
            | Error::Timeout { .. }
            | Error::Broken { .. }
            | Error::Answer { .. } => true,
            Error::Status { status, .. } => *status >= 500 || *status == 408,
            _ => false,
        }
    }

    /// Whether every other question would fail alike: it is nobody's edge that is at fault.
    pub fn is_of_orchestrator(&self) -> bool {
        matches!(self, Error::Untrusted { .. } | Error::Login { .. } | Error::Token { .. })
    }

    /// Whether the orchestrator did not get as far as an answer. One may be bad luck, several in a row are
    /// an orchestrator that is down.
    pub(crate) fn is_of_way(&self) -> bool {
        matches!(
            self,
            Error::Connect { .. }
                | Error::Timeout { .. }
                | Error::Broken { .. }
                | Error::Limited { .. }
                | Error::Session { .. }
        )
    }
}

/// A configuration that no client can be built from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadConfig(pub(crate) String);
