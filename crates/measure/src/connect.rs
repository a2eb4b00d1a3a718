//! TCP round-trip times without privileges: `connect()`, and the kernel's own RTT of the handshake. One
//! thread, one epoll, as many handshakes at a time as there may be open files.
//!
//! A finished handshake has the RTT of `TCP_INFO`, unless the SYN was sent twice. A refused one is timed
//! by our own clock, read right after the wait, and marked so. At its deadline a handshake is closed, so
//! that an answer after it meets a reset and is never seen: this prober reports nothing `late`. Nor can it
//! see a SYN that a local filter dropped, which the kernel keeps to itself: that one is `lost`. A SYN that
//! a full neighbour table may have swallowed is `unknown`.

mod plan;
mod socket;

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use model::Clock;
use model::transport::Gauge;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use self::plan::{Key, Launch, Mono, Plan, Rules, refusal};
use self::socket::{Handshake, raise_file_limit};
use crate::kernel::KernelNetwork;
use crate::pace::Pace;
use crate::work::{Command, Results};
use crate::{Counters, Error, Spread};

/// Files left to the rest of the program.
const SPARE_FILES: u64 = 512;
/// Most handshakes under way, at a few KiB of kernel memory each.
const WINDOW: u64 = 16_384;
/// Handshakes begun between two looks at those under way, so that a refusal is not stamped late.
const LAUNCHES: usize = 4;
/// Results wait this long for company while there is work.
const FLUSH_EVERY: Mono = 5_000_000;
/// What the command queue's bell is called among the handshakes.
const BELL: u64 = u64::MAX;

/// What the connect prober needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The clock of everything.
    pub(crate) clock: Arc<dyn Clock>,
    /// Stop after this many rounds of each target.
    pub(crate) rounds: Option<u32>,
    /// How the probes of a round are spread.
    pub(crate) spread: Spread,
    /// How often an address may be asked; with it, who falls silent is asked each second.
    pub(crate) pace: Option<Arc<Pace>>,
}

/// The prober's handle. Dropping it stops the thread.
#[derive(Debug)]
pub(crate) struct ConnectProber {
    commands: Sender<Command>,
    bell: Arc<EventFd>,
    counters: Arc<Mutex<Counters>>,
    thread: Option<JoinHandle<()>>,
}

impl ConnectProber {
    /// Starts with no target. Raises the limit of open files of this process as far as it may.
    pub(crate) fn start(settings: Settings, results: Results) -> Result<Self, Error> {
        let failed = |source: std::io::Error| Error::Thread { name: "connect", source };
        let window = raise_file_limit().saturating_sub(SPARE_FILES).clamp(64, WINDOW) as usize;
        let rules = Rules { rounds: settings.rounds, spread: settings.spread, window };
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let bell = EventFd::from_flags(flags).map_err(|errno| failed(errno.into()))?;
        let bell = Arc::new(bell);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .and_then(|epoll| {
                epoll.add(&*bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
                Ok(epoll)
            })
            .map_err(|errno| failed(errno.into()))?;
        let (commands, inbox) = channel();
        let counters = Arc::new(Mutex::new(Counters::default()));
        let worker = Worker {
            gauge: KernelNetwork::neighbour_gauge(&settings.clock),
            clock: settings.clock,
            epoll,
            bell: bell.clone(),
            inbox,
            plan: Plan::new(rules, settings.pace, results),
            counters: counters.clone(),
            flushed: 0,
        };
        let thread = thread::Builder::new()
            .name("connect".into())
            .spawn(move || worker.run())
            .map_err(failed)?;
        Ok(Self { commands, bell, counters, thread: Some(thread) })
    }

    /// Hands a command to the thread.
    pub(crate) fn tell(&self, command: Command) {
        // A thread that has done all its rounds takes none.
        if self.commands.send(command).is_ok() {
            // Only a counter that is at its maximum refuses, and then the bell rings already.
            let _rings = self.bell.write(1);
        }
    }

    /// What was counted until a moment ago.
    pub(crate) fn counters(&self) -> Counters {
        lock(&self.counters).clone()
    }
}

impl Drop for ConnectProber {
    fn drop(&mut self) {
        self.tell(Command::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the connect thread panicked");
        }
    }
}

fn lock(counters: &Mutex<Counters>) -> MutexGuard<'_, Counters> {
    counters.lock().expect("no holder of this lock can panic")
}

/// The thread: it moves bytes and times between the kernel and the plan, and decides nothing.
struct Worker {
    clock: Arc<dyn Clock>,
    /// Tells how often the neighbour table was full.
    gauge: Box<dyn Gauge>,
    epoll: Epoll,
    bell: Arc<EventFd>,
    inbox: Receiver<Command>,
    plan: Plan<Handshake>,
    counters: Arc<Mutex<Counters>>,
    flushed: Mono,
}

impl Worker {
    fn run(mut self) {
        let mut events = vec![EpollEvent::empty(); 512];
        while self.obey() && !self.plan.is_done() {
            let now = self.mono();
            if self.plan.is_due(now) {
                self.plan.neighbour_drops(self.gauge.read().neighbour_drops);
            }
            for _ in 0..LAUNCHES {
                let Some(launch) = self.plan.launch(now, self.clock.now()) else { break };
                self.begin(&launch);
            }
            let wait = self.pause();
            let asked = self.mono();
            let ready = match self.epoll.wait(&mut events, wait) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => 0,
                Err(errno) => {
                    tracing::error!(%errno, "waiting for handshakes failed, the connect prober ends");
                    break;
                }
            };
            let seen = self.mono();
            for event in &events[..ready] {
                self.take(event.data(), seen);
            }
            // Whatever ended before we asked has been heard now, unless there was more than we took: our own
            // slowness must not look like loss.
            while ready < events.len()
                && let Some(socket) = self.plan.expire(asked)
            {
                drop(socket);
            }
        }
        self.publish();
    }

    fn mono(&self) -> Mono {
        self.clock.monotonic().as_nanos() as Mono
    }

    /// Takes what the planner says; `false` is the end.
    fn obey(&mut self) -> bool {
        loop {
            let now = self.mono();
            match self.inbox.try_recv() {
                Ok(Command::Assign(assignments)) => self.plan.assign(now, assignments),
                Ok(Command::Remove(ids)) => self.plan.remove(&ids),
                Ok(Command::Complete) => self.plan.complete(),
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    /// How long to wait: not at all while something is due, else rounded up to the timer's millisecond.
    /// Results are handed over before a sleep, and now and then while there is none.
    fn pause(&mut self) -> EpollTimeout {
        let now = self.mono();
        let until = self.plan.next_event();
        let sleeps = until.is_none_or(|at| at > now);
        if sleeps || now - self.flushed >= FLUSH_EVERY {
            self.flushed = now;
            self.publish();
        }
        match until {
            _ if self.plan.is_done() => EpollTimeout::ZERO,
            None => EpollTimeout::NONE,
            Some(at) => {
                let milliseconds = at.saturating_sub(now).div_ceil(1_000_000);
                EpollTimeout::from(u16::try_from(milliseconds).unwrap_or(u16::MAX))
            }
        }
    }

    fn publish(&mut self) {
        self.plan.flush();
        *lock(&self.counters) = self.plan.counters();
    }

    fn begin(&mut self, launch: &Launch) {
        let socket = match Handshake::open(launch.to, &launch.packet) {
            Ok(socket) => socket,
            Err(error) => {
                let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                return self.plan.unsent(launch, refusal(errno), self.clock.now());
            }
        };
        let (sent_at, started) = (self.clock.now(), self.mono());
        match socket.connect(launch.to) {
            Err(errno) => self.plan.unsent(launch, refusal(errno), sent_at),
            Ok(Some(end)) => {
                let seen = self.mono();
                let key = self.plan.launched(launch, socket, started, sent_at);
                drop(self.plan.ended(key, end, seen));
            }
            Ok(None) => {
                let key = self.plan.launched(launch, socket, started, sent_at);
                let flags = EpollFlags::EPOLLOUT | EpollFlags::EPOLLONESHOT;
                let event = EpollEvent::new(flags, key.raw());
                if let Some(socket) = self.plan.socket(key)
                    && let Err(errno) = self.epoll.add(socket, event)
                {
                    drop(self.plan.ended(key, socket::End::Failed(errno), started));
                }
            }
        }
    }

    fn take(&mut self, data: u64, seen: Mono) {
        if data == BELL {
            // It is emptied to stop ringing; what it rang for is in the queue.
            let _count = self.bell.read();
            return;
        }
        let key = Key::from_raw(data);
        if let Some(socket) = self.plan.socket(key) {
            let end = socket.end();
            drop(self.plan.ended(key, end, seen));
        }
    }
}

#[cfg(test)]
mod tests;
