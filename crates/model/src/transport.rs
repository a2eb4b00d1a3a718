//! The narrow seam between the prober and the network: [`Network`] opens a socket, whose one half sends
//! ([`Outlet`]) and whose other half receives ([`Inlet`]). The kernel's sockets implement it in `measure`,
//! a simulated network implements it in `lab`. Nothing here does I/O or knows what a probe is.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::{Family, Method, StampSource, UnixNs};

/// Opens sockets. One per process, shared by all probers.
pub trait Network: Send + Sync + fmt::Debug {
    /// Opens a socket, on the highest rung of the privilege ladder that this process may use:
    /// [`SocketKind::Icmp`] gives [`Method::IcmpRaw`] or else [`Method::IcmpDgram`],
    /// [`SocketKind::TcpSyn`] gives [`Method::TcpSyn`] or fails.
    fn open(&self, key: &SocketKey) -> Result<Opened, OpenError>;

    /// The source address that packets of such a socket to `to` will bear now. TCP needs it for the
    /// checksum of its pseudo header (RFC 9293 section 3.1).
    fn source_for(&self, key: &SocketKey, to: SocketAddr) -> io::Result<IpAddr>;
}

/// What tells one socket from another: probes that agree on all of it share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketKey {
    /// What goes through it.
    pub kind: SocketKind,
    /// Address family.
    pub family: Family,
    /// Source address, which must be one of this machine's; `None` lets routing choose.
    pub source: Option<IpAddr>,
    /// Differentiated services code point, 0 to 63 (RFC 2474).
    pub dscp: u8,
    /// Forbid fragmentation on the way.
    pub dont_fragment: bool,
    /// Network device to leave through (`SO_BINDTODEVICE`).
    pub device: Option<Arc<str>>,
}

/// What a socket carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// ICMP or `ICMPv6` echo and the ICMP errors about it.
    Icmp,
    /// Raw TCP segments, and the ICMP errors about them.
    TcpSyn,
}

impl fmt::Display for SocketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SocketKind::Icmp => "ICMP",
            SocketKind::TcpSyn => "TCP SYN",
        };
        write!(f, "IPv{} {kind} socket", self.family.as_str())?;
        if let Some(source) = self.source {
            write!(f, " from {source}")?;
        }
        if let Some(device) = &self.device {
            write!(f, " through {device}")?;
        }
        if self.dscp != 0 {
            write!(f, " with DSCP {}", self.dscp)?;
        }
        Ok(())
    }
}

/// An open socket in its parts, and what the kernel granted it.
pub struct Opened {
    /// The sending half.
    pub outlet: Box<dyn Outlet>,
    /// The receiving half.
    pub inlet: Box<dyn Inlet>,
    /// What the socket says of itself while both halves are at work.
    pub gauge: Box<dyn Gauge>,
    /// The rung of the ladder it stands on.
    pub method: Method,
    /// Receive buffer in bytes as read back from the kernel; `None` where nothing limits it.
    pub receive_buffer: Option<u64>,
    /// Identifier that echo requests must bear, since the socket hears no other; `None` where the kernel
    /// puts in its own (ping sockets) and for TCP.
    pub echo_id: Option<u16>,
    /// TCP source ports held for this socket alone; empty for ICMP.
    pub source_ports: Range<u16>,
    /// What people should know.
    pub warnings: Vec<Warning>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("method", &self.method)
            .field("receive_buffer", &self.receive_buffer)
            .field("source_ports", &self.source_ports)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// A socket that works, but worse than it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A higher rung of the ladder was refused.
    FellBack {
        /// What was tried.
        from: Method,
        /// What is used instead.
        to: Method,
        /// `errno` of the refusal.
        errno: i32,
    },
    /// The kernel granted less receive buffer than a burst of probes needs.
    ReceiveBuffer {
        /// Bytes granted.
        granted: u64,
        /// Bytes asked for.
        wanted: u64,
    },
}

impl fmt::Display for Warning {
    /// What is wrong and how to put it right.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Warning::FellBack { from, to, errno } => {
                let why = nix::errno::Errno::from_raw(errno).desc();
                write!(f, "{} instead of {}: {why}. ", to.as_str(), from.as_str())?;
                f.write_str("Give the program CAP_NET_RAW: `setcap cap_net_raw+ep FILE`")?;
                if to == Method::TcpConnect && from != Method::TcpSyn {
                    f.write_str(" (or allow ping sockets: `sysctl -w net.ipv4.ping_group_range='0 2147483647'`)")?;
                }
                Ok(())
            }
            Warning::ReceiveBuffer { granted, wanted } => write!(
                f,
                "receive buffer is {} KiB of {} KiB, large bursts lose replies. \
                 Give the program CAP_NET_ADMIN or `sysctl -w net.core.rmem_max={wanted}`",
                granted / 1024,
                wanted / 1024
            ),
        }
    }
}

/// No rung of the ladder could be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {key}: {}", reasons(tried))]
pub struct OpenError {
    /// What was to be opened.
    pub key: SocketKey,
    /// Each rung that was tried and why it failed, highest first.
    pub tried: Vec<(Method, io::Error)>,
}

impl OpenError {
    /// Whether it is only for lack of a privilege, so that a lower rung may do.
    pub fn is_denied(&self) -> bool {
        !self.tried.is_empty()
            && self.tried.iter().all(|(_, error)| {
                error.kind() == io::ErrorKind::PermissionDenied
                    || matches!(
                        error.raw_os_error(),
                        Some(libc_errno::EPROTONOSUPPORT | libc_errno::EAFNOSUPPORT)
                    )
            })
    }
}

/// The two numbers that kernels without a protocol answer with.
mod libc_errno {
    pub(super) const EPROTONOSUPPORT: i32 = nix::errno::Errno::EPROTONOSUPPORT as i32;
    pub(super) const EAFNOSUPPORT: i32 = nix::errno::Errno::EAFNOSUPPORT as i32;
}

fn reasons(tried: &[(Method, io::Error)]) -> String {
    let each = tried.iter().map(|(method, error)| format!("{}: {error}", method.as_str()));
    each.collect::<Vec<_>>().join("; ")
}

/// A packet to send: the transport-layer bytes (an ICMP message or a TCP segment, complete with its
/// checksum; that of `ICMPv6` is zero, for the network to fill in) and where to.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Destination. The port is ignored by raw sockets; the scope id keeps a link-local zone.
    pub to: SocketAddr,
    /// Source address that the checksum of `bytes` rests on; the send fails where it is no longer ours.
    /// `None` where the checksum does not care.
    pub from: Option<IpAddr>,
    /// The message, without an IP header.
    pub bytes: &'a [u8],
    /// The caller's own number for this packet, handed back with its stamps and errors.
    pub ticket: u32,
}

/// What came back for a packet that was handed to [`Outlet::send`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// The kernel took it.
    Sent {
        /// The packet's ticket.
        ticket: u32,
        /// Wall clock before the system call: no true send time is earlier.
        before: UnixNs,
        /// Our best guess at when it left, from the clock around the call.
        about: UnixNs,
    },
    /// The kernel refused it.
    Refused {
        /// The packet's ticket.
        ticket: u32,
        /// `errno` of the send.
        errno: i32,
    },
    /// A kernel stamp for a packet sent earlier.
    Stamped {
        /// The packet's ticket.
        ticket: u32,
        /// When it left.
        at: UnixNs,
        /// Which of the kernel's stamps this is.
        source: StampSource,
    },
    /// An ICMP error about an echo request, where the kernel reports it beside the data (ping sockets).
    Failed {
        /// Destination of the request.
        to: IpAddr,
        /// Its ICMP sequence number.
        sequence: u16,
        /// Who reported.
        from: IpAddr,
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
    },
}

/// A packet that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Who sent it, by the outer IP header. The port is 0.
    pub from: SocketAddr,
    /// Protocol of `bytes`: an ICMP error about a TCP segment comes through the same socket.
    pub layer: Layer,
    /// Transport-layer bytes: an ICMP message or a TCP segment, without the IP header, cut to [`SNAP`].
    pub bytes: &'a [u8],
    /// When it arrived.
    pub at: UnixNs,
    /// Which clock `at` rests on.
    pub source: StampSource,
}

/// What the bytes of an [`Arrival`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// An ICMP message (RFC 792), or `ICMPv6` (RFC 4443) where `from` is an IPv6 address.
    Icmp,
    /// A TCP segment (RFC 9293).
    Tcp,
}

/// The sending half of a socket; owned by the sender thread.
pub trait Outlet: Send {
    /// Sends at most [`BATCH`] packets in order and reports one [`Departure::Sent`] or
    /// [`Departure::Refused`] for each. `Err` means that the socket itself is gone.
    fn send(
        &mut self,
        packets: &[Outgoing<'_>],
        report: &mut dyn FnMut(Departure),
    ) -> io::Result<()>;

    /// Reports the kernel's send stamps and errors that have come in since the last call. Never blocks.
    fn stamps(&mut self, report: &mut dyn FnMut(Departure)) -> io::Result<()>;
}

/// Bytes of an [`Arrival`] at most; what is longer is cut.
pub const SNAP: usize = 2000;

/// Most packets that one [`Outlet::send`] takes.
pub const BATCH: usize = 64;

/// The receiving half of a socket; owned by the receiver thread.
pub trait Inlet: Send {
    /// Waits up to `wait` for packets and hands over those that are there, a batch at most. `true`: the
    /// queue was empty at a moment after the call began, so whatever came before it has been handed over.
    fn receive(&mut self, wait: Duration, take: &mut dyn FnMut(Arrival<'_>)) -> io::Result<bool>;
}

/// [`Figures::neighbour_drops`] may be this old, since asking the kernel for them takes long.
pub const STALE: Duration = Duration::from_millis(50);

/// What a socket says of itself; read by the sender thread before it calls a probe lost.
pub trait Gauge: Send {
    /// Reads the present figures, those of the neighbour table at most [`STALE`] old.
    fn read(&mut self) -> Figures;
}

/// Figures of a socket since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Packets that our own receive queue dropped.
    pub receive_drops: u64,
    /// Packets dropped on the way out because the neighbour table was full or its queue was.
    pub neighbour_drops: u64,
}
