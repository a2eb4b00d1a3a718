//! Syslog lines as they are stored: the types that the seam speaks. No SQL, no threads.

mod batch;
pub(crate) mod segment;

pub use batch::{LineBatch, LineView};

use model::{Listener, Position, UnixMs};

/// One line with what was understood of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLine {
    /// When it was received.
    pub at: UnixMs,
    /// The device that said it: its name in the inventory, else its address or its own word.
    pub device: String,
    /// The code as printed; empty if there is none.
    pub code: String,
    /// Severity, 0 to 7, if it was told.
    pub severity: Option<u8>,
    /// The bytes as received.
    pub raw: Vec<u8>,
}

impl StoredLine {
    /// The same, borrowed.
    pub fn view(&self) -> LineView<'_> {
        LineView {
            at: self.at,
            device: &self.device,
            code: &self.code,
            severity: self.severity,
            raw: &self.raw,
        }
    }
}

/// How far a followed file has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePosition {
    /// The follower.
    pub listener: Listener,
    /// The position.
    pub position: Position,
}

/// Which lines to find; what is `None` does not matter. Newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineQuery {
    /// Of this device.
    pub device: Option<String>,
    /// With this code, as printed; a `*` at its end stands for any rest.
    pub code: Option<String>,
    /// With this text in them, upper and lower case alike.
    pub text: Option<String>,
    /// Of this severity or worse (a lower number).
    pub severity: Option<u8>,
    /// First millisecond.
    pub from: UnixMs,
    /// First millisecond after the span.
    pub until: UnixMs,
    /// At most this many.
    pub limit: u32,
}

impl Default for LineQuery {
    /// The newest 100 of all lines.
    fn default() -> Self {
        Self {
            device: None,
            code: None,
            text: None,
            severity: None,
            from: UnixMs(i64::MIN),
            until: UnixMs(i64::MAX),
            limit: 100,
        }
    }
}

impl LineQuery {
    /// Whether a line is one of those.
    pub(crate) fn fits(&self, line: &segment::Line<'_>, text: Option<&TextFinder>) -> bool {
        line.at >= self.from.0
            && line.at < self.until.0
            && self.device.as_ref().is_none_or(|device| line.device == device)
            && self.severity.is_none_or(|most| line.severity.is_some_and(|found| found <= most))
            && self.code.as_ref().is_none_or(|code| match code.strip_suffix('*') {
                Some(start) => line.code.starts_with(start),
                None => line.code == code,
            })
            && text.is_none_or(|text| text.is_in(line.raw))
    }
}

/// Looks for a text in many lines, upper and lower case alike (ASCII).
#[derive(Debug)]
pub(crate) struct TextFinder {
    text: Vec<u8>,
    first: [u8; 2],
}

impl TextFinder {
    /// Of a text; an empty one is in every line.
    pub(crate) fn new(text: &str) -> Self {
        let text = text.to_ascii_lowercase().into_bytes();
        let first = text.first().copied().unwrap_or(0);
        Self { first: [first, first.to_ascii_uppercase()], text }
    }

    /// Whether the text is in the line.
    pub(crate) fn is_in(&self, line: &[u8]) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let last = line.len().saturating_sub(self.text.len() - 1);
        memchr::memchr2_iter(self.first[0], self.first[1], &line[..last])
            .any(|at| line[at..at + self.text.len()].eq_ignore_ascii_case(&self.text))
    }
}

/// How long lines are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRetention {
    /// Lines that are older go.
    pub oldest: UnixMs,
    /// Compressed bytes above which the oldest lines go.
    pub max_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_whatever_its_case_and_wherever_it_stands() {
        let found = |text: &str, line: &str| TextFinder::new(text).is_in(line.as_bytes());
        assert!(found("updown", "%LINK-3-UPDOWN"));
        assert!(found("%link", "%LINK-3-UPDOWN"));
        assert!(found("", "x"));
        assert!(!found("down", "dow"));
        assert!(!found("x", ""));
    }
}
