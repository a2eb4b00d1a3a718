//! Packets on their way to the kernel, in one buffer that is used again and again.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use model::transport::{BATCH, Outgoing};

use crate::wire::Slot;

#[derive(Clone, Copy, Debug)]
struct Item {
    to: SocketAddr,
    from: Option<IpAddr>,
    start: usize,
    end: usize,
    ticket: Slot,
}

/// Up to [`BATCH`] packets.
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

impl Batch {
    /// An empty batch with room for packets of the usual size.
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(BATCH * 64), items: Vec::with_capacity(BATCH) }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.items.len() == BATCH
    }

    /// Adds a packet of `length` bytes and hands it out to be written.
    pub(crate) fn push(
        &mut self,
        to: SocketAddr,
        from: Option<IpAddr>,
        ticket: Slot,
        length: usize,
    ) -> &mut [u8] {
        let start = self.bytes.len();
        self.bytes.resize(start + length, 0);
        self.items.push(Item { to, from, start, end: start + length, ticket });
        &mut self.bytes[start..]
    }

    /// Hands the packets to `send`, on the stack.
    pub(crate) fn with<R>(&self, send: impl FnOnce(&[Outgoing<'_>]) -> R) -> R {
        const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let mut packets = [Outgoing { to: NOWHERE, from: None, bytes: &[], ticket: 0 }; BATCH];
        for (packet, item) in packets.iter_mut().zip(&self.items) {
            let bytes = &self.bytes[item.start..item.end];
            *packet = Outgoing { to: item.to, from: item.from, bytes, ticket: item.ticket };
        }
        send(&packets[..self.items.len()])
    }
}
