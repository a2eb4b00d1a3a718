//! Cuts a stream, a file or a datagram into messages (RFC 6587, RFC 5426). Pure: bytes in, ranges out. It
//! looks at separators and lengths alone, never at what a message says.

// The fuzz targets include this file by its path.
#[cfg(any(test, fuzzing))]
#[path = "framing/checks.rs"]
pub(crate) mod checks;

use std::ops::Range;

use memchr::memchr;
use model::MAX_LINE;

use crate::wire::syslog::split;

/// A message within the bytes that were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it lies, without separators; never empty.
    pub(super) range: Range<usize>,
    /// Whether its end is missing because it is longer than [`MAX_LINE`].
    pub(super) cut: bool,
}

/// What streams may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A message ends with a line feed; files.
    Lines,
    /// Octet counts and line feeds, told apart message by message; streams (RFC 6587, 3.4).
    Stream,
}

/// The state between two reads of one stream. The bytes of a message under way stay with the caller, who
/// hands them in again with what follows; they are never more than [`MAX_LINE`] and a length.
#[derive(Debug)]
pub(super) struct Framer {
    framing: Framing,
    skip: Skip,
    /// Whether the last message had an octet count.
    counted: bool,
    /// Times a counted message was followed by something else than a message: a count that lied.
    lies: u64,
}

/// The rest of a message that was too long and has been cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skip {
    Nothing,
    Octets(usize),
    Line,
}

/// How the next message is separated.
enum Frame {
    /// It takes more bytes to tell.
    Unknown,
    /// `(length of the count and its blank, length of the message)`.
    Counted(usize, usize),
    Line,
}

impl Framer {
    /// The state at the start of a stream.
    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, skip: Skip::Nothing, counted: false, lies: 0 }
    }

    /// Gives the messages that end within `bytes`; returns how many bytes are done with. The rest is the
    /// start of a message and must come first in the next call.
    pub(super) fn cut(&mut self, bytes: &[u8], mut take: impl FnMut(Piece)) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let used = self.step(&bytes[at..], at, &mut take);
            if used == 0 {
                break;
            }
            at += used;
        }
        at
    }

    /// Octet counts that lied so far.
    pub(super) fn lies(&self) -> u64 {
        self.lies
    }

    /// Gives what is left when the stream has ended: a last message without its separator. Whether it is
    /// whole nobody can know unless it had a count, which then was too large.
    pub(super) fn finish(&mut self, rest: &[u8], mut take: impl FnMut(Piece)) {
        if self.skip != Skip::Nothing {
            return;
        }
        let (start, cut) = match self.frame(rest) {
            Frame::Counted(header, _) => (header, true),
            Frame::Unknown | Frame::Line => (0, false),
        };
        emit(rest, start, rest.len(), cut, 0, &mut take);
    }

    /// Handles one message, or one part of what is skipped; 0 if that needs more bytes.
    fn step(&mut self, rest: &[u8], base: usize, take: &mut impl FnMut(Piece)) -> usize {
        match self.skip {
            Skip::Octets(left) => {
                let used = left.min(rest.len());
                self.skip = if used == left { Skip::Nothing } else { Skip::Octets(left - used) };
                return used;
            }
            Skip::Line => {
                let Some(end) = memchr(b'\n', rest) else { return rest.len() };
                self.skip = Skip::Nothing;
                return end + 1;
            }
            Skip::Nothing => {}
        }
        match self.frame(rest) {
            Frame::Unknown => 0,
            Frame::Counted(header, length) => self.counted(rest, header, length, base, take),
            Frame::Line => self.line(rest, base, take),
        }
    }

    fn counted(
        &mut self,
        rest: &[u8],
        header: usize,
        length: usize,
        base: usize,
        take: &mut impl FnMut(Piece),
    ) -> usize {
        let kept = length.min(MAX_LINE);
        if rest.len() < header + kept {
            return 0;
        }
        self.counted = true;
        emit(rest, header, header + kept, length > kept, base, take);
        if length > kept {
            self.skip = Skip::Octets(length - kept);
        }
        header + kept
    }

    fn line(&mut self, rest: &[u8], base: usize, take: &mut impl FnMut(Piece)) -> usize {
        let end = memchr(b'\n', &rest[..rest.len().min(MAX_LINE + 1)]);
        let (kept, used) = match end {
            Some(end) => (end, end + 1),
            None if rest.len() > MAX_LINE => (MAX_LINE, MAX_LINE),
            None => return 0,
        };
        if end.is_none() {
            self.skip = Skip::Line;
        }
        // Some senders end counted messages with a line feed that they do not count; all else is a lie.
        if self.counted && !matches!(rest[0], b'\n' | b'\r' | b'<') {
            self.lies += 1;
        }
        self.counted = false;
        emit(rest, 0, kept, end.is_none(), base, take);
        used
    }

    /// How the message at the start of `rest` is separated: by its octet count if it looks as
    /// `[1-9][0-9]{0,5} <`, else by a line feed.
    fn frame(&self, rest: &[u8]) -> Frame {
        if self.framing == Framing::Lines || !matches!(rest.first(), Some(b'1'..=b'9')) {
            return Frame::Line;
        }
        let digits = rest.iter().take(7).take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 6 {
            return Frame::Line;
        }
        match (rest.get(digits), rest.get(digits + 1)) {
            (Some(b' '), Some(b'<')) => {
                let number = |sum, digit: &u8| sum * 10 + usize::from(digit - b'0');
                Frame::Counted(digits + 1, rest[..digits].iter().fold(0, number))
            }
            (None, _) | (Some(b' '), None) => Frame::Unknown,
            _ => Frame::Line,
        }
    }
}

/// Hands on a message without the line ends and zero bytes around it, unless nothing is left.
fn emit(
    rest: &[u8],
    start: usize,
    end: usize,
    cut: bool,
    base: usize,
    take: &mut impl FnMut(Piece),
) {
    let range = trimmed(rest, start..end);
    if !range.is_empty() {
        take(Piece { range: base + range.start..base + range.end, cut });
    }
}

/// Gives the messages of a datagram: one, unless the sender put several together; and of each whether it is glued to
/// the one before, without a separator.
pub(super) fn split_datagram(bytes: &[u8], mut take: impl FnMut(&[u8], bool)) {
    let mut glued = false;
    for message in split(bytes) {
        let range = trimmed(message, 0..message.len());
        if !range.is_empty() {
            take(&message[range], glued);
        }
        glued = !matches!(message.last(), Some(b'\n' | 0));
    }
}

/// The range without line ends and zero bytes at its ends.
fn trimmed(bytes: &[u8], mut range: Range<usize>) -> Range<usize> {
    let end = |byte: u8| matches!(byte, b'\n' | b'\r' | 0);
    while !range.is_empty() && end(bytes[range.end - 1]) {
        range.end -= 1;
    }
    while !range.is_empty() && end(bytes[range.start]) {
        range.start += 1;
    }
    range
}

#[cfg(test)]
mod tests;
