//! One TCP handshake by the kernel: a socket that connects, and what the kernel says of it. It must not
//! send data, and never leaves a finished connection behind: closing resets it.
#![expect(unsafe_code, reason = "TCP_INFO has no safe wrapper")]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::time::Duration;

use model::{PacketOptions, Reason};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// `ee_origin` of an error that an ICMP message brought (linux/errqueue.h).
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMP6: u8 = 3;

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Finished. The kernel's RTT, where it could measure one.
    Connected {
        /// First sample of `tcpi_rtt`, in microseconds.
        rtt_us: Option<u32>,
    },
    /// Answered by a reset.
    Refused,
    /// Reported as undeliverable.
    Unreachable(Reason),
    /// The kernel has given up waiting.
    TimedOut,
    /// It ended for a reason of our own machine.
    Failed(Errno),
}

/// A handshake under way.
#[derive(Debug)]
pub(super) struct Handshake(Socket);

impl AsFd for Handshake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Handshake {
    /// Makes a socket of this shape, ready to connect. Packet size and DF need nothing: a SYN carries no
    /// data, and TCP forbids fragmentation by itself.
    pub(super) fn open(to: SocketAddr, packet: &PacketOptions) -> io::Result<Self> {
        let domain = Domain::for_address(to);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        // Says which router reported what, by the error queue (Linux 5.8 and later).
        match to {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?,
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?,
        }
        if packet.dscp != 0 {
            let traffic_class = u32::from(packet.dscp) << 2;
            match to {
                SocketAddr::V4(_) => socket.set_tos_v4(traffic_class)?,
                SocketAddr::V6(_) => socket.set_tclass_v6(traffic_class)?,
            }
        }
        if let Some(device) = &packet.device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        if let Some(source) = packet.source {
            // The port is chosen at connect(), where one may serve several destinations.
            setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
            socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
        }
        Ok(Self(socket))
    }

    /// Sends the SYN. `Some` if the answer, or our own kernel's refusal to send it, came at once.
    pub(super) fn connect(&self, to: SocketAddr) -> Result<Option<End>, Errno> {
        match self.0.connect(&SockAddr::from(to)) {
            Ok(()) => Ok(Some(self.connected())),
            Err(error) => match error.raw_os_error().map_or(Errno::EIO, Errno::from_raw) {
                Errno::EINPROGRESS => Ok(None),
                Errno::ECONNREFUSED => Ok(Some(self.refused())),
                errno => Err(errno),
            },
        }
    }

    /// What came of it; to be asked when the socket is writable.
    pub(super) fn end(&self) -> End {
        let error = match self.0.take_error() {
            Ok(None) => return self.connected(),
            Ok(Some(error)) | Err(error) => error,
        };
        match error.raw_os_error().map_or(Errno::EIO, Errno::from_raw) {
            Errno::ECONNREFUSED => self.refused(),
            Errno::ETIMEDOUT => End::TimedOut,
            // Accepted and reset since, before we looked: the handshake was finished all the same.
            Errno::ECONNRESET | Errno::EPIPE => self.connected(),
            // What ICMP errors become (net/ipv4/icmp.c, net/ipv6/icmp.c).
            errno @ (Errno::EHOSTUNREACH
            | Errno::ENETUNREACH
            | Errno::ENOPROTOOPT
            | Errno::EOPNOTSUPP
            | Errno::EHOSTDOWN
            | Errno::ENONET
            | Errno::EACCES
            | Errno::EPROTO) => {
                End::Unreachable(self.reported().unwrap_or(Reason::Errno(errno as i32)))
            }
            errno => End::Failed(errno),
        }
    }

    fn connected(&self) -> End {
        // A reset instead of a FIN: neither side keeps state. If it fails the port idles for a minute.
        let _best_effort = self.0.set_linger(Some(Duration::ZERO));
        End::Connected { rtt_us: self.kernel_rtt() }
    }

    /// A port is refused by a reset, or by an ICMP message that the kernel gives the same `errno`.
    fn refused(&self) -> End {
        self.reported().map_or(End::Refused, End::Unreachable)
    }

    /// RTT of the handshake, unless a SYN was sent twice: then nobody knows which one was answered.
    fn kernel_rtt(&self) -> Option<u32> {
        // SAFETY: all zeros is a valid value of this plain C struct of integers.
        let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
        let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
        // SAFETY: `info` is as long as `len` says, and the kernel writes no more than that.
        let result = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                (&raw mut info).cast(),
                &raw mut len,
            )
        };
        (result == 0 && info.tcpi_total_retrans == 0 && info.tcpi_rtt > 0).then_some(info.tcpi_rtt)
    }

    /// The ICMP error that ended it, from the error queue.
    fn reported(&self) -> Option<Reason> {
        let mut control = nix::cmsg_space!([u8; 128]);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<()>(self.0.as_raw_fd(), &mut [], Some(&mut control), flags).ok()?;
        message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4RecvErr(error, Some(from))
                if error.ee_origin == ORIGIN_ICMP =>
            {
                let from = u32::from_be(from.sin_addr.s_addr);
                Some(icmp(IpAddr::V4(from.into()), &error))
            }
            ControlMessageOwned::Ipv6RecvErr(error, Some(from))
                if error.ee_origin == ORIGIN_ICMP6 =>
            {
                Some(icmp(IpAddr::V6(from.sin6_addr.s6_addr.into()), &error))
            }
            _ => None,
        })
    }
}

fn icmp(from: IpAddr, error: &libc::sock_extended_err) -> Reason {
    Reason::Icmp { from, kind: error.ee_type, code: error.ee_code }
}

/// Allows this process as many open files as it may have, and says how many that are.
pub(super) fn raise_file_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_that_resets_at_once_has_answered() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        let handshake = Handshake::open(to, &PacketOptions::default()).unwrap();
        handshake.connect(to).unwrap();
        let accepted = Socket::from(server.accept().unwrap().0);
        accepted.set_linger(Some(Duration::ZERO)).unwrap();
        drop(accepted);
        assert!(matches!(handshake.end(), End::Connected { rtt_us: Some(1..1_000_000) }));
    }
}
