//! What the tests need: a clock, an outlet that records, and answers made from what was sent.

use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::transport::{Arrival, Departure, Figures, Gauge, Layer, Outgoing, Outlet, SocketKind};
use model::{
    Clock, Family, ManualClock, Outcome, PacketOptions, ProbeResult, StampSource, TargetId, UnixNs,
};

use crate::Spread;
use crate::drive::Pilot;
use crate::lane::{Heard, Lane, Now, Plan};
use crate::pace::Pace;
use crate::wire::{self, Cookie, Slot};
use crate::work::{Assignment, Command, Results};

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(super) fn set_size(assignment: &mut Assignment, size: u16) {
    assignment.packet = Arc::new(PacketOptions { size: Some(size), ..PacketOptions::default() });
}

#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) to: SocketAddr,
    pub(super) from: Option<IpAddr>,
    pub(super) bytes: Vec<u8>,
    pub(super) ticket: Slot,
    pub(super) sent_at: UnixNs,
}

/// How the fake network behaves.
#[derive(Debug, Default)]
pub(super) struct Script {
    sent: Vec<Packet>,
    /// Stamps to hand out at the next look.
    pub(super) stamps: Vec<Departure>,
    /// Every packet is stamped so long after it was sent.
    stamp_after: Option<Duration>,
    /// The next so many sends fail with this number.
    pub(super) refuse: (u32, i32),
    pub(super) figures: Figures,
}

#[derive(Clone, Debug)]
struct Wire {
    clock: Arc<ManualClock>,
    script: Arc<Mutex<Script>>,
}

impl Outlet for Wire {
    fn send(
        &mut self,
        packets: &[Outgoing<'_>],
        report: &mut dyn FnMut(Departure),
    ) -> std::io::Result<()> {
        let mut script = self.script.lock().expect("one thread");
        for packet in packets {
            let Outgoing { to, from, bytes, ticket } = *packet;
            if script.refuse.0 > 0 {
                script.refuse.0 -= 1;
                report(Departure::Refused { ticket, errno: script.refuse.1 });
                continue;
            }
            let sent_at = self.clock.now();
            report(Departure::Sent { ticket, before: sent_at, about: sent_at });
            if let Some(after) = script.stamp_after {
                let (at, source) = (sent_at + after, StampSource::Kernel);
                script.stamps.push(Departure::Stamped { ticket, at, source });
            }
            script.sent.push(Packet { to, from, bytes: bytes.to_vec(), ticket, sent_at });
        }
        Ok(())
    }

    fn stamps(&mut self, report: &mut dyn FnMut(Departure)) -> std::io::Result<()> {
        let stamps = std::mem::take(&mut self.script.lock().expect("one thread").stamps);
        stamps.into_iter().for_each(report);
        Ok(())
    }
}

impl Gauge for Wire {
    fn read(&mut self) -> Figures {
        self.script.lock().expect("one thread").figures
    }
}

pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) pilot: Pilot,
    pub(super) script: Arc<Mutex<Script>>,
    cookie: Cookie,
    asked: Option<Arc<Pace>>,
    results: Receiver<Vec<ProbeResult>>,
}

impl World {
    pub(super) fn icmp() -> Self {
        Self::new(SocketKind::Icmp, Family::V4, None, Spread::Placed)
    }

    pub(super) fn new(
        kind: SocketKind,
        family: Family,
        rounds: Option<u32>,
        spread: Spread,
    ) -> Self {
        let clock = Arc::new(ManualClock::new(UnixNs(1_800_000_000_000_000_000)));
        let script = Arc::new(Mutex::new(Script::default()));
        let (to, results) = sync_channel(1 << 16);
        let cookie = Cookie::new(Some(7), 40_000..40_008);
        let pace =
            (rounds.is_none() && spread != Spread::FlatOut).then(|| Arc::new(Pace::new(2.0)));
        let plan =
            Plan { kind, family, cookie: cookie.clone(), rounds, spread, pace: pace.clone() };
        let wire = Wire { clock: Arc::clone(&clock), script: Arc::clone(&script) };
        let lane = Lane::new(plan, Results::new(to, false));
        let seen: Arc<dyn Clock> = clock.clone();
        let pilot = Pilot::new(lane, Box::new(wire.clone()), Box::new(wire), seen);
        Self { clock, pilot, script, cookie, asked: pace, results }
    }

    pub(super) fn stamp_after(&mut self, after: Duration) {
        self.script.lock().expect("one thread").stamp_after = Some(after);
    }

    /// Every 3 s, waiting 1 s.
    pub(super) fn assign(&mut self, id: u32, to: &str) {
        self.assign_with(id, to, |_| ());
    }

    pub(super) fn assign_with(&mut self, id: u32, to: &str, change: impl Fn(&mut Assignment)) {
        let to = to.parse().unwrap_or_else(|_| SocketAddr::new(ip(to), 0));
        let mut assignment = Assignment {
            id: TargetId(id),
            to,
            from: Some(ip("10.0.0.100")),
            interval: ms(3000),
            timeout: ms(1000),
            phase: ms(u64::from(id) * 10),
            packet: Arc::default(),
        };
        change(&mut assignment);
        self.pilot.obey(Command::Assign(vec![assignment]));
    }

    /// Says that the targets of an address want so many probes per second more.
    pub(super) fn count_rate(&self, to: &str, rate: f64) {
        self.asked.as_ref().expect("only without rounds").count(ip(to), rate);
    }

    pub(super) fn remove(&mut self, id: u32) {
        self.pilot.obey(Command::Remove(vec![TargetId(id)]));
    }

    /// A turn in which everything that arrived before now is known.
    pub(super) fn turn(&mut self) {
        self.turn_with(&[], self.clock.monotonic());
    }

    pub(super) fn turn_with(&mut self, heard: &[Heard], drained: Duration) {
        let drained = drained.as_nanos() as u64;
        while self.pilot.turn(heard, drained).expect("the fake never fails") {
            assert!(heard.is_empty(), "only small tests hear");
        }
    }

    /// Lets time pass with a turn each millisecond.
    pub(super) fn pass(&mut self, span: Duration) {
        for _ in 0..span.as_millis() {
            self.clock.advance(ms(1));
            self.turn();
        }
    }

    /// The time.
    pub(super) fn now(&self) -> Now {
        Now::read(&*self.clock)
    }

    /// What was sent since it was asked last.
    pub(super) fn sent(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.script.lock().expect("one thread").sent)
    }

    /// What is sent within a span.
    pub(super) fn packets(&mut self, span: Duration) -> Vec<Packet> {
        self.pass(span);
        self.sent()
    }

    /// The next packet, as soon as it is due.
    pub(super) fn next_packet(&mut self) -> Packet {
        for _ in 0..10_000 {
            self.turn();
            if let Some(packet) = self.sent().pop() {
                return packet;
            }
            self.clock.advance(ms(1));
        }
        panic!("nothing was sent within 10 s");
    }

    pub(super) fn reply(&mut self, packet: &Packet) {
        self.hear(packet.to.ip(), Layer::Icmp, &echo_reply(packet));
    }

    pub(super) fn reply_from(&mut self, packet: &Packet, from: &str) {
        self.hear(ip(from), Layer::Icmp, &echo_reply(packet));
    }

    /// An ICMP error that quotes no more than it must.
    pub(super) fn error_about(&mut self, packet: &Packet, from: &str, kind: u8, code: u8) {
        let IpAddr::V4(to) = packet.to.ip() else { panic!("IPv4 only") };
        let mut bytes = vec![kind, code, 0, 0, 0, 0, 0, 0, 0x45, 0, 0, 84, 0, 0, 0, 0, 64, 1, 0, 0];
        bytes.extend([10, 0, 0, 100]);
        bytes.extend(to.octets());
        bytes.extend(&packet.bytes[..8]);
        set_checksum(&mut bytes);
        self.hear(ip(from), Layer::Icmp, &bytes);
    }

    pub(super) fn tcp_answer(&mut self, syn: &Packet, port: u16, refused: bool) {
        let sequence = wire::be32(&syn.bytes, 4).expect("a SYN").wrapping_add(1);
        let mut bytes = [0; 20];
        bytes[..2].copy_from_slice(&port.to_be_bytes());
        bytes[2..4].copy_from_slice(&syn.bytes[..2]);
        bytes[8..12].copy_from_slice(&sequence.to_be_bytes());
        bytes[12] = 5 << 4;
        bytes[13] = if refused { 0x14 } else { 0x12 };
        self.hear(syn.to.ip(), Layer::Tcp, &bytes);
    }

    fn hear(&mut self, from: IpAddr, layer: Layer, bytes: &[u8]) {
        let (at, source) = (self.clock.now(), StampSource::Kernel);
        let from = SocketAddr::new(from, 0);
        let arrival = Arrival { from, layer, bytes, at, source };
        let message = wire::parse(&self.cookie, &arrival).expect("made from what we sent");
        let heard = Heard { from: from.ip(), at, source, message };
        self.turn_with(&[heard], self.clock.monotonic());
    }

    /// What was reported since it was asked last.
    pub(super) fn results(&mut self) -> Vec<ProbeResult> {
        self.pilot.lane.flush();
        self.results.try_iter().flatten().collect()
    }

    pub(super) fn one_result(&mut self) -> ProbeResult {
        let results = self.results();
        assert_eq!(results.len(), 1, "{results:?}");
        results[0]
    }

    pub(super) fn outcomes(&mut self) -> Vec<Outcome> {
        self.results().iter().map(|result| result.outcome).collect()
    }
}

fn echo_reply(packet: &Packet) -> Vec<u8> {
    let mut bytes = packet.bytes.clone();
    bytes[0] = if packet.to.is_ipv4() { 0 } else { 129 };
    set_checksum(&mut bytes);
    bytes
}

fn set_checksum(bytes: &mut [u8]) {
    bytes[2..4].fill(0);
    let sum = wire::checksum(bytes, 0);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
}
