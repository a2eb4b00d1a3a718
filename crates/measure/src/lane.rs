//! A lane: all targets that share one socket. Here is its core, a state machine that is told the time,
//! what left and what arrived, and answers with packets and results. It opens nothing, waits for nothing
//! and reads no clock; the threads that drive it are in [`thread`].

mod answers;
mod batch;
mod drops;
mod flight;
mod ids;
#[cfg(test)]
mod tests;
mod watch;
mod wheel;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use model::transport::SocketKind;
use model::{Family, Outcome, ProbeResult, Reason, StampSource, TargetId};

use self::flight::{Flights, Probe};
use self::ids::Ids;
use self::wheel::Wheel;
use crate::pace::Pace;
use crate::reprobe::{self, Next, Reprobe, Silence};
use crate::wire::{Cookie, Slot, icmp, tcp};
use crate::work::{Assignment, Results};
use crate::{Change, ChangeKind, Counters, Spread};

pub(crate) use self::answers::Heard;
pub(crate) use self::batch::Batch;
use self::watch::ClockWatch;
pub(crate) use self::watch::Now;

/// What distinguishes one lane from another.
#[derive(Debug)]
pub(crate) struct Plan {
    /// ICMP or TCP.
    pub(crate) kind: SocketKind,
    /// Address family.
    pub(crate) family: Family,
    /// The secret of its packets.
    pub(crate) cookie: Cookie,
    /// Stop after this many rounds.
    pub(crate) rounds: Option<u32>,
    /// How the probes of a round are spread.
    pub(crate) spread: Spread,
    /// How often an address may be asked; with it, who falls silent is asked each second.
    pub(crate) pace: Option<Arc<Pace>>,
}

/// One target, 48 bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Millisecond at which the next probe is due.
    due: u64,
    id: TargetId,
    round: u32,
    scope: u32,
    address: IpAddr,
    gone: bool,
    silence: Silence,
    port: u16,
    shape: u16,
    source: u16,
}

impl Entry {
    const NO_SOURCE: u16 = u16::MAX;

    fn to(&self) -> SocketAddr {
        match self.address {
            IpAddr::V4(_) => SocketAddr::new(self.address, self.port),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, self.port, 0, self.scope).into(),
        }
    }
}

/// Pace and size, which most targets have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    interval_ms: u32,
    ring: u8,
    payload: u16,
}

/// The state of a lane.
#[derive(Debug)]
pub(crate) struct Lane {
    plan: Plan,
    entries: Vec<Entry>,
    ids: Ids,
    shapes: Vec<Shape>,
    sources: Vec<IpAddr>,
    wheel: Wheel,
    flights: Flights,
    watch: ClockWatch,
    drops: drops::Drops,
    reprobe: Reprobe,
    /// Entries that lost a probe since the last turn.
    missed: Vec<u32>,
    /// Addresses that targets had until a round, for the answers still under way from there.
    former: HashMap<u32, (IpAddr, u32)>,
    /// Entries of removed targets and when no probe can name them any more.
    retired: VecDeque<(u64, u32)>,
    complete: bool,
    dice: fastrand::Rng,
    results: Results,
    changes: Vec<Change>,
    counters: Counters,
}

impl Lane {
    /// A probe that is later than this may be given up, and is at twice as much: the excess over what
    /// can be sent. Between the two a throw of dice decides, so that no target is always the one.
    const LATE_MS: std::ops::Range<u64> = 200..600;
    /// Of a pause longer than so many intervals only one probe is reported unsent.
    const PAUSE: u64 = 8;
    /// Probes may leave so much later to leave together, as long as no more than so many do: each waking
    /// costs more than a probe. Nobody waits for them; the kernel tells when they left.
    const GATHER_MS: u64 = 20;
    const TOGETHER: usize = 32;

    pub(crate) fn new(plan: Plan, results: Results) -> Self {
        let reprobe = Reprobe::new(plan.pace.clone());
        Self {
            plan,
            entries: Vec::new(),
            ids: Ids::default(),
            shapes: Vec::new(),
            sources: Vec::new(),
            wheel: Wheel::new(),
            flights: Flights::default(),
            watch: ClockWatch::default(),
            drops: drops::Drops::default(),
            reprobe,
            missed: Vec::new(),
            former: HashMap::new(),
            retired: VecDeque::new(),
            complete: false,
            dice: fastrand::Rng::new(),
            results,
            changes: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Probes these from now on; those that are there already keep their round.
    pub(crate) fn assign(&mut self, now: Now, assignments: &[Assignment]) {
        let more = self.entries.len() + assignments.len();
        self.entries.reserve_exact(more.saturating_sub(self.entries.capacity()));
        self.wheel.reserve(more);
        self.ids.reserve(assignments.len());
        for assignment in assignments {
            let shape = self.shape_of(assignment);
            let source = self.source_of(assignment.from);
            match self.ids.get(assignment.id) {
                Some(index) => self.change(now, index, assignment, shape, source),
                None => self.add(now, assignment, shape, source),
            }
        }
    }

    fn add(&mut self, now: Now, assignment: &Assignment, shape: u16, source: u16) {
        let interval = u64::from(self.shapes[usize::from(shape)].interval_ms);
        let phase = assignment.phase.as_millis() as u64;
        let due = match self.plan.spread {
            Spread::Placed => next_after(now.ms(), interval, phase),
            Spread::Prompt => now.ms() + phase,
            Spread::FlatOut => now.ms(),
        };
        let entry = Entry {
            due,
            id: assignment.id,
            round: 0,
            scope: scope_of(assignment.to),
            address: assignment.to.ip(),
            gone: false,
            silence: Silence::default(),
            port: assignment.to.port(),
            shape,
            source,
        };
        let free = self.retired.pop_front_if(|&mut (free_at, _)| free_at <= now.ms());
        let index = if let Some((_, index)) = free {
            self.entries[index as usize] = entry;
            self.former.remove(&index);
            index
        } else {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        };
        self.ids.insert(assignment.id, index);
        if self.plan.rounds != Some(0) {
            self.wheel.insert(index, entry.due);
        }
    }

    fn change(&mut self, now: Now, index: u32, assignment: &Assignment, shape: u16, source: u16) {
        let entry = &mut self.entries[index as usize];
        let moved = entry.address != assignment.to.ip();
        if moved {
            self.former.insert(index, (entry.address, entry.round));
        }
        if (moved || entry.shape != shape)
            && let Some(due) = self.reprobe.forget(index, &mut entry.silence)
        {
            entry.due = due;
            self.wheel.insert(index, due);
        }
        entry.address = assignment.to.ip();
        entry.scope = scope_of(assignment.to);
        entry.port = assignment.to.port();
        entry.source = source;
        let done = self.plan.rounds.is_some_and(|rounds| entry.round >= rounds);
        if entry.shape != shape && !done {
            entry.shape = shape;
            let interval = u64::from(self.shapes[usize::from(shape)].interval_ms);
            entry.due = next_after(now.ms(), interval, assignment.phase.as_millis() as u64);
            self.wheel.insert(index, entry.due);
        }
    }

    /// Stops probing these.
    pub(crate) fn remove(&mut self, now: Now, ids: &[TargetId]) {
        let free_at = now.ms() + u64::from(self.flights.longest_ms()) + 15_000;
        for index in self.ids.remove(ids) {
            self.wheel.remove(index);
            let entry = &mut self.entries[index as usize];
            entry.gone = true;
            self.reprobe.forget(index, &mut entry.silence);
            self.retired.push_back((free_at, index));
        }
    }

    /// No more targets will come.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    /// Whether all rounds of all targets have their outcome.
    pub(crate) fn is_done(&self) -> bool {
        self.complete && self.wheel.len() == 0 && self.flights.open() == 0
    }

    /// Takes the time. Call it after the arrivals of this turn were collected and before they are told:
    /// a step of the clock voids what is under way.
    pub(crate) fn begin(&mut self, now: Now) {
        let Some(by_ns) = self.watch.observe(now) else { return };
        self.counters.clock_steps += 1;
        self.changes.push(Change {
            at: now.wall.to_ms(),
            target: None,
            what: ChangeKind::ClockStepped { by_ns },
        });
        let void: Vec<Slot> = self.flights.open_slots().collect();
        for slot in void {
            self.close(slot, Outcome::Unknown, Some(Reason::ClockStep));
        }
    }

    /// Fills the batch with what is due. `false`: nothing more is due now.
    pub(crate) fn fill(&mut self, now: Now, batch: &mut Batch) -> bool {
        batch.clear();
        self.hurry(now);
        while !batch.is_full() {
            let Some(index) = self.wheel.take(now.ms()) else { return false };
            if !self.is_due(now, index) {
                continue;
            }
            self.catch_up(now, index);
            let entry = self.entries[index as usize];
            self.schedule_next(index);
            let late = now.ms().saturating_sub(entry.due);
            if !self.is_patient() && late > self.dice.u64(Self::LATE_MS) {
                self.unsent(now, &entry, Reason::Overload);
            } else if let Err(reason) = self.write(now, index, &entry, batch) {
                self.unsent(now, &entry, reason);
            }
        }
        true
    }

    /// Whether somebody waits for a given number of probes, which are then sent however late.
    fn is_patient(&self) -> bool {
        self.plan.spread == Spread::FlatOut || self.plan.rounds.is_some()
    }

    /// Has targets that lost probes asked sooner.
    fn hurry(&mut self, now: Now) {
        while let Some(index) = self.missed.pop() {
            let entry = &mut self.entries[index as usize];
            let interval = u64::from(self.shapes[usize::from(entry.shape)].interval_ms);
            let regular = (entry.due, interval);
            if !entry.gone
                && let Some(due) =
                    self.reprobe.consider(index, &mut entry.silence, regular, now.ms())
            {
                entry.due = due;
                self.wheel.insert(index, due);
            }
        }
    }

    /// Whether a target whose time has come is to be asked now; if not, it waits again.
    fn is_due(&mut self, now: Now, index: u32) -> bool {
        let entry = &mut self.entries[index as usize];
        if !entry.silence.is_hurried() {
            return true;
        }
        let interval = u64::from(self.shapes[usize::from(entry.shape)].interval_ms);
        let place = (entry.address, interval);
        entry.due = match self.reprobe.next(index, &mut entry.silence, place, now.ms()) {
            Next::Ask => now.ms(),
            Next::Wait(due) | Next::Over(due) => due,
        };
        let due = entry.due <= now.ms();
        if !due {
            self.wheel.insert(index, entry.due);
        }
        due
    }

    /// Passes over the rounds whose time is over, so that no target is asked twice at once.
    fn catch_up(&mut self, now: Now, index: u32) {
        let mut entry = self.entries[index as usize];
        let interval = u64::from(self.shapes[usize::from(entry.shape)].interval_ms);
        let missed = now.ms().saturating_sub(entry.due) / interval;
        if missed == 0 {
            return;
        }
        if !self.is_patient() {
            let reported = if missed > Self::PAUSE { 1 } else { missed };
            self.counters.unsent += missed - reported;
            for _ in 0..reported {
                self.unsent(now, &entry, Reason::Overload);
                entry.round = entry.round.wrapping_add(1);
            }
        }
        entry.due += missed * interval;
        self.entries[index as usize] = entry;
    }

    fn schedule_next(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.round = entry.round.wrapping_add(1);
        entry.due += if entry.silence.is_hurried() {
            reprobe::STEP_MS
        } else {
            u64::from(self.shapes[usize::from(entry.shape)].interval_ms)
        };
        if self.plan.rounds.is_none_or(|rounds| entry.round < rounds) {
            let due = entry.due;
            self.wheel.insert(index, due);
        }
    }

    fn write(
        &mut self,
        now: Now,
        index: u32,
        entry: &Entry,
        batch: &mut Batch,
    ) -> Result<(), Reason> {
        const NO_ROUTE: Reason = Reason::Errno(nix::errno::Errno::ENETUNREACH as i32);
        let shape = self.shapes[usize::from(entry.shape)];
        let from = self.sources.get(usize::from(entry.source)).copied();
        if self.plan.kind == SocketKind::TcpSyn && from.is_none() {
            return Err(NO_ROUTE);
        }
        let probe = Probe::new(index, entry.round, now.wall, now.ms() as u32);
        let slot = self.flights.push(shape.ring, probe).ok_or(Reason::Overload)?;
        let cookie = &self.plan.cookie;
        if let (SocketKind::TcpSyn, Some(source)) = (self.plan.kind, from) {
            let packet = batch.push(entry.to(), from, slot, tcp::SYN);
            let packet = packet.try_into().expect("the batch hands out the length asked for");
            tcp::build(packet, cookie, slot, source, entry.to());
        } else {
            let length = icmp::HEADER + usize::from(shape.payload);
            let packet = batch.push(entry.to(), None, slot, length);
            icmp::build(packet, self.plan.family, cookie, slot, entry.round);
        }
        Ok(())
    }

    fn unsent(&mut self, now: Now, entry: &Entry, reason: Reason) {
        self.counters.unsent += 1;
        self.results.push(ProbeResult {
            target: entry.id,
            round: entry.round,
            outcome: Outcome::Unsent,
            reason: Some(reason),
            rtt_ns: None,
            stamp: StampSource::User,
            sent_at: now.wall,
        });
    }

    /// How long nothing needs to be done. Answers are looked for every few milliseconds while some are
    /// awaited.
    pub(crate) fn idle(&self, now: Now) -> Duration {
        let most = if self.flights.open() > 0 { 5 } else { 50 };
        let due = self.wheel.idle(now.ms(), most);
        let gathers = !self.is_patient()
            && due < Self::GATHER_MS
            && self.wheel.due_by(now.ms() + Self::GATHER_MS, Self::TOGETHER) < Self::TOGETHER;
        let idle = if gathers { Self::GATHER_MS } else { due };
        // To the start of that millisecond.
        let past = now.mono % 1_000_000;
        Duration::from_nanos((idle * 1_000_000).saturating_sub(past))
    }

    /// What happened since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// What was counted so far.
    pub(crate) fn counters(&self) -> Counters {
        Counters {
            receive_drops: self.drops.total().receive_drops,
            neighbour_drops: self.drops.total().neighbour_drops,
            results_dropped: self.results.dropped(),
            reprobes: self.reprobe.asked(),
            in_flight: self.flights.open() as u64,
            ..self.counters.clone()
        }
    }

    /// Hands the results of this turn to the consumer.
    pub(crate) fn flush(&mut self) {
        self.results.flush();
    }

    fn shape_of(&mut self, assignment: &Assignment) -> u16 {
        let interval_ms = millis(assignment.interval).max(1);
        let ring = self.flights.ring_of(millis(assignment.timeout));
        let payload = assignment.packet.size.unwrap_or(icmp::DEFAULT_PAYLOAD);
        intern(&mut self.shapes, Shape { interval_ms, ring, payload })
    }

    fn source_of(&mut self, from: Option<IpAddr>) -> u16 {
        from.map_or(Entry::NO_SOURCE, |from| intern(&mut self.sources, from))
    }
}

/// Where `value` stands in the table. A table of 65,534 different values is full; the last serves all
/// that come after, which no configuration written by people meets.
fn intern<T: PartialEq>(table: &mut Vec<T>, value: T) -> u16 {
    const FULL: usize = u16::MAX as usize - 1;
    if let Some(index) = table.iter().rposition(|known| *known == value) {
        return index as u16;
    }
    if table.len() < FULL {
        table.push(value);
    }
    table.len() as u16 - 1
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

/// The first millisecond from `now` on that lies `phase` after a multiple of `interval`.
fn next_after(now: u64, interval: u64, phase: u64) -> u64 {
    let phase = phase % interval;
    let behind = (now + interval - phase) % interval;
    if behind == 0 { now } else { now + interval - behind }
}

fn scope_of(to: SocketAddr) -> u32 {
    match to {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(to) => to.scope_id(),
    }
}
