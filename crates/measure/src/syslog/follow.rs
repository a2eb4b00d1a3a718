//! Follows a file by its name, as `tail -F` does, and knows it again after a rotation, a truncation or a
//! restart. It hands on whole lines with the position behind them, and keeps no position itself: whoever
//! stores the lines stores it with them.

mod reading;

use std::fs;
use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{FileId, Position};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use self::reading::{Outcome, Reading};
use super::outbox::{Closed, Outbox};

/// Where to start in a file of which nothing is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// After the last whole line: what was said before netmend came is not news.
    #[default]
    End,
    /// At its first byte.
    Beginning,
}

/// Looks at the file at least so often: changes on network file systems announce themselves to nobody.
const LOOK_MS: u16 = 1000;
/// While lines stream in they are gathered for so long.
const GATHER_MS: u16 = 10;
/// How long a file that was rotated away is still read after its last line: its writer may not know yet.
const LINGER: Duration = Duration::from_mins(1);

/// Follows one name.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    outbox: Outbox,
    /// The file of that name.
    current: Option<Reading>,
    /// Files that had it, not yet quiet for long enough.
    former: Vec<Reading>,
    /// Why the file cannot be read, as told last.
    trouble: Option<String>,
}

impl Follower {
    /// Finds its place: the files that `stored` tells of, under whatever name of the folder they are now,
    /// are read on from there; without any the file is read from `start`.
    pub(super) fn new(path: &Path, stored: &[Position], start: Start, outbox: Outbox) -> Self {
        let mut follower = Self {
            path: path.to_owned(),
            outbox,
            current: None,
            former: Vec::new(),
            trouble: None,
        };
        if stored.is_empty() {
            follower.current = match start {
                Start::End => follower.open(Reading::at_end),
                Start::Beginning => follower.open(Reading::at_start),
            };
        } else {
            follower.resume(stored);
        }
        follower
    }

    /// Reads on where `stored` says; newest position last.
    fn resume(&mut self, stored: &[Position]) {
        let named = fs::metadata(&self.path).ok().map(|meta| id_of(&meta));
        let known = |id: FileId| stored.iter().rev().find(|position| position.file == id);
        let newest = stored.last().map(|position| position.file);
        if let Some(position) = named.and_then(known) {
            self.current = self.open(|file| Reading::after(file, position));
            // The number of a file that is gone is given to the next one.
            let other = self.current.as_ref().is_some_and(|reading| !reading.is_known());
            if other && Some(position.file) == newest {
                self.gap();
            }
        }
        for position in stored.iter().filter(|position| Some(position.file) != named) {
            match find(&self.path, position) {
                Some(mut reading) => {
                    reading.touched(self.outbox.clock.monotonic());
                    self.former.push(reading);
                }
                None if Some(position.file) == newest => self.gap(),
                None => {}
            }
        }
    }

    /// What was read last is not there any more.
    fn gap(&self) {
        self.outbox.counts.gaps.add(1);
        let path = self.path.display();
        tracing::warn!(%path, "the file was replaced and its rest is not in the folder: lines may be missing");
    }

    /// Reads what is new in all files; whether there was anything.
    pub(super) fn look(&mut self) -> Result<bool, Closed> {
        let mut any = false;
        let now = self.outbox.clock.monotonic();
        let mut index = 0;
        while index < self.former.len() {
            any |= self.read(Which::Former(index))?;
            if self.former[index].quiet_since() + LINGER <= now {
                self.former.remove(index).finish(&self.outbox)?;
            } else {
                index += 1;
            }
        }
        any |= self.read(Which::Current)?;
        let named = fs::metadata(&self.path);
        let gone = match (&named, &self.current) {
            (Ok(meta), Some(current)) => id_of(meta) != current.id(),
            _ => false,
        };
        if gone {
            // What came between the last read and the look at the name.
            self.read(Which::Current)?;
            self.former.extend(self.current.take());
        }
        match named {
            Ok(_) if self.current.is_none() => {
                self.current = self.open(Reading::at_start);
                any |= self.read(Which::Current)?;
            }
            Err(why) if why.kind() != io::ErrorKind::NotFound => self.complain(&why),
            _ => {}
        }
        Ok(any)
    }

    fn read(&mut self, which: Which) -> Result<bool, Closed> {
        let reading = match which {
            Which::Former(index) => Some(&mut self.former[index]),
            Which::Current => self.current.as_mut(),
        };
        let Some(reading) = reading else { return Ok(false) };
        match reading.advance(&self.outbox)? {
            Outcome::Nothing => Ok(false),
            Outcome::Lines => {
                reading.touched(self.outbox.clock.monotonic());
                Ok(true)
            }
            Outcome::Failed(why) => {
                self.complain(&why);
                Ok(false)
            }
        }
    }

    fn open(&mut self, start: impl FnOnce(fs::File) -> io::Result<Reading>) -> Option<Reading> {
        match reading::open(&self.path).and_then(start) {
            Ok(mut reading) => {
                reading.touched(self.outbox.clock.monotonic());
                self.trouble = None;
                Some(reading)
            }
            Err(why) if why.kind() == io::ErrorKind::NotFound => None,
            Err(why) => {
                self.complain(&why);
                None
            }
        }
    }

    /// Says once that the file cannot be read; it is tried again all the time.
    fn complain(&mut self, why: &io::Error) {
        let why = why.to_string();
        if self.trouble.as_ref() != Some(&why) {
            let path = self.path.display();
            tracing::warn!(%path, why, "cannot read the followed file; netmend keeps trying");
            self.outbox.counts.errors.add(1);
            self.trouble = Some(why);
        }
    }

    /// Reads until `stop` is closed or nobody takes lines. Runs in a thread of its own.
    pub(super) fn run(mut self, stop: &PipeReader) {
        let inotify = watch(folder_of(&self.path));
        while let Ok(any) = self.look() {
            if wait(stop, inotify.as_ref().filter(|_| !any), any) {
                drop(self.look());
                return;
            }
            if let Some(inotify) = &inotify {
                while inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Which {
    Former(usize),
    Current,
}

/// The number of a file.
fn id_of(meta: &fs::Metadata) -> FileId {
    FileId { device: meta.dev(), inode: meta.ino() }
}

/// The file of a position, looked for in the folder of `path`: rotation renames files, it seldom moves them.
fn find(path: &Path, position: &Position) -> Option<Reading> {
    let entries = fs::read_dir(folder_of(path)).ok()?;
    entries.flatten().find_map(|entry| {
        let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        if id_of(&meta) != position.file {
            return None;
        }
        let file = reading::open(&entry.path()).ok()?;
        Reading::after(file, position).ok().filter(Reading::is_known)
    })
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Tells of changes in the folder; without it the file is looked at once a second.
fn watch(folder: &Path) -> Option<Inotify> {
    let flags = AddWatchFlags::IN_MODIFY
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_MOVED_FROM;
    let watched = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
        .and_then(|inotify| inotify.add_watch(folder, flags).map(|_| inotify));
    watched
        .inspect_err(|why| tracing::info!(%why, "cannot watch the folder of a followed file"))
        .ok()
}

/// Waits for a change, or a little while lines stream in; whether it is time to stop.
fn wait(stop: &PipeReader, changes: Option<&Inotify>, streaming: bool) -> bool {
    let timeout = PollTimeout::from(if streaming { GATHER_MS } else { LOOK_MS });
    let stop = PollFd::new(stop.as_fd(), PollFlags::POLLIN);
    let mut fds = vec![stop];
    fds.extend(changes.map(|inotify| PollFd::new(inotify.as_fd(), PollFlags::POLLIN)));
    let polled = poll(&mut fds, timeout).map(|_| fds[0].any());
    polled == Ok(Some(true))
}

#[cfg(test)]
mod tests;
