//! What a remediation gets to see of a device: a session, with the kill switch, the deadline and the audit
//! before each command. What changes the device is on disk before it is sent, and undoes itself unless it is
//! confirmed, where the platform can do that.

use std::sync::Arc;
use std::time::Duration;

use model::run::{Exchange, Run, StepResult};
use store::{AuditNote, Change as Put, RunChange};

use super::carrier::Carrier;
use super::{Errand, LEASE, Task, Tools, stored, write};
use crate::endpoint::Endpoint;
use crate::script::{Host, HostError, Paper, Reply, Step};
use crate::session::{Change, Entry, Expect, Session, SessionError};

pub(super) struct WorkerHost<'a> {
    tools: &'a Tools,
    run: Run,
    session: Session,
    step: Option<Step>,
    /// By the monotonic clock.
    deadline: Duration,
    carrier: Carrier,
    /// Where in the transcript each step began.
    begun: Vec<(usize, Step)>,
    /// Commands that only looked and are not in the audit yet.
    looked: Vec<AuditNote>,
    stopped: Option<String>,
    refused: Option<String>,
    lost: bool,
    /// When the device takes the change back, by the monotonic clock; it does unless that is confirmed.
    reverts: Option<Duration>,
    /// Whether anything was sent that neither the device takes back by itself nor we can.
    lasting: bool,
    /// What the fix has sent, or would have.
    paper: Paper,
    /// Nothing is sent that changes the device.
    looks: bool,
    /// The only lines that the fix may send, if a person has said yes to these.
    allowed: Option<Vec<String>>,
}

/// Time for the proof and the confirmation, beyond that of the run itself.
const PROOF: Duration = Duration::from_mins(1);
/// The longest that every platform waits.
const LONGEST: Duration = Duration::from_mins(59);

impl<'a> WorkerHost<'a> {
    pub(super) fn new(
        tools: &'a Tools,
        task: &Task,
        run: Run,
        session: Session,
        deadline: Duration,
    ) -> Self {
        Self {
            carrier: Carrier::new(task.endpoint.platform, &task.endpoint.addresses),
            tools,
            run,
            session,
            step: None,
            deadline,
            begun: Vec::new(),
            looked: Vec::new(),
            stopped: None,
            refused: None,
            lost: false,
            reverts: None,
            lasting: false,
            paper: Paper::default(),
            looks: false,
            allowed: match &task.errand {
                Errand::Exactly(lines) => Some(lines.clone()),
                Errand::Repair | Errand::Look(_) => None,
            },
        }
    }

    /// From now on nothing is sent that changes the device.
    pub(super) fn only_look(&mut self) {
        self.looks = true;
    }

    /// What was sent, or would have been.
    pub(super) fn paper(&self) -> &[String] {
        self.paper.entries()
    }

    /// A step begins.
    pub(super) fn begin(&mut self, step: Step) {
        self.step = Some(step);
        self.begun.push((self.session.transcript().entries.len(), step));
    }

    pub(super) fn redacted(&self, text: &str) -> String {
        self.session.redacted(text)
    }

    pub(super) fn note_steps(&mut self, steps: &[StepResult]) {
        steps.clone_into(&mut self.run.steps);
    }

    /// Whether anything was sent that only the remediation knows how to take back.
    pub(super) fn has_lasting_changes(&self) -> bool {
        self.lasting
    }

    /// In how long the device takes back what was not confirmed, at the latest.
    pub(super) fn reverts_in(&self) -> Option<Duration> {
        self.reverts.map(|at| at.saturating_sub(self.tools.clock.monotonic()))
    }

    /// What was done so far.
    pub(super) fn run(&self) -> &Run {
        &self.run
    }

    /// Whether anything more can be sent.
    pub(super) fn is_usable(&self) -> bool {
        !self.lost && self.stopped.is_none() && self.tools.clock.monotonic() < self.deadline
    }

    /// Whether the store knows of this run no more.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Why the kill switch ended it.
    pub(super) fn stopped(&self) -> Option<String> {
        self.stopped.clone()
    }

    /// Why a command was refused that would have cut something off.
    pub(super) fn refused(&self) -> Option<String> {
        self.refused.clone()
    }

    /// What was said so far.
    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        exchanges(self.session.transcript().entries.clone(), &self.begun)
    }

    /// Makes stay what would undo itself.
    pub(super) async fn confirm(&mut self) -> Result<(), HostError> {
        if self.reverts.is_some() {
            self.heed_switch()?;
            self.is_in_time()?;
            self.tell("confirm").await?;
        }
        self.session.confirm().await.map_err(|why| Self::device_error(&why))?;
        self.reverts = None;
        Ok(())
    }

    /// Fails once the device has taken back what was not confirmed.
    fn is_in_time(&self) -> Result<(), HostError> {
        if self.reverts.is_some_and(|reverts| self.tools.clock.monotonic() >= reverts) {
            let said = "it took so long that the device has taken the change back";
            return Err(HostError::Device(said.into()));
        }
        Ok(())
    }

    /// Puts in the audit what is about to be done, with all that was looked at before.
    async fn tell(&mut self, action: &str) -> Result<(), HostError> {
        let mut changes: Vec<Put> =
            std::mem::take(&mut self.looked).into_iter().map(Put::Audit).collect();
        changes.push(Put::Audit(self.note(action, "")));
        write(&self.tools.state, changes).await.map_err(|_| self.taken_over())
    }

    /// Whether several changes took effect, so that the device takes none back by itself.
    pub(super) fn can_restore(&self) -> bool {
        self.session.can_restore()
    }

    /// Takes them all back.
    pub(super) async fn restore(&mut self) -> Result<(), HostError> {
        self.heed_switch()?;
        self.tell("restore").await?;
        self.session.restore().await.map_err(|why| Self::device_error(&why))
    }

    /// What was changed stays: the file's own `undo` has dealt with it.
    pub(super) fn settle(&mut self) {
        self.session.settle();
    }

    /// Until when a change waits to be confirmed. What takes a repair back shall stay.
    fn revert_after(&self) -> Option<Duration> {
        let may = self.session.platform().can_revert() && self.step != Some(Step::Undo);
        let left = self.deadline.saturating_sub(self.tools.clock.monotonic());
        may.then(|| (left + PROOF).min(LONGEST))
    }

    /// Puts the session down; gives what was said, and what only looked and is not in the audit yet.
    pub(super) async fn close(self, endpoint: &Endpoint) -> (Vec<Exchange>, Vec<AuditNote>) {
        // Who was stopped lets go of the device, and nobody else goes on where a change waits to be confirmed.
        let said = if self.lost || self.stopped.is_some() || self.reverts.is_some() {
            self.session.close().await
        } else {
            self.tools.kept.put(endpoint, self.session).await
        };
        (exchanges(said.entries, &self.begun), self.looked)
    }

    /// Stops where people have stopped everything.
    fn heed_switch(&mut self) -> Result<(), HostError> {
        match self.tools.switch.stopped() {
            None => Ok(()),
            Some(why) => {
                self.stopped = Some(why.clone());
                Err(HostError::Held(why))
            }
        }
    }

    /// Whether the next command may be sent.
    fn gate(&mut self) -> Result<(), HostError> {
        self.heed_switch()?;
        if self.tools.clock.monotonic() >= self.deadline {
            return Err(HostError::Held("the time of the remediation is over".into()));
        }
        Ok(())
    }

    fn note(&self, action: &str, command: &str) -> AuditNote {
        AuditNote {
            at: self.tools.clock.now_ms(),
            actor: self.run.worker.clone(),
            action: action.to_owned(),
            event: Some(self.run.event),
            run: Some(self.run.id),
            detail: self.session.redacted(command),
        }
    }

    /// Puts on disk what is about to be sent, with all that was looked at before.
    async fn announce(&mut self, action: &str, lines: &[String]) -> Result<(), HostError> {
        let text = lines.join("\n");
        let note = self.note(action, &text);
        self.run.changed = true;
        self.run.sent.push(note.detail.clone());
        let mut changes: Vec<Put> =
            std::mem::take(&mut self.looked).into_iter().map(Put::Audit).collect();
        changes.push(Put::Audit(note));
        changes.push(Put::Run(RunChange::Put {
            run: Box::new(self.run.clone()),
            lease_until: self.tools.clock.now_ms() + LEASE,
            event: None,
            transcript: None,
        }));
        match write(&self.tools.state, changes).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.taken_over()),
        }
    }

    /// Writes down what the fix is about to do; `true` if it is to be done. Refuses what nobody said yes to.
    fn meant(&mut self, write: impl FnOnce(&mut Paper)) -> Result<bool, HostError> {
        if self.step != Some(Step::Fix) {
            return Ok(true);
        }
        write(&mut self.paper);
        let written = self.paper.entries();
        match &self.allowed {
            Some(allowed) if !allowed.starts_with(written) => {
                let now = one_line(&written[written.len() - 1..]);
                let why = format!("the yes was to something else: now it would send {now}");
                self.refused = Some(why.clone());
                Err(HostError::Held(why))
            }
            _ => Ok(!self.looks),
        }
    }

    fn taken_over(&mut self) -> HostError {
        self.lost = true;
        HostError::Held("another start of netmend has taken this run over".into())
    }

    /// Refuses what would cut off our own way to the device, or its last way out.
    async fn carries(&mut self, lines: &[String]) -> Result<(), HostError> {
        let interfaces = Carrier::downed(lines);
        if interfaces.is_empty() {
            return Ok(());
        }
        for command in self.carrier.questions() {
            self.gate()?;
            self.looked.push(self.note("look", &command));
            // What a platform does not know tells nothing.
            if let Ok(answer) = self.session.show(&command).await {
                self.carrier.learn(&command, &answer.text);
            }
        }
        match interfaces.iter().find_map(|interface| self.carrier.refuses(interface)) {
            None => Ok(()),
            Some(why) => {
                self.refused = Some(why.clone());
                Err(HostError::Held(why))
            }
        }
    }

    fn device_error(why: &SessionError) -> HostError {
        HostError::Device(super::chain(why))
    }
}

/// Entries of a paper in one line.
pub(super) fn one_line(entries: &[String]) -> String {
    entries.join("; ").replace('\n', "; ")
}

/// What was said, with the step that each exchange belongs to.
fn exchanges(entries: Vec<Entry>, begun: &[(usize, Step)]) -> Vec<Exchange> {
    let exchange = |(number, entry): (usize, Entry)| {
        let step = begun.iter().rev().find(|(from, _)| *from <= number);
        Exchange {
            at: entry.at,
            took_ms: u64::try_from(entry.took.as_millis()).unwrap_or(u64::MAX),
            step: step.map(|(_, step)| stored(*step)),
            sent: entry.sent,
            received: entry.received,
            error: entry.error,
        }
    };
    entries.into_iter().enumerate().map(exchange).collect()
}

impl Host for WorkerHost<'_> {
    fn show<'b>(&'b mut self, command: &'b str) -> Reply<'b> {
        Box::pin(async move {
            self.gate()?;
            self.looked.push(self.note("look", command));
            let answer = self.session.show(command).await;
            answer.map(|answer| answer.text).map_err(|why| Self::device_error(&why))
        })
    }

    fn configure<'b>(&'b mut self, lines: &'b [String]) -> Reply<'b> {
        Box::pin(async move {
            self.gate()?;
            self.carries(lines).await?;
            let clean: Vec<String> = lines.iter().map(|line| self.session.redacted(line)).collect();
            if !self.meant(|paper| paper.configure(&clean))? {
                return Ok(String::new());
            }
            self.is_in_time()?;
            self.announce("configure", lines).await?;
            // The disk may have taken its time.
            self.gate()?;
            let revert_after = self.revert_after();
            let change = Change { lines: lines.to_vec(), revert_after };
            // Whatever comes of it: it may have taken effect.
            match revert_after {
                Some(after) if !self.session.can_restore() && self.reverts.is_none() => {
                    self.reverts = Some(self.tools.clock.monotonic() + after);
                }
                Some(_) => {}
                None => self.lasting = true,
            }
            let answers = self.session.configure(&change).await;
            if self.session.can_restore() {
                self.reverts = None;
            }
            let answers = answers.map_err(|why| Self::device_error(&why))?;
            Ok(answers.into_iter().map(|answer| answer.text).collect())
        })
    }

    fn command<'b>(&'b mut self, command: &'b str, expect: &'b [Expect]) -> Reply<'b> {
        Box::pin(async move {
            self.gate()?;
            let lines = [command.to_owned()];
            self.carries(&lines).await?;
            let clean = self.session.redacted(command);
            if !self.meant(|paper| paper.command(&clean))? {
                return Ok(String::new());
            }
            self.announce("command", &lines).await?;
            self.gate()?;
            self.lasting = true;
            let answer = self.session.command(command, expect).await;
            answer.map(|answer| answer.text).map_err(|why| Self::device_error(&why))
        })
    }

    fn wait(&mut self, time: Duration) -> Reply<'_> {
        Box::pin(async move {
            self.gate()?;
            if !self.meant(|paper| paper.wait(time))? {
                return Ok(String::new());
            }
            let clock = Arc::clone(&self.tools.clock);
            tokio::time::sleep(time.min(self.deadline.saturating_sub(clock.monotonic()))).await;
            Ok(String::new())
        })
    }
}
