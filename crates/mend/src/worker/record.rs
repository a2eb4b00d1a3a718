//! How a run is written down, as it goes on and as it ends, and what becomes of its event. It sends nothing.

use std::sync::Arc;
use std::time::Duration;

use model::UnixMs;
use model::event::EventState;
use model::run::{Exchange, RunState};
use store::{
    Applied, Ask, AuditNote, Change, EventChange, EventMove, EventPlan, PlannedRule, RunChange,
    State,
};
use tokio::sync::oneshot;

use super::{ESCALATED, Ending, Errand, LEASE, Work, Worker};
use crate::queue;
use crate::script;

impl Worker<'_> {
    /// Writes down how it ended.
    pub(super) async fn finish(mut self, work: Result<Work, Ending>) -> Ending {
        let work = match work {
            Ok(work) => work,
            Err(ending) => return ending,
        };
        let now = self.tools.clock.now_ms();
        self.run.state = work.state;
        self.run.reason.clone_from(&work.reason);
        self.run.ended = Some(now);
        let transcript = Some(std::mem::take(&mut self.transcript));
        let mut changes = self.changes(Some(self.moved(&work, now)), transcript);
        changes.extend(self.question(&work, now));
        if let Err(ending) = write(&self.tools.state, changes).await {
            return ending;
        }
        Ending::Over(work.state)
    }

    /// What becomes of the event.
    fn moved(&self, work: &Work, now: UnixMs) -> EventMove {
        let meta = &self.task.remediation.meta;
        let (to, not_before) = match work.state {
            RunState::Success => (EventState::Success, now),
            RunState::NotNeeded => (EventState::Suppressed, now),
            RunState::Looked => (EventState::Recorded, now),
            RunState::Cancelled if !self.run.changed => {
                // Nothing was done: the guards decide when it may begin again.
                (EventState::Held, now)
            }
            // What would have cut off the device would do so again, and what was stopped half-way is taken up by nothing:
            // both are for people.
            RunState::Held | RunState::Cancelled => (EventState::Escalated, now),
            RunState::Failure | RunState::TimedOut if self.may_again(work, meta) => {
                // Not before the device is as it was.
                let again = queue::backoff(self.run.attempt, now);
                (EventState::Queued, self.reverts.map_or(again, |reverts| again.max(reverts)))
            }
            RunState::TimedOut => (EventState::TimedOut, now),
            _ if work.state == RunState::Failure && work.reason.starts_with(ESCALATED) => {
                (EventState::Escalated, now)
            }
            _ => (EventState::Failure, now),
        };
        let reason = match to {
            EventState::Queued => format!("{}; it is tried again", work.reason),
            EventState::Escalated if work.state == RunState::Cancelled => {
                format!("it was stopped when it had changed the device: {}", work.reason)
            }
            _ => work.reason.clone(),
        };
        EventMove { to, reason, not_before }
    }

    /// After a dry run: what a person is asked, if one shall be.
    fn question(&self, work: &Work, now: UnixMs) -> Option<Change> {
        let (Errand::Look(Some(time)), Some(would)) = (&self.task.errand, &work.would) else {
            return None;
        };
        let expires = now + *time;
        Some(Change::Event(EventChange::Plan(Box::new(EventPlan {
            id: self.run.event,
            from: vec![EventState::Recorded],
            to: EventState::AwaitingApproval,
            reason: work.reason.clone(),
            not_before: expires,
            rule: Some(PlannedRule {
                remediation: self.run.remediation.clone(),
                script_sha256: self.run.script_sha256.clone(),
                mode: self.run.mode,
            }),
            ask: Some(Ask { asked: now, expires, would: Some(would.clone()) }),
        }))))
    }

    fn may_again(&self, work: &Work, meta: &script::Meta) -> bool {
        let safe = meta.idempotent || !self.run.changed;
        let few = self.run.attempt <= meta.retries && self.run.attempt < queue::ATTEMPTS;
        work.again && safe && few
    }

    pub(super) async fn put(
        &mut self,
        event: Option<EventMove>,
        transcript: Option<Vec<Exchange>>,
    ) -> Result<(), Ending> {
        write(&self.tools.state, self.changes(event, transcript)).await
    }

    /// The run as it is now, with an entry of the audit.
    fn changes(
        &mut self,
        event: Option<EventMove>,
        transcript: Option<Vec<Exchange>>,
    ) -> Vec<Change> {
        let lease_until = self.tools.clock.now_ms() + LEASE;
        let run = Box::new(self.run.clone());
        let put = Change::Run(RunChange::Put { run, lease_until, event, transcript });
        let done = Change::Audit(AuditNote {
            at: self.tools.clock.now_ms(),
            actor: self.run.worker.clone(),
            action: self.run.state.as_str().to_owned(),
            event: Some(self.run.event),
            run: Some(self.run.id),
            detail: self.run.reason.clone(),
        });
        // That the device was only looked at goes with what comes next.
        let looked = std::mem::take(&mut self.looked).into_iter().map(Change::Audit);
        looked.chain([put, done]).collect()
    }

    /// Writes something down besides.
    pub(super) async fn note(&self, change: Option<Change>) -> Result<(), Ending> {
        match change {
            Some(change) => write(&self.tools.state, vec![change]).await,
            None => Ok(()),
        }
    }

    pub(super) async fn audit(&self, action: &str, detail: &str) -> Result<(), Ending> {
        let note = AuditNote {
            at: self.tools.clock.now_ms(),
            actor: self.run.worker.clone(),
            action: action.to_owned(),
            event: Some(self.run.event),
            run: Some(self.run.id),
            detail: detail.to_owned(),
        };
        write(&self.tools.state, vec![Change::Audit(note)]).await
    }
}

/// Pause before what the store refused is given to it again.
const AGAIN: Duration = Duration::from_secs(1);

/// Writes changes, however long the store takes; only then does the worker go on.
pub(super) async fn write(state: &Arc<dyn State>, changes: Vec<Change>) -> Result<(), Ending> {
    let changes = Arc::new(changes);
    loop {
        let (done, written) = oneshot::channel();
        // A worker that is gone needs no answer.
        state.submit(Arc::clone(&changes), Box::new(move |result| drop(done.send(result))));
        match written.await {
            Ok(Ok(Applied::Done(_))) => return Ok(()),
            Ok(Ok(Applied::Conflict) | Err(store::Error::Closed)) | Err(_) => {
                return Err(Ending::Lost);
            }
            Ok(Err(why)) => {
                tracing::error!(%why, "the store does not take what a worker did; it waits");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}
