//! Numbers and times as people read them. Pure; the same words on every page.

use std::time::Duration;

use jiff::Timestamp;
use model::UnixMs;

/// What stands where nothing is known.
pub(crate) const NOTHING: &str = "–";

/// Microseconds as milliseconds with two decimals, so that columns align; the header names the unit.
/// Below a millisecond three, since there the microseconds are the number.
pub(crate) fn ms(value_us: Option<f32>) -> String {
    match value_us {
        Some(us) if us.is_finite() && us < 999.5 => format!("{:.3}", us / 1_000.0),
        Some(us) if us.is_finite() => format!("{:.2}", us / 1_000.0),
        _ => NOTHING.to_owned(),
    }
}

/// Percent with one decimal; exactly none is `0` and exactly all is `100`, so that 99.96 never looks
/// like all.
pub(crate) fn percent(value: Option<f32>) -> String {
    match value {
        Some(0.0) => "0".to_owned(),
        Some(pct) if pct >= 100.0 => "100".to_owned(),
        Some(pct) if pct.is_finite() => format!("{:.1}", pct.clamp(0.1, 99.9)),
        _ => NOTHING.to_owned(),
    }
}

/// A span in its two largest units: `4 s`, `3 min 20 s`, `2 h 5 min`, `12 d 3 h`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        86_400.. => two(days, "d", hours, "h"),
        3_600.. => two(hours, "h", minutes, "min"),
        60.. => two(minutes, "min", seconds % 60, "s"),
        1.. => format!("{seconds} s"),
        0 => format!("{} ms", span.as_millis()),
    }
}

/// A span as it was set, with nothing left out: `500 ms`, `1.5 s`, `1 min 30 s`.
pub(crate) fn setting(set: Duration) -> String {
    if set.as_secs() == 0 || set.subsec_nanos() == 0 {
        return span(set);
    }
    format!("{} s", set.as_secs_f64())
}

/// The span since `then`; none if the clock was set back meanwhile.
pub(crate) fn since(then: UnixMs, now: UnixMs) -> String {
    span(Duration::from_secs(u64::try_from((now.0 - then.0) / 1_000).unwrap_or(0)))
        .replace("0 ms", "0 s")
}

/// `2026-11-21 22:49:07`, UTC; the page says so once.
pub(crate) fn time(at: UnixMs) -> String {
    match Timestamp::from_millisecond(at.0) {
        Ok(stamp) => stamp.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => NOTHING.to_owned(),
    }
}

/// RFC 3339 in UTC, for machines.
pub(crate) fn rfc3339(at: UnixMs) -> Option<String> {
    Timestamp::from_millisecond(at.0).ok().map(|stamp| format!("{stamp:.3}"))
}

/// Bytes in binary units.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1_024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1_024.0;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A whole number with thin groups of three: `10 000`.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A value of a counter: whole numbers grouped, others as they are.
pub(crate) fn number(value: f64) -> String {
    // Beyond 2^53 an f64 holds no single whole number any more.
    if value.fract() == 0.0 && (0.0..9e15).contains(&value) {
        let digits = format!("{value:.0}");
        return count(digits.parse().unwrap_or_default());
    }
    format!("{value}")
}

/// How loud a loss is shown: 0 none, 1 some, 2 much, 3 nearly all.
pub(crate) fn loss_grade(loss_pct: Option<f32>) -> u8 {
    match loss_pct {
        Some(pct) if pct >= 50.0 => 3,
        Some(pct) if pct >= 5.0 => 2,
        Some(pct) if pct > 0.0 => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_known_is_a_dash_and_never_zero() {
        assert_eq!(ms(None), "–");
        assert_eq!(ms(Some(f32::NAN)), "–");
        assert_eq!(ms(Some(f32::NEG_INFINITY)), "–");
        assert_eq!(percent(None), "–");
        assert_eq!(percent(Some(f32::INFINITY)), "100");
        assert_eq!(percent(Some(f32::NAN)), "–");
    }

    #[test]
    fn loss_that_is_not_all_never_reads_as_all_nor_as_none() {
        assert_eq!(percent(Some(0.0)), "0");
        assert_eq!(percent(Some(0.01)), "0.1");
        assert_eq!(percent(Some(1.666)), "1.7");
        assert_eq!(percent(Some(99.99)), "99.9");
        assert_eq!(percent(Some(100.0)), "100");
    }

    #[test]
    fn microseconds_are_shown_where_they_matter() {
        assert_eq!(ms(Some(26.4)), "0.026");
        assert_eq!(ms(Some(999.6)), "1.00");
        assert_eq!(ms(Some(254_488.0)), "254.49");
    }

    #[test]
    fn spans_show_two_units() {
        for (seconds, text) in [
            (4, "4 s"),
            (60, "1 min"),
            (200, "3 min 20 s"),
            (7_500, "2 h 5 min"),
            (1_047_600, "12 d 3 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(since(UnixMs(5_000), UnixMs(0)), "0 s");
    }

    #[test]
    fn what_was_set_is_told_to_its_last_part() {
        for (millis, text) in [
            (500, "500 ms"),
            (1_500, "1.5 s"),
            (3_000, "3 s"),
            (60_500, "60.5 s"),
            (90_000, "1 min 30 s"),
        ] {
            assert_eq!(setting(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(UnixMs(1_795_301_347_123)), "2026-11-21 22:49:07");
        assert_eq!(rfc3339(UnixMs(1_795_301_347_123)).as_deref(), Some("2026-11-21T22:49:07.123Z"));
        assert_eq!(time(UnixMs(i64::MAX)), "–");
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(count(999), "999");
        assert_eq!(count(10_000), "10\u{202f}000");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(number(1_234_567.0), "1\u{202f}234\u{202f}567");
        assert_eq!(number(-0.5), "-0.5");
        assert_eq!(number(f64::NAN), "NaN");
    }
}
