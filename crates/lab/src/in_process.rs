//! A simulated network inside the process: the seam that the kernel's sockets implement too, played by a
//! [`World`]. It needs no privilege and follows the clock it is given, so that tests can set the time.
//! It must not believe more of what it is sent than a real network would.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use model::transport::{
    Arrival, Departure, Figures, Gauge, Inlet, Network, OpenError, Opened, Outgoing, Outlet,
    SocketKey, SocketKind, Warning,
};
use model::{Clock, Family, Method, StampSource, UnixNs};
use nix::errno::Errno;

use crate::packet;
use crate::queue::Queue;
use crate::world::{Counters, World};

/// Most packets that one call of [`Inlet::receive`] hands over, as with `recvmmsg`.
const RECEIVE_BATCH: usize = 128;
/// Largest IP packet of the simulated link.
const MTU: usize = 1500;
/// Source ports of a TCP socket, and where those of the first one begin.
const PORTS: u16 = 16;
const FIRST_PORT: u16 = 40_000;

/// A network in the process. Clones are the same network.
#[derive(Clone)]
pub struct SimulatedNetwork {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    /// Monotonic time at which the world began.
    began: Duration,
    state: Mutex<State>,
    /// Told when a packet is put into a queue, or somebody moved the clock.
    pushed: Condvar,
    /// Told when somebody looked at a socket.
    looked: Condvar,
}

struct State {
    world: World,
    sockets: Vec<Socket>,
    /// Kinds of socket that are refused, as to a process without privileges.
    denied: Vec<Method>,
    /// Sends that are still to be refused, and how.
    refusals: (u64, i32),
    /// Most packets that wait in a receive queue, if there is a limit.
    queue_limit: Option<usize>,
    /// The packet that is being sent; kept, so that sending allocates nothing.
    sending: Vec<u8>,
}

/// What the two halves of a socket share.
struct Socket {
    key: SocketKey,
    method: Method,
    source: IpAddr,
    /// Answers on their way.
    under_way: Queue,
    /// Answers that have arrived and wait to be taken.
    waiting: Queue,
    dropped: u64,
    departures: Vec<Departure>,
    /// When its stamps were looked at last, and when all that had arrived was taken.
    looked: [Duration; 2],
    closed: bool,
}

impl SimulatedNetwork {
    /// A network that plays `world` from now on, by `clock`.
    pub fn new(world: World, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            world,
            sockets: Vec::new(),
            denied: Vec::new(),
            refusals: (0, 0),
            queue_limit: None,
            sending: Vec::new(),
        };
        let began = clock.monotonic();
        Self {
            shared: Arc::new(Shared {
                clock,
                began,
                state: Mutex::new(state),
                pushed: Condvar::new(),
                looked: Condvar::new(),
            }),
        }
    }

    /// Refuses sockets of this kind from now on, as the kernel does without the privilege.
    pub fn deny(&self, method: Method) {
        self.shared.lock().denied.push(method);
    }

    /// Refuses the next `count` sends with `errno`, as a packet filter does.
    pub fn refuse_sends(&self, count: u64, errno: i32) {
        self.shared.lock().refusals = (count, errno);
    }

    /// Lets at most `packets` wait in a receive queue; more are dropped and counted, as the kernel does.
    pub fn limit_receive_queue(&self, packets: usize) {
        self.shared.lock().queue_limit = Some(packets);
    }

    /// Blocks until whoever holds a socket has looked at it by a clock that shows what it shows now: for
    /// those who move a clock by hand, and must not leave the others behind.
    pub fn catch_up(&self) {
        let shared = &self.shared;
        let (now, state) = (shared.now(), shared.lock());
        shared.pushed.notify_all();
        let behind = |state: &mut State| {
            let open = state.sockets.iter().filter(|socket| !socket.closed);
            open.flat_map(|socket| socket.looked).any(|looked| looked < now)
        };
        let caught_up = shared.looked.wait_while(state, behind);
        drop(caught_up.expect("no holder of this lock can panic"));
    }

    /// What the world has seen and done so far.
    pub fn counters(&self) -> Counters {
        self.shared.lock().world.counters()
    }
}

impl fmt::Debug for SimulatedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedNetwork").field("counters", &self.counters()).finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock can panic")
    }

    /// Time since the world began.
    fn now(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.began)
    }

    /// Both clocks at one moment: what comes between two readings must not look like travel time.
    fn both(&self) -> (Duration, UnixNs) {
        /// Readings closer together than this are of one moment.
        const WIDTH: Duration = Duration::from_micros(20);
        loop {
            let (before, wall) = (self.now(), self.clock.now());
            if self.now().saturating_sub(before) < WIDTH {
                return (before, wall);
            }
        }
    }

    /// The wall clock at a time of the world that is not in the future, as a kernel stamp has it.
    fn stamp(&self, at: Duration) -> UnixNs {
        let (now, wall) = self.both();
        UnixNs(wall.0.saturating_sub(now.saturating_sub(at).as_nanos() as i64))
    }
}

impl State {
    fn source(&self, key: &SocketKey) -> io::Result<IpAddr> {
        let ours = &self.world.scenario().prober;
        match key.source {
            Some(source) if ours.contains(&source) => Ok(source),
            Some(_) => Err(Errno::EADDRNOTAVAIL.into()),
            None => ours
                .iter()
                .copied()
                .find(|address| Family::of(*address) == key.family)
                .ok_or_else(|| Errno::ENETUNREACH.into()),
        }
    }

    /// Sends one packet into the world; `Err` is the `errno` of the refusal.
    fn send(&mut self, socket: usize, packet: &Outgoing<'_>, now: Duration) -> Result<(), i32> {
        if self.refusals.0 > 0 {
            self.refusals.0 -= 1;
            return Err(self.refusals.1);
        }
        let Self { world, sockets, sending, .. } = self;
        let socket = &mut sockets[socket];
        let to = packet.to.ip();
        if Family::of(to) != socket.key.family {
            return Err(Errno::EAFNOSUPPORT as i32);
        }
        let tcp = socket.key.kind == SocketKind::TcpSyn;
        let from = packet.from.unwrap_or(socket.source);
        if !world.scenario().prober.contains(&from) {
            return Err(Errno::EADDRNOTAVAIL as i32);
        }
        packet::write_message(sending, from, to, tcp, packet.bytes);
        if !tcp && to.is_ipv6() {
            packet::restore_checksum(sending);
        }
        if sending.len() > MTU && socket.key.dont_fragment {
            return Err(Errno::EMSGSIZE as i32);
        }
        world.answer(sending, now, &mut |due, bytes| socket.under_way.push(due, bytes));
        Ok(())
    }

    /// A socket, after what has arrived for it was moved into its receive queue, as far as there is room.
    fn arrivals(&mut self, socket: usize, now: Duration) -> &mut Socket {
        let limit = self.queue_limit;
        let socket = &mut self.sockets[socket];
        while let Some((due, bytes)) = socket.under_way.pop(now) {
            if socket.method == Method::IcmpDgram
                && let Some(error) = packet::reported_echo(bytes)
            {
                let packet::ReportedEcho { to, sequence, from, kind, code } = error;
                let failed = Departure::Failed { to, sequence, from, kind, code };
                socket.departures.push(failed);
            } else if limit.is_some_and(|limit| socket.waiting.len() >= limit) {
                socket.dropped += 1;
            } else {
                socket.waiting.push(due, bytes);
            }
        }
        socket
    }
}

impl Network for SimulatedNetwork {
    fn open(&self, key: &SocketKey) -> Result<Opened, OpenError> {
        let mut state = self.shared.lock();
        let ladder: &[Method] = match key.kind {
            SocketKind::Icmp => &[Method::IcmpRaw, Method::IcmpDgram],
            SocketKind::TcpSyn => &[Method::TcpSyn],
        };
        let error = |method, error| OpenError { key: key.clone(), tried: vec![(method, error)] };
        let source = state.source(key).map_err(|source| error(ladder[0], source))?;
        let Some(method) = ladder.iter().copied().find(|rung| !state.denied.contains(rung)) else {
            let refused = || io::Error::from(Errno::EPERM);
            let tried = ladder.iter().map(|rung| (*rung, refused())).collect();
            return Err(OpenError { key: key.clone(), tried });
        };
        let mut warnings = Vec::new();
        if method != ladder[0] {
            let errno = Errno::EPERM as i32;
            warnings.push(Warning::FellBack { from: ladder[0], to: method, errno });
        }
        let number = state.sockets.len();
        let first = FIRST_PORT.saturating_add(PORTS.saturating_mul(number as u16));
        state.sockets.push(Socket {
            key: key.clone(),
            method,
            source,
            under_way: Queue::default(),
            waiting: Queue::default(),
            dropped: 0,
            departures: Vec::new(),
            looked: [Duration::ZERO; 2],
            closed: false,
        });
        let half = || Half {
            shared: Arc::clone(&self.shared),
            socket: number,
            departures: Vec::new(),
            arrived: Queue::default(),
        };
        Ok(Opened {
            outlet: Box::new(half()),
            inlet: Box::new(half()),
            gauge: Box::new(half()),
            method,
            receive_buffer: None,
            echo_id: (method == Method::IcmpRaw).then_some(0x1ab),
            source_ports: if method == Method::TcpSyn { first..first + PORTS } else { 0..0 },
            warnings,
        })
    }

    fn source_for(&self, key: &SocketKey, _to: SocketAddr) -> io::Result<IpAddr> {
        self.shared.lock().source(key)
    }
}

/// One part of an open socket. What it reports is copied out first: whoever is told may hold locks of
/// its own, and must not meet ours.
struct Half {
    shared: Arc<Shared>,
    socket: usize,
    departures: Vec<Departure>,
    arrived: Queue,
}

impl Drop for Half {
    fn drop(&mut self) {
        // A test that panicked may have left the lock poisoned; nobody waits for it then.
        if let Ok(mut state) = self.shared.state.lock() {
            state.sockets[self.socket].closed = true;
        }
        self.shared.looked.notify_all();
    }
}

impl Outlet for Half {
    fn send(
        &mut self,
        packets: &[Outgoing<'_>],
        report: &mut dyn FnMut(Departure),
    ) -> io::Result<()> {
        let (now, wall) = self.shared.both();
        let mut state = self.shared.lock();
        for packet in packets {
            let ticket = packet.ticket;
            self.departures.push(match state.send(self.socket, packet, now) {
                Ok(()) => {
                    let source = StampSource::Kernel;
                    let stamped = Departure::Stamped { ticket, at: wall, source };
                    state.sockets[self.socket].departures.push(stamped);
                    Departure::Sent { ticket, before: wall, about: wall }
                }
                Err(errno) => Departure::Refused { ticket, errno },
            });
        }
        drop(state);
        self.shared.pushed.notify_all();
        self.departures.drain(..).for_each(report);
        Ok(())
    }

    fn stamps(&mut self, report: &mut dyn FnMut(Departure)) -> io::Result<()> {
        let mut state = self.shared.lock();
        let now = self.shared.now();
        let socket = state.arrivals(self.socket, now);
        std::mem::swap(&mut socket.departures, &mut self.departures);
        socket.looked[0] = now;
        drop(state);
        self.shared.looked.notify_all();
        self.departures.drain(..).for_each(report);
        Ok(())
    }
}

impl Inlet for Half {
    fn receive(&mut self, wait: Duration, take: &mut dyn FnMut(Arrival<'_>)) -> io::Result<bool> {
        let mut state = self.shared.lock();
        let mut now = self.shared.now();
        let socket = state.arrivals(self.socket, now);
        if socket.waiting.len() == 0 {
            let next = socket.under_way.next_due().map(|due| due.saturating_sub(now));
            let wait = next.map_or(wait, |next| next.min(wait));
            let woken = self.shared.pushed.wait_timeout(state, self.shared.clock.wait(wait));
            (state, _) = woken.expect("no holder of this lock can panic");
            now = self.shared.now();
        }
        let socket = state.arrivals(self.socket, now);
        for _ in 0..RECEIVE_BATCH {
            let Some((due, bytes)) = socket.waiting.pop(now) else { break };
            self.arrived.push(due, bytes);
        }
        let emptied = socket.waiting.len() == 0;
        if emptied {
            socket.looked[1] = now;
        }
        drop(state);
        self.shared.looked.notify_all();
        while let Some((due, bytes)) = self.arrived.pop(now) {
            let (from, layer, bytes) = packet::split(bytes);
            let from = SocketAddr::new(from, 0);
            let at = self.shared.stamp(due);
            take(Arrival { from, layer, bytes, at, source: StampSource::Kernel });
        }
        Ok(emptied)
    }
}

impl Gauge for Half {
    fn read(&mut self) -> Figures {
        let mut state = self.shared.lock();
        let socket = state.arrivals(self.socket, self.shared.now());
        Figures { receive_drops: socket.dropped, neighbour_drops: 0 }
    }
}

#[cfg(test)]
mod tests;
