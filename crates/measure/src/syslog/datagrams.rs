//! Receives datagrams (RFC 5426) in a thread of its own, 64 a call. What the kernel drops because nobody
//! came in time is counted; nothing is parsed or looked up here.

use std::array;
use std::io::{self, IoSliceMut, PipeReader};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use crate::kernel::receive_drops;

use super::batch::Batch;
use super::framing::split_datagram;
use super::outbox::{Closed, Outbox};

/// Datagrams a call.
const BATCH: usize = 64;
/// Room for one datagram: the longest there is.
const ROOM: usize = 65_536;
/// Receive buffer to ask for; with `CAP_NET_ADMIN` it is granted beyond `net.core.rmem_max`.
pub const BUFFER: usize = 16 << 20;
/// While datagrams stream in they are gathered for so long, so that a call takes many.
const GATHER_MS: u16 = 1;
/// Lines and bytes after which a batch is handed on though more wait.
const FULL_LINES: usize = 2048;
const FULL_BYTES: usize = 512 << 10;
/// Datagrams after which drops are counted and the stop is looked for though more wait.
const MANY: usize = 16 << 10;
/// What a datagram takes of the receive buffer at least, the kernel's own part included.
const LEAST: u64 = 512;

/// A bound socket that nobody reads yet.
#[derive(Debug)]
pub(super) struct Datagrams {
    socket: Socket,
    /// Receive buffer as granted, in bytes.
    pub(super) buffer: u64,
}

impl Datagrams {
    /// Binds with a receive buffer as large as is granted.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            socket.set_recv_buffer_size(BUFFER)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let buffer = socket.recv_buffer_size()? as u64;
        Ok(Self { socket, buffer })
    }

    /// The address that was bound.
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?;
        address.as_socket().ok_or_else(|| io::Error::other("the socket has no IP address"))
    }

    /// Receives until `stop` is closed or nobody takes lines, then hands on what waits in the kernel.
    pub(super) fn run(&self, stop: &PipeReader, outbox: &Outbox) {
        let mut reader = Reader::new(outbox);
        loop {
            match reader.drain(&self.socket, MANY) {
                Ok(left) if self.wait(stop, left) => break,
                Ok(_) => {}
                Err(Closed) => return,
            }
        }
        // A sender that never pauses is not followed further than what the kernel holds now.
        drop(reader.drain(&self.socket, (self.buffer / LEAST) as usize));
    }

    /// Waits for a datagram, or a little while datagrams stream in; whether it is time to stop.
    fn wait(&self, stop: &PipeReader, found: Found) -> bool {
        let mut fds = [
            PollFd::new(stop.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
        ];
        let polled = match found {
            Found::More => poll(&mut fds[..1], PollTimeout::ZERO),
            Found::All => poll(&mut fds[..1], PollTimeout::from(GATHER_MS)),
            Found::Nothing => poll(&mut fds, PollTimeout::NONE),
        };
        polled.is_ok() && fds[0].any() == Some(true)
    }
}

/// What the kernel had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    All,
    /// As much as was to be taken; more may wait.
    More,
}

/// The buffers of the calls.
struct Reader<'a> {
    outbox: &'a Outbox,
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Vec<u8>,
    /// The kernel's count of drops when it was last seen; it wraps.
    drops: u32,
}

impl<'a> Reader<'a> {
    fn new(outbox: &'a Outbox) -> Self {
        let headers = MultiHeaders::preallocate(BATCH, None);
        Self { outbox, headers, buffers: vec![0; BATCH * ROOM], drops: 0 }
    }

    /// Takes what waits in the kernel, no more than so many datagrams and a batch, and hands it on.
    fn drain(&mut self, socket: &Socket, most: usize) -> Result<Found, Closed> {
        let mut taken = 0;
        loop {
            let mut batch = self.outbox.batch();
            let mut count = BATCH;
            while count == BATCH && batch.len() < FULL_LINES && batch.bytes().len() < FULL_BYTES {
                count = self.receive(socket, &mut batch);
                taken += count;
            }
            if !batch.is_empty() {
                self.outbox.send_blocking(batch)?;
            }
            if count < BATCH || taken >= most {
                self.count_drops(socket);
                return Ok(match (count, taken) {
                    (BATCH, _) => Found::More,
                    (_, 0) => Found::Nothing,
                    _ => Found::All,
                });
            }
        }
    }

    /// Counts what the kernel has dropped since the last time. The figure is that of `SO_RXQ_OVFL`, but it
    /// does not wait for the next datagram.
    fn count_drops(&mut self, socket: &Socket) {
        let drops = receive_drops(socket.as_fd());
        self.outbox.counts.drops.add(drops.wrapping_sub(self.drops).into());
        self.drops = drops;
    }

    /// One call; returns how many datagrams it took.
    fn receive(&mut self, socket: &Socket, batch: &mut Batch) -> usize {
        let mut rooms = self.buffers.chunks_exact_mut(ROOM);
        let mut slices: [_; BATCH] =
            array::from_fn(|_| [IoSliceMut::new(rooms.next().expect("there is room for a batch"))]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let taken = match recvmmsg(socket.as_raw_fd(), &mut self.headers, &mut slices, flags, None)
        {
            Ok(taken) => taken,
            Err(Errno::EAGAIN | Errno::EINTR) => return 0,
            Err(why) => {
                // An ICMP error that was left on the socket, or no memory: nothing to give up for.
                tracing::debug!(%why, listener = %self.outbox.listener, "cannot receive");
                self.outbox.counts.errors.add(1);
                return 0;
            }
        };
        let mut count = 0;
        for message in taken {
            count += 1;
            let peer = message.address.as_ref().and_then(address_of);
            let Some(bytes) = message.iovs().next() else { continue };
            split_datagram(bytes, |message, glued| batch.push(message, peer, glued));
        }
        count
    }
}

/// The sender's address; an IPv4 address in IPv6 clothes is an IPv4 address.
fn address_of(from: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = from.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    from.as_sockaddr_in6().map(|v6| SocketAddr::new(v6.ip().to_canonical(), v6.port()))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::Arc;

    use model::{Listener, SystemClock, Transport};
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn a_flood_without_a_pause_is_counted_and_can_be_stopped() {
        let socket = Datagrams::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let (out, mut lines) = mpsc::channel(1);
        let outbox = Outbox {
            listener: Arc::new(Listener::on(Transport::Udp, address)),
            counts: Arc::default(),
            clock: Arc::new(SystemClock),
            out,
        };
        let counts = Arc::clone(&outbox.counts);
        let (stop, signal) = io::pipe().unwrap();
        let thread = std::thread::spawn(move || socket.run(&stop, &outbox));
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut signal = Some(signal);
        // Whenever a batch is taken, more wait in the kernel than the receiver can take until the next.
        let flood = || (0..4 * FULL_LINES).for_each(|_| drop(sender.send_to(b"<13>x", address)));
        flood();
        while lines.blocking_recv().is_some() {
            flood();
            if counts.drops.get() > 0 {
                signal = None;
            }
        }
        assert!(signal.is_none() && thread.join().is_ok());
    }
}
