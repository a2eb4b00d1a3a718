//! What becomes of probes: departures, answers, errors and deadlines turn into results. Part of the state
//! machine of [`super::Lane`]: no I/O and no clock here either.

use std::net::IpAddr;

use model::transport::{Departure, Gauge};
use model::{Outcome, ProbeResult, Reason, StampSource, UnixNs};

use super::flight::{Probe, Stage};
use super::{Lane, Now};
use crate::wire::{Message, Slot, icmp};
use crate::{Change, ChangeKind};

/// A packet that arrived and says something of a probe of this lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// Who sent it.
    pub(crate) from: IpAddr,
    /// When it arrived.
    pub(crate) at: UnixNs,
    /// Which clock that is.
    pub(crate) source: StampSource,
    /// What it says.
    pub(crate) message: Message,
}

impl Lane {
    /// Takes what the outlet reports.
    pub(crate) fn departed(&mut self, now: Now, departure: Departure) {
        match departure {
            Departure::Sent { ticket, before, about } => {
                let Some(probe) = self.flights.get_mut(ticket) else { return };
                probe.before = before;
                probe.set_left(span(before, about).unwrap_or(0), StampSource::User);
                self.flights.set_stage(ticket, Stage::Open);
                self.counters.sent += 1;
            }
            Departure::Refused { ticket, errno } => {
                let full = errno == nix::errno::Errno::ENOBUFS as i32
                    && self.drops.neighbours_full(now.ms());
                let reason = if full { Reason::NeighbourTable } else { Reason::Errno(errno) };
                self.close(ticket, Outcome::Unsent, Some(reason));
                match self.counters.send_errors.iter_mut().find(|(known, _)| *known == errno) {
                    Some((_, count)) => *count += 1,
                    None => self.counters.send_errors.push((errno, 1)),
                }
            }
            Departure::Stamped { ticket, at, source } => self.stamped(ticket, at, source),
            Departure::Failed { to, sequence, from, kind, code } => {
                let reason = Reason::Icmp { from, kind, code };
                self.echo_error(to, sequence, reason);
            }
        }
    }

    /// A stamp counts only for a probe under way, and not from before it was sent; whether it is from
    /// after the reply is seen when that comes.
    fn stamped(&mut self, slot: Slot, at: UnixNs, source: StampSource) {
        let used = self.flights.get_mut(slot).is_some_and(|probe| {
            let Some(left) = span(probe.before, at) else { return false };
            let better = probe.stage() == Stage::Open && source < probe.stamp();
            if better {
                probe.set_left(left, source);
            }
            better
        });
        self.counters.stamps += u64::from(used);
        self.counters.stamps_discarded += u64::from(!used);
    }

    /// Takes an arrival. Only what comes from the address that was asked is an answer.
    pub(crate) fn heard(&mut self, heard: &Heard) {
        let known = match heard.message {
            Message::Echo { slot, round } => match self.flights.get(slot) {
                Some(probe) if probe.round == round => {
                    let from_there = self.was_at(probe, heard.from);
                    from_there.then(|| self.answered(slot, heard, false))
                }
                // Ours, but forgotten long ago.
                _ => {
                    self.counters.late += 1;
                    Some(())
                }
            },
            Message::ShortEcho { sequence } => {
                self.short_echo(sequence, heard.from).map(|slot| self.answered(slot, heard, false))
            }
            Message::Tcp { slot, port, refused } => {
                let asked = self.flights.get(slot).is_some_and(|probe| {
                    self.entries[probe.target() as usize].port == port
                        && self.was_at(probe, heard.from)
                });
                asked.then(|| self.answered(slot, heard, refused))
            }
            Message::EchoError { to, sequence, kind, code } => {
                let reason = Reason::Icmp { from: heard.from, kind, code };
                self.echo_error(to, sequence, reason)
            }
            Message::TcpError { to, slot, kind, code } => {
                let asked = self.flights.get(slot).is_some_and(|probe| self.was_at(probe, to));
                let reason = Reason::Icmp { from: heard.from, kind, code };
                asked.then(|| self.unreachable(slot, reason))
            }
        };
        self.counters.foreign += u64::from(known.is_none());
    }

    /// Whether the probe was sent to this address.
    fn was_at(&self, probe: &Probe, address: IpAddr) -> bool {
        let asked = match self.former.get(&probe.target()) {
            Some(&(former, until)) if probe.round < until => former,
            _ => self.entries[probe.target() as usize].address,
        };
        asked == address
    }

    /// The probe that a reply without a cookie answers.
    fn short_echo(&self, sequence: u16, from: IpAddr) -> Option<Slot> {
        let bare = |probe: &Probe| {
            let shape = self.entries[probe.target() as usize].shape;
            usize::from(self.shapes[usize::from(shape)].payload) < icmp::COOKIE
        };
        let mut candidates = self
            .flights
            .of_sequence(sequence)
            .filter(|(_, probe)| bare(probe) && self.was_at(probe, from));
        candidates.next().map(|(slot, _)| slot)
    }

    fn echo_error(&mut self, to: IpAddr, sequence: u16, reason: Reason) -> Option<()> {
        let mut candidates =
            self.flights.of_sequence(sequence).filter(|(_, probe)| self.was_at(probe, to));
        let (slot, _) = candidates.next()?;
        drop(candidates);
        self.unreachable(slot, reason);
        Some(())
    }

    /// An error counts for a probe under way; after its deadline or answer it changes nothing.
    fn unreachable(&mut self, slot: Slot, reason: Reason) {
        if self.flights.get(slot).is_some_and(|probe| probe.stage() == Stage::Open) {
            self.close(slot, Outcome::Unreachable, Some(reason));
        }
    }

    fn answered(&mut self, slot: Slot, heard: &Heard, refused: bool) {
        let Some(&probe) = self.flights.get(slot) else { return };
        if probe.stage() == Stage::Closed {
            // Already reported as something that no answer can mend.
            self.counters.late += 1;
            return;
        }
        let Some((wall, sent_at, stamp)) = self.round_trip(&probe, heard) else {
            return self.close(slot, Outcome::Unknown, Some(Reason::ClockStep));
        };
        let rtt = self.watch.true_span(wall);
        let report = |outcome| Report { outcome, reason: None, rtt: Some(rtt), sent_at, stamp };
        let in_time = rtt <= u64::from(self.flights.timeout_of(slot)) * 1_000_000;
        match probe.stage() {
            Stage::Open | Stage::Ready if in_time => {
                self.flights.set_stage(slot, Stage::Answered);
                self.entries[probe.target() as usize].silence.answered();
                self.counters.received += 1;
                let outcome = if refused { Outcome::Refused } else { Outcome::Reply };
                self.report(&probe, &report(outcome));
            }
            Stage::Open | Stage::Ready | Stage::Lost => {
                if probe.stage() != Stage::Lost {
                    self.close(slot, Outcome::Lost, None);
                }
                self.flights.set_stage(slot, Stage::Answered);
                self.counters.late += 1;
                self.report(&probe, &report(Outcome::Late));
            }
            Stage::Answered => {
                self.counters.duplicate += 1;
                self.report(&probe, &report(Outcome::Duplicate));
            }
            Stage::Closed => {}
        }
    }

    /// Wall time from departure to arrival, with the departure and the worse of the two clocks. A stamp
    /// from after the reply is another packet's; `None` if even our own clock was ahead of the reply.
    fn round_trip(&mut self, probe: &Probe, heard: &Heard) -> Option<(u64, UnixNs, StampSource)> {
        let sent_at = probe.sent_at();
        if let Ok(wall) = u64::try_from(heard.at.since(sent_at)) {
            return Some((wall, sent_at, probe.stamp().max(heard.source)));
        }
        self.counters.stamps_discarded += u64::from(probe.stamp() != StampSource::User);
        let wall = u64::try_from(heard.at.since(probe.before)).ok()?;
        Some((wall, probe.before, StampSource::User))
    }

    /// Calls lost what is past its deadline. `drained` is the monotonic time, in nanoseconds, up to which
    /// all arrivals are known to have been told: a reply that waits in a queue is not lost.
    pub(crate) fn expire(&mut self, now: Now, drained: u64, gauge: &mut dyn Gauge) {
        /// If the receiver cannot keep up, deadlines are not put off for longer than this.
        const PATIENCE: u64 = 1_000_000_000;
        /// While probes are under way, drops are dated to within this.
        const LOOK_MS: u64 = 100;
        let known = drained.clamp(now.mono.saturating_sub(PATIENCE), now.mono) / 1_000_000;
        let mut looked = false;
        while let Some(slot) = self.flights.expired(known as u32) {
            if !looked {
                self.drops.note(now.ms(), gauge.read());
                looked = true;
            }
            let Some(probe) = self.flights.get(slot) else { continue };
            let age = u64::from((now.ms() as u32).wrapping_sub(probe.sent_ms));
            let sent = now.ms().saturating_sub(age);
            let deadline = sent + u64::from(self.flights.timeout_of(slot));
            match self.drops.excuse(sent, deadline) {
                Some(reason) => self.close(slot, Outcome::Unknown, Some(reason)),
                None => self.close(slot, Outcome::Lost, None),
            }
        }
        if !looked && now.ms() >= self.drops.read_at() + LOOK_MS {
            self.drops.note(now.ms(), gauge.read());
        }
        let oldest = now.ms().saturating_sub(u64::from(self.flights.longest_ms()) + 2_000);
        self.drops.forget(oldest);
        self.tell_drops(now);
    }

    fn tell_drops(&mut self, now: Now) {
        let (received, neighbours) = self.drops.tell(now.ms());
        let at = now.wall.to_ms();
        if received > 0 {
            let what = ChangeKind::ReceiveDrops { packets: received };
            self.changes.push(Change { at, target: None, what });
        }
        if neighbours > 0 {
            let what = ChangeKind::NeighbourDrops { packets: neighbours };
            self.changes.push(Change { at, target: None, what });
        }
    }

    /// Ends a probe without an answer.
    pub(super) fn close(&mut self, slot: Slot, outcome: Outcome, reason: Option<Reason>) {
        let Some(&probe) = self.flights.get(slot) else { return };
        let count = match outcome {
            Outcome::Lost => &mut self.counters.lost,
            Outcome::Unreachable => &mut self.counters.unreachable,
            Outcome::Unsent => &mut self.counters.unsent,
            _ => &mut self.counters.unknown,
        };
        *count += 1;
        if matches!(outcome, Outcome::Lost | Outcome::Unreachable) {
            self.missed(&probe);
        }
        let stage = if outcome == Outcome::Lost { Stage::Lost } else { Stage::Closed };
        self.flights.set_stage(slot, stage);
        let sent_at = probe.sent_at();
        self.report(&probe, &Report { outcome, reason, rtt: None, sent_at, stamp: probe.stamp() });
    }

    /// Counts a loss of the address that is asked now.
    fn missed(&mut self, probe: &Probe) {
        let address = self.entries[probe.target() as usize].address;
        if self.was_at(probe, address) {
            self.entries[probe.target() as usize].silence.lost();
            self.missed.push(probe.target());
        }
    }

    fn report(&mut self, probe: &Probe, report: &Report) {
        let entry = &self.entries[probe.target() as usize];
        if entry.gone {
            return;
        }
        self.results.push(ProbeResult {
            target: entry.id,
            round: probe.round,
            outcome: report.outcome,
            reason: report.reason,
            rtt_ns: report.rtt,
            stamp: report.stamp,
            sent_at: report.sent_at,
        });
    }
}

struct Report {
    outcome: Outcome,
    reason: Option<Reason>,
    rtt: Option<u64>,
    sent_at: UnixNs,
    stamp: StampSource,
}

/// Nanoseconds from one stamp to a later one, if they are close enough to belong together.
fn span(from: UnixNs, to: UnixNs) -> Option<u32> {
    u32::try_from(to.since(from)).ok()
}
