//! A device's terminal: takes keys, shows what is typed, turns pages, and misbehaves if told to. It runs
//! over any stream; all waiting is tokio's, so that tests need not wait.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::sleep;

use super::cli::{Next, Session};
use super::{Device, Misbehaviour};

/// Whether a line asks a device to show something.
fn is_show(line: &str) -> bool {
    ["show", "display"].iter().any(|word| line.starts_with(word))
}

/// Longest line that can be typed.
const MAX_LINE: usize = 4 << 10;

/// Pause in the middle of an answer: long for a network, short for whoever waits for silence.
const PAUSE: Duration = Duration::from_millis(5);

/// Interrupt, as Ctrl-C types it.
const INTERRUPT: u8 = 0x03;

/// What ended a line.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    Line(String),
    Interrupted,
}

/// One terminal.
pub(super) struct Terminal<S> {
    device: Device,
    session: Session,
    user: String,
    stream: S,
    /// Keys that were typed ahead.
    keys: VecDeque<u8>,
    /// Whether the last key was a carriage return, which a line feed then belongs to.
    after_return: bool,
    /// Whether the last line was a command.
    answered: bool,
    /// Whether it has shown something.
    shown: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Terminal<S> {
    pub(super) fn new(device: Device, user: &str, stream: S) -> Self {
        let session = Session::new(&device.options);
        let user = user.to_owned();
        Self {
            device,
            session,
            user,
            stream,
            keys: VecDeque::new(),
            after_return: false,
            answered: false,
            shown: false,
        }
    }

    /// Serves until somebody leaves.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let ended = self.serve().await;
        self.session.leave(&mut self.device.locked());
        let _ = self.stream.shutdown().await;
        ended
    }

    async fn serve(&mut self) -> io::Result<()> {
        self.write("\r\nSIMULATION, not a real device. Authorized use only # \r\n\r\n").await?;
        if self.device.has(Misbehaviour::NoPrompt) {
            return self.hang().await;
        }
        if self.device.has(Misbehaviour::PressAnyKey) {
            self.write("Press any key to continue").await?;
            self.key().await?;
            self.write("\r\n").await?;
        }
        loop {
            let prompt = self.prompt();
            self.write(&prompt).await?;
            if self.device.has(Misbehaviour::LogLines) && self.answered {
                sleep(PAUSE).await;
                self.write(
                    "\r\n*Nov 22 03:00:00.000: %SYS-5-CONFIG_I: Configured from console by noc\r\n",
                )
                .await?;
            }
            let Typed::Line(line) = self.line(true).await? else { continue };
            // What is typed in front of a command means nothing, on any platform.
            let line = line.trim_start().to_owned();
            sleep(self.device.options.latency).await;
            if self.device.has(Misbehaviour::Password) && is_show(&line) {
                self.write("Password: ").await?;
                if let Typed::Line(typed) = self.line(false).await? {
                    self.device.locked().note(&format!("(password of {} letters)", typed.len()));
                }
                continue;
            }
            let (text, mut next) = self.session.command(&line, &mut self.device.locked());
            self.answer(&line, text).await?;
            while let Next::Question(question, asked) = next {
                self.write(&question).await?;
                let hidden = question.starts_with("Password");
                next = match self.line(!hidden).await? {
                    Typed::Line(typed) => {
                        let (text, next) =
                            self.session.answer(asked, &typed, &mut self.device.locked());
                        self.write(&text).await?;
                        next
                    }
                    Typed::Interrupted => Next::Prompt,
                };
            }
            self.answered = !line.is_empty();
            self.shown |= is_show(&line);
            if next == Next::Close {
                return Ok(());
            }
        }
    }

    /// Shows an answer as this device does.
    async fn answer(&mut self, line: &str, text: String) -> io::Result<()> {
        if !is_show(line) {
            return self.write(&text).await;
        }
        if self.device.has(Misbehaviour::Hang) {
            return self.hang().await;
        }
        let middle = text.find('\n').map_or(text.len(), |at| at + 1);
        let (first, rest) = text.split_at(middle);
        if self.device.has(Misbehaviour::HangInside) {
            self.write(first).await?;
            return self.hang().await;
        }
        if self.device.has(Misbehaviour::Drop) {
            self.write(first).await?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if self.device.has(Misbehaviour::Endless) {
            let many = first.repeat(1_000);
            loop {
                self.write(&many).await?;
            }
        }
        if self.device.has(Misbehaviour::PromptInside) {
            let prompt = self.prompt();
            self.write(first).await?;
            self.write(&format!("other-device# \r\n{prompt}show version\r\n{prompt}")).await?;
            sleep(PAUSE).await;
            self.write("\r\n").await?;
            return self.write(rest).await;
        }
        self.pages(&text).await
    }

    async fn pages(&mut self, text: &str) -> io::Result<()> {
        let stubborn = self.device.has(Misbehaviour::StubbornPager);
        if !self.session.paging && !stubborn {
            return self.write(text).await;
        }
        let page = self.device.options.page.max(1);
        let (pager, repaint) = self.session.dialect.pager();
        let mut left = page;
        let mut shown = String::new();
        for line in text.split_inclusive('\n') {
            if left == 0 {
                shown.push_str(pager);
                self.write(&shown).await?;
                let key = self.key().await?;
                repaint.clone_into(&mut shown);
                left = match key {
                    b' ' => page,
                    b'\r' | b'\n' => 1,
                    _ => break,
                };
            }
            shown.push_str(line);
            left -= 1;
        }
        self.write(&shown).await
    }

    fn prompt(&self) -> String {
        if self.shown && self.device.has(Misbehaviour::OtherPrompt) {
            return "other-device#".into();
        }
        self.session.prompt(&self.user)
    }

    /// Says nothing more, whatever is typed, until the other end goes.
    async fn hang(&mut self) -> io::Result<()> {
        loop {
            self.key().await?;
        }
    }

    /// A line, edited with backspace, shown unless it is a secret. What was typed together is shown together.
    async fn line(&mut self, shown: bool) -> io::Result<Typed> {
        let echo = shown && !self.device.has(Misbehaviour::NoEcho);
        let (mut line, mut answer) = (Vec::new(), Vec::new());
        loop {
            if self.keys.is_empty() && !answer.is_empty() {
                self.stream.write_all(&answer).await?;
                answer.clear();
            }
            let key = self.key().await?;
            match key {
                INTERRUPT => {
                    answer.extend_from_slice(b"^C\r\n");
                    self.stream.write_all(&answer).await?;
                    self.stream.flush().await?;
                    return Ok(Typed::Interrupted);
                }
                b'\r' | b'\n' => {
                    answer.extend_from_slice(b"\r\n");
                    self.stream.write_all(&answer).await?;
                    self.stream.flush().await?;
                    return Ok(Typed::Line(String::from_utf8_lossy(&line).into_owned()));
                }
                0x08 | 0x7f => {
                    let gone = line.pop().is_some();
                    if gone && echo {
                        answer.extend_from_slice(b"\x08 \x08");
                    }
                }
                _ if line.len() < MAX_LINE => {
                    line.push(key);
                    if echo {
                        answer.push(key);
                    }
                }
                _ => {}
            }
        }
    }

    /// The next key; a carriage return and a line feed are one.
    async fn key(&mut self) -> io::Result<u8> {
        loop {
            while let Some(key) = self.keys.pop_front() {
                let second_half = key == b'\n' && std::mem::take(&mut self.after_return);
                self.after_return = key == b'\r';
                if !second_half {
                    return Ok(key);
                }
            }
            self.stream.flush().await?;
            let mut bytes = [0; 1024];
            match self.stream.read(&mut bytes).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.keys.extend(&bytes[..n]),
            }
        }
    }

    async fn write(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }
}
