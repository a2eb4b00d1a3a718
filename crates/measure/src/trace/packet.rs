//! The probes of a trace: all of one flow. Builds bytes; sends nothing.

use std::net::{IpAddr, SocketAddr};

use model::Family;

use crate::wire::{Cookie, Slot, checksum, icmp, tcp};

/// Kind of the probes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// ICMP echo with so many bytes of payload.
    Echo { family: Family, payload: u16 },
    /// TCP SYN from this address.
    Syn { from: IpAddr },
}

/// A flow, and room for one packet of it.
#[derive(Debug)]
pub(super) struct Flow {
    cookie: Cookie,
    to: SocketAddr,
    shape: Shape,
    /// What the 16-bit words of an echo add up to, whatever its sequence number.
    sum: u16,
    bytes: Vec<u8>,
}

/// Where the two bytes are that keep the checksum of an echo constant: behind the cookie.
const BALANCE: usize = icmp::HEADER + icmp::COOKIE;

impl Flow {
    pub(super) fn new(cookie: Cookie, to: SocketAddr, shape: Shape) -> Self {
        let length = match shape {
            Shape::Echo { payload, .. } => (icmp::HEADER + usize::from(payload)).max(BALANCE + 2),
            Shape::Syn { .. } => tcp::SYN,
        };
        // Neither 0 nor 0xffff, which the checksum cannot tell apart.
        let sum = fastrand::u16(1..0xffff);
        Self { cookie, to, shape, sum, bytes: vec![0; length] }
    }

    pub(super) fn cookie(&self) -> &Cookie {
        &self.cookie
    }

    pub(super) fn to(&self) -> SocketAddr {
        self.to
    }

    /// The packet of this slot, which must be below 65,536 so that its sequence number names it.
    pub(super) fn packet(&mut self, slot: Slot) -> &[u8] {
        match self.shape {
            Shape::Echo { family, .. } => {
                icmp::build(&mut self.bytes, family, &self.cookie, slot, 0);
                self.balance(family);
            }
            Shape::Syn { from } => {
                let bytes = self.bytes.as_mut_slice().try_into();
                let bytes = bytes.expect("the length was chosen in `new`");
                tcp::build(bytes, &self.cookie, slot, from, self.to);
            }
        }
        &self.bytes
    }

    /// Makes the words add up to the same for every slot. Then the checksum is the same too: the one we
    /// write, and the one that the kernel writes for `ICMPv6` and for ping sockets, which adds constants.
    fn balance(&mut self, family: Family) {
        self.bytes[2..4].fill(0);
        self.bytes[BALANCE..BALANCE + 2].fill(0);
        let present = !checksum(&self.bytes, 0);
        let missing = ones_complement_sum(self.sum, !present);
        self.bytes[BALANCE..BALANCE + 2].copy_from_slice(&missing.to_be_bytes());
        if family == Family::V4 {
            self.bytes[2..4].copy_from_slice(&(!self.sum).to_be_bytes());
        }
    }
}

/// Adds as the internet checksum does (RFC 1071): a carry comes back at the other end.
fn ones_complement_sum(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Message;

    #[test]
    fn all_echoes_of_a_flow_bear_the_same_right_checksum_and_are_told_apart() {
        let to = "192.0.2.1:0".parse().expect("an address");
        for payload in [0, 56, 57, 1400] {
            let cookie = Cookie::new(Some(0x1234), 0..0);
            let shape = Shape::Echo { family: Family::V4, payload };
            let mut flow = Flow::new(cookie.clone(), to, shape);
            let first = flow.packet(0).to_vec();
            for slot in 0..1_000 {
                let mut packet = flow.packet(slot).to_vec();
                assert_eq!(packet[..6], first[..6], "type, code, checksum and identifier");
                assert_eq!(checksum(&packet, 0), 0, "the checksum is right");
                // As it comes back: another type, and a checksum to match.
                packet[0] = 0;
                packet[2..4].fill(0);
                let sum = checksum(&packet, 0);
                packet[2..4].copy_from_slice(&sum.to_be_bytes());
                let message = icmp::parse_v4(&cookie, &packet);
                assert_eq!(message, Ok(Message::Echo { slot, round: 0 }));
            }
        }
    }

    #[test]
    fn what_the_kernel_adds_the_checksum_to_is_constant_too() {
        let to = "[2001:db8::1]:0".parse().expect("an address");
        let shape = Shape::Echo { family: Family::V6, payload: 56 };
        let mut flow = Flow::new(Cookie::new(None, 0..0), to, shape);
        let first = checksum(flow.packet(0), 0);
        assert!((1..500).all(|slot| checksum(flow.packet(slot), 0) == first));
    }

    #[test]
    fn all_syns_of_a_flow_have_the_same_ports() {
        let to = "192.0.2.1:443".parse().expect("an address");
        let from = "192.0.2.9".parse().expect("an address");
        let mut flow = Flow::new(Cookie::new(None, 40_000..40_001), to, Shape::Syn { from });
        let first = flow.packet(0)[..4].to_vec();
        let mut numbers = std::collections::HashSet::new();
        for slot in 0..500 {
            let packet = flow.packet(slot);
            assert_eq!(packet[..4], first);
            numbers.insert(packet[4..8].to_vec());
        }
        assert_eq!(numbers.len(), 500, "sequence numbers tell them apart");
    }
}
