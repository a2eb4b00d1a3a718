//! The journal's rows: samples of many series as they came, written at once and read only after a restart.

use super::Malformed;
use super::checksum;
use super::scalar::Scalar;
use super::varint::{put, take, unzigzag, zigzag};

/// Builds the journal bytes of one batch.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    series: i64,
    at: i64,
}

impl Writer {
    /// A writer with room for that many samples.
    pub(crate) fn with_capacity(samples: usize) -> Self {
        Self { bytes: Vec::with_capacity(1 + samples.saturating_mul(8)), ..Self::default() }
    }

    /// Appends a sample of the series with number `series` in this file.
    #[inline]
    pub(crate) fn push(&mut self, series: u32, at: i64, value: f64) {
        // The neighbour's number comes next as a rule, so that distance is written as zero.
        let series = i64::from(series);
        put(&mut self.bytes, zigzag(series - self.series - 1));
        put(&mut self.bytes, zigzag(at - self.at));
        (self.series, self.at) = (series, at);
        Scalar::new(value).put(&mut self.bytes, &mut 0);
    }

    /// Appends the batch to a row: its length, so that batches can stand behind one another, a checksum,
    /// and the samples.
    pub(crate) fn append_to(&self, row: &mut Vec<u8>) {
        put(row, (self.bytes.len() + checksum::LENGTH) as u64);
        row.extend_from_slice(&checksum::of(&self.bytes));
        row.extend_from_slice(&self.bytes);
    }
}

/// Bytes of a row that do not decode.
#[derive(Debug, thiserror::Error)]
#[error("at byte {at} of {of}: {why}")]
pub(crate) struct Damage {
    /// Where the batch begins that is damaged.
    at: usize,
    /// Bytes of the row.
    of: usize,
    why: Malformed,
}

/// Hands over all samples of a row: series number, time, value.
pub(crate) fn read(row: &[u8], mut each: impl FnMut(u32, i64, Scalar)) -> Result<(), Damage> {
    let mut rest = row;
    while !rest.is_empty() {
        let at = row.len() - rest.len();
        rest = read_first(rest, &mut each).map_err(|why| Damage { at, of: row.len(), why })?;
    }
    Ok(())
}

/// Hands over the samples of the first batch; answers with what stands behind it.
fn read_first<'a>(
    mut rest: &'a [u8],
    each: &mut impl FnMut(u32, i64, Scalar),
) -> Result<&'a [u8], Malformed> {
    let length = take(&mut rest).ok_or(Malformed("a batch has no length"))?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (batch, next) = rest.split_at_checked(length).ok_or(Malformed("a batch ends early"))?;
    read_batch(checksum::open(batch)?, each).ok_or(Malformed("a sample does not decode"))?;
    Ok(next)
}

fn read_batch(mut rest: &[u8], each: &mut impl FnMut(u32, i64, Scalar)) -> Option<()> {
    let (mut series, mut at) = (0_i64, 0_i64);
    while !rest.is_empty() {
        series = series.checked_add(unzigzag(take(&mut rest)?))?.checked_add(1)?;
        at = at.checked_add(unzigzag(take(&mut rest)?))?;
        let value = Scalar::take(&mut rest, &mut 0)?;
        each(u32::try_from(series).ok()?, at, value);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = Vec<(u32, i64, f64)>;

    fn write(batches: &[Row]) -> Vec<u8> {
        let mut row = Vec::new();
        for batch in batches {
            let mut writer = Writer::default();
            for &(series, at, value) in batch {
                writer.push(series, at, value);
            }
            writer.append_to(&mut row);
        }
        row
    }

    fn read_all(row: &[u8]) -> Result<Row, Damage> {
        let mut samples = Vec::new();
        read(row, |series, at, value| samples.push((series, at, value.value())))?;
        Ok(samples)
    }

    proptest::proptest! {
        #[test]
        fn batches_come_back(
            batches in proptest::collection::vec(
                proptest::collection::vec((0..u32::MAX, 0..253_402_300_799_999_i64, -1e9..1e9_f64), 0..20),
                0..4,
            )
        ) {
            proptest::prop_assert_eq!(read_all(&write(&batches)).unwrap(), batches.concat());
        }

        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes: Vec<u8>) {
            let _ = read_all(&bytes);
            let _ = read_batch(&bytes, &mut |_, _, _| {});
        }
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let first = write(&[vec![(3, 1_700_000_000_000, 1.0)]]);
        let mut row = [first.clone(), first.clone()].concat();
        *row.last_mut().unwrap() ^= 1;
        let said = read_all(&row).unwrap_err().to_string();
        let expected = format!("at byte {} of {}: the checksum is wrong", first.len(), row.len());
        assert_eq!(said, expected);
    }

    #[test]
    fn a_cut_row_is_refused() {
        let row = write(&[vec![(3, 1_700_000_000_000, 1.0 / 3.0), (4, 1_700_000_000_001, 5.5)]]);
        for end in 1..row.len() {
            assert!(read_all(&row[..end]).is_err(), "cut at {end}");
        }
    }
}
