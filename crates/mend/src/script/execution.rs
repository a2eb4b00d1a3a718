//! Runs the steps of a remediation for one event on one device. Here it is decided, out of a script's reach, which
//! commands may be sent: templates that stand in the file, or that read facts; arguments that are what they
//! should be; changes only in steps that may change something, and only about what the device has named.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::children::{COMPUTING, Child, Children, Lent, Lost};
use super::error::ScriptError;
use super::facts::Facts;
use super::host::{Host, HostError};
use super::library::Remediation;
use super::meta::{Step, Verdict, VerdictKind};
use super::parse;
use super::problem::Problem;
use super::seen::Seen;
use super::template::{Template, Verb};
use super::wire::{Call, Ended, EventFacts, Flaw, FromChild, Kind, Run, ToChild};
use crate::platform::Platform;
use crate::session::Expect;

/// Longest time to wait for at once.
const WAIT: Duration = Duration::from_mins(10);
/// Most calls of one step.
const CALLS: usize = 1_000;

/// A remediation at work on an event. It remembers over its steps what the device has named.
pub struct Execution<'a> {
    children: &'a Children,
    remediation: &'a Remediation,
    facts: &'a Facts,
    platform: Platform,
    seen: Seen,
    /// The last step of those that follow one another by themselves.
    last: Option<Step>,
    /// A child that has gone on to this step.
    ahead: Option<(Step, Lent<'a>)>,
}

/// Why the script was told no.
enum No {
    Refused(String),
    Host(HostError),
}

impl<'a> Execution<'a> {
    /// Nothing runs yet.
    pub fn new(
        children: &'a Children,
        remediation: &'a Remediation,
        facts: &'a Facts,
        platform: Platform,
    ) -> Self {
        let seen = Seen::default();
        Self { children, remediation, facts, platform, seen, last: None, ahead: None }
    }

    /// Lets the script go on by itself from each step that says yes to the next one, up to this one: whoever asks for
    /// that next one then finds it under way. Nothing is sent before it is asked for, since what a script wants of a
    /// device waits until then.
    #[must_use]
    pub fn through(self, last: Step) -> Self {
        Self { last: Some(last), ..self }
    }

    /// Runs a step within `limit`, the time of the device included. Dropped in the middle, it ends the script;
    /// what was sent to the device was sent.
    ///
    /// # Errors
    /// The file, the device or a guard stands in the way, or time is over.
    pub async fn step(
        &mut self,
        step: Step,
        host: &mut dyn Host,
        limit: Duration,
    ) -> Result<Verdict, ScriptError> {
        let name = || self.remediation.name.clone();
        if !self.remediation.meta.has(step) {
            return Err(ScriptError::NoStep { name: name(), step });
        }
        let timed_out = ScriptError::Timeout { name: name(), step, limit };
        timeout(limit, self.run(step, host)).await.unwrap_or(Err(timed_out))
    }

    async fn run(&mut self, step: Step, host: &mut dyn Host) -> Result<Verdict, ScriptError> {
        // A child that has gone on to another step is of no use: dropped, it is ended.
        let ahead = self.ahead.take().filter(|(next, _)| *next == step);
        let mut lent = match ahead {
            Some((_, lent)) => lent,
            None => self.begin(step).await?,
        };
        let verdict = self.talk(step, lent.step(), host).await;
        let next = self.following(step).nth(1);
        match (&verdict, next) {
            (Ok(Verdict { kind: VerdictKind::Yes, .. }), Some(next)) => {
                self.ahead = Some((next, lent));
            }
            // Only a step that came to its end leaves a child that waits for the next.
            (Err(ScriptError::Died { .. } | ScriptError::Endless { .. }), _) => {}
            _ => lent.give_back(),
        }
        verdict
    }

    /// A child that begins with this step.
    async fn begin(&self, step: Step) -> Result<Lent<'a>, ScriptError> {
        let process = |why| ScriptError::Process { what: "a child process cannot be started", why };
        let mut lent = self.children.lend().await.map_err(process)?;
        let run = ToChild::Run(Box::new(Run {
            file: self.remediation.path.clone(),
            sha256: self.remediation.sha256.clone(),
            source: self.remediation.source.to_string(),
            steps: self.following(step).map(|step| step.name().to_owned()).collect(),
            platform: self.platform.name().to_owned(),
            event: EventFacts::from(self.facts),
        }));
        lent.child().tell(&run).await.map_err(|lost| self.lost(lost))?;
        Ok(lent)
    }

    /// A step, and those that follow it by themselves.
    fn following(&self, step: Step) -> impl Iterator<Item = Step> {
        let meta = &self.remediation.meta;
        let later = Step::ALL.into_iter().filter(move |later| *later > step);
        let follow = later.take_while(|later| Some(*later) <= self.last && meta.has(*later));
        std::iter::once(step).chain(follow)
    }

    /// Serves the script until it ends.
    async fn talk(
        &mut self,
        step: Step,
        child: &mut Child,
        host: &mut dyn Host,
    ) -> Result<Verdict, ScriptError> {
        let mut refused: Option<No> = None;
        for _ in 0..CALLS {
            match child.hear().await.map_err(|lost| self.lost(lost))? {
                FromChild::Call(call) => {
                    // After a no there is no second question: the script ends there.
                    let reply = match &refused {
                        Some(_) => return Err(self.died("it went on after it was refused")),
                        None => self.serve(step, call, host).await,
                    };
                    let reply = reply.map_err(|no| {
                        let words = match &no {
                            No::Refused(why) => why.clone(),
                            No::Host(why) => why.to_string(),
                        };
                        refused = Some(no);
                        words
                    });
                    child.tell(&ToChild::Reply(reply)).await.map_err(|lost| self.lost(lost))?;
                }
                FromChild::Done(ended) => {
                    return match refused {
                        // What was refused cannot end well.
                        Some(_) if ended.kind == Kind::Yes => {
                            Err(self.died("it said yes after it was refused"))
                        }
                        Some(no) => Err(self.refused(no, &Flaw::default())),
                        None => Ok(verdict(&ended)),
                    };
                }
                FromChild::Failed(flaw) => {
                    return Err(match refused {
                        Some(no) => self.refused(no, &flaw),
                        None => ScriptError::Script(Box::new(self.problem(&flaw))),
                    });
                }
                FromChild::Loaded(_) | FromChild::Flawed(_) => {
                    return Err(self.died("it answered something else"));
                }
            }
        }
        Err(self.died("it asked for more than a thousand things"))
    }

    /// Does what a script wants, if it may.
    async fn serve(&mut self, step: Step, call: Call, host: &mut dyn Host) -> Result<String, No> {
        let (template, arguments) = match call {
            Call::Wait(ms) => {
                let time = Duration::from_millis(ms).min(WAIT);
                return host.wait(time).await.map_err(No::Host);
            }
            Call::Device { template, arguments } => (template, arguments),
        };
        if !self.remediation.templates.contains(&template)
            && !parse::is_source(&template, self.platform)
        {
            return Err(No::Refused("the command does not stand in the file".to_owned()));
        }
        if template.verb != Verb::Show && !step.may_change() {
            return Err(No::Refused(format!("`{step}` can only look")));
        }
        let lines =
            template.fill(&arguments, &self.seen).map_err(|why| No::Refused(why.to_string()))?;
        self.send(&template, &lines, host).await.map_err(No::Host)
    }

    async fn send(
        &mut self,
        template: &Template,
        lines: &[String],
        host: &mut dyn Host,
    ) -> Result<String, HostError> {
        let line = lines.first().map(String::as_str).unwrap_or_default();
        match template.verb {
            Verb::Show => {
                let output = host.show(line).await?;
                self.seen.read(line, &output);
                Ok(output)
            }
            Verb::Config => host.configure(lines).await,
            Verb::Command => {
                let expect = |(question, answer): &(String, String)| Expect {
                    question: question.clone(),
                    answer: answer.clone(),
                };
                let expect: Vec<Expect> = template.expect.iter().map(expect).collect();
                host.command(line, &expect).await
            }
        }
    }

    fn lost(&self, lost: Lost) -> ScriptError {
        match lost {
            Lost::Endless => {
                ScriptError::Endless { name: self.remediation.name.clone(), limit: COMPUTING }
            }
            Lost::Ended(how) => self.died(how),
        }
    }

    fn died(&self, how: impl Into<String>) -> ScriptError {
        ScriptError::Died { name: self.remediation.name.clone(), how: how.into() }
    }

    fn refused(&self, no: No, flaw: &Flaw) -> ScriptError {
        match no {
            No::Refused(what) => ScriptError::Refused { what, at: Box::new(self.problem(flaw)) },
            No::Host(why) => ScriptError::Host(why),
        }
    }

    fn problem(&self, flaw: &Flaw) -> Problem {
        problem(&self.remediation.path, &self.remediation.source, flaw)
    }
}

/// A flaw that a child reports, at a place that is in the text.
pub(super) fn problem(file: &str, source: &Arc<str>, flaw: &Flaw) -> Problem {
    let within = |at: u32| source.floor_char_boundary((at as usize).min(source.len()));
    let (start, end) = (within(flaw.span.0), within(flaw.span.1));
    Problem {
        file: file.to_owned(),
        source: Arc::clone(source),
        span: start..end.max(start),
        what: shown(&flaw.what),
        allowed: flaw.allowed.as_deref().map(shown),
    }
}

/// Text of a child that people will see.
fn shown(text: &str) -> String {
    const LONGEST: usize = 2_000;
    let text = &text[..text.floor_char_boundary(LONGEST)];
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

fn verdict(ended: &Ended) -> Verdict {
    let notes = ended.notes.iter().take(100).map(|note| shown(note)).collect();
    Verdict { kind: ended.kind.into(), reason: shown(&ended.reason), notes }
}
