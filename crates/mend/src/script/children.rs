//! The parent's side of the child processes: starts them, keeps them warm, gives each one run at a time, and ends
//! those that computed for too long, were used often enough, or said something that makes no sense. What a
//! child says is never trusted.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::wire::{self, FromChild, MOST_FROM_CHILD};

/// Steps after which a child is replaced: to start one costs as much as some fifty of them.
const STEPS: u32 = 2_000;
/// Longest time that a child may compute without asking for anything.
pub(super) const COMPUTING: Duration = Duration::from_secs(10);
/// Longest time for the end of a process to be seen.
const ENDING: Duration = Duration::from_secs(1);

/// How a child is started: a program that calls [`super::serve`] when it is given these arguments.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Child processes for steps to run in.
#[derive(Debug)]
pub struct Children {
    program: Program,
    idle: Mutex<Vec<Child>>,
    permits: Semaphore,
    started: AtomicU64,
}

impl Children {
    /// At most `most` children at a time. None is started before it is needed.
    pub fn new(program: Program, most: usize) -> Self {
        let permits = Semaphore::new(most.max(1));
        Self { program, idle: Mutex::default(), permits, started: AtomicU64::new(0) }
    }

    /// How many were started so far.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Process ids of the children that wait for work.
    pub fn idle(&self) -> Vec<u32> {
        self.locked().iter().filter_map(|child| child.process.id()).collect()
    }

    /// A child for one run; it waits while all are busy.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, io::Error> {
        let permit = self.permits.acquire().await.map_err(io::Error::other)?;
        let child = match self.waiting() {
            Some(child) => child,
            None => self.start()?,
        };
        Ok(Lent { children: self, child: Some(child), _permit: permit })
    }

    /// A child that waits for work, and has not been ended meanwhile.
    fn waiting(&self) -> Option<Child> {
        let mut idle = self.locked();
        while let Some(mut child) = idle.pop() {
            if matches!(child.process.try_wait(), Ok(None)) {
                return Some(child);
            }
        }
        None
    }

    /// A child that has run nothing before and runs nothing later.
    pub(super) fn start(&self) -> Result<Child, io::Error> {
        self.started.fetch_add(1, Ordering::Relaxed);
        Child::start(&self.program)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<Child>> {
        // A list of processes is whole at any time.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A child that is lent for one run. It is ended when dropped, unless it was given back.
pub(super) struct Lent<'c> {
    children: &'c Children,
    child: Option<Child>,
    _permit: SemaphorePermit<'c>,
}

impl Lent<'_> {
    /// The child.
    pub(super) fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("it is there until it is given back")
    }

    /// The child, for one more step.
    pub(super) fn step(&mut self) -> &mut Child {
        let child = self.child();
        child.steps += 1;
        child
    }

    /// Gives it back once it waits for the next run.
    pub(super) fn give_back(mut self) {
        if let Some(child) = self.child.take()
            && child.steps < STEPS
        {
            self.children.locked().push(child);
        }
    }
}

/// A child process.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    stream: BufReader<UnixStream>,
    steps: u32,
    buffer: Vec<u8>,
}

/// Why nothing comes from a child.
#[derive(Debug)]
pub(super) enum Lost {
    /// It computes on and on.
    Endless,
    /// It ended.
    Ended(String),
}

impl Child {
    fn start(program: &Program) -> Result<Self, io::Error> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let process = Command::new(&program.path)
            .args(&program.arguments)
            // Secrets may stand in the environment.
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let stream = BufReader::new(UnixStream::from_std(ours)?);
        Ok(Self { process, stream, steps: 0, buffer: Vec::new() })
    }

    /// Tells it something.
    pub(super) async fn tell(&mut self, message: &impl Serialize) -> Result<(), Lost> {
        let bytes = match wire::encode(message) {
            Ok(bytes) => bytes,
            Err(why) => return Err(Lost::Ended(why.to_string())),
        };
        match timeout(COMPUTING, self.stream.write_all(&bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.ended().await),
            Err(_) => Err(Lost::Endless),
        }
    }

    /// What it says next.
    pub(super) async fn hear(&mut self) -> Result<FromChild, Lost> {
        match timeout(COMPUTING, self.message()).await {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(why)) if why.kind() == io::ErrorKind::InvalidData => {
                Err(Lost::Ended(why.to_string()))
            }
            Ok(Err(_)) => Err(self.ended().await),
            Err(_) => Err(Lost::Endless),
        }
    }

    async fn message(&mut self) -> io::Result<FromChild> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await?;
        let length = u32::from_be_bytes(length) as usize;
        if length > MOST_FROM_CHILD {
            let what = format!("it said {length} bytes at once");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        self.buffer.resize(length, 0);
        self.stream.read_exact(&mut self.buffer).await?;
        let message = serde_json::from_slice(&self.buffer);
        message.map_err(|why| {
            io::Error::new(io::ErrorKind::InvalidData, format!("it made no sense: {why}"))
        })
    }

    /// How it ended.
    async fn ended(&mut self) -> Lost {
        let status = timeout(ENDING, self.process.wait()).await;
        Lost::Ended(match status {
            Ok(Ok(status)) => ending(status),
            _ => "it hung up".to_owned(),
        })
    }
}

/// How a process ended, in words.
fn ending(status: ExitStatus) -> String {
    match status.signal() {
        Some(libc::SIGSYS) => "it tried what scripts may not do".to_owned(),
        Some(libc::SIGXCPU | libc::SIGKILL) => "it used up its time".to_owned(),
        Some(libc::SIGABRT) => "it ran out of memory".to_owned(),
        Some(libc::SIGSEGV | libc::SIGBUS) => "it went too deep, or ran out of memory".to_owned(),
        _ => status.to_string(),
    }
}
