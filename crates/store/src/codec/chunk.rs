//! A chunk: the samples of one series over a span, as a column of times and a column of values behind a
//! checksum.

use super::Malformed;
use super::checksum::{open, seal};
use super::column::{Shape, put_integers, put_values, take_numbers, take_values};

/// Packs two columns of equal length, times ascending.
pub(crate) fn pack(ats: &[i64], values: &[f64]) -> Vec<u8> {
    debug_assert_eq!(ats.len(), values.len());
    let mut body = Vec::with_capacity(32 + ats.len() * 3);
    put_integers(&mut body, ats, Shape::Steady);
    put_values(&mut body, values);
    seal(&body)
}

/// Appends the `count` samples of a chunk to two columns; on an error neither has grown.
pub(crate) fn unpack(
    bytes: &[u8],
    count: usize,
    ats: &mut Vec<i64>,
    values: &mut Vec<f64>,
) -> Result<(), Malformed> {
    let mut body = open(bytes)?;
    let times = take_numbers::<i64>(&mut body, count)?;
    let before = values.len();
    take_values(&mut body, count, values)?;
    if !body.is_empty() {
        values.truncate(before);
        return Err(Malformed("bytes are left over"));
    }
    ats.extend_from_slice(&times);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64]) {
        let ats: Vec<i64> = (0..).map(|i| 1_700_000_000_000 + i * i).take(values.len()).collect();
        let bytes = pack(&ats, values);
        let (mut ats_back, mut values_back) = (Vec::new(), Vec::new());
        unpack(&bytes, values.len(), &mut ats_back, &mut values_back).unwrap();
        assert_eq!(ats_back, ats);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&values_back), bits(values));
    }

    #[test]
    fn whole_numbers_thousandths_and_floats_come_back_bit_for_bit() {
        check(&[0.0, 100.0, 100.0, 0.0]);
        check(&[150_234.567, 151_000.001, 7.0]);
        check(&[1.0 / 3.0, -0.0, 1e300, 5e-324]);
        check(&[42.0]);
    }

    proptest::proptest! {
        #[test]
        fn any_values_come_back(values in proptest::collection::vec(-1e12..1e12_f64, 1..300)) {
            check(&values);
        }

        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes: Vec<u8>, count in 0..5000_usize) {
            let sealed = seal(&bytes);
            let (mut ats, mut values) = (Vec::new(), Vec::new());
            let _ = unpack(&sealed, count, &mut ats, &mut values);
            proptest::prop_assert_eq!(ats.len(), values.len());
        }
    }

    #[test]
    fn one_flipped_bit_is_noticed() {
        let bytes = pack(&[1, 2, 3], &[1.0, 2.5, 3.0]);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (mut ats, mut values) = (Vec::new(), Vec::new());
            assert!(unpack(&flipped, 3, &mut ats, &mut values).is_err(), "bit {bit}");
            assert!(ats.is_empty() && values.is_empty());
        }
    }
}
