//! What the prober tells about itself: options, statuses, notable changes and counters. Plain values
//! only; who fills them in is [`crate::Prober`] and the lanes behind it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use model::transport::{Network, Warning};
use model::{Clock, Method, TargetId, UnixMs};

use crate::Resolve;

/// How the probes of a round are spread over the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Each target has its place in the interval, the same after every restart.
    Placed,
    /// The first probes leave now, about a thousand a second if the interval has room: somebody waits for
    /// them. Those that follow keep to the interval.
    Prompt,
    /// Each round leaves at once, and nothing is too late to be sent.
    FlatOut,
}

/// How to probe, for all targets of one [`crate::Prober`].
#[derive(Clone, Debug)]
pub struct Options {
    /// The clock of everything.
    pub clock: Arc<dyn Clock>,
    /// Where sockets come from.
    pub network: Arc<dyn Network>,
    /// Where addresses come from.
    pub resolver: Arc<dyn Resolve>,
    /// Stop after this many probes of each target; the results then end. `None` goes on for ever.
    pub rounds: Option<u32>,
    /// How the probes of a round are spread.
    pub spread: Spread,
    /// Most probes per second to one address over all targets; the intervals of targets that share an
    /// address are stretched to keep it. `None` asks as often as each target says.
    pub address_rate: Option<f64>,
    /// Fastest that one TCP port is asked by finished handshakes ([`Method::TcpConnect`]); shorter
    /// intervals are stretched to it. `None` asks as often as each target says.
    pub connect_interval: Option<Duration>,
    /// How often names are looked up again.
    pub resolve_every: Duration,
}

impl Options {
    /// Careful, as the daemon is: two probes per second and address, finished handshakes every 10 s.
    pub fn daemon(
        clock: Arc<dyn Clock>,
        network: Arc<dyn Network>,
        resolver: Arc<dyn Resolve>,
    ) -> Self {
        Self {
            clock,
            network,
            resolver,
            rounds: None,
            spread: Spread::Placed,
            address_rate: Some(2.0),
            connect_interval: Some(model::Target::CONNECT_INTERVAL),
            resolve_every: Duration::from_mins(1),
        }
    }

    /// As `netmend probe` does: a person asks these targets a given number of times, at their own rate.
    pub fn command(
        clock: Arc<dyn Clock>,
        network: Arc<dyn Network>,
        resolver: Arc<dyn Resolve>,
        rounds: Option<u32>,
    ) -> Self {
        Self {
            rounds,
            spread: Spread::Prompt,
            address_rate: None,
            connect_interval: None,
            ..Self::daemon(clock, network, resolver)
        }
    }
}

/// How a target is asked at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetStatus {
    /// Which target.
    pub id: TargetId,
    /// Where it is asked, once resolved; the port is 0 for ICMP.
    pub address: Option<SocketAddr>,
    /// How it is asked, once resolved.
    pub method: Option<Method>,
    /// Time between two probes with all stretching done; `None` where it is the target's own.
    pub interval: Option<Duration>,
    /// What people should know of the method, and how to put it right.
    pub note: Option<Arc<str>>,
    /// Why its name has no address; nothing is sent meanwhile unless an older address is known.
    pub unresolved: Option<Arc<str>>,
}

/// Something notable that happened while probing, for marks on charts and the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When.
    pub at: UnixMs,
    /// Whom it concerns; `None` is everybody.
    pub target: Option<TargetId>,
    /// What.
    pub what: ChangeKind,
}

/// Kinds of [`Change`].
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeKind {
    /// The target's name points elsewhere now.
    Address {
        /// Until now.
        from: SocketAddr,
        /// From now on.
        to: SocketAddr,
    },
    /// A lookup failed; the target is still asked at its last address, if it had one.
    Unresolved {
        /// What the resolver said.
        why: Arc<str>,
    },
    /// A lookup that had failed succeeded.
    Resolved,
    /// A socket works worse than it could.
    Socket {
        /// Which socket.
        socket: Arc<str>,
        /// What is wrong and how to put it right.
        warning: Warning,
    },
    /// A socket could not be opened or died; its targets are not asked until it can be.
    SocketLost {
        /// What was tried and what the kernel said.
        why: Arc<str>,
    },
    /// The wall clock was stepped; probes under way are unknown.
    ClockStepped {
        /// How far, in nanoseconds; negative is back.
        by_ns: i64,
    },
    /// Our receive queue dropped packets; unanswered probes of that moment are unknown.
    ReceiveDrops {
        /// How many.
        packets: u64,
    },
    /// The neighbour table was full; unanswered probes of that moment are unknown.
    NeighbourDrops {
        /// How many packets it swallowed.
        packets: u64,
    },
}

/// What all lanes counted since the start. Everything that moves is here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Probes handed to the network.
    pub sent: u64,
    /// Answers in time.
    pub received: u64,
    /// Probes without an answer until their deadline.
    pub lost: u64,
    /// Answers after the deadline.
    pub late: u64,
    /// Further answers.
    pub duplicate: u64,
    /// Probes that a router or host reported as undeliverable.
    pub unreachable: u64,
    /// Probes that may have been answered, for all we know.
    pub unknown: u64,
    /// Probes that our own kernel or our own pace refused.
    pub unsent: u64,
    /// Packets that answer nothing we asked, or come from an address we did not ask.
    pub foreign: u64,
    /// Packets that are broken.
    pub malformed: u64,
    /// Packets that our own receive queue dropped.
    pub receive_drops: u64,
    /// Packets that the neighbour table swallowed.
    pub neighbour_drops: u64,
    /// Steps of the wall clock.
    pub clock_steps: u64,
    /// Kernel send stamps used.
    pub stamps: u64,
    /// Kernel send stamps thrown away because they cannot be true.
    pub stamps_discarded: u64,
    /// Results thrown away because nobody took them.
    pub results_dropped: u64,
    /// Probes sent sooner than the interval has them, to targets that fell silent; they are within `sent`.
    pub reprobes: u64,
    /// Probes under way now.
    pub in_flight: u64,
    /// Sends that failed, by `errno`.
    pub send_errors: Vec<(i32, u64)>,
}

/// Why the prober cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A thread could not be started.
    #[error("cannot start the {name} thread: {source}")]
    Thread {
        /// Which thread.
        name: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Two targets bear the same number.
    #[error("two targets bear the number {}", .0.0)]
    DuplicateId(TargetId),
}

/// Changes until somebody takes them.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<VecDeque<Change>>);

impl Journal {
    /// If nobody takes them, the oldest fall.
    const CAP: usize = 10_000;

    pub(crate) fn note(&self, at: UnixMs, target: Option<TargetId>, what: ChangeKind) {
        self.put(Change { at, target, what });
    }

    pub(crate) fn put(&self, change: Change) {
        let mut changes = self.lock();
        if changes.len() == Self::CAP {
            changes.pop_front();
        }
        changes.push_back(change);
    }

    /// All changes since the last call, oldest first.
    pub(crate) fn take(&self) -> Vec<Change> {
        self.lock().drain(..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Change>> {
        self.0.lock().expect("no holder of this lock can panic")
    }
}
