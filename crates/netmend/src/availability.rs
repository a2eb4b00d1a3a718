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

use std::time::Duration;

use model::{Metric, UnixMs};
use show::{Minutes, Month, Uptime};
use store::{Bucket, Error, RangeAnswer, RangeQuery, Samples};

use crate::explain::past::Stored;
use crate::maintenance::Worked;

const MINUTE: Duration = Duration::from_mins(1);
const MINUTE_MS: i64 = 60_000;
/// Probes farther apart than this are a silent source, not a slow interval: it is the longest there is.
const LONGEST_GAP: usize = 24 * 60;

/// Looks it up for one target. Of a month that is not over, the minutes until `now` count; those in which it
/// was `worked` on count as nothing else.
pub(crate) fn row(
    samples: &dyn Samples,
    target: &Stored,
    month: Month,
    now: UnixMs,
    worked: &Worked<'_>,
) -> Result<Uptime, Error> {
    let span = month.span();
    let end = span.end.min(UnixMs(now.0.div_euclid(MINUTE_MS) * MINUTE_MS)).max(span.start);
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
    let minute = |at: UnixMs| usize::try_from((at.0 - span.start.0).div_euclid(MINUTE_MS)).ok();
    let mut states = vec![None; minute(end).unwrap_or(0)];
    for bucket in &buckets {
        if let Some(state) = minute(bucket.at).and_then(|minute| states.get_mut(minute)) {
            // The mean is 100 only if each probe was lost.
            *state = Some(bucket.mean < 99.999);
        }
    }
    carry(&mut states);
    let worked = worked.minutes(&states);
    let minutes = count_minutes(
        states
            .iter()
            .zip(&worked)
            .map(|(state, worked)| if *worked { Minute::Maintenance } else { Minute::of(*state) }),
    );
    let known = minutes.up_minutes + minutes.down_minutes;
    let label = |name| target.label(name).to_owned();
    let counts = |bucket: &&Bucket| {
        let worked = minute(bucket.at).and_then(|minute| worked.get(minute));
        !worked.copied().unwrap_or(false)
    };
    Ok(Uptime {
        host: label("host"),
        region: label("region"),
        protocol: label("protocol"),
        family: label("family"),
        month: month.name(),
        availability_pct: (known > 0)
            .then(|| f64::from(minutes.up_minutes) / f64::from(known) * 100.0),
        minutes,
        loss_pct: loss(buckets.iter().filter(counts)),
    })
}

fn loss<'b>(buckets: impl Iterator<Item = &'b Bucket>) -> Option<f64> {
    let (mut probes, mut lost) = (0.0, 0.0);
    for bucket in buckets {
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
