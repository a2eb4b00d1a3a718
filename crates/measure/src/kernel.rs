//! The kernel's sockets behind the [`Network`] seam: which to open, on which rung of the ladder, and with
//! which options. It knows nothing of probes; the system calls are in the files below.

mod filter;
mod gauge;
mod inlet;
mod option;
mod outlet;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use model::transport::{Gauge, Layer, Network, OpenError, Opened, SocketKey, SocketKind, Warning};
use model::{Clock, Family, Method};
use socket2::{Domain, Protocol, Socket, Type};

use self::gauge::KernelGauge;
use self::inlet::{KernelInlet, Source};
use self::outlet::KernelOutlet;

pub(crate) use self::option::receive_drops;

/// Opens raw and ping sockets of this machine, in the network namespace of the calling thread.
#[derive(Clone)]
pub struct KernelNetwork {
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for KernelNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelNetwork").finish_non_exhaustive()
    }
}

/// Receive buffer that serves: 16 MiB, of which the kernel reports twice as much.
const RECEIVE_BUFFER: u32 = 16 << 20;
/// Receive buffer asked for: the answers to a burst of 60,000, of which the kernel counts 768 bytes each, all
/// fit in while nobody reads. It is a limit; what is not needed is not taken.
const RECEIVE_MOST: u32 = 2 * RECEIVE_BUFFER;
/// With less than this, as the kernel reports it, a burst of 60,000 probes loses answers.
const ENOUGH: u64 = 8 << 20;
/// Error queue of the sending socket: stamps wait there between two drains.
const ERROR_QUEUE: u32 = 4 << 20;
/// Source ports of a SYN socket. A power of two, so that a filter can tell them by one mask.
const PORTS: u16 = 8;
/// Runs of ports tried until one is free.
const PORT_TRIES: usize = 64;

impl KernelNetwork {
    /// Sockets whose user-side times are read from `clock`, which must be the machine's.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// A gauge of the neighbour tables alone, for sockets that the kernel itself probes with.
    pub(crate) fn neighbour_gauge(clock: &Arc<dyn Clock>) -> Box<dyn Gauge> {
        Box::new(KernelGauge::new(Vec::new(), clock))
    }

    fn icmp_raw(&self, key: &SocketKey) -> io::Result<Granted> {
        let protocol = icmp(key.family);
        let id = fastrand::u16(1..);
        let outlet = shaped(key, Type::RAW, protocol)?;
        filter::nothing().attach(&outlet)?;
        option::set_error_queue(&outlet, ERROR_QUEUE)?;
        let inlet = shaped(key, Type::RAW, protocol)?;
        option::pass_answers(&inlet, key.family, true)?;
        filter::echo(key.family, id).attach(&inlet)?;
        option::stamp_arrivals(&inlet)?;
        let granted = option::set_receive_buffer(&inlet, RECEIVE_MOST)?;
        drain(&inlet);
        let sources = vec![Source::new(inlet.into(), key.family, Layer::Icmp)];
        let outlet = KernelOutlet::new(Arc::new(outlet.into()), key.family, false, &self.clock);
        let parts = Parts { method: Method::IcmpRaw, granted, ports: 0..0, id: Some(id) };
        Ok(self.assemble(outlet.fragmenting(key.dont_fragment), sources, parts))
    }

    fn icmp_dgram(&self, key: &SocketKey) -> io::Result<Granted> {
        let socket = shaped(key, Type::DGRAM, icmp(key.family))?;
        if key.source.is_none() {
            socket.bind(&SocketAddr::new(any(key.family), 0).into())?;
        }
        option::report_errors(&socket, key.family)?;
        let granted = option::set_receive_buffer(&socket, RECEIVE_MOST)?;
        let shared: Arc<OwnedFd> = Arc::new(socket.into());
        let outlet = KernelOutlet::new(Arc::clone(&shared), key.family, true, &self.clock);
        let sources = vec![Source::shared(shared, key.family)];
        let parts = Parts { method: Method::IcmpDgram, granted, ports: 0..0, id: None };
        Ok(self.assemble(outlet.fragmenting(key.dont_fragment), sources, parts))
    }

    fn tcp_syn(&self, key: &SocketKey) -> io::Result<Granted> {
        let outlet = shaped(key, Type::RAW, Protocol::TCP)?;
        filter::nothing().attach(&outlet)?;
        option::set_error_queue(&outlet, ERROR_QUEUE)?;
        let (ports, held) = hold_ports(key)?;
        let segments = shaped(key, Type::RAW, Protocol::TCP)?;
        filter::segments(key.family, ports.start, PORTS).attach(&segments)?;
        let errors = shaped(key, Type::RAW, icmp(key.family))?;
        option::pass_answers(&errors, key.family, false)?;
        filter::errors(key.family, ports.start, PORTS).attach(&errors)?;
        for socket in [&segments, &errors] {
            option::stamp_arrivals(socket)?;
        }
        option::set_receive_buffer(&errors, RECEIVE_BUFFER / 4)?;
        let granted = option::set_receive_buffer(&segments, RECEIVE_MOST)?;
        drain(&segments);
        drain(&errors);
        let sources = vec![
            Source::new(segments.into(), key.family, Layer::Tcp),
            Source::new(errors.into(), key.family, Layer::Icmp),
        ];
        let outlet = KernelOutlet::new(Arc::new(outlet.into()), key.family, false, &self.clock);
        let parts = Parts { method: Method::TcpSyn, granted, ports, id: None };
        let outlet = outlet.fragmenting(key.dont_fragment).holding(held);
        Ok(self.assemble(outlet, sources, parts))
    }

    fn assemble(&self, outlet: KernelOutlet, sources: Vec<Source>, parts: Parts) -> Granted {
        let fds = sources.iter().map(Source::fd).collect();
        let short = parts.granted < ENOUGH;
        let warning =
            Warning::ReceiveBuffer { granted: parts.granted, wanted: u64::from(RECEIVE_BUFFER) };
        let hops = HopLimit { socket: outlet.socket(), family: outlet.family() };
        let opened = Opened {
            outlet: Box::new(outlet),
            inlet: Box::new(KernelInlet::new(sources, parts.granted, &self.clock)),
            gauge: Box::new(KernelGauge::new(fds, &self.clock)),
            method: parts.method,
            receive_buffer: Some(parts.granted),
            echo_id: parts.id,
            source_ports: parts.ports,
            warnings: if short { vec![warning] } else { Vec::new() },
        };
        Granted { opened, hops }
    }

    /// Climbs down the ladder until a socket opens.
    pub(crate) fn grant(&self, key: &SocketKey) -> Result<Granted, OpenError> {
        let fail = |tried| OpenError { key: key.clone(), tried };
        match key.kind {
            SocketKind::TcpSyn => {
                self.tcp_syn(key).map_err(|error| fail(vec![(Method::TcpSyn, error)]))
            }
            SocketKind::Icmp => {
                let refused = match self.icmp_raw(key) {
                    Ok(granted) => return Ok(granted),
                    Err(error) => error,
                };
                let errno = refused.raw_os_error().unwrap_or(0);
                let mut granted = self.icmp_dgram(key).map_err(|error| {
                    fail(vec![(Method::IcmpRaw, refused), (Method::IcmpDgram, error)])
                })?;
                let (from, to) = (Method::IcmpRaw, Method::IcmpDgram);
                granted.opened.warnings.insert(0, Warning::FellBack { from, to, errno });
                Ok(granted)
            }
        }
    }
}

struct Parts {
    method: Method,
    granted: u64,
    ports: Range<u16>,
    id: Option<u16>,
}

/// An open socket, and what only a path trace needs of it.
pub(crate) struct Granted {
    pub(crate) opened: Opened,
    pub(crate) hops: HopLimit,
}

/// Sets how many routers the next packets of a socket may pass.
pub(crate) struct HopLimit {
    socket: Arc<OwnedFd>,
    family: Family,
}

impl HopLimit {
    /// From 1 on; holds until it is set again.
    pub(crate) fn set(&self, hops: u8) -> io::Result<()> {
        let socket = socket2::SockRef::from(&*self.socket);
        match self.family {
            Family::V4 => socket.set_ttl_v4(hops.into()),
            Family::V6 => socket.set_unicast_hops_v6(hops.into()),
        }
    }
}

impl Network for KernelNetwork {
    fn open(&self, key: &SocketKey) -> Result<Opened, OpenError> {
        self.grant(key).map(|granted| granted.opened)
    }

    fn source_for(&self, key: &SocketKey, to: SocketAddr) -> io::Result<IpAddr> {
        if let Some(source) = key.source {
            return Ok(source);
        }
        // Connecting a datagram socket sends nothing; it only asks the routing table.
        let socket = Socket::new(domain(key.family), Type::DGRAM, None)?;
        if let Some(device) = &key.device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        let mut to = to;
        to.set_port(9);
        socket.connect(&to.into())?;
        Ok(UdpSocket::from(socket).local_addr()?.ip())
    }
}

fn domain(family: Family) -> Domain {
    if family == Family::V4 { Domain::IPV4 } else { Domain::IPV6 }
}

fn icmp(family: Family) -> Protocol {
    if family == Family::V4 { Protocol::ICMPV4 } else { Protocol::ICMPV6 }
}

fn any(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// A socket with the options of the key.
fn shaped(key: &SocketKey, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(domain(key.family), kind, Some(protocol))?;
    if let Some(device) = &key.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(source) = key.source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    option::set_shape(&socket, key)?;
    Ok(socket)
}

/// Holds consecutive TCP source ports by bound sockets that never listen: nobody else on this machine
/// gets them, and the kernel, which knows no connection there, resets every handshake we begin.
fn hold_ports(key: &SocketKey) -> io::Result<(Range<u16>, Vec<Socket>)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PORT_TRIES {
        let first = fastrand::u16(20_000 / PORTS..60_000 / PORTS) * PORTS;
        let ports = first..first + PORTS;
        match ports.clone().map(|port| hold_port(key, port)).collect::<io::Result<Vec<_>>>() {
            Ok(held) => return Ok((ports, held)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn hold_port(key: &SocketKey, port: u16) -> io::Result<Socket> {
    let socket = Socket::new(domain(key.family), Type::STREAM, Some(Protocol::TCP))?;
    if key.family == Family::V6 {
        socket.set_only_v6(true)?;
    }
    let address = key.source.unwrap_or_else(|| any(key.family));
    socket.bind(&SocketAddr::new(address, port).into())?;
    Ok(socket)
}

/// Throws away what came in before the filter was attached.
fn drain(socket: &Socket) {
    let mut byte = [std::mem::MaybeUninit::uninit(); 1];
    while socket.recv_with_flags(&mut byte, libc::MSG_DONTWAIT).is_ok() {}
}
