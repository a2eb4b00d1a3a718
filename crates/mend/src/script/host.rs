//! The seam to a device: what a remediation may ask for, once it was found to be allowed. A worker implements it
//! over a session and its guards, a dry run over a session and a sheet of paper, a test over a recording.

use std::pin::Pin;
use std::time::Duration;

use crate::session::Expect;

/// What a device says, or why it does not.
pub type Reply<'a> = Pin<Box<dyn Future<Output = Result<String, HostError>> + Send + 'a>>;

/// Acts on one device for one run. Commands come complete and checked: templates of the file, with arguments
/// that parse as what they are and that the device itself has named.
pub trait Host: Send {
    /// Runs a command that only reads, and returns the output.
    fn show<'a>(&'a mut self, command: &'a str) -> Reply<'a>;

    /// Sends lines to the configuration, makes them take effect and leaves it; returns what was printed.
    fn configure<'a>(&'a mut self, lines: &'a [String]) -> Reply<'a>;

    /// Runs a command that does something, outside of the configuration; `expect` holds the questions that may
    /// come, in order.
    fn command<'a>(&'a mut self, command: &'a str, expect: &'a [Expect]) -> Reply<'a>;

    /// Waits. Where no device is behind it no time need pass.
    fn wait(&mut self, time: Duration) -> Reply<'_>;
}

/// What a fix sends, or would send: an entry for each thing that it does, so that one that stops half-way is another,
/// in lines that people read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paper(Vec<String>);

impl Paper {
    /// Lines for the configuration.
    pub fn configure(&mut self, lines: &[String]) {
        let lines: Vec<String> = lines.iter().map(|line| format!("(config) {line}")).collect();
        self.0.push(lines.join("\n"));
    }

    /// A command that does something.
    pub fn command(&mut self, command: &str) {
        self.0.push(command.to_owned());
    }

    /// A pause.
    pub fn wait(&mut self, time: Duration) {
        self.0.push(format!("(wait {time:?})"));
    }

    /// What was written down.
    pub fn entries(&self) -> &[String] {
        &self.0
    }
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The device, or the session on it, says no. The script ends here.
    #[error("{0}")]
    Device(String),
    /// A guard says no: the kill switch, or what the command would cut off. The script ends here.
    #[error("{0}")]
    Held(String),
    /// The recording holds no answer to that.
    #[error("{0}")]
    NotRecorded(String),
}
