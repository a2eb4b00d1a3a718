//! How a command fails: one report that says what was tried, why it failed and what to do, and the exit
//! code that goes with it. Prints nothing itself.

use std::error::Error;
use std::fmt;

/// Why a command ended without doing its work.
#[derive(Debug)]
pub(crate) struct Report {
    /// Exit code of the process.
    pub(crate) code: u8,
    /// What was tried, and why it failed, outermost first.
    pub(crate) chain: Vec<String>,
    /// What the user can do about it.
    pub(crate) help: Option<String>,
}

impl Report {
    /// A failure of what the user gave: exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { code: 1, chain: vec![message.into()], help: None }
    }

    /// The same with an error and all its sources underneath.
    pub(crate) fn because(message: impl Into<String>, error: &(dyn Error + 'static)) -> Self {
        let mut chain = vec![message.into()];
        let mut source = Some(error);
        while let Some(error) = source {
            let text = error.to_string();
            // Many errors end with the words of their source; once is enough.
            if chain.last().is_none_or(|last: &String| !last.ends_with(&text)) {
                chain.push(text);
            }
            source = error.source();
        }
        Self { code: 1, chain, help: None }
    }

    /// Sets what the user can do.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Sets the exit code.
    #[must_use]
    pub(crate) fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }
}

impl fmt::Display for Report {
    /// `error: what`, one `because:` line per cause, a `help:` line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, message) in self.chain.iter().enumerate() {
            let lead = if depth == 0 { "error" } else { "\n  because" };
            write!(f, "{lead}: {message}")?;
        }
        self.help.iter().try_for_each(|help| write!(f, "\n  help: {help}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_the_cause_and_the_remedy() {
        let io = std::io::Error::other("disk on fire");
        let report = Report::because("cannot open the store", &io).help("put it out");
        assert_eq!(
            report.to_string(),
            "error: cannot open the store\n  because: disk on fire\n  help: put it out"
        );
    }

    #[test]
    fn a_cause_that_was_told_with_its_effect_is_not_told_again() {
        #[derive(Debug, thiserror::Error)]
        #[error("read state.db: {0}")]
        struct Unread(#[source] std::io::Error);
        let report = Report::because("cannot copy", &Unread(std::io::Error::other("no disk")));
        assert_eq!(report.chain, ["cannot copy", "read state.db: no disk"]);
    }
}
