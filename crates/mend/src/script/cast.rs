//! Recordings of runs: what was sent and what the device said. They test a remediation without a device, and a
//! run of `remedy run --record` writes one. TOML, so that people can read, cut and change them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use model::{Event, EventId, EventState, Evidence, Origin, UnixMs};
use serde::{Deserialize, Serialize};

use super::children::Children;
use super::error::ScriptError;
use super::execution::Execution;
use super::facts::Facts;
use super::host::{Host, HostError, Reply};
use super::library::Remediation;
use super::meta::{Step, VerdictKind};
use crate::platform::Platform;
use crate::session::Expect;

/// Longest time for a step of a recording.
const STEP: Duration = Duration::from_secs(30);
/// Longest file of recordings, in bytes.
const LONGEST: u64 = 4 << 20;

/// The recordings of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Casts {
    /// The recordings, in their order.
    #[serde(default)]
    pub cast: Vec<Cast>,
}

/// One recording: an event, what must come of the steps, and what was said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// What it shows, as a sentence.
    pub about: String,
    /// What runs on the device.
    pub platform: String,
    /// Its name.
    #[serde(default = "device")]
    pub device: String,
    /// The event's code.
    pub code: String,
    /// The message.
    #[serde(default)]
    pub message: String,
    /// What the message tells, by fields.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// What must come of each step: `yes`, `no`, `escalate`, `refused` or `error`, and words of the reason
    /// behind a colon if these matter. Steps that are not named do not run.
    pub expect: BTreeMap<String, String>,
    /// What was said, in order.
    #[serde(default)]
    pub exchange: Vec<Exchange>,
}

fn device() -> String {
    "r1".to_owned()
}

/// One thing that was sent, and the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The step that sent it.
    pub step: String,
    /// A command that only reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show: Option<String>,
    /// Lines of a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Vec<String>>,
    /// A command that does something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What the device said.
    #[serde(default)]
    pub output: String,
    /// Why it did not do it, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Exchange {
    /// What was sent, for people.
    fn sent(&self) -> Sent {
        match (&self.show, &self.config, &self.command) {
            (Some(show), None, None) => Sent::Show(show.clone()),
            (None, Some(lines), None) => Sent::Config(lines.clone()),
            (None, None, Some(command)) => Sent::Command(command.clone()),
            _ => Sent::Unclear,
        }
    }
}

/// Something sent to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    Show(String),
    Config(Vec<String>),
    Command(String),
    /// None of the three, or more than one.
    Unclear,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sent::Show(line) => write!(f, "show = {line:?}"),
            Sent::Config(lines) => write!(f, "config = {lines:?}"),
            Sent::Command(line) => write!(f, "command = {line:?}"),
            Sent::Unclear => {
                f.write_str("an exchange with not exactly one of show, config and command")
            }
        }
    }
}

/// Why recordings cannot be read, or a remediation does not do what one says.
#[derive(Debug, thiserror::Error)]
pub enum CastError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        #[source]
        why: std::io::Error,
    },
    /// The text is no recording.
    #[error("{path}: {what}")]
    Syntax {
        /// The file.
        path: String,
        /// What is wrong, with its place.
        what: String,
    },
    /// The recording does not make sense.
    #[error("{0}")]
    Wrong(String),
    /// A step came to something else.
    #[error("`{step}` came to {found}; the recording says {expected}")]
    Other {
        /// The step.
        step: Step,
        /// What it came to, with the reason.
        found: String,
        /// What it should have.
        expected: String,
    },
    /// Something that was recorded was not sent.
    #[error("`{step}` did not send {sent}")]
    Unsent {
        /// The step.
        step: String,
        /// What was recorded.
        sent: String,
    },
}

impl Casts {
    /// Reads recordings.
    ///
    /// # Errors
    /// What is wrong with the text, with its place.
    pub fn parse(path: &str, text: &str) -> Result<Self, CastError> {
        toml::from_str(text).map_err(|why| {
            let before = why.span().map(|span| &text[..text.floor_char_boundary(span.start)]);
            let place = before.map_or(String::new(), |before| {
                let start = before.rfind('\n').map_or(0, |at| at + 1);
                format!(
                    "{}:{}: ",
                    before.matches('\n').count() + 1,
                    before[start..].chars().count() + 1
                )
            });
            let path = path.to_owned();
            CastError::Syntax { path, what: format!("{place}{}", why.message()) }
        })
    }

    /// Reads the recordings of a file.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self, CastError> {
        let shown = path.display().to_string();
        let unreadable = |why| CastError::Unreadable { path: shown.clone(), why };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > LONGEST {
            let what = format!("the file has {size} bytes, more than {LONGEST}");
            return Err(CastError::Syntax { path: shown, what });
        }
        Self::parse(&shown, &std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// As the text of a file.
    ///
    /// # Errors
    /// It cannot be written as TOML.
    pub fn to_text(&self) -> Result<String, CastError> {
        toml::to_string_pretty(self).map_err(|why| CastError::Wrong(why.to_string()))
    }
}

impl Cast {
    /// The event that it is about.
    pub fn facts(&self) -> Facts {
        let object =
            ["interface", "peer", "module", "lsp"].iter().find_map(|name| self.fields.get(*name));
        sample(
            &self.device,
            &self.code,
            object.map_or("", String::as_str),
            &self.message,
            self.fields.clone(),
        )
    }

    /// Plays it to a remediation.
    ///
    /// # Errors
    /// The remediation does something else than what was recorded.
    pub async fn play(
        &self,
        remediation: &Remediation,
        children: &Children,
    ) -> Result<(), CastError> {
        let platform = Platform::named(&self.platform).ok_or_else(|| {
            let names = Platform::ALL.map(Platform::name).join(", ");
            CastError::Wrong(format!("`platform` is {:?}; allowed: {names}", self.platform))
        })?;
        let unclear = self.exchange.iter().find(|exchange| exchange.sent() == Sent::Unclear);
        if let Some(unclear) = unclear {
            return Err(CastError::Wrong(format!("`{}` has {}", unclear.step, Sent::Unclear)));
        }
        let steps = self
            .expect
            .keys()
            .map(|name| Step::named(name).ok_or(name))
            .collect::<Result<Vec<_>, _>>();
        let mut steps = steps.map_err(|name| {
            CastError::Wrong(format!(
                "`expect` names the step {name:?}; allowed: check, fix, verify, undo"
            ))
        })?;
        steps.sort_unstable();
        let facts = self.facts();
        if !remediation.meta.matches(&facts, Some(platform)) {
            let what = "the remediation is not meant for this event: look at its `match`, `when` and `platforms`";
            return Err(CastError::Wrong(what.to_owned()));
        }
        let mut execution = Execution::new(children, remediation, &facts, platform);
        for step in steps {
            let left = self
                .exchange
                .iter()
                .filter(|exchange| exchange.step == step.name())
                .cloned()
                .collect();
            let mut replay = Replay { left };
            let found = outcome(&execution.step(step, &mut replay, STEP).await);
            let expected = &self.expect[step.name()];
            if !agrees(expected, &found) {
                return Err(CastError::Other { step, found, expected: expected.clone() });
            }
            if let Some(unsent) = replay.left.front() {
                let (step, sent) = (step.name().to_owned(), unsent.sent().to_string());
                return Err(CastError::Unsent { step, sent });
            }
        }
        Ok(())
    }
}

/// An event that never happened, about which files can be tried.
pub fn sample(
    device: &str,
    code: &str,
    object: &str,
    message: &str,
    fields: BTreeMap<String, String>,
) -> Facts {
    let event = Event {
        id: EventId(0),
        device: device.to_owned(),
        code: code.to_owned(),
        code_norm: code.to_owned(),
        object: object.to_owned(),
        severity: None,
        first: UnixMs(0),
        last: UnixMs(0),
        count: 1,
        state: EventState::New,
        reason: String::new(),
        cleared: None,
        not_before: UnixMs(0),
        parent: None,
        origin: Origin::Person,
        message: message.to_owned(),
        fields: fields.clone(),
        evidence: Evidence::Sure,
        plan: None,
    };
    Facts { event, fields }
}

/// What came of a step, in the words of a recording: `yes: reason`.
pub fn outcome(result: &Result<super::meta::Verdict, ScriptError>) -> String {
    let (word, reason) = match result {
        Ok(verdict) => {
            let word = match verdict.kind {
                VerdictKind::Yes => "yes",
                VerdictKind::No => "no",
                VerdictKind::Escalate => "escalate",
            };
            (word, verdict.reason.clone())
        }
        Err(why @ ScriptError::Refused { .. }) => ("refused", why.to_string()),
        Err(why) => ("error", why.to_string()),
    };
    if reason.is_empty() { word.to_owned() } else { format!("{word}: {reason}") }
}

/// Whether what came is what was expected: the word, and the words of the reason within it.
fn agrees(expected: &str, found: &str) -> bool {
    let split = |text: &str| {
        let (word, reason) = text.split_once(':').unwrap_or((text, ""));
        (word.trim().to_owned(), reason.trim().to_owned())
    };
    let ((word, reason), (found_word, found_reason)) = (split(expected), split(found));
    word == found_word && found_reason.contains(&reason)
}

/// Answers as the device did when it was recorded, in the same order.
struct Replay {
    left: VecDeque<Exchange>,
}

impl Replay {
    fn answer(&mut self, sent: &Sent) -> Result<String, HostError> {
        let Some(next) = self.left.pop_front() else {
            return Err(HostError::NotRecorded(format!("the recording ends before {sent}")));
        };
        if next.sent() != *sent {
            let what = format!("{sent} was sent where the recording has {}", next.sent());
            return Err(HostError::NotRecorded(what));
        }
        match next.error {
            Some(why) => Err(HostError::Device(why)),
            None => Ok(next.output),
        }
    }
}

impl Host for Replay {
    fn show<'a>(&'a mut self, command: &'a str) -> Reply<'a> {
        let answer = self.answer(&Sent::Show(command.to_owned()));
        Box::pin(async { answer })
    }

    fn configure<'a>(&'a mut self, lines: &'a [String]) -> Reply<'a> {
        let answer = self.answer(&Sent::Config(lines.to_vec()));
        Box::pin(async { answer })
    }

    fn command<'a>(&'a mut self, command: &'a str, _expect: &'a [Expect]) -> Reply<'a> {
        let answer = self.answer(&Sent::Command(command.to_owned()));
        Box::pin(async { answer })
    }

    fn wait(&mut self, _time: Duration) -> Reply<'_> {
        Box::pin(async { Ok(String::new()) })
    }
}

/// Passes everything on to another host and writes it down.
pub struct Recorder<'h> {
    host: &'h mut dyn Host,
    step: Step,
    written: &'h mut Vec<Exchange>,
}

impl<'h> Recorder<'h> {
    /// Writes what `step` sends to `host` into `written`.
    pub fn new(host: &'h mut dyn Host, step: Step, written: &'h mut Vec<Exchange>) -> Self {
        Self { host, step, written }
    }

    fn exchange(&self) -> Exchange {
        Exchange { step: self.step.name().to_owned(), ..Exchange::default() }
    }

    fn write(&mut self, mut exchange: Exchange, answer: &Result<String, HostError>) {
        match answer {
            Ok(output) => exchange.output.clone_from(output),
            Err(why) => exchange.error = Some(why.to_string()),
        }
        self.written.push(exchange);
    }
}

impl Host for Recorder<'_> {
    fn show<'a>(&'a mut self, command: &'a str) -> Reply<'a> {
        Box::pin(async {
            let answer = self.host.show(command).await;
            self.write(Exchange { show: Some(command.to_owned()), ..self.exchange() }, &answer);
            answer
        })
    }

    fn configure<'a>(&'a mut self, lines: &'a [String]) -> Reply<'a> {
        Box::pin(async {
            let answer = self.host.configure(lines).await;
            self.write(Exchange { config: Some(lines.to_vec()), ..self.exchange() }, &answer);
            answer
        })
    }

    fn command<'a>(&'a mut self, command: &'a str, expect: &'a [Expect]) -> Reply<'a> {
        Box::pin(async move {
            let answer = self.host.command(command, expect).await;
            self.write(Exchange { command: Some(command.to_owned()), ..self.exchange() }, &answer);
            answer
        })
    }

    fn wait(&mut self, time: Duration) -> Reply<'_> {
        self.host.wait(time)
    }
}
