//! The narrow seam between the prober and the network: one half sends, one half receives. The kernel's
//! sockets implement it in `measure`, a simulated network implements it in `lab`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::{StampSource, UnixNs};

/// A packet to send: the transport-layer bytes (an ICMP message or a TCP segment, checksum included
/// where the kernel does not fill it in) and where to.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Destination. The port is ignored by raw sockets; the scope id keeps a link-local zone.
    pub to: SocketAddr,
    /// The message, without an IP header.
    pub bytes: &'a [u8],
    /// The caller's own number for this packet, handed back with its stamps and errors.
    pub ticket: u64,
}

/// What came back for a packet that was handed to [`Outlet::send`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It left, or will; `before` and `after` are the wall clock around the system call.
    Sent {
        /// The packet's ticket.
        ticket: u64,
        /// Clock before the call: no true send time is earlier.
        before: UnixNs,
        /// Clock after the call.
        after: UnixNs,
    },
    /// The kernel refused it with this `errno`.
    Refused {
        /// The packet's ticket.
        ticket: u64,
        /// `errno` of the send.
        errno: i32,
    },
    /// A kernel stamp for a packet sent earlier.
    Stamped {
        /// The packet's ticket.
        ticket: u64,
        /// When it left.
        at: UnixNs,
        /// Which of the kernel's stamps this is.
        source: StampSource,
    },
}

/// A packet that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Who sent it, by the outer IP header.
    pub from: SocketAddr,
    /// Transport-layer bytes: an ICMP message or a TCP segment, without the IP header.
    pub bytes: &'a [u8],
    /// When it arrived.
    pub at: UnixNs,
    /// Which clock `at` rests on.
    pub source: StampSource,
}

/// The sending half of a socket; owned by the sender thread.
pub trait Outlet: Send {
    /// Sends the packets in order and reports one [`Departure::Sent`] or [`Departure::Refused`] for each.
    /// `Err` means that the socket itself is gone.
    fn send(
        &mut self,
        packets: &[Outgoing<'_>],
        report: &mut dyn FnMut(Departure),
    ) -> io::Result<()>;

    /// Reports the kernel's send stamps that have come in since the last call. Never blocks.
    fn stamps(&mut self, report: &mut dyn FnMut(Departure)) -> io::Result<()>;
}

/// The receiving half of a socket; owned by the receiver thread.
pub trait Inlet: Send {
    /// Waits up to `wait` for packets and hands over those that are there, a batch at most.
    fn receive(&mut self, wait: Duration, take: &mut dyn FnMut(Arrival<'_>)) -> io::Result<()>;

    /// How many packets our own queue has dropped since the socket was opened (`SO_RXQ_OVFL`).
    fn dropped(&self) -> u64;
}
