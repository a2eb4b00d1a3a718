//! A message in few words, for places where people chat: a title, a paragraph for each alert, a footer. All of
//! it is printable text without any markup; links stand apart.

use model::Severity;
use model::alert::{Alert, Message, MessageKind, words};
use model::text::printable;

use super::{IN_FULL, NOTHING, command, count, link, stamp, standing, subject, tally};

/// Longest paragraph in characters.
const MAX_PART: usize = 1_500;
/// So many alerts get a line of their own after those that are told in full.
const IN_BRIEF: usize = 20;
/// What a test says where there is no room for a made-up alert.
const TEST: &str =
    "This is a test. Nothing is wrong: somebody asked netmend to show that its messages arrive.";

/// A message in few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// What it is about, in a line.
    pub title: String,
    /// What is known, a paragraph each.
    pub parts: Vec<Part>,
    /// Who says so, and when.
    pub footer: String,
    /// How it should look.
    pub tone: Tone,
}

/// A paragraph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Printable text; empty if there is only a link.
    pub text: String,
    /// Where to read on: address and words.
    pub link: Option<(String, String)>,
}

/// How a message should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something does not work.
    Critical,
    /// Something is worse than usual.
    Warning,
    /// Worth a note.
    Info,
    /// All is over.
    Good,
}

impl Brief {
    /// The message in few words.
    pub fn of(message: &Message) -> Self {
        let mut parts = Vec::new();
        let mut say = |text: String| parts.push(Part { text, link: None });
        match message.alerts.as_slice() {
            _ if message.kind == MessageKind::Test => say(TEST.to_owned()),
            [] => say(NOTHING.to_owned()),
            alerts => {
                tally(message).into_iter().for_each(&mut say);
                let (full, brief) = alerts.split_at(alerts.len().min(IN_FULL));
                parts.extend(full.iter().map(|alert| part(message, alert)));
                let line =
                    |alert: &Alert| format!("{} ({})", words::headline(alert), standing(alert));
                let told = brief.iter().take(IN_BRIEF).map(line);
                parts.extend(told.map(|text| Part { text: printable(&text, 300), link: None }));
                let more = count(message) - full.len() - brief.len().min(IN_BRIEF);
                if more > 0 {
                    parts.push(Part { text: format!("and {more} more"), link: None });
                }
            }
        }
        let site = printable(&message.site, 80);
        Self {
            title: subject(message),
            parts,
            footer: format!("netmend at {site}, {}", stamp(message.at)),
            tone: tone(message),
        }
    }
}

fn part(message: &Message, alert: &Alert) -> Part {
    let mut text = words::facts(alert, message.at);
    if let Some(command) = command(message, alert) {
        text = format!("{text} To acknowledge: {command}");
    }
    let link = link(message, alert).map(|url| (url, format!("Alert {}", alert.id)));
    Part { text: printable(&text, MAX_PART), link }
}

fn tone(message: &Message) -> Tone {
    match (message.kind, message.severity) {
        (MessageKind::Resolved | MessageKind::Accepted, _) => Tone::Good,
        (MessageKind::Test, _) | (_, Severity::Info) => Tone::Info,
        (_, Severity::Warning) => Tone::Warning,
        (_, Severity::Critical) => Tone::Critical,
    }
}
