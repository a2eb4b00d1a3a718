//! Sends packets in batches and gathers the kernel's stamps of their departure. Stamps bear numbers that
//! the kernel counts on its own; this file keeps that count in step and doubts it after every error.
//!
//! A stamp costs the kernel and us a third of what sending costs. So in a burst, which is what full
//! batches are, only some packets ask for one, and the `ledger` tells between which two stamps the others
//! left. On a machine so busy that it interrupts us among them, all packets are stamped.
#![expect(unsafe_code, reason = "sendmmsg and recvmmsg on the error queue")]

mod ledger;

use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use model::transport::{BATCH, Departure, Outgoing, Outlet};
use model::{Clock, Family, StampSource, UnixNs};
use socket2::Socket;

use self::ledger::Ledger;
use super::option::{self, Stamps};
use crate::wire::be16;

/// In a burst one packet of so many is stamped, and the last of each batch.
const STRIDE: usize = 8;
/// After an interruption so many batches are stamped in full.
const WARY: u32 = 128;
/// Stamps that may wait to be read while packets are sent: the smallest queue holds 255.
const UNREAD: u32 = 64;
/// After so many packets without a single stamp the next lower kind is tried.
const PATIENCE: u32 = 256;
/// Longest wait for room in the device's queue.
const SEND_WAIT: Duration = Duration::from_millis(50);

pub(super) struct KernelOutlet {
    socket: Arc<OwnedFd>,
    family: Family,
    /// A ping socket: it receives too, and pending ICMP errors fail the next send.
    shared: bool,
    fragments: Fragments,
    clock: Arc<dyn Clock>,
    stamps: Stamps,
    /// Only packets that ask for it are stamped.
    sampling: bool,
    /// So many batches are to be stamped in full.
    wary: u32,
    ledger: Ledger,
    /// Packets that asked for a stamp whose stamp has not come.
    awaited: u32,
    /// Packets since the last stamp came.
    unstamped: u32,
    /// Whether this kind of stamp has ever come.
    proven: bool,
    /// Sockets that only hold their ports.
    held: Vec<Socket>,
}

/// Whether the kernel may split packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fragments {
    /// It refuses those that are too big for their path.
    Forbidden,
    /// So would it now, but there was none.
    Unneeded,
    Allowed,
}

/// Room for one control message: a source address to send from, or a stamp with its number.
type Control = [u64; 24];

#[repr(C)]
union Address {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Address {
    /// The kernel's form; ports mean nothing to raw and ping sockets.
    fn of(to: SocketAddr) -> (Self, libc::socklen_t) {
        // SAFETY: all-zero bytes are a valid value of both members.
        let mut address: Self = unsafe { zeroed() };
        let length = match to {
            SocketAddr::V4(to) => {
                let s_addr = u32::from_ne_bytes(to.ip().octets());
                address.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: 0,
                    sin_addr: libc::in_addr { s_addr },
                    sin_zero: [0; 8],
                };
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(to) => {
                address.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: 0,
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr { s6_addr: to.ip().octets() },
                    sin6_scope_id: to.scope_id(),
                };
                size_of::<libc::sockaddr_in6>()
            }
        };
        (address, length as libc::socklen_t)
    }

    fn ip(&self, family: Family) -> IpAddr {
        // SAFETY: both members are plain bytes, initialised as a whole.
        unsafe {
            match family {
                Family::V4 => Ipv4Addr::from(self.v4.sin_addr.s_addr.to_ne_bytes()).into(),
                Family::V6 => Ipv6Addr::from(self.v6.sin6_addr.s6_addr).into(),
            }
        }
    }
}

impl KernelOutlet {
    pub(super) fn new(
        socket: Arc<OwnedFd>,
        family: Family,
        shared: bool,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let mut outlet = Self {
            socket,
            family,
            shared,
            fragments: Fragments::Forbidden,
            clock: Arc::clone(clock),
            stamps: Stamps::Software,
            sampling: false,
            wary: 0,
            ledger: Ledger::new(),
            awaited: 0,
            unstamped: 0,
            proven: false,
            held: Vec::new(),
        };
        outlet.resync();
        // Without it a stuck device would hold the sender thread, with it sends fail in time.
        let _kept_blocking = option::limit_send(outlet.socket.as_fd(), SEND_WAIT);
        outlet
    }

    /// The socket that packets leave by.
    pub(super) fn socket(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.socket)
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    /// Unless it is forbidden, packets that are too big for their path are split, once there are such.
    pub(super) fn fragmenting(mut self, forbidden: bool) -> Self {
        self.fragments = if forbidden { Fragments::Forbidden } else { Fragments::Unneeded };
        self
    }

    /// Keeps these sockets open as long as this one.
    pub(super) fn holding(mut self, sockets: Vec<Socket>) -> Self {
        self.held = sockets;
        self
    }

    /// Sets the kernel's count and ours to 0 together. If stamping is refused, our own clock serves.
    fn resync(&mut self) {
        self.ledger.restart();
        self.awaited = 0;
        self.sampling = false;
        let fd = self.socket.as_fd();
        if option::stamp_departures(fd, self.stamps, self.shared).is_err() {
            self.stamps = Stamps::None;
        }
    }

    /// Has all packets stamped, or only those that ask for it. The count goes on as it was.
    fn sample(&mut self, sampling: bool) {
        if self.sampling == sampling || self.stamps == Stamps::None {
            return;
        }
        let for_all = if sampling { Stamps::None } else { self.stamps };
        if option::restamp_departures(self.socket.as_fd(), for_all, self.shared).is_ok() {
            self.sampling = sampling;
        }
    }

    /// Whether a packet of a batch is stamped: the first, the last, and some in between.
    fn is_stamped(&self, index: usize, batch: usize) -> bool {
        let chosen = !self.sampling || index.is_multiple_of(STRIDE) || index + 1 == batch;
        chosen && self.stamps != Stamps::None
    }

    /// Tries the next lower kind of stamp when this one never comes.
    fn doubt(&mut self) {
        if self.proven || self.unstamped < PATIENCE || self.stamps == Stamps::None {
            return;
        }
        self.stamps = if self.stamps == Stamps::Software { Stamps::Sched } else { Stamps::None };
        self.unstamped = 0;
        self.resync();
    }

    /// One system call; how many packets the kernel took.
    fn call(&self, packets: &[Outgoing<'_>]) -> io::Result<usize> {
        // SAFETY: all-zero bytes are valid for all four; pointers are set below where they are used.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
        let mut pieces: [MaybeUninit<libc::iovec>; BATCH] =
            [const { MaybeUninit::uninit() }; BATCH];
        let mut addresses: [MaybeUninit<Address>; BATCH] = [const { MaybeUninit::uninit() }; BATCH];
        let mut controls: [MaybeUninit<Control>; BATCH] = [const { MaybeUninit::uninit() }; BATCH];
        let count = packets.len().min(BATCH);
        for (index, packet) in packets.iter().take(count).enumerate() {
            let (address, length) = Address::of(packet.to);
            let header = &mut headers[index].msg_hdr;
            header.msg_name = std::ptr::from_mut(addresses[index].write(address)).cast();
            header.msg_namelen = length;
            header.msg_iov = pieces[index].write(libc::iovec {
                iov_base: packet.bytes.as_ptr().cast_mut().cast(),
                iov_len: packet.bytes.len(),
            });
            header.msg_iovlen = 1;
            let asks = self.sampling && self.is_stamped(index, count);
            if packet.from.is_some() || asks {
                let control = controls[index].write([0; 24]);
                header.msg_control = control.as_mut_ptr().cast();
                header.msg_controllen = size_of::<Control>() as _;
                let mut length = packet.from.map_or(0, |from| write_source(header, from));
                if asks {
                    length += write_request(control, length, self.stamps.flag());
                }
                header.msg_controllen = length as _;
            }
        }
        // SAFETY: the first `count` headers point at addresses, pieces and control blocks that outlive
        // the call; the kernel only reads what they point at.
        let sent = unsafe {
            libc::sendmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, 0)
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// The kernel took the first `taken` packets of a batch.
    fn took(
        &mut self,
        batch: &[Outgoing<'_>],
        taken: usize,
        before: UnixNs,
        after: UnixNs,
        report: &mut dyn FnMut(Departure),
    ) {
        let span = after.since(before).max(0);
        let mut parts = (1_i64..).step_by(2);
        let whole = 2 * i64::try_from(taken).unwrap_or(i64::MAX / 2).max(1);
        for (index, (packet, part)) in batch[..taken].iter().zip(&mut parts).enumerate() {
            let stamped = self.is_stamped(index, batch.len());
            self.ledger.sent(packet.ticket, stamped);
            self.awaited += u32::from(stamped);
            self.unstamped = self.unstamped.saturating_add(u32::from(stamped));
            let about = UnixNs(before.0 + span * part / whole);
            report(Departure::Sent { ticket: packet.ticket, before, about });
        }
    }

    /// One message from the error queue: a stamp, or an ICMP error on a ping socket.
    fn read(
        &mut self,
        header: &libc::msghdr,
        name: &Address,
        payload: &[u8],
        report: &mut dyn FnMut(Departure),
    ) {
        let (mut at, mut error) = (None, None);
        let mut offender = None;
        // SAFETY: `header` is as the kernel left it; the macros stay within its control block, and what
        // they point at is read unaligned and no further than its type, which the kernel filled in.
        unsafe {
            let mut control = libc::CMSG_FIRSTHDR(header);
            while !control.is_null() {
                let data = libc::CMSG_DATA(control);
                match ((*control).cmsg_level, (*control).cmsg_type) {
                    (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => {
                        let stamp: libc::timespec = data.cast::<libc::timespec>().read_unaligned();
                        at = Some(UnixNs(stamp.tv_sec * 1_000_000_000 + stamp.tv_nsec));
                    }
                    (libc::IPPROTO_IP, libc::IP_RECVERR)
                    | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                        let after = data.add(size_of::<libc::sock_extended_err>());
                        error = Some(data.cast::<libc::sock_extended_err>().read_unaligned());
                        offender = Some(after.cast::<Address>().read_unaligned());
                    }
                    _ => {}
                }
                control = libc::CMSG_NXTHDR(header, control);
            }
        }
        let Some(error) = error else { return };
        match (error.ee_origin, at) {
            (libc::SO_EE_ORIGIN_TIMESTAMPING, Some(at)) => self.stamped(error.ee_data, at, report),
            (libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6, _) => {
                let (Some(offender), Some(sequence)) = (offender, be16(payload, 6)) else { return };
                report(Departure::Failed {
                    to: name.ip(self.family),
                    sequence,
                    from: offender.ip(self.family),
                    kind: error.ee_type,
                    code: error.ee_code,
                });
            }
            _ => {}
        }
    }

    fn stamped(&mut self, number: u32, at: UnixNs, report: &mut dyn FnMut(Departure)) {
        self.unstamped = 0;
        self.proven = true;
        self.awaited = self.awaited.saturating_sub(1);
        let exact = match self.stamps {
            Stamps::Sched => StampSource::Sched,
            _ => StampSource::Kernel,
        };
        let steady = self.ledger.stamped(number, at, STRIDE, &mut |ticket, at, own| {
            // An estimate is no better than the stamps that it rests on.
            let source = if own { exact } else { exact.max(StampSource::Between) };
            report(Departure::Stamped { ticket, at, source });
        });
        if !steady {
            self.wary = WARY;
        }
    }
}

impl Outlet for KernelOutlet {
    fn send(
        &mut self,
        packets: &[Outgoing<'_>],
        report: &mut dyn FnMut(Departure),
    ) -> io::Result<()> {
        let mut rest = packets;
        let mut again = self.shared;
        while let Some(first) = rest.first() {
            self.sample(rest.len() == BATCH && self.wary == 0);
            self.wary = self.wary.saturating_sub(1);
            let before = self.clock.now();
            let result = self.call(rest);
            let after = self.clock.now();
            let taken = *result.as_ref().unwrap_or(&0);
            self.took(rest, taken, before, after, report);
            rest = &rest[taken..];
            if rest.is_empty() {
                break;
            }
            // The next packet was refused, which may or may not have used up a number.
            self.stamps(report)?;
            self.resync();
            let Err(error) = result else { continue };
            let errno = error.raw_os_error().unwrap_or(0);
            // A socket bound to a device that went away stays dead, even if one of that name comes back.
            if matches!(errno, libc::EBADF | libc::ENOTSOCK | libc::EFAULT | libc::ENODEV) {
                return Err(error);
            }
            if errno == libc::EMSGSIZE && self.fragments == Fragments::Unneeded {
                self.fragments = Fragments::Allowed;
                option::allow_fragments(self.socket.as_fd(), self.family)?;
                continue;
            }
            if errno == libc::EINTR || (again && is_pending(errno)) {
                // On a ping socket this may be the error of an earlier packet: once more, then believe.
                again = false;
                continue;
            }
            again = self.shared;
            report(Departure::Refused { ticket: first.ticket, errno });
            rest = &rest[1..];
        }
        self.doubt();
        if self.awaited >= UNREAD { self.stamps(report) } else { Ok(()) }
    }

    fn stamps(&mut self, report: &mut dyn FnMut(Departure)) -> io::Result<()> {
        const ROOM: usize = 64;
        if !self.shared && self.awaited == 0 {
            return Ok(());
        }
        loop {
            let mut controls = [[0_u64; 24]; ROOM];
            let mut payloads = [[0_u8; 16]; ROOM];
            // SAFETY: all-zero bytes are valid for these; pointers are set below.
            let (mut headers, mut names, mut pieces): (
                [libc::mmsghdr; ROOM],
                [Address; ROOM],
                [libc::iovec; ROOM],
            ) = unsafe { (zeroed(), zeroed(), zeroed()) };
            for index in 0..ROOM {
                let header = &mut headers[index].msg_hdr;
                header.msg_control = controls[index].as_mut_ptr().cast();
                header.msg_controllen = size_of::<Control>() as _;
                if self.shared {
                    pieces[index].iov_base = payloads[index].as_mut_ptr().cast();
                    pieces[index].iov_len = payloads[index].len();
                    header.msg_name = (&raw mut names[index]).cast();
                    header.msg_namelen = size_of::<Address>() as libc::socklen_t;
                    header.msg_iov = &raw mut pieces[index];
                    header.msg_iovlen = 1;
                }
            }
            // SAFETY: every header points at buffers of the lengths it names, which outlive the call.
            let count = unsafe {
                libc::recvmmsg(
                    self.socket.as_raw_fd(),
                    headers.as_mut_ptr(),
                    ROOM as u32,
                    (libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) as _,
                    std::ptr::null_mut(),
                )
            };
            let Ok(count) = usize::try_from(count) else {
                let error = io::Error::last_os_error();
                return match error.raw_os_error() {
                    Some(libc::EBADF | libc::ENOTSOCK) => Err(error),
                    _ => Ok(()),
                };
            };
            for (index, header) in headers[..count].iter().enumerate() {
                let length = (header.msg_len as usize).min(payloads[index].len());
                self.read(&header.msg_hdr, &names[index], &payloads[index][..length], report);
            }
            if count < ROOM {
                return Ok(());
            }
        }
    }
}

/// Errors that ICMP leaves on a socket for the next caller to find.
fn is_pending(errno: i32) -> bool {
    matches!(
        errno,
        libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::ECONNREFUSED
            | libc::EHOSTDOWN
            | libc::ENOPROTOOPT
            | libc::EPROTO
            | libc::EOPNOTSUPP
            | libc::EMSGSIZE
            | libc::EACCES
    )
}

/// Writes the source address into the control block of a message; its length.
fn write_source(header: &libc::msghdr, from: IpAddr) -> usize {
    // SAFETY: the control block is zeroed, aligned for `cmsghdr` and longer than either message; the
    // macros compute places inside it.
    unsafe {
        let control = libc::CMSG_FIRSTHDR(header);
        let data = libc::CMSG_DATA(control);
        match from {
            IpAddr::V4(from) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(from.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                (*control).cmsg_level = libc::IPPROTO_IP;
                (*control).cmsg_type = libc::IP_PKTINFO;
                (*control).cmsg_len = libc::CMSG_LEN(size_of_val(&info) as u32) as _;
                data.cast::<libc::in_pktinfo>().write_unaligned(info);
                libc::CMSG_SPACE(size_of_val(&info) as u32) as usize
            }
            IpAddr::V6(from) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: from.octets() },
                    ipi6_ifindex: 0,
                };
                (*control).cmsg_level = libc::IPPROTO_IPV6;
                (*control).cmsg_type = libc::IPV6_PKTINFO;
                (*control).cmsg_len = libc::CMSG_LEN(size_of_val(&info) as u32) as _;
                data.cast::<libc::in6_pktinfo>().write_unaligned(info);
                libc::CMSG_SPACE(size_of_val(&info) as u32) as usize
            }
        }
    }
}

/// Writes the wish for a stamp behind the first `at` bytes of a control block; its length.
fn write_request(control: &mut Control, at: usize, flag: u32) -> usize {
    // SAFETY: the macro only computes a length.
    let (length, space) = unsafe { (libc::CMSG_LEN(4) as usize, libc::CMSG_SPACE(4) as usize) };
    // SAFETY: it is plain numbers, of which musl's has some for padding.
    let mut head: libc::cmsghdr = unsafe { zeroed() };
    head.cmsg_len = length as _;
    head.cmsg_level = libc::SOL_SOCKET;
    head.cmsg_type = libc::SO_TIMESTAMPING;
    assert!(at + space <= size_of::<Control>(), "two small messages fit into a control block");
    // SAFETY: header and flag lie within the block, as was just asserted, and are written unaligned.
    unsafe {
        let place = control.as_mut_ptr().cast::<u8>().add(at);
        place.cast::<libc::cmsghdr>().write_unaligned(head);
        place.add(length - size_of::<u32>()).cast::<u32>().write_unaligned(flag);
    }
    space
}
