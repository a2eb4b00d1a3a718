//! What the kernel dropped on its own account: answers for which the receive queue had no room, and
//! requests for which the neighbour table had none. Read while other threads send and receive.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use model::Clock;
use model::transport::{Figures, Gauge, STALE};
use socket2::{Domain, Protocol, Socket, Type};

use super::option;
use crate::wire::netlink;

pub(super) struct KernelGauge {
    sockets: Vec<Arc<OwnedFd>>,
    /// Last readings of the 32-bit drop counters, and their sum without wraps.
    seen: Vec<u32>,
    drops: u64,
    netlink: Option<Socket>,
    /// How often the neighbour tables were full, since the machine started and when we opened.
    neighbours: u64,
    neighbours_before: u64,
    /// When they were asked for, in nanoseconds of the monotonic clock.
    asked: u64,
    clock: Arc<dyn Clock>,
}

impl KernelGauge {
    pub(super) fn new(sockets: Vec<Arc<OwnedFd>>, clock: &Arc<dyn Clock>) -> Self {
        let seen = sockets.iter().map(|socket| option::receive_drops(socket.as_fd())).collect();
        let netlink = open_netlink();
        let mut gauge = Self {
            sockets,
            seen,
            drops: 0,
            netlink,
            neighbours: 0,
            neighbours_before: 0,
            asked: 0,
            clock: Arc::clone(clock),
        };
        gauge.neighbours = gauge.ask_neighbours();
        gauge.neighbours_before = gauge.neighbours;
        gauge
    }

    /// How often the tables were full, or what was known before if the kernel does not say.
    fn ask_neighbours(&mut self) -> u64 {
        let Some(netlink) = &mut self.netlink else { return self.neighbours };
        let full = table_fulls(netlink);
        if full.is_none() {
            self.netlink = None;
        }
        full.unwrap_or(self.neighbours)
    }
}

impl Gauge for KernelGauge {
    fn read(&mut self) -> Figures {
        for (socket, seen) in self.sockets.iter().zip(&mut self.seen) {
            let drops = option::receive_drops(socket.as_fd());
            self.drops += u64::from(drops.wrapping_sub(*seen));
            *seen = drops;
        }
        let now = self.clock.monotonic().as_nanos() as u64;
        if now.saturating_sub(self.asked) >= STALE.as_nanos() as u64 {
            self.asked = now;
            self.neighbours = self.ask_neighbours();
        }
        let neighbour_drops = self.neighbours.saturating_sub(self.neighbours_before);
        Figures { receive_drops: self.drops, neighbour_drops }
    }
}

fn open_netlink() -> Option<Socket> {
    const NETLINK_ROUTE: i32 = 0;
    let socket =
        Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(NETLINK_ROUTE)));
    let socket = socket.ok()?;
    socket.set_read_timeout(Some(std::time::Duration::from_millis(100))).ok()?;
    Some(socket)
}

/// `ndts_table_fulls` of all neighbour tables (`RTM_GETNEIGHTBL`, rtnetlink(7)). The figures in `/proc`
/// are there in the first network namespace alone.
fn table_fulls(netlink: &mut Socket) -> Option<u64> {
    const RTM_GETNEIGHTBL: u16 = 66;
    /// `NLM_F_REQUEST | NLM_F_DUMP`.
    const REQUEST_DUMP: u16 = 0x301;
    let mut request = Vec::with_capacity(20);
    request.extend(20_u32.to_ne_bytes());
    request.extend(RTM_GETNEIGHTBL.to_ne_bytes());
    request.extend(REQUEST_DUMP.to_ne_bytes());
    request.extend([0; 12]);
    netlink.write_all(&request).ok()?;
    let mut buffer = vec![0; 16 << 10];
    let mut total = None;
    loop {
        let length = netlink.read(&mut buffer).ok()?;
        let (sum, done) = netlink::table_fulls(&buffer[..length]);
        total = Some(sum.saturating_add(total.unwrap_or(0)));
        if done || length == 0 {
            return total;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers_with_its_tables() {
        let mut netlink = open_netlink().expect("netlink needs no privilege");
        assert!(table_fulls(&mut netlink).is_some());
        assert!(table_fulls(&mut netlink).is_some(), "and once more on the same socket");
    }
}
