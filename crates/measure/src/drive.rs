//! The two threads of a lane. They move times, packets and results between the clock, the socket and the
//! state machine; what is a loss or an answer they do not know.

use std::io;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use model::Clock;
use model::transport::{Arrival, Gauge, Inlet, Opened, Outlet};

use crate::lane::{Batch, Heard, Lane, Now, Plan};
use crate::status::Journal;
use crate::wire::{self, Cookie, Reject};
use crate::work::{Command, Results};
use crate::{ChangeKind, Counters};

/// The receiver looks up from its socket this often.
const LISTEN: Duration = Duration::from_millis(20);
/// Batches sent before stamps and arrivals are looked at again.
const BURST: usize = 8;
/// Results wait this long for company.
const FLUSH_MS: u64 = 20;
/// Counters are shown this often.
const SHOW_MS: u64 = 100;

/// A running lane. Dropping it stops both threads.
#[derive(Debug)]
pub(crate) struct Driver {
    commands: Sender<Command>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What both threads and the handle see.
#[derive(Debug, Default)]
struct Shared {
    heard: Mutex<Vec<Heard>>,
    /// Monotonic nanoseconds up to which everything that arrived is in `heard` or has been told.
    drained: AtomicU64,
    foreign: AtomicU64,
    malformed: AtomicU64,
    stop: AtomicBool,
    /// The socket failed.
    dead: AtomicBool,
    counters: Mutex<Counters>,
}

impl Driver {
    /// Starts with no target.
    pub(crate) fn start(
        opened: Opened,
        plan: Plan,
        clock: Arc<dyn Clock>,
        results: Results,
        journal: Arc<Journal>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (commands, inbox) = channel();
        let listener = Listener {
            inlet: opened.inlet,
            cookie: plan.cookie.clone(),
            clock: Arc::clone(&clock),
            shared: Arc::clone(&shared),
            journal: Arc::clone(&journal),
            fresh: Vec::new(),
        };
        let sender = SenderThread {
            pilot: Pilot::new(Lane::new(plan, results), opened.outlet, opened.gauge, clock),
            inbox,
            shared: Arc::clone(&shared),
            journal,
            collected: Vec::new(),
        };
        let listening = thread::Builder::new().name("hear".into()).spawn(|| listener.run())?;
        let mut driver = Self { commands, shared, threads: vec![listening] };
        // If this fails, dropping the driver ends the listener.
        let sending = thread::Builder::new().name("send".into()).spawn(|| sender.run())?;
        driver.threads.push(sending);
        Ok(driver)
    }

    /// Hands a command to the sender.
    pub(crate) fn tell(&self, command: Command) {
        // A sender that has done all its rounds takes none.
        let _done = self.commands.send(command);
    }

    /// Whether the socket failed, so that nothing is probed any more.
    pub(crate) fn is_dead(&self) -> bool {
        self.shared.dead.load(Relaxed)
    }

    /// What was counted until a moment ago.
    pub(crate) fn counters(&self) -> Counters {
        let mut counters = lock(&self.shared.counters).clone();
        counters.foreign += self.shared.foreign.load(Relaxed);
        counters.malformed += self.shared.malformed.load(Relaxed);
        counters
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        self.tell(Command::Stop);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a probing thread panicked");
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock can panic")
}

/// The receiving thread.
struct Listener {
    inlet: Box<dyn Inlet>,
    cookie: Cookie,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    journal: Arc<Journal>,
    fresh: Vec<Heard>,
}

impl Listener {
    fn run(mut self) {
        while !self.shared.stop.load(Relaxed) {
            let asked = self.clock.monotonic().as_nanos() as u64;
            let (cookie, shared, fresh) = (&self.cookie, &self.shared, &mut self.fresh);
            let received = self.inlet.receive(LISTEN, &mut |arrival| {
                listen(cookie, &arrival, shared, fresh);
            });
            if !self.fresh.is_empty() {
                lock(&self.shared.heard).append(&mut self.fresh);
            }
            match received {
                Ok(true) => self.shared.drained.store(asked, Release),
                Ok(false) => {}
                Err(error) => {
                    let why = format!("receiving failed: {error}").into();
                    let at = self.clock.now_ms();
                    self.journal.note(at, None, ChangeKind::SocketLost { why });
                    return self.shared.dead.store(true, Relaxed);
                }
            }
        }
    }
}

fn listen(cookie: &Cookie, arrival: &Arrival<'_>, shared: &Shared, fresh: &mut Vec<Heard>) {
    match wire::parse(cookie, arrival) {
        Ok(message) => fresh.push(Heard {
            from: arrival.from.ip(),
            at: arrival.at,
            source: arrival.source,
            message,
        }),
        Err(Reject::Foreign) => drop(shared.foreign.fetch_add(1, Relaxed)),
        Err(Reject::Malformed) => drop(shared.malformed.fetch_add(1, Relaxed)),
    }
}

/// The sending thread.
struct SenderThread {
    pilot: Pilot,
    inbox: Receiver<Command>,
    shared: Arc<Shared>,
    journal: Arc<Journal>,
    collected: Vec<Heard>,
}

impl SenderThread {
    fn run(mut self) {
        let mut flushed = 0;
        let mut shown = 0;
        loop {
            if !self.obey() {
                break;
            }
            self.collected.clear();
            // Read before the arrivals are taken: what it promises is then among them.
            let drained = self.shared.drained.load(Acquire);
            std::mem::swap(&mut *lock(&self.shared.heard), &mut self.collected);
            let turn = self.pilot.turn(&self.collected, drained);
            let lane = &mut self.pilot.lane;
            for change in lane.take_changes() {
                self.journal.put(change);
            }
            let now = Now::read(&*self.pilot.clock);
            let more = match turn {
                Ok(more) => more,
                Err(error) => {
                    let why = format!("sending failed: {error}").into();
                    self.journal.note(now.wall.to_ms(), None, ChangeKind::SocketLost { why });
                    self.shared.dead.store(true, Relaxed);
                    break;
                }
            };
            let done = lane.is_done();
            if done || now.ms() >= flushed + FLUSH_MS {
                lane.flush();
                flushed = now.ms();
            }
            if done || now.ms() >= shown + SHOW_MS {
                *lock(&self.shared.counters) = lane.counters();
                shown = now.ms();
            }
            if done {
                break;
            }
            if !more && !self.pause(now) {
                break;
            }
        }
        self.pilot.lane.flush();
        *lock(&self.shared.counters) = self.pilot.lane.counters();
        // The listener is of no use without us.
        self.shared.stop.store(true, Relaxed);
    }

    /// Does what the planner said; `false`: the end.
    fn obey(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(command) => {
                    if !self.pilot.obey(command) {
                        return false;
                    }
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Waits until something is due or said; `false`: the end.
    fn pause(&mut self, now: Now) -> bool {
        let idle = self.pilot.clock.wait(self.pilot.lane.idle(now));
        match self.inbox.recv_timeout(idle) {
            Ok(command) => self.pilot.obey(command),
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }
}

/// The state machine with the sending half of its socket: one turn after the other, on whatever clock.
pub(crate) struct Pilot {
    pub(crate) lane: Lane,
    outlet: Box<dyn Outlet>,
    gauge: Box<dyn Gauge>,
    clock: Arc<dyn Clock>,
    batch: Batch,
}

impl Pilot {
    pub(crate) fn new(
        lane: Lane,
        outlet: Box<dyn Outlet>,
        gauge: Box<dyn Gauge>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { lane, outlet, gauge, clock, batch: Batch::new() }
    }

    /// Does as it is told; `false`: the end.
    pub(crate) fn obey(&mut self, command: Command) -> bool {
        let now = Now::read(&*self.clock);
        match command {
            Command::Assign(assignments) => self.lane.assign(now, &assignments),
            Command::Remove(ids) => self.lane.remove(now, &ids),
            Command::Complete => self.lane.complete(),
            Command::Stop => return false,
        }
        true
    }

    /// One turn: takes the time, the stamps, the arrivals and the deadlines, in this order, then sends
    /// what is due. `drained` is the monotonic time in nanoseconds up to which all arrivals have been
    /// told by now. `Ok(true)`: more is due.
    pub(crate) fn turn(&mut self, heard: &[Heard], drained: u64) -> io::Result<bool> {
        let now = Now::read(&*self.clock);
        let lane = &mut self.lane;
        lane.begin(now);
        self.outlet.stamps(&mut |departure| lane.departed(now, departure))?;
        for heard in heard {
            lane.heard(heard);
        }
        lane.expire(now, drained, &mut *self.gauge);
        for _ in 0..BURST {
            let more = lane.fill(now, &mut self.batch);
            if !self.batch.is_empty() {
                let outlet = &mut self.outlet;
                self.batch.with(|packets| {
                    outlet.send(packets, &mut |departure| lane.departed(now, departure))
                })?;
            }
            if !more {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
