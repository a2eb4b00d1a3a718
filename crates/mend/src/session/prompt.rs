//! Recognises what a device waits with at the end of its output: its prompt, a pager, a question. It looks
//! at one unfinished line at a time and keeps nothing but the prompt that was learned.

use crate::platform::{ConfigPrompt, Definition};

/// Longest prompt.
const MAX_PROMPT: usize = 128;

/// Characters of the name that are left in front of `(config)`: IOS cuts longer names there.
const MIN_STEM: usize = 20;

/// A prompt as a device printed it twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prompt {
    text: String,
    /// See [`Definition::unsaved`].
    unsaved: Option<char>,
}

impl Prompt {
    /// Takes a line for a prompt if it looks like one of this platform.
    pub(crate) fn guess(line: &str, definition: &Definition) -> Option<Self> {
        let unsaved = definition.unsaved;
        let line = without(line, unsaved);
        let body = line.strip_suffix(definition.ends)?;
        let fits = body.len() < MAX_PROMPT
            && body.chars().any(char::is_alphanumeric)
            && !body.contains(char::is_whitespace);
        fits.then(|| Self { text: line.to_owned(), unsaved })
    }

    /// Whether it ends as the prompt of somebody without privileges does.
    pub(crate) fn is_unprivileged(&self) -> bool {
        self.text.ends_with('>')
    }

    /// The device's text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a line is this very prompt.
    pub(crate) fn is(&self, line: &str) -> bool {
        without(line, self.unsaved) == self.text
    }

    /// Whether a line is the prompt of this device's configuration mode.
    pub(crate) fn is_configuring(&self, line: &str, form: ConfigPrompt) -> bool {
        let end = |c: char| matches!(c, '>' | '#' | '%' | '$');
        let Some(stem) = self.text.strip_suffix(end) else { return false };
        match form {
            ConfigPrompt::End(mark) => line.strip_suffix(mark) == Some(stem),
            ConfigPrompt::Parenthesis => {
                let Some((name, mode)) =
                    line.strip_suffix(")#").and_then(|line| line.split_once('('))
                else {
                    return false;
                };
                let cut = name.chars().count() >= MIN_STEM && stem.starts_with(name);
                (name == stem || cut) && mode.len() < MAX_PROMPT && !mode.contains([' ', '(', ')'])
            }
            ConfigPrompt::Brackets => {
                let Some((before, name)) = stem.split_once('<') else { return false };
                let inside = line.strip_prefix(before).and_then(|line| line.strip_prefix('['));
                let Some(inside) = inside.and_then(|line| line.strip_suffix(']')) else {
                    return false;
                };
                let rest = inside.strip_prefix(['~', '*']).unwrap_or(inside).strip_prefix(name);
                rest.is_some_and(|view| {
                    let whole = view.is_empty() || view.starts_with('-');
                    whole && view.len() < MAX_PROMPT && !view.contains([' ', '[', ']'])
                })
            }
        }
    }
}

/// A line without the character that stands before a prompt while something is not saved.
pub(super) fn without(line: &str, unsaved: Option<char>) -> &str {
    unsaved.and_then(|mark| line.strip_prefix(mark)).unwrap_or(line)
}

/// What else an unfinished line can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// A pager, which this answer turns over.
    Pager(&'static str),
    /// A question.
    Question,
}

/// What a device waits for, if this line is all that it says and is no prompt.
pub(crate) fn halt(line: &str) -> Option<Halt> {
    let lower = line.trim().to_ascii_lowercase();
    if lower.is_empty() || lower.len() > 4 * MAX_PROMPT {
        return None;
    }
    let inner = lower.trim_matches(['-', '<', '>', '(', ')', '[', ']', ' ', ':']);
    // `--More--`, `---(more 34%)---`, `<--- More --->`, `---- More ----`, `lines 1-23`, `(END)`.
    let percent = inner.strip_prefix("more ").is_some_and(|rest| rest.ends_with('%'));
    let bare = lower == "more";
    if (inner == "more" && !bare) || percent {
        return Some(Halt::Pager(" "));
    }
    if lower == "(end)" || (lower.starts_with("lines ") && lower.ends_with("(end)")) {
        return Some(Halt::Pager("q"));
    }
    if lower.contains("press any key")
        || lower.contains("press return")
        || lower.contains("press enter")
    {
        return Some(Halt::Pager("\n"));
    }
    is_question(&lower).then_some(Halt::Question)
}

/// Whether a line in lower case ends with a choice, `[confirm]` or `(y/n)`, or asks for a name or password.
fn is_question(line: &str) -> bool {
    const CHOICES: [&str; 13] = [
        "confirm", "y", "n", "yes", "no", "cancel", "a", "all", "abort", "c", "q", "quit", "never",
    ];
    const WANTED: [&str; 5] = ["password", "passphrase", "username", "user", "secret"];
    if line.ends_with("]?") {
        return true;
    }
    let body = line.trim_end_matches([':', '?', ' ']);
    if line.ends_with(':') {
        // `Enter passphrase for key 'x':` has more behind the word.
        let asks =
            |word: &&str| body.ends_with(*word) || body.starts_with(&format!("enter {word}"));
        if WANTED.iter().any(asks) {
            return true;
        }
    }
    let Some(open) = body.rfind(['(', '[']).filter(|_| body.ends_with([')', ']'])) else {
        return false;
    };
    body[open + 1..body.len() - 1]
        .split(['/', ',', '|'])
        .all(|choice| CHOICES.contains(&choice.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Platform;

    #[test]
    fn prompts_of_all_platforms_are_recognised() {
        for (platform, line) in [
            (Platform::Ios, "r1#"),
            (Platform::Ios, "edge-1.example.net>"),
            (Platform::IosXr, "RP/0/RP0/CPU0:core1#"),
            (Platform::Nxos, "n9k-1#"),
            (Platform::Eos, "leaf1>"),
            (Platform::Junos, "noc@mx1>"),
            (Platform::Frr, "frr1#"),
            (Platform::Vrp, "<core1>"),
            (Platform::Vrp, "HRP_M<fw1>"),
            (Platform::Sros, "A:pe1#"),
            (Platform::Sros, "A:admin@pe1#"),
        ] {
            let prompt = Prompt::guess(line, platform.definition()).unwrap();
            assert!(prompt.is(line), "{line}");
            assert!(!prompt.is(&format!("x{line}")), "{line}");
        }
        for line in ["", "#", "########", "Welcome to r1 #", "r1", "r1# show version", "100%"] {
            assert_eq!(Prompt::guess(line, Platform::Ios.definition()), None, "{line}");
        }
    }

    #[test]
    fn a_prompt_is_the_same_one_while_something_is_not_saved_where_that_is_shown() {
        let sros = Prompt::guess("*A:pe1#", Platform::Sros.definition()).unwrap();
        assert_eq!(sros.text(), "A:pe1#");
        assert!(sros.is("A:pe1#") && sros.is("*A:pe1#"));
        assert!(!sros.is("**A:pe1#") && !sros.is("A:pe2#"));
        let ios = Prompt::guess("r1#", Platform::Ios.definition()).unwrap();
        assert!(!ios.is("*r1#"));
    }

    #[test]
    fn configuration_prompts_are_those_of_this_device_alone() {
        let prompt = |line: &str| Prompt { text: line.into(), unsaved: None };
        let cisco = ConfigPrompt::Parenthesis;
        for line in
            ["r1(config)#", "r1(config-if)#", "r1(config-if-Et1/1)#", "r1(config-s-netmen)#"]
        {
            assert!(prompt("r1#").is_configuring(line, cisco), "{line}");
        }
        for line in ["r1#", "r2(config)#", "r1(config)>", "r1(a b)#", "r1()#x", "xr1(config)#"] {
            assert!(!prompt("r1#").is_configuring(line, cisco), "{line}");
        }
        let long = prompt("a-name-of-more-than-twenty#");
        assert!(long.is_configuring("a-name-of-more-than-(config)#", cisco));
        assert!(!long.is_configuring("a-name(config)#", cisco));
        let junos = ConfigPrompt::End('#');
        assert!(prompt("noc@mx1>").is_configuring("noc@mx1#", junos));
        assert!(!prompt("noc@mx1>").is_configuring("noc@mx2#", junos));
        let vrp = ConfigPrompt::Brackets;
        for line in ["[r1]", "[~r1]", "[*r1]", "[*r1-10GE1/0/1]", "[r1-GigabitEthernet0/0/1]"] {
            assert!(prompt("<r1>").is_configuring(line, vrp), "{line}");
        }
        for line in ["<r1>", "[r2]", "[r11]", "[xr1]", "[Y/N]", "[r1", "r1]", "[r1-a b]"] {
            assert!(!prompt("<r1>").is_configuring(line, vrp), "{line}");
        }
        assert!(prompt("HRP_M<fw1>").is_configuring("HRP_M[fw1-policy]", vrp));
        assert!(!prompt("HRP_M<fw1>").is_configuring("[fw1-policy]", vrp));
    }

    #[test]
    fn pagers_and_questions_are_told_apart_from_output() {
        for line in [
            "--More--",
            " --More-- ",
            "---(more)---",
            "---(more 34%)---",
            "<--- More --->",
            "  ---- More ----",
        ] {
            assert_eq!(halt(line), Some(Halt::Pager(" ")), "{line}");
        }
        assert_eq!(halt("Press any key to continue (Q to quit)"), Some(Halt::Pager("\n")));
        for line in [
            "Proceed with reload? [confirm]",
            "Continue? (y/n)",
            "This may disrupt traffic. (y/n)?  [n] ",
            "Overwrite? [yes/no]:",
            "Uncommitted changes found, commit them before exiting(yes/no/cancel)? [cancel]:",
            "Discard uncommitted changes? [yes,no] (no)",
            "Destination filename [running-config]?",
            "Password:",
            "Enter passphrase for key:",
            "Username: ",
        ] {
            assert_eq!(halt(line), Some(Halt::Question), "{line}");
        }
        for line in [
            "",
            "Last login:",
            "more",
            "no more routes",
            "GigabitEthernet0/1 is up",
            "r1#",
            "[edit]",
            "password encryption",
        ] {
            assert_eq!(halt(line), None, "{line}");
        }
    }
}
