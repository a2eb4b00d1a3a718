//! Numbers the targets: one that a reload leaves unchanged keeps its number, and with it its schedule,
//! address and row. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Metric, SeriesId, Target, TargetId};

/// The targets of this process with their numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    known: HashMap<SeriesId, (TargetId, Arc<Target>)>,
    next: u32,
}

impl Roster {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Numbers `targets`, in their order. An unchanged target keeps its number and its `Arc`; one whose
    /// packets or pace changed keeps its number, since its series go on; numbers are never used again.
    pub(crate) fn number(&mut self, targets: Vec<Target>) -> Vec<(TargetId, Arc<Target>)> {
        let mut known = HashMap::with_capacity(targets.len());
        let mut numbered = Vec::with_capacity(targets.len());
        for target in targets {
            let key = target.series(Metric::Rtt).id();
            let entry = match self.known.remove(&key) {
                Some((id, old)) if *old == target => (id, old),
                Some((id, _)) => (id, Arc::new(target)),
                None => {
                    let id = TargetId(self.next);
                    self.next += 1;
                    (id, Arc::new(target))
                }
            };
            if known.insert(key, entry.clone()).is_none() {
                numbered.push(entry);
            }
        }
        self.known = known;
        numbered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Protocol;
    use std::time::Duration;

    fn target(host: &str) -> Target {
        Target::new(host, "r", Protocol::Icmp)
    }

    #[test]
    fn an_unchanged_target_keeps_its_number_and_a_new_one_never_gets_an_old_number() {
        let mut roster = Roster::default();
        let first = roster.number(vec![target("a"), target("b")]);
        let second = roster.number(vec![target("b"), target("c")]);
        assert!(Arc::ptr_eq(&first[1].1, &second[0].1));
        assert_eq!(second[0].0, first[1].0);
        let third = roster.number(vec![target("a")]);
        assert_eq!(third[0].0, TargetId(3));
    }

    #[test]
    fn a_target_asked_at_another_pace_keeps_its_number() {
        let mut roster = Roster::default();
        let before = roster.number(vec![target("a")]);
        let mut changed = target("a");
        changed.interval = Duration::from_mins(1);
        let after = roster.number(vec![changed]);
        assert_eq!(before[0].0, after[0].0);
        assert_eq!(after[0].1.interval, Duration::from_mins(1));
    }

    #[test]
    fn the_same_target_twice_is_asked_once() {
        let mut roster = Roster::default();
        assert_eq!(roster.number(vec![target("a"), target("a")]).len(), 1);
    }
}
