//! The SYN that opens half a handshake and the SYN/ACK or RST that answers it (RFC 9293). The handshake is
//! never finished: the kernel resets what it does not know.

use std::net::{IpAddr, SocketAddr};

use super::{Cookie, Message, Reject, Slot, be16, be32, checksum};

/// Bytes of our SYN: a header with the one option that servers expect, the segment size.
pub const SYN: usize = 24;

const FLAG_SYN: u8 = 0x02;
const FLAG_RST: u8 = 0x04;
const FLAG_ACK: u8 = 0x10;
const WINDOW: u16 = 64_240;
/// Maximum segment size 1460 (RFC 9293 section 3.7.1).
const OPTION_MSS: [u8; 4] = [2, 4, 0x05, 0xb4];

/// Writes a SYN from `from` to `to` whose sequence number is the sealed slot.
pub fn build(packet: &mut [u8; SYN], cookie: &Cookie, slot: Slot, from: IpAddr, to: SocketAddr) {
    packet[..2].copy_from_slice(&cookie.port_of(slot).to_be_bytes());
    packet[2..4].copy_from_slice(&to.port().to_be_bytes());
    packet[4..8].copy_from_slice(&cookie.seal(slot).to_be_bytes());
    packet[8..12].fill(0);
    packet[12] = (SYN as u8 / 4) << 4;
    packet[13] = FLAG_SYN;
    packet[14..16].copy_from_slice(&WINDOW.to_be_bytes());
    packet[16..20].fill(0);
    packet[20..].copy_from_slice(&OPTION_MSS);
    let sum = checksum(packet, pseudo_header(from, to.ip()));
    packet[16..18].copy_from_slice(&sum.to_be_bytes());
}

/// The partial checksum over the pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1).
fn pseudo_header(from: IpAddr, to: IpAddr) -> u32 {
    let words = |bytes: &[u8]| -> u32 {
        bytes.as_chunks::<2>().0.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum()
    };
    let address = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => words(&ip.octets()),
        IpAddr::V6(ip) => words(&ip.octets()),
    };
    address(from) + address(to) + 6 + SYN as u32
}

/// Reads a segment without its IP header. Its checksum is not looked at: offloading network devices
/// leave it unfinished, and the sealed sequence number proves more.
pub fn parse(cookie: &Cookie, bytes: &[u8]) -> Result<Message, Reject> {
    let (Some(port), Some(ours), Some(acknowledged)) =
        (be16(bytes, 0), be16(bytes, 2), be32(bytes, 8))
    else {
        return Err(Reject::Malformed);
    };
    if bytes.len() < 20 || bytes[12] >> 4 < 5 {
        return Err(Reject::Malformed);
    }
    let refused = match bytes[13] & (FLAG_SYN | FLAG_RST | FLAG_ACK) {
        flags if flags == FLAG_SYN | FLAG_ACK => false,
        flags if flags == FLAG_RST | FLAG_ACK => true,
        _ => return Err(Reject::Foreign),
    };
    let slot = cookie.open(acknowledged.wrapping_sub(1));
    if !cookie.owns_port(ours) || cookie.port_of(slot) != ours {
        return Err(Reject::Foreign);
    }
    Ok(Message::Tcp { slot, port, refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(cookie: &Cookie, slot: Slot, flags: u8) -> [u8; 20] {
        let mut packet = [0; 20];
        packet[..2].copy_from_slice(&443_u16.to_be_bytes());
        packet[2..4].copy_from_slice(&cookie.port_of(slot).to_be_bytes());
        packet[8..12].copy_from_slice(&cookie.seal(slot).wrapping_add(1).to_be_bytes());
        packet[12] = 5 << 4;
        packet[13] = flags;
        packet
    }

    #[test]
    fn the_checksum_covers_the_pseudo_header() {
        let cookie = Cookie::new(None, 40_000..40_001);
        let mut packet = [0; SYN];
        for (from, to) in [("10.0.0.1", "10.0.0.2:443"), ("fd00::1", "[fd00::2]:443")] {
            let from: IpAddr = from.parse().expect("an address");
            let to: SocketAddr = to.parse().expect("an address and port");
            build(&mut packet, &cookie, 9, from, to);
            assert_eq!(checksum(&packet, pseudo_header(from, to.ip())), 0);
            assert_eq!(be16(&packet, 2), Some(443));
        }
    }

    #[test]
    fn syn_ack_and_reset_answer_and_nothing_else_does() {
        let cookie = Cookie::new(None, 40_000..40_008);
        let read = |flags| parse(&cookie, &answer(&cookie, 0x0300_0007, flags));
        let tcp = |refused| Message::Tcp { slot: 0x0300_0007, port: 443, refused };
        assert_eq!(read(FLAG_SYN | FLAG_ACK), Ok(tcp(false)));
        assert_eq!(read(FLAG_RST | FLAG_ACK), Ok(tcp(true)));
        assert_eq!(read(FLAG_RST), Err(Reject::Foreign), "a reset that acknowledges nothing");
        assert_eq!(read(FLAG_ACK), Err(Reject::Foreign));
        assert_eq!(read(FLAG_SYN), Err(Reject::Foreign));
    }

    #[test]
    fn a_guessed_acknowledgement_or_a_wrong_port_is_foreign() {
        let cookie = Cookie::new(None, 40_000..40_008);
        let mut packet = answer(&cookie, 7, FLAG_SYN | FLAG_ACK);
        packet[2..4].copy_from_slice(&cookie.port_of(8).to_be_bytes());
        assert_eq!(parse(&cookie, &packet), Err(Reject::Foreign));
        packet[2..4].copy_from_slice(&50_000_u16.to_be_bytes());
        assert_eq!(parse(&cookie, &packet), Err(Reject::Foreign));
        assert_eq!(parse(&cookie, &packet[..19]), Err(Reject::Malformed));
        assert_eq!(parse(&cookie, &[]), Err(Reject::Malformed));
    }
}
