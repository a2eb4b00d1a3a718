//! What a device has named in a run. A change may only be about that: an interface or a neighbour that only a
//! message names may not exist, or not be the device's own. It holds no more of the outputs than their words.

use std::collections::HashSet;
use std::net::IpAddr;

use super::argument::{Argument, same_interface};

/// Most words that are remembered of a run.
const MOST: usize = 100_000;
/// Longest word that could be a name.
const LONGEST: usize = 64;

/// The words of a device's answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    words: HashSet<Box<str>>,
    addresses: HashSet<IpAddr>,
}

impl Seen {
    /// Reads the answer to a command.
    pub(super) fn read(&mut self, command: &str, output: &str) {
        // Logs quote messages, which are what is not to be believed.
        if command.contains("log") {
            return;
        }
        for line in output.lines() {
            // A refusal repeats what was asked for.
            let line = line.trim();
            let refusal = line.starts_with('%')
                || ["error", "minor:", "major:"].iter().any(|word| {
                    line.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
                });
            if refusal || line.contains("Invalid") || line.contains("not found") {
                continue;
            }
            line.split(|c: char| c.is_whitespace() || "(){}[]<>\"'`,;=|+".contains(c))
                .for_each(|word| self.word(word));
        }
    }

    fn word(&mut self, word: &str) {
        let word = word.trim_end_matches(['.', ':', '*']).trim_start_matches('*');
        if word.is_empty() || word.len() > LONGEST || self.words.len() >= MOST {
            return;
        }
        let address = word.split('/').next().unwrap_or(word);
        if let Ok(address) = address.parse() {
            self.addresses.insert(address);
        }
        if !self.words.contains(word) {
            self.words.insert(word.into());
        }
    }

    /// Whether the device has named this.
    pub(super) fn names(&self, argument: &Argument) -> bool {
        match argument {
            Argument::Interface(name) => {
                self.words.contains(name.as_str())
                    || self.words.iter().any(|word| same_interface(word, name))
            }
            Argument::Ip(address) => self.addresses.contains(address),
            Argument::Number(number) => self.words.contains(number.to_string().as_str()),
            Argument::Name(name) => self.words.contains(name.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::argument::Kind;
    use super::*;

    fn names(seen: &Seen, kind: Kind, text: &str) -> bool {
        seen.names(&Argument::parse(kind, text).unwrap())
    }

    #[test]
    fn a_device_names_what_stands_in_its_answers_as_a_word() {
        let mut seen = Seen::default();
        seen.read(
            "show interfaces Gi0/1",
            "GigabitEthernet0/1 is up, line protocol is up (connected)\n",
        );
        seen.read("show bgp neighbor 10.0.0.2", "Peer: 10.0.0.2+179 AS 65002 Local: 10.0.0.1/32\n");
        assert!(names(&seen, Kind::Interface, "Gi0/1"));
        assert!(!names(&seen, Kind::Interface, "Gi0/11"));
        assert!(names(&seen, Kind::Ip, "10.0.0.2") && names(&seen, Kind::Ip, "10.0.0.1"));
        assert!(!names(&seen, Kind::Ip, "10.0.0.3"));
        assert!(names(&seen, Kind::Asn, "65002") && !names(&seen, Kind::Asn, "6500"));
    }

    #[test]
    fn refusals_and_logs_name_nothing() {
        let mut seen = Seen::default();
        seen.read("show ip bgp neighbors 10.9.9.9", "% No such neighbor 10.9.9.9\n");
        seen.read("show interface eth9", "error: device eth9 not found\n");
        seen.read("show port 1/1/9", "MINOR: CLI Invalid port 1/1/9.\n");
        seen.read(
            "show logging",
            "%LINK-3-UPDOWN: Interface Gi0/9, changed state to down 10.9.9.9\n",
        );
        assert!(!names(&seen, Kind::Ip, "10.9.9.9") && !names(&seen, Kind::Interface, "1/1/9"));
        assert!(!names(&seen, Kind::Interface, "eth9") && !names(&seen, Kind::Interface, "Gi0/9"));
    }

    #[test]
    fn endless_answers_take_no_endless_memory() {
        let mut seen = Seen::default();
        for n in 0..MOST + 1_000 {
            seen.word(&format!("w{n}"));
        }
        assert!(seen.words.len() <= MOST);
    }
}
