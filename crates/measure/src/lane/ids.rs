//! Which entry is which target: 8 bytes a target where a hash table takes twenty. Targets come in chunks
//! and mostly in the order of their numbers, so a sorted list is quick enough to keep.

use model::TargetId;

/// Numbers of targets with their entries, ascending by number.
#[derive(Debug, Default)]
pub(super) struct Ids(Vec<(TargetId, u32)>);

impl Ids {
    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        self.0.reserve_exact(more);
    }

    /// The entry of a target.
    pub(super) fn get(&self, id: TargetId) -> Option<u32> {
        self.place(id).ok().map(|place| self.0[place].1)
    }

    /// Adds a target, or gives it another entry.
    pub(super) fn insert(&mut self, id: TargetId, entry: u32) {
        match self.place(id) {
            Ok(place) => self.0[place].1 = entry,
            Err(place) => self.0.insert(place, (id, entry)),
        }
    }

    /// Takes these targets out; the entries of those that were there.
    pub(super) fn remove(&mut self, ids: &[TargetId]) -> Vec<u32> {
        let mut gone = ids.to_vec();
        gone.sort_unstable();
        let mut entries = Vec::new();
        self.0.retain(|(id, entry)| {
            let goes = gone.binary_search(id).is_ok();
            if goes {
                entries.push(*entry);
            }
            !goes
        });
        entries
    }

    fn place(&self, id: TargetId) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if *last < id => Err(self.0.len()),
            _ => self.0.binary_search_by_key(&id, |(id, _)| *id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_whatever_order_they_came_in_and_gone_once_removed() {
        let mut ids = Ids::default();
        for (id, entry) in [(5, 0), (9, 1), (1, 2), (7, 3), (9, 4)] {
            ids.insert(TargetId(id), entry);
        }
        let found = |ids: &Ids| [1, 5, 7, 9, 2].map(|id| ids.get(TargetId(id)));
        assert_eq!(found(&ids), [Some(2), Some(0), Some(3), Some(4), None]);
        assert_eq!(ids.remove(&[TargetId(9), TargetId(2), TargetId(1)]), [2, 4]);
        assert_eq!(found(&ids), [None, Some(0), Some(3), None, None]);
    }
}
