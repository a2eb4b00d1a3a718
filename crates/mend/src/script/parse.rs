//! What devices show, as fields: pure functions over text, one file a thing, one table of commands a platform.
//! They run in the child process, since what a device prints is hostile too. They send nothing.
//!
//! A new thing is one file here and one method in `engine/device.rs`.

pub(super) mod bgp;
#[cfg(any(test, fuzzing))]
pub(super) mod checks;
pub(super) mod interface;
pub(super) mod lsp;
pub(super) mod module;
pub(super) mod ospf;

use super::template::{Template, Verb};
use crate::platform::Platform;

/// The command that a fact is read from; `None` where the platform has no such thing.
pub(super) type Source = fn(Platform) -> Option<&'static str>;

/// All commands that are sent to read facts. They are allowed to every file.
pub(super) fn is_source(template: &Template, platform: Platform) -> bool {
    const SOURCES: [Source; 7] = [
        interface::command,
        bgp::command,
        bgp::command_vrf,
        ospf::command,
        lsp::command,
        module::command,
        interface::command_all,
    ];
    let [line] = template.lines.as_slice() else { return false };
    template.verb == Verb::Show && SOURCES.iter().any(|source| source(platform) == Some(line))
}

/// The text behind a label in any line: `Description: uplink` to `uplink`.
fn after<'t>(text: &'t str, label: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.trim_start().strip_prefix(label)).map(str::trim)
}

/// The number right before or behind words: `3 interface resets`, `Carrier transitions: 3`.
fn number_before(text: &str, words: &str) -> Option<u64> {
    let before = text.find(words).map(|at| &text[..at])?;
    let digits = before.trim_end();
    let start = digits.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    digits.get(start..)?.parse().ok()
}

fn number_after(text: &str, words: &str) -> Option<u64> {
    let behind = text.find(words).map(|at| text[at + words.len()..].trim_start())?;
    let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
    behind[..end].parse().ok()
}

/// What stands between two marks; the second may be missing at the end of a line.
fn between<'t>(line: &'t str, open: &str, close: &str) -> Option<&'t str> {
    let (_, rest) = line.split_once(open)?;
    Some(rest.split_once(close).map_or(rest, |(inside, _)| inside).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_a_template_that_only_reads() {
        let sources: [(Source, &str); 7] = [
            (interface::command, "interface"),
            (interface::command_all, "interfaces"),
            (bgp::command, "bgp"),
            (bgp::command_vrf, "bgp in a vrf"),
            (ospf::command, "ospf"),
            (lsp::command, "lsp"),
            (module::command, "module"),
        ];
        for platform in Platform::ALL {
            for (source, what) in sources {
                let Some(line) = source(platform) else { continue };
                let template = Template::show(line);
                assert_eq!(template.check(), Ok(()), "{platform} {what}");
                for line in template.sample() {
                    assert_eq!(platform.check_reading(&line), Ok(()), "{platform} {what}");
                }
                assert!(is_source(&template, platform), "{platform} {what}");
            }
        }
    }

    #[test]
    fn numbers_stand_before_or_behind_their_words() {
        let line = "  5 interface resets, Carrier transitions: 12, 0 CRC";
        assert_eq!(number_before(line, "interface resets"), Some(5));
        assert_eq!(number_after(line, "Carrier transitions:"), Some(12));
        assert_eq!(number_before(line, "giants"), None);
        assert_eq!(number_before("interface resets", "interface resets"), None);
    }
}
