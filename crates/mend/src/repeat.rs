//! `last message repeated N times`: what devices and relays say instead of saying it again.

/// How often the message before was said again, if that is what a message says.
pub fn repeats(message: &[u8]) -> Option<u64> {
    const START: &[u8] = b"last message repeated ";
    let message = message.trim_ascii();
    let start = message.get(..START.len())?;
    if !start.eq_ignore_ascii_case(START) {
        return None;
    }
    let rest = &message[START.len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let after = rest.get(digits..)?.trim_ascii();
    if !matches!(after, b"time" | b"times" | b"time." | b"times.") {
        return None;
    }
    // More than twelve digits are no count that anybody has reached.
    let digits = rest.get(..digits).filter(|digits| (1..=12).contains(&digits.len()))?;
    Some(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_is_counted_and_nothing_else_is_one() {
        assert_eq!(repeats(b"last message repeated 7 time"), Some(7));
        assert_eq!(repeats(b" Last message repeated 12 times\n"), Some(12));
        for other in [
            &b"last message repeated times"[..],
            b"last message repeated 7 times by somebody",
            b"last message repeated 9999999999999 times",
            b"the last message repeated 7 times",
            b"",
        ] {
            assert_eq!(repeats(other), None);
        }
    }
}
