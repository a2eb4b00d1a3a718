//! Loads the configuration again when its files change or somebody asks. It hands over what it found; the
//! configuration that runs stays as it is until the receiver takes the new one.
//!
//! Folders are watched, not files, so that editors which rename over a file and Kubernetes, which swaps a
//! symbolic link above it, are seen. What happens in a folder besides costs a few `stat` calls ten times a
//! second at most: what the kernel has to tell is read at our pace, so nobody who writes there can hold up a
//! reload or the stop.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::glob;
use super::load::{Inputs, Outside, Sources, load_from};
use super::problem::Problems;
use super::settings::Settings;

/// For how long nothing may change before a change counts as complete: editors write in several steps.
const SETTLE: Duration = Duration::from_millis(100);
/// How often to wait for that before loading what is there.
const SETTLE_TRIES: usize = 20;
/// Longest that the end waits for a file which the kernel does not give, such as one on a server that is gone.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often to load when files change meanwhile.
const LOAD_TRIES: usize = 5;
/// Most symbolic links on the way to a file, as in the kernel.
const MAX_LINKS: usize = 40;

/// Number of a question for a reload: the first is 1, and they ascend.
pub(crate) type Ticket = u64;

/// A load, and whose question it answers.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// What it came to.
    pub(crate) reload: Reload,
    /// It answers the questions up to this one: it began after they were asked.
    pub(crate) answers: Ticket,
}

/// What loading again came to.
#[derive(Debug)]
pub(crate) enum Reload {
    /// There is a new configuration.
    Changed(Box<Settings>),
    /// It is the same: somebody asked, or wrong files were put right.
    Unchanged,
    /// The files are wrong; what runs should keep running.
    Refused(Problems),
}

enum Message {
    /// Somebody asked.
    Asked(Ticket),
    Stop,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    messages: Sender<Message>,
    /// Rung after each message, as the worker waits for the kernel too.
    bell: Arc<EventFd>,
    asked: Cell<Ticket>,
    thread: Option<JoinHandle<()>>,
    /// Closed when the worker ends.
    ended: Receiver<Infallible>,
}

impl Watcher {
    /// Starts to watch what `sources` are made of. `running` is the digest of the configuration that runs,
    /// so that a change since it was loaded is not missed. `on_reload` is called on the watcher's thread.
    ///
    /// # Errors
    /// The kernel gives no thread or no event counter. Folders that cannot be watched are logged;
    /// [`Watcher::reload`] still works.
    pub(crate) fn start(
        sources: Sources,
        running: u64,
        on_reload: impl FnMut(Loaded) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (messages, inbox) = mpsc::channel();
        let (alive, ended) = mpsc::channel();
        let quiet = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let bell = Arc::new(EventFd::from_value_and_flags(0, quiet)?);
        let mut worker = Worker {
            sources,
            running,
            refused: false,
            answered: 0,
            on_reload,
            inbox,
            bell: Arc::clone(&bell),
            folders: Folders::new(),
            inputs: Inputs::default(),
            seen: Vec::new(),
        };
        let thread =
            std::thread::Builder::new().name("config-watch".to_owned()).spawn(move || {
                let _alive = alive;
                worker.run();
            })?;
        Ok(Self { messages, bell, asked: Cell::new(0), thread: Some(thread), ended })
    }

    /// Loads again whether or not a file changed, as on SIGHUP. Does not wait; `on_reload` gets the answer
    /// to this ticket, perhaps together with those to others that wait.
    pub(crate) fn reload(&self) -> Ticket {
        let ticket = self.asked.get() + 1;
        self.asked.set(ticket);
        self.say(Message::Asked(ticket));
        ticket
    }

    fn say(&self, message: Message) {
        // The worker ends only when this is dropped, and a bell that cannot be rung is rung already.
        let _ = self.messages.send(message);
        let _ = self.bell.write(1);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.say(Message::Stop);
        let late = self.ended.recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout);
        let Some(thread) = self.thread.take() else { return };
        if late {
            tracing::warn!("stopped without waiting for a config file that is still being read");
            return;
        }
        // A panic in the callback was reported by its own thread.
        let _ = thread.join();
    }
}

/// The watcher was dropped.
struct Stopped;

struct Worker<F> {
    sources: Sources,
    running: u64,
    /// Whether the last load was refused.
    refused: bool,
    /// The last question that was answered.
    answered: Ticket,
    on_reload: F,
    inbox: Receiver<Message>,
    bell: Arc<EventFd>,
    folders: Folders,
    inputs: Inputs,
    seen: Vec<Stamp>,
}

impl<F: FnMut(Loaded)> Worker<F> {
    fn run(&mut self) {
        self.load(None);
        loop {
            let asked = match self.next() {
                Some(Message::Stop) => return,
                Some(Message::Asked(ticket)) => Some(ticket),
                None => match self.settle() {
                    Ok(asked) => asked,
                    Err(Stopped) => return,
                },
            };
            if asked.is_some() || stamps(&self.inputs) != self.seen {
                self.load(asked);
            }
        }
    }

    /// Waits for a message; `None` if something happened in a watched folder.
    fn next(&self) -> Option<Message> {
        loop {
            match self.inbox.try_recv() {
                Ok(message) => return Some(message),
                Err(TryRecvError::Disconnected) => return Some(Message::Stop),
                Err(TryRecvError::Empty) => {}
            }
            let kernel = self.folders.inotify.as_ref();
            let mut wanted = vec![PollFd::new(self.bell.as_fd(), PollFlags::POLLIN)];
            wanted.extend(kernel.map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
            match poll(&mut wanted, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                // Without `poll` changes go unseen, but questions are answered.
                Err(_) => return Some(self.inbox.recv().unwrap_or(Message::Stop)),
                Ok(_) => {}
            }
            let happened = wanted.get(1).is_some_and(|fd| fd.any() == Some(true));
            // It only says that a message may be there, which is looked at next.
            let _ = self.bell.read();
            if happened {
                return None;
            }
        }
    }

    /// Waits until the files stand still. Says who asked meanwhile.
    fn settle(&mut self) -> Result<Option<Ticket>, Stopped> {
        let mut asked = None;
        for _ in 0..SETTLE_TRIES {
            let before = stamps(&self.inputs);
            match self.inbox.recv_timeout(SETTLE) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Asked(ticket)) => asked = Some(ticket),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(Stopped);
                }
            }
            if asked.is_some() || before == stamps(&self.inputs) {
                break;
            }
        }
        self.folders.forget();
        Ok(asked)
    }

    /// Loads, and again if files changed while they were read or before they were watched.
    fn load(&mut self, asked: Option<Ticket>) {
        if self.sources.only_once() {
            if asked.is_some() {
                self.tell(Reload::Unchanged, asked);
            }
            return;
        }
        let mut result = None;
        for _ in 0..LOAD_TRIES {
            let before = stamps(&self.inputs);
            let (loaded, inputs) = load_from(&self.sources, &Outside::to_run());
            let same_inputs = inputs == self.inputs;
            self.folders.follow(&inputs);
            self.inputs = inputs;
            self.seen = stamps(&self.inputs);
            result = Some(loaded);
            if same_inputs && before == self.seen {
                break;
            }
        }
        let Some(result) = result else { return };
        let put_right = std::mem::replace(&mut self.refused, result.is_err());
        match result {
            Ok(settings) if settings.digest != self.running => {
                self.running = settings.digest;
                self.tell(Reload::Changed(Box::new(settings)), asked);
            }
            Ok(_) if asked.is_some() || put_right => self.tell(Reload::Unchanged, asked),
            Ok(_) => {}
            Err(problems) => self.tell(Reload::Refused(problems), asked),
        }
    }

    fn tell(&mut self, reload: Reload, asked: Option<Ticket>) {
        self.answered = asked.unwrap_or(self.answered);
        (self.on_reload)(Loaded { reload, answers: self.answered });
    }
}

/// The kernel's watches (inotify(7)).
struct Folders {
    /// `None` where the kernel gives none.
    inotify: Option<Inotify>,
    watched: BTreeSet<WatchDescriptor>,
}

impl Folders {
    fn new() -> Self {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .inspect_err(|error| {
                tracing::warn!(%error, "cannot watch config files; send SIGHUP after a change");
            })
            .ok();
        Self { inotify, watched: BTreeSet::new() }
    }

    /// Watches the folders of `inputs` and no others. All are set anew, as a folder that was deleted and
    /// made again has lost its watch; one that has it keeps it.
    fn follow(&mut self, inputs: &Inputs) {
        /// All that can change a file or the way to it. Not that it is read, which we do ourselves.
        const CHANGES: AddWatchFlags = AddWatchFlags::IN_MODIFY
            .union(AddWatchFlags::IN_ATTRIB)
            .union(AddWatchFlags::IN_CLOSE_WRITE)
            .union(AddWatchFlags::IN_MOVE)
            .union(AddWatchFlags::IN_CREATE)
            .union(AddWatchFlags::IN_DELETE)
            .union(AddWatchFlags::IN_DELETE_SELF)
            .union(AddWatchFlags::IN_MOVE_SELF)
            .union(AddWatchFlags::IN_ONLYDIR);
        let Some(inotify) = &self.inotify else { return };
        let mut wanted = BTreeSet::new();
        for folder in folders_of(inputs) {
            match inotify.add_watch(&folder, CHANGES) {
                Ok(watch) => {
                    wanted.insert(watch);
                }
                Err(error) => {
                    let folder = folder.display();
                    tracing::warn!(%folder, %error, "cannot watch; send SIGHUP after a change there");
                }
            }
        }
        for watch in self.watched.difference(&wanted) {
            // Its folder may be gone, and the watch with it.
            let _ = inotify.rm_watch(*watch);
        }
        self.watched = wanted;
    }

    /// Throws away what the kernel has told so far: what changed shows in the stamps.
    fn forget(&self) {
        /// Reads at a time: a full queue of the kernel's usual length, and no more, as events may come
        /// faster than they are read.
        const READS: usize = 32;
        let Some(inotify) = &self.inotify else { return };
        let mut events = [0; 16 << 10];
        for _ in 0..READS {
            if nix::unistd::read(inotify, &mut events).is_err() {
                return;
            }
        }
    }
}

/// What tells one state of a file from another; `None` where there is none.
type Stamp = (PathBuf, Option<(u64, u64, u64, i64, i64, i64, i64)>);

/// The state of all inputs. Links are followed, so that swapping one shows.
fn stamps(inputs: &Inputs) -> Vec<Stamp> {
    let found = inputs.patterns.iter().flat_map(|pattern| glob::expand(pattern));
    let paths = inputs.files.iter().cloned().chain(found);
    paths
        .map(|path| {
            let stamp = path.metadata().ok().map(|of| {
                let (modified, changed) = (of.mtime(), of.ctime());
                let (dev, ino, len) = (of.dev(), of.ino(), of.len());
                (dev, ino, len, modified, of.mtime_nsec(), changed, of.ctime_nsec())
            });
            (path, stamp)
        })
        .collect()
}

/// Every folder in which something can happen that changes an input.
fn folders_of(inputs: &Inputs) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for path in &inputs.files {
        on_the_way(path, &mut folders);
    }
    for pattern in &inputs.patterns {
        for folder in glob::folders(pattern) {
            on_the_way(&folder.join("any"), &mut folders);
        }
    }
    folders
}

/// The folder of `path`, the nearest that exists if it does not, and the folders of all links on the way.
fn on_the_way(path: &Path, folders: &mut BTreeSet<PathBuf>) {
    let mut rest = vec![path.to_owned()];
    for _ in 0..MAX_LINKS {
        let Some(path) = rest.pop() else { return };
        let Ok(path) = std::path::absolute(path) else { continue };
        let nearest = path.ancestors().skip(1).find(|folder| folder.is_dir());
        folders.extend(nearest.map(Path::to_owned));
        for step in path.ancestors() {
            let (Ok(to), Some(folder)) = (step.read_link(), step.parent()) else { continue };
            folders.insert(folder.to_owned());
            let below = path.strip_prefix(step).unwrap_or(Path::new(""));
            let target = folder.join(to);
            rest.push(if below.as_os_str().is_empty() { target } else { target.join(below) });
            break;
        }
    }
}

#[cfg(test)]
mod tests;
