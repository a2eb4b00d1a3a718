//! When targets were worked on, as far back as availability is counted: the maintenance windows that are
//! configured, those that were, and silences. What is configured is remembered in the store, since a window is often
//! taken out of the configuration once it is over. It keeps nobody quiet: `alert` does.

use std::ops::Range;
use std::time::Duration;

use alert::calendar::Hours;
use alert::matching::Matching;
use alert::route::Maintenance;
use model::UnixMs;
use model::alert::{Matcher, Silence, Weekly};
use serde::{Deserialize, Serialize};
use store::{Change, Error, Memo, Query, State, Value};

/// Under this name the windows are remembered.
const KEY: &str = "maintenance";
/// A window that is over is remembered for so long: all months of a year can be counted again.
const KEPT: Duration = Duration::from_hours(400 * 24);
const MINUTE_MS: i64 = 60_000;

/// A window of a configuration, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    name: String,
    matchers: Vec<Matcher>,
    weekly: Option<Weekly>,
    from: Option<UnixMs>,
    until: Option<UnixMs>,
    /// When it was configured first; `None`: before anybody wrote that down.
    known: Option<UnixMs>,
    /// When it was taken out of the configuration.
    removed: Option<UnixMs>,
}

impl Window {
    /// Whether this window is meant. Its name may change.
    fn is(&self, configured: &Maintenance) -> bool {
        self.removed.is_none()
            && self.matchers == configured.matchers
            && self.weekly == configured.weekly
            && self.from == configured.from
            && self.until == configured.until
    }

    /// From when on it counts. One without a beginning of its own does from when it was configured: hours that
    /// are written down today excuse no outage of last week.
    fn begin(&self) -> Option<UnixMs> {
        self.from.or(self.known)
    }

    /// When it ended, or was taken out.
    fn end(&self) -> Option<UnixMs> {
        match (self.until, self.removed) {
            (Some(until), Some(removed)) => Some(until.min(removed)),
            (until, removed) => until.or(removed),
        }
    }
}

/// Remembers which windows are configured from now on.
///
/// # Errors
/// The store cannot be read or written.
pub(crate) fn remember(
    state: &dyn State,
    configured: &[Maintenance],
    now: UnixMs,
) -> Result<(), Error> {
    let before = windows(state)?;
    let mut kept = before.clone().unwrap_or_default();
    for window in kept.iter_mut().filter(|window| window.removed.is_none()) {
        if !configured.iter().any(|configured| window.is(configured)) {
            window.removed = Some(now);
        }
    }
    for new in configured {
        match kept.iter_mut().find(|window| window.is(new)) {
            Some(window) => window.name.clone_from(&new.name),
            None => kept.push(Window {
                name: new.name.clone(),
                matchers: new.matchers.clone(),
                weekly: new.weekly.clone(),
                from: new.from,
                until: new.until,
                known: before.is_some().then_some(now),
                removed: None,
            }),
        }
    }
    let oldest = now - KEPT;
    kept.retain(|window| {
        let empty = window.begin().zip(window.end()).is_some_and(|(begin, end)| end <= begin);
        window.removed.is_none() || (!empty && window.end().is_none_or(|end| end > oldest))
    });
    if before.as_ref() == Some(&kept) {
        return Ok(());
    }
    let body = serde_json::to_vec(&kept).expect("windows hold nothing that JSON cannot");
    state.apply(vec![Change::Memo(Memo { key: KEY.to_owned(), body: Some(body) })])?;
    Ok(())
}

/// The remembered windows; `None` where none ever were.
fn windows(state: &dyn State) -> Result<Option<Vec<Window>>, Error> {
    let found = state.find(&Query::Memos { prefix: KEY.to_owned() })?;
    Ok(found.into_iter().find_map(|record| match record.value {
        Value::Memo(memo) if memo.key == KEY => serde_json::from_slice(&memo.body?).ok(),
        _ => None,
    }))
}

/// The times of a span in which anything was worked on.
#[derive(Debug)]
pub(crate) struct Upkeep(Vec<Time>);

/// One window or silence.
#[derive(Debug)]
struct Time {
    /// Whom it is for.
    matching: Matching,
    /// The minutes of the span that begin in it.
    minutes: Vec<Range<usize>>,
    /// A silence excuses what began after it was set: in this minute of the span.
    set: Option<usize>,
}

impl Upkeep {
    /// Looks up what was worked on in a span that begins on a whole minute.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn read(state: &dyn State, span: &Range<UnixMs>) -> Result<Self, Error> {
        let windows = windows(state)?.unwrap_or_default();
        let windows = windows.iter().filter_map(|window| {
            let times = (window.begin(), window.end());
            Time::new(&window.matchers, window.weekly.as_ref(), times, span)
        });
        let mut times: Vec<Time> = windows.collect();
        for record in state.find(&Query::Silences { after: span.start, limit: u32::MAX })? {
            let Value::Silence(silence) = record.value else { continue };
            times.extend(Time::of(&silence, span));
        }
        Ok(Self(times))
    }

    /// When a target with these labels was worked on.
    pub(crate) fn of(&self, label: &dyn Fn(&str) -> Option<String>) -> Worked<'_> {
        // What a target that is down would be told as.
        let label = |name: &str| match name {
            "kind" => Some("target".to_owned()),
            "severity" => Some("critical".to_owned()),
            "state" => Some("firing".to_owned()),
            _ => label(name),
        };
        Worked(self.0.iter().filter(|time| time.matching.fits(label)).collect())
    }
}

impl Time {
    /// `None` for what lies outside the span, and for what cannot be read any more.
    fn new(
        matchers: &[Matcher],
        weekly: Option<&Weekly>,
        (begin, end): (Option<UnixMs>, Option<UnixMs>),
        span: &Range<UnixMs>,
    ) -> Option<Self> {
        let begin = begin.map_or(span.start, |begin| begin.max(span.start));
        let end = end.map_or(span.end, |end| end.min(span.end));
        let first = |at: UnixMs| usize::try_from((at.0 - span.start.0 + MINUTE_MS - 1) / MINUTE_MS);
        let minutes = if begin < end { first(begin).ok()?..first(end).ok()? } else { 0..0 };
        let matching = Matching::new(matchers).ok()?;
        let minutes = match weekly {
            None => vec![minutes],
            Some(weekly) => {
                let hours = Hours::new(weekly).ok()?;
                let at = |minute: usize| {
                    UnixMs(span.start.0 + i64::try_from(minute).unwrap_or(0) * MINUTE_MS)
                };
                runs(minutes, |minute| hours.hold(at(minute)))
            }
        };
        let is_empty = minutes.iter().all(Range::is_empty);
        (!is_empty).then(|| Self { matching, minutes, set: None })
    }

    fn of(silence: &Silence, span: &Range<UnixMs>) -> Option<Self> {
        let expired = silence.expired.as_ref().map(|(at, _)| *at);
        let end = match (silence.until, expired) {
            (Some(until), Some(expired)) => Some(until.min(expired)),
            (until, expired) => until.or(expired),
        };
        // One that was dated back holds from when it was set.
        let times = (Some(silence.from.max(silence.created)), end);
        let set = (silence.created.0 - span.start.0).div_euclid(MINUTE_MS);
        let time = Self::new(&silence.matchers, silence.weekly.as_ref(), times, span)?;
        Some(Self { set: Some(usize::try_from(set).unwrap_or(0)), ..time })
    }
}

/// The runs of minutes that hold.
fn runs(minutes: Range<usize>, holds: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for minute in minutes.filter(|minute| holds(*minute)) {
        match runs.last_mut() {
            Some(run) if run.end == minute => run.end += 1,
            _ => runs.push(minute..minute + 1),
        }
    }
    runs
}

/// When one target was worked on.
#[derive(Debug)]
pub(crate) struct Worked<'u>(Vec<&'u Time>);

impl Worked<'_> {
    /// Of each minute whether it was worked on. `states` says of each whether the target was up, if that is
    /// known: an outage that somebody silenced after it had begun stays an outage.
    pub(crate) fn minutes(&self, states: &[Option<bool>]) -> Vec<bool> {
        let mut worked = vec![false; states.len()];
        for time in &self.0 {
            for run in &time.minutes {
                let mut excused = true;
                for minute in run.start..run.end.min(states.len()) {
                    let down = states[minute] == Some(false);
                    if minute == run.start || !down {
                        excused =
                            !down || time.set.is_none_or(|set| outage_began(states, minute) >= set);
                    }
                    worked[minute] |= excused;
                }
            }
        }
        worked
    }
}

/// The first minute of the outage that holds this one.
fn outage_began(states: &[Option<bool>], minute: usize) -> usize {
    let before = states[..minute].iter().rposition(|state| *state != Some(false));
    before.map_or(0, |before| before + 1)
}

#[cfg(test)]
mod tests;
