//! Durations and sizes as people write them: `1m 30s`, `10 GiB`. Pure text in, numbers out.

use std::time::Duration;

/// Units of time and their nanoseconds.
const TIME: [(&str, u64); 9] = [
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
    ("d", 86_400 * 1_000_000_000),
    ("w", 7 * 86_400 * 1_000_000_000),
    ("y", 365 * 86_400 * 1_000_000_000),
];

/// Units of size and their bytes.
const SIZE: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// What is allowed where a duration stands.
pub(crate) const DURATION_HELP: &str =
    "write a number with ms, s, m, h, d, w or y, as in 10s or 1m 30s";
/// What is allowed where a size stands.
pub(crate) const SIZE_HELP: &str =
    "write a number with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in 10 GiB";

/// Reads `10s`, `1m 30s`, `150ms`, `1.5h`; a year has 365 days. `None`: not a duration, or beyond 580 years.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (nanos, after) = quantity(rest, &TIME, str::eq)?;
        total = total.checked_add(nanos)?;
        rest = after.trim_start();
    }
    (!text.trim().is_empty()).then(|| Duration::from_nanos(total))
}

/// Reads `10 GiB`, `500MB`, `1.5 TB`, in upper or lower case. `None`: not a size, or beyond 16 EiB.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (bytes, rest) = quantity(text.trim(), &SIZE, str::eq_ignore_ascii_case)?;
    rest.is_empty().then_some(bytes)
}

/// One number with its unit, and what follows it.
fn quantity<'t>(
    text: &'t str,
    units: &[(&str, u64)],
    same: fn(&str, &str) -> bool,
) -> Option<(u64, &'t str)> {
    let number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(number);
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let &(_, factor) = units.iter().find(|(name, _)| same(name, unit))?;
    Some((scaled(number, factor)?, rest))
}

/// `number * factor`, where `number` may have a fraction; exact, rounded down.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().ok()?;
    let fraction: String = fraction.chars().take(9).collect();
    let parts: u64 = fraction.parse().ok()?;
    let one = 10_u128.pow(fraction.len() as u32);
    let part = u64::try_from(u128::from(parts) * u128::from(factor) / one).ok()?;
    whole.checked_mul(factor)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let ms = |text| duration(text).map(|span| span.as_millis());
        assert_eq!(ms("10s"), Some(10_000));
        assert_eq!(ms("1m 30s"), Some(90_000));
        assert_eq!(ms("1m30s"), Some(90_000));
        assert_eq!(ms(" 150 ms "), Some(150));
        assert_eq!(ms("1.5h"), Some(5_400_000));
        assert_eq!(ms("1500us"), Some(1));
        assert_eq!(ms("2500µs"), Some(2));
        assert_eq!(ms("2y"), Some(2 * 365 * 86_400_000));
        for wrong in
            ["", "10", "s", "10x", "-1s", "1.2.3s", "1s,2s", "10 S", "99999999y", ".s", "1.s"]
        {
            assert_eq!(ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_read_as_people_write_them() {
        assert_eq!(size("10 GiB"), Some(10 << 30));
        assert_eq!(size("1.5kb"), Some(1_500));
        assert_eq!(size("0B"), Some(0));
        for wrong in ["", "10", "GiB", "1 GiB 2 MiB", "10 G", "99999999 TiB", "-1 B"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
