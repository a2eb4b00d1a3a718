//! Changes of a configuration: opened, sent, made to take effect, left, whatever happens in between. It does
//! not know what the lines mean.

use std::time::Duration;

use super::Session;
use super::answer::{self, Answer};
use super::error::SessionError;
use super::shell::{Place, Shell};
use crate::platform::ConfigMode;

/// Longest line of a change, in bytes.
const MAX_LINE: usize = 500;

/// Lines for the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The lines. The first is sent alone, since it often chooses what the others are about; the others go
    /// out in one write, so that nothing can come between `shutdown` and `no shutdown`.
    pub lines: Vec<String>,
    /// It shall not stay unless [`Session::confirm`] follows; only where [`crate::Platform::can_revert`]. The first such
    /// change undoes itself after this time, in whole minutes. A device that would take only the last of several back
    /// would be left half-way, so the others wait for [`Session::restore`].
    pub revert_after: Option<Duration>,
}

/// The changes of a session that are not confirmed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trial {
    /// How many took effect.
    changes: u32,
    /// Whether the device undoes them by itself.
    waits: bool,
}

impl Session {
    /// Makes a change. On failure the candidate is thrown away, where the platform has one, and the
    /// configuration mode is left.
    ///
    /// # Errors
    /// The device refused a line or the commit, or the session broke.
    pub async fn configure(&mut self, change: &Change) -> Result<Vec<Answer>, SessionError> {
        change.lines.iter().try_for_each(|line| check_line(line))?;
        let config = self.config_mode()?;
        let waits = change.revert_after.is_some() && self.trial.changes == 0;
        let commit = match change.revert_after {
            Some(after) if waits => Some(self.commit_confirmed(config, after)?),
            _ => config.commit.map(str::to_owned),
        };
        let keep = config.restore.and_then(|restore| restore.keep).filter(|_| waits);
        if let Some(keep) = keep {
            self.command(keep, &[]).await?;
        }
        if self.trial.waits && config.confirm.is_some_and(|confirm| !confirm.implied) {
            self.send_confirmation(config).await?;
            self.trial.waits = false;
        }
        let done = self.change(config, &change.lines, commit.as_deref()).await;
        if done.is_err() {
            self.abandon(config).await;
        } else if change.revert_after.is_some() || self.trial.changes > 0 {
            self.trial = Trial { changes: self.trial.changes + 1, waits };
        }
        done
    }

    /// Makes changes stay that would not.
    ///
    /// # Errors
    /// The device refused.
    pub async fn confirm(&mut self) -> Result<(), SessionError> {
        if self.trial.waits {
            let config = self.config_mode()?;
            self.send_confirmation(config).await?;
        }
        self.trial = Trial::default();
        Ok(())
    }

    /// Whether the device undoes by itself what was changed.
    pub fn undoes_itself(&self) -> bool {
        self.trial.waits
    }

    /// Whether changes are left for [`Session::restore`].
    pub fn can_restore(&self) -> bool {
        self.trial.changes > 0 && !self.trial.waits
    }

    /// Leaves these as they are.
    pub fn settle(&mut self) {
        if self.can_restore() {
            self.trial = Trial::default();
        }
    }

    /// Takes all changes back that were not confirmed, the last one first.
    ///
    /// # Errors
    /// There are none but one that undoes itself, or the device refused.
    pub async fn restore(&mut self) -> Result<(), SessionError> {
        let config = self.config_mode()?;
        let restore = config.restore.filter(|_| self.can_restore());
        let restore = restore.ok_or_else(|| self.unsupported("change to take back"))?;
        let command = restore.command.replace("{}", &self.trial.changes.to_string());
        if restore.in_config {
            let done = self.change(config, &[command], config.commit).await;
            if done.is_err() {
                self.abandon(config).await;
            }
            done?;
        } else {
            self.line(&[&command], self.limits.commit).await?;
        }
        self.trial = Trial::default();
        Ok(())
    }

    async fn send_confirmation(&mut self, config: ConfigMode) -> Result<(), SessionError> {
        let Some(confirm) = config.confirm else { return Err(self.unsupported("confirmation")) };
        if !confirm.in_config {
            return self.command(confirm.command, &[]).await.map(drop);
        }
        let done = self.change(config, &[], Some(confirm.command)).await;
        if done.is_err() {
            self.abandon(config).await;
        }
        done.map(drop)
    }

    async fn change(
        &mut self,
        config: ConfigMode,
        lines: &[String],
        commit: Option<&str>,
    ) -> Result<Vec<Answer>, SessionError> {
        let entered = self.line(&[config.enter], self.limits.command).await?;
        if !self.is_configuring() {
            return Err(self.rejected(config.enter, &entered.text));
        }
        let mut answers = Vec::with_capacity(lines.len());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (first, others) = lines.split_at(lines.len().min(1));
        let together = self.shell.as_ref().is_some_and(Shell::can_send_together);
        let step = if together { others.len().max(1) } else { 1 };
        for lines in std::iter::once(first).chain(others.chunks(step)) {
            if !lines.is_empty() {
                answers.push(self.line(lines, self.limits.command).await?);
            }
        }
        let waits = self.shell.as_ref().is_some_and(Shell::waits_for_commit);
        if let Some(commit) = commit.filter(|_| waits) {
            // A commit may leave the configuration by itself, as that of EOS does.
            answers.push(self.line(&[commit], self.limits.commit).await?);
        }
        if self.is_configuring() {
            self.line(&[config.leave], self.limits.command).await?;
        }
        Ok(answers)
    }

    /// Sends lines and takes an answer that says no for a failure.
    async fn line(&mut self, lines: &[&str], limit: Duration) -> Result<Answer, SessionError> {
        // A line that is refused, or leaves the configuration, ends at another prompt than expected.
        let answer = self.exchange(lines, Place::Anywhere, &[], limit).await?;
        match answer::refusal(&answer.text, self.definition()) {
            Some(said) => Err(self.rejected(&lines.join("; "), &said)),
            None => Ok(answer),
        }
    }

    /// Leaves the configuration after a failure, without what was changed in a candidate.
    async fn abandon(&mut self, config: ConfigMode) {
        for command in config.abandon {
            if self.broken.is_some() || !self.is_configuring() {
                return;
            }
            // The failure that is being reported is the one that matters.
            let _ = self.exchange(&[command], Place::Anywhere, &[], self.limits.rescue).await;
        }
    }

    fn is_configuring(&self) -> bool {
        self.shell.as_ref().is_some_and(Shell::is_configuring)
    }

    fn commit_confirmed(
        &self,
        config: ConfigMode,
        after: Duration,
    ) -> Result<String, SessionError> {
        let form =
            config.commit_confirmed.ok_or_else(|| self.unsupported("change that undoes itself"))?;
        let minutes = after.as_secs().div_ceil(60).clamp(1, 59);
        Ok(form.replace("{:02}", &format!("{minutes:02}")).replace("{}", &minutes.to_string()))
    }

    fn config_mode(&self) -> Result<ConfigMode, SessionError> {
        self.definition().config.ok_or_else(|| self.unsupported("configuration mode"))
    }

    fn unsupported(&self, what: &'static str) -> SessionError {
        SessionError::Unsupported { platform: self.platform, what }
    }
}

/// Whether a line can be sent as one line.
pub(super) fn check_line(line: &str) -> Result<(), SessionError> {
    let refused = |why| Err(SessionError::Line { line: line.to_owned(), why });
    if line.trim().is_empty() {
        return refused("it is empty");
    }
    if line.len() > MAX_LINE {
        return refused("it is longer than 500 bytes");
    }
    if line.chars().any(char::is_control) {
        return refused("it holds a control character");
    }
    if line.contains('?') {
        return refused("a question mark asks the device for help at once");
    }
    Ok(())
}
