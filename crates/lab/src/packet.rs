//! IP packets: what a prober sent, and the answers to it. Bytes in, bytes out, no allocation but that
//! of the caller's buffer. It must not decide who answers what; that is [`crate::World`].
//!
//! Formats: IPv4 RFC 791, IPv6 RFC 8200, ICMP RFC 792, `ICMPv6` RFC 4443, TCP RFC 9293.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::transport::Layer;

/// IP protocol numbers.
const ICMP: u8 = 1;
const TCP: u8 = 6;
const ICMP_V6: u8 = 58;

/// TCP flags.
pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

/// Length of a TCP header without options.
const TCP_HEADER: usize = 20;
/// Hop limit of everything we send.
const HOPS: u8 = 64;
/// Most of an ICMP error's size that may be used (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4).
const MOST_V4: usize = 576;
const MOST_V6: usize = 1280;

/// A packet that somebody sent into the simulation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    /// The whole packet, as far as its IP header says it goes.
    pub(crate) bytes: &'a [u8],
    /// Length of its IP header.
    pub(crate) header: usize,
    pub(crate) message: Message<'a>,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// An ICMP echo request: everything behind its checksum (identifier, sequence, payload).
    Echo(&'a [u8]),
    /// A TCP segment.
    Tcp(Segment),
    /// Anything else.
    Other,
}

/// What an answer needs to know of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) source_port: u16,
    pub(crate) port: u16,
    pub(crate) sequence: u32,
    pub(crate) acknowledged: u32,
    pub(crate) flags: u8,
    /// Bytes of data.
    pub(crate) data: u32,
}

impl Segment {
    /// Sequence number that follows this segment: SYN and FIN count as a byte each.
    pub(crate) fn next_sequence(&self) -> u32 {
        let marks = u32::from(self.flags & SYN != 0) + u32::from(self.flags & FIN != 0);
        self.sequence.wrapping_add(self.data).wrapping_add(marks)
    }
}

/// A packet that is cut off or whose checksum is wrong: a host would drop it without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Packet<'a> {
    /// Reads an IP packet. Fragments and IPv6 packets with extension headers are `Other`.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        match bytes.first().ok_or(Malformed)? >> 4 {
            4 => Self::parse_v4(bytes),
            6 => Self::parse_v6(bytes),
            _ => Err(Malformed),
        }
    }

    fn parse_v4(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let fixed: &[u8; 20] = bytes.first_chunk().ok_or(Malformed)?;
        let header = usize::from(fixed[0] & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        let whole = bytes.get(..total).ok_or(Malformed)?;
        let body = whole.get(header..).filter(|_| header >= 20).ok_or(Malformed)?;
        if checksum(&whole[..header], 0) != 0 {
            return Err(Malformed);
        }
        let from = Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]).into();
        let to = Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]).into();
        // More fragments, or an offset: not the whole message.
        let fragment = u16::from_be_bytes([fixed[6], fixed[7]]) & 0x3fff != 0;
        let message = match fixed[9] {
            _ if fragment => Message::Other,
            ICMP => echo(body, 8, 0)?,
            TCP => segment(body, pseudo_sum(from, to, TCP, body.len()))?,
            _ => Message::Other,
        };
        Ok(Self { from, to, bytes: whole, header, message })
    }

    fn parse_v6(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let fixed: &[u8; 40] = bytes.first_chunk().ok_or(Malformed)?;
        let payload = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
        let whole = bytes.get(..40 + payload).ok_or(Malformed)?;
        let body = &whole[40..];
        let address = |at: usize| -> IpAddr {
            let octets: [u8; 16] = fixed[at..at + 16].try_into().expect("16 bytes were taken");
            Ipv6Addr::from(octets).into()
        };
        let (from, to) = (address(8), address(24));
        let sum = pseudo_sum(from, to, fixed[6], body.len());
        let message = match fixed[6] {
            ICMP_V6 => echo(body, 128, sum)?,
            TCP => segment(body, sum)?,
            _ => Message::Other,
        };
        Ok(Self { from, to, bytes: whole, header: 40, message })
    }
}

/// Reads an ICMP message; everything but an echo request (`kind`) is `Other`.
fn echo(body: &[u8], kind: u8, pseudo: u32) -> Result<Message<'_>, Malformed> {
    if body.len() < 8 || checksum(body, pseudo) != 0 {
        return Err(Malformed);
    }
    Ok(if body[0] == kind && body[1] == 0 { Message::Echo(&body[4..]) } else { Message::Other })
}

fn segment(body: &[u8], pseudo: u32) -> Result<Message<'_>, Malformed> {
    let fixed: &[u8; TCP_HEADER] = body.first_chunk().ok_or(Malformed)?;
    let header = usize::from(fixed[12] >> 4) * 4;
    if header < TCP_HEADER || header > body.len() || checksum(body, pseudo) != 0 {
        return Err(Malformed);
    }
    let word =
        |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    Ok(Message::Tcp(Segment {
        source_port: u16::from_be_bytes([fixed[0], fixed[1]]),
        port: u16::from_be_bytes([fixed[2], fixed[3]]),
        sequence: word(4),
        acknowledged: word(8),
        flags: fixed[13],
        data: (body.len() - header) as u32,
    }))
}

/// Writes a message of ICMP or TCP as it is, checksum included, behind an IP header.
pub(crate) fn write_message(
    out: &mut Vec<u8>,
    from: IpAddr,
    to: IpAddr,
    tcp: bool,
    message: &[u8],
) {
    begin(out, from, to, if tcp { TCP } else { icmp_protocol(from) });
    out.extend_from_slice(message);
    write_lengths(out);
}

/// Writes an echo reply; `rest` is what followed the checksum of the request.
pub(crate) fn write_echo_reply(out: &mut Vec<u8>, from: IpAddr, to: IpAddr, rest: &[u8]) {
    let kind = if from.is_ipv4() { 0 } else { 129 };
    begin(out, from, to, icmp_protocol(from));
    out.extend_from_slice(&[kind, 0, 0, 0]);
    out.extend_from_slice(rest);
    finish(out);
}

/// Writes a TCP segment without data or options.
pub(crate) fn write_segment(out: &mut Vec<u8>, from: IpAddr, to: IpAddr, segment: &Segment) {
    begin(out, from, to, TCP);
    out.extend_from_slice(&segment.source_port.to_be_bytes());
    out.extend_from_slice(&segment.port.to_be_bytes());
    out.extend_from_slice(&segment.sequence.to_be_bytes());
    out.extend_from_slice(&segment.acknowledged.to_be_bytes());
    // Data offset of 5 words, window of 65,535 bytes, checksum to come, no urgent data.
    out.extend_from_slice(&[5 << 4, segment.flags, 0xff, 0xff, 0, 0, 0, 0]);
    finish(out);
}

/// Writes an ICMP error of a router about `packet`, quoting its IP header and up to `quote` bytes more.
pub(crate) fn write_error(
    out: &mut Vec<u8>,
    from: IpAddr,
    packet: &Packet<'_>,
    (kind, code): (u8, u8),
    quote: u16,
) {
    begin(out, from, packet.from, icmp_protocol(from));
    let (own_header, most) = if from.is_ipv4() { (20, MOST_V4) } else { (40, MOST_V6) };
    out.extend_from_slice(&[kind, code, 0, 0]);
    // The word behind the checksum is the next hop's MTU in "too big" (RFC 1191, RFC 4443), else unused.
    let mtu: u32 = match (from.is_ipv4(), kind, code) {
        (true, 3, 4) | (false, 2, _) => 1280,
        _ => 0,
    };
    out.extend_from_slice(&mtu.to_be_bytes());
    let quoted = (packet.header + usize::from(quote)).min(most - own_header - 8);
    out.extend_from_slice(&packet.bytes[..quoted.min(packet.bytes.len())]);
    finish(out);
}

/// Cuts the message behind the IP header down to `length` bytes; its checksum stays as it was.
pub(crate) fn truncate(out: &mut Vec<u8>, length: usize) {
    out.truncate(header_length(out) + length);
    write_lengths(out);
}

/// The message of a packet that was written here.
pub(crate) fn message_mut(out: &mut [u8]) -> &mut [u8] {
    let header = header_length(out);
    &mut out[header..]
}

/// Source, protocol and message of a packet that was written here, as a raw socket hands it over.
pub(crate) fn split(packet: &[u8]) -> (IpAddr, Layer, &[u8]) {
    let layer = if is_tcp(packet) { Layer::Tcp } else { Layer::Icmp };
    (source(packet), layer, &packet[header_length(packet)..])
}

/// An ICMP error about an echo request, as a ping socket's error queue tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReportedEcho {
    pub(crate) to: IpAddr,
    pub(crate) sequence: u16,
    pub(crate) from: IpAddr,
    pub(crate) kind: u8,
    pub(crate) code: u8,
}

/// Reads an ICMP error that was written here; `None` if the packet is another one.
pub(crate) fn reported_echo(packet: &[u8]) -> Option<ReportedEcho> {
    let (from, layer, message) = split(packet);
    let kind = *message.first()?;
    let is_error = if from.is_ipv4() { matches!(kind, 3 | 11) } else { matches!(kind, 1..=3) };
    if layer != Layer::Icmp || !is_error {
        return None;
    }
    let quoted = message.get(8..)?;
    let header = if from.is_ipv4() { usize::from(quoted.first()? & 0x0f) * 4 } else { 40 };
    let sequence = quoted.get(header + 6..header + 8)?;
    Some(ReportedEcho {
        to: destination(quoted)?,
        sequence: u16::from_be_bytes([sequence[0], sequence[1]]),
        from,
        kind,
        code: message[1],
    })
}

/// Destination of an IP packet.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    if packet.first()? >> 4 == 4 {
        packet.get(16..20)?.first_chunk::<4>().map(|octets| (*octets).into())
    } else {
        packet.get(24..40)?.first_chunk::<16>().map(|octets| (*octets).into())
    }
}

/// Source of a packet that was written here.
fn source(packet: &[u8]) -> IpAddr {
    const WRITTEN: &str = "a packet that was written here has its whole header";
    if header_length(packet) == 20 {
        (*packet[12..].first_chunk::<4>().expect(WRITTEN)).into()
    } else {
        (*packet[8..].first_chunk::<16>().expect(WRITTEN)).into()
    }
}

/// Whether a packet that was written here carries TCP.
pub(crate) fn is_tcp(out: &[u8]) -> bool {
    protocol(out) == TCP
}

/// Makes the checksum of the message right again.
pub(crate) fn restore_checksum(out: &mut [u8]) {
    let header = header_length(out);
    let protocol = protocol(out);
    let at = header + if protocol == TCP { 16 } else { 2 };
    let pseudo = match (header, protocol) {
        (20, ICMP) => 0,
        // The two addresses lie one behind the other at the end of either header.
        (20, _) => sum(&out[12..20]) + u32::from(protocol) + (out.len() - header) as u32,
        _ => sum(&out[8..40]) + u32::from(protocol) + (out.len() - header) as u32,
    };
    out[at..at + 2].fill(0);
    let value = checksum(&out[header..], pseudo);
    out[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

fn icmp_protocol(address: IpAddr) -> u8 {
    if address.is_ipv4() { ICMP } else { ICMP_V6 }
}

/// Begins a packet with its IP header; lengths and checksums are filled in by [`finish`].
fn begin(out: &mut Vec<u8>, from: IpAddr, to: IpAddr, protocol: u8) {
    out.clear();
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            // Version and header length; no fragments ("don't fragment", so that the id may be 0).
            out.extend_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, HOPS, protocol, 0, 0]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            out.extend_from_slice(&[0x60, 0, 0, 0, 0, 0, protocol, HOPS]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
        }
        _ => unreachable!("a scenario gives each family an answering address of its own"),
    }
}

fn finish(out: &mut [u8]) {
    write_lengths(out);
    restore_checksum(out);
}

fn write_lengths(out: &mut [u8]) {
    if header_length(out) == 20 {
        let total = (out.len() as u16).to_be_bytes();
        out[2..4].copy_from_slice(&total);
        out[10..12].fill(0);
        let value = checksum(&out[..20], 0);
        out[10..12].copy_from_slice(&value.to_be_bytes());
    } else {
        let payload = ((out.len() - 40) as u16).to_be_bytes();
        out[4..6].copy_from_slice(&payload);
    }
}

fn protocol(out: &[u8]) -> u8 {
    if header_length(out) == 20 { out[9] } else { out[6] }
}

/// Length of the IP header of a packet that was written here.
fn header_length(out: &[u8]) -> usize {
    if out[0] >> 4 == 4 { 20 } else { 40 }
}

/// Sum of the pseudo-header that TCP and `ICMPv6` checksums include.
pub(crate) fn pseudo_sum(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> u32 {
    let address = |address: IpAddr| match address {
        IpAddr::V4(address) => sum(&address.octets()),
        IpAddr::V6(address) => sum(&address.octets()),
    };
    address(from) + address(to) + u32::from(protocol) + length as u32
}

/// The Internet checksum (RFC 1071); 0 over bytes that contain their right checksum.
pub(crate) fn checksum(bytes: &[u8], start: u32) -> u16 {
    let mut folded = sum(bytes) + start;
    while folded > 0xffff {
        folded = (folded & 0xffff) + (folded >> 16);
    }
    !(folded as u16)
}

/// Sum of the 16-bit words; cannot overflow for what fits into an IP packet.
fn sum(bytes: &[u8]) -> u32 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let words: u32 = pairs.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
    words + rest.first().map_or(0, |last| u32::from(*last) << 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ping -c1 -s8 127.0.0.1` as captured from the wire.
    const PING: [u8; 36] = [
        0x45, 0x00, 0x00, 0x24, 0xb2, 0x91, 0x40, 0x00, 0x40, 0x01, 0x8a, 0x45, 0x7f, 0x00, 0x00,
        0x01, 0x7f, 0x00, 0x00, 0x01, 0x08, 0x00, 0x7e, 0xb9, 0x6d, 0x35, 0x00, 0x01, 0x00, 0x01,
        0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
    ];

    #[test]
    fn what_is_written_can_be_read_back() {
        for (here, there) in [("10.0.0.1", "10.64.0.2"), ("fd00::1", "fd00:64::2")] {
            let (here, there): (IpAddr, IpAddr) = (here.parse().unwrap(), there.parse().unwrap());
            let segment = Segment {
                source_port: 80,
                port: 50_000,
                sequence: 7,
                acknowledged: u32::MAX,
                flags: SYN | ACK,
                data: 0,
            };
            let mut out = Vec::new();
            write_segment(&mut out, here, there, &segment);
            let read = Packet::parse(&out).unwrap();
            assert_eq!((read.from, read.to, read.message), (here, there, Message::Tcp(segment)));

            write_echo_reply(&mut out, here, there, &[0, 1, 0, 2, 9]);
            let reply = Packet::parse(&out).unwrap();
            assert_eq!(reply.message, Message::Other);
            assert_eq!(&out[reply.header + 4..], &[0, 1, 0, 2, 9]);
        }
    }

    #[test]
    fn a_captured_ping_is_an_echo_request() {
        let packet = Packet::parse(&PING).unwrap();
        assert_eq!(packet.message, Message::Echo(&PING[24..]));
        assert_eq!(packet.to, "127.0.0.1".parse::<IpAddr>().unwrap());

        let mut damaged = PING;
        damaged[35] ^= 1;
        assert_eq!(Packet::parse(&damaged).unwrap_err(), Malformed);
        assert_eq!(Packet::parse(&PING[..35]).unwrap_err(), Malformed);
    }

    #[test]
    fn checksums_are_those_of_rfc_1071() {
        // The example of section 3: the sum is ddf2.
        let example = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&example, 0), !0xddf2);
        assert_eq!(checksum(&[0xff], 0), !0xff00, "an odd byte is padded on the right");
    }
}
