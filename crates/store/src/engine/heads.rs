//! What is on disk in the journal only: the samples of each series that are not in a chunk yet, packed in
//! memory, and the newest sample of each series. No SQL.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::points::Points;
use crate::codec::scalar::Scalar;

/// A series is sealed at about this many samples; its number staggers it by up to an eighth each way.
const FULL: u32 = 512;
/// A series is sealed at the latest when its oldest sample has waited this long, staggered from half on.
const OLD: Duration = Duration::from_hours(2);

/// Samples handed to the sealer. They stay readable here until their chunk is committed.
#[derive(Debug)]
pub(crate) struct Frozen {
    /// The sealing transaction that will hold them.
    pub(crate) generation: i64,
    /// All journal rows of the series up to this one are in here or in chunks.
    pub(crate) through: i64,
    /// The newest sample of the series: milliseconds and value.
    pub(crate) newest: (i64, f64),
    /// The samples.
    pub(crate) points: Points,
    /// Journal row of the oldest of them.
    row: i64,
}

/// One series.
#[derive(Debug, Default)]
struct Head {
    active: Points,
    /// Journal row and arrival (monotonic seconds) of the oldest active sample.
    row: i64,
    since: u32,
    frozen: Option<Arc<Frozen>>,
    newest: Option<(i64, f64)>,
}

/// A copy of one series' head for a reader.
#[derive(Debug, Default)]
pub(crate) struct HeadCopy {
    frozen: Option<Arc<Frozen>>,
    active: Points,
}

impl HeadCopy {
    /// Appends the samples to two columns, in the order they came.
    pub(crate) fn unpack(&self, ats: &mut Vec<i64>, values: &mut Vec<f64>) {
        if let Some(frozen) = &self.frozen {
            frozen.points.unpack(ats, values);
        }
        self.active.unpack(ats, values);
    }
}

/// All series by their number in the file, which starts at 1.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    heads: Vec<Head>,
    full: VecDeque<u32>,
    samples: u64,
}

/// Spreads neighbouring numbers over the whole range.
fn scatter(series: u32) -> u32 {
    series.wrapping_mul(0x9e37_79b1)
}

fn full(series: u32) -> u32 {
    FULL - FULL / 8 + (scatter(series) >> 16) % (FULL / 4)
}

fn old(series: u32) -> u32 {
    let most = OLD.as_secs() as u32;
    most / 2 + scatter(series) % (most / 2)
}

impl Heads {
    /// Makes room for series up to this number.
    pub(crate) fn grow_to(&mut self, series: u32) {
        let length = series as usize + 1;
        if self.heads.len() < length {
            // Doubling would leave a third of them unused.
            let missing = length - self.heads.len();
            if self.heads.capacity() < length {
                self.heads.reserve_exact(missing.max(self.heads.len() / 8));
            }
            self.heads.resize_with(length, Head::default);
        }
    }

    /// Whether the series exists.
    pub(crate) fn knows(&self, series: u32) -> bool {
        series > 0 && (series as usize) < self.heads.len()
    }

    /// Adds a sample that is on disk in journal row `row`; the series must exist.
    #[inline]
    pub(crate) fn push(&mut self, series: u32, row: i64, now: Duration, at: i64, value: Scalar) {
        let head = &mut self.heads[series as usize];
        if head.active.count() == 0 {
            (head.row, head.since) = (row, now.as_secs() as u32);
        }
        head.active.push(at, value);
        self.samples += 1;
        if head.newest.is_none_or(|(newest, _)| at >= newest) {
            head.newest = Some((at, value.value()));
        }
        if head.active.count() == full(series) {
            self.full.push_back(series);
        }
    }

    /// Notes the newest sample of a series, read back from the file.
    pub(crate) fn set_newest(&mut self, series: u32, at: i64, value: f64) {
        self.heads[series as usize].newest = Some((at, value));
    }

    /// The newest sample of a series.
    pub(crate) fn newest(&self, series: u32) -> Option<(i64, f64)> {
        self.heads.get(series as usize)?.newest
    }

    /// Samples that are not in chunks yet.
    pub(crate) fn samples(&self) -> u64 {
        self.samples
    }

    /// Bytes of memory of all samples here.
    pub(crate) fn memory(&self) -> u64 {
        let of = |head: &Head| {
            let frozen = head.frozen.as_ref().map_or(0, |frozen| frozen.points.memory());
            size_of::<Head>() + head.active.memory() + frozen
        };
        self.heads.iter().map(|head| of(head) as u64).sum()
    }

    /// The oldest journal row that holds a sample in no chunk, once sealing `generation` is committed.
    pub(crate) fn oldest_row_after(&self, generation: i64) -> Option<i64> {
        let oldest = |head: &Head| {
            let active = (head.active.count() > 0).then_some(head.row);
            let frozen = head.frozen.as_ref().filter(|frozen| frozen.generation > generation);
            // What is frozen came before what is active.
            frozen.map(|frozen| frozen.row).or(active)
        };
        self.heads.iter().filter_map(oldest).min()
    }

    /// Takes up to `most` series that are full.
    pub(crate) fn take_full(&mut self, most: usize) -> Vec<u32> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(series) = self.full.pop_front()
        {
            // A series sealed for another reason since has fewer samples again.
            if self.heads[series as usize].active.count() >= full(series) {
                taken.push(series);
            }
        }
        taken
    }

    /// Up to `most` series whose oldest sample has waited its time by `now`.
    pub(crate) fn old(&self, now: Duration, most: usize) -> Vec<u32> {
        let now = now.as_secs() as u32;
        let waited = |series: u32, head: &Head| now.saturating_sub(head.since) >= old(series);
        self.pick(most, waited)
    }

    /// Up to `most` series that hold back journal rows up to `row`.
    pub(crate) fn holding(&self, row: i64, most: usize) -> Vec<u32> {
        self.pick(most, |_, head| head.row <= row)
    }

    fn pick(&self, most: usize, wanted: impl Fn(u32, &Head) -> bool) -> Vec<u32> {
        let heads = self.heads.iter().enumerate().map(|(series, head)| (series as u32, head));
        heads
            .filter(|(_, head)| head.active.count() > 0 && head.frozen.is_none())
            .filter(|(series, head)| wanted(*series, head))
            .map(|(series, _)| series)
            .take(most)
            .collect()
    }

    /// Sets a series' samples apart for the sealer. `None` if there are none, or some are set apart.
    pub(crate) fn freeze(
        &mut self,
        series: u32,
        generation: i64,
        through: i64,
    ) -> Option<Arc<Frozen>> {
        let head = &mut self.heads[series as usize];
        let newest = head.newest?;
        if head.active.count() == 0 || head.frozen.is_some() {
            return None;
        }
        let mut points = std::mem::take(&mut head.active);
        points.shrink();
        let frozen = Arc::new(Frozen { generation, through, newest, points, row: head.row });
        head.frozen = Some(Arc::clone(&frozen));
        Some(frozen)
    }

    /// Forgets what was set apart: it is in chunks now.
    pub(crate) fn thaw(&mut self, series: u32) {
        if let Some(frozen) = self.heads[series as usize].frozen.take() {
            self.samples -= u64::from(frozen.points.count());
        }
    }

    /// A copy of what sealing `generation` has not put into chunks and may lie at or after `from`.
    pub(crate) fn copy(&self, series: u32, generation: i64, from: i64) -> HeadCopy {
        let Some(head) = self.heads.get(series as usize) else { return HeadCopy::default() };
        if head.newest.is_none_or(|(newest, _)| newest < from) {
            return HeadCopy::default();
        }
        let frozen = head.frozen.as_ref().filter(|frozen| frozen.generation > generation);
        HeadCopy { frozen: frozen.cloned(), active: head.active.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(heads: &mut Heads, series: u32, row: i64, at: i64) {
        heads.push(
            series,
            row,
            Duration::from_secs(row.unsigned_abs()),
            at,
            Scalar::new(at as f64),
        );
    }

    fn times(copy: &HeadCopy) -> Vec<i64> {
        let (mut ats, mut values) = (Vec::new(), Vec::new());
        copy.unpack(&mut ats, &mut values);
        ats
    }

    #[test]
    fn frozen_samples_are_seen_until_their_generation_is_in_the_file() {
        let mut heads = Heads::default();
        heads.grow_to(1);
        push(&mut heads, 1, 10, 100);
        heads.freeze(1, 5, 10).unwrap();
        push(&mut heads, 1, 11, 200);
        assert_eq!(times(&heads.copy(1, 4, 0)), [100, 200]);
        assert_eq!(times(&heads.copy(1, 5, 0)), [200]);
        assert!(heads.freeze(1, 6, 11).is_none(), "one part at a time is set apart");
        assert_eq!(heads.oldest_row_after(4), Some(10));
        assert_eq!(heads.oldest_row_after(5), Some(11));
        heads.thaw(1);
        assert_eq!((heads.oldest_row_after(0), heads.samples()), (Some(11), 1));
    }

    #[test]
    fn the_newest_sample_is_newest_by_time_and_not_by_arrival() {
        let mut heads = Heads::default();
        heads.grow_to(1);
        push(&mut heads, 1, 1, 200);
        push(&mut heads, 1, 2, 100);
        assert_eq!(heads.newest(1), Some((200, 200.0)));
        assert!(times(&heads.copy(1, 0, 201)).is_empty());
    }

    #[test]
    fn series_fill_and_age_at_different_moments() {
        let mut heads = Heads::default();
        heads.grow_to(100);
        for sample in 0..448 {
            (1..=100).for_each(|series| push(&mut heads, series, 1, sample));
        }
        let early = heads.take_full(1000).len();
        assert!(early < 10, "{early} series were full at the lower limit");
        for sample in 448..576 {
            (1..=100).for_each(|series| push(&mut heads, series, 1, sample));
        }
        assert_eq!(heads.take_full(1000).len() + early, 100);
        let due = |hours: u64| heads.old(Duration::from_secs(hours * 3600 + 1), 1000).len();
        assert_eq!(due(2), 100);
        assert!(heads.old(Duration::from_mins(90), 1000).len().abs_diff(50) < 15);
        assert_eq!(heads.holding(0, 1000).len(), 0);
        assert_eq!(heads.holding(1, 30).len(), 30);
    }
}
