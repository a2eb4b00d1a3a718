//! When our own machine dropped packets. A probe of such a moment that stays unanswered is unknown, not
//! lost: we cannot tell.

use std::collections::VecDeque;

use model::Reason;
use model::transport::{Figures, STALE};

/// A span in which something was dropped, in milliseconds of the monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Episode {
    from: u64,
    to: u64,
    reason: Reason,
}

/// The episodes that probes under way may still have met.
#[derive(Debug, Default)]
pub(super) struct Drops {
    last: Figures,
    read_at: u64,
    episodes: VecDeque<Episode>,
    /// Drops not told yet: receive queue, neighbour table.
    untold: (u64, u64),
    told_at: u64,
}

impl Drops {
    /// Drops are told at most this often.
    const TELL_MS: u64 = 1_000;

    /// When the figures were read last.
    pub(super) fn read_at(&self) -> u64 {
        self.read_at
    }

    /// Takes what the socket says now.
    pub(super) fn note(&mut self, now: u64, figures: Figures) {
        let received = figures.receive_drops.saturating_sub(self.last.receive_drops);
        let neighbours = figures.neighbour_drops.saturating_sub(self.last.neighbour_drops);
        // What the last reading did not show yet may be as much older.
        let stale = STALE.as_millis() as u64;
        for (count, reason, age) in
            [(received, Reason::ReceiveQueueFull, 0), (neighbours, Reason::NeighbourTable, stale)]
        {
            if count == 0 {
                continue;
            }
            let from = self.read_at.saturating_sub(age);
            match self.episodes.iter_mut().rev().find(|episode| episode.reason == reason) {
                Some(episode) if episode.to >= from => episode.to = now,
                _ => self.episodes.push_back(Episode { from, to: now, reason }),
            }
        }
        self.untold.0 += received;
        self.untold.1 += neighbours;
        self.last = figures;
        self.read_at = now;
    }

    /// Why a probe sent at `sent` and awaited until `deadline` may have been swallowed by ourselves. The
    /// receive queue swallows answers, the neighbour table requests.
    pub(super) fn excuse(&self, sent: u64, deadline: u64) -> Option<Reason> {
        let met = |episode: &&Episode| match episode.reason {
            Reason::NeighbourTable => sent <= episode.to && sent >= episode.from,
            _ => sent <= episode.to && deadline >= episode.from,
        };
        self.episodes.iter().find(met).map(|episode| episode.reason)
    }

    /// Whether the neighbour table was full just before `now`.
    pub(super) fn neighbours_full(&self, now: u64) -> bool {
        let recent = |episode: &Episode| {
            episode.reason == Reason::NeighbourTable && episode.to + Self::TELL_MS >= now
        };
        self.episodes.iter().any(recent)
    }

    /// Forgets what no probe under way can have met.
    pub(super) fn forget(&mut self, before: u64) {
        while self.episodes.front().is_some_and(|episode| episode.to < before) {
            self.episodes.pop_front();
        }
    }

    /// Drops since they were last told (receive queue, neighbour table), at most once a second.
    pub(super) fn tell(&mut self, now: u64) -> (u64, u64) {
        if self.untold == (0, 0) || now < self.told_at + Self::TELL_MS {
            return (0, 0);
        }
        self.told_at = now;
        std::mem::take(&mut self.untold)
    }

    /// All drops so far.
    pub(super) fn total(&self) -> Figures {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_probes_of_the_moment_are_excused() {
        let mut drops = Drops::default();
        drops.note(1_000, Figures::default());
        drops.note(1_100, Figures { receive_drops: 3, neighbour_drops: 0 });
        drops.note(1_200, Figures { receive_drops: 3, neighbour_drops: 0 });
        let excuse = |sent, deadline| drops.excuse(sent, deadline);
        assert_eq!(excuse(0, 999), None, "over before");
        assert_eq!(excuse(0, 1_000), Some(Reason::ReceiveQueueFull));
        assert_eq!(excuse(1_100, 2_100), Some(Reason::ReceiveQueueFull));
        assert_eq!(excuse(1_101, 2_100), None, "sent after");
    }

    #[test]
    fn the_neighbour_table_swallows_only_what_is_sent_then() {
        let mut drops = Drops::default();
        drops.note(1_000, Figures::default());
        drops.note(1_100, Figures { receive_drops: 0, neighbour_drops: 9 });
        assert_eq!(drops.excuse(500, 1_500), None);
        assert_eq!(drops.excuse(1_050, 2_050), Some(Reason::NeighbourTable));
        assert!(drops.neighbours_full(1_500) && !drops.neighbours_full(3_000));
        drops.forget(1_101);
        assert_eq!(drops.excuse(1_050, 2_050), None);
    }

    #[test]
    fn drops_are_told_once_a_second_and_none_is_missed() {
        let mut drops = Drops::default();
        let figures = |receive_drops| Figures { receive_drops, neighbour_drops: 0 };
        drops.note(5_000, figures(2));
        assert_eq!(drops.tell(5_000), (2, 0));
        drops.note(5_500, figures(3));
        assert_eq!(drops.tell(5_500), (0, 0));
        drops.note(6_000, figures(4));
        assert_eq!(drops.tell(6_000), (2, 0));
        assert_eq!(drops.total(), figures(4));
    }
}
