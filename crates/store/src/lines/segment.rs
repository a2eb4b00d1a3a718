//! How a run of lines is kept: devices and codes once each, then the lines, all of it under zstd. Bytes in,
//! lines out; whatever the bytes are, reading them ends with lines or a reason.

use std::collections::HashMap;

use super::StoredLine;
use crate::codec::varint::{self, unzigzag, zigzag};

/// Version of the form, the first byte of a segment.
const VERSION: u8 = 1;
/// Compression level: 3 is the library's default, some 300 MB/s.
const LEVEL: i32 = 3;
/// Largest plain size that is believed when a segment is read.
const MOST: usize = 256 << 20;

/// A line within the plain bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) at: i64,
    pub(crate) device: &'a str,
    pub(crate) code: &'a str,
    pub(crate) severity: Option<u8>,
    pub(crate) raw: &'a [u8],
}

impl Line<'_> {
    /// The same on its own.
    pub(crate) fn to_stored(self) -> StoredLine {
        StoredLine {
            at: model::UnixMs(self.at),
            device: self.device.to_owned(),
            code: self.code.to_owned(),
            severity: self.severity,
            raw: self.raw.to_vec(),
        }
    }
}

/// What is known of a packed segment without unpacking it.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) count: u64,
    pub(crate) plain: u64,
    pub(crate) body: Vec<u8>,
    pub(crate) devices: Vec<String>,
}

/// Packs lines, at least one.
pub(crate) fn pack<'a>(lines: impl Iterator<Item = Line<'a>>) -> Result<Packed, String> {
    let (mut devices, mut codes) = (Names::default(), Names::default());
    let mut rows = Vec::new();
    let (mut first, mut last, mut count) = (i64::MAX, i64::MIN, 0_u64);
    let mut before = 0;
    for line in lines {
        varint::put(&mut rows, zigzag(line.at.wrapping_sub(before)));
        before = line.at;
        varint::put(&mut rows, devices.number(line.device));
        varint::put(&mut rows, codes.number(line.code));
        rows.push(line.severity.unwrap_or(u8::MAX));
        varint::put(&mut rows, line.raw.len() as u64);
        rows.extend_from_slice(line.raw);
        (first, last) = (first.min(line.at), last.max(line.at));
        count += 1;
    }
    let mut plain = vec![VERSION];
    varint::put(&mut plain, count);
    devices.put(&mut plain);
    codes.put(&mut plain);
    plain.append(&mut rows);
    let body = zstd::bulk::compress(&plain, LEVEL).map_err(|why| why.to_string())?;
    let devices = devices.names.into_iter().map(str::to_owned).collect();
    Ok(Packed { first, last, count, plain: plain.len() as u64, body, devices })
}

/// Unpacks a segment whose plain size is known.
pub(crate) fn unpack(body: &[u8], plain: u64) -> Result<Vec<u8>, String> {
    let size = usize::try_from(plain).ok().filter(|size| *size <= MOST);
    let size = size.ok_or_else(|| format!("a size of {plain} bytes"))?;
    zstd::bulk::decompress(body, size).map_err(|why| why.to_string())
}

/// The lines of unpacked bytes, in their order.
pub(crate) fn lines(plain: &[u8]) -> Result<Vec<Line<'_>>, String> {
    read(plain).ok_or_else(|| "a line that does not end".to_owned())
}

fn read(plain: &[u8]) -> Option<Vec<Line<'_>>> {
    let (version, mut rest) = plain.split_first()?;
    if *version != VERSION {
        return None;
    }
    let count = varint::take(&mut rest)?;
    let devices = names(&mut rest)?;
    let codes = names(&mut rest)?;
    // A line takes 5 bytes at least, so a count that lies sets no memory aside.
    let mut found = Vec::with_capacity((count as usize).min(rest.len() / 5));
    let mut at = 0_i64;
    for _ in 0..count {
        at = at.wrapping_add(unzigzag(varint::take(&mut rest)?));
        let device = *devices.get(usize::try_from(varint::take(&mut rest)?).ok()?)?;
        let code = *codes.get(usize::try_from(varint::take(&mut rest)?).ok()?)?;
        let (severity, after) = rest.split_first()?;
        rest = after;
        let length = usize::try_from(varint::take(&mut rest)?).ok()?;
        let (raw, after) = rest.split_at_checked(length)?;
        rest = after;
        let severity = (*severity <= 7).then_some(*severity);
        found.push(Line { at, device, code, severity, raw });
    }
    Some(found)
}

/// Names and their numbers, in the order they were met.
#[derive(Default)]
struct Names<'a> {
    names: Vec<&'a str>,
    numbers: HashMap<&'a str, u64>,
}

impl<'a> Names<'a> {
    fn number(&mut self, name: &'a str) -> u64 {
        *self.numbers.entry(name).or_insert_with(|| {
            self.names.push(name);
            self.names.len() as u64 - 1
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        varint::put(out, self.names.len() as u64);
        for name in &self.names {
            varint::put(out, name.len() as u64);
            out.extend_from_slice(name.as_bytes());
        }
    }
}

fn names<'a>(rest: &mut &'a [u8]) -> Option<Vec<&'a str>> {
    let count = usize::try_from(varint::take(rest)?).ok()?;
    let mut names = Vec::with_capacity(count.min(rest.len()));
    for _ in 0..count {
        let length = usize::try_from(varint::take(rest)?).ok()?;
        let (name, after) = rest.split_at_checked(length)?;
        *rest = after;
        names.push(std::str::from_utf8(name).ok()?);
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_come_back_as_they_were(
            rows in proptest::collection::vec(
                (-1_000_000_000_000_i64..1_000_000_000_000, "[a-c]{0,2}", "[A-C]{0,2}",
                 proptest::option::of(0_u8..8), proptest::collection::vec(any::<u8>(), 0..50)),
                1..50,
            )
        ) {
            let sent = rows.iter().map(|(at, device, code, severity, raw)| Line {
                at: *at, device, code, severity: *severity, raw,
            });
            let packed = pack(sent.clone()).unwrap();
            let plain = unpack(&packed.body, packed.plain).unwrap();
            let found = lines(&plain).unwrap();
            prop_assert_eq!(found, sent.collect::<Vec<_>>());
            prop_assert_eq!(packed.count as usize, rows.len());
            prop_assert_eq!(packed.first, rows.iter().map(|row| row.0).min().unwrap());
        }

        #[test]
        fn any_bytes_are_lines_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            drop(lines(&bytes));
            drop(unpack(&bytes, 1000));
        }
    }
}
