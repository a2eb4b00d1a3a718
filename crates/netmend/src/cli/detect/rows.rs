//! Reads `timestamp,value` lines, millions of them in the memory of one. Whatever a line holds, it is a
//! row, a header, or malformed and counted; it must not stop the reading.

use std::io::{self, BufRead, BufReader, Read};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::UnixMs;

/// Longest line that is looked at, in bytes.
const LONGEST: u64 = 4096;
/// How much of a malformed line is shown, in characters.
const SHOWN: usize = 60;

/// One sample as it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) at: UnixMs,
    /// NaN is a missing sample.
    pub(super) value: f64,
}

/// The rows of an input.
#[derive(Debug)]
pub(super) struct Rows<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    /// Lines so far.
    number: u64,
    /// Rows so far, and lines that were none.
    pub(super) read: u64,
    pub(super) malformed: u64,
    /// Number and start of the first malformed line.
    pub(super) first_malformed: (u64, String),
}

impl<R: Read> Rows<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input: BufReader::with_capacity(1 << 16, input),
            line: Vec::new(),
            number: 0,
            read: 0,
            malformed: 0,
            first_malformed: (0, String::new()),
        }
    }

    /// The next row; `None` at the end of the input.
    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        loop {
            self.line.clear();
            let taken = (&mut self.input).take(LONGEST).read_until(b'\n', &mut self.line)?;
            if taken == 0 {
                return Ok(None);
            }
            self.number += 1;
            let ended = self.line.last() == Some(&b'\n');
            if !ended && taken as u64 == LONGEST {
                self.skip_line()?;
            }
            let text = self.line.trim_ascii();
            let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
            if text.is_empty() {
                continue;
            }
            if let Some(row) = parse(text) {
                self.read += 1;
                return Ok(Some(row));
            }
            let header = self.number == 1 && text[0].is_ascii_alphabetic();
            if !header {
                self.malformed += 1;
                if self.malformed == 1 {
                    let shown = String::from_utf8_lossy(text);
                    let shown = shown.chars().take(SHOWN).flat_map(char::escape_debug).collect();
                    self.first_malformed = (self.number, shown);
                }
            }
        }
    }

    /// Whether the next row would have to be waited for.
    pub(super) fn would_wait(&self) -> bool {
        self.input.buffer().is_empty()
    }

    /// Drops the rest of a line that is too long.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let held = self.input.fill_buf()?;
            if held.is_empty() {
                return Ok(());
            }
            let end = held.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(held.len(), |at| at + 1);
            self.input.consume(length);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

/// A line as a row; `None` if it is not one.
fn parse(line: &[u8]) -> Option<Row> {
    let mut fields = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let at = time(std::str::from_utf8(fields.next()?).ok()?)?;
    let value = std::str::from_utf8(fields.next()?).ok()?;
    let value = if value.is_empty() { f64::NAN } else { value.parse().ok()? };
    Some(Row { at, value })
}

/// Seconds since 1970, or a date and time; one without a zone is UTC.
fn time(text: &str) -> Option<UnixMs> {
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1000).map(UnixMs);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = (seconds * 1000.0).round();
        return (ms.abs() < 9e15).then_some(UnixMs(ms as i64));
    }
    let instant = text.parse::<Timestamp>().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    Some(UnixMs(instant.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8]) -> (Vec<(i64, f64)>, Rows<&[u8]>) {
        let mut rows = Rows::new(text);
        let mut found = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            found.push((row.at.0, row.value));
        }
        (found, rows)
    }

    #[test]
    fn times_come_as_seconds_or_as_dates() {
        let (found, rows) = rows(
            b"\xef\xbb\xbftimestamp,value\n1767571200,1\n1767571200.5,2,more\r\n\
              2026-01-05T00:00:01Z,3\n2026-01-05 01:00:02+01:00,4\n2026-01-05 00:00:03,5\n",
        );
        let wanted = [(0, 1.0), (500, 2.0), (1000, 3.0), (2000, 4.0), (3000, 5.0)];
        assert_eq!(found, wanted.map(|(at, value)| (1_767_571_200_000 + at, value)));
        assert_eq!((rows.read, rows.malformed), (5, 0));
    }

    #[test]
    fn an_empty_value_is_a_missing_sample() {
        let (found, _) = rows(b"60,\n120,nan\n180, 7 \n");
        assert!(found[0].1.is_nan() && found[1].1.is_nan());
        assert_eq!(found[2], (180_000, 7.0));
    }

    #[test]
    fn what_is_no_row_is_counted_and_the_first_is_remembered() {
        let mut text = b"60,1\nnonsense\n\n1,2x\n9223372036854775807,1\n\xff\xfe,3\n".to_vec();
        text.extend(vec![b'7'; 10_000]);
        text.extend(b"\n120,2");
        let (found, rows) = rows(&text);
        assert_eq!(found, [(60_000, 1.0), (120_000, 2.0)]);
        assert_eq!(rows.malformed, 5);
        assert_eq!(rows.first_malformed, (2, "nonsense".to_owned()));
    }

    #[test]
    fn a_line_without_end_is_read_in_bounded_memory() {
        let text = vec![b'1'; 1 << 20];
        let (found, rows) = rows(&text);
        assert!(found.is_empty());
        assert_eq!(rows.malformed, 1);
        assert!(rows.line.capacity() as u64 <= 2 * LONGEST, "{}", rows.line.capacity());
    }
}
