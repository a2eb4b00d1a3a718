//! Socket options that `socket2` does not know. Each function sets one thing on one socket.
#![expect(unsafe_code, reason = "options without a safe binding")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use model::Family;
use model::transport::SocketKey;
use socket2::Socket;

/// `ICMP_FILTER` of `linux/icmp.h`: a bit for each type that is blocked.
const ICMP_FILTER: i32 = 1;
/// `ICMPV6_FILTER` of `linux/icmpv6.h`.
const ICMPV6_FILTER: i32 = 1;
/// `IP_PMTUDISC_WANT`, `IP_PMTUDISC_DO`; the same numbers serve IPv6. The first is the kernel's own
/// default and that of `ping`: it splits what is too big for the path, and only that. To be able to, it
/// draws a number for the fragments of every packet, which costs a tenth of sending it.
const FRAGMENT: i32 = 1;
const DO_NOT_FRAGMENT: i32 = 2;

/// Plain data that the kernel may read or write as bytes.
trait Plain: Copy {}
impl Plain for i32 {}
impl Plain for u32 {}
impl Plain for [u32; 8] {}

fn set<T: Plain>(socket: BorrowedFd<'_>, level: i32, name: i32, value: T) -> io::Result<()> {
    // SAFETY: `value` outlives the call, is plain data, and its true size is given.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// DSCP, and no fragments.
pub(super) fn set_shape(socket: &Socket, key: &SocketKey) -> io::Result<()> {
    let fd = socket.as_fd();
    match key.family {
        Family::V4 => set(fd, libc::IPPROTO_IP, libc::IP_TOS, i32::from(key.dscp) << 2)?,
        Family::V6 => set(fd, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, i32::from(key.dscp) << 2)?,
    }
    discover_mtu(fd, key.family, DO_NOT_FRAGMENT)
}

/// From now on packets that are too big for their path are split.
pub(super) fn allow_fragments(socket: BorrowedFd<'_>, family: Family) -> io::Result<()> {
    discover_mtu(socket, family, FRAGMENT)
}

fn discover_mtu(socket: BorrowedFd<'_>, family: Family, how: i32) -> io::Result<()> {
    match family {
        Family::V4 => set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, how),
        Family::V6 => set(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, how),
    }
}

/// Asks for a receive buffer, with privilege if there is one, and reads back what was granted.
pub(super) fn set_receive_buffer(socket: &Socket, bytes: u32) -> io::Result<u64> {
    if set(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes).is_err() {
        socket.set_recv_buffer_size(bytes as usize)?;
    }
    Ok(socket.recv_buffer_size()? as u64)
}

/// Room for stamps that wait to be drained; as much as is granted.
pub(super) fn set_error_queue(socket: &Socket, bytes: u32) -> io::Result<()> {
    set_receive_buffer(socket, bytes).map(drop)
}

/// Lets only ICMP answers through: errors, and echo replies if asked for.
pub(super) fn pass_answers(socket: &Socket, family: Family, replies: bool) -> io::Result<()> {
    match family {
        Family::V4 => {
            let echo_reply = u32::from(replies);
            let pass: u32 = echo_reply | 1 << 3 | 1 << 11 | 1 << 12;
            set(socket.as_fd(), libc::SOL_RAW, ICMP_FILTER, !pass)
        }
        Family::V6 => {
            let mut block = [u32::MAX; 8];
            block[0] &= !(1 << 1 | 1 << 2 | 1 << 3 | 1 << 4);
            if replies {
                block[129 / 32] &= !(1 << (129 % 32));
            }
            set(socket.as_fd(), libc::IPPROTO_ICMPV6, ICMPV6_FILTER, block)
        }
    }
}

/// Kernel stamps on what arrives.
pub(super) fn stamp_arrivals(socket: &Socket) -> io::Result<()> {
    set(socket.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1_i32)
}

/// ICMP errors about this socket's packets, in its error queue.
pub(super) fn report_errors(socket: &Socket, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => set(socket.as_fd(), libc::IPPROTO_IP, libc::IP_RECVERR, 1_i32),
        Family::V6 => set(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1_i32),
    }
}

/// What `SO_TIMESTAMPING` shall stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamps {
    /// As the driver takes the packet.
    Software,
    /// As the packet enters the queueing discipline.
    Sched,
    /// Nothing on the way out.
    None,
}

impl Stamps {
    /// The flag by which one packet asks for it.
    pub(super) fn flag(self) -> u32 {
        match self {
            Stamps::Software => libc::SOF_TIMESTAMPING_TX_SOFTWARE,
            Stamps::Sched => libc::SOF_TIMESTAMPING_TX_SCHED,
            Stamps::None => 0,
        }
    }
}

/// Numbers that stamps bear, and nothing of the packet with them.
const NUMBERED: u32 = libc::SOF_TIMESTAMPING_OPT_ID | libc::SOF_TIMESTAMPING_OPT_TSONLY;

/// Chooses the stamps on the way out and numbers packets from 0 on; `arrivals` adds those on the way in.
pub(super) fn stamp_departures(
    socket: BorrowedFd<'_>,
    stamps: Stamps,
    arrivals: bool,
) -> io::Result<()> {
    // Clearing first is what sets the numbers back to 0.
    set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, 0_u32)?;
    let numbered = if stamps == Stamps::None { 0 } else { NUMBERED };
    set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, stamp_flags(stamps, arrivals) | numbered)
}

/// Chooses the stamps of packets that do not ask for one themselves; the numbers go on.
pub(super) fn restamp_departures(
    socket: BorrowedFd<'_>,
    stamps: Stamps,
    arrivals: bool,
) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, stamp_flags(stamps, arrivals) | NUMBERED)
}

fn stamp_flags(stamps: Stamps, arrivals: bool) -> u32 {
    let incoming = if arrivals { libc::SOF_TIMESTAMPING_RX_SOFTWARE } else { 0 };
    stamps.flag() | incoming | libc::SOF_TIMESTAMPING_SOFTWARE
}

/// A send that finds the device's queue full waits at most this long.
pub(super) fn limit_send(socket: BorrowedFd<'_>, wait: std::time::Duration) -> io::Result<()> {
    socket2::SockRef::from(&socket).set_write_timeout(Some(wait))
}

/// Packets that the receive queue has dropped (`SO_MEMINFO`, `SK_MEMINFO_DROPS`).
pub(crate) fn receive_drops(socket: BorrowedFd<'_>) -> u32 {
    const SO_MEMINFO: i32 = 55;
    const DROPS: usize = 8;
    let mut figures = [0_u32; 9];
    let mut length = size_of_val(&figures) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `figures`, which is as long as that.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            figures.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if done == 0 { figures[DROPS] } else { 0 }
}
