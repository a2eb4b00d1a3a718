//! Receives packets in batches with the kernel's stamps of their arrival. It reads the IP header where
//! there is one and nothing else: what a packet says is for `wire` to tell.
#![expect(unsafe_code, reason = "recvmmsg")]

use std::io;
use std::mem::zeroed;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use model::transport::{Arrival, Inlet, Layer, SNAP};
use model::{Clock, Family, StampSource, UnixNs};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::wire;

/// Packets in one call.
const BATCH: usize = 128;
/// Bytes for one packet, its IPv4 header included.
const ROOM: usize = SNAP + 60;
/// What is left to gather for a moment is a stream: the kernel has stamped it already, and fifty packets in
/// one call cost little more than one. So many milliseconds where the socket has room for what comes in
/// them at full speed, ...
const GATHER: u16 = 10;
/// ... and so many where it has less.
const GATHER_LITTLE: u16 = 1;
/// Room for all that can come in [`GATHER`], in bytes.
const ROOMY: u64 = 8 << 20;

/// A socket to receive from.
pub(super) struct Source {
    socket: Arc<OwnedFd>,
    family: Family,
    layer: Layer,
    /// Whether packets come with their IPv4 header.
    header: bool,
}

impl Source {
    /// A raw socket.
    pub(super) fn new(socket: OwnedFd, family: Family, layer: Layer) -> Self {
        Self { socket: Arc::new(socket), family, layer, header: family == Family::V4 }
    }

    /// A ping socket, whose sending half has it too.
    pub(super) fn shared(socket: Arc<OwnedFd>, family: Family) -> Self {
        Self { socket, family, layer: Layer::Icmp, header: false }
    }

    pub(super) fn fd(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.socket)
    }
}

type Control = [u64; 16];

pub(super) struct KernelInlet {
    sources: Vec<Source>,
    clock: Arc<dyn Clock>,
    buffers: Vec<[u8; ROOM]>,
    controls: Vec<Control>,
    names: Vec<libc::sockaddr_in6>,
    /// How long a stream gathers, in milliseconds.
    gather: u16,
    /// Monotonic time of the last call's end, in nanoseconds.
    last: u64,
}

impl KernelInlet {
    /// Sources with receive buffers of so many bytes.
    pub(super) fn new(sources: Vec<Source>, buffer: u64, clock: &Arc<dyn Clock>) -> Self {
        // SAFETY: all-zero bytes are a valid `sockaddr_in6`.
        let name: libc::sockaddr_in6 = unsafe { zeroed() };
        Self {
            sources,
            clock: Arc::clone(clock),
            buffers: vec![[0; ROOM]; BATCH],
            controls: vec![[0; 16]; BATCH],
            names: vec![name; BATCH],
            gather: if buffer >= ROOMY { GATHER } else { GATHER_LITTLE },
            last: 0,
        }
    }

    fn mono(&self) -> u64 {
        self.clock.monotonic().as_nanos() as u64
    }

    /// Takes what is there in one source without waiting; how many that were.
    fn take_from(&mut self, index: usize, take: &mut dyn FnMut(Arrival<'_>)) -> io::Result<usize> {
        let source = &self.sources[index];
        // SAFETY: all-zero bytes are valid for both; pointers are set below.
        let (mut headers, mut pieces): ([libc::mmsghdr; BATCH], [libc::iovec; BATCH]) =
            unsafe { (zeroed(), zeroed()) };
        for at in 0..BATCH {
            pieces[at].iov_base = self.buffers[at].as_mut_ptr().cast();
            pieces[at].iov_len = ROOM;
            let header = &mut headers[at].msg_hdr;
            header.msg_iov = &raw mut pieces[at];
            header.msg_iovlen = 1;
            header.msg_control = self.controls[at].as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>() as _;
            // An IPv4 header has the sender's address; to write it once more costs a hundredth of a probe.
            if !source.header {
                header.msg_name = (&raw mut self.names[at]).cast();
                header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            }
        }
        // SAFETY: every header points at buffers of the lengths it names, which outlive the call.
        let count = unsafe {
            libc::recvmmsg(
                source.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::EBADF | libc::ENOTSOCK | libc::EFAULT) => Err(error),
                // An ICMP error left on a ping socket, or nothing there.
                _ => Ok(0),
            };
        };
        for (at, header) in headers[..count].iter().enumerate() {
            let length = (header.msg_len as usize).min(ROOM);
            let bytes = &self.buffers[at][..length];
            let stamp = stamp_of(&header.msg_hdr);
            let from = if source.header {
                let ip = wire::ipv4_source(bytes).unwrap_or(Ipv4Addr::UNSPECIFIED);
                SocketAddrV4::new(ip, 0).into()
            } else {
                address_of(&self.names[at], source.family)
            };
            let (at, source_of_time) = match stamp {
                Some(at) => (at, StampSource::Kernel),
                None => (self.clock.now(), StampSource::User),
            };
            let bytes = if source.header { wire::after_ipv4_header(bytes) } else { Some(bytes) };
            take(Arrival {
                from,
                layer: source.layer,
                // A header that lies leaves nothing, which the parser calls malformed.
                bytes: bytes.map_or(&[][..], |bytes| &bytes[..bytes.len().min(SNAP)]),
                at,
                source: source_of_time,
            });
        }
        Ok(count)
    }

    /// Waits until one of the sources has something.
    fn wait(&self, wait: Duration) -> io::Result<()> {
        let fds =
            self.sources.iter().map(|source| PollFd::new(source.socket.as_fd(), PollFlags::POLLIN));
        let mut fds: Vec<_> = fds.collect();
        let millis = u16::try_from(wait.as_millis()).unwrap_or(u16::MAX);
        match poll(&mut fds, PollTimeout::from(millis)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Inlet for KernelInlet {
    fn receive(&mut self, wait: Duration, take: &mut dyn FnMut(Arrival<'_>)) -> io::Result<bool> {
        // Calls that would follow each other faster than it takes to gather are a stream.
        if self.mono().saturating_sub(self.last) < u64::from(self.gather) * 1_000_000 {
            let _slept = poll(&mut [], PollTimeout::from(self.gather));
        } else {
            self.wait(wait)?;
        }
        let mut empty = true;
        let mut any = false;
        for index in 0..self.sources.len() {
            let count = self.take_from(index, take)?;
            empty &= count < BATCH;
            any |= count > 0;
        }
        // Nothing is no stream; and what fills a batch has gathered enough, there may be more of it.
        self.last = if any && empty { self.mono() } else { 0 };
        Ok(empty)
    }
}

/// The kernel's stamp among the control messages.
fn stamp_of(header: &libc::msghdr) -> Option<UnixNs> {
    // SAFETY: `header` is as the kernel left it; the macros stay within its control block, and the stamp
    // is read unaligned from where the kernel wrote one.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while !control.is_null() {
            let kind = (*control).cmsg_type;
            if (*control).cmsg_level == libc::SOL_SOCKET
                && (kind == libc::SCM_TIMESTAMPNS || kind == libc::SCM_TIMESTAMPING)
            {
                let stamp = libc::CMSG_DATA(control).cast::<libc::timespec>().read_unaligned();
                return (stamp.tv_sec != 0)
                    .then(|| UnixNs(stamp.tv_sec * 1_000_000_000 + stamp.tv_nsec));
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    None
}

/// The sender's address as the kernel wrote it.
fn address_of(name: &libc::sockaddr_in6, family: Family) -> SocketAddr {
    match family {
        Family::V4 => {
            // The address of a `sockaddr_in` lies where `sin6_flowinfo` does.
            let ip = Ipv4Addr::from(name.sin6_flowinfo.to_ne_bytes());
            SocketAddrV4::new(ip, 0).into()
        }
        Family::V6 => {
            SocketAddrV6::new(name.sin6_addr.s6_addr.into(), 0, 0, name.sin6_scope_id).into()
        }
    }
}
