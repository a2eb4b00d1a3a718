//! How long and how much a session waits for. Values only.

use std::time::Duration;

/// The limits of a session.
#[derive(Clone, Debug)]
pub struct Limits {
    /// For the TCP connection, over all addresses.
    pub connect: Duration,
    /// For key exchange and login.
    pub login: Duration,
    /// For the first prompt.
    pub prompt: Duration,
    /// For a command.
    pub command: Duration,
    /// For a commit.
    pub commit: Duration,
    /// For getting the prompt back after something went wrong.
    pub rescue: Duration,
    /// For saying goodbye.
    pub close: Duration,
    /// Silence behind a prompt that makes it the end.
    pub quiet: Duration,
    /// Silence behind what looks like a question that makes it one.
    pub question: Duration,
    /// Silence behind a prompt that makes it the end although no echo of the command was seen.
    pub no_echo: Duration,
    /// Silence behind a log line after which a prompt is asked for.
    pub nudge: Duration,
    /// Most bytes of one answer.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            login: Duration::from_secs(15),
            prompt: Duration::from_secs(10),
            command: Duration::from_secs(30),
            commit: Duration::from_mins(2),
            rescue: Duration::from_secs(3),
            close: Duration::from_secs(3),
            quiet: Duration::from_millis(20),
            question: Duration::from_millis(150),
            no_echo: Duration::from_secs(1),
            nudge: Duration::from_millis(500),
            output: 4 << 20,
        }
    }
}
