//! Finds the TCP port at which a host can be asked in place of an echo, where ICMP may not be sent: one of
//! 53, 80 and 443 that accepts, else one that refuses, which is an answer too. It tries each host once
//! and then leaves it to the prober.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use model::{Clock, PacketOptions, TargetId};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Socket, Type};

/// Ports that hosts answer at most often, gateways and resolvers first.
const PORTS: [u16; 3] = [53, 80, 443];
/// Asked when none answered: the port that firewalls let through most often.
const LAST_RESORT: u16 = 443;
/// Hosts tried together.
const TOGETHER: usize = 64;
/// How long a host has to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A host to be tried.
#[derive(Debug)]
struct Request {
    id: TargetId,
    to: SocketAddr,
    packet: Arc<PacketOptions>,
}

/// The port for a target, with the address that it was found at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) id: TargetId,
    pub(crate) to: SocketAddr,
}

/// Handle of the scouting thread, which starts with the first request and ends with the handle.
#[derive(Debug)]
pub(super) struct Scout {
    clock: Arc<dyn Clock>,
    found: Sender<Found>,
    requests: Option<Sender<Request>>,
}

impl Scout {
    /// A scout that answers to the receiver.
    pub(super) fn new(clock: Arc<dyn Clock>) -> (Self, Receiver<Found>) {
        let (found, receiver) = channel();
        (Self { clock, found, requests: None }, receiver)
    }

    /// Has a host tried. Every request is answered, by [`LAST_RESORT`] if there is nothing better.
    pub(super) fn ask(&mut self, id: TargetId, to: SocketAddr, packet: Arc<PacketOptions>) {
        if self.requests.is_none() {
            let (requests, inbox) = channel();
            let (clock, found) = (Arc::clone(&self.clock), self.found.clone());
            let work = move || run(&inbox, &found, &*clock);
            if thread::Builder::new().name("scout".into()).spawn(work).is_ok() {
                self.requests = Some(requests);
            }
        }
        let request = Request { id, to, packet };
        let sent = match &self.requests {
            Some(requests) => requests.send(request).map_err(|back| back.0),
            None => Err(request),
        };
        if let Err(request) = sent {
            // Without a thread the last resort is all there is; if nobody listens, nobody cares.
            let _gone = self.found.send(request.at(LAST_RESORT));
        }
    }
}

impl Request {
    fn at(&self, port: u16) -> Found {
        let mut to = self.to;
        to.set_port(port);
        Found { id: self.id, to }
    }
}

fn run(inbox: &Receiver<Request>, found: &Sender<Found>, clock: &dyn Clock) {
    while let Ok(first) = inbox.recv() {
        let mut batch = vec![first];
        batch.extend(inbox.try_iter().take(TOGETHER - 1));
        for (request, port) in batch.iter().zip(try_all(&batch, clock)) {
            if found.send(request.at(port)).is_err() {
                return;
            }
        }
    }
}

/// A handshake under way.
struct Attempt {
    host: usize,
    port: u16,
    socket: Socket,
}

/// The best port of each host.
fn try_all(batch: &[Request], clock: &dyn Clock) -> Vec<u16> {
    let mut accepted: Vec<Option<u16>> = vec![None; batch.len()];
    let mut refused = accepted.clone();
    let mut attempts = Vec::new();
    for (host, request) in batch.iter().enumerate() {
        for port in PORTS {
            match begin(request, port) {
                Ok(socket) => attempts.push(Attempt { host, port, socket }),
                Err(error) if is_refusal(&error) => refused[host] = refused[host].or(Some(port)),
                // No route, no sockets left: the prober will say so.
                Err(_) => {}
            }
        }
    }
    let deadline = clock.monotonic() + PATIENCE;
    while !attempts.is_empty() {
        let left = deadline.saturating_sub(clock.monotonic());
        if left.is_zero() || !wait(&attempts, left) {
            break;
        }
        attempts.retain(|attempt| match attempt.socket.take_error() {
            _ if accepted[attempt.host].is_some() => false,
            Ok(None) if attempt.socket.peer_addr().is_ok() => {
                accepted[attempt.host] = Some(attempt.port);
                false
            }
            Ok(None) => true,
            Ok(Some(error)) if is_refusal(&error) => {
                refused[attempt.host] = refused[attempt.host].or(Some(attempt.port));
                false
            }
            _ => false,
        });
    }
    let best = |(accepted, refused): (Option<u16>, Option<u16>)| accepted.or(refused);
    accepted.into_iter().zip(refused).map(|both| best(both).unwrap_or(LAST_RESORT)).collect()
}

fn begin(request: &Request, port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(request.to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // What is accepted is reset at once, and leaves no connection behind.
    socket.set_linger(Some(Duration::ZERO))?;
    if let Some(device) = &request.packet.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(source) = request.packet.source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    match socket.connect(&request.at(port).to.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(error),
        _ => Ok(socket),
    }
}

fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

/// Waits until something happened to one of them; `false` if that cannot be waited for.
fn wait(attempts: &[Attempt], left: Duration) -> bool {
    let sockets = attempts.iter().map(|attempt| attempt.socket.as_fd());
    let mut fds: Vec<_> = sockets.map(|fd| PollFd::new(fd, PollFlags::POLLOUT)).collect();
    let millis = u16::try_from(left.as_millis().max(1)).unwrap_or(u16::MAX);
    matches!(poll(&mut fds, PollTimeout::from(millis)), Ok(_) | Err(Errno::EINTR))
}

#[cfg(test)]
mod tests {
    use model::SystemClock;

    use super::*;

    fn request(to: &str) -> Request {
        let to = SocketAddr::new(to.parse().expect("an address"), 0);
        Request { id: TargetId(1), to, packet: Arc::default() }
    }

    #[test]
    fn an_open_port_is_taken_before_a_closed_one_and_a_closed_one_before_none() {
        let namespace = lab::Namespace::create().expect("CAP_SYS_ADMIN");
        namespace.run("ip", ["link", "set", "lo", "up"]).expect("CAP_NET_ADMIN");
        let ports = namespace.enter(|| {
            let open = std::net::TcpListener::bind("127.0.0.2:443").expect("a free port");
            let batch = [request("127.0.0.2"), request("127.0.0.3"), request("192.0.2.1")];
            let ports = try_all(&batch, &SystemClock);
            drop(open);
            ports
        });
        assert_eq!(ports.expect("entered"), [443, 53, LAST_RESORT]);
    }
}
