//! A simulated network that the kernel routes to: a TUN device in a network namespace, and a thread that
//! plays a [`World`] behind it. Any prober can be pointed at it. It must add no losses of its own, and
//! says how late its answers were.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::JoinHandle;
use std::time::Duration;

use model::Clock;

use crate::histogram::Histogram;
use crate::namespace::{Namespace, NamespaceError};
use crate::queue::Queue;
use crate::scenario::Scenario;
use crate::tun::{self, Tun};
use crate::world::{Counters, World};

/// Longest wait while nothing happens; a request for a report is seen after it at the latest.
const IDLE: Duration = Duration::from_millis(20);
/// With [`Options::precise`]: waits that are shorter than this are spent awake.
const SPIN: Duration = Duration::from_micros(80);
/// Most answers written before the next look at what has come in.
const WRITES: usize = 32;
/// Packets that the device holds until we read them: more than a burst of 60,000 probes.
const DEVICE_QUEUE: &str = "100000";
/// Priority among real-time threads, of 1 to 99: above the usual ones, below the kernel's.
const PRIORITY: i32 = 50;
/// Largest packet that is read.
const LARGEST: usize = 65_535;

/// How a simulation is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the TUN device.
    pub device: String,
    /// Answer within microseconds of the due time: real-time priority, locked memory, and awake when an
    /// answer is due soon. It takes up to a whole CPU.
    pub precise: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { device: "tun0".to_owned(), precise: false }
    }
}

/// Why a simulation could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The device could not be created.
    #[error("cannot create TUN device {device} (needs CAP_NET_ADMIN and /dev/net/tun): {error}")]
    Device {
        /// Its name.
        device: String,
        /// Why not.
        error: io::Error,
    },
    /// The namespace or its addresses and routes could not be set up.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The thread could not be started or given its priority.
    #[error("cannot start the simulation's thread: {0}")]
    Thread(io::Error),
}

/// A running simulation; it ends when this is dropped.
#[derive(Debug)]
pub struct Simulation {
    /// Dropped to end the thread.
    requests: Option<Sender<Sender<Report>>>,
    thread: Option<JoinHandle<Report>>,
}

/// What a simulation has done so far.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What the world has seen.
    pub counters: Counters,
    /// Packets that could not be written to the device.
    pub write_errors: u64,
    /// How late answers were written, against their due time.
    pub lateness: Histogram,
    /// Answers that wait for their due time.
    pub under_way: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |share| self.lateness.percentile(share).as_secs_f64() * 1e6;
        write!(
            f,
            "{}; under way {}, write errors {}; lateness of {} answers in us: \
             p50 {:.1}, p99 {:.1}, p99.9 {:.1}, max {:.1}",
            self.counters,
            self.under_way,
            self.write_errors,
            self.lateness.len(),
            us(0.5),
            us(0.99),
            us(0.999),
            self.lateness.longest().as_secs_f64() * 1e6,
        )
    }
}

impl Simulation {
    /// Creates the device in `namespace`, with the scenario's addresses and routes, and plays `scenario`
    /// from now on.
    pub fn start(
        scenario: Scenario,
        namespace: &Namespace,
        options: &Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SimulationError> {
        let device = &options.device;
        let refused = |error| SimulationError::Device { device: device.clone(), error };
        let tun = namespace.enter(|| Tun::create(device))?.map_err(refused)?;
        set_up(&scenario, namespace, device)?;

        let (requests, asked) = mpsc::channel();
        let (started, ready) = mpsc::channel();
        let precise = options.precise;
        let responder = move || {
            tun::wake_punctually();
            let priority = if precise { tun::become_real_time(PRIORITY) } else { Ok(()) };
            let failed = priority.is_err();
            // Nobody waits for the answer only if nobody wants the simulation any more.
            if started.send(priority).is_err() || failed {
                return Report::default();
            }
            Responder::new(tun, World::new(scenario), clock, precise).run(&asked)
        };
        let thread = std::thread::Builder::new().name("lab".to_owned()).spawn(responder);
        let thread = thread.map_err(SimulationError::Thread)?;
        let priority =
            ready.recv().map_err(|_| SimulationError::Thread(io::Error::other("died")))?;
        priority.map_err(SimulationError::Thread)?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// What it has done so far.
    pub fn report(&self) -> Report {
        let (answer, answered) = mpsc::channel();
        let asked = self.requests.as_ref().is_some_and(|requests| requests.send(answer).is_ok());
        if asked { answered.recv().unwrap_or_default() } else { Report::default() }
    }

    /// Ends it; tells what it has done.
    pub fn stop(mut self) -> Report {
        self.end()
    }

    fn end(&mut self) -> Report {
        self.requests = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(report)) => report,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Report::default(),
        }
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

/// Gives the device its addresses and routes.
fn set_up(scenario: &Scenario, namespace: &Namespace, device: &str) -> Result<(), NamespaceError> {
    let ip = |words: &str| namespace.run("ip", words.split(' ')).map(drop);
    for address in &scenario.prober {
        let (length, options) = if address.is_ipv4() { (32, "") } else { (128, " nodad") };
        ip(&format!("addr add {address}/{length} dev {device}{options}"))?;
    }
    ip(&format!("link set {device} txqueuelen {DEVICE_QUEUE} up"))?;
    let prefixes = scenario.prefixes().map(|prefix| (prefix.first(), prefix.length()));
    // A source that is not routed to the device would be dropped where `rp_filter` is strict.
    let speakers = scenario.speakers().map(|it| (it, if it.is_ipv4() { 32 } else { 128 }));
    let routes: BTreeSet<(IpAddr, u8)> = prefixes.chain(speakers).collect();
    for (first, length) in routes {
        let source = scenario.prober.iter().find(|ours| ours.is_ipv4() == first.is_ipv4());
        let source = source.map(|ours| format!(" src {ours}")).unwrap_or_default();
        // Without a gateway the kernel would keep a neighbour for each IPv6 host, and its table is small.
        let gateway = if first.is_ipv4() { "" } else { " via fe80::1" };
        ip(&format!("route replace {first}/{length}{gateway} dev {device}{source}"))?;
    }
    Ok(())
}

/// The thread's own: the device, the world and what is under way.
struct Responder {
    tun: Tun,
    world: World,
    queue: Queue,
    clock: Arc<dyn Clock>,
    /// Monotonic time at which the world began.
    began: Duration,
    precise: bool,
    write_errors: u64,
    lateness: Histogram,
}

impl Responder {
    fn new(tun: Tun, world: World, clock: Arc<dyn Clock>, precise: bool) -> Self {
        let began = clock.monotonic();
        Self {
            tun,
            world,
            queue: Queue::default(),
            clock,
            began,
            precise,
            write_errors: 0,
            lateness: Histogram::default(),
        }
    }

    /// Answers until nobody can ask for reports any more.
    fn run(mut self, asked: &Receiver<Sender<Report>>) -> Report {
        let mut buffer = vec![0; LARGEST];
        loop {
            match asked.try_recv() {
                // Whoever asked may have gone away since.
                Ok(answer) => drop(answer.send(self.report())),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return self.report(),
            }
            let read = self.read_one(&mut buffer);
            let wrote = self.write_due();
            if !read && !wrote {
                self.wait();
            }
        }
    }

    fn now(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.began)
    }

    /// Takes one packet from the device; `false` if there was none.
    fn read_one(&mut self, buffer: &mut [u8]) -> bool {
        // An error (EIO while the device is down) passes, and the wait that follows keeps it from
        // becoming a busy loop.
        let Ok(Some(length)) = self.tun.read(buffer) else { return false };
        let now = self.now();
        let Self { world, queue, .. } = self;
        world.answer(&buffer[..length], now, &mut |due, bytes| queue.push(due, bytes));
        true
    }

    /// Writes answers that are due; `false` if there were none.
    fn write_due(&mut self) -> bool {
        let mut now = self.now();
        let mut written = 0;
        while written < WRITES
            && let Some((due, bytes)) = self.queue.pop(now)
        {
            self.write_errors += u64::from(self.tun.write(bytes).is_err());
            written += 1;
            self.lateness.record(now.saturating_sub(due));
            now = self.now();
        }
        written > 0
    }

    /// Waits for a packet or the next due time.
    fn wait(&self) {
        let due = self.queue.next_due().map(|due| due.saturating_sub(self.now()));
        let wait = due.map_or(IDLE, |due| due.min(IDLE));
        if !self.precise {
            self.tun.wait(wait);
        } else if wait > SPIN {
            self.tun.wait(wait.saturating_sub(SPIN));
        } else {
            std::hint::spin_loop();
        }
    }

    fn report(&self) -> Report {
        Report {
            counters: self.world.counters(),
            write_errors: self.write_errors,
            lateness: self.lateness.clone(),
            under_way: self.queue.len(),
        }
    }
}
