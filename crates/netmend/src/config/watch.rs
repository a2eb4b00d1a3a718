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
            let (loaded, inputs) = load_from(&self.sources, &Outside::system());
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
mod tests {
    use std::fs;
    use std::io::{Seek, Write};
    use std::os::unix::fs::symlink;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::load::load;
    use super::*;

    /// Longest wait for what must happen; only a failing test waits this long.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// A folder with a config that is watched.
    struct Bed {
        folder: tempfile::TempDir,
        watcher: Watcher,
        reloads: Receiver<Loaded>,
    }

    impl Bed {
        /// Writes files, then watches `config` among them.
        fn new(config: &str, prepare: impl FnOnce(&Path)) -> Self {
            let folder = tempfile::tempdir().unwrap();
            prepare(folder.path());
            let sources =
                Sources { config: Some(folder.path().join(config)), ..Sources::default() };
            let settings = load(&sources).map_err(|problems| problems.to_string()).unwrap();
            let (tell, reloads) = mpsc::channel();
            let watcher =
                Watcher::start(sources, settings.digest, move |loaded| tell.send(loaded).unwrap());
            let bed = Self { folder, watcher: watcher.unwrap(), reloads };
            // The answer shows that the folders are being watched.
            bed.watcher.reload();
            assert!(matches!(bed.next(), Reload::Unchanged));
            bed
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// Writes beside the file and renames, so that nobody reads half of it.
        fn write(&self, name: &str, text: &str) {
            fs::write(self.path("half written"), text).unwrap();
            fs::rename(self.path("half written"), self.path(name)).unwrap();
        }

        fn next(&self) -> Reload {
            self.next_loaded().reload
        }

        fn next_loaded(&self) -> Loaded {
            self.reloads.recv_timeout(PATIENCE).expect("a reload must be reported")
        }

        /// Hosts of the next configuration.
        fn hosts(&self) -> Vec<String> {
            match self.next() {
                Reload::Changed(settings) => {
                    settings.targets.into_iter().map(|target| target.host).collect()
                }
                other => panic!("expected a new configuration, not {other:?}"),
            }
        }
    }

    fn config_of(host: &str) -> String {
        format!("targets: {{ r: [{host}] }}\n")
    }

    #[test]
    fn a_file_written_in_place_or_renamed_over_is_loaded() {
        let bed = Bed::new("c.yaml", |folder| {
            fs::write(folder.join("c.yaml"), config_of("a")).unwrap();
        });
        let mut file = fs::File::options().write(true).open(bed.path("c.yaml")).unwrap();
        file.write_all(config_of("b").as_bytes()).unwrap();
        assert_eq!(bed.hosts(), ["b"]);
        bed.write("c.yaml", &config_of("c"));
        assert_eq!(bed.hosts(), ["c"]);
    }

    #[test]
    fn wrong_files_are_refused_and_what_is_put_right_is_told() {
        let bed = Bed::new("c.yaml", |folder| {
            fs::write(folder.join("c.yaml"), config_of("a")).unwrap();
        });
        bed.write("c.yaml", "targets: {r: [10]}\n");
        match bed.next() {
            Reload::Refused(problems) => {
                assert!(problems.to_string().contains("c.yaml:1:15"), "{problems}");
            }
            other => panic!("{other:?}"),
        }
        bed.write("c.yaml", &config_of("a"));
        assert!(matches!(bed.next(), Reload::Unchanged));
        fs::remove_file(bed.path("c.yaml")).unwrap();
        assert!(matches!(bed.next(), Reload::Refused(_)));
        bed.write("c.yaml", &config_of("b"));
        assert_eq!(bed.hosts(), ["b"]);
    }

    #[test]
    fn a_link_swapped_above_the_file_is_seen_as_kubernetes_does_it() {
        let bed = Bed::new("netmend.yaml", |folder| {
            for (version, host) in [("..1", "a"), ("..2", "b")] {
                fs::create_dir(folder.join(version)).unwrap();
                fs::write(folder.join(version).join("netmend.yaml"), config_of(host)).unwrap();
            }
            symlink("..1", folder.join("..data")).unwrap();
            symlink("..data/netmend.yaml", folder.join("netmend.yaml")).unwrap();
        });
        symlink("..2", bed.path("..data_tmp")).unwrap();
        fs::rename(bed.path("..data_tmp"), bed.path("..data")).unwrap();
        assert_eq!(bed.hosts(), ["b"]);
    }

    #[test]
    fn patterns_inventories_and_trusted_certificates_are_watched() {
        let config = "\
syslog: { patterns: p }
inventory: [devices.csv]
notify: [{ webhook: { url: https://example.com, ca: ca.pem } }]
";
        let certificate = |text: &str| {
            // Only what can be read as a certificate is one.
            let key = rcgen::generate_simple_self_signed([text.to_owned()]).unwrap();
            key.cert.pem()
        };
        let bed = Bed::new("c.yaml", |folder| {
            fs::create_dir(folder.join("p")).unwrap();
            fs::write(folder.join("devices.csv"), "name\nsw1\n").unwrap();
            fs::write(folder.join("ca.pem"), certificate("a")).unwrap();
            fs::write(folder.join("c.yaml"), config).unwrap();
        });
        let changed = |name: &str, text: &str| {
            bed.write(name, text);
            let reload = bed.next();
            assert!(matches!(reload, Reload::Changed(_)), "{name}: {reload:?}");
        };
        changed("devices.csv", "name\nsw2\n");
        changed("ca.pem", &certificate("b"));
        changed("p/mine.yaml", "messages: []\n");
        changed("p/mine.yaml", "headers: []\n");
        fs::write(bed.path("p/notes.txt"), "no patterns").unwrap();
        fs::remove_file(bed.path("p/mine.yaml")).unwrap();
        assert!(matches!(bed.next(), Reload::Changed(_)));
    }

    #[test]
    fn included_files_new_files_and_secrets_are_watched() {
        let bed = Bed::new("c.yaml", |folder| {
            fs::create_dir(folder.join("d")).unwrap();
            fs::create_dir(folder.join("s")).unwrap();
            fs::write(folder.join("d/a.yaml"), "r: [\"${file:../s/host}\"]\n").unwrap();
            fs::write(folder.join("s/host"), "a\n").unwrap();
            fs::write(folder.join("c.yaml"), "include: d/*.yaml\n").unwrap();
        });
        bed.write("d/b.yaml", "r: [b]\n");
        assert_eq!(bed.hosts(), ["a", "b"]);
        bed.write("s/host", "secret\n");
        assert_eq!(bed.hosts(), ["secret", "b"]);
        fs::remove_file(bed.path("d/b.yaml")).unwrap();
        assert_eq!(bed.hosts(), ["secret"]);
    }

    #[test]
    fn other_files_and_a_touch_are_not_reported() {
        let bed = Bed::new("c.yaml", |folder| {
            fs::write(folder.join("c.yaml"), config_of("a")).unwrap();
        });
        bed.write("other.yaml", "x");
        bed.write("c.yaml", &config_of("a"));
        // Whatever these led to comes before the next change.
        bed.write("c.yaml", &config_of("b"));
        assert_eq!(bed.hosts(), ["b"]);
        bed.watcher.reload();
        assert!(matches!(bed.next(), Reload::Unchanged));
    }

    #[test]
    fn whoever_writes_into_the_folder_without_pause_holds_up_no_answer_and_no_stop() {
        let bed = Bed::new("c.yaml", |folder| {
            fs::write(folder.join("c.yaml"), config_of("a")).unwrap();
        });
        let Bed { folder, watcher, reloads } = bed;
        let (done, started) = (AtomicBool::new(false), Barrier::new(5));
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let (done, started) = (&done, &started);
                let path = folder.path().join(format!("log {writer}"));
                scope.spawn(move || {
                    let mut log = fs::File::create(path).unwrap();
                    started.wait();
                    while !done.load(Ordering::Relaxed) {
                        log.rewind().and_then(|()| log.write_all(b"line\n")).unwrap();
                    }
                });
            }
            started.wait();
            let answers = scope.spawn(move || {
                for host in ["b", "c", "d", "e"] {
                    fs::write(folder.path().join("half"), config_of(host)).unwrap();
                    fs::rename(folder.path().join("half"), folder.path().join("c.yaml")).unwrap();
                    let ticket = watcher.reload();
                    while reloads.recv_timeout(PATIENCE).ok()?.answers != ticket {}
                }
                let (stopped, stop) = mpsc::channel();
                std::thread::spawn(move || {
                    drop(watcher);
                    stopped.send(()).unwrap();
                });
                stop.recv_timeout(PATIENCE).ok()
            });
            let answered = answers.join().unwrap();
            done.store(true, Ordering::Relaxed);
            assert!(answered.is_some(), "a reload or the stop waits for the writers");
        });
    }

    #[test]
    fn a_file_that_is_never_read_to_its_end_holds_up_no_stop() {
        let bed = Bed::new("c.yaml", |folder| {
            fs::write(folder.join("c.yaml"), config_of("a")).unwrap();
        });
        // Nobody ever writes into it, so whoever opens it waits.
        let pipe = bed.path("c.yaml");
        fs::remove_file(&pipe).unwrap();
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        bed.watcher.reload();
        let Bed { folder: _folder, watcher, .. } = bed;
        let (stopped, stop) = mpsc::channel();
        std::thread::spawn(move || {
            drop(watcher);
            stopped.send(()).unwrap();
        });
        stop.recv_timeout(PATIENCE).expect("the stop waits for no file");
    }

    #[test]
    fn an_answer_says_whose_question_it_answers() {
        let bed = Bed::new("c.yaml", |folder| {
            fs::write(folder.join("c.yaml"), config_of("a")).unwrap();
        });
        let before = bed.watcher.reload();
        assert_eq!(bed.next_loaded().answers, before);
        bed.write("c.yaml", &config_of("b"));
        let changed = bed.next_loaded();
        assert!(matches!(changed.reload, Reload::Changed(_)));
        assert_eq!(changed.answers, before, "nobody asked for it");
        bed.write("c.yaml", "targets: {r: [10]}\n");
        let ticket = bed.watcher.reload();
        let answer = std::iter::from_fn(|| Some(bed.next_loaded()))
            .find(|loaded| loaded.answers == ticket)
            .expect("every question is answered");
        assert!(matches!(answer.reload, Reload::Refused(_)), "it sees what was written before it");
    }
}
