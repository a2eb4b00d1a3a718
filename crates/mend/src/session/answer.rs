//! From the text between a command and the next prompt to the answer: without echo, log lines and what
//! belongs to the prompt; and whether the device said no.

use std::time::Duration;

use super::shell::{is_echo, is_log};
use crate::platform::Definition;

/// What a device answered to a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The command.
    pub command: String,
    /// The output: lines with `\n`, without the echo of the command and without the prompt.
    pub text: String,
    /// Log lines that the device printed in between.
    pub logs: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// Cleans the text that followed `commands`.
pub(super) fn clean(
    text: &str,
    commands: &[&str],
    prompt: &str,
    definition: &Definition,
) -> (String, Vec<String>) {
    // What asks for a log is answered with log lines.
    let keeps_logs = commands.iter().any(|command| command.contains("log"));
    let mut logs = Vec::new();
    let mut kept: Vec<&str> = Vec::new();
    let mut echoes = commands.iter().peekable();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if echoes.peek().is_some_and(|command| is_echo(line, command)) {
            echoes.next();
        } else if !keeps_logs && is_log(line) {
            logs.push(line.trim().to_owned());
        } else if line == prompt && lines.peek().is_some_and(|next| is_log(next)) {
            // The prompt that a log line was printed over.
        } else {
            kept.push(line);
        }
    }
    let above = |line: &&str| {
        definition
            .above_prompt
            .iter()
            .any(|(start, end)| line.starts_with(start) && line.ends_with(end))
    };
    while kept.last().is_some_and(|line| line.trim().is_empty() || above(line)) {
        kept.pop();
    }
    let start = kept.iter().position(|line| !line.trim().is_empty()).unwrap_or(kept.len());
    let mut text = kept[start..].join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    (text, logs)
}

/// The line by which a device says that a command failed, with what it points at.
pub(super) fn refusal(text: &str, definition: &Definition) -> Option<String> {
    let fails = |line: &&str| {
        let line = line.trim_start();
        definition.failures.iter().any(|start| {
            line.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
        })
    };
    // Such lines stand at the beginning or the end; in the middle of a long output they are a quotation.
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let few = lines().count() <= 8;
    let found = if few {
        lines().find(fails)
    } else {
        lines().take(3).find(fails).or_else(|| lines().next_back().filter(fails))
    };
    found.map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Platform;

    #[test]
    fn echo_logs_and_lines_above_the_prompt_go() {
        let text = "r1#show clock\n*Nov 22 03:00:00.000: %SYS-5-CONFIG_I: Configured by noc\n\n10:00:00 UTC\n\n";
        let (clean_text, logs) = clean(text, &["show clock"], "r1#", Platform::Ios.definition());
        assert_eq!(clean_text, "10:00:00 UTC\n");
        assert_eq!(logs, ["*Nov 22 03:00:00.000: %SYS-5-CONFIG_I: Configured by noc"]);
        let junos = "show x\nline\n\n{master:0}[edit]\n";
        let (clean_text, _) = clean(junos, &["show x"], "a@b>", Platform::Junos.definition());
        assert_eq!(clean_text, "line\n");
    }

    #[test]
    fn what_asks_for_logs_gets_them() {
        let text = "show logging\n%LINK-3-UPDOWN: Interface Gi0/1, changed state to down\n";
        let (text, logs) = clean(text, &["show logging"], "r1#", Platform::Ios.definition());
        assert!(text.starts_with("%LINK-3-UPDOWN") && logs.is_empty());
    }

    #[test]
    fn refusals_are_found_and_quotations_are_not() {
        let ios = Platform::Ios.definition();
        let said = "         ^\n% Invalid input detected at '^' marker.\n";
        assert_eq!(refusal(said, ios).unwrap(), "% Invalid input detected at '^' marker.");
        assert_eq!(refusal("% No such neighbor\n", ios), None);
        let long = format!("{}% Invalid input\n{}", "a\n".repeat(20), "b\n".repeat(20));
        assert_eq!(refusal(&long, ios), None);
        let junos = Platform::Junos.definition();
        assert!(refusal("      ^\nunknown command.\n", junos).is_some());
        assert!(refusal("error: configuration database locked by:\n  root\n", junos).is_some());
    }
}
