//! Asks a target that stopped answering each second, so that an outage is found within a minute however
//! slow its interval is. Decides only when; it sends nothing, and knows neither packets nor clocks.
//!
//! After two losses in a row a target is asked every second until it answers or a minute has passed; one
//! that is asked less often than every 10 s, after the first. These are probes like any other: they are
//! reported, stored and counted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::pace::Pace;

/// Milliseconds between two probes of a target that does not answer.
pub(crate) const STEP_MS: u64 = 1_000;
/// For so long, unless it answers.
const SPAN_MS: u64 = 60_000;
/// Losses in a row that begin it ...
const LOSSES: u8 = 2;
/// ... unless the interval is longer than this: then one does.
const SLOW_MS: u64 = 10_000;
/// Most targets of a lane that are asked so at a time: when more fall silent at once it is our own link,
/// and no reason to flood it.
const MOST: usize = 1_000;

/// How the target stands: two bytes that its worker keeps beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Silence {
    /// Losses in a row.
    losses: u8,
    hurry: Hurry,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Hurry {
    #[default]
    No,
    /// Asked each second now.
    On,
    /// This silence has had its minute.
    Over,
}

impl Silence {
    /// Whether it is asked each second now.
    pub(crate) fn is_hurried(self) -> bool {
        self.hurry == Hurry::On
    }

    /// Takes an answer in time.
    pub(crate) fn answered(&mut self) {
        self.losses = 0;
        if self.hurry == Hurry::Over {
            self.hurry = Hurry::No;
        }
    }

    /// Takes a loss.
    pub(crate) fn lost(&mut self) {
        self.losses = self.losses.saturating_add(1);
    }
}

/// What to do with a hurried target whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Ask it now.
    Ask,
    /// Not before this millisecond.
    Wait(u64),
    /// It is hurried no more; its next probe is due at this millisecond, which may be past.
    Over(u64),
}

#[derive(Clone, Copy, Debug)]
struct Chase {
    /// When the target's own interval has it asked next.
    regular: u64,
    until: u64,
}

/// The targets of a worker that are asked each second now, by the worker's own number for them. All times
/// are milliseconds of the monotonic clock.
#[derive(Debug)]
pub(crate) struct Reprobe {
    pace: Option<Arc<Pace>>,
    chases: HashMap<u32, Chase>,
    asked: u64,
}

impl Reprobe {
    /// Without a pace there is no hurry: somebody else decides how often is asked.
    pub(crate) fn new(pace: Option<Arc<Pace>>) -> Self {
        Self { pace, chases: HashMap::new(), asked: 0 }
    }

    /// Probes sent beyond what the intervals give.
    pub(crate) fn asked(&self) -> u64 {
        self.asked
    }

    /// Looks at a target after a loss. `due` is when it is asked next as a rule. `Some`: it is hurried from
    /// now on, and due then.
    pub(crate) fn consider(
        &mut self,
        target: u32,
        silence: &mut Silence,
        (due, interval): (u64, u64),
        now: u64,
    ) -> Option<u64> {
        let losses = if interval > SLOW_MS { 1 } else { LOSSES };
        let sooner = due.saturating_sub(interval).saturating_add(STEP_MS).max(now);
        let idle = self.pace.is_none() || self.chases.len() >= MOST || sooner >= due;
        if idle || silence.hurry != Hurry::No || silence.losses < losses {
            return None;
        }
        silence.hurry = Hurry::On;
        self.chases.insert(target, Chase { regular: due, until: now + SPAN_MS });
        Some(sooner)
    }

    /// What to do with a hurried target that is due.
    pub(crate) fn next(
        &mut self,
        target: u32,
        silence: &mut Silence,
        (ip, interval): (IpAddr, u64),
        now: u64,
    ) -> Next {
        let (Some(chase), Some(pace)) = (self.chases.get_mut(&target), &self.pace) else {
            silence.hurry = Hurry::No;
            return Next::Over(now);
        };
        if silence.losses == 0 || now >= chase.until {
            silence.hurry = if silence.losses == 0 { Hurry::No } else { Hurry::Over };
            let regular = chase.regular;
            self.chases.remove(&target);
            return Next::Over(regular);
        }
        if now >= chase.regular {
            chase.regular += ((now - chase.regular) / interval + 1) * interval;
            return Next::Ask;
        }
        match pace.extra(ip, now) {
            Ok(()) => {
                self.asked += 1;
                Next::Ask
            }
            Err(free_at) => Next::Wait(free_at.min(chase.regular)),
        }
    }

    /// Forgets what is known of a target, because it is another one now. `Some`: it was hurried; its own
    /// interval has it asked at this millisecond.
    pub(crate) fn forget(&mut self, target: u32, silence: &mut Silence) -> Option<u64> {
        *silence = Silence::default();
        self.chases.remove(&target).map(|chase| chase.regular)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn silent(losses: u8) -> Silence {
        Silence { losses, hurry: Hurry::No }
    }

    #[test]
    fn two_losses_begin_it_or_one_where_the_interval_is_slow() {
        for (losses, interval, begins) in
            [(1, 10_000, false), (2, 10_000, true), (1, 60_000, true), (2, 1_000, false)]
        {
            let mut reprobe = Reprobe::new(Some(Arc::new(Pace::new(2.0))));
            let due = reprobe.consider(1, &mut silent(losses), (100_000, interval), 99_000);
            assert_eq!(due.is_some(), begins, "{losses} losses at {interval} ms");
        }
    }

    #[test]
    fn a_regular_probe_is_no_extra_and_keeps_its_grid() {
        let mut reprobe = Reprobe::new(Some(Arc::new(Pace::new(2.0))));
        let mut silence = silent(2);
        assert_eq!(reprobe.consider(1, &mut silence, (9_500, 9_000), 1_500), Some(1_500));
        for now in (1_500..9_500).step_by(1_000) {
            assert_eq!(reprobe.next(1, &mut silence, (IP, 9_000), now), Next::Ask);
        }
        assert_eq!(reprobe.asked(), 8);
        assert_eq!(reprobe.next(1, &mut silence, (IP, 9_000), 9_500), Next::Ask);
        assert_eq!(reprobe.asked(), 8, "it was due anyway");
        silence.answered();
        assert_eq!(reprobe.next(1, &mut silence, (IP, 9_000), 10_500), Next::Over(18_500));
        assert!(!silence.is_hurried());
    }

    #[test]
    fn a_thousand_are_asked_so_and_the_others_keep_their_interval() {
        let mut reprobe = Reprobe::new(Some(Arc::new(Pace::new(2.0))));
        let begun = (0..1_500)
            .filter(|&n| reprobe.consider(n, &mut silent(2), (9_000, 9_000), 1_000).is_some());
        assert_eq!(begun.count(), MOST);
    }
}
