//! The course of a trace: which distance is asked next, and what the answers add up to. A state machine
//! that is handed time and packets; it opens nothing and reads no clock.
//!
//! The first round asks one distance after the other at a fixed pace without waiting for answers, and ends
//! where the target answers; the further rounds go as far as somebody answered.

use std::net::IpAddr;
use std::time::Duration;

use model::path::{Hop, HopAnswer, HopRtt, Path, PathEnd};
use model::{Method, UnixMs, UnixNs};

use super::Request;

/// Silent distances that further rounds still ask behind the last that answered.
const BEYOND: u8 = 3;
/// Rounds begin at least so far apart: routers answer only so many probes a second.
const APART: Duration = Duration::from_millis(500);

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send this probe with this hop limit.
    Send { slot: u32, distance: u8 },
    /// Listen for so long.
    Wait(Duration),
    /// All is known that will be.
    Done,
}

/// What a packet says of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The target answers.
    Answer,
    /// An ICMP error.
    Error { kind: u8, code: u8 },
}

/// One probe.
#[derive(Clone, Copy, Debug)]
struct Probe {
    distance: u8,
    /// Wall clock before it was sent, and when it left.
    before: UnixNs,
    left: UnixNs,
    refused: bool,
    answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    from: IpAddr,
    at: UnixNs,
}

#[derive(Debug)]
pub(super) struct Course {
    request: Request,
    at: UnixMs,
    method: Method,
    probes: Vec<Probe>,
    round: u8,
    /// Distance to ask next in this round.
    next: u8,
    due: Duration,
    started: Duration,
    /// When the last probe left.
    last: Duration,
    /// Where the path ends, and how.
    end: Option<(u8, PathEnd)>,
    /// The farthest that answered.
    farthest: u8,
    errno: Option<i32>,
}

impl Course {
    pub(super) fn new(request: &Request, at: UnixMs, method: Method) -> Self {
        let mut request = request.clone();
        request.hops = request.hops.clamp(1, 64);
        request.rounds = request.rounds.clamp(1, 10);
        Self {
            request,
            at,
            method,
            probes: Vec::new(),
            round: 0,
            next: 1,
            due: Duration::ZERO,
            started: Duration::MAX,
            last: Duration::ZERO,
            end: None,
            farthest: 0,
            errno: None,
        }
    }

    pub(super) fn to(&self) -> IpAddr {
        self.request.to.ip()
    }

    /// The farthest distance that this round asks.
    fn limit(&self) -> u8 {
        match self.end {
            Some((distance, _)) => distance,
            None if self.round == 0 => self.request.hops,
            None => self.request.hops.min(self.farthest.saturating_add(BEYOND)),
        }
    }

    /// What to do at this moment of the monotonic clock.
    pub(super) fn step(&mut self, now: Duration) -> Step {
        loop {
            if self.next <= self.limit() {
                if now < self.due {
                    return Step::Wait(self.due.saturating_sub(now));
                }
                return self.send(now);
            }
            let over = self.round + 1 >= self.request.rounds;
            let answered = self.probes.iter().all(|probe| probe.answer.is_some() || probe.refused);
            let heard = self.last + self.request.timeout;
            // Where the path ends must be known before a round goes there again.
            let until = match (over, answered || (!over && self.end.is_some())) {
                (true, true) => now,
                (false, true) => self.started + APART,
                (true, false) => heard,
                (false, false) => heard.max(self.started + APART),
            };
            if now < until {
                return Step::Wait(until.saturating_sub(now));
            }
            if over {
                return Step::Done;
            }
            self.round += 1;
            self.next = 1;
            self.started = now;
        }
    }

    fn send(&mut self, now: Duration) -> Step {
        self.started = self.started.min(now);
        let distance = self.next;
        self.next += 1;
        self.due = now + self.request.gap;
        let never = UnixNs(0);
        let probe = Probe { distance, before: never, left: never, refused: false, answer: None };
        self.probes.push(probe);
        Step::Send { slot: self.probes.len() as u32 - 1, distance }
    }

    /// A probe left.
    pub(super) fn sent(&mut self, slot: u32, now: Duration, before: UnixNs, about: UnixNs) {
        self.last = now;
        if let Some(probe) = self.probes.get_mut(slot as usize) {
            (probe.before, probe.left) = (before, about);
        }
    }

    /// The kernel says when it left.
    pub(super) fn stamped(&mut self, slot: u32, at: UnixNs) {
        if let Some(probe) = self.probes.get_mut(slot as usize)
            && at >= probe.before
        {
            probe.left = at;
        }
    }

    /// Our own kernel did not send it.
    pub(super) fn refused(&mut self, slot: u32, now: Duration, errno: i32) {
        self.last = now;
        self.errno = Some(errno);
        if let Some(probe) = self.probes.get_mut(slot as usize) {
            probe.refused = true;
        }
    }

    /// An answer; of several to one probe the first counts.
    pub(super) fn heard(&mut self, slot: u32, from: IpAddr, at: UnixNs, said: Said) {
        let Some(probe) = self.probes.get_mut(slot as usize) else { return };
        if probe.answer.is_some() {
            return;
        }
        let end = match said {
            Said::Answer => Some(PathEnd::Reached),
            Said::Error { kind, .. } if is_time_exceeded(from, kind) => None,
            Said::Error { kind, code } => Some(PathEnd::Unreachable { from, kind, code }),
        };
        probe.answer = Some(Answer { from, at });
        self.farthest = self.farthest.max(probe.distance);
        if let Some(end) = end
            && self.end.is_none_or(|(distance, _)| probe.distance < distance)
        {
            self.end = Some((probe.distance, end));
        }
    }

    /// The path; `Err` with the system's error number if no probe could be sent.
    pub(super) fn finish(&self, from: Option<IpAddr>) -> Result<Path, i32> {
        if let (Some(errno), true) = (self.errno, self.probes.iter().all(|probe| probe.refused)) {
            return Err(errno);
        }
        let length = self.end.map_or(self.farthest, |(distance, _)| distance);
        Ok(Path {
            at: self.at,
            from,
            to: self.to(),
            port: Some(self.request.to.port()).filter(|port| *port != 0),
            method: self.method,
            rounds: self.request.rounds,
            hops: (1..=length).map(|distance| self.hop(distance)).collect(),
            end: self.end.map_or(PathEnd::Silent, |(_, end)| end),
        })
    }

    fn hop(&self, distance: u8) -> Hop {
        let probes = || self.probes.iter().filter(|probe| probe.distance == distance);
        let sent = probes().filter(|probe| !probe.refused).count() as u8;
        let mut answers: Vec<(HopAnswer, u64)> = Vec::new();
        for probe in probes() {
            let Some(answer) = probe.answer else { continue };
            let rtt = self.round_trip(probe, &answer);
            let known = answers.iter().position(|(known, _)| known.from == answer.from);
            let index = known.unwrap_or_else(|| {
                answers.push((HopAnswer { from: answer.from, count: 0, rtt_us: None }, 0));
                answers.len() - 1
            });
            let (known, total) = &mut answers[index];
            known.count += 1;
            let Some(rtt) = rtt else { continue };
            *total += u64::from(rtt);
            let before = known.rtt_us.unwrap_or(HopRtt { min: rtt, mean: rtt, max: rtt });
            known.rtt_us = Some(HopRtt {
                min: before.min.min(rtt),
                mean: (*total / u64::from(known.count)) as u32,
                max: before.max.max(rtt),
            });
        }
        answers.sort_by_key(|(answer, _)| std::cmp::Reverse(answer.count));
        Hop { distance, sent, answers: answers.into_iter().map(|(answer, _)| answer).collect() }
    }

    /// Microseconds; `None` where the clock was stepped on the way.
    fn round_trip(&self, probe: &Probe, answer: &Answer) -> Option<u32> {
        let span = answer.at.since(probe.left);
        let span = if span < 0 { answer.at.since(probe.before) } else { span };
        // Nothing is waited for longer than this.
        let most = self.request.timeout + self.request.gap * u32::from(self.request.hops) + APART;
        let span = Duration::from_nanos(u64::try_from(span).ok()?);
        (span <= most * u32::from(self.request.rounds)).then_some(span.as_micros() as u32)
    }
}

/// RFC 792 type 11, RFC 4443 type 3.
fn is_time_exceeded(from: IpAddr, kind: u8) -> bool {
    kind == if from.is_ipv4() { 11 } else { 3 }
}

#[cfg(test)]
mod tests;
