//! Commands as a file holds them: literal text with places for arguments. Only templates of the file itself are
//! ever filled; that is checked where the scripts cannot reach, in the parent process.

use serde::{Deserialize, Serialize};

use super::argument::{Argument, Kind, NoArgument};
use super::seen::Seen;

/// Most lines of one change.
const MOST_LINES: usize = 100;
/// Longest line, in bytes.
const LONGEST: usize = 400;

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Verb {
    /// It only reads.
    Show,
    /// Lines for the configuration.
    Config,
    /// It does something, outside of the configuration.
    Command,
}

impl Verb {
    /// The method of `device`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Verb::Show => "show",
            Verb::Config => "config",
            Verb::Command => "command",
        }
    }

    /// The verb of this method.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Verb::Show, Verb::Config, Verb::Command].into_iter().find(|verb| verb.name() == name)
    }
}

/// A command with places for arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Template {
    /// What it is for.
    pub(super) verb: Verb,
    /// One line, or those of a change.
    pub(super) lines: Vec<String>,
    /// Questions that the device may ask, with their answers.
    #[serde(default)]
    pub(super) expect: Vec<(String, String)>,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoTemplate {
    /// There is nothing to send.
    #[error("a command must not be empty")]
    Empty,
    /// It is too long.
    #[error("a command has at most {LONGEST} bytes, a change at most {MOST_LINES} lines")]
    Long,
    /// It holds what ends a line or asks for help.
    #[error("a command must not hold {0:?}")]
    Character(char),
    /// A place is not closed, or closed without being opened.
    #[error("a `{{` needs its `}}`, with the kind of the argument in between")]
    Brace,
    /// The kind of a place is unknown.
    #[error(
        "`{{{0}}}` is no kind of argument; allowed: {{}}, {{interface}}, {{ip}}, {{vlan}}, {{asn}}, {{number}}, {{name}}"
    )]
    Kind(String),
}

/// Why a template was not filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// An argument is not what it should be.
    #[error(transparent)]
    Argument(#[from] NoArgument),
    /// The device has not named an argument.
    #[error(
        "the device itself has not named `{0}` in this run; a change can only be about what it shows"
    )]
    NotSeen(String),
    /// There are more or fewer arguments than places.
    #[error("the command has {places} places for arguments, and {given} were given")]
    Count {
        /// Places in the template.
        places: usize,
        /// Arguments.
        given: usize,
    },
    /// The template itself is wrong.
    #[error(transparent)]
    Template(#[from] NoTemplate),
}

/// A part of a line.
enum Part<'t> {
    Text(&'t str),
    Place(Kind),
}

fn parts(line: &str) -> Result<Vec<Part<'_>>, NoTemplate> {
    let mut parts = Vec::new();
    let mut rest = line;
    while let Some(open) = rest.find(['{', '}']) {
        let (text, place) = rest.split_at(open);
        let inside = place.strip_prefix('{').ok_or(NoTemplate::Brace)?;
        let (kind, after) = inside.split_once('}').ok_or(NoTemplate::Brace)?;
        parts.push(Part::Text(text));
        parts
            .push(Part::Place(Kind::named(kind).ok_or_else(|| NoTemplate::Kind(kind.to_owned()))?));
        rest = after;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

impl Template {
    /// A line that only reads.
    pub(super) fn show(line: &str) -> Self {
        Self { verb: Verb::Show, lines: vec![line.to_owned()], expect: Vec::new() }
    }

    /// Looks for what is wrong with it.
    pub(super) fn check(&self) -> Result<(), NoTemplate> {
        if self.lines.is_empty() || self.lines.iter().any(|line| line.trim().is_empty()) {
            return Err(NoTemplate::Empty);
        }
        if self.lines.len() > MOST_LINES || self.lines.iter().any(|line| line.len() > LONGEST) {
            return Err(NoTemplate::Long);
        }
        for line in &self.lines {
            if let Some(wrong) = line.chars().find(|c| c.is_control() || *c == '?') {
                return Err(NoTemplate::Character(wrong));
            }
            parts(line)?;
        }
        let answers = self.expect.iter().map(|(_, answer)| answer);
        match answers.flat_map(|answer| answer.chars()).find(|c| c.is_control()) {
            Some(wrong) => Err(NoTemplate::Character(wrong)),
            None => Ok(()),
        }
    }

    /// The lines with harmless arguments, to look at what they would do.
    pub(super) fn sample(&self) -> impl Iterator<Item = String> {
        self.lines.iter().map(|line| {
            let parts = parts(line).unwrap_or_default();
            parts.iter().map(|part| if let Part::Text(text) = part { text } else { "1" }).collect()
        })
    }

    /// Puts arguments into their places, in the order of the lines. What changes something takes only what the
    /// device has named.
    ///
    /// # Errors
    /// An argument that is not what its place says, or that the device has not named.
    pub(super) fn fill(&self, arguments: &[String], seen: &Seen) -> Result<Vec<String>, Refusal> {
        let mut given = arguments.iter();
        let mut lines = Vec::with_capacity(self.lines.len());
        let mut places = 0;
        for line in &self.lines {
            let mut filled = String::with_capacity(line.len() + 16);
            for part in parts(line)? {
                match part {
                    Part::Text(text) => filled.push_str(text),
                    Part::Place(kind) => {
                        places += 1;
                        let Some(text) = given.next() else { continue };
                        let argument = Argument::parse(kind, text)?;
                        if self.verb != Verb::Show && !seen.names(&argument) {
                            return Err(Refusal::NotSeen(argument.to_string()));
                        }
                        filled.push_str(&argument.to_string());
                    }
                }
            }
            lines.push(filled);
        }
        if places == arguments.len() {
            Ok(lines)
        } else {
            Err(Refusal::Count { places, given: arguments.len() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(verb: Verb, lines: &[&str]) -> Template {
        Template {
            verb,
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            expect: Vec::new(),
        }
    }

    fn given(arguments: &[&str]) -> Vec<String> {
        arguments.iter().map(|argument| (*argument).to_owned()).collect()
    }

    #[test]
    fn arguments_fill_their_places_in_order() {
        let mut seen = Seen::default();
        seen.read("show interfaces", "Ethernet1 is up\nvlan 20\n");
        let change = template(
            Verb::Config,
            &["interface {}", "switchport access vlan {vlan}", "no shutdown"],
        );
        let filled = change.fill(&given(&["Eth1", "20"]), &seen).unwrap();
        assert_eq!(filled, ["interface Eth1", "switchport access vlan 20", "no shutdown"]);
    }

    #[test]
    fn a_change_is_only_about_what_the_device_has_named() {
        let change = template(Verb::Command, &["clear bgp {ip}"]);
        let refused = change.fill(&given(&["10.0.0.2"]), &Seen::default()).unwrap_err();
        assert_eq!(refused, Refusal::NotSeen("10.0.0.2".into()));
        let look = template(Verb::Show, &["show bgp neighbors {ip}"]);
        assert!(look.fill(&given(&["10.0.0.2"]), &Seen::default()).is_ok());
    }

    #[test]
    fn too_few_and_too_many_arguments_are_refused() {
        let look = template(Verb::Show, &["show interfaces {}"]);
        for arguments in [&[][..], &["Eth1", "Eth2"]] {
            let refused = look.fill(&given(arguments), &Seen::default()).unwrap_err();
            assert_eq!(refused, Refusal::Count { places: 1, given: arguments.len() });
        }
    }

    #[test]
    fn wrong_templates_are_found() {
        let wrong = |lines: &[&str]| template(Verb::Config, lines).check().unwrap_err();
        assert_eq!(wrong(&[]), NoTemplate::Empty);
        assert_eq!(wrong(&["interface {}", " "]), NoTemplate::Empty);
        assert_eq!(wrong(&["a\nb"]), NoTemplate::Character('\n'));
        assert_eq!(wrong(&["interface {"]), NoTemplate::Brace);
        assert_eq!(wrong(&["interface }"]), NoTemplate::Brace);
        assert_eq!(wrong(&["interface {port}"]), NoTemplate::Kind("port".into()));
        assert!(wrong(&["{x}"]).to_string().contains("allowed: {}, {interface}"));
    }
}
