//! What must hold for bytes that a disk gives back. Each is read as it is, which the checksum refuses as a
//! rule, and behind a right checksum, as if the very writer had been wrong.

use crate::codec::{checksum, chunk, journal, rollup, varint};

/// Samples of the same bits; a damaged chunk may hold any float.
fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// A chunk; the first two bytes say how many samples the caller expects in it.
pub fn chunk(bytes: &[u8]) {
    let Some((&count, body)) = bytes.split_first_chunk() else { return };
    let count = usize::from(u16::from_le_bytes(count));
    for chunk in [body.to_vec(), checksum::seal(body)] {
        let (mut ats, mut values) = (vec![7], vec![7.0]);
        let read = chunk::unpack(&chunk, count, &mut ats, &mut values);
        let expected = 1 + if read.is_ok() { count } else { 0 };
        assert_eq!((ats.len(), values.len()), (expected, expected), "all or nothing");
        if read.is_ok() && count > 0 {
            let (mut ats_again, mut values_again) = (Vec::new(), Vec::new());
            let packed = chunk::pack(&ats, &values);
            chunk::unpack(&packed, 1 + count, &mut ats_again, &mut values_again).unwrap();
            assert_eq!((ats_again, bits(&values_again)), (ats, bits(&values)));
        }
    }
}

/// A row of the journal, and one batch of it.
pub fn journal(bytes: &[u8]) {
    let mut batch = Vec::new();
    varint::put(&mut batch, (checksum::LENGTH + bytes.len()) as u64);
    batch.extend(checksum::seal(bytes));
    for row in [bytes, &batch] {
        let mut samples = Vec::new();
        let read =
            journal::read(row, |series, at, value| samples.push((series, at, value.value())));
        // A sample has three numbers of at least a byte.
        assert!(samples.len() <= row.len() / 3);
        let written = samples.iter().all(|(_, at, _)| (0..=253_402_300_799_999).contains(at));
        if read.is_err() || !written {
            continue;
        }
        let mut writer = journal::Writer::with_capacity(samples.len());
        samples.iter().for_each(|&(series, at, value)| writer.push(series, at, value));
        let mut again = Vec::new();
        writer.append_to(&mut again);
        let mut left = samples.iter();
        journal::read(&again, |series, at, value| {
            let sample = left.next().map(|(series, at, value)| (*series, *at, value.to_bits()));
            assert_eq!(Some((series, at, value.value().to_bits())), sample);
        })
        .unwrap();
        assert_eq!(left.next(), None);
    }
}

/// The rollup of a chunk.
pub fn rollup(bytes: &[u8]) {
    for bytes in [bytes.to_vec(), checksum::seal(bytes)] {
        let mut minutes = Vec::new();
        if rollup::unpack(&bytes, &mut minutes).is_err() {
            assert!(minutes.is_empty(), "all or nothing");
        }
        assert!(minutes.len() <= bytes.len());
        assert!(minutes.iter().all(|minute| minute.count > 0 && minute.at % rollup::MINUTE == 0));
    }
}
