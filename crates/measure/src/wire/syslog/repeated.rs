//! What rsyslog writes when a message came several times: `message repeated 3 times: [ Interface Gi0/1, changed state to down]`
//! behind the process or code of that message. It reads the frame alone; what stands within is for others.

use super::scan::{Scan, is_blank, trim};

/// A message that came several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeated<'l> {
    /// What stands before the frame: process, code, or nothing.
    pub(super) before: &'l [u8],
    /// How many times more it came.
    pub(super) times: u32,
    /// The message.
    pub(super) text: &'l [u8],
}

/// Finds the frame, which ends where the line does.
pub(super) fn read(body: &[u8]) -> Option<Repeated<'_>> {
    const WORDS: &[u8] = b"message repeated ";
    // Few lines end so; the others are not looked through.
    let whole = trim(body).strip_suffix(b"]")?;
    let start = memchr::memmem::find(whole, WORDS)?;
    let (before, words) = whole.split_at(start);
    if before.last().is_some_and(|&byte| !is_blank(byte)) {
        return None;
    }
    let mut scan = Scan::new(&words[WORDS.len()..]);
    let digits = scan.take_while(|byte| byte.is_ascii_digit());
    // More than nine digits are no count that anybody has reached.
    let digits = (1..=9).contains(&digits.len()).then_some(digits)?;
    let times = digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let framed = scan.eat_all(b" times: [") || scan.eat_all(b" time: [");
    framed.then(|| Repeated { before, times, text: trim(scan.rest) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_is_told_from_text_like_it() {
        let found = read(b"bgpd[7]: message repeated 12 times: [ sent [4/0] to 10.0.0.1]").unwrap();
        let expected =
            Repeated { before: b"bgpd[7]: ", times: 12, text: b"sent [4/0] to 10.0.0.1" };
        assert_eq!(found, expected);
        assert_eq!(read(b"message repeated 1 time: [x] ").unwrap().times, 1);
        for other in [
            &b"message repeated 3 times: [ x"[..],
            b"message repeated many times: [ x]",
            b"message repeated 9999999999 times: [ x]",
            b"message repeated 3 times: x]",
            b"commessage repeated 3 times: [ x]",
            b"last message repeated 3 times",
            b"",
        ] {
            assert_eq!(read(other), None);
        }
    }
}
