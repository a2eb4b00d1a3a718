//! A session on a device over SSH: connects to the device that we know and no other, logs in, learns the
//! prompt, runs commands one at a time and changes the configuration. It does not decide what to run, keeps
//! nothing on disk but the trusted host keys, and leaves no configuration mode open.
//!
//! Reading order: `limits`, `hostkeys`, `connect`, `auth`, `screen`, `prompt`, `shell`, `exec`, `answer`,
//! `redact`, `transcript`, then [`Session`] here, and `kept`.

mod answer;
mod auth;
mod change;
#[cfg(any(test, fuzzing))]
pub mod checks;
mod connect;
mod error;
mod exec;
mod hostkeys;
mod kept;
mod limits;
mod prompt;
mod redact;
mod screen;
mod shell;
mod transcript;

use std::sync::Arc;
use std::time::Duration;

use model::{Clock, UnixMs};
use russh::ChannelMsg;
use tokio::io::{AsyncRead, AsyncWrite};

pub use answer::Answer;
pub use change::Change;
pub use connect::ask_host_key;
pub use error::SessionError;
pub use hostkeys::{HostKey, HostKeyError, HostKeys};
pub use kept::Kept;
pub use limits::Limits;
pub use shell::Expect;
pub use transcript::{Entry, Transcript};

use change::Trial;
use connect::{Connection, limited};
use redact::Redactor;
use shell::{Ask, Failure, Place, Shell};

use crate::endpoint::Endpoint;
use crate::platform::{Access, Definition, Platform};

/// A session on a device. Drop it and the connection ends; [`Session::close`] says goodbye.
pub struct Session {
    device: String,
    platform: Platform,
    limits: Limits,
    connection: Connection,
    /// The terminal; `None` where each command has a channel of its own.
    shell: Option<Shell>,
    redactor: Redactor,
    transcript: Transcript,
    clock: Arc<dyn Clock>,
    /// Why nothing more can be sent.
    broken: Option<&'static str>,
    /// What was changed and is not confirmed.
    trial: Trial,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (device, platform) = (&self.device, &self.platform);
        f.debug_struct("Session")
            .field("device", device)
            .field("platform", platform)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Connects, logs in, learns the prompt and turns paging off.
    ///
    /// # Errors
    /// Anything on the way; a device whose host key is not the trusted one is told nothing.
    pub async fn open(
        endpoint: &Endpoint,
        keys: &HostKeys,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SessionError> {
        let started = (clock.now_ms(), clock.monotonic());
        let connection = Connection::open(endpoint, keys, &limits).await?;
        Self::begin(connection, endpoint, limits, clock, started).await
    }

    /// The same over a stream that leads to the device already.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn open_over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        endpoint: &Endpoint,
        keys: &HostKeys,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SessionError> {
        let started = (clock.now_ms(), clock.monotonic());
        let connection = Connection::over(stream, endpoint, keys, &limits).await?;
        Self::begin(connection, endpoint, limits, clock, started).await
    }

    async fn begin(
        connection: Connection,
        endpoint: &Endpoint,
        limits: Limits,
        clock: Arc<dyn Clock>,
        started: (UnixMs, Duration),
    ) -> Result<Self, SessionError> {
        let mut session = Self {
            device: endpoint.device.clone(),
            platform: endpoint.platform,
            limits,
            connection,
            shell: None,
            redactor: Redactor::of(&endpoint.login),
            transcript: Transcript::default(),
            clock,
            broken: None,
            trial: Trial::default(),
        };
        if let Access::Terminal(program) = session.definition().access {
            session.shell = Some(session.terminal(program).await?);
        }
        let login = &endpoint.login;
        session.note(started, &format!("(login as {})", login.user), "", None);
        session.enable(login.enable.as_ref().map(model::Secret::reveal)).await?;
        for command in session.definition().prepare {
            // What the device does not know of these only costs comfort.
            session.run(command, &[]).await?;
        }
        Ok(session)
    }

    /// The device's name in the inventory.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// What runs on it.
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// What was said so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// The text without the secrets of the login and those of configurations: for people to see.
    pub fn redacted(&self, text: &str) -> String {
        self.redactor.all(text)
    }

    /// Runs a command that only reads.
    ///
    /// # Errors
    /// It is none of the platform's list, the device refuses it, or it does not come to an end.
    pub async fn show(&mut self, command: &str) -> Result<Answer, SessionError> {
        self.platform.check_reading(command)?;
        self.command(command, &[]).await
    }

    /// Runs any command outside of the configuration; `expect` holds the questions that may come, in order.
    ///
    /// # Errors
    /// The device refuses it, asks something else, or does not come to an end.
    pub async fn command(
        &mut self,
        command: &str,
        expect: &[Expect],
    ) -> Result<Answer, SessionError> {
        change::check_line(command)?;
        let answer = self.run(command, expect).await?;
        match answer::refusal(&answer.text, self.definition()) {
            Some(said) => Err(self.rejected(command, &said)),
            None => Ok(answer),
        }
    }

    /// Ends the session and returns what was said in it.
    pub async fn close(mut self) -> Transcript {
        let closing = async {
            if let Some(shell) = &mut self.shell
                && self.broken.is_none()
            {
                shell.leave().await;
            }
            self.connection.close().await;
            Ok(())
        };
        // A device that does not let go is let go.
        let _ = limited(&self.device, "say goodbye", self.limits.close, closing).await;
        self.transcript
    }

    fn definition(&self) -> &'static Definition {
        self.platform.definition()
    }

    /// Opens a terminal: of the program, or of the login shell if the program does not start, which is so
    /// where the program is the login shell.
    async fn terminal(&mut self, program: Option<&'static str>) -> Result<Shell, SessionError> {
        if let Some(program) = program {
            match self.start(Some(program)).await {
                Err(SessionError::Closed { .. }) => {}
                other => return other,
            }
        }
        self.start(None).await
    }

    async fn start(&mut self, program: Option<&'static str>) -> Result<Shell, SessionError> {
        let doing = "opening a terminal";
        let device = self.device.clone();
        let ssh = |why| SessionError::Ssh { device: device.clone(), doing, why };
        let opening = async {
            let mut channel = self.connection.handle.channel_open_session().await.map_err(ssh)?;
            // Wide, so that nothing is wrapped; high, so that a pager that stays on comes seldom.
            channel.request_pty(true, "vt100", 511, 1000, 0, 0, &[]).await.map_err(ssh)?;
            match program {
                Some(program) => channel.exec(true, program).await.map_err(ssh)?,
                None => channel.request_shell(true).await.map_err(ssh)?,
            }
            let mut granted = 0;
            while granted < 2 {
                match channel.wait().await {
                    Some(ChannelMsg::Success) => granted += 1,
                    Some(ChannelMsg::Failure) => return Err(ssh(russh::Error::RequestDenied)),
                    Some(ChannelMsg::WindowAdjusted { .. }) => {}
                    _ => return Err(ssh(russh::Error::Inconsistent)),
                }
            }
            Ok(channel)
        };
        let channel = limited(&self.device, "open a terminal", self.limits.prompt, opening).await?;
        let wire = Box::new(channel.into_stream());
        let opened = Shell::open(wire, self.definition(), self.limits.clone()).await;
        opened.map_err(|why| match why {
            Failure::Silent(last) => SessionError::Prompt {
                device: self.device.clone(),
                limit: self.limits.prompt,
                last: self.redactor.all(&last),
            },
            other => self.failed("(login)", other, self.limits.prompt),
        })
    }

    /// Enters the privileged mode if the device has one and we are not in it.
    async fn enable(&mut self, password: Option<&str>) -> Result<(), SessionError> {
        let Some(command) = self.definition().enable else { return Ok(()) };
        let Some(shell) = &mut self.shell else { return Ok(()) };
        let unprivileged =
            |shell: &Shell| shell.prompt().is_some_and(prompt::Prompt::is_unprivileged);
        if !unprivileged(shell) || password.is_none() {
            return Ok(());
        }
        let started = (self.clock.now_ms(), self.clock.monotonic());
        let entered = shell.enable(command, password).await;
        let still = unprivileged(shell);
        self.note(started, command, "", None);
        match entered {
            Ok(()) if still => Err(self.rejected(command, "the prompt still ends with `>`")),
            Ok(()) => Ok(()),
            // The question for the password once more: it was wrong.
            Err(Failure::Question(_)) => Err(self.rejected(command, "the password is wrong")),
            Err(why) => Err(self.failed(command, why, self.limits.prompt)),
        }
    }

    /// Runs a command outside of the configuration, whatever it answers.
    async fn run(&mut self, command: &str, expect: &[Expect]) -> Result<Answer, SessionError> {
        if self.shell.is_none() {
            return self.execute(command).await;
        }
        self.exchange(&[command], Place::Normal, expect, self.limits.command).await
    }

    /// Sends lines to the terminal and cleans what comes back.
    async fn exchange(
        &mut self,
        commands: &[&str],
        place: Place,
        expect: &[Expect],
        limit: Duration,
    ) -> Result<Answer, SessionError> {
        self.check_usable()?;
        let started = (self.clock.now_ms(), self.clock.monotonic());
        let Some(shell) = &mut self.shell else {
            let (platform, what) = (self.platform, "terminal");
            return Err(SessionError::Unsupported { platform, what });
        };
        // Who drops this future half-way leaves a terminal in doubt.
        self.broken = Some("a command was cut off");
        let reads = commands.iter().any(|command| self.platform.check_reading(command).is_ok());
        let text = shell.ask(&Ask { commands, place, expect, reads, limit }).await;
        let prompt = shell.prompt().map(|prompt| prompt.text().to_owned()).unwrap_or_default();
        let sent = commands.join("\n");
        match text {
            Ok(text) => {
                self.broken = None;
                let text = self.redactor.own(&text);
                let (text, logs) = answer::clean(&text, commands, &prompt, self.definition());
                let took = self.note(started, &sent, &text, None);
                Ok(Answer { command: sent, text, logs, took })
            }
            Err(why) => {
                if matches!(why, Failure::Silent(_) | Failure::Question(_)) && shell.rescue().await
                {
                    self.broken = None;
                } else {
                    self.broken = Some("a command did not come to its end");
                }
                let error = self.failed(&sent, why, limit);
                self.note(started, &sent, "", Some(&error));
                Err(error)
            }
        }
    }

    /// Runs a command on a channel of its own.
    async fn execute(&mut self, command: &str) -> Result<Answer, SessionError> {
        let started = (self.clock.now_ms(), self.clock.monotonic());
        let limits = &self.limits;
        let ran = exec::run(&self.connection.handle, command, limits.command, limits.output).await;
        let failed = |session: &Self, why| match why {
            exec::Failure::Silent => {
                session.failed(command, Failure::Silent(String::new()), session.limits.command)
            }
            exec::Failure::TooLong => {
                session.failed(command, Failure::TooLong, session.limits.command)
            }
            exec::Failure::Denied => session.rejected(command, "it runs no commands"),
            exec::Failure::Ssh(why) => SessionError::Ssh {
                device: session.device.clone(),
                doing: "running a command",
                why,
            },
        };
        let ran = ran.map_err(|why| failed(self, why))?;
        let mut screen = screen::Screen::default();
        screen.push(&ran.output);
        let output = format!("{}{}", screen.text(), screen.line());
        let text = self.redactor.own(&output).into_owned();
        let errors = self.redactor.all(&String::from_utf8_lossy(&ran.errors));
        let took = self.note(started, command, &format!("{text}{errors}"), None);
        if ran.status == Some(0) {
            return Ok(Answer { command: command.to_owned(), text, logs: Vec::new(), took });
        }
        let status = ran.status.map_or_else(|| "no status".into(), |code| format!("status {code}"));
        let said = errors.lines().last().unwrap_or_default().trim().to_owned();
        Err(self.rejected(command, &format!("{status} {said}")))
    }

    fn check_usable(&self) -> Result<(), SessionError> {
        match self.broken {
            Some(why) => Err(SessionError::Broken { device: self.device.clone(), why }),
            None => Ok(()),
        }
    }

    /// Adds an exchange that began at `started` to the transcript; returns how long it took.
    fn note(
        &mut self,
        (at, since): (UnixMs, Duration),
        sent: &str,
        received: &str,
        error: Option<&SessionError>,
    ) -> Duration {
        let took = self.clock.monotonic().saturating_sub(since);
        let (sent, received) = (self.redactor.all(sent), self.redactor.all(received));
        let error = error.map(ToString::to_string);
        self.transcript.push(Entry { at, took, sent, received, error });
        took
    }

    fn rejected(&self, command: &str, said: &str) -> SessionError {
        SessionError::Rejected {
            device: self.device.clone(),
            command: self.redactor.all(command),
            said: self.redactor.all(said).trim().to_owned(),
        }
    }

    fn failed(&self, command: &str, why: Failure, limit: Duration) -> SessionError {
        let (device, command) = (self.device.clone(), self.redactor.all(command));
        match why {
            Failure::Silent(last) => {
                let last = self.redactor.all(&last);
                SessionError::Unfinished { device, command, limit, last }
            }
            Failure::Closed => SessionError::Closed { device, command },
            Failure::TooLong => {
                SessionError::TooLong { device, command, limit: self.limits.output }
            }
            Failure::Question(question) => {
                let question = self.redactor.all(&question);
                SessionError::Question { device, command, question }
            }
        }
    }
}
