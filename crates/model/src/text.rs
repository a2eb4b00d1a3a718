//! Text from elsewhere, made fit to be shown: on a terminal, in a mail's header, on a page. It must not
//! escape for any format: that is the format's affair.

/// `text` without anything that could pass for something else: line ends, tabs and runs of blanks become
/// one blank; control characters, characters without width and those that turn the direction of writing
/// become `�`. Of more than `max` characters the first are kept, and `…` says so.
pub fn printable(text: &str, max: usize) -> String {
    let mut kept = String::with_capacity(text.len().min(max.saturating_mul(4)));
    let mut count = 0;
    let mut blank = false;
    for c in text.trim().chars() {
        if c.is_whitespace() {
            blank = true;
            continue;
        }
        let needed = 1 + usize::from(blank);
        if count + needed > max {
            // The mark takes the place of the last character.
            if count >= max {
                kept.pop();
            }
            kept.push('…');
            break;
        }
        if std::mem::take(&mut blank) {
            kept.push(' ');
        }
        kept.push(if is_deceptive(c) { char::REPLACEMENT_CHARACTER } else { c });
        count += needed;
    }
    kept
}

/// Whether `c` is invisible or moves what stands around it: Unicode's general categories Cc and Cf as far
/// as anything shows them, and fillers that look like nothing (Unicode Technical Report 36, 2.10).
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_stays_as_it_is() {
        for text in ["", "edge7/wan1", "Zürich–Genève", "東京 1", "a b"] {
            assert_eq!(printable(text, 100), text);
        }
    }

    #[test]
    fn no_line_end_or_control_character_survives() {
        assert_eq!(printable("a\r\nBcc: x@y\t\tz\n", 100), "a Bcc: x@y z");
        assert_eq!(printable("\u{1b}[31mred\u{0}\u{7f}\u{9b}", 100), "�[31mred���");
        assert_eq!(printable("a\u{2028}b\u{85}c", 100), "a b c");
    }

    #[test]
    fn nothing_turns_or_hides_what_stands_around_it() {
        assert_eq!(printable("gpj.\u{202e}exe", 100), "gpj.�exe");
        assert_eq!(printable("a\u{200b}\u{2066}b\u{e0041}", 100), "a��b�");
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!(printable("ääää", 4), "ääää");
        assert_eq!(printable("äääää", 4), "äää…");
        assert_eq!(printable("ab cd", 3), "ab…");
        assert_eq!(printable("abc de", 4), "abc…");
        assert_eq!(printable(&"x".repeat(100_000), 64).chars().count(), 64);
        assert_eq!(printable("abc", 0), "…");
    }
}
