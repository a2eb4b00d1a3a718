//! The past: asks the store, whose calls block, on threads of their own and a few at a time. Also what
//! a span and a step are. It must not render anything.

use std::sync::Arc;
use std::time::Duration;

use model::{Labels, Metric, Series, SeriesId, UnixMs};
use store::{Mark, Query, RangeAnswer, RangeQuery, Samples, State, Value};
use tokio::sync::Semaphore;

/// So many questions to the store at a time: it decodes with two threads.
const AT_ONCE: usize = 4;
/// So many questions may wait; more are refused rather than kept waiting.
const WAITING: usize = 64;
/// Most marks of one answer.
pub(crate) const MAX_MARKS: u32 = 500;
/// Most buckets of one answer.
pub(crate) const MAX_POINTS: i64 = 5_000;
/// Steps that people can read off an axis, in seconds.
const STEPS: [i64; 18] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400,
];

/// Whose marks concern every target: those of the daemon itself.
const ITSELF: &str = "netmend";

/// Longest span whose percentiles are computed from the samples themselves. Over longer ones those of the
/// one-minute rollups, merged and marked, look the same on a chart and cost a tenth.
const EXACT: Duration = Duration::from_hours(36);

/// The store, asked politely.
pub(crate) struct History {
    samples: Arc<dyn Samples>,
    state: Arc<dyn State>,
    slots: Arc<Semaphore>,
    queue: Semaphore,
}

/// Why the past cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unavailable {
    /// Too many ask at a time.
    #[error("too many questions to the store at a time; ask again in a second")]
    Busy,
    /// The store cannot answer.
    #[error("the store cannot answer: {0}")]
    Store(#[from] store::Error),
    /// The answering thread is gone, since it panicked or the process stops.
    #[error("the store did not answer")]
    Gone,
}

impl History {
    pub(crate) fn new(samples: Arc<dyn Samples>, state: Arc<dyn State>) -> Self {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        Self { samples, state, slots, queue: Semaphore::new(WAITING) }
    }

    /// Answers of several series over one span.
    pub(crate) async fn range(
        &self,
        series: Vec<SeriesId>,
        span: Span,
        step: Option<Duration>,
    ) -> Result<Vec<RangeAnswer>, Unavailable> {
        let exact = span.until - EXACT <= span.from;
        let query = RangeQuery { series, from: span.from, until: span.until, step, exact };
        let samples = Arc::clone(&self.samples);
        self.ask(move || samples.range(&query)).await
    }

    /// Marks of a span, newest first: those of `subject` and of netmend itself, or all.
    pub(crate) async fn marks(
        &self,
        subject: Option<String>,
        span: Span,
    ) -> Result<Vec<Mark>, Unavailable> {
        let state = Arc::clone(&self.state);
        let find = move |subject| {
            let (from, until, limit) = (span.from, span.until, MAX_MARKS);
            state.find(&Query::Marks { subject, from, until, limit })
        };
        let records = self.ask(move || match subject {
            None => find(None),
            Some(subject) => {
                // A host may bear that name too: its marks are found once.
                let of_itself =
                    if subject == ITSELF { Vec::new() } else { find(Some(ITSELF.to_owned()))? };
                let mut records = find(Some(subject))?;
                records.extend(of_itself);
                Ok(records)
            }
        });
        let mut marks: Vec<Mark> = records
            .await?
            .into_iter()
            .filter_map(|record| match record.value {
                Value::Mark(mark) => Some(mark),
                _ => None,
            })
            .collect();
        marks.sort_by_key(|mark| std::cmp::Reverse(mark.at));
        marks.truncate(MAX_MARKS as usize);
        Ok(marks)
    }

    /// The labels of an RTT series that the store knows, and when the latest probe of its target was sent;
    /// for targets that are not probed any more.
    pub(crate) async fn known(
        &self,
        id: SeriesId,
    ) -> Result<Option<(Labels, Option<UnixMs>)>, Unavailable> {
        let samples = Arc::clone(&self.samples);
        self.ask(move || {
            let series = samples.list(Some(Metric::Rtt))?;
            let Some(known) = series.into_iter().find(|series| series.id() == id) else {
                return Ok(None);
            };
            let loss = Series { metric: Metric::Loss, labels: known.labels.clone() };
            let latest = samples.latest(&[id, loss.id()])?;
            Ok(Some((known.labels, latest.into_iter().flatten().map(|(at, _)| at).max())))
        })
        .await
    }

    /// Asks the records of the store.
    pub(crate) async fn ask_state<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn State) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let state = Arc::clone(&self.state);
        self.ask(move || question(&*state)).await
    }

    /// Asks on a thread that may block, a few at a time.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let _place = self.queue.try_acquire().map_err(|_| Unavailable::Busy)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Unavailable::Gone)?;
        let answer = tokio::task::spawn_blocking(move || {
            // Held by the thread, so that a client that leaves does not make room for another one
            // while its question is still being answered.
            let _slot = slot;
            question()
        });
        Ok(answer.await.map_err(|_| Unavailable::Gone)??)
    }
}

/// The narrowest readable step in which a target asked at this interval always has a probe.
pub(crate) fn step_of_interval(interval: Duration) -> Duration {
    let wanted = interval.saturating_mul(2);
    let mut steps = STEPS.into_iter().map(|step| Duration::from_secs(step.unsigned_abs()));
    steps.find(|step| *step >= wanted).unwrap_or(wanted)
}

/// A span of time: `from` is within it, `until` is not; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// First millisecond.
    pub(crate) from: UnixMs,
    /// First millisecond after it.
    pub(crate) until: UnixMs,
}

impl Span {
    /// The span of this length that ends at `now`.
    pub(crate) fn until_now(length: Duration, now: UnixMs) -> Self {
        Self { from: now - length, until: now }
    }

    /// Its length in milliseconds, at least 1.
    pub(crate) fn millis(self) -> i64 {
        self.until.0.saturating_sub(self.from.0).max(1)
    }

    /// The finest readable step that needs at most `points` buckets; beyond the ladder, whole days.
    pub(crate) fn step_for(self, points: i64) -> Duration {
        let fits = |step: &i64| self.millis() / (step * 1_000) < points;
        let step = STEPS.into_iter().find(fits).unwrap_or_else(|| {
            let days = self.millis() / points.saturating_mul(86_400_000) + 1;
            days * 86_400
        });
        Duration::from_secs(step.unsigned_abs())
    }

    /// The same span widened to whole steps, so that buckets are the same for all who ask.
    pub(crate) fn aligned(self, step: Duration) -> Self {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let from = self.from.0.div_euclid(step).saturating_mul(step);
        let until = self.until.0.saturating_add(step - 1).div_euclid(step).saturating_mul(step);
        Self { from: UnixMs(from), until: UnixMs(until) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(seconds: i64) -> Span {
        Span { from: UnixMs(0), until: UnixMs(seconds * 1_000) }
    }

    #[test]
    fn steps_are_readable_and_keep_the_number_of_buckets_down() {
        for (seconds, step) in [
            (60, 1),
            (3 * 3_600, 15),
            (30 * 3_600, 120),
            (10 * 86_400, 900),
            (360 * 86_400, 43_200),
            (30_000 * 86_400, 31 * 86_400),
        ] {
            let found = span(seconds).step_for(1_000);
            assert_eq!(found, Duration::from_secs(step), "{seconds} s");
            assert!(seconds.unsigned_abs() / step <= 1_000);
        }
    }

    #[test]
    fn a_slow_target_gets_wider_steps_so_that_its_chart_has_no_holes() {
        for (interval_s, step_s) in [(1, 2), (3, 10), (60, 120), (86_400, 172_800)] {
            let step = step_of_interval(Duration::from_secs(interval_s));
            assert_eq!(step, Duration::from_secs(step_s), "every {interval_s} s");
        }
    }

    #[test]
    fn a_span_is_widened_to_whole_steps() {
        let odd = Span { from: UnixMs(-1), until: UnixMs(10_001) };
        let aligned = Span { from: UnixMs(-10_000), until: UnixMs(20_000) };
        assert_eq!(odd.aligned(Duration::from_secs(10)), aligned);
        assert_eq!(aligned.aligned(Duration::from_secs(10)), aligned);
    }
}
