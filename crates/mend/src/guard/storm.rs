//! When very many devices speak at once, the fault is in the middle of the network or in our own eyes: nothing
//! runs by itself until it is over.

use std::time::Duration;

use model::UnixMs;
use store::{Precedents, StormCount};

use super::{Case, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    match &case.scene.storm {
        Some((said, until)) => Verdict::Hold(said.clone(), *until),
        None => Verdict::Pass,
    }
}

/// When it is a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StormLimits {
    /// More events than this within a minute,
    pub events: u32,
    /// of more devices than this.
    pub devices: u32,
    /// So long nothing runs by itself after it was a storm last.
    pub calm: Duration,
}

impl Default for StormLimits {
    /// 100 events of 20 devices; five minutes.
    fn default() -> Self {
        Self { events: 100, devices: 20, calm: Duration::from_mins(5) }
    }
}

impl StormLimits {
    /// Why it is a storm now, one sentence, and until when that holds at least.
    pub fn storm(&self, before: &Precedents, now: UnixMs) -> Option<(String, UnixMs)> {
        let StormCount { events, devices, .. } = before.storm;
        (events > self.events && devices > self.devices).then(|| {
            let said = format!(
                "storm: {events} events of {devices} devices began within a minute; the fault may lie \
                 between us and them"
            );
            (said, now + self.calm)
        })
    }
}
