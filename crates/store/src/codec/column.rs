//! One column of numbers packed with pco, framed by its length. Numbers of up to [`MOST`] rows.

use pco::{ChunkConfig, DeltaSpec, ModeSpec};

use super::Malformed;
use super::scalar::{from_thousandths, to_thousandths, to_whole};
use super::varint::{put, take};

/// Most rows of a column: bounds what a damaged row can make us allocate.
pub(crate) const MOST: usize = 1 << 20;

/// Level 4 packs RTTs 2 % larger in two thirds of the time, which only the sealer's thread would save; 8 gains
/// nothing over 6.
const LEVEL: usize = 6;

/// What is known about a column, so that pco need not try everything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Ascending at a steady pace, as times do.
    Steady,
    /// Values, of which each may or may not resemble the one before.
    Values,
}

impl Shape {
    fn config(self) -> ChunkConfig {
        let (mode, delta) = match self {
            Self::Steady => (ModeSpec::Auto, DeltaSpec::TryConsecutive(1)),
            Self::Values => (ModeSpec::Classic, DeltaSpec::Auto),
        };
        ChunkConfig::default()
            .with_compression_level(LEVEL)
            .with_mode_spec(mode)
            .with_delta_spec(delta)
    }
}

/// Appends a column of integers.
pub(crate) fn put_integers(out: &mut Vec<u8>, column: &[i64], shape: Shape) {
    put_packed(out, column, &shape.config());
}

fn put_packed<T: pco::data_types::Number>(out: &mut Vec<u8>, column: &[T], config: &ChunkConfig) {
    let packed = pco::standalone::simple_compress(column, config)
        .expect("the fixed level, modes and column sizes are within pco's limits");
    put(out, packed.len() as u64);
    out.extend_from_slice(&packed);
}

/// Takes a column of exactly `count` rows off the front of `bytes`.
pub(crate) fn take_numbers<T: pco::data_types::Number + Default>(
    bytes: &mut &[u8],
    count: usize,
) -> Result<Vec<T>, Malformed> {
    if count > MOST {
        return Err(Malformed("a column is too long"));
    }
    let length = take(bytes).ok_or(Malformed("a column has no length"))?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (packed, rest) = bytes.split_at_checked(length).ok_or(Malformed("a column ends early"))?;
    *bytes = rest;
    let mut column = vec![T::default(); count];
    let progress = pco::standalone::simple_decompress_into(packed, &mut column)
        .map_err(|_| Malformed("a column does not decompress"))?;
    if progress.n_processed != count || !progress.finished {
        return Err(Malformed("a column has another number of rows"));
    }
    Ok(column)
}

const WHOLE: u8 = 0;
const THOUSANDTHS: u8 = 1;
const FLOAT: u8 = 2;

/// Appends a column of values, as integers where that loses nothing.
pub(crate) fn put_values(out: &mut Vec<u8>, column: &[f64]) {
    let all = |convert: fn(f64) -> Option<i64>| {
        column.iter().map(|&value| convert(value)).collect::<Option<Vec<i64>>>()
    };
    if let Some(whole) = all(to_whole) {
        out.push(WHOLE);
        put_integers(out, &whole, Shape::Values);
    } else if let Some(thousandths) = all(to_thousandths) {
        out.push(THOUSANDTHS);
        put_integers(out, &thousandths, Shape::Values);
    } else {
        out.push(FLOAT);
        put_packed(out, column, &ChunkConfig::default().with_compression_level(LEVEL));
    }
}

/// Takes a column of `count` values off the front of `bytes` and appends it to `values`.
pub(crate) fn take_values(
    bytes: &mut &[u8],
    count: usize,
    values: &mut Vec<f64>,
) -> Result<(), Malformed> {
    let (&form, rest) = bytes.split_first().ok_or(Malformed("a column has no form"))?;
    *bytes = rest;
    match form {
        WHOLE => {
            values.extend(take_numbers::<i64>(bytes, count)?.iter().map(|&whole| whole as f64));
        }
        THOUSANDTHS => {
            values.extend(take_numbers::<i64>(bytes, count)?.into_iter().map(from_thousandths));
        }
        FLOAT => values.append(&mut take_numbers::<f64>(bytes, count)?),
        _ => return Err(Malformed("a column has an unknown form")),
    }
    Ok(())
}
