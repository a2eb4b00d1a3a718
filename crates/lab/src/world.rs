//! The simulated world: a packet in, its answers and their due times out. It does no I/O, reads no
//! clock and allocates nothing per packet. Whatever bytes come in, it must not panic.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use fastrand::Rng;

use crate::behaviour::{Behaviour, Harm, Port};
use crate::packet::{self, ACK, FIN, Message, Packet, RST, SYN, Segment};
use crate::scenario::Scenario;

/// A scenario at work.
#[derive(Clone, Debug)]
pub struct World {
    scenario: Scenario,
    rng: Rng,
    counters: Counters,
    /// The answer being written; kept, so that writing allocates nothing.
    answer: Vec<u8>,
}

/// What the world has seen and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// ICMP echo requests to simulated addresses.
    pub echo_requests: u64,
    /// Echo replies sent, copies included.
    pub echo_replies: u64,
    /// TCP SYNs to simulated addresses.
    pub syns: u64,
    /// SYNs accepted, copies included.
    pub accepted: u64,
    /// SYNs refused, copies included.
    pub refused: u64,
    /// ICMP errors sent by routers.
    pub errors: u64,
    /// Requests that got no answer on purpose.
    pub unanswered: u64,
    /// Answers that were made late.
    pub late: u64,
    /// Answers that were damaged.
    pub damaged: u64,
    /// Packets that no host of the scenario answers: other protocols and other addresses.
    pub ignored: u64,
    /// Packets cut off or with a wrong checksum.
    pub malformed: u64,
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "echo requests {}, replies {}; SYNs {}, accepted {}, refused {}; ICMP errors {}; \
             unanswered {}, late {}, damaged {}; ignored {}, malformed {}",
            self.echo_requests,
            self.echo_replies,
            self.syns,
            self.accepted,
            self.refused,
            self.errors,
            self.unanswered,
            self.late,
            self.damaged,
            self.ignored,
            self.malformed,
        )
    }
}

/// What kind of answer it is, for the counters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Echo,
    Accepted,
    Refused,
    /// Of a connection that was accepted before.
    Later,
}

impl World {
    /// A world at its beginning.
    pub fn new(scenario: Scenario) -> Self {
        let rng = Rng::with_seed(scenario.seed);
        Self { scenario, rng, counters: Counters::default(), answer: Vec::with_capacity(2048) }
    }

    /// The scenario it plays.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What it has seen and done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Answers one IP packet that arrives at `now`, a time since the world began. `deliver` gets each
    /// answer, a whole IP packet, with the time at which it is to arrive.
    pub fn answer(
        &mut self,
        packet: &[u8],
        now: Duration,
        deliver: &mut dyn FnMut(Duration, &[u8]),
    ) {
        let Self { scenario, rng, counters, answer } = self;
        let Ok(packet) = Packet::parse(packet) else {
            counters.malformed += 1;
            return;
        };
        let Some(hosts) = scenario.hosts_of(packet.to) else {
            counters.ignored += 1;
            return;
        };
        match packet.message {
            Message::Other => {
                counters.ignored += 1;
                return;
            }
            Message::Echo(_) => counters.echo_requests += 1,
            Message::Tcp(segment) => {
                counters.syns += u64::from(segment.flags & (SYN | ACK | RST) == SYN);
            }
        }
        let behaviour = hosts.behaviour_at(now);
        if behaviour.black_hole || behaviour.loss.draw(rng) {
            counters.unanswered += 1;
            return;
        }
        let mut due = now + behaviour.delay.draw(packet.to, rng);
        if let Some(error) = &behaviour.error {
            let router = of_family(&error.from, packet.to);
            let kind_and_code = error.reports.kind_and_code(router.is_ipv6());
            packet::write_error(answer, router, &packet, kind_and_code, error.quote);
            counters.errors += 1;
            deliver(due, answer);
            return;
        }
        let Some(kind) = write_answer(answer, &packet, behaviour, scenario.seed) else {
            counters.unanswered += 1;
            return;
        };
        if let Some(late) = behaviour.late.filter(|late| late.share.draw(rng)) {
            due += late.by.0;
            counters.late += 1;
        }
        if let Some(damage) = behaviour.damage.filter(|damage| damage.share.draw(rng)) {
            harm(answer, damage.how, rng);
            counters.damaged += 1;
        }
        let copies = u64::from(behaviour.copies);
        match kind {
            Kind::Echo => counters.echo_replies += copies,
            Kind::Accepted => counters.accepted += copies,
            Kind::Refused => counters.refused += copies,
            Kind::Later => {}
        }
        for _ in 0..copies {
            deliver(due, answer);
        }
    }
}

/// The address that answers for `to`.
fn of_family(addresses: &[IpAddr], to: IpAddr) -> IpAddr {
    addresses.iter().copied().find(|address| address.is_ipv4() == to.is_ipv4()).unwrap_or(to)
}

/// Writes the answer of a host without faults; `None` where it would say nothing.
fn write_answer(
    answer: &mut Vec<u8>,
    packet: &Packet<'_>,
    behaviour: &Behaviour,
    seed: u64,
) -> Option<Kind> {
    let from = of_family(&behaviour.answer_from, packet.to);
    match packet.message {
        Message::Echo(rest) if behaviour.echo => {
            packet::write_echo_reply(answer, from, packet.from, rest);
            Some(Kind::Echo)
        }
        Message::Tcp(segment) => {
            let (kind, reply) = reply_to(&segment, behaviour.tcp.of(segment.port), seed)?;
            packet::write_segment(answer, from, packet.from, &reply);
            Some(kind)
        }
        Message::Echo(_) | Message::Other => None,
    }
}

/// What a port answers to a segment (RFC 9293 section 3.10.7). It keeps no state: what belongs to no
/// handshake of ours is taken for a connection that was accepted before.
fn reply_to(segment: &Segment, port: Port, seed: u64) -> Option<(Kind, Segment)> {
    let (syn, ack, rst) = (segment.flags & SYN, segment.flags & ACK, segment.flags & RST);
    let reply = |sequence, flags| Segment {
        source_port: segment.port,
        port: segment.source_port,
        sequence,
        acknowledged: segment.next_sequence(),
        flags,
        data: 0,
    };
    match port {
        _ if rst != 0 => None,
        Port::Reset if ack != 0 => {
            Some((Kind::Later, Segment { acknowledged: 0, ..reply(segment.acknowledged, RST) }))
        }
        Port::Reset => Some((Kind::Refused, reply(0, RST | ACK))),
        Port::Open if syn != 0 && ack == 0 => {
            Some((Kind::Accepted, reply(initial_sequence(segment, seed), SYN | ACK)))
        }
        Port::Open if segment.flags & FIN != 0 => {
            Some((Kind::Later, reply(segment.acknowledged, FIN | ACK)))
        }
        Port::Open if segment.data > 0 => Some((Kind::Later, reply(segment.acknowledged, ACK))),
        Port::Open | Port::Silent => None,
    }
}

/// Initial sequence number of an accepting port: the same when a SYN is sent again, as a retransmission
/// must be, and not to be guessed by a prober that should read it from the answer.
fn initial_sequence(segment: &Segment, seed: u64) -> u32 {
    let key = u64::from(segment.sequence) << 32
        | u64::from(segment.source_port) << 16
        | u64::from(segment.port);
    Rng::with_seed(seed ^ key).u32(..)
}

/// Damages a written answer behind its IP header.
fn harm(answer: &mut Vec<u8>, how: Harm, rng: &mut Rng) {
    match how {
        Harm::Truncate => packet::truncate(answer, 6),
        Harm::Checksum => {
            let at = if packet::is_tcp(answer) { 16 } else { 2 };
            packet::message_mut(answer)[at] ^= 0x55;
        }
        Harm::Payload => {
            // Behind identifier and sequence, or what TCP has there: the acknowledged number.
            packet::message_mut(answer).iter_mut().skip(8).for_each(|byte| *byte ^= 0xa5);
            packet::restore_checksum(answer);
        }
        Harm::Identifier => {
            let at = if packet::is_tcp(answer) { 2 } else { 4 };
            packet::message_mut(answer)[at] ^= 0x80;
            packet::restore_checksum(answer);
        }
        Harm::Noise => rng.fill(packet::message_mut(answer)),
    }
}

#[cfg(test)]
mod tests;
