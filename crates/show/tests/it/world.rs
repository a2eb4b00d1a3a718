//! A router over a simulated daemon, at a time that stands still.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use model::{ManualClock, Target, TargetNow, UnixMs};
use netmend_show::{Deps, Now, Token, router};
use store::{Change, Mark, State as _};

use crate::sim::{Manner, Marks, Past, Sim};

/// 2026-11-21 22:49:07 UTC.
pub(crate) const NOW: UnixMs = UnixMs(1_795_301_347_000);

/// Everything a test needs.
pub(crate) struct World {
    pub(crate) sim: Arc<Sim>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) past: Arc<Past>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) router: Router,
}

impl World {
    /// A daemon with these targets, after a minute of probes.
    pub(crate) fn new(targets: Vec<(Target, Manner)>) -> Self {
        Self::with(targets, false)
    }

    /// The same; with a store that answers nothing if it is `broken`.
    pub(crate) fn with(targets: Vec<(Target, Manner)>, broken: bool) -> Self {
        let sim = Arc::new(Sim::new(targets, NOW));
        let clock = Arc::new(ManualClock::new(NOW.to_ns()));
        let marks = Arc::new(Marks::default());
        let past = Arc::new(Past { broken, ..Past::of(&*sim) });
        let deps = Deps {
            now: Arc::<Sim>::clone(&sim),
            alerts: Arc::new(netmend_show::Unjudged),
            commands: Arc::new(netmend_show::Unjudged),
            samples: Arc::<Past>::clone(&past),
            state: Arc::<Marks>::clone(&marks),
            clock: Arc::<ManualClock>::clone(&clock),
            listen: "127.0.0.1:8420".parse().unwrap(),
            hosts: Vec::new(),
            token: Token::random().unwrap(),
        };
        Self { sim, clock, past, marks, router: router(deps) }
    }

    /// A second passes, in which each target is asked once.
    pub(crate) fn second(&self) {
        use model::Clock;
        self.clock.advance(Duration::from_secs(1));
        self.sim.round(self.clock.now_ms());
    }

    /// Remembers a mark, so many minutes ago.
    pub(crate) fn mark(&self, minutes_ago: u64, subject: &str, kind: &str, text: &str) {
        let at = NOW - Duration::from_mins(minutes_ago);
        let (subject, kind, text) = (subject.to_owned(), kind.to_owned(), text.to_owned());
        self.marks.apply(vec![Change::Mark(Mark { at, subject, kind, text })]).unwrap();
    }

    /// The row of a host.
    pub(crate) fn target(&self, host: &str) -> Arc<TargetNow> {
        let targets = self.sim.targets();
        let found = targets.targets.iter().find(|now| now.target.host == host);
        Arc::clone(found.unwrap_or_else(|| panic!("no target {host}")))
    }
}
