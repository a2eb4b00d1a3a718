//! The proof of a repair: ten probes of the device's targets while the session is still open, so that what is not
//! proven is never confirmed. It runs no step, and does not decide whether the run is tried again.

use model::event::EventState;
use model::run::{Proof, ProofVerdict, RunState};
use store::EventMove;

use super::host::WorkerHost;
use super::{Ending, Work, Worker};
use crate::proof;

impl Worker<'_> {
    /// Measures whether the repair holds; only then is it made to stay.
    pub(super) async fn prove(&mut self, host: &mut WorkerHost<'_>) -> Result<Work, Ending> {
        if !self.targets.is_empty() {
            self.run.state = RunState::Verifying;
            let moved = EventMove {
                to: EventState::Verifying,
                reason: String::new(),
                not_before: self.tools.clock.now_ms(),
            };
            self.put(Some(moved), Some(host.exchanges())).await?;
        }
        let mut proof = self.measured().await;
        // Routes follow a session some seconds after it is up: who may settle for longer than it takes to see that is
        // measured once more.
        let settles = self.task.remediation.meta.settle > proof::TAKES;
        if settles && proof.verdict == ProofVerdict::NotProven {
            proof = self.measured().await;
        }
        let (verdict, reason) = (proof.verdict, proof.reason.clone());
        self.run.proof = Some(proof);
        if verdict != ProofVerdict::NotProven
            && let Err(why) = host.confirm().await
        {
            return match host.stopped() {
                _ if host.is_lost() => Err(Ending::Lost),
                Some(why) => Ok(Work::over(RunState::Cancelled, why)),
                None => Ok(Work::failed(format!("it was not made to stay: {why}"))),
            };
        }
        Ok(match verdict {
            ProofVerdict::NotProven => Work::failed(format!("not proven: {reason}")),
            ProofVerdict::Proven => Work::over(RunState::Success, format!("proven: {reason}")),
            ProofVerdict::NotProvable => {
                Work::over(RunState::Success, format!("not provable: {reason}"))
            }
        })
    }

    /// What the device's targets say of the repair.
    async fn measured(&self) -> Proof {
        let tools = self.tools;
        let mut after = Vec::new();
        if !self.targets.is_empty() {
            after = tools.prober.probe(&self.targets, proof::ROUNDS).await;
        }
        proof::judge(&self.targets, &self.before, &after, &*tools.judge)
    }
}
