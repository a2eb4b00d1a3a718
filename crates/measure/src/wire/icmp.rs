//! ICMP echo (RFC 792) and `ICMPv6` echo (RFC 4443), and the errors about them and about our SYNs. An
//! error is matched by the destination and sequence number it quotes; it may quote 8 bytes only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::Family;
use model::transport::SNAP;

use super::{Cookie, Message, Reject, Slot, be16, be32, be64, checksum};

/// Header of an echo message.
pub const HEADER: usize = 8;
/// Slot, round and MAC at the start of the payload. A shorter payload bears none of them.
pub const COOKIE: usize = 16;
/// Payload that `ping` sends, 64 bytes with the header.
pub const DEFAULT_PAYLOAD: u16 = 56;

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_ICMPV6: u8 = 58;

/// Writes an echo request that fills `packet`, at least [`HEADER`] bytes. The checksum of `ICMPv6` is
/// left to the network, which knows the source address.
pub fn build(packet: &mut [u8], family: Family, cookie: &Cookie, slot: Slot, round: u32) {
    let (header, payload) = packet.split_at_mut(HEADER);
    let kind = if family == Family::V4 { ECHO_REQUEST } else { ECHO_REQUEST_V6 };
    header[..4].copy_from_slice(&[kind, 0, 0, 0]);
    header[4..6].copy_from_slice(&cookie.id().unwrap_or(0).to_be_bytes());
    header[6..8].copy_from_slice(&(slot as u16).to_be_bytes());
    if let Some((proof, filling)) = payload.split_at_mut_checked(COOKIE) {
        proof[..4].copy_from_slice(&slot.to_be_bytes());
        proof[4..8].copy_from_slice(&round.to_be_bytes());
        proof[8..].copy_from_slice(&cookie.mac(slot, round).to_be_bytes());
        filling.fill(0);
    } else {
        payload.fill(0);
    }
    if family == Family::V4 {
        let sum = checksum(packet, 0);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Reads an ICMP message without its IP header. Raw sockets get it before the kernel checks it; of a
/// message that was cut to [`SNAP`] the checksum cannot be told.
pub fn parse_v4(cookie: &Cookie, bytes: &[u8]) -> Result<Message, Reject> {
    if bytes.len() < HEADER || (bytes.len() < SNAP && checksum(bytes, 0) != 0) {
        return Err(Reject::Malformed);
    }
    match bytes[0] {
        ECHO_REPLY => parse_reply(cookie, bytes),
        // Unreachable, time exceeded, parameter problem.
        3 | 11 | 12 => parse_error(cookie, bytes, quoted_v4(&bytes[HEADER..])),
        _ => Err(Reject::Foreign),
    }
}

/// Reads an `ICMPv6` message, whose checksum the kernel has seen to.
pub fn parse_v6(cookie: &Cookie, bytes: &[u8]) -> Result<Message, Reject> {
    if bytes.len() < HEADER {
        return Err(Reject::Malformed);
    }
    match bytes[0] {
        ECHO_REPLY_V6 => parse_reply(cookie, bytes),
        // Unreachable, packet too big, time exceeded, parameter problem.
        1..=4 => parse_error(cookie, bytes, quoted_v6(&bytes[HEADER..])),
        _ => Err(Reject::Foreign),
    }
}

fn parse_reply(cookie: &Cookie, bytes: &[u8]) -> Result<Message, Reject> {
    let (id, sequence) = (be16(bytes, 4), be16(bytes, 6));
    let (Some(id), Some(sequence)) = (id, sequence) else { return Err(Reject::Malformed) };
    if bytes[1] != 0 || !cookie.owns_id(id) {
        return Err(Reject::Foreign);
    }
    let payload = &bytes[HEADER..];
    let (Some(slot), Some(round), Some(mac)) =
        (be32(payload, 0), be32(payload, 4), be64(payload, 8))
    else {
        return Ok(Message::ShortEcho { sequence });
    };
    if cookie.mac(slot, round) == mac && slot as u16 == sequence {
        Ok(Message::Echo { slot, round })
    } else {
        Err(Reject::Foreign)
    }
}

/// What an ICMP error quotes of the packet it is about.
struct Quoted<'a> {
    to: IpAddr,
    protocol: u8,
    /// From the transport header on; at least 8 bytes by RFC 792.
    rest: &'a [u8],
}

fn quoted_v4(quote: &[u8]) -> Option<Quoted<'_>> {
    let first = *quote.first()?;
    let header = usize::from(first & 15) * 4;
    if first >> 4 != 4 || header < 20 {
        return None;
    }
    let to: [u8; 4] = quote.get(16..20)?.try_into().ok()?;
    let to = IpAddr::V4(Ipv4Addr::from(to));
    Some(Quoted { to, protocol: *quote.get(9)?, rest: quote.get(header..)? })
}

fn quoted_v6(quote: &[u8]) -> Option<Quoted<'_>> {
    if quote.first()? >> 4 != 6 {
        return None;
    }
    let to: [u8; 16] = quote.get(24..40)?.try_into().ok()?;
    let to = IpAddr::V6(Ipv6Addr::from(to));
    // Our packets have no extension headers.
    Some(Quoted { to, protocol: *quote.get(6)?, rest: quote.get(40..)? })
}

fn parse_error(
    cookie: &Cookie,
    bytes: &[u8],
    quoted: Option<Quoted<'_>>,
) -> Result<Message, Reject> {
    let quoted = quoted.ok_or(Reject::Malformed)?;
    let (kind, code, to) = (bytes[0], bytes[1], quoted.to);
    let rest = quoted.rest;
    match quoted.protocol {
        PROTOCOL_ICMP | PROTOCOL_ICMPV6 => {
            let (Some(id), Some(sequence)) = (be16(rest, 4), be16(rest, 6)) else {
                return Err(Reject::Malformed);
            };
            if !matches!(rest[0], ECHO_REQUEST | ECHO_REQUEST_V6) || !cookie.owns_id(id) {
                return Err(Reject::Foreign);
            }
            Ok(Message::EchoError { to, sequence, kind, code })
        }
        PROTOCOL_TCP => {
            let (Some(port), Some(sequence)) = (be16(rest, 0), be32(rest, 4)) else {
                return Err(Reject::Malformed);
            };
            let slot = cookie.open(sequence);
            if !cookie.owns_port(port) || cookie.port_of(slot) != port {
                return Err(Reject::Foreign);
            }
            Ok(Message::TcpError { to, slot, kind, code })
        }
        _ => Err(Reject::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie() -> Cookie {
        Cookie::new(Some(0x1234), 40_000..40_008)
    }

    fn reply(cookie: &Cookie, slot: Slot, round: u32, payload: usize) -> Vec<u8> {
        let mut packet = vec![0; HEADER + payload];
        build(&mut packet, Family::V4, cookie, slot, round);
        packet[0] = ECHO_REPLY;
        fix_checksum(&mut packet);
        packet
    }

    fn fix_checksum(packet: &mut [u8]) {
        packet[2..4].fill(0);
        let sum = checksum(packet, 0);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }

    /// An ICMP error from the way, quoting `quote` bytes of the IPv4 packet with this transport part.
    fn error(protocol: u8, transport: &[u8], quote: usize) -> Vec<u8> {
        let mut packet =
            vec![3, 1, 0, 0, 0, 0, 0, 0, 0x45, 0, 0, 84, 0, 0, 0, 0, 64, protocol, 0, 0];
        packet.extend([10, 0, 0, 1, 10, 9, 8, 7]);
        packet.extend(&transport[..quote]);
        fix_checksum(&mut packet);
        packet
    }

    #[test]
    fn a_request_comes_back_as_the_probe_it_was() {
        let cookie = cookie();
        for payload in [16, 17, 56, 1472] {
            let message = parse_v4(&cookie, &reply(&cookie, 0x0102_0304, 7, payload));
            assert_eq!(message, Ok(Message::Echo { slot: 0x0102_0304, round: 7 }));
        }
        for payload in [0, 1, 15] {
            let message = parse_v4(&cookie, &reply(&cookie, 0x0102_0304, 7, payload));
            assert_eq!(message, Ok(Message::ShortEcho { sequence: 0x0304 }));
        }
    }

    #[test]
    fn a_forged_foreign_or_broken_reply_is_told_apart() {
        let cookie = cookie();
        let good = reply(&cookie, 5, 7, 56);
        let altered = |at: usize, mend: bool| {
            let mut packet = good.clone();
            packet[at] ^= 1;
            if mend {
                fix_checksum(&mut packet);
            }
            parse_v4(&cookie, &packet)
        };
        assert_eq!(altered(40, false), Err(Reject::Malformed), "a wrong checksum");
        assert_eq!(altered(5, true), Err(Reject::Foreign), "another identifier");
        assert_eq!(altered(11, true), Err(Reject::Foreign), "another slot");
        assert_eq!(altered(15, true), Err(Reject::Foreign), "another round");
        assert_eq!(altered(20, true), Err(Reject::Foreign), "another MAC");
        assert_eq!(altered(1, true), Err(Reject::Foreign), "a code that echo does not have");
        assert_eq!(parse_v4(&cookie, &good[..7]), Err(Reject::Malformed));
        assert_eq!(parse_v4(&cookie, &[]), Err(Reject::Malformed));
    }

    #[test]
    fn an_error_that_quotes_eight_bytes_names_the_probe() {
        let cookie = cookie();
        let mut request = vec![0; 64];
        build(&mut request, Family::V4, &cookie, 0x0100_beef, 3);
        let to = "10.9.8.7".parse().expect("an address");
        let expected = Message::EchoError { to, sequence: 0xbeef, kind: 3, code: 1 };
        for quote in [8, 24, 64] {
            assert_eq!(parse_v4(&cookie, &error(PROTOCOL_ICMP, &request, quote)), Ok(expected));
        }
        let short = parse_v4(&cookie, &error(PROTOCOL_ICMP, &request, 7));
        assert_eq!(short, Err(Reject::Malformed));
        let other = Cookie::new(Some(0x4321), 0..0);
        assert_eq!(
            parse_v4(&other, &error(PROTOCOL_ICMP, &request, 8)),
            Err(Reject::Foreign),
            "another prober's request"
        );
    }

    #[test]
    fn an_error_about_a_syn_names_the_probe() {
        let cookie = cookie();
        let mut syn = [0; 8];
        syn[..2].copy_from_slice(&cookie.port_of(77).to_be_bytes());
        syn[4..].copy_from_slice(&cookie.seal(77).to_be_bytes());
        let to = "10.9.8.7".parse().expect("an address");
        assert_eq!(
            parse_v4(&cookie, &error(PROTOCOL_TCP, &syn, 8)),
            Ok(Message::TcpError { to, slot: 77, kind: 3, code: 1 })
        );
        syn[..2].copy_from_slice(&cookie.port_of(78).to_be_bytes());
        assert_eq!(
            parse_v4(&cookie, &error(PROTOCOL_TCP, &syn, 8)),
            Err(Reject::Foreign),
            "a port that this probe did not use"
        );
    }

    #[test]
    fn an_ipv6_reply_and_error_are_read() {
        let cookie = cookie();
        let mut request = vec![0; 64];
        build(&mut request, Family::V6, &cookie, 0xbeef, 3);
        let mut error = vec![1, 3, 0, 0, 0, 0, 0, 0, 0x60, 0, 0, 0, 0, 64, PROTOCOL_ICMPV6, 64];
        error.extend([0; 16]);
        let to: Ipv6Addr = "2001:db8::1".parse().expect("an address");
        error.extend(to.octets());
        error.extend(&request[..8]);
        assert_eq!(
            parse_v6(&cookie, &error),
            Ok(Message::EchoError { to: to.into(), sequence: 0xbeef, kind: 1, code: 3 })
        );
        request[0] = ECHO_REPLY_V6;
        assert_eq!(parse_v6(&cookie, &request), Ok(Message::Echo { slot: 0xbeef, round: 3 }));
        assert_eq!(parse_v6(&cookie, &error[..50]), Err(Reject::Malformed));
    }
}
