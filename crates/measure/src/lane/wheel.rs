//! The timing wheel: which target is due in which millisecond. Links lie in one array beside the targets,
//! so that planning a probe neither allocates nor searches. It knows no clock.

/// Number of slots of one millisecond. What is due later than a lap stays in its slot for another.
const SLOTS: usize = 4096;
const NONE: u32 = u32::MAX;

/// Where a member waits and until when.
#[derive(Clone, Copy, Debug)]
struct Link {
    due: u64,
    next: u32,
    previous: u32,
}

const OUT: Link = Link { due: u64::MAX, next: NONE, previous: NONE };

/// Members 0, 1, 2, ... each due once, at a millisecond.
#[derive(Debug)]
pub(super) struct Wheel {
    heads: Box<[u32; SLOTS]>,
    tails: Box<[u32; SLOTS]>,
    links: Vec<Link>,
    /// Everything due before this millisecond has been taken.
    at: u64,
    waiting: usize,
}

impl Wheel {
    /// An empty wheel that stands at millisecond 0.
    pub(super) fn new() -> Self {
        Self {
            heads: Box::new([NONE; SLOTS]),
            tails: Box::new([NONE; SLOTS]),
            links: Vec::new(),
            at: 0,
            waiting: 0,
        }
    }

    /// Makes room for so many members.
    pub(super) fn reserve(&mut self, members: usize) {
        self.links.reserve_exact(members.saturating_sub(self.links.len()));
    }

    /// How many members wait.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Lets a member wait until `due`, behind those already waiting for it. A member that waits is moved;
    /// what is due in the past is due at once.
    pub(super) fn insert(&mut self, member: u32, due: u64) {
        let index = member as usize;
        if self.links.len() <= index {
            self.links.resize(index + 1, OUT);
        }
        self.remove(member);
        let due = due.max(self.at);
        let slot = slot_of(due);
        let last = self.tails[slot];
        self.links[index] = Link { due, next: NONE, previous: last };
        match last {
            NONE => self.heads[slot] = member,
            _ => self.links[last as usize].next = member,
        }
        self.tails[slot] = member;
        self.waiting += 1;
    }

    /// Takes a member out, if it waits.
    pub(super) fn remove(&mut self, member: u32) {
        let Some(&Link { due, next, previous }) = self.links.get(member as usize) else { return };
        if due == OUT.due {
            return;
        }
        let slot = slot_of(due);
        match previous {
            NONE => self.heads[slot] = next,
            _ => self.links[previous as usize].next = next,
        }
        match next {
            NONE => self.tails[slot] = previous,
            _ => self.links[next as usize].previous = previous,
        }
        self.links[member as usize] = OUT;
        self.waiting -= 1;
    }

    /// Takes the next member that is due at `now` or before, earliest first.
    pub(super) fn take(&mut self, now: u64) -> Option<u32> {
        if self.waiting == 0 {
            self.at = self.at.max(now);
            return None;
        }
        let mut empty = 0;
        loop {
            if let Some(member) = self.due_at(self.at) {
                if self.at > now {
                    return None;
                }
                self.remove(member);
                return Some(member);
            }
            if self.at >= now {
                return None;
            }
            self.at += 1;
            empty += 1;
            // All slots have been looked at. Without this leap a new wheel would turn through every
            // millisecond since the machine was started.
            if empty == SLOTS {
                self.at = self.at.max(self.earliest().min(now));
            }
        }
    }

    /// The millisecond at which the first of those waiting is due.
    fn earliest(&self) -> u64 {
        self.links.iter().map(|link| link.due).min().unwrap_or(u64::MAX)
    }

    /// Milliseconds from `now` until the next member is due, looking ahead no further than `most`.
    pub(super) fn idle(&self, now: u64, most: u64) -> u64 {
        let until = now + most;
        (self.at..until).find(|&at| self.due_at(at).is_some()).unwrap_or(until).saturating_sub(now)
    }

    /// How many members are due before this millisecond, counted no further than `most`.
    pub(super) fn due_by(&self, until: u64, most: usize) -> usize {
        let at_once = |at| {
            let mut member = self.heads[slot_of(at)];
            std::iter::from_fn(move || {
                let link = *self.links.get(member as usize)?;
                member = link.next;
                Some(link.due <= at)
            })
        };
        (self.at..until).flat_map(at_once).filter(|due| *due).take(most).count()
    }

    fn due_at(&self, at: u64) -> Option<u32> {
        let mut member = self.heads[slot_of(at)];
        while member != NONE {
            let link = self.links[member as usize];
            if link.due <= at {
                return Some(member);
            }
            member = link.next;
        }
        None
    }
}

fn slot_of(at: u64) -> usize {
    at as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(wheel: &mut Wheel, now: u64) -> Vec<u32> {
        std::iter::from_fn(|| wheel.take(now)).collect()
    }

    #[test]
    fn members_come_when_due_in_order_and_once() {
        let mut wheel = Wheel::new();
        for (member, due) in [(0, 5), (1, 3), (2, 5), (3, 9000), (4, 3 + SLOTS as u64)] {
            wheel.insert(member, due);
        }
        assert!(all(&mut wheel, 2).is_empty());
        assert_eq!(all(&mut wheel, 5), [1, 0, 2]);
        assert!(all(&mut wheel, 5).is_empty());
        assert!(all(&mut wheel, 2 + SLOTS as u64).is_empty(), "a lap early");
        assert_eq!(all(&mut wheel, 100_000), [4, 3], "after a long sleep");
        assert_eq!(wheel.len(), 0);
    }

    #[test]
    fn a_member_can_be_moved_and_removed() {
        let mut wheel = Wheel::new();
        for member in 0..4 {
            wheel.insert(member, 10);
        }
        wheel.insert(1, 12);
        wheel.remove(2);
        wheel.remove(2);
        wheel.remove(99);
        assert_eq!(all(&mut wheel, 11), [0, 3]);
        assert_eq!(all(&mut wheel, 12), [1]);
    }

    #[test]
    fn years_in_which_nothing_was_due_are_passed_at_once() {
        let years = 1 << 40;
        let mut wheel = Wheel::new();
        wheel.insert(0, years);
        wheel.insert(1, 3 * years + 1);
        assert_eq!(all(&mut wheel, years), [0]);
        assert!(all(&mut wheel, 3 * years).is_empty());
        assert_eq!(all(&mut wheel, 3 * years + 1), [1]);
    }

    #[test]
    fn the_past_is_due_at_once() {
        let mut wheel = Wheel::new();
        assert!(all(&mut wheel, 1_000).is_empty());
        wheel.insert(7, 3);
        assert_eq!(all(&mut wheel, 1_000), [7]);
    }

    #[test]
    fn idle_time_ends_with_the_next_due_member() {
        let mut wheel = Wheel::new();
        wheel.insert(0, 30);
        assert_eq!(wheel.idle(0, 50), 30);
        assert_eq!(wheel.idle(0, 20), 20);
        assert_eq!(wheel.idle(40, 20), 0, "overdue");
    }

    #[test]
    fn members_that_are_due_soon_are_counted() {
        let mut wheel = Wheel::new();
        for (member, due) in [(0, 30), (1, 30), (2, 33), (3, 34), (4, 30 + SLOTS as u64)] {
            wheel.insert(member, due);
        }
        assert_eq!(wheel.due_by(30, 9), 0);
        assert_eq!(wheel.due_by(34, 9), 3);
        assert_eq!(wheel.due_by(34, 2), 2);
    }
}
