//! A scenario: which addresses there are and how they behave, read strictly from TOML. Errors name
//! the line and column. It must not answer anything itself; that is [`crate::World`].

mod raw;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::behaviour::{Behaviour, modulo};
use crate::prefix::Prefix;

/// A simulated network.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is for, in a line for people.
    pub about: String,
    /// Start of its chance: the same packets in the same order meet the same fate.
    pub seed: u64,
    /// Addresses of the prober's side of the device.
    pub prober: Vec<IpAddr>,
    /// Its hosts. The first block that an address matches speaks for it.
    pub hosts: Vec<Hosts>,
}

/// Hosts that behave alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Hosts {
    /// Their addresses.
    pub prefixes: Vec<Prefix>,
    /// Only every so many-th of these addresses.
    pub every: Option<Every>,
    /// Start again with the first phase after this span.
    pub repeat: Option<Duration>,
    /// How they behave, from when on; the first phase begins at 0 and their times rise.
    pub phases: Vec<Phase>,
}

/// One of so many addresses: those whose number modulo `of` is `nth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Every {
    /// Which of them, from 0.
    pub nth: usize,
    /// Of how many.
    pub of: usize,
}

/// A behaviour that begins at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Time since the scenario began.
    pub after: Duration,
    /// How the hosts behave from then on.
    pub behaviour: Behaviour,
}

impl Scenario {
    /// Reads a scenario from its text; `name` is what errors call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        raw::read(text).map_err(|fault| ScenarioError::wrong(name, text, fault))
    }

    /// Reads a scenario file.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ScenarioError::Unreadable { name: name.clone(), error })?;
        Self::parse(&name, &text)
    }

    /// All prefixes in the order of the file: what must be routed to the simulation.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> {
        self.hosts.iter().flat_map(|hosts| hosts.prefixes.iter().copied())
    }

    /// Addresses that answer in the stead of hosts: routers and impostors.
    pub fn speakers(&self) -> impl Iterator<Item = IpAddr> {
        let phases = self.hosts.iter().flat_map(|hosts| &hosts.phases);
        phases.flat_map(|phase| {
            let routers = phase.behaviour.error.iter().flat_map(|error| &error.from);
            phase.behaviour.answer_from.iter().chain(routers).copied()
        })
    }

    /// The block that speaks for an address.
    pub fn hosts_of(&self, address: IpAddr) -> Option<&Hosts> {
        self.hosts.iter().find(|hosts| hosts.include(address))
    }

    /// Addresses of the prober's side if the file names none.
    fn usual_prober() -> Vec<IpAddr> {
        vec![
            Ipv4Addr::new(10, 255, 0, 1).into(),
            Ipv6Addr::new(0xfd00, 0xffff, 0, 0, 0, 0, 0, 1).into(),
        ]
    }
}

impl Hosts {
    /// Whether this block includes an address.
    pub fn include(&self, address: IpAddr) -> bool {
        self.prefixes.iter().any(|prefix| prefix.contains(address))
            && self.every.is_none_or(|every| modulo(address, every.of) == every.nth)
    }

    /// How these hosts behave at a time since the scenario began.
    pub fn behaviour_at(&self, time: Duration) -> &Behaviour {
        let time = self.repeat.map_or(time, |period| {
            Duration::from_nanos((time.as_nanos() % period.as_nanos()) as u64)
        });
        let begun = self.phases.partition_point(|phase| phase.after <= time);
        &self.phases[begun.max(1) - 1].behaviour
    }
}

/// Why a scenario could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("cannot read scenario {name}: {error}")]
    Unreadable {
        /// The file.
        name: String,
        /// Why not.
        error: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{name}:{at}: {message}")]
    Wrong {
        /// The file.
        name: String,
        /// Where.
        at: Position,
        /// What is wrong and what is allowed.
        message: String,
    },
}

/// Line and column, counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl ScenarioError {
    fn wrong(name: &str, text: &str, fault: raw::Fault) -> Self {
        let before = text.get(..fault.offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let at = Position {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        };
        Self::Wrong { name: name.to_owned(), at, message: fault.message }
    }
}

#[cfg(test)]
mod tests;
