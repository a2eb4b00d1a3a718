//! Values as integers where that loses nothing: RTTs have three decimals and counters none, and integers
//! pack several times better than floating point.

use super::varint::{put, take, unzigzag, zigzag};

/// Whole numbers up to here are exact in an `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Thousandths: nanoseconds of an RTT given in microseconds.
const SCALE: f64 = 1000.0;
/// Adding and taking away 1.5 * 2^52 rounds to a whole number without a library call. That is right
/// below 2^51; what it gets wrong above does not give back the same bits and is refused.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// `value` in thousandths, if that number gives back the very same bits.
#[inline]
pub(crate) fn to_thousandths(value: f64) -> Option<i64> {
    let scaled = value * SCALE;
    if scaled.abs() >= EXACT {
        return None;
    }
    let whole = ((scaled + ROUND) - ROUND) as i64;
    (from_thousandths(whole).to_bits() == value.to_bits()).then_some(whole)
}

/// The value of that many thousandths.
#[inline]
pub(crate) fn from_thousandths(whole: i64) -> f64 {
    whole as f64 / SCALE
}

/// `value` as a whole number, if that gives back the very same bits.
#[inline]
pub(crate) fn to_whole(value: f64) -> Option<i64> {
    if value.abs() >= EXACT {
        return None;
    }
    let whole = value as i64;
    ((whole as f64).to_bits() == value.to_bits()).then_some(whole)
}

/// A value as the journal and the heads keep it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar {
    /// That many thousandths, below 2^53.
    Thousandths(i64),
    /// Anything else.
    Float(f64),
}

impl Scalar {
    #[inline]
    pub(crate) fn new(value: f64) -> Self {
        to_thousandths(value).map_or(Self::Float(value), Self::Thousandths)
    }

    #[inline]
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::Thousandths(whole) => from_thousandths(whole),
            Self::Float(value) => value,
        }
    }

    /// Appends it: the distance to `*previous` with a zero bit below, or a one and eight bytes.
    #[inline]
    pub(crate) fn put(self, out: &mut Vec<u8>, previous: &mut i64) {
        match self {
            // Both are below 2^53, so their distance has room for the sign and the tag.
            Self::Thousandths(whole) => {
                put(out, zigzag(whole - *previous) << 1);
                *previous = whole;
            }
            Self::Float(value) => {
                out.push(1);
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    /// Takes it off the front of `bytes`.
    #[inline]
    pub(crate) fn take(bytes: &mut &[u8], previous: &mut i64) -> Option<Self> {
        let head = take(bytes)?;
        if head & 1 == 0 {
            *previous = previous.wrapping_add(unzigzag(head >> 1));
            return Some(Self::Thousandths(*previous));
        }
        let (value, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(Self::Float(f64::from_le_bytes(*value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_come_back_bit_for_bit_or_not_at_all() {
        for value in [0.0, 0.001, 150_234.567, -7.25, 100.0, 1e12] {
            let whole = to_thousandths(value).unwrap_or_else(|| panic!("{value} has 3 decimals"));
            assert_eq!(from_thousandths(whole).to_bits(), value.to_bits());
        }
        for value in [-0.0, 0.0001, 1.0 / 3.0, 1e15, f64::MIN_POSITIVE, f64::MAX] {
            assert_eq!(to_thousandths(value), None, "{value}");
        }
    }

    #[test]
    fn whole_numbers_reach_further() {
        assert_eq!(to_whole(1e15), Some(1_000_000_000_000_000));
        for value in [-0.0, 0.5, 1e16] {
            assert_eq!(to_whole(value), None, "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_value_ever_changes(bits: u64) {
            let value = f64::from_bits(bits);
            if let Some(whole) = to_thousandths(value) {
                proptest::prop_assert_eq!(from_thousandths(whole).to_bits(), bits);
            }
            if let Some(whole) = to_whole(value) {
                proptest::prop_assert_eq!((whole as f64).to_bits(), bits);
            }
        }

        #[test]
        fn three_decimals_always_fit(whole in -1_000_000_000_000_i64..1_000_000_000_000) {
            proptest::prop_assert_eq!(to_thousandths(from_thousandths(whole)), Some(whole));
        }

        #[test]
        fn a_run_of_values_comes_back(values: Vec<f64>) {
            let mut bytes = Vec::new();
            let mut previous = 0;
            for &value in &values {
                Scalar::new(value).put(&mut bytes, &mut previous);
            }
            let (mut rest, mut previous) = (bytes.as_slice(), 0);
            for &value in &values {
                let back = Scalar::take(&mut rest, &mut previous).unwrap().value();
                proptest::prop_assert_eq!(back.to_bits(), value.to_bits());
            }
            proptest::prop_assert!(rest.is_empty());
        }
    }
}
