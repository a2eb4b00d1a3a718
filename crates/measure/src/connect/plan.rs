//! Which port is asked when, and what becomes of each handshake: the prober's state machine. It is told the
//! time and how handshakes ended; it opens nothing, waits for nothing and reads no clock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use model::{Outcome, PacketOptions, ProbeResult, Reason, StampSource, TargetId, UnixNs};
use nix::errno::Errno;

use super::socket::End;
use crate::pace::Pace;
use crate::reprobe::{self, Next, Reprobe, Silence};
use crate::work::{Assignment, Results};
use crate::{Counters, Spread};

/// A point on the monotonic clock, in nanoseconds.
pub(super) type Mono = u64;

const MILLISECOND: Mono = 1_000_000;
/// A probe later than this is given up: the excess over what can be sent.
const TOO_LATE: Mono = 600 * MILLISECOND;

/// What holds for all targets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Stop after this many probes of each target.
    pub(super) rounds: Option<u32>,
    /// How the probes of a round are spread.
    pub(super) spread: Spread,
    /// Most handshakes under way.
    pub(super) window: usize,
}

/// A handshake to begin now.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) to: SocketAddr,
    pub(super) packet: Arc<PacketOptions>,
    entry: u32,
}

/// A handshake under way: a slot and how often it was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    fn new(slot: u32, uses: u32) -> Self {
        Self(u64::from(uses) << 32 | u64::from(slot))
    }

    pub(super) fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    pub(super) fn raw(self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
struct Entry {
    id: TargetId,
    round: u32,
    /// Entries are used again; what was planned for an earlier one no longer counts.
    uses: u32,
    gone: bool,
    to: SocketAddr,
    due: Mono,
    interval: Mono,
    timeout: Mono,
    silence: Silence,
    packet: Arc<PacketOptions>,
}

#[derive(Debug)]
struct Flight<S> {
    uses: u32,
    entry: u32,
    entry_uses: u32,
    round: u32,
    started: Mono,
    deadline: Mono,
    /// How often the neighbour table had been full before.
    drops_before: u64,
    sent_at: UnixNs,
    socket: Option<S>,
}

/// All targets and handshakes; `S` is the socket that is kept for each handshake.
#[derive(Debug)]
pub(super) struct Plan<S> {
    rules: Rules,
    entries: Vec<Entry>,
    free_entries: Vec<u32>,
    by_id: HashMap<TargetId, u32>,
    /// Due time, entry and its `uses`. What does not match the entry any more is skipped.
    due: BinaryHeap<Reverse<(Mono, u32, u32)>>,
    flights: Vec<Flight<S>>,
    free_flights: Vec<u32>,
    deadlines: BinaryHeap<Reverse<(Mono, u32, u32)>>,
    under_way: usize,
    complete: bool,
    results: Results,
    counters: Counters,
    reprobe: Reprobe,
    /// Entries that lost a probe since the last launch.
    missed: Vec<u32>,
}

impl<S> Plan<S> {
    pub(super) fn new(rules: Rules, pace: Option<Arc<Pace>>, results: Results) -> Self {
        Self {
            rules,
            entries: Vec::new(),
            free_entries: Vec::new(),
            by_id: HashMap::new(),
            due: BinaryHeap::new(),
            flights: Vec::new(),
            free_flights: Vec::new(),
            deadlines: BinaryHeap::new(),
            under_way: 0,
            complete: false,
            results,
            counters: Counters::default(),
            reprobe: Reprobe::new(pace),
            missed: Vec::new(),
        }
    }

    /// Probes these from now on; one that is there already keeps its round and what is under way.
    pub(super) fn assign(&mut self, now: Mono, assignments: Vec<Assignment>) {
        for assignment in assignments {
            let interval = (assignment.interval.as_nanos() as Mono).max(MILLISECOND);
            let timeout = assignment.timeout.as_nanos() as Mono;
            let due = self.first_due(now, interval, assignment.phase.as_nanos() as Mono);
            let Some(&index) = self.by_id.get(&assignment.id) else {
                self.add(&assignment, (due, interval, timeout));
                continue;
            };
            let entry = &mut self.entries[index as usize];
            if (entry.to, entry.interval) != (assignment.to, interval)
                && let Some(due) = self.reprobe.forget(index, &mut entry.silence)
            {
                entry.due = due * MILLISECOND;
                self.due.push(Reverse((entry.due, index, entry.uses)));
            }
            entry.to = assignment.to;
            entry.timeout = timeout;
            entry.packet = assignment.packet;
            let done = self.rules.rounds.is_some_and(|rounds| entry.round >= rounds);
            if entry.interval != interval && !done {
                (entry.interval, entry.due) = (interval, due);
                self.due.push(Reverse((due, index, entry.uses)));
            }
        }
    }

    fn add(&mut self, assignment: &Assignment, (due, interval, timeout): (Mono, Mono, Mono)) {
        let mut entry = Entry {
            id: assignment.id,
            round: 0,
            uses: 0,
            gone: false,
            to: assignment.to,
            due,
            interval,
            timeout,
            silence: Silence::default(),
            packet: assignment.packet.clone(),
        };
        let index = if let Some(index) = self.free_entries.pop() {
            entry.uses = self.entries[index as usize].uses.wrapping_add(1);
            self.entries[index as usize] = entry;
            index
        } else {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        };
        self.by_id.insert(assignment.id, index);
        if self.rules.rounds != Some(0) {
            self.due.push(Reverse((due, index, self.entries[index as usize].uses)));
        }
    }

    fn first_due(&self, now: Mono, interval: Mono, phase: Mono) -> Mono {
        match self.rules.spread {
            Spread::Placed => now + (interval + phase % interval - now % interval) % interval,
            Spread::Prompt => now + phase,
            Spread::FlatOut => now,
        }
    }

    /// Stops probing these; handshakes under way go on and are not reported.
    pub(super) fn remove(&mut self, ids: &[TargetId]) {
        for id in ids {
            if let Some(index) = self.by_id.remove(id) {
                let entry = &mut self.entries[index as usize];
                self.reprobe.forget(index, &mut entry.silence);
                entry.gone = true;
                entry.uses = entry.uses.wrapping_add(1);
                self.free_entries.push(index);
            }
        }
    }

    /// No further target will come.
    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    /// Whether all rounds of all targets are done.
    pub(super) fn is_done(&self) -> bool {
        self.complete && self.rules.rounds.is_some() && self.under_way == 0 && self.due.is_empty()
    }

    /// Takes how often the neighbour table has been full by now. It is asked before a launch and before
    /// something is called lost.
    pub(super) fn neighbour_drops(&mut self, total: u64) {
        self.counters.neighbour_drops = self.counters.neighbour_drops.max(total);
    }

    /// Whether a launch or a deadline is due.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.next_event().is_some_and(|at| at <= now)
    }

    /// The next handshake that is due, while the window allows one. The caller owes [`Plan::launched`] or
    /// [`Plan::unsent`]. A probe that is too late is reported unsent here.
    pub(super) fn launch(&mut self, now: Mono, wall: UnixNs) -> Option<Launch> {
        self.hurry(now);
        while let Some(&Reverse((due, index, uses))) = self.due.peek() {
            if due > now {
                return None;
            }
            let entry = &mut self.entries[index as usize];
            if entry.gone || entry.uses != uses || entry.due != due {
                self.due.pop();
                continue;
            }
            if entry.silence.is_hurried() {
                if self.under_way >= self.rules.window {
                    return None;
                }
                self.due.pop();
                if self.is_asked(now, index) {
                    return Some(self.launch_of(index));
                }
                continue;
            }
            let late = now - due;
            if late > TOO_LATE && self.rules.spread != Spread::FlatOut {
                self.due.pop();
                // After a long pause one report tells of it, not one per probe missed.
                entry.due = due + late / entry.interval * entry.interval;
                let launch = self.launch_of(index);
                self.unsent(&launch, Reason::Overload, wall);
                continue;
            }
            if self.under_way >= self.rules.window {
                return None;
            }
            self.due.pop();
            return Some(self.launch_of(index));
        }
        None
    }

    /// Has targets that lost probes asked sooner.
    fn hurry(&mut self, now: Mono) {
        while let Some(index) = self.missed.pop() {
            let entry = &mut self.entries[index as usize];
            let regular = (entry.due / MILLISECOND, entry.interval / MILLISECOND);
            let now = now / MILLISECOND;
            if let Some(due) = self.reprobe.consider(index, &mut entry.silence, regular, now) {
                entry.due = due * MILLISECOND;
                self.due.push(Reverse((entry.due, index, entry.uses)));
            }
        }
    }

    /// Whether a hurried target whose time has come is to be asked now; if not, it waits again.
    fn is_asked(&mut self, now: Mono, index: u32) -> bool {
        let entry = &mut self.entries[index as usize];
        let place = (entry.to.ip(), entry.interval / MILLISECOND);
        entry.due = match self.reprobe.next(index, &mut entry.silence, place, now / MILLISECOND) {
            Next::Ask => {
                entry.due = now;
                return true;
            }
            Next::Wait(due) | Next::Over(due) => due.saturating_mul(MILLISECOND),
        };
        self.due.push(Reverse((entry.due, index, entry.uses)));
        false
    }

    fn launch_of(&self, index: u32) -> Launch {
        let entry = &self.entries[index as usize];
        Launch { to: entry.to, packet: entry.packet.clone(), entry: index }
    }

    /// The SYN left; `socket` is kept until the handshake ends or its time is over.
    pub(super) fn launched(
        &mut self,
        launch: &Launch,
        socket: S,
        started: Mono,
        sent_at: UnixNs,
    ) -> Key {
        let entry = &self.entries[launch.entry as usize];
        let deadline = started.saturating_add(entry.timeout);
        let mut flight = Flight {
            uses: 0,
            entry: launch.entry,
            entry_uses: entry.uses,
            round: entry.round,
            started,
            deadline,
            drops_before: self.counters.neighbour_drops,
            sent_at,
            socket: Some(socket),
        };
        let slot = if let Some(slot) = self.free_flights.pop() {
            flight.uses = self.flights[slot as usize].uses.wrapping_add(1);
            self.flights[slot as usize] = flight;
            slot
        } else {
            self.flights.push(flight);
            self.flights.len() as u32 - 1
        };
        let uses = self.flights[slot as usize].uses;
        self.deadlines.push(Reverse((deadline, slot, uses)));
        self.under_way += 1;
        self.counters.sent += 1;
        self.next_round(launch.entry);
        Key::new(slot, uses)
    }

    /// Our own kernel refused to send the SYN, or we did.
    pub(super) fn unsent(&mut self, launch: &Launch, reason: Reason, wall: UnixNs) {
        let entry = &self.entries[launch.entry as usize];
        self.results.push(ProbeResult {
            target: entry.id,
            round: entry.round,
            outcome: Outcome::Unsent,
            reason: Some(reason),
            rtt_ns: None,
            stamp: StampSource::User,
            sent_at: wall,
        });
        self.counters.unsent += 1;
        if let Reason::Errno(errno) = reason {
            match self.counters.send_errors.iter_mut().find(|(known, _)| *known == errno) {
                Some((_, count)) => *count += 1,
                None => self.counters.send_errors.push((errno, 1)),
            }
        }
        self.next_round(launch.entry);
    }

    fn next_round(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.round = entry.round.wrapping_add(1);
        entry.due += if entry.silence.is_hurried() {
            reprobe::STEP_MS * MILLISECOND
        } else {
            entry.interval
        };
        if self.rules.rounds.is_none_or(|rounds| entry.round < rounds) {
            self.due.push(Reverse((entry.due, index, entry.uses)));
        }
    }

    /// The socket of a handshake under way.
    pub(super) fn socket(&self, key: Key) -> Option<&S> {
        let flight = self.flights.get(key.raw() as u32 as usize)?;
        if flight.uses == (key.raw() >> 32) as u32 { flight.socket.as_ref() } else { None }
    }

    /// A handshake ended, seen at `seen`. Hands its socket back, to be closed.
    pub(super) fn ended(&mut self, key: Key, end: End, seen: Mono) -> Option<S> {
        self.socket(key)?;
        let slot = key.raw() as u32;
        let flight = &self.flights[slot as usize];
        let waited = seen.saturating_sub(flight.started);
        let timeout = flight.deadline.saturating_sub(flight.started);
        let (outcome, reason, rtt_ns, stamp) = match end {
            // It came after the deadline, and we looked later still.
            End::Connected { rtt_us: Some(us) } if u64::from(us) * 1_000 > timeout => {
                (Outcome::Lost, None, None, StampSource::User)
            }
            End::Connected { rtt_us } => {
                let rtt = rtt_us.map(|us| u64::from(us) * 1_000);
                (Outcome::Reply, None, rtt, StampSource::Kernel)
            }
            End::Refused => (Outcome::Refused, None, Some(waited), StampSource::User),
            End::Unreachable(reason) => {
                (Outcome::Unreachable, Some(reason), None, StampSource::User)
            }
            End::TimedOut => (Outcome::Lost, None, None, StampSource::User),
            End::Failed(errno) => {
                let reason = Reason::Errno(errno as i32);
                (Outcome::Unknown, Some(reason), None, StampSource::User)
            }
        };
        self.land(slot, |result| ProbeResult { outcome, reason, rtt_ns, stamp, ..result })
    }

    /// Reports a handshake whose time is over as lost, or as unknown if our own neighbour table may have
    /// swallowed its SYN, and hands its socket back, to be closed; `None` when there is none (more).
    pub(super) fn expire(&mut self, now: Mono) -> Option<S> {
        while let Some(&Reverse((deadline, slot, uses))) = self.deadlines.peek() {
            if deadline > now {
                return None;
            }
            self.deadlines.pop();
            if self.socket(Key::new(slot, uses)).is_some() {
                let swallowed =
                    self.flights[slot as usize].drops_before < self.counters.neighbour_drops;
                let (outcome, reason) = if swallowed {
                    (Outcome::Unknown, Some(Reason::NeighbourTable))
                } else {
                    (Outcome::Lost, None)
                };
                return self.land(slot, |result| ProbeResult { outcome, reason, ..result });
            }
        }
        None
    }

    /// Ends a flight: counts and reports it as `shape` makes it.
    fn land(&mut self, slot: u32, shape: impl FnOnce(ProbeResult) -> ProbeResult) -> Option<S> {
        let flight = &mut self.flights[slot as usize];
        let socket = flight.socket.take();
        self.under_way -= 1;
        self.free_flights.push(slot);
        let entry = &mut self.entries[flight.entry as usize];
        if entry.gone || entry.uses != flight.entry_uses {
            return socket;
        }
        let result = shape(ProbeResult {
            target: entry.id,
            round: flight.round,
            outcome: Outcome::Lost,
            reason: None,
            rtt_ns: None,
            stamp: StampSource::User,
            sent_at: flight.sent_at,
        });
        match result.outcome {
            Outcome::Reply | Outcome::Refused => {
                entry.silence.answered();
                self.counters.received += 1;
            }
            Outcome::Unknown => self.counters.unknown += 1,
            outcome => {
                entry.silence.lost();
                self.missed.push(flight.entry);
                match outcome {
                    Outcome::Unreachable => self.counters.unreachable += 1,
                    _ => self.counters.lost += 1,
                }
            }
        }
        self.results.push(result);
        socket
    }

    /// When something is due next, if nothing else happens.
    pub(super) fn next_event(&self) -> Option<Mono> {
        let first = |heap: &BinaryHeap<Reverse<(Mono, u32, u32)>>| heap.peek().map(|top| top.0.0);
        let due = if self.under_way < self.rules.window { first(&self.due) } else { None };
        [due, first(&self.deadlines)].into_iter().flatten().min()
    }

    /// Hands over the results so far.
    pub(super) fn flush(&mut self) {
        self.results.flush();
    }

    /// What was counted so far.
    pub(super) fn counters(&self) -> Counters {
        Counters {
            reprobes: self.reprobe.asked(),
            in_flight: self.under_way as u64,
            results_dropped: self.results.dropped(),
            ..self.counters.clone()
        }
    }
}

/// The reason of a send that the kernel refused.
pub(super) fn refusal(errno: Errno) -> Reason {
    Reason::Errno(errno as i32)
}

#[cfg(test)]
mod tests;
