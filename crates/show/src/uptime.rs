//! How much of a month each target was up, as it is shown: the month, the counted minutes, the CSV. It must not
//! count anything: that is done by whoever implements [`crate::Alerts`].

use std::ops::Range;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use model::UnixMs;

/// A month of the calendar in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    first: Date,
}

impl Month {
    /// Reads `2026-10`; no month before 1970 is one.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let plain =
            |part: &str, width| part.len() == width && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(year, 4) || !plain(month, 2) {
            return None;
        }
        let first = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
        (first.year() >= 1970).then_some(Self { first })
    }

    /// The month that holds this time.
    pub fn of(at: UnixMs) -> Option<Self> {
        let at = jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(TimeZone::UTC);
        Some(Self { first: at.date().first_of_month() })
    }

    /// The month before the one of this time.
    pub fn before(now: UnixMs) -> Option<Self> {
        Some(Self { first: Self::of(now)?.first.checked_sub(1.month()).ok()? })
    }

    /// Its first millisecond, and the first after it.
    pub fn span(self) -> Range<UnixMs> {
        let at = |date: Date| {
            let midnight: Option<Zoned> = date.to_zoned(TimeZone::UTC).ok();
            UnixMs(midnight.map_or(0, |midnight| midnight.timestamp().as_millisecond()))
        };
        let next = self.first.checked_add(1.month()).unwrap_or(self.first);
        at(self.first)..at(next)
    }

    /// `2026-10`.
    pub fn name(self) -> String {
        format!("{:04}-{:02}", self.first.year(), self.first.month())
    }
}

/// What became of one target in a month.
#[derive(Clone, Debug, PartialEq)]
pub struct Uptime {
    /// Host as the configuration names it.
    pub host: String,
    /// Region in the targets file.
    pub region: String,
    /// `icmp` or `tcp:443`.
    pub protocol: String,
    /// `4` or `6`.
    pub family: String,
    /// `2026-10`.
    pub month: String,
    /// Share of the known minutes that were up, in percent; `None` if none is known.
    pub availability_pct: Option<f64>,
    /// The counted minutes.
    pub minutes: Minutes,
    /// Share of the probes outside maintenance that were lost, in percent.
    pub loss_pct: Option<f64>,
}

/// Minutes of a target by what they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minutes {
    /// A probe was answered.
    pub up_minutes: u32,
    /// All probes were lost.
    pub down_minutes: u32,
    /// Worked on: in a maintenance window, or silenced beforehand.
    pub maintenance_minutes: u32,
    /// Nothing is known.
    pub no_data_minutes: u32,
    /// Runs of down minutes.
    pub outages: u32,
    /// Minutes of the longest.
    pub longest_outage_minutes: u32,
}

/// The targets of a month that were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Uptimes {
    /// The first of them, by host, region and protocol.
    pub rows: Vec<Uptime>,
    /// How many there are in all.
    pub total: usize,
}

impl Uptime {
    /// The columns of the CSV, with the line's end.
    pub const HEADER: &str = "host,region,protocol,family,month,availability_pct,up_minutes,\
        down_minutes,maintenance_minutes,no_data_minutes,loss_pct,outages,longest_outage_minutes\n";

    /// A line of CSV (RFC 4180), with its end.
    pub fn csv(&self) -> String {
        let number =
            |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
        let minutes = &self.minutes;
        format!(
            "{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
            field(&self.host),
            field(&self.region),
            field(&self.protocol),
            field(&self.family),
            self.month,
            // Cut, not rounded: what is not all must not look like all.
            number(self.availability_pct.map(|percent| (percent * 10_000.0).floor() / 10_000.0)),
            minutes.up_minutes,
            minutes.down_minutes,
            minutes.maintenance_minutes,
            minutes.no_data_minutes,
            number(self.loss_pct),
            minutes.outages,
            minutes.longest_outage_minutes,
        )
    }
}

/// Quotes a field where it must be. What a spreadsheet would take for a formula is made text.
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_strictly_and_span_their_days_in_utc() {
        for wrong in ["2026-13", "2026-1", "26-10", "2026-00", "2026", "", "+026-10", "1969-12"] {
            assert_eq!(Month::parse(wrong), None, "{wrong}");
        }
        let days = |text: &str| {
            let span = Month::parse(text).expect("a month").span();
            (span.end.0 - span.start.0) / 86_400_000
        };
        assert_eq!((days("2026-10"), days("2026-02"), days("2024-02")), (31, 28, 29));
        let october = Month::parse("2026-10").expect("a month");
        assert_eq!(october.span().start, UnixMs(1_790_812_800_000));
        assert_eq!(Month::before(UnixMs(1_790_812_800_000 + 32 * 86_400_000)), Some(october));
        assert_eq!(Month::of(october.span().start), Some(october));
    }

    #[test]
    fn names_with_commas_quotes_and_formulas_stay_one_field_of_text() {
        for (given, expected) in [
            ("gw1", "gw1"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("=1+1", "'=1+1"),
            ("a\nb", "\"a\nb\""),
        ] {
            assert_eq!(field(given), expected);
        }
        assert_eq!(Uptime::HEADER.matches(',').count(), 12);
    }
}
