//! The dialogue with a command line at the other end of a terminal: learns its prompt, sends a command,
//! knows when the answer is over. It decides nothing about commands and keeps no transcript; time is tokio's.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::limits::Limits;
use super::prompt::{self, Halt, Prompt};
use super::screen::Screen;
use crate::platform::{ConfigPrompt, Definition};

/// What the terminal runs over.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<W: AsyncRead + AsyncWrite + Send + Unpin> Wire for W {}

/// Longest unfinished line that is looked at as a prompt or question.
const MAX_HALT: usize = 1 << 10;

/// Typed behind a command that only reads. A device shows it behind its prompt once it takes the next line, which no
/// prompt inside an answer does; in front of a command it means nothing, and a pager turns the page for it.
const MARK: char = ' ';

/// A terminal at its prompt.
pub(crate) struct Shell {
    wire: Box<dyn Wire>,
    screen: Screen,
    definition: &'static Definition,
    limits: Limits,
    prompt: Option<Prompt>,
    /// Bytes of a line that holds the prompt and nothing else.
    bare: usize,
    /// Whether the device shows a mark that was typed ahead.
    marks: bool,
    /// Whether the device repeats what is sent; `None` until the first command shows it.
    echoes: Option<bool>,
    configuring: bool,
    buffer: Box<[u8]>,
}

/// Why an answer did not come to its end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing like an end came in time; this is the last line.
    Silent(String),
    /// The device closed the channel.
    Closed,
    /// More than the limit came.
    TooLong,
    /// A question that nobody expects.
    Question(String),
}

/// A question that a command may be answered with, and what to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Words of the question.
    pub question: String,
    /// The answer, sent with a line end.
    pub answer: String,
}

/// Where the prompt must be that ends an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Outside of the configuration.
    Normal,
    /// There or in it.
    Anywhere,
}

/// What is sent, and what may come of it.
pub(crate) struct Ask<'a> {
    /// The commands, each of which is echoed.
    pub(crate) commands: &'a [&'a str],
    /// Where the prompt must be that ends the answer.
    pub(crate) place: Place,
    /// The questions that may come, in order.
    pub(crate) expect: &'a [Expect],
    /// Whether the commands only read. What others do not print needs no silence behind the prompt: a
    /// prompt that is output of theirs would be preceded by output.
    pub(crate) reads: bool,
    /// How long it may take.
    pub(crate) limit: Duration,
}

/// When an answer is over.
struct Goal<'g> {
    ask: &'g Ask<'g>,
    deadline: Instant,
}

/// What the device seems to wait with.
enum Standing {
    Prompt {
        echoed: bool,
    },
    /// The prompt with our mark behind it, or with nothing but echoes before it.
    Done,
    Pager(&'static str),
    Question(String),
    /// A log line was printed over the prompt.
    Disturbed,
    Open,
}

impl Shell {
    /// Takes over a terminal whose program was just started and learns its prompt.
    pub(crate) async fn open(
        wire: Box<dyn Wire>,
        definition: &'static Definition,
        limits: Limits,
    ) -> Result<Self, Failure> {
        let mut shell = Self {
            wire,
            screen: Screen::default(),
            definition,
            limits,
            prompt: None,
            bare: 0,
            marks: false,
            echoes: None,
            configuring: false,
            buffer: vec![0; 16 << 10].into_boxed_slice(),
        };
        shell.learn().await?;
        Ok(shell)
    }

    /// The prompt outside of the configuration.
    pub(crate) fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// Whether the terminal is in the configuration now.
    pub(crate) fn is_configuring(&self) -> bool {
        self.configuring
    }

    /// Whether what was changed waits for a commit: unless the prompt says that it does not.
    pub(crate) fn waits_for_commit(&self) -> bool {
        let brackets = self.definition.config.is_some_and(|it| it.prompt == ConfigPrompt::Brackets);
        !brackets || self.screen.line().contains("[*")
    }

    /// Whether the device shows what is sent, so that several lines at once can be told apart.
    pub(crate) fn can_send_together(&self) -> bool {
        self.echoes == Some(true)
    }

    /// Sends commands in one write and returns what is printed until the last prompt.
    pub(crate) async fn ask(&mut self, ask: &Ask<'_>) -> Result<String, Failure> {
        self.screen.clear_lines();
        if self.echoes == Some(false) {
            self.screen.clear_line();
        }
        let mut lines = ask.commands.join("\n");
        lines.push('\n');
        if self.is_marked(ask) {
            lines.push(MARK);
        }
        let goal = Goal { ask, deadline: Instant::now() + ask.limit };
        self.send(lines.as_bytes()).await?;
        self.finish(&goal).await?;
        Ok(self.screen.text())
    }

    /// Answers a question for the password of the privileged mode.
    pub(crate) async fn enable(
        &mut self,
        command: &str,
        password: Option<&str>,
    ) -> Result<(), Failure> {
        let expect: Vec<Expect> = password
            .map(|password| Expect { question: "assword".into(), answer: password.into() })
            .into_iter()
            .collect();
        self.prompt = None;
        self.screen.clear_lines();
        self.screen.clear_line();
        self.send(format!("{command}\n").as_bytes()).await?;
        self.learn_from(&expect).await
    }

    /// Gets the prompt back after something went wrong: interrupts, declines, asks again. `false`: in vain.
    pub(crate) async fn rescue(&mut self) -> bool {
        let limit = self.limits.rescue / 3;
        let ask = Ask { commands: &[], place: Place::Anywhere, expect: &[], reads: true, limit };
        for keys in [&b"\x03"[..], b"n\n", b"\x03\n"] {
            self.screen.clear_lines();
            self.screen.clear_line();
            if self.send(keys).await.is_err() {
                return false;
            }
            let goal = Goal { ask: &ask, deadline: Instant::now() + limit };
            match self.finish(&goal).await {
                Ok(()) => return true,
                Err(Failure::Closed | Failure::TooLong) => return false,
                Err(Failure::Silent(_) | Failure::Question(_)) => {}
            }
        }
        false
    }

    /// Takes in what the device has printed since; `false` if it has closed the channel, or prints on and on.
    pub(crate) async fn drain(&mut self) -> bool {
        let mut received = 0;
        while received <= self.limits.output {
            match self.read_some(Instant::now()).await {
                Ok(0) => return true,
                Ok(more) => received += more,
                Err(_) => return false,
            }
            self.screen.clear_lines();
        }
        false
    }

    /// Sends the command that ends the session; the device need not answer.
    pub(crate) async fn leave(&mut self) {
        let _ = self.send(b"exit\n").await;
        let _ = self.wire.shutdown().await;
    }

    /// Learns the prompt: a last line that looks like one, twice, the second time after an empty command.
    async fn learn(&mut self) -> Result<(), Failure> {
        self.learn_from(&[]).await
    }

    async fn learn_from(&mut self, expect: &[Expect]) -> Result<(), Failure> {
        let deadline = Instant::now() + self.limits.prompt;
        let mut expect = expect.iter();
        let mut guessed: Option<(Prompt, usize)> = None;
        loop {
            let line = self.screen.line();
            let guess = Prompt::guess(&line, self.definition);
            let halt = if guess.is_none() { prompt::halt(&line) } else { None };
            let patience = match (&guess, halt) {
                (Some(_), _) => self.limits.quiet,
                (None, Some(Halt::Pager(_))) => Duration::ZERO,
                (None, Some(Halt::Question)) => self.limits.question,
                // Some devices wait for the first key without a word, and a log line may hide the prompt.
                (None, None) => self.limits.prompt / 4,
            };
            if self.read(deadline.min(Instant::now() + patience)).await? {
                continue;
            }
            if Instant::now() >= deadline {
                return Err(Failure::Silent(line));
            }
            match (guess, halt) {
                (Some(guess), _) => {
                    let length = self.width(&line);
                    if let Some((_, bare)) = guessed.take_if(|(before, _)| *before == guess) {
                        (self.prompt, self.bare) = (Some(guess), bare);
                        self.marks = length == bare + MARK.len_utf8();
                        return Ok(());
                    }
                    guessed = Some((guess, length));
                    self.screen.clear_line();
                    self.send(format!("\n{MARK}").as_bytes()).await?;
                }
                (None, Some(Halt::Pager(keys))) => {
                    self.screen.clear_line();
                    self.send(keys.as_bytes()).await?;
                }
                (None, Some(Halt::Question)) => {
                    let Some(answer) = expect.next().filter(|one| line.contains(&one.question))
                    else {
                        return Err(Failure::Question(line));
                    };
                    self.screen.clear_line();
                    self.send(format!("{}\n", answer.answer).as_bytes()).await?;
                }
                (None, None) => self.send(b"\n").await?,
            }
        }
    }

    /// Reads until the goal is reached.
    async fn finish(&mut self, goal: &Goal<'_>) -> Result<(), Failure> {
        let mut received = 0;
        let mut expect = goal.ask.expect.iter();
        let mut nudged = false;
        let mut echoed = goal.ask.commands.is_empty();
        loop {
            let standing = self.standing(goal.ask, &mut echoed);
            let patience = match &standing {
                Standing::Done => {
                    self.arrive(Some(true));
                    return Ok(());
                }
                Standing::Prompt { echoed: true } => Some(self.limits.quiet),
                Standing::Prompt { echoed: false } => Some(self.limits.no_echo),
                Standing::Pager(_) => Some(Duration::ZERO),
                Standing::Question(_) => Some(self.limits.question),
                Standing::Disturbed if !nudged => Some(self.limits.nudge),
                Standing::Disturbed | Standing::Open => None,
            };
            let until =
                patience.map_or(goal.deadline, |wait| goal.deadline.min(Instant::now() + wait));
            let before = received;
            received += self.read_some(until).await?;
            if received > self.limits.output {
                return Err(Failure::TooLong);
            }
            if received > before {
                continue;
            }
            match standing {
                Standing::Prompt { echoed } => {
                    self.arrive((!goal.ask.commands.is_empty()).then_some(echoed));
                    return Ok(());
                }
                _ if Instant::now() >= goal.deadline => {
                    return Err(Failure::Silent(self.screen.line()));
                }
                Standing::Pager(keys) => {
                    self.screen.clear_line();
                    self.send(keys.as_bytes()).await?;
                }
                Standing::Question(question) => {
                    let Some(answer) = expect.next().filter(|one| question.contains(&one.question))
                    else {
                        return Err(Failure::Question(question));
                    };
                    self.send(format!("{}\n", answer.answer).as_bytes()).await?;
                }
                Standing::Disturbed => {
                    nudged = true;
                    self.send(b"\n").await?;
                }
                Standing::Open | Standing::Done => {}
            }
        }
    }

    /// Takes note of where the prompt is that ended an answer, and of whether it showed an echo.
    fn arrive(&mut self, echoed: Option<bool>) {
        self.echoes = self.echoes.or(echoed);
        self.configuring = !self.prompt.as_ref().is_some_and(|p| p.is(&self.screen.line()));
    }

    /// What the unfinished line says.
    fn standing(&self, ask: &Ask<'_>, echoed: &mut bool) -> Standing {
        if self.screen.line_len() > MAX_HALT {
            return Standing::Open;
        }
        let line = self.screen.line();
        if line.is_empty() {
            let log = is_log(&self.screen.last_line());
            return if log { Standing::Disturbed } else { Standing::Open };
        }
        if self.is_end(&line, ask.place) {
            if !*echoed && self.screen.has_lines() {
                let (head, sent) = (self.screen.head(), ask.commands.len());
                *echoed = count_echoes(&head, ask.commands) == sent;
                let printed = || head.lines().filter(|line| !line.trim().is_empty()).count() > sent;
                if *echoed && !ask.reads && !printed() {
                    return Standing::Done;
                }
            }
            let marked = self.width(&line) == self.bare + MARK.len_utf8();
            if *echoed && marked && self.is_marked(ask) {
                return Standing::Done;
            }
            return Standing::Prompt { echoed: *echoed || self.echoes == Some(false) };
        }
        match prompt::halt(&line) {
            Some(Halt::Pager(keys)) => Standing::Pager(keys),
            Some(Halt::Question) if !is_typed(&line, ask.commands) => Standing::Question(line),
            _ => Standing::Open,
        }
    }

    /// Bytes of the unfinished line, which is this without the blanks at its end, as the prompt is counted.
    fn width(&self, line: &str) -> usize {
        let mark = line.len() - prompt::without(line, self.definition.unsaved).len();
        self.screen.line_len().saturating_sub(mark)
    }

    /// Whether a mark goes out behind the commands. What may be asked something could take it for the answer.
    fn is_marked(&self, ask: &Ask<'_>) -> bool {
        self.marks && ask.reads && ask.expect.is_empty() && ask.place == Place::Normal
    }

    fn is_end(&self, line: &str, place: Place) -> bool {
        let Some(prompt) = &self.prompt else { return false };
        let configuring = || {
            self.definition.config.is_some_and(|config| prompt.is_configuring(line, config.prompt))
        };
        match place {
            Place::Normal => prompt.is(line),
            Place::Anywhere => prompt.is(line) || configuring(),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        };
        sent.await.map_err(|_| Failure::Closed)
    }

    /// Whether anything came before `until`.
    async fn read(&mut self, until: Instant) -> Result<bool, Failure> {
        Ok(self.read_some(until).await? > 0)
    }

    /// Shows what comes; 0 if nothing does before `until`.
    async fn read_some(&mut self, until: Instant) -> Result<usize, Failure> {
        match timeout_at(until, self.wire.read(&mut self.buffer)).await {
            Err(_) => Ok(0),
            Ok(Err(_) | Ok(0)) => Err(Failure::Closed),
            Ok(Ok(n)) => {
                self.screen.push(&self.buffer[..n]);
                Ok(n)
            }
        }
    }
}

/// Whether a line, with the prompt in front of it or without, is the echo of a command. Blanks do not count:
/// a device may break a long line or scroll it.
pub(crate) fn is_echo(line: &str, command: &str) -> bool {
    let mut shown = line.chars().rev().filter(|c| !c.is_whitespace());
    let mut sent = command.chars().rev().filter(|c| !c.is_whitespace());
    loop {
        match (sent.next(), shown.next()) {
            (None, None) => return true,
            (None, Some(before)) => return matches!(before, '#' | '>' | '%' | '$' | ']'),
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => return false,
        }
    }
}

/// Whether a line is what was sent and not yet answered: `r1#show ip ssh password`.
fn is_typed(line: &str, commands: &[&str]) -> bool {
    commands.iter().any(|command| !command.is_empty() && is_echo(line, command))
}

/// How many of the commands, in order, are echoed in the text.
fn count_echoes(text: &str, commands: &[&str]) -> usize {
    let mut found = 0;
    for line in text.lines() {
        if found < commands.len() && is_echo(line, commands[found]) {
            found += 1;
        }
    }
    found
}

/// Whether a line is a syslog message printed into the session: `%LINK-3-UPDOWN: ...`, whatever is before.
pub(crate) fn is_log(line: &str) -> bool {
    let Some((before, rest)) = line.split_once('%') else { return false };
    if before.len() > 100 {
        return false;
    }
    let Some((code, _)) = rest.split_once(':') else { return false };
    let parts: Vec<&str> = code.trim_end().split('-').collect();
    let word = |part: &&str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let severity = |part: &&str| part.len() == 1 && part.chars().all(|c| ('0'..='7').contains(&c));
    parts.len() >= 3 && parts.iter().all(word) && parts[1..parts.len() - 1].iter().any(severity)
}

#[cfg(test)]
mod tests;
