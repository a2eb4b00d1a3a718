//! What a terminal would show of the bytes that a device sends: lines, without what repainted them. It knows
//! no prompt and no command, and keeps only what it was given; whoever feeds it sets the limit.

/// The lines of a terminal that is as long as it has to be.
///
/// Of the control sequences of ECMA-48 those that command lines use are obeyed: carriage return, backspace,
/// erase in line, cursor left and right. All others are swallowed, so that no answer can play with the terminal
/// of whoever reads it later.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    /// Finished lines, each with its line feed.
    done: Vec<u8>,
    /// The line that the cursor is in.
    line: Vec<u8>,
    /// The cursor's column in `line`, in bytes.
    column: usize,
    state: State,
}

/// Where in a control sequence the next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and one of `( ) * + #`: one byte follows.
    Charset,
    /// After ESC `[`, with the first number so far.
    Control(u16),
    /// After ESC `]`, P, `^`, `_` or X: ends with BEL or ESC `\`.
    Words,
    /// A possible end of [`State::Words`].
    WordsEscape,
}

/// Columns that the cursor may be moved beyond the end of a line.
const MAX_COLUMNS: usize = 1 << 12;

/// Bytes of the head.
const WINDOW: usize = 8 << 10;

/// Most bytes of the last line.
const MAX_LAST: usize = 1 << 10;

impl Screen {
    /// Shows `bytes`.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while let Some(first) = bytes.first() {
            if self.state == State::Text && is_printable(*first) {
                let end = bytes.iter().position(|byte| !is_printable(*byte)).unwrap_or(bytes.len());
                self.print(&bytes[..end]);
                bytes = &bytes[end..];
            } else {
                self.step(*first);
                bytes = &bytes[1..];
            }
        }
    }

    /// The unfinished line, without the blanks at its end.
    pub(crate) fn line(&self) -> String {
        clean(self.line.trim_ascii_end())
    }

    /// The finished lines.
    pub(crate) fn text(&self) -> String {
        clean(&self.done)
    }

    /// The first finished lines, where echoes are.
    pub(crate) fn head(&self) -> String {
        clean(&self.done[..self.done.len().min(WINDOW)])
    }

    /// The last finished line, or the end of a long one.
    pub(crate) fn last_line(&self) -> String {
        let lines = self.done.strip_suffix(b"\n").unwrap_or(&self.done);
        let window = &lines[lines.len().saturating_sub(MAX_LAST)..];
        clean(window.rsplit(|byte| *byte == b'\n').next().unwrap_or_default())
    }

    /// Bytes of the unfinished line, with the blanks at its end.
    pub(crate) fn line_len(&self) -> usize {
        self.line.len()
    }

    /// Whether any line is finished.
    pub(crate) fn has_lines(&self) -> bool {
        !self.done.is_empty()
    }

    /// Forgets the unfinished line, whatever is painted over it later.
    pub(crate) fn clear_line(&mut self) {
        self.line.clear();
        self.column = 0;
    }

    /// Forgets all but the unfinished line.
    pub(crate) fn clear_lines(&mut self) {
        self.done.clear();
    }

    fn print(&mut self, bytes: &[u8]) {
        if self.column > self.line.len() {
            self.line.resize(self.column, b' ');
        }
        let over = bytes.len().min(self.line.len() - self.column);
        self.line[self.column..self.column + over].copy_from_slice(&bytes[..over]);
        self.line.extend_from_slice(&bytes[over..]);
        self.column += bytes.len();
    }

    fn step(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Text, _) => self.control(byte),
            (State::Escape, b'[') => State::Control(0),
            (State::Escape, b'(' | b')' | b'*' | b'+' | b'#') => State::Charset,
            (State::Control(number), b'0'..=b'9') => {
                State::Control(number.saturating_mul(10).saturating_add(u16::from(byte - b'0')))
            }
            // A second number, or the mark of a private sequence: the first number is what counts.
            (State::Control(number), b' '..=b'?') => State::Control(number),
            (State::Control(number), _) => {
                self.sequence(byte, usize::from(number));
                State::Text
            }
            (State::Words, 0x1b) => State::WordsEscape,
            (State::Words, 0x07) | (State::WordsEscape, b'\\') | (State::Charset, _) => State::Text,
            (State::Escape, b']' | b'P' | b'^' | b'_' | b'X')
            | (State::Words | State::WordsEscape, _) => State::Words,
            (State::Escape, _) => State::Text,
        };
    }

    /// A control character of its own.
    fn control(&mut self, byte: u8) -> State {
        match byte {
            b'\n' => {
                self.done.extend_from_slice(self.line.trim_ascii_end());
                self.done.push(b'\n');
                self.clear_line();
            }
            b'\r' => self.column = 0,
            0x08 => self.column = self.column.saturating_sub(1),
            b'\t' => self.print(b"\t"),
            0x1b => return State::Escape,
            _ => {}
        }
        State::Text
    }

    /// The end of a control sequence.
    fn sequence(&mut self, last: u8, number: usize) {
        match last {
            b'K' if number == 0 => self.line.truncate(self.column),
            b'K' if number == 2 => self.line.clear(),
            b'J' if number == 2 => self.clear_line(),
            b'D' => self.column = self.column.saturating_sub(number.max(1)),
            b'C' => self.column = (self.column + number.max(1)).min(MAX_COLUMNS.max(self.column)),
            b'G' => self.column = number.saturating_sub(1).min(MAX_COLUMNS),
            _ => {}
        }
    }
}

fn is_printable(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f
}

/// Bytes as text: what is no UTF-8 is replaced, and so are the control characters that need two bytes.
fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(bytes: &[u8]) -> (String, String) {
        let mut screen = Screen::default();
        screen.push(bytes);
        (screen.text(), screen.line())
    }

    #[test]
    fn a_pager_that_paints_over_itself_leaves_no_trace() {
        for (name, bytes) in [
            ("blanks", &b"one\r\n --More-- \r         \rtwo\r\n"[..]),
            ("backspaces", b"one\r\n --More-- \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08          \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08two\r\n"),
            ("erase", b"one\r\n---(more)---\r\x1b[Ktwo\r\n"),
            ("erase all", b"one\r\n--More--\x1b[2K\rtwo\r\n"),
            ("left", b"one\r\n--More--\x1b[8D\x1b[Ktwo\r\n"),
        ] {
            assert_eq!(shown(bytes), ("one\ntwo\n".into(), String::new()), "{name}");
        }
    }

    #[test]
    fn colours_titles_and_other_sequences_are_swallowed() {
        let bytes = b"\x1b[?2004h\x1b]0;title\x07\x1b[1;31mr1\x1b[0m\x1b(B# \x1bPq\x1b\\";
        assert_eq!(shown(bytes), (String::new(), "r1#".into()));
        assert_eq!(shown(b"a\0\x07\x7fb\xc2\x9bc\xffd").1, "ab\u{fffd}c\u{fffd}d");
    }

    #[test]
    fn a_cursor_that_is_sent_away_stays_within_reason() {
        let (_, line) = shown(b"\x1b[65000Cx\x1b[99999999999Gy");
        assert!(line.len() <= MAX_COLUMNS + 1);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_bytes_are_cut(bytes: Vec<u8>, cut: usize) {
            let cut = cut % (bytes.len() + 1);
            let mut screen = Screen::default();
            screen.push(&bytes[..cut]);
            screen.push(&bytes[cut..]);
            prop_assert_eq!((screen.text(), screen.line()), shown(&bytes));
        }
    }
}
