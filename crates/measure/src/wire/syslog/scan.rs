//! A cursor over the bytes of a line: the few moves that all recognisers are made of. It knows no format,
//! copies nothing and cannot run over the end.

/// What is left of a line. It is `Copy`: a recogniser tries on a copy and hands back the place it reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'l> {
    /// The bytes not yet read.
    pub(super) rest: &'l [u8],
}

impl<'l> Scan<'l> {
    pub(super) fn new(rest: &'l [u8]) -> Self {
        Self { rest }
    }

    /// The next byte; 0 at the end, which no recogniser looks for.
    pub(super) fn peek(&self) -> u8 {
        self.rest.first().copied().unwrap_or(0)
    }

    /// The byte `ahead` of the next one; 0 past the end.
    pub(super) fn peek_at(&self, ahead: usize) -> u8 {
        self.rest.get(ahead).copied().unwrap_or(0)
    }

    /// Goes `n` bytes on, at most to the end.
    pub(super) fn skip(&mut self, n: usize) {
        self.rest = self.rest.get(n..).unwrap_or_default();
    }

    /// Takes one certain byte.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == byte && !self.rest.is_empty();
        if there {
            self.rest = &self.rest[1..];
        }
        there
    }

    /// Takes certain bytes.
    pub(super) fn eat_all(&mut self, bytes: &[u8]) -> bool {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Skips blanks and tabs; says how many.
    pub(super) fn blanks(&mut self) -> usize {
        let before = self.rest.len();
        while let [first, rest @ ..] = self.rest
            && is_blank(*first)
        {
            self.rest = rest;
        }
        before - self.rest.len()
    }

    /// Takes bytes as long as they are wanted.
    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'l [u8] {
        let n = self.rest.iter().position(|&byte| !wanted(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(n);
        self.rest = rest;
        taken
    }

    /// Takes everything up to the next blank.
    pub(super) fn token(&mut self) -> &'l [u8] {
        self.take_while(|byte| !is_blank(byte))
    }

    /// Takes a number of `least` to `most` digits; leaves the cursor alone where there is none.
    pub(super) fn number(&mut self, least: usize, most: usize) -> Option<u64> {
        let (mut number, mut digits, mut rest) = (0_u64, 0, self.rest);
        while let [digit @ b'0'..=b'9', behind @ ..] = rest {
            digits += 1;
            if digits > most || digits > 19 {
                return None;
            }
            number = number * 10 + u64::from(digit - b'0');
            rest = behind;
        }
        if digits < least {
            return None;
        }
        self.rest = rest;
        Some(number)
    }
}

/// Kinds of bytes, looked up in a table: a line is mostly words, and each of their bytes is asked about.
pub(super) mod class {
    /// Blank and tab.
    pub(in super::super) const BLANK: u8 = 1;
    /// Letters and digits, and what is no ASCII.
    pub(in super::super) const WORD: u8 = 2;
    /// What a host's name may hold besides.
    pub(in super::super) const HOST_MARK: u8 = 4;
    /// What ends the name of a process.
    pub(in super::super) const TAG_END: u8 = 8;
    /// What a code's name may hold: ASCII letters, digits and its marks.
    pub(in super::super) const CODE: u8 = 16;
    /// What a clock may begin with: a digit, its marks, the letters of months and weekdays.
    pub(in super::super) const CLOCK: u8 = 32;

    static TABLE: [u8; 256] = table();

    const fn table() -> [u8; 256] {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let byte = at as u8;
            let ascii = byte.is_ascii_alphanumeric();
            if matches!(byte, b' ' | b'\t') {
                table[at] |= BLANK;
            }
            if ascii || byte >= 0x80 {
                table[at] |= WORD;
            }
            if matches!(byte, b'-' | b'.' | b'_' | b':' | b'+' | b'&') {
                table[at] |= HOST_MARK;
            }
            if matches!(byte, b' ' | b'\t' | b':' | b'[' | b'=' | b'|' | b',' | b'{' | b'"') {
                table[at] |= TAG_END;
            }
            if ascii || matches!(byte, b'_' | b'-' | b'.') {
                table[at] |= CODE;
            }
            let named = matches!(
                byte & !0x20,
                b'J' | b'F'
                    | b'M'
                    | b'A'
                    | b'S'
                    | b'O'
                    | b'N'
                    | b'D'
                    | b'T'
                    | b'W'
                    | b'G'
                    | b'L'
                    | b'E'
            );
            if byte.is_ascii_digit() || matches!(byte, b'*' | b'.') || byte >= b'A' && named {
                table[at] |= CLOCK;
            }
            at += 1;
        }
        table
    }

    /// Whether a byte is of one of these kinds.
    #[inline]
    pub(in super::super) fn is(byte: u8, kinds: u8) -> bool {
        TABLE[byte as usize] & kinds != 0
    }
}

/// Blank or tab: what separates fields. Line ends and NUL do not stand inside a header.
pub(super) fn is_blank(byte: u8) -> bool {
    class::is(byte, class::BLANK)
}

/// Bytes as text, where they are.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

/// Bytes without blanks around them.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_blank(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && (is_blank(*last) || matches!(last, b'\r' | b'\n' | 0))
    {
        bytes = rest;
    }
    bytes
}
