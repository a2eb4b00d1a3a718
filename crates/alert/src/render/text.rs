//! A message as plain text, for readers without HTML. Lines are wrapped by the reader, not here.

use model::alert::{Alert, Message, MessageKind, words};
use model::text::printable;

use super::{
    IN_FULL, NOTHING, TEST, banner, command, count, facts, link, links, stamp, standing, tally,
};

/// The text, with `\n` as line ends.
pub(super) fn text(message: &Message) -> String {
    let mut lines = vec![banner(message), String::new()];
    if message.kind == MessageKind::Test {
        lines.extend([TEST.to_owned(), String::new()]);
    }
    match message.alerts.as_slice() {
        [] => lines.push(NOTHING.to_owned()),
        alerts => {
            lines.extend(tally(message).map(|tally| format!("{tally}\n")));
            let (full, brief) = alerts.split_at(alerts.len().min(IN_FULL));
            for alert in full {
                in_full(&mut lines, message, alert);
            }
            for alert in brief {
                lines.push(format!("- {} ({})", words::headline(alert), standing(alert)));
            }
            let more = count(message) - alerts.len();
            if more > 0 {
                lines.push(format!("- and {more} more"));
            }
        }
    }
    lines.push(String::new());
    lines.push("--".to_owned());
    let at = stamp(message.at);
    let site = printable(&message.site, 80);
    lines
        .push(format!("netmend at {site}, message {} of {}, {at}", message.number, message.thread));
    lines.push(String::new());
    lines.join("\n")
}

fn in_full(lines: &mut Vec<String>, message: &Message, alert: &Alert) {
    lines.push(words::facts(alert, message.at));
    lines.push(String::new());
    for (name, value) in facts(alert) {
        lines.push(format!("  {name:<8} {value}"));
    }
    let links = links(alert);
    if !links.is_empty() {
        lines.push(String::new());
        lines.extend(links.iter().map(|name| format!("- {name}")));
        lines.push(String::new());
    }
    if !alert.clues.is_empty() {
        lines.extend([String::new(), format!("{}:", words::CLUES)]);
        lines.extend(alert.clues.iter().map(|clue| format!("- {}", words::clue(clue, message.at))));
        lines.push(String::new());
    }
    lines.extend(link(message, alert).map(|link| format!("  {:<8} {link}", "Page")));
    lines.extend(command(message, alert).map(|command| format!("  {:<8} {command}", "To ack")));
    lines.push(String::new());
}
