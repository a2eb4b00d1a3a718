//! The present, summed up once for all who ask at the same time: counts, what is wrong, where a target
//! stands. It must not render anything.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use model::{SeriesId, TargetNow, TargetState};
use xxhash_rust::xxh3::Xxh3;

use crate::{Now, Snapshot};

/// Hands out [`View`]s and keeps the latest.
pub(crate) struct Present {
    now: Arc<dyn Now>,
    latest: Mutex<Option<Arc<View>>>,
}

/// One snapshot with what every page derives from it.
pub(crate) struct View {
    /// The snapshot itself.
    pub(crate) snapshot: Arc<Snapshot>,
    /// How many targets are in each state, in the order of [`TargetState::ALL`].
    pub(crate) counts: [usize; TargetState::ALL.len()],
    /// Positions of the targets that are not up, worst first, then the longest in their state.
    pub(crate) wrong: Vec<usize>,
    /// Changes whenever `wrong` or a state in it changes: pages then fetch their list again.
    pub(crate) wrong_mark: u64,
    places: Arc<HashMap<u64, usize>>,
}

impl Present {
    pub(crate) fn new(now: Arc<dyn Now>) -> Self {
        Self { now, latest: Mutex::new(None) }
    }

    /// The view of the daemon's latest snapshot.
    pub(crate) fn view(&self) -> Arc<View> {
        let snapshot = self.now.targets();
        let mut latest = self.latest.lock().expect("no holder of this lock panics");
        if let Some(view) = latest.as_ref()
            && Arc::ptr_eq(&view.snapshot, &snapshot)
        {
            return Arc::clone(view);
        }
        let view = Arc::new(View::new(snapshot, latest.as_deref()));
        *latest = Some(Arc::clone(&view));
        view
    }
}

impl View {
    fn new(snapshot: Arc<Snapshot>, before: Option<&View>) -> Self {
        let targets = &snapshot.targets;
        let mut counts = [0; TargetState::ALL.len()];
        let mut wrong = Vec::new();
        for (place, target) in targets.iter().enumerate() {
            counts[target.state.rank()] += 1;
            if target.state != TargetState::Up {
                wrong.push(place);
            }
        }
        wrong.sort_by_key(|place| (targets[*place].state.rank(), targets[*place].since, *place));
        let mut mark = Xxh3::new();
        for place in &wrong {
            targets[*place].series.rtt.hash(&mut mark);
            targets[*place].state.hash(&mut mark);
        }
        let wrong_mark = mark.finish();
        let same = |view: &&View| {
            let old = &view.snapshot.targets;
            let mut pairs = old.iter().zip(targets);
            old.len() == targets.len() && pairs.all(|(a, b)| a.series.rtt == b.series.rtt)
        };
        let places = match before.filter(same) {
            Some(view) => Arc::clone(&view.places),
            None => {
                Arc::new(targets.iter().enumerate().map(|(place, now)| (key(now), place)).collect())
            }
        };
        Self { snapshot, counts, wrong, wrong_mark, places }
    }

    /// The target whose RTT series is `id`.
    pub(crate) fn find(&self, id: SeriesId) -> Option<&Arc<TargetNow>> {
        self.find_key((id.0 >> 64) as u64).filter(|now| now.series.rtt == id)
    }

    /// The target with this [`key`].
    pub(crate) fn find_key(&self, key: u64) -> Option<&Arc<TargetNow>> {
        self.places.get(&key).map(|place| &self.snapshot.targets[*place])
    }

    /// How many targets are in `state`.
    pub(crate) fn count(&self, state: TargetState) -> usize {
        self.counts[state.rank()]
    }
}

/// What names a target between a page and its live feed: the first half of the RTT series, which is
/// enough among the targets of one daemon and halves the feed.
pub(crate) fn key(now: &TargetNow) -> u64 {
    (now.series.rtt.0 >> 64) as u64
}

/// The numbers of a target that hold now. What is not known is `None`, never zero: a dead target has no
/// RTT, a silent one has nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Values {
    /// RTT of the latest probe in microseconds, if it was answered.
    pub(crate) rtt_us: Option<f32>,
    /// Median of the window in microseconds.
    pub(crate) median_us: Option<f32>,
    /// Mean jitter of the window in microseconds.
    pub(crate) jitter_us: Option<f32>,
    /// Loss of the window in percent.
    pub(crate) loss_pct: Option<f32>,
}

impl Values {
    /// The numbers of `now`.
    pub(crate) fn of(now: &TargetNow) -> Self {
        if matches!(now.state, TargetState::NoData | TargetState::Unresolved) {
            return Self::default();
        }
        let finite = |value: Option<f32>| value.filter(|value| value.is_finite());
        let latest = now.recent.iter().rev().find(|probe| probe.is_known());
        let answered = latest.is_some_and(|probe| probe.outcome.is_answer());
        let down = matches!(now.state, TargetState::Down | TargetState::NeverAnswered);
        Self {
            rtt_us: finite(now.rtt_us).filter(|_| answered),
            median_us: finite(now.median_us).filter(|_| !down),
            jitter_us: finite(now.jitter_us).filter(|_| !down),
            loss_pct: finite(now.loss_pct),
        }
    }
}
