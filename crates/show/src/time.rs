//! Spans, times and steps as they stand in URLs. Pure.

use std::time::Duration;

use jiff::Timestamp;
use model::UnixMs;

use crate::history::Span;
use crate::select::BadParam;

/// The spans that pages offer: name in the URL, words, length. The first is the default.
pub(crate) const SPANS: [(&str, &str, Duration); 4] = [
    ("3h", "3 hours", Duration::from_hours(3)),
    ("30h", "30 hours", Duration::from_hours(30)),
    ("10d", "10 days", Duration::from_hours(240)),
    ("360d", "360 days", Duration::from_hours(360 * 24)),
];

/// How wide the buckets of an answer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Fitting the span.
    Auto,
    /// None: the samples themselves.
    Raw,
    /// So wide.
    Every(Duration),
}

/// The span of a URL: `from` and `until`, or `span` back from now, or the default.
pub(crate) fn span(pairs: &[(String, String)], now: UnixMs) -> Result<Span, BadParam> {
    let get = |name: &str| {
        let pair = pairs.iter().find(|(known, value)| known == name && !value.trim().is_empty());
        pair.map(|(_, value)| value.trim())
    };
    let until = get("until").map_or(Ok(now), |value| point("until", value))?;
    let Some(from) = get("from") else {
        let length = match get("span") {
            None => SPANS[0].2,
            Some(value) => duration("span", value)?,
        };
        return Ok(Span::until_now(length, until));
    };
    let span = Span { from: point("from", from)?, until };
    if span.from >= span.until {
        return Err(BadParam::new("from", from, "a time before `until`"));
    }
    Ok(span)
}

/// A point in time: milliseconds since 1970, or RFC 3339.
fn point(name: &'static str, value: &str) -> Result<UnixMs, BadParam> {
    let stamp = value.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let stamp = stamp.or_else(|| value.parse::<Timestamp>().ok());
    stamp.map(|stamp| UnixMs(stamp.as_millisecond())).ok_or_else(|| {
        let allowed = "milliseconds since 1970, or RFC 3339 such as 2026-11-21T22:49:07Z";
        BadParam::new(name, value, allowed)
    })
}

/// A step: `auto`, `raw` or a length such as `15s`.
pub(crate) fn step(value: &str) -> Result<Step, BadParam> {
    match value {
        "" | "auto" => Ok(Step::Auto),
        "raw" => Ok(Step::Raw),
        _ => duration("step", value).map(Step::Every),
    }
}

/// A length: a whole number and s, m, h or d; up to ten years.
pub(crate) fn duration(name: &'static str, value: &str) -> Result<Duration, BadParam> {
    const TEN_YEARS: u64 = 3_660 * 86_400;
    let unit = match value.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => 0,
    };
    let number: Option<u64> =
        value.get(..value.len().saturating_sub(1)).and_then(|n| n.parse().ok());
    let seconds = number.and_then(|number| number.checked_mul(unit));
    let seconds = seconds.filter(|seconds| (1..=TEN_YEARS).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        let allowed = "a whole number and s, m, h or d, up to ten years, such as 30h";
        BadParam::new(name, value, allowed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Span, BadParam> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        span(&pairs.iter().map(own).collect::<Vec<_>>(), UnixMs(1_000_000_000_000))
    }

    #[test]
    fn a_url_without_times_means_the_last_three_hours() {
        let expected = Span::until_now(Duration::from_hours(3), UnixMs(1_000_000_000_000));
        assert_eq!(of(&[]), Ok(expected));
        assert_eq!(of(&[("span", ""), ("from", " ")]), Ok(expected));
    }

    #[test]
    fn times_are_milliseconds_or_rfc_3339() {
        let expected = Span { from: UnixMs(0), until: UnixMs(60_000) };
        assert_eq!(of(&[("from", "0"), ("until", "60000")]), Ok(expected));
        let rfc = [("from", "1970-01-01T00:00:00Z"), ("until", "1970-01-01T01:01:00+01:00")];
        assert_eq!(of(&rfc), Ok(expected));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_is_allowed() {
        for pairs in [
            &[("from", "yesterday")][..],
            &[("from", "5"), ("until", "5")],
            &[("from", "9223372036854775807")],
            &[("span", "3")],
            &[("span", "0h")],
            &[("span", "h")],
            &[("span", "é")],
            &[("span", "99999999999999999999d")],
            &[("span", "9999999999999999d")],
        ] {
            let error = of(pairs).unwrap_err();
            assert!(!error.allowed.is_empty(), "{error}");
        }
    }

    #[test]
    fn steps_have_two_words_of_their_own() {
        assert_eq!(step("auto"), Ok(Step::Auto));
        assert_eq!(step("raw"), Ok(Step::Raw));
        assert_eq!(step("15s"), Ok(Step::Every(Duration::from_secs(15))));
        assert!(step("15").is_err());
    }
}
