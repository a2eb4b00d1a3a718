//! The prober as the rest of the program sees it: targets in, results out. It owns the thread that brings
//! lookups to the planner, and knows no packet.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use model::{ProbeResult, Target, TargetId};

use crate::planner::{Found, Planner};
use crate::resolve::Answer;
use crate::status::Journal;
use crate::work::Results;
use crate::{Change, Counters, Error, Options, TargetStatus};

/// Closed sockets are tried again this often.
const TEND: Duration = Duration::from_secs(10);
/// Most answers of the resolver that the planner takes at a time.
const TOGETHER: usize = 1024;
/// The thread looks whether it shall end this often.
const LOOK: Duration = Duration::from_millis(100);

/// Probes targets until it is stopped or dropped.
#[derive(Debug)]
pub struct Prober {
    shared: Arc<Shared>,
    tender: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    /// `None` once stopped.
    planner: Mutex<Option<Planner>>,
    journal: Arc<Journal>,
}

impl Shared {
    fn planner(&self) -> MutexGuard<'_, Option<Planner>> {
        self.planner.lock().expect("no holder of this lock can panic")
    }
}

impl Prober {
    /// Starts to probe. Results come batched; the receiver ends when all rounds are done or the prober
    /// stops. Targets are consumed one by one, so that a caller need not hold all of them at once: of a
    /// target that is an address, and whose pace nothing else decides, only some 120 bytes are kept.
    pub fn start(
        options: Options,
        targets: impl IntoIterator<Item = (TargetId, Arc<Target>)>,
    ) -> Result<(Self, Receiver<Vec<ProbeResult>>), Error> {
        let (results, receiver) = sync_channel(Results::QUEUE);
        let journal = Arc::new(Journal::default());
        let (mut planner, answers, found) = Planner::new(options, results, Arc::clone(&journal))?;
        planner.set_targets(targets)?;
        let shared = Arc::new(Shared { planner: Mutex::new(Some(planner)), journal });
        let tended = Arc::clone(&shared);
        let tender = thread::Builder::new()
            .name("plan".into())
            .spawn(move || tend(&tended, &answers, &found))
            .map_err(|source| Error::Thread { name: "plan", source })?;
        Ok((Self { shared, tender: Mutex::new(Some(tender)) }, receiver))
    }

    /// Replaces the set of targets. Those whose number and settings are unchanged keep address, phase,
    /// round and the probes under way.
    pub fn update(
        &self,
        targets: impl IntoIterator<Item = (TargetId, Arc<Target>)>,
    ) -> Result<(), Error> {
        match &mut *self.shared.planner() {
            Some(planner) => planner.set_targets(targets),
            None => Ok(()),
        }
    }

    /// How each target is asked now, by number.
    pub fn statuses(&self) -> Vec<TargetStatus> {
        self.shared.planner().as_ref().map(Planner::statuses).unwrap_or_default()
    }

    /// What happened since the last call, oldest first.
    pub fn changes(&self) -> Vec<Change> {
        self.shared.journal.take()
    }

    /// What was counted since the start; at most a tenth of a second old.
    pub fn counters(&self) -> Counters {
        self.shared.planner().as_ref().map(Planner::counters).unwrap_or_default()
    }

    /// Stops probing and waits for the threads. Probes under way are reported no more; a stopped prober
    /// has no statuses and counts nothing.
    pub fn stop(&self) {
        let planner = self.shared.planner().take();
        if let Some(mut planner) = planner {
            planner.stop();
        }
        let tender = self.tender.lock().expect("no holder of this lock can panic").take();
        if let Some(tender) = tender
            && tender.join().is_err()
        {
            tracing::error!("the planner's thread panicked");
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Brings answers of the resolver and the scout to the planner, and has it tended now and then, until it
/// is gone.
fn tend(shared: &Shared, answers: &Receiver<Answer>, found: &Receiver<Found>) {
    let mut waited = Duration::ZERO;
    loop {
        let answer = answers.recv_timeout(LOOK);
        let mut planner = shared.planner();
        let Some(planner) = &mut *planner else { return };
        for found in found.try_iter() {
            planner.scouted(found);
        }
        match answer {
            Ok(answer) => {
                let more = answers.try_iter().take(TOGETHER - 1);
                planner.answered(&std::iter::once(answer).chain(more).collect::<Vec<_>>());
            }
            Err(RecvTimeoutError::Timeout) => {
                waited += LOOK;
                if waited >= TEND {
                    waited = Duration::ZERO;
                    planner.tend();
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
