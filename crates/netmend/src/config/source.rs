//! The texts that a configuration is read from, and places in them. It only reads files; what the texts
//! mean is known elsewhere.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Largest file that is read. 100,000 targets with every key take less than half of it.
pub(crate) const MAX_BYTES: u64 = 64 << 20;

/// A part of one source, in bytes. Cheap to keep: line and column are looked up when somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    /// Which source, as numbered by [`Texts`].
    pub(crate) source: u32,
    /// First byte.
    pub(crate) start: u32,
    /// First byte after it.
    pub(crate) end: u32,
}

impl Span {
    /// The beginning of a source: where problems of the file as a whole are shown.
    pub(crate) fn top(source: u32) -> Self {
        Self { source, start: 0, end: 0 }
    }
}

/// A value and where it was typed.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it stands.
    pub(crate) span: Span,
}

/// Line and column as editors count them, both from 1; columns count characters, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
}

/// One text with the name that people know it by.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Path as given, `-` for standard input, or the command line's option.
    pub(crate) name: String,
    /// Its content.
    pub(crate) text: Arc<str>,
    lines: Vec<u32>,
}

impl Source {
    fn new(name: String, text: Arc<str>) -> Self {
        let bytes = text.as_bytes();
        let starts = (0..bytes.len()).filter(|&at| match bytes[at] {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        let lines = std::iter::once(0).chain(starts.map(|at| at as u32 + 1)).collect();
        Self { name, text, lines }
    }

    /// Line and column of a byte.
    pub(crate) fn position(&self, byte: u32) -> Position {
        let line = self.lines.partition_point(|&start| start <= byte);
        let start = self.lines[line - 1] as usize;
        let end = self.text.floor_char_boundary((byte as usize).min(self.text.len()));
        Position { line, column: self.text[start..end].chars().count() + 1 }
    }

    /// The bytes of the line that holds `byte`, without its end.
    pub(crate) fn line(&self, byte: u32) -> std::ops::Range<usize> {
        let line = self.lines.partition_point(|&start| start <= byte);
        let start = self.lines[line - 1] as usize;
        let end = self.lines.get(line).map_or(self.text.len(), |&next| next as usize);
        start..start + self.text[start..end].trim_end_matches(['\r', '\n']).len()
    }
}

/// All texts of one configuration; a [`Span`] points into them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    list: Vec<Source>,
}

impl Texts {
    /// Adds a text and says its number.
    pub(crate) fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> u32 {
        self.list.push(Source::new(name.into(), text.into()));
        self.list.len() as u32 - 1
    }

    /// Adds all texts of others; says the number of the first.
    pub(crate) fn append(&mut self, others: Self) -> u32 {
        let first = self.list.len() as u32;
        self.list.extend(others.list);
        first
    }

    /// The text with this number.
    pub(crate) fn get(&self, source: u32) -> &Source {
        &self.list[source as usize]
    }
}

/// Why a text cannot be used at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// What is wrong, for people.
    pub(crate) what: String,
    /// The text before the first byte that is wrong, so that a position can be shown.
    pub(crate) before: String,
}

impl Unreadable {
    fn whole(what: impl Into<String>) -> Self {
        Self { what: what.into(), before: String::new() }
    }
}

/// Reads a file, or standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<String, Unreadable> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| {
            if file.metadata()?.is_dir() {
                return Err(std::io::ErrorKind::IsADirectory.into());
            }
            file.take(MAX_BYTES + 1).read_to_end(&mut bytes)
        })
    };
    match read {
        Ok(_) => decode(bytes),
        Err(error) => Err(Unreadable::whole(format!("cannot be read: {}", words(&error)))),
    }
}

/// The system's words for an error without the number that Rust adds.
pub(crate) fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

/// UTF-8 text without a byte order mark and without control characters, or the reason why not.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<String, Unreadable> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Unreadable::whole(format!("is larger than {} MiB", MAX_BYTES >> 20)));
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(Unreadable::whole("is UTF-16; save it as UTF-8"));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let byte = error.as_bytes()[valid];
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
        Unreadable { what: format!("is not UTF-8: byte 0x{byte:02X}"), before }
    })?;
    if text.starts_with('\u{FEFF}') {
        text.drain(..'\u{FEFF}'.len_utf8());
    }
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if let Some((at, c)) = text.char_indices().find(|&(_, c)| control(c)) {
        let what = format!("holds the control character U+{:04X}", c as u32);
        return Err(Unreadable { what, before: text[..at].to_owned() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_whatever_ends_the_lines() {
        let mut texts = Texts::default();
        let source = texts.add("x", "a\nbö c\r\nd\re");
        let position = |byte| {
            let Position { line, column } = texts.get(source).position(byte);
            (line, column)
        };
        assert_eq!(position(0), (1, 1));
        assert_eq!(position(2), (2, 1));
        assert_eq!(position(6), (2, 4), "ö is one column");
        assert_eq!(position(9), (3, 1));
        assert_eq!(position(11), (4, 1), "a lone CR ends a line too");
        assert_eq!(position(400), (4, 2), "past the end is the end");
    }

    #[test]
    fn text_that_is_no_text_is_refused_with_the_place() {
        let refused = |bytes: &[u8]| decode(bytes.to_vec()).unwrap_err();
        assert_eq!(refused(b"a\nb\xFFc").before, "a\nb");
        assert_eq!(refused(b"a\nb\xFFc").what, "is not UTF-8: byte 0xFF");
        assert_eq!(refused(b"a\0b").what, "holds the control character U+0000");
        assert!(refused(b"\xFF\xFEa\0").what.contains("UTF-16"));
        assert_eq!(decode(b"\xEF\xBB\xBFsite: x\r\n".to_vec()).unwrap(), "site: x\r\n");
    }
}
