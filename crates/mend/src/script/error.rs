//! Why a step of a remediation came to no verdict.

use std::time::Duration;

use super::host::HostError;
use super::meta::Step;
use super::problem::Problem;

/// Why a step came to no verdict.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file has no such function.
    #[error("{name} has no `{step}`")]
    NoStep {
        /// The remediation.
        name: String,
        /// The step.
        step: Step,
    },
    /// The file does something wrong.
    #[error("{0}")]
    Script(Box<Problem>),
    /// It wanted to send what must not be sent; nothing was.
    #[error("refused: {what} ({at})")]
    Refused {
        /// What, and why not.
        what: String,
        /// Where in the file.
        at: Box<Problem>,
    },
    /// The device, a guard or the recording said no.
    #[error(transparent)]
    Host(#[from] HostError),
    /// All of it took too long, the device's time included.
    #[error("`{step}` of {name} did not end within {limit:?}")]
    Timeout {
        /// The remediation.
        name: String,
        /// The step.
        step: Step,
        /// The limit.
        limit: Duration,
    },
    /// It computed for too long without asking for anything.
    #[error("{name} computed for more than {limit:?} without an end")]
    Endless {
        /// The remediation.
        name: String,
        /// The limit.
        limit: Duration,
    },
    /// Its process ended, as it does when memory runs out or something forbidden is tried.
    #[error("the process that ran {name} ended: {how}")]
    Died {
        /// The remediation.
        name: String,
        /// How it ended.
        how: String,
    },
    /// Its process cannot be started or talked to.
    #[error("cannot run scripts: {what}")]
    Process {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        why: std::io::Error,
    },
}
