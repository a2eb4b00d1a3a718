//! Lines on their way to the store: one behind the other in two pieces of memory, so that a line more is no
//! allocation more. It knows no form on disk.

use model::UnixMs;

use super::StoredLine;

/// Lines that are stored together, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineBatch {
    rows: Vec<Row>,
    /// Device and code of each line.
    names: String,
    /// The bytes of each line.
    raw: Vec<u8>,
}

/// A line: how long its parts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    at: UnixMs,
    severity: Option<u8>,
    device: u32,
    code: u32,
    raw: u32,
}

/// A line, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineView<'a> {
    /// See [`StoredLine::at`].
    pub at: UnixMs,
    /// See [`StoredLine::device`].
    pub device: &'a str,
    /// See [`StoredLine::code`].
    pub code: &'a str,
    /// See [`StoredLine::severity`].
    pub severity: Option<u8>,
    /// See [`StoredLine::raw`].
    pub raw: &'a [u8],
}

impl LineView<'_> {
    /// The same on its own.
    pub fn to_stored(self) -> StoredLine {
        StoredLine {
            at: self.at,
            device: self.device.to_owned(),
            code: self.code.to_owned(),
            severity: self.severity,
            raw: self.raw.to_vec(),
        }
    }
}

impl LineBatch {
    /// Adds a line. Names and bytes beyond 4 GiB are cut, which no line has.
    pub fn push(&mut self, line: LineView<'_>) {
        let LineView { at, device, code, severity, raw } = line;
        let short = |length: usize| u32::try_from(length).unwrap_or(0);
        let row = Row {
            at,
            severity,
            device: short(device.len()),
            code: short(code.len()),
            raw: short(raw.len()),
        };
        self.names.push_str(&device[..row.device as usize]);
        self.names.push_str(&code[..row.code as usize]);
        self.raw.extend_from_slice(&raw[..row.raw as usize]);
        self.rows.push(row);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The bytes of all lines.
    pub fn bytes(&self) -> usize {
        self.raw.len()
    }

    /// The lines.
    pub fn iter(&self) -> impl Iterator<Item = LineView<'_>> + Clone {
        let (mut names, mut raw) = (self.names.as_str(), self.raw.as_slice());
        self.rows.iter().map(move |row| {
            let (device, rest) = names.split_at(row.device as usize);
            let (code, rest) = rest.split_at(row.code as usize);
            names = rest;
            let (bytes, rest) = raw.split_at(row.raw as usize);
            raw = rest;
            LineView { at: row.at, device, code, severity: row.severity, raw: bytes }
        })
    }
}

impl FromIterator<StoredLine> for LineBatch {
    fn from_iter<T: IntoIterator<Item = StoredLine>>(lines: T) -> Self {
        let mut batch = Self::default();
        lines.into_iter().for_each(|line| batch.push(line.view()));
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_as_they_went_in() {
        let line = |at, device: &str, code: &str, raw: &[u8]| StoredLine {
            at: UnixMs(at),
            device: device.into(),
            code: code.into(),
            severity: u8::try_from(at).ok(),
            raw: raw.to_vec(),
        };
        let lines = [
            line(1, "sw1", "LINK-3-UPDOWN", b"a"),
            line(-2, "", "", b""),
            line(3, "ä", "é", b"\xff\0"),
        ];
        let batch: LineBatch = lines.iter().cloned().collect();
        let back: Vec<StoredLine> = batch.iter().map(LineView::to_stored).collect();
        assert_eq!(back, lines);
        assert_eq!((batch.len(), batch.bytes(), batch.is_empty()), (3, 3, false));
    }
}
