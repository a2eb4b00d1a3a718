//! The packets themselves: pure builders and parsers over bytes. They hold no state, do no I/O and trust
//! nothing: whatever the bytes are, they answer with a value or say why not.

mod cookie;
pub mod icmp;
pub mod netlink;
pub mod syslog;
pub mod tcp;

pub use cookie::Cookie;

use std::net::{IpAddr, Ipv4Addr};

use model::transport::{Arrival, Layer};

/// Names one probe under way: the ring it lies in (upper 8 bits) and its place there (lower 24 bits).
pub type Slot = u32;

/// What a packet says about a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// An echo reply that bears our cookie.
    Echo {
        /// The probe it answers.
        slot: Slot,
        /// Round of that probe.
        round: u32,
    },
    /// An echo reply too short to bear a cookie.
    ShortEcho {
        /// ICMP sequence number: the lower half of the probe's slot.
        sequence: u16,
    },
    /// SYN/ACK or RST to one of our SYNs.
    Tcp {
        /// The probe it answers.
        slot: Slot,
        /// Port that answered.
        port: u16,
        /// Whether it is a reset.
        refused: bool,
    },
    /// An ICMP error about an echo request of ours.
    EchoError {
        /// Where the request was going.
        to: IpAddr,
        /// Its sequence number.
        sequence: u16,
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
    },
    /// An ICMP error about a SYN of ours.
    TcpError {
        /// Where the SYN was going.
        to: IpAddr,
        /// The probe.
        slot: Slot,
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
    },
}

/// Why a packet says nothing about a probe of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// Intact, but about somebody else's packets.
    Foreign,
    /// Broken: too short, a wrong checksum, a length that lies.
    Malformed,
}

/// Reads a packet. `Err` says what to count it as.
pub fn parse(cookie: &Cookie, arrival: &Arrival<'_>) -> Result<Message, Reject> {
    match (arrival.layer, arrival.from.ip()) {
        (Layer::Icmp, IpAddr::V4(_)) => icmp::parse_v4(cookie, arrival.bytes),
        (Layer::Icmp, IpAddr::V6(_)) => icmp::parse_v6(cookie, arrival.bytes),
        (Layer::Tcp, _) => tcp::parse(cookie, arrival.bytes),
    }
}

/// What follows the IPv4 header that raw sockets hand over (RFC 791, section 3.1); `None` if the header
/// lies about its length.
pub fn after_ipv4_header(packet: &[u8]) -> Option<&[u8]> {
    let header = usize::from(packet.first()? & 15) * 4;
    if header < 20 { None } else { packet.get(header..) }
}

/// Who sent an IPv4 packet (RFC 791, section 3.1); `None` if it is too short to say.
pub(crate) fn ipv4_source(packet: &[u8]) -> Option<Ipv4Addr> {
    be32(packet, 12).map(Ipv4Addr::from_bits)
}

/// The internet checksum (RFC 1071) of `bytes` on top of a partial sum.
pub(crate) fn checksum(bytes: &[u8], start: u32) -> u16 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut sum = u64::from(start);
    for pair in pairs {
        sum += u64::from(u16::from_be_bytes(*pair));
    }
    if let [last] = rest {
        sum += u64::from(u16::from_be_bytes([*last, 0]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Big-endian numbers out of bytes that may be too short.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

/// As [`be16`], four bytes.
pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// As [`be16`], eight bytes.
pub(crate) fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_lies_leaves_nothing() {
        assert_eq!(after_ipv4_header(&[]), None);
        assert_eq!(after_ipv4_header(&[0x41; 40]), None, "shorter than a header can be");
        assert_eq!(after_ipv4_header(&[0x4f; 40]), None, "longer than the packet");
        let mut packet = [0; 22];
        packet[0] = 0x45;
        packet[20] = 7;
        assert_eq!(after_ipv4_header(&packet), Some(&[7, 0][..]));
    }

    #[test]
    fn the_sender_of_an_ipv4_packet_is_read_from_its_header() {
        let mut packet = [0; 20];
        packet[12..16].copy_from_slice(&[192, 0, 2, 7]);
        assert_eq!(ipv4_source(&packet), Some(Ipv4Addr::new(192, 0, 2, 7)));
        assert_eq!(ipv4_source(&packet[..15]), None);
    }

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], 0), !0xddf2);
        assert_eq!(checksum(&[0xff], 0), !0xff00);
        assert_eq!(checksum(&[], 0), 0xffff);
    }
}
