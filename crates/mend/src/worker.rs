//! One run from the login to the proof: `check`, `fix`, `verify`, and ten probes. Everything that changes the
//! device is on disk before it is sent, so that after a crash it is known what may have happened. Whether the
//! run may begin was decided before.
//!
//! `host` is what a remediation gets to see of the device, `carrier` what a fix must not cut off.

mod carrier;
mod host;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use model::event::EventState;
use model::run::{Exchange, Measured, ProofVerdict, Run, RunState, Step, StepOutcome, StepResult};
use model::{Clock, Event, UnixMs};
use store::{Applied, AuditNote, Change, EventMove, RunChange, State};

use crate::endpoint::Endpoint;
use crate::platform::Platform;
use crate::proof::{self, Judge, Prober, ProofTarget};
use crate::queue;
use crate::script::{self, Children, Execution, Facts, Remediation, Verdict, VerdictKind};
use crate::session::{HostKeys, Limits, Session, SessionError};

use host::WorkerHost;

/// How long a worker is taken for alive after it said so last; it says so at least three times as often.
pub const LEASE: Duration = Duration::from_secs(30);
/// Pause between two looks at whether a fix has taken effect.
const LOOK: Duration = Duration::from_secs(1);

/// What a step came to.
pub type Stepping<'a> = Pin<Box<dyn Future<Output = Result<Verdict, String>> + Send + 'a>>;

/// Runs remediations; children of this process do, in tests anything may.
pub trait Scripts: Send + Sync {
    /// A remediation for an event on a platform. Nothing runs yet.
    fn begin<'a>(
        &'a self,
        remediation: &'a Remediation,
        facts: &'a Facts,
        platform: Platform,
    ) -> Box<dyn Steps + 'a>;
}

/// A remediation at work.
pub trait Steps: Send {
    /// Runs one step within the time.
    fn step<'a>(
        &'a mut self,
        step: script::Step,
        host: &'a mut dyn script::Host,
        time: Duration,
    ) -> Stepping<'a>;
}

impl Scripts for Children {
    fn begin<'a>(
        &'a self,
        remediation: &'a Remediation,
        facts: &'a Facts,
        platform: Platform,
    ) -> Box<dyn Steps + 'a> {
        Box::new(Execution::new(self, remediation, facts, platform))
    }
}

impl Steps for Execution<'_> {
    fn step<'a>(
        &'a mut self,
        step: script::Step,
        host: &'a mut dyn script::Host,
        time: Duration,
    ) -> Stepping<'a> {
        Box::pin(
            async move { Execution::step(self, step, host, time).await.map_err(|why| chain(&why)) },
        )
    }
}

/// The kill switch, looked at before each command.
pub trait Switch: Send + Sync {
    /// Why all repairs are stopped, one sentence; `None` while they are not.
    fn stopped(&self) -> Option<String>;
}

/// What workers share.
#[derive(Clone)]
pub struct Tools {
    /// Runs steps.
    pub scripts: Arc<dyn Scripts>,
    /// Stops everything.
    pub switch: Arc<dyn Switch>,
    /// Measures.
    pub prober: Arc<dyn Prober>,
    /// Knows what is usual.
    pub judge: Arc<dyn Judge>,
    /// Where runs are written down.
    pub state: Arc<dyn State>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whose keys are trusted.
    pub keys: HostKeys,
    /// How long a session waits for what.
    pub limits: Limits,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What a worker is given.
#[derive(Clone, Debug)]
pub struct Task {
    /// The run, as claimed.
    pub run: Run,
    /// Its event.
    pub event: Event,
    /// What to run.
    pub remediation: Arc<Remediation>,
    /// The device.
    pub endpoint: Endpoint,
    /// Whether an earlier run of this event may have changed the device.
    pub changed_before: bool,
}

/// How a run ended, for those who count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As the stored run says.
    Over(RunState),
    /// The device refused the credential.
    Refused {
        /// Whose: account and device.
        user: String,
        /// What it said.
        said: String,
    },
    /// It is written down no more: somebody else took this worker for dead, or the store is closed.
    Lost,
}

/// What came of the work on the device.
struct Work {
    state: RunState,
    reason: String,
    /// Whether it may be tried again.
    again: bool,
    refused: Option<String>,
}

impl Work {
    fn failed(reason: impl Into<String>) -> Self {
        Self { state: RunState::Failure, reason: reason.into(), again: true, refused: None }
    }

    fn over(state: RunState, reason: impl Into<String>) -> Self {
        Self { state, reason: reason.into(), again: false, refused: None }
    }
}

/// Runs a task to its end. It ends early only when the store refuses to know of it.
pub async fn run(tools: &Tools, task: Task) -> Ending {
    let targets = tools.prober.targets(&task.run.device);
    let mut worker = Worker {
        facts: Facts { fields: task.event.fields.clone(), event: task.event.clone() },
        deadline: tools.clock.monotonic() + task.remediation.meta.timeout,
        run: task.run.clone(),
        before: tools.prober.before(&targets),
        targets,
        transcript: Vec::new(),
        tools,
        task,
    };
    let work = worker.work().await;
    worker.finish(work).await
}

struct Worker<'a> {
    tools: &'a Tools,
    task: Task,
    facts: Facts,
    run: Run,
    /// By the monotonic clock.
    deadline: Duration,
    targets: Vec<ProofTarget>,
    before: Vec<Measured>,
    transcript: Vec<Exchange>,
}

impl Worker<'_> {
    /// The work on the device and the proof of it.
    async fn work(&mut self) -> Result<Work, Ending> {
        self.audit("login", &format!("{} as {}", self.run.device, self.task.endpoint.login.user))
            .await?;
        let limits = Limits {
            command: self.tools.limits.command.min(self.task.remediation.meta.timeout),
            ..self.tools.limits.clone()
        };
        let clock = Arc::clone(&self.tools.clock);
        let opened = Session::open(&self.task.endpoint, &self.tools.keys, limits, clock).await;
        let session = match opened {
            Ok(session) => session,
            Err(why) => return Ok(Self::unopened(&why)),
        };
        let mut host =
            WorkerHost::new(self.tools, &self.task, self.run.clone(), session, self.deadline);
        let (scripts, facts) = (Arc::clone(&self.tools.scripts), self.facts.clone());
        let remediation = Arc::clone(&self.task.remediation);
        let mut script = scripts.begin(&remediation, &facts, self.task.endpoint.platform);
        let work = self.steps(&mut *script, &mut host).await;
        let (run, transcript) = host.close().await;
        (self.run.changed, self.run.sent) = (run.changed, run.sent);
        self.transcript = transcript;
        let work = match work {
            Ok(()) => self.prove().await?,
            Err(Stop::Work(work)) => work,
            Err(Stop::Lost) => return Err(Ending::Lost),
        };
        Ok(work)
    }

    fn unopened(why: &SessionError) -> Work {
        let said = chain(why);
        match why {
            SessionError::Authentication { .. } => {
                Work { refused: Some(said.clone()), ..Work::over(RunState::Failure, said) }
            }
            // Who shows another key is not asked again.
            SessionError::HostKey(_) | SessionError::Credential { .. } => {
                Work::over(RunState::Failure, said)
            }
            _ => Work::failed(said),
        }
    }

    async fn steps(
        &mut self,
        script: &mut dyn Steps,
        host: &mut WorkerHost<'_>,
    ) -> Result<(), Stop> {
        let meta = self.task.remediation.meta.clone();
        let checked = self.step(script, host, script::Step::Check).await?;
        match checked.kind {
            VerdictKind::Yes => {}
            VerdictKind::No if self.task.changed_before && meta.has(script::Step::Verify) => {
                // An earlier run may have repaired it before it was cut off.
                return self.verify(script, host, &meta).await;
            }
            VerdictKind::No => {
                let said = said_or(&checked, "`check` says that there is nothing to do");
                return Err(Stop::Work(Work::over(RunState::NotNeeded, said)));
            }
            VerdictKind::Escalate => return Err(escalated(&checked)),
        }
        let fixed = match self.step(script, host, script::Step::Fix).await {
            Ok(fixed) => fixed,
            Err(stop) => {
                self.undo(script, host, &meta).await?;
                return Err(stop);
            }
        };
        match fixed.kind {
            VerdictKind::Yes => {}
            VerdictKind::No => {
                let said = said_or(&fixed, "`fix` says that it was not done");
                return Err(Stop::Work(Work::over(RunState::Failure, said)));
            }
            VerdictKind::Escalate => return Err(escalated(&fixed)),
        }
        if meta.has(script::Step::Verify)
            && let Err(stop) = self.verify(script, host, &meta).await
        {
            self.undo(script, host, &meta).await?;
            return Err(stop);
        }
        Ok(())
    }

    /// Asks `verify` until it says yes or its time is over.
    async fn verify(
        &mut self,
        script: &mut dyn Steps,
        host: &mut WorkerHost<'_>,
        meta: &script::Meta,
    ) -> Result<(), Stop> {
        let clock = Arc::clone(&self.tools.clock);
        let until = (clock.monotonic() + meta.settle).min(self.deadline);
        loop {
            let verified = self.step(script, host, script::Step::Verify).await?;
            match verified.kind {
                VerdictKind::Yes => return Ok(()),
                VerdictKind::Escalate => return Err(escalated(&verified)),
                VerdictKind::No if clock.monotonic() + LOOK <= until => {
                    tokio::time::sleep(LOOK).await;
                }
                VerdictKind::No => {
                    let said = said_or(&verified, "`verify` says that it is still broken");
                    return Err(Stop::Work(Work::failed(said)));
                }
            }
        }
    }

    /// Takes a repair back that failed, where the file says how.
    async fn undo(
        &mut self,
        script: &mut dyn Steps,
        host: &mut WorkerHost<'_>,
        meta: &script::Meta,
    ) -> Result<(), Stop> {
        if meta.has(script::Step::Undo) && host.has_changed() && host.is_usable() {
            // What failed before is what matters; the transcript tells the rest.
            match self.step(script, host, script::Step::Undo).await {
                Err(Stop::Lost) => return Err(Stop::Lost),
                Ok(_) | Err(Stop::Work(_)) => {}
            }
        }
        Ok(())
    }

    async fn step(
        &mut self,
        script: &mut dyn Steps,
        host: &mut WorkerHost<'_>,
        step: script::Step,
    ) -> Result<Verdict, Stop> {
        let clock = &self.tools.clock;
        let (at, since) = (clock.now_ms(), clock.monotonic());
        let left = self.deadline.saturating_sub(since);
        host.begin(step);
        let ran = script.step(step, host, left).await;
        let ran = ran.map(|verdict| Verdict { reason: host.redacted(&verdict.reason), ..verdict });
        let (outcome, said) = match &ran {
            Ok(verdict) => (outcome(step, verdict.kind), verdict.reason.clone()),
            Err(why) => (StepOutcome::Failed, host.redacted(why)),
        };
        let took = clock.monotonic().saturating_sub(since).as_millis();
        let took_ms = u64::try_from(took).unwrap_or(u64::MAX);
        self.run.steps.push(StepResult {
            step: stored(step),
            at,
            took_ms,
            outcome,
            said: said.clone(),
        });
        host.note_steps(&self.run.steps);
        if host.is_lost() {
            return Err(Stop::Lost);
        }
        if let Some(why) = host.stopped() {
            return Err(Stop::Work(Work::over(RunState::Cancelled, why)));
        }
        if let Some(why) = host.refused() {
            return Err(Stop::Work(Work::over(RunState::Held, why)));
        }
        match ran {
            Ok(verdict) => Ok(verdict),
            Err(_) if clock.monotonic() >= self.deadline => {
                let limit = self.task.remediation.meta.timeout;
                let reason = format!("it took longer than {} s: {said}", limit.as_secs());
                Err(Stop::Work(Work { state: RunState::TimedOut, ..Work::failed(reason) }))
            }
            Err(_) => Err(Stop::Work(Work::failed(said))),
        }
    }

    /// Measures whether the repair holds.
    async fn prove(&mut self) -> Result<Work, Ending> {
        self.run.state = RunState::Verifying;
        let moved = EventMove {
            to: EventState::Verifying,
            reason: String::new(),
            not_before: self.tools.clock.now_ms(),
        };
        self.put(Some(moved), Some(self.transcript.clone())).await?;
        let after = if self.targets.is_empty() {
            Vec::new()
        } else {
            self.tools.prober.probe(&self.targets, proof::ROUNDS).await
        };
        let proof = proof::judge(&self.targets, &self.before, &after, &*self.tools.judge);
        let (verdict, reason) = (proof.verdict, proof.reason.clone());
        self.run.proof = Some(proof);
        Ok(match verdict {
            ProofVerdict::NotProven => Work::failed(format!("not proven: {reason}")),
            ProofVerdict::Proven => Work::over(RunState::Success, format!("proven: {reason}")),
            ProofVerdict::NotProvable => {
                Work::over(RunState::Success, format!("not provable: {reason}"))
            }
        })
    }

    /// Writes down how it ended.
    async fn finish(mut self, work: Result<Work, Ending>) -> Ending {
        let work = match work {
            Ok(work) => work,
            Err(ending) => return ending,
        };
        let now = self.tools.clock.now_ms();
        self.run.state = work.state;
        self.run.reason.clone_from(&work.reason);
        self.run.ended = Some(now);
        let moved = self.moved(&work, now);
        let transcript = Some(std::mem::take(&mut self.transcript));
        if let Err(ending) = self.put(Some(moved), transcript).await {
            return ending;
        }
        match work.refused {
            Some(said) => Ending::Refused { user: self.task.endpoint.login.user.clone(), said },
            None => Ending::Over(work.state),
        }
    }

    /// What becomes of the event.
    fn moved(&self, work: &Work, now: UnixMs) -> EventMove {
        let meta = &self.task.remediation.meta;
        let (to, not_before) = match work.state {
            RunState::Success => (EventState::Success, now),
            RunState::NotNeeded => (EventState::Suppressed, now),
            RunState::Held | RunState::Cancelled if !self.run.changed => {
                // Nothing was done: the guards decide when it may begin again.
                (EventState::Held, now)
            }
            RunState::Held | RunState::Cancelled => (EventState::Cancelled, now),
            RunState::Failure | RunState::TimedOut if self.may_again(work, meta) => {
                (EventState::Queued, queue::backoff(self.run.attempt, now))
            }
            RunState::TimedOut => (EventState::TimedOut, now),
            _ if work.state == RunState::Failure && work.reason.starts_with(ESCALATED) => {
                (EventState::Escalated, now)
            }
            _ => (EventState::Failure, now),
        };
        let reason = match to {
            EventState::Queued => format!("{}; it is tried again", work.reason),
            _ => work.reason.clone(),
        };
        EventMove { to, reason, not_before }
    }

    fn may_again(&self, work: &Work, meta: &script::Meta) -> bool {
        let safe = meta.idempotent || !self.run.changed;
        let few = self.run.attempt <= meta.retries && self.run.attempt < queue::ATTEMPTS;
        work.again && safe && few
    }

    async fn put(
        &self,
        event: Option<EventMove>,
        transcript: Option<Vec<Exchange>>,
    ) -> Result<(), Ending> {
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
        write(&self.tools.state, vec![put, done]).await
    }

    async fn audit(&self, action: &str, detail: &str) -> Result<(), Ending> {
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

/// Why the steps do not go on.
enum Stop {
    Work(Work),
    /// The store knows of this run no more.
    Lost,
}

/// How the reason of a run begins that is for people.
const ESCALATED: &str = "for people: ";

fn escalated(verdict: &Verdict) -> Stop {
    let said = said_or(verdict, "the remediation says that people must look at it");
    Stop::Work(Work::over(RunState::Failure, format!("{ESCALATED}{said}")))
}

fn said_or(verdict: &Verdict, default: &str) -> String {
    if verdict.reason.is_empty() { default.to_owned() } else { verdict.reason.clone() }
}

fn outcome(step: script::Step, kind: VerdictKind) -> StepOutcome {
    match (kind, step.may_change()) {
        (VerdictKind::Yes, true) => StepOutcome::Done,
        (VerdictKind::Yes, false) => StepOutcome::Yes,
        (VerdictKind::No | VerdictKind::Escalate, _) => StepOutcome::No,
    }
}

/// A step as it is stored.
fn stored(step: script::Step) -> Step {
    match step {
        script::Step::Check => Step::Check,
        script::Step::Fix => Step::Fix,
        script::Step::Verify => Step::Verify,
        script::Step::Undo => Step::Undo,
    }
}

/// An error with all that is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(why) = next {
        text.push_str(": ");
        text.push_str(&why.to_string());
        next = why.source();
    }
    text
}

/// Pause before what the store refused is given to it again.
const AGAIN: Duration = Duration::from_secs(1);

/// Writes changes, however long the store takes; only then does the worker go on.
async fn write(state: &Arc<dyn State>, changes: Vec<Change>) -> Result<(), Ending> {
    loop {
        let (store, these) = (Arc::clone(state), changes.clone());
        let written = tokio::task::spawn_blocking(move || store.apply(these)).await;
        match written {
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
