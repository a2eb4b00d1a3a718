//! One-minute rollups of a chunk: count, smallest, sum and largest exactly, and four percentiles to about
//! 1.6 % of their distance from the smallest. About 15 bytes a minute.

use super::Malformed;
use super::checksum::{open, seal};
use super::scalar::{from_thousandths, to_thousandths, to_whole};
use super::varint::{put, take, unzigzag, zigzag};

/// Milliseconds of a minute.
pub(crate) const MINUTE: i64 = 60_000;
/// The percentiles that are kept, in thousandths: 10th, 50th, 90th and 99th.
pub(crate) const PERCENTILES: [usize; 4] = [100, 500, 900, 990];

/// Summary of the samples of one series in one minute. A minute that two chunks share has two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Minute {
    /// Its first millisecond.
    pub(crate) at: i64,
    /// Samples in it, at least one.
    pub(crate) count: u32,
    /// Smallest value.
    pub(crate) min: f64,
    /// Sum of the values.
    pub(crate) sum: f64,
    /// Largest value.
    pub(crate) max: f64,
    /// 10th, 50th, 90th and 99th percentile.
    pub(crate) percentiles: [f64; 4],
}

/// Where a minute's percentile is taken among `count` ascending values, of which there is at least one:
/// the value closest to that share of the way from the first to the last. The nearest rank, which buckets
/// of samples answer with, would make the largest of 60 values their 99th percentile, and minutes that
/// are mixed would then count their largest values many times over.
#[inline]
fn rank(count: usize, permille: usize) -> usize {
    ((count - 1) * permille + 500) / 1000
}

/// Sums up the minutes of two columns, times ascending. `scratch` is reused memory.
pub(crate) fn roll(ats: &[i64], values: &[f64], scratch: &mut Vec<f64>) -> Vec<Minute> {
    let mut minutes = Vec::new();
    let mut start = 0;
    while start < ats.len() {
        let at = ats[start] - ats[start].rem_euclid(MINUTE);
        let length = ats[start..].partition_point(|&next| next < at + MINUTE);
        minutes.push(sum_up(at, &values[start..start + length], scratch));
        start += length;
    }
    minutes
}

fn sum_up(at: i64, values: &[f64], sorted: &mut Vec<f64>) -> Minute {
    sorted.clear();
    sorted.extend_from_slice(values);
    sorted.sort_unstable_by(f64::total_cmp);
    // Thousandths are added as integers, so that the sum is exact however many there are.
    let exact = values
        .iter()
        .try_fold(0_i64, |sum, &value| sum.checked_add(to_thousandths(value)?))
        .map(from_thousandths);
    Minute {
        at,
        count: values.len() as u32,
        min: sorted[0],
        sum: exact.unwrap_or_else(|| values.iter().sum()),
        max: sorted[sorted.len() - 1],
        percentiles: PERCENTILES.map(|permille| sorted[rank(sorted.len(), permille)]),
    }
}

/// Mantissa bits of a percentile's distance from the smallest value.
const MANTISSA: u32 = 5;
const DROPPED: u32 = 52 - MANTISSA;

/// A distance as its exponent and the top of its mantissa: a number that grows with the distance.
fn to_code(distance: f64) -> i64 {
    let bits = distance.max(0.0).to_bits();
    ((bits + (1 << (DROPPED - 1))) >> DROPPED).cast_signed()
}

fn from_code(code: i64) -> Option<f64> {
    let bits = u64::try_from(code).ok()?.checked_mul(1 << DROPPED)?;
    Some(f64::from_bits(bits))
}

const THOUSANDTHS: u8 = 0;
const FLOATS: u8 = 1;
const WHOLE: u8 = 2;

/// What a row is written relative to: the row before.
#[derive(Default)]
struct Previous {
    minute: i64,
    count: i64,
    min: i64,
    codes: [i64; PERCENTILES.len()],
}

/// Packs the minutes of a chunk, ascending by time. Row by row in variable-length integers: a query over
/// many series decodes these a dozen minutes at a time, where pco's fixed cost a column would dominate.
pub(crate) fn pack(minutes: &[Minute]) -> Vec<u8> {
    let all = |convert| minutes.iter().map(|minute| integers(minute, convert)).collect();
    let whole: Option<Vec<[i64; 3]>> = all(to_whole);
    let form = if whole.is_some() { WHOLE } else { THOUSANDTHS };
    let integers = whole.or_else(|| all(to_thousandths));
    let mut body = Vec::with_capacity(16 + minutes.len() * 20);
    put(&mut body, minutes.len() as u64);
    body.push(if integers.is_some() { form } else { FLOATS });
    let mut previous = Previous::default();
    for (row, minute) in minutes.iter().enumerate() {
        let number = minute.at / MINUTE;
        put(&mut body, zigzag(number - previous.minute - 1));
        put(&mut body, zigzag(i64::from(minute.count) - previous.count));
        (previous.minute, previous.count) = (number, minute.count.into());
        if let Some(integers) = &integers {
            let [min, spread, excess] = integers[row];
            put(&mut body, zigzag(min - previous.min));
            put(&mut body, zigzag(spread));
            put(&mut body, zigzag(excess));
            previous.min = min;
        } else {
            for value in [minute.min, minute.max, minute.sum] {
                body.extend_from_slice(&value.to_le_bytes());
            }
        }
        for (value, before) in minute.percentiles.iter().zip(&mut previous.codes) {
            let code = to_code(value - minute.min);
            put(&mut body, zigzag(code - *before));
            *before = code;
        }
    }
    seal(&body)
}

/// Smallest value, spread and what the sum exceeds `count * min` by, as integers.
fn integers(minute: &Minute, convert: fn(f64) -> Option<i64>) -> Option<[i64; 3]> {
    let min = convert(minute.min)?;
    let floor = min.checked_mul(minute.count.into())?;
    let excess = convert(minute.sum)?.checked_sub(floor)?;
    Some([min, convert(minute.max)? - min, excess])
}

/// Appends the minutes of a chunk; on an error nothing was appended.
pub(crate) fn unpack(bytes: &[u8], minutes: &mut Vec<Minute>) -> Result<(), Malformed> {
    let mut body = open(bytes)?;
    let before = minutes.len();
    let rows = take_rows(&mut body, minutes);
    if rows.is_some() && body.is_empty() {
        return Ok(());
    }
    minutes.truncate(before);
    Err(Malformed("a rollup does not decode"))
}

fn take_rows(body: &mut &[u8], minutes: &mut Vec<Minute>) -> Option<()> {
    let length = take(body)?;
    let (&form, rest) = body.split_first()?;
    *body = rest;
    let mut previous = Previous::default();
    for _ in 0..length {
        minutes.push(take_row(body, form, &mut previous)?);
    }
    Some(())
}

fn take_row(body: &mut &[u8], form: u8, previous: &mut Previous) -> Option<Minute> {
    let signed = |body: &mut &[u8]| take(body).map(unzigzag);
    previous.minute = previous.minute.checked_add(signed(body)?)?.checked_add(1)?;
    previous.count = previous.count.checked_add(signed(body)?)?;
    let count = u32::try_from(previous.count).ok().filter(|&count| count > 0)?;
    let [min, max, sum] = match form {
        THOUSANDTHS | WHOLE => {
            previous.min = previous.min.checked_add(signed(body)?)?;
            let max = previous.min.checked_add(signed(body)?)?;
            let floor = previous.min.checked_mul(count.into())?;
            let integers = [previous.min, max, floor.checked_add(signed(body)?)?];
            integers.map(if form == WHOLE { |whole| whole as f64 } else { from_thousandths })
        }
        FLOATS => [take_float(body)?, take_float(body)?, take_float(body)?],
        _ => return None,
    };
    let mut percentiles = [0.0; PERCENTILES.len()];
    for (value, code) in percentiles.iter_mut().zip(&mut previous.codes) {
        *code = code.checked_add(signed(body)?)?;
        *value = (min + from_code(*code)?).min(max);
    }
    let at = previous.minute.checked_mul(MINUTE)?;
    Some(Minute { at, count, min, sum, max, percentiles })
}

fn take_float(body: &mut &[u8]) -> Option<f64> {
    let (value, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(f64::from_le_bytes(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(ats: &[i64], values: &[f64]) -> (Vec<Minute>, Vec<Minute>) {
        let minutes = roll(ats, values, &mut Vec::new());
        let mut back = Vec::new();
        unpack(&pack(&minutes), &mut back).unwrap();
        (minutes, back)
    }

    #[test]
    fn extremes_and_sums_are_exact_and_percentiles_close() {
        let ats: Vec<i64> = (0..600).map(|i| 1_700_000_000_000 + i * 1000).collect();
        for values in [
            (0..600).map(|i| 150_000.0 + f64::from(i * i % 977) / 1000.0).collect::<Vec<_>>(),
            (0..600).map(|i| 1.0 / f64::from(1 + i % 91)).collect(),
            (0..600).map(|i| 1e12 + 30_000_000.0 * f64::from(i)).collect(),
        ] {
            let (minutes, back) = round_trip(&ats, &values);
            assert_eq!(minutes.len(), 11);
            for (minute, back) in minutes.iter().zip(&back) {
                let exact = |m: &Minute| (m.at, m.count, m.min, m.sum, m.max);
                assert_eq!(exact(back), exact(minute));
                for (close, exact) in back.percentiles.iter().zip(minute.percentiles) {
                    assert!((close - exact).abs() <= 0.016 * (exact - minute.min) + 1e-9);
                }
            }
            let sum: f64 = values.iter().sum();
            let kept: f64 = back.iter().map(|minute| minute.sum).sum();
            assert!((sum - kept).abs() < 1e-6 * sum);
        }
    }

    #[test]
    fn a_minute_of_equal_values_stays_exact() {
        let (minutes, back) = round_trip(&[60_000, 61_000, 119_999], &[7.25, 7.25, 7.25]);
        assert_eq!(minutes, back);
        assert_eq!((back.len(), back[0].at, back[0].count), (1, 60_000, 3));
    }

    #[test]
    fn a_minute_costs_little() {
        let ats: Vec<i64> = (0..4096).map(|i| 1_700_000_000_000 + i * 1000).collect();
        let mut state = 1_u64;
        let values: Vec<f64> = ats
            .iter()
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (20_000_000 + (state >> 44)) as f64 / 1000.0
            })
            .collect();
        let minutes = roll(&ats, &values, &mut Vec::new());
        let bytes = pack(&minutes).len();
        assert!(bytes <= minutes.len() * 18, "{bytes} bytes for {} minutes", minutes.len());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes: Vec<u8>) {
            let mut minutes = Vec::new();
            if unpack(&seal(&bytes), &mut minutes).is_err() {
                proptest::prop_assert!(minutes.is_empty());
            }
        }
    }
}
