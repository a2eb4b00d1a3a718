//! What happened on the wire: a capture with kernel nanosecond stamps, its requests matched with their
//! answers, and what a tool says compared with it. It must take nothing from any tool's word.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::net::IpAddr;

/// Magic number of a pcap file with nanosecond stamps in this machine's byte order
/// (draft-ietf-opsawg-pcap section 4).
const MAGIC: u32 = 0xa1b2_3c4d;
/// Link type of packets that begin with their IP header.
const LINKTYPE_RAW: u32 = 101;

/// RTTs of all requests to each address, in the order they left; `None` was not answered.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) requests: HashMap<IpAddr, Vec<Request>>,
    /// Answers to requests that had one already.
    pub(crate) duplicates: u64,
    /// Time from the first request to the last, in seconds.
    pub(crate) span_s: f64,
}

/// A request on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// When it left, in ns since 1970.
    pub(crate) at: u64,
    /// RTT in us.
    pub(crate) rtt_us: Option<f64>,
    /// A TCP SYN that the kernel had to send again: its RTT is ambiguous.
    pub(crate) again: bool,
}

/// How a tool's RTTs compare with the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comparison {
    /// Requests on the wire.
    pub(crate) requests: usize,
    /// Requests that were answered on the wire.
    pub(crate) answered: usize,
    /// Answered on the wire, and the tool did not say so.
    pub(crate) lost_to_tool: usize,
    /// Not answered on the wire, and the tool says so.
    pub(crate) ghosts: usize,
    /// |tool - wire| in us, sorted.
    pub(crate) errors: Vec<f64>,
}

impl Comparison {
    /// The error that `share` of the answers do not exceed.
    pub(crate) fn error(&self, share: f64) -> f64 {
        percentile(&self.errors, share)
    }
}

/// The value that `share` of the sorted values do not exceed; NaN of none.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_sign_loss, reason = "a share is not negative")]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

/// What a packet of the capture means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Request(Key),
    Answer(Key),
}

/// What a request and its answer have in common: the host, and id and sequence, or ports and sequence.
type Key = (IpAddr, u64);

impl Truth {
    /// Reads a capture.
    pub(crate) fn read(capture: &mut File) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 20, capture);
        let mut header = [0; 24];
        reader.read_exact(&mut header)?;
        if word(&header, 0) != MAGIC || word(&header, 20) & 0xffff != LINKTYPE_RAW {
            return Err(io::Error::other("it is no nanosecond capture of IP packets"));
        }
        let (mut truth, mut open) = (Self::default(), HashMap::new());
        let (mut first, mut last) = (u64::MAX, 0);
        let mut packet = Vec::new();
        let mut record = [0; 16];
        while read_record(&mut reader, &mut record, &mut packet)? {
            let at = u64::from(word(&record, 0)) * 1_000_000_000 + u64::from(word(&record, 4));
            match meaning(&packet) {
                Some(Meaning::Request(key)) => {
                    (first, last) = (first.min(at), last.max(at));
                    truth.request(&mut open, key, at);
                }
                Some(Meaning::Answer(key)) => truth.answer(&open, key, at),
                None => {}
            }
        }
        truth.span_s = last.saturating_sub(first) as f64 / 1e9;
        Ok(truth)
    }

    fn request(&mut self, open: &mut HashMap<Key, usize>, key: Key, at: u64) {
        let requests = self.requests.entry(key.0).or_default();
        // The same SYN once more is a retransmission; the same echo request is a request of its own.
        let is_tcp = key.1 >> 63 == 1;
        if let Some(request) = open.get(&key).and_then(|index| requests.get_mut(*index))
            && is_tcp
        {
            request.again = true;
            return;
        }
        open.insert(key, requests.len());
        requests.push(Request { at, rtt_us: None, again: false });
    }

    fn answer(&mut self, open: &HashMap<Key, usize>, key: Key, at: u64) {
        let Some(index) = open.get(&key) else { return };
        let Some(requests) = self.requests.get_mut(&key.0) else { return };
        let request = &mut requests[*index];
        if request.rtt_us.is_some() {
            self.duplicates += 1;
        } else {
            request.rtt_us = Some(at.saturating_sub(request.at) as f64 / 1e3);
        }
    }

    /// Compares a tool's RTTs in us, by address in the order of its requests; `None` is no answer.
    pub(crate) fn compare(&self, told: &HashMap<IpAddr, Vec<Option<f64>>>) -> Comparison {
        let mut found = Comparison::default();
        for (address, requests) in &self.requests {
            let told = told.get(address).map_or(&[][..], Vec::as_slice);
            found.requests += requests.len();
            for (index, request) in requests.iter().enumerate() {
                found.answered += usize::from(request.rtt_us.is_some());
                match (request.rtt_us, told.get(index).copied().flatten()) {
                    (Some(wire), Some(tool)) if !request.again => {
                        found.errors.push((tool - wire).abs());
                    }
                    (Some(_), None) => found.lost_to_tool += 1,
                    (None, Some(_)) => found.ghosts += 1,
                    _ => {}
                }
            }
        }
        found.errors.sort_unstable_by(f64::total_cmp);
        found
    }
}

/// Reads the next record; `false` at the end of the file.
fn read_record(
    reader: &mut impl Read,
    record: &mut [u8; 16],
    packet: &mut Vec<u8>,
) -> io::Result<bool> {
    match reader.read_exact(record) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    }
    packet.resize(word(record, 8) as usize, 0);
    reader.read_exact(packet)?;
    Ok(true)
}

/// A number of the file's own headers.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// What an IP packet means here; `None` if nothing.
fn meaning(packet: &[u8]) -> Option<Meaning> {
    let (from, to, protocol, body): (IpAddr, IpAddr, u8, &[u8]) = match packet.first()? >> 4 {
        4 => {
            let header = usize::from(packet[0] & 0x0f) * 4;
            let from: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
            let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            (from.into(), to.into(), packet[9], packet.get(header..)?)
        }
        6 => {
            let from: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
            let to: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            (from.into(), to.into(), packet[6], packet.get(40..)?)
        }
        _ => return None,
    };
    let long = |at: usize| -> Option<u64> {
        body.get(at..at + 4).map(|b| u64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]])))
    };
    match (protocol, *body.first()?) {
        (1, 8) | (58, 128) => Some(Meaning::Request((to, long(4)?))),
        (1, 0) | (58, 129) => Some(Meaning::Answer((from, long(4)?))),
        (6, _) => {
            let (ports, flags) = (long(0)?, *body.get(13)?);
            // Ports of both directions read the same way round; the top bit tells TCP from ICMP. Source
            // ports alone would do, so the destination's top bit is not missed.
            let key = |ports: u64, sequence: u64| 1 << 63 | (ports & 0x7fff_ffff) << 32 | sequence;
            let turned = ports >> 16 | (ports & 0xffff) << 16;
            match (flags & 0x02 != 0, flags & 0x10 != 0, flags & 0x04 != 0) {
                (true, false, _) => Some(Meaning::Request((to, key(turned, long(4)?)))),
                (true, true, _) | (false, true, true) => {
                    let sequence = long(8)?.wrapping_sub(1) & 0xffff_ffff;
                    Some(Meaning::Answer((from, key(ports, sequence))))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    /// An IPv4 packet without checksums: nobody looks at them here.
    fn packet(from: [u8; 4], to: [u8; 4], protocol: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
        bytes.extend_from_slice(&from);
        bytes.extend_from_slice(&to);
        bytes.extend_from_slice(body);
        bytes
    }

    fn tcp(ports: [u16; 2], sequence: u32, acknowledged: u32, flags: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&acknowledged.to_be_bytes());
        bytes.extend_from_slice(&[0x50, flags, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    /// Writes a capture of packets at these microseconds and reads it.
    fn truth(packets: &[(u32, Vec<u8>)]) -> Truth {
        let mut file = tempfile::tempfile().unwrap();
        let mut number = |n: u32| file.write_all(&n.to_ne_bytes()).unwrap();
        [MAGIC, 0x0004_0002, 0, 0, 65_535, LINKTYPE_RAW].into_iter().for_each(&mut number);
        for (us, bytes) in packets {
            let length = bytes.len() as u32;
            for n in [7, us * 1000, length, length] {
                file.write_all(&n.to_ne_bytes()).unwrap();
            }
            file.write_all(bytes).unwrap();
        }
        file.rewind().unwrap();
        Truth::read(&mut file).unwrap()
    }

    const HERE: [u8; 4] = [10, 255, 0, 1];
    const HOST: [u8; 4] = [10, 64, 0, 1];

    #[test]
    fn echoes_are_matched_by_host_id_and_sequence() {
        let ask = |n| packet(HERE, HOST, 1, &[8, 0, 0, 0, 1, 2, 0, n]);
        let answer = |n| packet(HOST, HERE, 1, &[0, 0, 0, 0, 1, 2, 0, n]);
        let truth = truth(&[
            (0, ask(0)),
            (100, ask(1)),
            (150, ask(2)),
            (210, answer(1)),
            (220, answer(1)),
            (500, answer(0)),
            (600, packet([9, 9, 9, 9], HERE, 1, &[0, 0, 0, 0, 1, 2, 0, 2])),
        ]);
        let rtts: Vec<_> = truth.requests[&HOST.into()].iter().map(|it| it.rtt_us).collect();
        assert_eq!(rtts, [Some(500.0), Some(110.0), None]);
        assert_eq!(truth.duplicates, 1);

        let told = [(HOST.into(), vec![Some(501.5), None, Some(3.0)])].into();
        let found = truth.compare(&told);
        assert_eq!((found.requests, found.answered), (3, 2));
        assert_eq!((found.lost_to_tool, found.ghosts), (1, 1));
        assert_eq!(found.errors, [1.5]);
    }

    #[test]
    fn a_syn_is_answered_by_its_own_ack_and_retransmissions_do_not_count_as_requests() {
        let syn = || packet(HERE, HOST, 6, &tcp([40_000, 80], 9, 0, 0x02));
        let truth = truth(&[
            (0, packet(HERE, HOST, 6, &tcp([40_001, 81], u32::MAX, 0, 0x02))),
            (30, packet(HOST, HERE, 6, &tcp([81, 40_001], 0, 0, 0x14))),
            (40, syn()),
            (1040, syn()),
            (1050, packet(HOST, HERE, 6, &tcp([80, 40_000], 5, 10, 0x12))),
            (1051, packet(HERE, HOST, 6, &tcp([40_000, 80], 10, 6, 0x10))),
        ]);
        let requests = &truth.requests[&HOST.into()];
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].rtt_us, Some(30.0));
        assert!(requests[1].again);
        let told = [(HOST.into(), vec![Some(30.0), Some(10.0)])].into();
        assert_eq!(truth.compare(&told).errors, [0.0], "an ambiguous RTT is not judged");
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        assert!(percentile(&[], 0.5).is_nan());
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&sorted, 0.5), percentile(&sorted, 0.99)), (50.0, 99.0));
        assert_eq!((percentile(&sorted, 0.0), percentile(&sorted, 1.0)), (1.0, 100.0));
    }
}
