//! How relays tell of messages that came several times: `message repeated 3 times: [ Interface Gi0/1, changed state to down]`
//! behind the process or code of that message, as rsyslog does, or `last message repeated 3 times`. It reads the words
//! alone; what stands within is for others.

use super::scan::{Scan, is_blank, trim};

/// A message that came several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeated<'l> {
    /// Process or code, or nothing.
    pub(super) before: &'l [u8],
    /// How many times more it came.
    pub(super) times: u32,
    /// The message.
    pub(super) text: &'l [u8],
}

/// Finds the message in its frame, which stands behind a process or a code and ends where the line does: within a text
/// anybody may have typed it.
pub(super) fn read(body: &[u8]) -> Option<Repeated<'_>> {
    const WORDS: &[u8] = b"message repeated ";
    // Few lines end so; the others are not looked through.
    let whole = trim(body).strip_suffix(b"]")?;
    let start = memchr::memmem::find(whole, WORDS)?;
    let before = trim(&whole[..start]);
    let is_tag = before.ends_with(b":") && !before.iter().any(|&byte| is_blank(byte));
    if !before.is_empty() && !is_tag {
        return None;
    }
    let mut scan = Scan::new(&whole[start + WORDS.len()..]);
    let times = times(&mut scan)?;
    scan.eat_all(b": [").then(|| Repeated { before, times, text: trim(scan.rest) })
}

/// How many times more the message before came, where a message says no more than that.
pub(super) fn last(message: &[u8]) -> Option<u32> {
    const WORDS: &[u8] = b"last message repeated ";
    let message = trim(message);
    let start = message.get(..WORDS.len())?;
    let mut scan = Scan::new(&message[WORDS.len()..]);
    let times = start.eq_ignore_ascii_case(WORDS).then(|| times(&mut scan))??;
    matches!(scan.rest, b"" | b".").then_some(times)
}

/// `3 times`; more than nine digits are no count that anybody has reached.
fn times(scan: &mut Scan<'_>) -> Option<u32> {
    let number = scan.number(1, 9)?;
    (scan.eat_all(b" times") || scan.eat_all(b" time")).then(|| u32::try_from(number).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_is_told_from_text_like_it() {
        let found = read(b"bgpd[7]: message repeated 12 times: [ sent [4/0] to 10.0.0.1]").unwrap();
        let expected = Repeated { before: b"bgpd[7]:", times: 12, text: b"sent [4/0] to 10.0.0.1" };
        assert_eq!(found, expected);
        assert_eq!(read(b"message repeated 1 time: [x] ").unwrap().times, 1);
        for other in [
            &b"message repeated 3 times: [ x"[..],
            b"message repeated many times: [ x]",
            b"message repeated 9999999999 times: [ x]",
            b"message repeated 3 times: x]",
            b"commessage repeated 3 times: [ x]",
            b"sshd[7]: Invalid user message repeated 3 times: [ x]",
            b"last message repeated 3 times",
            b"",
        ] {
            assert_eq!(read(other), None, "{}", other.escape_ascii());
        }
    }

    #[test]
    fn a_repetition_of_the_last_message_is_counted_and_nothing_else_is_one() {
        assert_eq!(last(b"last message repeated 7 time"), Some(7));
        assert_eq!(last(b" Last message repeated 12 times. "), Some(12));
        for other in [
            &b"last message repeated times"[..],
            b"last message repeated 7 times by somebody",
            b"last message repeated 9999999999999 times",
            b"the last message repeated 7 times",
            b"",
        ] {
            assert_eq!(last(other), None, "{}", other.escape_ascii());
        }
    }
}
