//! Path trace: which routers are on the way to a target. Probes bear a fixed flow, so that routers that
//! spread traffic over several links send all of them the same way (Augustin et al., "Avoiding traceroute
//! anomalies with Paris traceroute", 2006): addresses, ports, identifier and ICMP checksum are constant, and
//! only the ICMP sequence number or the TCP sequence number tells probes apart. It traces one path and
//! returns; when and how often is for others to decide.

mod course;
mod packet;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use model::transport::{
    Arrival, Departure, Network as _, OpenError, Opened, Outgoing, SocketKey, SocketKind,
};
use model::{Clock, Family, PacketOptions, Path};

use self::course::{Course, Said, Step};
use self::packet::{Flow, Shape};
use crate::kernel::{HopLimit, KernelNetwork};
use crate::wire::{self, Cookie, Message, icmp};

/// What to trace and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whereto; with port 0 by ICMP echo, else by TCP SYNs to that port.
    pub to: SocketAddr,
    /// Source address, device, DSCP and size of the probes, as those of the target itself.
    pub packet: PacketOptions,
    /// Routers to look at, 1 to 64.
    pub hops: u8,
    /// Probes to each, 1 to 10.
    pub rounds: u8,
    /// How long to wait for an answer.
    pub timeout: Duration,
    /// Time between two probes: the pace.
    pub gap: Duration,
}

impl Request {
    /// 30 hops, 3 rounds, 1 s to answer, 50 probes a second.
    pub fn new(to: SocketAddr) -> Self {
        Self {
            to,
            packet: PacketOptions::default(),
            hops: 30,
            rounds: 3,
            timeout: Duration::from_secs(1),
            gap: Duration::from_millis(20),
        }
    }
}

/// Why there is no path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket that can trace could be opened.
    #[error("cannot trace the path to {to}: {source}; {}", help(.source))]
    Open {
        /// Whereto.
        to: IpAddr,
        /// What was tried.
        source: OpenError,
    },
    /// There is no way out.
    #[error("cannot trace the path to {to}: no source address for it: {source}")]
    NoRoute {
        /// Whereto.
        to: IpAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Our own kernel refused every probe.
    #[error("cannot trace the path to {to}: sending failed: {source}")]
    Send {
        /// Whereto.
        to: IpAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody said stop.
    #[error("the trace to {0} was stopped")]
    Stopped(IpAddr),
}

impl Error {
    fn no_route(to: IpAddr, why: &io::Error) -> Self {
        let source = io::Error::from_raw_os_error(why.raw_os_error().unwrap_or(libc::EHOSTUNREACH));
        Self::NoRoute { to, source }
    }
}

/// What to do where no socket could be opened.
fn help(error: &OpenError) -> &'static str {
    match (error.is_denied(), error.key.kind) {
        (true, SocketKind::Icmp) => {
            "give the program CAP_NET_RAW (`setcap cap_net_raw+ep FILE`) or allow ping sockets \
             (`sysctl -w net.ipv4.ping_group_range='0 2147483647'`)"
        }
        (true, SocketKind::TcpSyn) => {
            "give the program CAP_NET_RAW (`setcap cap_net_raw+ep FILE`), or trace by ICMP"
        }
        (false, _) => "is this family of addresses configured here?",
    }
}

/// Answers are looked for at least this often.
const LOOK: Duration = Duration::from_millis(20);

/// Finds the path, in `hops * gap + timeout` a round at most. `stop` ends it early.
pub fn trace(
    network: &KernelNetwork,
    clock: &dyn Clock,
    request: &Request,
    stop: &AtomicBool,
) -> Result<Path, Error> {
    let to = request.to.ip();
    let key = key_of(request);
    let granted = network.grant(&key).map_err(|source| Error::Open { to, source })?;
    let source = network.source_for(&key, request.to);
    let from = match key.kind {
        SocketKind::Icmp => None,
        SocketKind::TcpSyn => Some(source.as_ref().map_err(|why| Error::no_route(to, why))?),
    };
    let from = from.copied();
    // One port of those that the socket holds: another one is another flow.
    let ports = &granted.opened.source_ports;
    let port = ports.start..ports.start + u16::from(!ports.is_empty());
    let cookie = Cookie::new(granted.opened.echo_id, port);
    let payload = request.packet.size.unwrap_or(icmp::DEFAULT_PAYLOAD);
    let shape = match from {
        Some(from) => Shape::Syn { from },
        None => Shape::Echo { family: key.family, payload },
    };
    let method = granted.opened.method;
    let mut runner = Runner {
        flow: Flow::new(cookie, request.to, shape),
        course: Course::new(request, clock.now_ms(), method),
        opened: granted.opened,
        hops: granted.hops,
        clock,
        from,
    };
    runner.run(to, stop)?;
    runner.course.finish(source.ok()).map_err(|errno| {
        let source = io::Error::from_raw_os_error(errno);
        Error::Send { to, source }
    })
}

fn key_of(request: &Request) -> SocketKey {
    SocketKey {
        kind: if request.to.port() == 0 { SocketKind::Icmp } else { SocketKind::TcpSyn },
        family: Family::of(request.to.ip()),
        source: request.packet.source,
        dscp: request.packet.dscp,
        dont_fragment: request.packet.dont_fragment,
        device: request.packet.device.as_deref().map(Arc::from),
    }
}

/// Moves packets and times between the socket and the course.
struct Runner<'a> {
    flow: Flow,
    course: Course,
    opened: Opened,
    hops: HopLimit,
    clock: &'a dyn Clock,
    from: Option<IpAddr>,
}

impl Runner<'_> {
    fn run(&mut self, to: IpAddr, stop: &AtomicBool) -> Result<(), Error> {
        let failed = |source| Error::Send { to, source };
        loop {
            if stop.load(Relaxed) {
                return Err(Error::Stopped(to));
            }
            let now = self.clock.monotonic();
            self.stamps().map_err(failed)?;
            match self.course.step(now) {
                Step::Send { slot, distance } => {
                    self.hops.set(distance).map_err(failed)?;
                    self.send(slot, now).map_err(failed)?;
                }
                Step::Wait(wait) => self.listen(wait.min(LOOK)).map_err(failed)?,
                Step::Done => return Ok(()),
            }
        }
    }

    fn send(&mut self, slot: u32, now: Duration) -> io::Result<()> {
        let to = self.flow.to();
        let bytes = self.flow.packet(slot);
        let outgoing = Outgoing { to, from: self.from, bytes, ticket: slot };
        let (course, clock) = (&mut self.course, self.clock);
        self.opened.outlet.send(&[outgoing], &mut |departure| {
            departed(course, clock, now, departure);
        })
    }

    fn stamps(&mut self) -> io::Result<()> {
        let (course, clock) = (&mut self.course, self.clock);
        let now = clock.monotonic();
        self.opened.outlet.stamps(&mut |departure| departed(course, clock, now, departure))
    }

    fn listen(&mut self, wait: Duration) -> io::Result<()> {
        let (course, flow) = (&mut self.course, &self.flow);
        let take = &mut |arrival: Arrival<'_>| heard(course, flow, &arrival);
        self.opened.inlet.receive(wait, take).map(drop)
    }
}

/// Takes what the outlet reports; ping sockets report ICMP errors there too, without a time.
fn departed(course: &mut Course, clock: &dyn Clock, now: Duration, departure: Departure) {
    match departure {
        Departure::Sent { ticket, before, about } => course.sent(ticket, now, before, about),
        Departure::Refused { ticket, errno } => course.refused(ticket, now, errno),
        Departure::Stamped { ticket, at, .. } => course.stamped(ticket, at),
        Departure::Failed { to, sequence, from, kind, code } => {
            if to == course.to() {
                let said = Said::Error { kind, code };
                course.heard(u32::from(sequence), from, clock.now(), said);
            }
        }
    }
}

/// Takes an arrival. Errors count whoever sent them, as long as they quote one of our probes to the target;
/// answers only from the target itself.
fn heard(course: &mut Course, flow: &Flow, arrival: &Arrival<'_>) {
    let from = arrival.from.ip();
    let Ok(message) = wire::parse(flow.cookie(), arrival) else { return };
    let target = from == course.to();
    let (slot, said) = match message {
        Message::Echo { slot, .. } if target => (slot, Said::Answer),
        Message::ShortEcho { sequence } if target => (u32::from(sequence), Said::Answer),
        Message::Tcp { slot, port, .. } if target && port == flow.to().port() => {
            (slot, Said::Answer)
        }
        Message::EchoError { to, sequence, kind, code } if to == course.to() => {
            (u32::from(sequence), Said::Error { kind, code })
        }
        Message::TcpError { to, slot, kind, code } if to == course.to() => {
            (slot, Said::Error { kind, code })
        }
        _ => return,
    };
    course.heard(slot, from, arrival.at, said);
}
