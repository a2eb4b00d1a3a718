//! Asks DNS servers whether they are there: one question for the root's name servers (RFC 1035), which
//! every resolver can answer and which says nothing of the user.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use measure::discover::{self, Files, Role};
use model::{Clock, SystemClock};

use super::facts::Resolver;

/// How long to wait for a server.
const PATIENCE: Duration = Duration::from_secs(2);
const DNS: u16 = 53;

/// Asks the configured servers. Takes as long as the slowest of them, two seconds at most.
pub(super) fn ask() -> Vec<Resolver> {
    let found = discover::discover(&Files::default()).found;
    let servers = found.into_iter().filter(|found| found.role == Role::Resolver);
    ask_all(servers.map(|server| server.host).collect())
}

/// Asks all of them at once.
fn ask_all(hosts: Vec<String>) -> Vec<Resolver> {
    thread::scope(|scope| {
        let asked: Vec<_> = hosts
            .into_iter()
            .map(|host| {
                let server = host.clone();
                (host, scope.spawn(move || ask_one(&server)))
            })
            .collect();
        asked
            .into_iter()
            .map(|(host, answer)| {
                let answer = answer.join().unwrap_or_else(|_| Err("asking failed".to_owned()));
                Resolver { host, answer }
            })
            .collect()
    })
}

fn ask_one(host: &str) -> Result<Duration, String> {
    // A server with a zone (`fe80::1%eth0`) needs the system's own parser.
    let server = match host.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, DNS),
        Err(_) => std::net::ToSocketAddrs::to_socket_addrs(&(host, DNS))
            .ok()
            .and_then(|mut all| all.next())
            .ok_or("its address cannot be read")?,
    };
    exchange(server).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in 2 s".to_owned(),
        _ => error.to_string(),
    })
}

/// The time from the question to an answer with its number.
fn exchange(server: SocketAddr) -> io::Result<Duration> {
    let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(server)?;
    let start = SystemClock.monotonic();
    let number = number();
    socket.send(&question(number))?;
    let mut answer = [0; 512];
    loop {
        let spent = SystemClock.monotonic().saturating_sub(start);
        let left = PATIENCE.checked_sub(spent).filter(|left| !left.is_zero());
        socket.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
        let length = socket.recv(&mut answer)?;
        if is_answer(&answer[..length], number) {
            return Ok(SystemClock.monotonic().saturating_sub(start));
        }
    }
}

/// A number that is hard to guess from outside in the time it is good for.
fn number() -> [u8; 2] {
    let [.., high, low] = SystemClock.now().0.to_be_bytes();
    [high, low]
}

/// `NS` of the root: number, recursion desired, one question; the root's name is a zero byte.
fn question([high, low]: [u8; 2]) -> [u8; 17] {
    [high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1]
}

/// Whether it is a response to this number; a refusal is an answer of somebody who is there.
fn is_answer(packet: &[u8], number: [u8; 2]) -> bool {
    packet.len() >= 12 && packet[..2] == number && packet[2] & 0x80 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_answers_is_timed_and_other_packets_are_passed_over() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = server.local_addr().expect("bound");
        let answering = thread::spawn(move || {
            let mut packet = [0; 64];
            let (length, from) = server.recv_from(&mut packet).expect("a question");
            server.send_to(b"noise", from).expect("sent");
            packet[2] |= 0x80;
            server.send_to(&packet[..length], from).expect("sent");
        });
        assert!(exchange(address).is_ok());
        answering.join().expect("the server is fine");
    }

    #[test]
    fn a_server_that_is_not_there_is_said_to_be_so() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("bound");
        drop(socket);
        assert!(exchange(address).is_err());
    }

    #[test]
    fn only_responses_with_our_number_are_answers() {
        let mut packet = question([1, 2]);
        assert!(!is_answer(&packet, [1, 2]));
        packet[2] |= 0x80;
        assert!(is_answer(&packet, [1, 2]));
        assert!(!is_answer(&packet, [1, 3]) && !is_answer(&packet[..11], [1, 2]));
    }
}
