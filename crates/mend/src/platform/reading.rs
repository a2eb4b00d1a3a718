//! Tells commands that only read from all others, by a list of what is allowed and never by one of what is
//! not. It sends nothing.

use super::{Access, Platform};

/// Longest command, in bytes.
const MAX_COMMAND: usize = 500;

/// Why a command is not known to only read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReading {
    /// It is none of the list.
    #[error("`{command}` is not known to only read on {platform}; allowed: {}", allowed(*.platform))]
    Verb {
        /// The command.
        command: String,
        /// Where it was to run.
        platform: Platform,
    },
    /// What stands behind a `|` may do more than filter.
    #[error("the filter `{filter}` is not allowed on {platform}; allowed: {}", filters(*.platform))]
    Filter {
        /// Its first word.
        filter: String,
        /// Where it was to run.
        platform: Platform,
    },
    /// It holds what could make it two commands, or send its output somewhere.
    #[error("a command must not hold {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
    /// It is longer than any that only reads.
    #[error("a command has at most {MAX_COMMAND} bytes, this one has {0}")]
    Length(usize),
}

fn allowed(platform: Platform) -> String {
    platform.definition().reading.join(", ")
}

fn filters(platform: Platform) -> String {
    match platform.definition().filters {
        [] => "none".to_owned(),
        some => some.join(", "),
    }
}

/// See [`Platform::check_reading`].
pub(super) fn check(platform: Platform, command: &str) -> Result<(), NotReading> {
    let definition = platform.definition();
    if command.len() > MAX_COMMAND {
        return Err(NotReading::Length(command.len()));
    }
    // A question mark asks for help at once, without the end of the line.
    let shell = if definition.access == Access::Exec { "$&()'\"\\{}[]*~!#" } else { "" };
    let forbidden = |c: &char| c.is_control() || ";?><`".contains(*c) || shell.contains(*c);
    if let Some(character) = command.chars().find(forbidden) {
        return Err(NotReading::Character { character });
    }
    let mut parts = command.split('|');
    let verb = parts.next().unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    if !definition.reading.iter().any(|form| fits(form, &verb)) {
        let command = command.trim().to_owned();
        return Err(NotReading::Verb { command, platform });
    }
    for part in parts {
        let filter = part.split_whitespace().next().unwrap_or_default();
        if !definition.filters.contains(&filter) {
            let filter = filter.to_owned();
            return Err(NotReading::Filter { filter, platform });
        }
    }
    Ok(())
}

/// Whether words fit a form of the list.
fn fits(form: &str, words: &[&str]) -> bool {
    let (fixed, free) = match form.strip_suffix(" *") {
        Some(fixed) => (fixed, true),
        None => (form, false),
    };
    let mut fixed = fixed.split(' ');
    let mut words = words.iter();
    if !fixed.by_ref().all(|word| words.next() == Some(&word)) {
        return false;
    }
    // What starts with a dash could be an option that does more: `ip route show` has none behind it.
    if free {
        words.len() > 0 && words.all(|word| !word.starts_with('-'))
    } else {
        words.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_reads_is_allowed() {
        for (platform, command) in [
            (Platform::Ios, "show ip bgp summary"),
            (Platform::Ios, "  show   running-config | section router bgp"),
            (Platform::Ios, "show ip bgp regexp _65000$"),
            (Platform::Nxos, "show interface Ethernet1/1 | json"),
            (Platform::Junos, "show bgp neighbor 10.0.0.1 | display xml | no-more"),
            (Platform::Linux, "ip route get 10.0.0.1"),
            (Platform::Linux, "uptime"),
        ] {
            assert_eq!(platform.check_reading(command), Ok(()), "{command}");
        }
    }

    #[test]
    fn what_could_change_something_is_refused() {
        for (platform, command) in [
            (Platform::Ios, ""),
            (Platform::Ios, "show"),
            (Platform::Ios, "reload"),
            (Platform::Ios, "configure terminal"),
            (Platform::Ios, "showx y"),
            (Platform::Ios, "show version\nreload"),
            (Platform::Ios, "show version\rreload"),
            (Platform::Ios, "show run | redirect tftp://192.0.2.1/x"),
            (Platform::Ios, "show run | include x | tee flash:x"),
            (Platform::Ios, "show run |"),
            (Platform::Ios, "show ?"),
            (Platform::Nxos, "show version ; reload"),
            (Platform::Nxos, "show version > bootflash:x"),
            (Platform::Eos, "show version | bash"),
            (Platform::Junos, "show configuration | save x"),
            (Platform::Linux, "uptime; reboot"),
            (Platform::Linux, "uptime | sh"),
            (Platform::Linux, "ip route show $(reboot)"),
            (Platform::Linux, "ip route show `reboot`"),
            (Platform::Linux, "ip route show && reboot"),
            (Platform::Linux, "ip route get -batch x"),
            (Platform::Linux, "hostname other"),
            (Platform::Linux, "ip link set eth0 down"),
            (Platform::Linux, "cat /proc/../etc/shadow"),
        ] {
            assert!(platform.check_reading(command).is_err(), "{command}");
        }
        assert!(Platform::Ios.check_reading(&format!("show {}", "x".repeat(600))).is_err());
    }

    #[test]
    fn a_refusal_says_what_is_allowed() {
        let refused = Platform::Ios.check_reading("reload").unwrap_err().to_string();
        assert_eq!(
            refused,
            "`reload` is not known to only read on ios; allowed: show *, dir, dir *, ping *, traceroute *"
        );
    }
}
