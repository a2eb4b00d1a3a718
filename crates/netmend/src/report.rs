//! How a command fails: one report that says what was tried, why it failed and what to do, and the exit
//! code that goes with it. Prints nothing itself.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

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

/// What people can do where the system gives no listener on an address; `stream` is TCP, not UDP.
pub(crate) fn free(address: SocketAddr, stream: bool, why: &io::Error) -> String {
    let (port, way) = (address.port(), if stream { 't' } else { 'u' });
    match why.kind() {
        ErrorKind::AddrInUse => {
            format!("`ss -l{way}np 'sport = :{port}'`, as root, shows which process holds it")
        }
        ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE".to_owned(),
        ErrorKind::AddrNotAvailable => {
            "`ip -brief address` shows which addresses this machine has".to_owned()
        }
        _ => "give another address".to_owned(),
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
        let io = io::Error::other("disk on fire");
        let report = Report::because("cannot open the store", &io).help("put it out");
        assert_eq!(
            report.to_string(),
            "error: cannot open the store\n  because: disk on fire\n  help: put it out"
        );
    }

    #[test]
    fn who_finds_a_port_taken_is_told_how_to_see_by_whom() {
        let address = "127.0.0.1:5514".parse().unwrap();
        let told = |stream, kind: ErrorKind| free(address, stream, &kind.into());
        let by =
            |way| format!("`ss -l{way}np 'sport = :5514'`, as root, shows which process holds it");
        assert_eq!(told(true, ErrorKind::AddrInUse), by('t'));
        assert_eq!(told(false, ErrorKind::AddrInUse), by('u'));
        assert!(told(true, ErrorKind::PermissionDenied).contains("CAP_NET_BIND_SERVICE"));
        assert!(told(true, ErrorKind::AddrNotAvailable).contains("ip -brief address"));
    }

    #[test]
    fn a_cause_that_was_told_with_its_effect_is_not_told_again() {
        #[derive(Debug, thiserror::Error)]
        #[error("read state.db: {0}")]
        struct Unread(#[source] io::Error);
        let report = Report::because("cannot copy", &Unread(io::Error::other("no disk")));
        assert_eq!(report.chain, ["cannot copy", "read state.db: no disk"]);
    }
}
