//! What was said in a session, with the secrets taken out before anything is kept.

use std::fmt;
use std::time::Duration;

use model::UnixMs;

/// Most bytes that are kept of one answer; of a longer one the middle is left out.
const MAX_KEPT: usize = 64 << 10;

/// A session from the login to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The exchanges in their order.
    pub entries: Vec<Entry>,
}

/// One exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it began.
    pub at: UnixMs,
    /// How long it took.
    pub took: Duration,
    /// What was sent.
    pub sent: String,
    /// What came back.
    pub received: String,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl Transcript {
    /// Keeps an exchange whose texts hold no secrets any more.
    pub(super) fn push(&mut self, mut entry: Entry) {
        entry.received = shortened(entry.received);
        self.entries.push(entry);
    }
}

impl fmt::Display for Transcript {
    /// As on a terminal, each exchange under the time at which it began.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            writeln!(f, "{} ms ({} ms)> {}", entry.at.0, entry.took.as_millis(), entry.sent)?;
            f.write_str(&entry.received)?;
            if !entry.received.is_empty() && !entry.received.ends_with('\n') {
                writeln!(f)?;
            }
            if let Some(error) = &entry.error {
                writeln!(f, "error: {error}")?;
            }
        }
        Ok(())
    }
}

fn shortened(text: String) -> String {
    if text.len() <= MAX_KEPT {
        return text;
    }
    let head = &text[..text.floor_char_boundary(MAX_KEPT / 2)];
    let tail = &text[text.ceil_char_boundary(text.len() - MAX_KEPT / 2)..];
    let left_out = text.len() - head.len() - tail.len();
    format!("{head}\n[{left_out} bytes left out]\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_keeps_its_beginning_and_its_end() {
        let mut transcript = Transcript::default();
        let received = format!("first{}last", "é".repeat(MAX_KEPT));
        let entry = Entry {
            at: UnixMs(0),
            took: Duration::ZERO,
            sent: "show tech".into(),
            received,
            error: None,
        };
        transcript.push(entry);
        let kept = &transcript.entries[0].received;
        assert!(kept.len() < MAX_KEPT + 40, "{}", kept.len());
        assert!(kept.starts_with("firsté") && kept.ends_with("élast"));
        assert!(kept.contains("bytes left out"));
    }
}
