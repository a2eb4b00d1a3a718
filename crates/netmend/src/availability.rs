//! Availability of targets over a month. Counts minutes, not probes, so that a target that is asked more
//! often while it is silent does not look worse than it was:
//!
//! ```text
//! availability = up / (up + down) * 100
//! ```
//!
//! A minute is *down* if every probe sent in it was lost, *up* if one was answered. A minute without a probe
//! counts as the one before it, for as long as probes of this target are usually apart; after that it is
//! *no data*, which is neither. Minutes in maintenance count as nothing else. It reads the store alone.

use std::ops::Range;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use model::{Metric, UnixMs};
use store::{Bucket, Error, RangeAnswer, RangeQuery, Samples};

use crate::explain::past::Stored;

const MINUTE: Duration = Duration::from_mins(1);
const MINUTE_MS: i64 = 60_000;
/// Probes farther apart than this are a silent source, not a slow interval: it is the longest there is.
const LONGEST_GAP: usize = 24 * 60;

/// A month of the calendar in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Month {
    first: Date,
}

impl Month {
    /// Reads `2026-10`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let plain =
            |part: &str, width| part.len() == width && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(year, 4) || !plain(month, 2) {
            return None;
        }
        let first = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
        (first.year() >= 1970).then_some(Self { first })
    }

    /// The month before the one of this time.
    pub(crate) fn before(now: UnixMs) -> Option<Self> {
        let now = jiff::Timestamp::from_millisecond(now.0).ok()?.to_zoned(TimeZone::UTC);
        Some(Self { first: now.date().first_of_month().checked_sub(1.month()).ok()? })
    }

    /// Its first millisecond, and the first after it.
    pub(crate) fn span(self) -> Range<UnixMs> {
        let at = |date: Date| {
            let midnight: Option<Zoned> = date.to_zoned(TimeZone::UTC).ok();
            UnixMs(midnight.map_or(0, |midnight| midnight.timestamp().as_millisecond()))
        };
        let next = self.first.checked_add(1.month()).unwrap_or(self.first);
        at(self.first)..at(next)
    }

    /// `2026-10`.
    pub(crate) fn name(self) -> String {
        format!("{:04}-{:02}", self.first.year(), self.first.month())
    }
}

/// What became of one target in the month.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Host as the configuration names it.
    pub(crate) host: String,
    /// Region in the targets file.
    pub(crate) region: String,
    /// `icmp` or `tcp:443`.
    pub(crate) protocol: String,
    /// `4` or `6`.
    pub(crate) family: String,
    /// `2026-10`.
    pub(crate) month: String,
    /// Share of the known minutes that were up, in percent; `None` if none is known.
    pub(crate) availability_pct: Option<f64>,
    /// The counted minutes.
    pub(crate) minutes: Minutes,
    /// Share of the probes outside maintenance that were lost, in percent.
    pub(crate) loss_pct: Option<f64>,
}

/// The columns of the CSV.
pub(crate) const HEADER: &str = "host,region,protocol,family,month,availability_pct,up_minutes,\
    down_minutes,maintenance_minutes,no_data_minutes,loss_pct,outages,longest_outage_minutes\n";

impl Row {
    /// A line of CSV (RFC 4180), with its end.
    pub(crate) fn csv(&self) -> String {
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
            number(self.availability_pct),
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

/// Minutes of a target by what they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Minutes {
    /// A probe was answered.
    pub(crate) up_minutes: u32,
    /// All probes were lost.
    pub(crate) down_minutes: u32,
    /// Worked on, by a maintenance window.
    pub(crate) maintenance_minutes: u32,
    /// Nothing is known.
    pub(crate) no_data_minutes: u32,
    /// Runs of down minutes.
    pub(crate) outages: u32,
    /// Minutes of the longest.
    pub(crate) longest_outage_minutes: u32,
}

/// Looks it up for one target. Of a month that is not over, the minutes until `now` count.
/// `is_maintained` tells of the first millisecond of a minute whether that is a time of maintenance.
pub(crate) fn row(
    samples: &dyn Samples,
    target: &Stored,
    month: Month,
    now: UnixMs,
    is_maintained: &dyn Fn(UnixMs) -> bool,
) -> Result<Row, Error> {
    let span = month.span();
    let end = span.end.min(UnixMs(now.0.div_euclid(MINUTE_MS) * MINUTE_MS));
    let query = RangeQuery {
        series: vec![target.series(Metric::Loss).id()],
        from: span.start,
        until: end,
        step: Some(MINUTE),
        exact: false,
    };
    let buckets = match samples.range(&query)?.into_iter().next() {
        Some(RangeAnswer::Buckets(buckets)) => buckets,
        _ => Vec::new(),
    };
    let count = usize::try_from((end.0 - span.start.0) / MINUTE_MS).unwrap_or(0);
    let mut states = vec![None; count];
    for bucket in &buckets {
        let minute = usize::try_from((bucket.at.0 - span.start.0).div_euclid(MINUTE_MS));
        if let Some(state) = minute.ok().and_then(|minute| states.get_mut(minute)) {
            // The mean is 100 only if each probe was lost.
            *state = Some(bucket.mean < 99.999);
        }
    }
    carry(&mut states);
    let starts = (span.start.0..).step_by(MINUTE_MS.unsigned_abs() as usize).map(UnixMs);
    let minutes = count_minutes(starts.zip(&states).map(|(at, state)| {
        if is_maintained(at) { Minute::Maintenance } else { Minute::of(*state) }
    }));
    let known = minutes.up_minutes + minutes.down_minutes;
    let label = |name| target.label(name).to_owned();
    Ok(Row {
        host: label("host"),
        region: label("region"),
        protocol: label("protocol"),
        family: label("family"),
        month: month.name(),
        availability_pct: (known > 0)
            .then(|| f64::from(minutes.up_minutes) / f64::from(known) * 100.0),
        minutes,
        loss_pct: loss(&buckets, is_maintained),
    })
}

fn loss(buckets: &[Bucket], is_maintained: &dyn Fn(UnixMs) -> bool) -> Option<f64> {
    let (mut probes, mut lost) = (0.0, 0.0);
    for bucket in buckets.iter().filter(|bucket| !is_maintained(bucket.at)) {
        let count = f64::from(bucket.count.get());
        probes += count;
        lost += bucket.mean * count;
    }
    (probes > 0.0).then(|| lost / probes)
}

/// What a minute was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Minute {
    Up,
    Down,
    Maintenance,
    NoData,
}

impl Minute {
    fn of(state: Option<bool>) -> Self {
        match state {
            Some(true) => Minute::Up,
            Some(false) => Minute::Down,
            None => Minute::NoData,
        }
    }
}

/// Fills minutes between two probes with what the first said, as far as probes are usually apart: twice
/// the median of the gaps, since one of them may have been late.
fn carry(states: &mut [Option<bool>]) {
    let probed: Vec<usize> = (0..states.len()).filter(|&at| states[at].is_some()).collect();
    let mut gaps: Vec<usize> = probed.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    let Some(&usual) = gaps.get(gaps.len() / 2) else { return };
    if usual < 2 {
        return;
    }
    let reach = (usual * 2).min(LONGEST_GAP);
    for &at in &probed {
        let state = states[at];
        for next in states.iter_mut().skip(at + 1).take(reach - 1) {
            if next.is_some() {
                break;
            }
            *next = state;
        }
    }
}

fn count_minutes(minutes: impl Iterator<Item = Minute>) -> Minutes {
    let mut all = Minutes::default();
    let mut run = 0;
    for minute in minutes {
        match minute {
            Minute::Up => all.up_minutes += 1,
            Minute::Down => all.down_minutes += 1,
            Minute::Maintenance => all.maintenance_minutes += 1,
            Minute::NoData => all.no_data_minutes += 1,
        }
        if minute == Minute::Down {
            all.outages += u32::from(run == 0);
            run += 1;
            all.longest_outage_minutes = all.longest_outage_minutes.max(run);
        } else {
            run = 0;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(text: &str) -> Vec<Option<bool>> {
        let state = |c| match c {
            'u' => Some(true),
            'd' => Some(false),
            _ => None,
        };
        text.chars().map(state).collect()
    }

    fn text(states: &[Option<bool>]) -> String {
        let letter = |state: &Option<bool>| match state {
            Some(true) => 'u',
            Some(false) => 'd',
            None => '-',
        };
        states.iter().map(letter).collect()
    }

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
    }

    #[test]
    fn a_slow_interval_is_no_gap_and_a_silent_source_is_no_data() {
        for (given, expected) in [
            ("uuuuduuu", "uuuuduuu"),
            ("uuu--uuu", "uuu--uuu"),
            ("u----u----d----u----u--------------", "uuuuuuuuuudddddduuuuuuuuuuuuuu-----"),
            ("-u-", "-u-"),
            ("", ""),
        ] {
            let mut all = states(given);
            carry(&mut all);
            // The third case: five minutes apart, so ten are carried.
            let expected = if given.starts_with("u----") {
                "uuuuuuuuuudddddu".to_owned() + "uuuuuuuuuuuuuu-----"
            } else {
                expected.to_owned()
            };
            assert_eq!(text(&all), expected, "{given}");
        }
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
        assert_eq!(HEADER.matches(',').count(), 12);
    }

    #[test]
    fn outages_are_runs_of_down_minutes() {
        let minutes = states("uudddu-dd").into_iter().map(Minute::of);
        let minutes = count_minutes(minutes.chain([Minute::Maintenance, Minute::Down]));
        let expected = Minutes {
            up_minutes: 3,
            down_minutes: 6,
            maintenance_minutes: 1,
            no_data_minutes: 1,
            outages: 3,
            longest_outage_minutes: 3,
        };
        assert_eq!(minutes, expected);
    }
}
