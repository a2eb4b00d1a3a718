//! One run from the login to the proof: `check`, `fix`, `verify`, and ten probes. Everything that changes the
//! device is on disk before it is sent, so that after a crash it is known what may have happened. Whether the
//! run may begin was decided before.
//!
//! `host` is what a remediation gets to see of the device, `carrier` what a fix must not cut off, `proving` what is
//! measured once it is repaired, `record` what is written down.

mod carrier;
mod host;
mod proving;
mod record;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use model::run::{Exchange, Measured, Run, RunState, Step, StepOutcome, StepResult};
use model::{Clock, Event, Login, UnixMs};
use store::{AuditNote, Change, RunChange, State};

use crate::endpoint::Endpoint;
use crate::platform::Platform;
use crate::proof::{Judge, Prober, ProofTarget};
use crate::queue;
use crate::script::{self, Children, Execution, Facts, Remediation, Verdict, VerdictKind};
use crate::session::{HostKeys, Kept, Limits, Session, SessionError};

use host::{WorkerHost, one_line};
use record::write;

/// How long a worker is taken for alive after it said so last; it says so at least three times as often.
pub const LEASE: Duration = Duration::from_secs(30);
/// Pause between two looks at whether a fix has taken effect.
const LOOK: Duration = Duration::from_secs(1);

/// What a step came to.
pub type Stepping<'a> = Pin<Box<dyn Future<Output = Result<Verdict, String>> + Send + 'a>>;

/// Runs remediations; children of this process do, in tests anything may.
pub trait Scripts: Send + Sync {
    /// A remediation for an event on a platform, whose steps up to this one will be asked for one after the other as
    /// long as each says yes. Nothing runs yet.
    fn begin<'a>(
        &'a self,
        remediation: &'a Remediation,
        facts: &'a Facts,
        platform: Platform,
        last: script::Step,
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
        last: script::Step,
    ) -> Box<dyn Steps + 'a> {
        Box::new(Execution::new(self, remediation, facts, platform).through(last))
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

/// Knows which credentials devices refuse: asked before each login, told right after, so that of many workers none
/// tries one that another has just used up.
pub trait Logins: Send + Sync {
    /// Why nobody logs in with this, one sentence; `None` if one may.
    fn blocked(&self, login: &Login) -> Option<String>;

    /// A device refused it, in these words. Gives what is to be kept of that.
    fn refused(&self, login: &Login, said: &str) -> Change;

    /// A device let us in. Gives what is to be kept of that, if anything is.
    fn accepted(&self, login: &Login) -> Option<Change>;
}

/// What workers share.
#[derive(Clone)]
pub struct Tools {
    /// Runs steps.
    pub scripts: Arc<dyn Scripts>,
    /// Stops everything.
    pub switch: Arc<dyn Switch>,
    /// Knows which credentials are refused.
    pub logins: Arc<dyn Logins>,
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
    /// Sessions that are open still.
    pub kept: Kept,
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
    /// How far it may go.
    pub errand: Errand,
}

/// How far a run may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Repair it.
    Repair,
    /// Repair it by what a person has said yes to and by nothing else, as [`script::Paper::entries`] tells it.
    Exactly(Vec<String>),
    /// See what the repair would send. Then a person is asked, whose answer may take so long; with `None` it is
    /// only noted.
    Look(Option<Duration>),
}

/// How a run ended, for those who count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As the stored run says.
    Over(RunState),
    /// It is written down no more: somebody else took this worker for dead, the store is closed, or the worker
    /// panicked and its run was given up.
    Lost,
}

/// What came of the work on the device.
struct Work {
    state: RunState,
    reason: String,
    /// Whether it may be tried again.
    again: bool,
    /// What a dry run has shown.
    would: Option<Vec<String>>,
}

impl Work {
    fn failed(reason: impl Into<String>) -> Self {
        Self { again: true, ..Self::over(RunState::Failure, reason) }
    }

    fn over(state: RunState, reason: impl Into<String>) -> Self {
        Self { state, reason: reason.into(), again: false, would: None }
    }
}

/// Runs a task to its end. It ends early only when the store refuses to know of it. One that panics keeps neither
/// its device nor its event: its run is given up.
pub async fn run(tools: &Tools, task: Task) -> Ending {
    let (shared, run) = (tools.clone(), task.run.id);
    let working = tokio::spawn(async move { Box::pin(work(&shared, task)).await });
    match working.await {
        Ok(ending) => ending,
        Err(why) => {
            tracing::error!(run = run.0, %why, "a worker gave up its run");
            let now = tools.clock.now_ms();
            let given_up = RunChange::GiveUp { run, now, attempts: queue::ATTEMPTS };
            // Whether it was written or another start has it by now: here it is over.
            let _ = write(&tools.state, vec![Change::Run(given_up)]).await;
            Ending::Lost
        }
    }
}

async fn work(tools: &Tools, task: Task) -> Ending {
    let targets = tools.prober.targets(&task.run.device);
    let mut worker = Worker {
        facts: Facts { fields: task.event.fields.clone(), event: task.event.clone() },
        deadline: tools.clock.monotonic() + task.remediation.meta.timeout,
        run: task.run.clone(),
        before: tools.prober.before(&targets),
        targets,
        transcript: Vec::new(),
        looked: Vec::new(),
        reverts: None,
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
    /// What only looked and is not in the audit yet.
    looked: Vec<AuditNote>,
    /// When the device has taken back what was not confirmed.
    reverts: Option<UnixMs>,
}

impl Worker<'_> {
    /// The work on the device and the proof of it.
    async fn work(&mut self) -> Result<Work, Ending> {
        let login = self.task.endpoint.login.clone();
        if let Some(why) = self.tools.logins.blocked(&login) {
            return Ok(Work::over(RunState::Cancelled, why));
        }
        let session = match self.session().await? {
            Ok(session) => session,
            Err(why) => {
                if matches!(why, SessionError::Authentication { .. }) {
                    self.note(Some(self.tools.logins.refused(&login, &chain(&why)))).await?;
                }
                return Ok(Self::unopened(&why));
            }
        };
        self.note(self.tools.logins.accepted(&login)).await?;
        let mut host =
            WorkerHost::new(self.tools, &self.task, self.run.clone(), session, self.deadline);
        let (scripts, facts) = (Arc::clone(&self.tools.scripts), self.facts.clone());
        let remediation = Arc::clone(&self.task.remediation);
        let last = match self.task.errand {
            Errand::Look(_) => script::Step::Fix,
            Errand::Repair | Errand::Exactly(_) => script::Step::Verify,
        };
        let mut script = scripts.begin(&remediation, &facts, self.task.endpoint.platform, last);
        let stepped = self.steps(&mut *script, &mut host).await;
        drop(script);
        self.run.changed = host.run().changed;
        self.run.sent.clone_from(&host.run().sent);
        // The session stays open for the proof: what is not confirmed undoes itself.
        let mut work = match stepped {
            Ok(()) => self.prove(&mut host).await,
            Err(Stop::Work(work)) => Ok(work),
            Err(Stop::Lost) => Err(Ending::Lost),
        };
        if let Ok(done) = &mut work
            && let Err(ending) = self.take_back(done, &mut host).await
        {
            work = Err(ending);
        }
        let reverts = host.reverts_in();
        (self.transcript, self.looked) = host.close(&self.task.endpoint).await;
        Ok(self.left(work?, reverts))
    }

    /// A session on the device: one that is open, or a new one.
    async fn session(&self) -> Result<Result<Session, SessionError>, Ending> {
        let limits = Limits {
            command: self.tools.limits.command.min(self.task.remediation.meta.timeout),
            ..self.tools.limits.clone()
        };
        if let Some(session) = self.tools.kept.take(&self.task.endpoint, &limits).await {
            return Ok(Ok(session));
        }
        let endpoint = &self.task.endpoint;
        self.audit("login", &format!("{} as {}", self.run.device, endpoint.login.user)).await?;
        let clock = Arc::clone(&self.tools.clock);
        Ok(Session::open(endpoint, &self.tools.keys, limits, clock).await)
    }

    /// Without success: takes back what the device does not take back by itself.
    async fn take_back(&self, work: &mut Work, host: &mut WorkerHost<'_>) -> Result<(), Ending> {
        if work.state == RunState::Success || !host.can_restore() {
            return Ok(());
        }
        let device = &self.run.device;
        let said = match host.restore().await {
            Ok(()) => format!("; {device} is as it was before"),
            Err(_) if host.is_lost() => return Err(Ending::Lost),
            Err(_) if host.stopped().is_some() => format!("; what it changed on {device} stays"),
            Err(why) => format!("; what it changed on {device} stays: {why}"),
        };
        work.reason.push_str(&said);
        Ok(())
    }

    /// Says of a change that was not confirmed that it undoes itself.
    fn left(&mut self, mut work: Work, reverts: Option<Duration>) -> Work {
        if let Some(left) = reverts {
            self.reverts = Some(self.tools.clock.now_ms() + left);
            let (device, minutes) = (&self.run.device, left.as_secs() / 60 + 1);
            let said =
                format!("; {device} takes the change back by itself within {minutes} minutes");
            work.reason.push_str(&said);
        }
        work
    }

    fn unopened(why: &SessionError) -> Work {
        let said = chain(why);
        match why {
            // Who shows another key or refuses a credential is not asked again.
            SessionError::Authentication { .. }
            | SessionError::HostKey(_)
            | SessionError::Credential { .. } => Work::over(RunState::Failure, said),
            _ => Work::failed(said),
        }
    }

    async fn steps(
        &mut self,
        script: &mut dyn Steps,
        host: &mut WorkerHost<'_>,
    ) -> Result<(), Stop> {
        let meta = self.task.remediation.meta.clone();
        let looks = matches!(self.task.errand, Errand::Look(_));
        let checked = self.step(script, host, script::Step::Check).await?;
        match checked.kind {
            VerdictKind::Yes => {}
            VerdictKind::No
                if self.task.changed_before && meta.has(script::Step::Verify) && !looks =>
            {
                // An earlier run may have repaired it before it was cut off.
                return self.verify(script, host, &meta).await;
            }
            VerdictKind::No => {
                let said = said_or(&checked, "`check` says that there is nothing to do");
                return Err(Stop::Work(Work::over(RunState::NotNeeded, said)));
            }
            VerdictKind::Escalate => return Err(escalated(&checked)),
        }
        if looks {
            return Err(self.look(script, host).await);
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

    /// Runs the fix on paper: what would change the device is written down instead of being sent.
    async fn look(&mut self, script: &mut dyn Steps, host: &mut WorkerHost<'_>) -> Stop {
        host.only_look();
        let fixed = match self.step(script, host, script::Step::Fix).await {
            Ok(fixed) => fixed,
            Err(stop) => return stop,
        };
        if fixed.kind == VerdictKind::Escalate {
            return escalated(&fixed);
        }
        let would = host.paper().to_vec();
        let said = match would.as_slice() {
            [] => format!("{} would send nothing", self.run.remediation),
            entries => format!("{} would send: {}", self.run.remediation, one_line(entries)),
        };
        Stop::Work(Work { would: Some(would), ..Work::over(RunState::Looked, said) })
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
        // What the device takes back by itself needs no hand.
        if meta.has(script::Step::Undo) && host.has_lasting_changes() && host.is_usable() {
            // What failed before is what matters; the transcript tells the rest.
            match self.step(script, host, script::Step::Undo).await {
                Err(Stop::Lost) => return Err(Stop::Lost),
                Ok(verdict) if verdict.kind == VerdictKind::Yes => host.settle(),
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
