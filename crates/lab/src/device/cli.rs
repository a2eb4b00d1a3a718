//! What a device answers: its state, and each command as a change of it and some text. No bytes come or go
//! here, and no time passes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use tokio::time::Instant;

use super::DeviceOptions;
use super::dialect::{Dialect, Mode};

/// Most commands that are kept in the log.
const MAX_COMMANDS: usize = 100_000;

/// Lines of the answer to `show tech-support`.
const LONG_LINES: usize = 1_000;

/// An interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port {
    /// Not shut.
    pub(super) enabled: bool,
    /// The line works. A fault is over once the port was shut and enabled again.
    pub(super) up: bool,
}

/// A device.
#[derive(Debug)]
pub(super) struct State {
    pub(super) interfaces: BTreeMap<String, Port>,
    /// Lines that were typed, in their order, and when.
    pub(super) commands: Vec<(Instant, String)>,
    /// Sessions in configuration mode.
    pub(super) configuring: usize,
    /// Passwords that were tried, right and wrong.
    pub(super) logins: usize,
    /// What a commit that nobody has confirmed yet took the place of.
    pub(super) before: Option<BTreeMap<String, Port>>,
    /// Which interfaces were shut before each commit, and in the file that was copied last.
    commits: Vec<Shut>,
    copied: Option<Shut>,
}

/// Whether interfaces are not shut.
type Shut = Vec<(String, bool)>;

impl State {
    pub(super) fn new(options: &DeviceOptions) -> Self {
        let ports = options.interfaces.iter();
        let ports = ports.map(|name| (name.clone(), Port { enabled: true, up: true }));
        let (interfaces, commands) = (ports.collect(), Vec::new());
        Self {
            interfaces,
            commands,
            configuring: 0,
            logins: 0,
            before: None,
            commits: Vec::new(),
            copied: None,
        }
    }

    /// Which interfaces are shut now.
    fn shut(&self) -> Shut {
        self.interfaces.iter().map(|(name, port)| (name.clone(), port.enabled)).collect()
    }

    /// Which were before so many commits.
    fn earlier(&self, commits: &str) -> Option<Shut> {
        let back = commits.parse::<usize>().ok().filter(|back| *back > 0)?;
        self.commits.get(self.commits.len().checked_sub(back)?).cloned()
    }

    /// Makes a configuration take effect.
    fn commit(&mut self, candidate: Shut) {
        self.commits.push(self.shut());
        // What was changed and changed back changes nothing.
        let candidate: BTreeMap<String, bool> = candidate.into_iter().collect();
        for (port, enabled) in candidate {
            set(self, &port, enabled);
        }
    }

    pub(super) fn note(&mut self, command: &str) {
        if self.commands.len() < MAX_COMMANDS {
            self.commands.push((Instant::now(), command.to_owned()));
        }
    }
}

/// What follows an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Prompt,
    /// Wait for a line, shown or not, and do this with it.
    Question(String, Asked),
    Close,
}

/// What a question was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Enable,
    Reload,
}

/// One session's place in the modes.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) dialect: Dialect,
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) paging: bool,
    enable: Option<String>,
    address: Option<(String, IpAddr)>,
    uplink: Option<String>,
    /// What waits for a commit.
    candidate: Vec<(String, bool)>,
    /// SR OS shows in its prompt that something was changed and not saved.
    unsaved: bool,
    /// XR tells the time above each answer unless told otherwise.
    timestamps: bool,
}

impl Session {
    pub(super) fn new(options: &DeviceOptions) -> Self {
        let mode = if options.enable.is_some() { Mode::User } else { Mode::Normal };
        Self {
            dialect: options.dialect,
            name: options.name.clone(),
            mode,
            paging: true,
            enable: options.enable.clone(),
            address: options.address.clone(),
            uplink: options.uplink.clone(),
            candidate: Vec::new(),
            unsaved: false,
            timestamps: options.dialect == Dialect::IosXr,
        }
    }

    /// What it waits with, for somebody who logged in by this name.
    pub(super) fn prompt(&self, user: &str) -> String {
        let pending = self.unsaved || !self.candidate.is_empty();
        self.dialect.prompt(&self.name, user, &self.mode, pending)
    }

    /// Answers a line.
    pub(super) fn command(&mut self, line: &str, state: &mut State) -> (String, Next) {
        let words = line.split_whitespace().collect::<Vec<_>>();
        let line = words.join(" ");
        state.note(&line);
        let answer = match self.mode {
            Mode::User | Mode::Normal => self.normal(&line, &words, state),
            Mode::Configuration | Mode::Interface(_) => self.configuration(&line, &words, state),
        };
        match answer {
            (text, next) if self.timestamps && words.first() == Some(&"show") => {
                (format!("Sun Nov 22 03:00:00.123 UTC\r\n{text}"), next)
            }
            other => other,
        }
    }

    /// Takes the answer to a question.
    pub(super) fn answer(
        &mut self,
        asked: Asked,
        answer: &str,
        state: &mut State,
    ) -> (String, Next) {
        match asked {
            Asked::Enable if self.enable.as_deref() == Some(answer) => {
                self.mode = Mode::Normal;
                (String::new(), Next::Prompt)
            }
            Asked::Enable => ("% Bad secrets\r\n\r\n".into(), Next::Prompt),
            Asked::Reload if matches!(answer, "" | "y" | "yes") => {
                state.note("(reloaded)");
                (String::new(), Next::Close)
            }
            Asked::Reload => (String::new(), Next::Prompt),
        }
    }

    /// Leaves whatever mode the session is in, as a terminal that goes away does.
    pub(super) fn leave(&mut self, state: &mut State) {
        if matches!(self.mode, Mode::Configuration | Mode::Interface(_)) {
            state.configuring = state.configuring.saturating_sub(1);
            self.mode = Mode::Normal;
        }
        self.candidate.clear();
    }

    fn normal(&mut self, line: &str, words: &[&str], state: &mut State) -> (String, Next) {
        let said = |text: &str| (text.to_owned(), Next::Prompt);
        if let Some(text) = self.change_at_once(words, state) {
            return said(text);
        }
        match words {
            [] => said(""),
            ["exit" | "quit" | "logout"] => (String::new(), Next::Close),
            ["enable"] if self.mode == Mode::User => {
                (String::new(), Next::Question("Password: ".into(), Asked::Enable))
            }
            ["show", rest @ ..] => self.show(rest, state),
            ["display", rest @ ..] if self.dialect == Dialect::Vrp => self.show(rest, state),
            ["uname", "-s"] if self.dialect == Dialect::Linux => said("Linux\r\n"),
            ["ip", "link", "show", port] | ["ip", "-s", "link", "show", port]
                if self.dialect == Dialect::Linux =>
            {
                self.show(&["interface", port], state)
            }
            ["clear", "interface", port]
                if self.dialect == Dialect::Ios && self.mode == Mode::Normal =>
            {
                match state.interfaces.get_mut(*port) {
                    Some(port) => port.up |= port.enabled,
                    None => return said(self.dialect.unknown()),
                }
                said("")
            }
            ["reload"] if self.mode == Mode::Normal => (
                String::new(),
                Next::Question("Proceed with reload? [confirm]".into(), Asked::Reload),
            ),
            ["terminal", "exec", "prompt", "no-timestamp"] => {
                self.timestamps = false;
                said("")
            }
            ["terminal" | "set" | "screen-length" | "environment", ..]
            | ["undo", "terminal", "monitor"] => {
                self.paging &= !self.dialect.turns_paging_off(line);
                said("")
            }
            _ if self.mode == Mode::Normal && self.dialect.opens_configuration(line) => {
                if line.ends_with("exclusive") && state.configuring > 0 {
                    return said("error: configuration database locked by another user\r\n");
                }
                if line.ends_with(" commit") {
                    state.before = None;
                    return said("");
                }
                state.configuring += 1;
                self.mode = Mode::Configuration;
                match self.dialect {
                    Dialect::Junos => said("Entering configuration mode\r\n"),
                    Dialect::Ios => {
                        said("Enter configuration commands, one per line.  End with CNTL/Z.\r\n")
                    }
                    _ => said(""),
                }
            }
            _ => said(self.dialect.unknown()),
        }
    }

    /// What changes the configuration without opening it; `None` for all else.
    fn change_at_once(&mut self, words: &[&str], state: &mut State) -> Option<&'static str> {
        Some(match (self.dialect, words) {
            (Dialect::IosXr, ["rollback", "configuration", "last", back]) => {
                match state.earlier(back) {
                    Some(earlier) => {
                        state.commit(earlier);
                        "Loading Rollback Changes.\r\nCommitting.\r\n"
                    }
                    None => "% Failed to roll back: no such commit\r\n",
                }
            }
            (Dialect::Eos, ["copy", "running-config", _]) => {
                state.copied = Some(state.shut());
                "Copy completed successfully.\r\n"
            }
            (Dialect::Eos, ["configure", "replace", _]) => match state.copied.clone() {
                Some(copied) => {
                    state.commit(copied);
                    ""
                }
                None => "% Error: no such file\r\n",
            },
            (Dialect::Sros, ["configure", "port", port, how @ ..]) => {
                if !state.interfaces.contains_key(*port) {
                    return Some("MINOR: CLI Invalid port.\r\n");
                }
                set(state, port, *how == ["no", "shutdown"]);
                self.unsaved = true;
                ""
            }
            _ => return None,
        })
    }

    fn configuration(&mut self, line: &str, words: &[&str], state: &mut State) -> (String, Next) {
        let said = |text: &str| (text.to_owned(), Next::Prompt);
        match words {
            [] => said(""),
            ["commit", how @ ..] if self.dialect.has_candidate() => {
                // A commit after one that waits to be confirmed confirms that one.
                state.before =
                    matches!(how, ["confirmed" | "timer", ..]).then(|| state.interfaces.clone());
                let candidate = std::mem::take(&mut self.candidate);
                // Junos counts a commit of nothing, too.
                if !candidate.is_empty() || self.dialect == Dialect::Junos {
                    state.commit(candidate);
                }
                if self.dialect == Dialect::Eos {
                    self.leave(state);
                }
                said(if self.dialect == Dialect::Junos { "commit complete\r\n" } else { "" })
            }
            ["rollback", "0"] => {
                self.candidate.clear();
                said("load complete\r\n")
            }
            ["rollback", back] if self.dialect == Dialect::Junos => match state.earlier(back) {
                Some(earlier) => {
                    self.candidate = earlier;
                    said("load complete\r\n")
                }
                None => said("error: no such rollback\r\n"),
            },
            ["clear", "configuration", "candidate"] if self.dialect == Dialect::Vrp => {
                self.candidate.clear();
                said("")
            }
            ["end" | "abort" | "return"] | ["exit", "configuration-mode"] => {
                self.leave(state);
                said("")
            }
            ["exit"] => {
                if self.mode == Mode::Configuration {
                    self.leave(state);
                } else {
                    self.mode = Mode::Configuration;
                }
                said("")
            }
            ["interface", port] | ["edit", "interfaces", port]
                if state.interfaces.contains_key(*port) =>
            {
                self.mode = Mode::Interface((*port).to_owned());
                said("")
            }
            ["shutdown"] | ["set", "disable"] => self.enable_port(false, state),
            ["no" | "undo", "shutdown"] | ["delete", "disable"] => self.enable_port(true, state),
            ["show", rest @ ..] | ["do", "show", rest @ ..] => self.show(rest, state),
            ["set", "interfaces", port, "disable"] if state.interfaces.contains_key(*port) => {
                self.candidate.push(((*port).to_owned(), false));
                said("")
            }
            ["delete", "interfaces", port, "disable"] if state.interfaces.contains_key(*port) => {
                self.candidate.push(((*port).to_owned(), true));
                said("")
            }
            _ if line.starts_with("description ") => said(""),
            _ => said(self.dialect.unknown()),
        }
    }

    fn enable_port(&mut self, enabled: bool, state: &mut State) -> (String, Next) {
        let Mode::Interface(port) = &self.mode else {
            return (self.dialect.unknown().to_owned(), Next::Prompt);
        };
        if self.dialect.has_candidate() {
            self.candidate.push((port.clone(), enabled));
        } else {
            set(state, port, enabled);
        }
        (String::new(), Next::Prompt)
    }

    fn show(&self, what: &[&str], state: &State) -> (String, Next) {
        let text = match what {
            ["version"] => self.version(),
            ["interfaces" | "interface"] => {
                let interface = |(name, port): (&String, &Port)| {
                    self.dialect.interface(name, port.enabled, port.up)
                };
                state.interfaces.iter().map(interface).collect()
            }
            ["interfaces" | "interface" | "port", name] | ["interfaces", name, "extensive"] => {
                match state.interfaces.get(*name) {
                    Some(port) => self.dialect.interface(name, port.enabled, port.up),
                    None => self.dialect.unknown().to_owned(),
                }
            }
            ["ip", "interface", "brief"] if self.dialect == Dialect::Ios => self.addresses(state),
            ["ip", "route", "0.0.0.0"] if self.dialect == Dialect::Ios => match &self.uplink {
                Some(port) => format!(
                    "Routing entry for 0.0.0.0/0, supernet\r\n  * 192.0.2.254, via {port}\r\n"
                ),
                None => "% Network not in table\r\n".to_owned(),
            },
            ["running-config"] => format!(
                "! SIMULATION\r\nhostname {}\r\nusername netmend password 7 0822455D0A16\r\nend\r\n",
                self.name
            ),
            ["tech-support"] => {
                let mut text = String::with_capacity(LONG_LINES * 70);
                for line in 1..=LONG_LINES {
                    let _ = write!(
                        text,
                        "line {line:5} of what nobody reads to the end {}\r\n",
                        "-".repeat(24)
                    );
                }
                text
            }
            _ => self.dialect.unknown().to_owned(),
        };
        (text, Next::Prompt)
    }

    fn addresses(&self, state: &State) -> String {
        let mut text =
            "Interface              IP-Address      OK? Method Status                Protocol\r\n"
                .to_owned();
        for (name, port) in &state.interfaces {
            let here = self.address.as_ref().filter(|(interface, _)| interface == name);
            let address = here.map_or("unassigned".to_owned(), |(_, address)| address.to_string());
            let (status, line) = match (port.enabled, port.up) {
                (false, _) => ("administratively down", "down"),
                (true, true) => ("up", "up"),
                (true, false) => ("down", "down"),
            };
            let _ = write!(text, "{name:22} {address:15} YES NVRAM  {status:21} {line}\r\n");
        }
        text
    }

    fn version(&self) -> String {
        format!(
            "SIMULATION of {}\r\n{} uptime is 4 weeks, 2 days\r\n",
            self.dialect.name(),
            self.name
        )
    }
}

fn set(state: &mut State, port: &str, enabled: bool) {
    if let Some(port) = state.interfaces.get_mut(port) {
        // Enabled after it was shut: what kept it down is over.
        port.up |= enabled && !port.enabled;
        port.enabled = enabled;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(dialect: Dialect) -> (Session, State) {
        let options = DeviceOptions::new("r1", dialect);
        (Session::new(&options), State::new(&options))
    }

    #[test]
    fn a_port_that_broke_works_again_after_it_was_shut_and_enabled() {
        let (mut session, mut state) = session(Dialect::Ios);
        state.interfaces.get_mut("GigabitEthernet0/1").unwrap().up = false;
        let show = |session: &mut Session, state: &mut State| {
            session.command("show interfaces GigabitEthernet0/1", state).0
        };
        assert!(show(&mut session, &mut state).contains("is down"));
        for line in ["configure terminal", "interface GigabitEthernet0/1", "no shutdown"] {
            session.command(line, &mut state);
        }
        assert!(!state.interfaces["GigabitEthernet0/1"].up, "nothing was shut");
        for line in ["shutdown", "no shutdown", "end"] {
            session.command(line, &mut state);
        }
        assert!(show(&mut session, &mut state).contains("is up, line protocol is up"));
        assert_eq!(state.configuring, 0);
    }

    #[test]
    fn an_interface_that_is_cleared_works_again_unless_it_is_shut() {
        let (mut session, mut state) = session(Dialect::Ios);
        for (name, enabled) in [("GigabitEthernet0/1", true), ("GigabitEthernet0/2", false)] {
            *state.interfaces.get_mut(name).unwrap() = Port { enabled, up: false };
            session.command(&format!("clear interface {name}"), &mut state);
            assert_eq!(state.interfaces[name].up, enabled);
        }
        assert!(session.command("clear interface Gi9/9", &mut state).0.contains("Invalid"));
    }

    #[test]
    fn a_candidate_does_nothing_until_it_is_committed() {
        for dialect in [Dialect::Junos, Dialect::IosXr, Dialect::Eos] {
            let (mut session, mut state) = session(dialect);
            let port = dialect.interfaces()[0];
            let enter = if dialect == Dialect::Junos { "edit interfaces" } else { "interface" };
            let shut = if dialect == Dialect::Junos { "set disable" } else { "shutdown" };
            for line in ["configure exclusive", &format!("{enter} {port}"), shut] {
                session.command(line, &mut state);
            }
            assert!(state.interfaces[port].enabled, "{dialect:?}");
            session.command("commit", &mut state);
            assert!(!state.interfaces[port].enabled, "{dialect:?}");
        }
    }

    #[test]
    fn shut_and_enabled_in_one_commit_a_port_stays_as_it_was() {
        let (mut session, mut state) = session(Dialect::Eos);
        state.interfaces.get_mut("Ethernet1").unwrap().up = false;
        for line in ["configure session x", "interface Ethernet1", "shutdown", "no shutdown"] {
            session.command(line, &mut state);
        }
        session.command("commit", &mut state);
        assert_eq!(state.interfaces["Ethernet1"], Port { enabled: true, up: false });
    }
}
