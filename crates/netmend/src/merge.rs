//! One cause, one mark: what several lanes of the prober see at the same time is told once. Pure.

use std::time::Duration;

use measure::{Change, ChangeKind};

/// What lanes report within this span of each other has one cause.
const TOGETHER: Duration = Duration::from_secs(1);

/// Leaves out changes that repeat one that was told a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Merger {
    told: Vec<Change>,
}

impl Merger {
    /// The changes that tell something new, in their order.
    pub(crate) fn take(&mut self, changes: Vec<Change>) -> Vec<Change> {
        let mut news = Vec::with_capacity(changes.len());
        for change in changes {
            let since = |told: &Change| change.at.0.abs_diff(told.at.0);
            self.told.retain(|told| u128::from(since(told)) < TOGETHER.as_millis());
            if !self.told.iter().any(|told| told.target == change.target && same(told, &change)) {
                self.told.push(change.clone());
                news.push(change);
            }
        }
        news
    }
}

/// Whether two changes are one: the neighbour table and the clock are the machine's, though each lane reads
/// them a moment earlier or later. Receive queues are each socket's own.
fn same(a: &Change, b: &Change) -> bool {
    match (&a.what, &b.what) {
        (ChangeKind::NeighbourDrops { .. }, ChangeKind::NeighbourDrops { .. })
        | (ChangeKind::ClockStepped { .. }, ChangeKind::ClockStepped { .. }) => true,
        (ChangeKind::ReceiveDrops { .. }, ChangeKind::ReceiveDrops { .. }) => false,
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{TargetId, UnixMs};

    fn change(at: i64, target: Option<u32>, what: ChangeKind) -> Change {
        Change { at: UnixMs(at), target: target.map(TargetId), what }
    }

    fn told(changes: Vec<Change>) -> Vec<i64> {
        let mut merger = Merger::default();
        // One call a change: what belongs together may come in two rounds of the keeper.
        let news = changes.into_iter().flat_map(|change| merger.take(vec![change]));
        news.map(|change| change.at.0).collect()
    }

    #[test]
    fn a_full_neighbour_table_that_every_lane_sees_is_told_once_a_second() {
        let drops = |at, packets| change(at, None, ChangeKind::NeighbourDrops { packets });
        let seen = vec![drops(5_000, 7), drops(5_002, 7), drops(5_004, 9), drops(6_000, 3)];
        assert_eq!(told(seen), [5_000, 6_000]);
    }

    #[test]
    fn a_step_of_the_clock_is_one_step_although_lanes_measure_it_a_little_apart() {
        let step = |at, by_ns| change(at, None, ChangeKind::ClockStepped { by_ns });
        assert_eq!(told(vec![step(0, 1_000_000_000), step(3, 1_000_000_700)]), [0]);
    }

    #[test]
    fn every_receive_queue_and_every_target_speaks_for_itself() {
        let drops = |at| change(at, None, ChangeKind::ReceiveDrops { packets: 4 });
        assert_eq!(told(vec![drops(0), drops(1)]), [0, 1]);
        let resolved = |at, target| change(at, Some(target), ChangeKind::Resolved);
        assert_eq!(told(vec![resolved(0, 1), resolved(1, 2), resolved(2, 1)]), [0, 1]);
    }
}
