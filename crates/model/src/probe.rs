//! What became of a probe. The words are those of the JSON contract of `netmend probe`.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{TargetId, UnixNs};

/// What became of one probe, or of one answer to it.
///
/// `sent = received + lost + late + unreachable + unknown`; `refused` is within `received`;
/// `loss_pct = (lost + late + unreachable) / (sent - unknown)`; `unsent` is outside `sent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Answered in time.
    Reply,
    /// Answered in time by a TCP reset: the host is there, the port is closed.
    Refused,
    /// No answer until the deadline.
    Lost,
    /// A further report for a probe already `lost`: its answer came after the deadline.
    Late,
    /// A further report for an answered probe: another answer to it came.
    Duplicate,
    /// A router or the host itself reported by ICMP that it cannot be reached.
    Unreachable,
    /// Our own kernel refused to send it.
    Unsent,
    /// Sent, but we cannot know: our own drops, a full neighbour table, a clock step.
    Unknown,
}

impl Outcome {
    /// The word used in JSON, labels and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Reply => "reply",
            Outcome::Refused => "refused",
            Outcome::Lost => "lost",
            Outcome::Late => "late",
            Outcome::Duplicate => "duplicate",
            Outcome::Unreachable => "unreachable",
            Outcome::Unsent => "unsent",
            Outcome::Unknown => "unknown",
        }
    }

    /// Whether it is an answer in time.
    pub fn is_answer(self) -> bool {
        matches!(self, Outcome::Reply | Outcome::Refused)
    }

    /// Whether it is one more report about a probe that already had its outcome.
    pub fn is_further(self) -> bool {
        matches!(self, Outcome::Late | Outcome::Duplicate)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a probe is unreachable, unsent or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An ICMP error: who sent it, its type and code (RFC 792, RFC 4443).
    Icmp {
        /// The router or host that reported.
        from: IpAddr,
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
    },
    /// The send failed with this `errno`.
    Errno(i32),
    /// Our receive queue overflowed while the probe was under way.
    ReceiveQueueFull,
    /// The neighbour table was full, or the next hop did not answer ARP or neighbour discovery.
    NeighbourTable,
    /// The wall clock was stepped while the probe was under way.
    ClockStep,
    /// The excess over what can be stamped or sent in time.
    Overload,
    /// The host's name could not be resolved.
    NameNotFound,
    /// The port could not be probed within the rate that is safe for the server.
    RateLimit,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Icmp { from, kind, code } => {
                let v6 = from.is_ipv6();
                match icmp_words(v6, *kind, *code) {
                    Some(words) => write!(f, "{words}, reported by {from}"),
                    None => write!(f, "ICMP type {kind} code {code} from {from}"),
                }
            }
            Reason::Errno(errno) => write!(f, "{}", nix::errno::Errno::from_raw(*errno).desc()),
            Reason::ReceiveQueueFull => f.write_str("receive queue was full"),
            Reason::NeighbourTable => f.write_str("neighbour table: next hop not resolved"),
            Reason::ClockStep => f.write_str("clock was stepped"),
            Reason::Overload => f.write_str("more probes due than can be sent"),
            Reason::NameNotFound => f.write_str("name not found"),
            Reason::RateLimit => f.write_str("rate limit of this port"),
        }
    }
}

/// Words of the ICMP codes people meet (RFC 792, RFC 1812, RFC 4443).
fn icmp_words(v6: bool, kind: u8, code: u8) -> Option<&'static str> {
    Some(match (v6, kind, code) {
        (false, 3, 0) | (true, 1, 0) => "no route",
        (false, 3, 1) | (true, 1, 3) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 4) | (true, 2, _) => "packet too big",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "prohibited by a filter",
        (false, 11, 0) | (true, 3, 0) => "hop limit exceeded",
        _ => return None,
    })
}

/// Which clock an RTT rests on, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StampSource {
    /// The kernel's software stamp as the packet left or arrived, or its own `tcpi_rtt`.
    Kernel,
    /// An estimate between the kernel's stamps of packets that left right before and after, in a burst:
    /// they bound it, and they are at most 0.05 ms apart.
    Between,
    /// The kernel's stamp before the queueing discipline.
    Sched,
    /// Our own clock around the system call.
    User,
}

/// How a target is asked right now: the rung of the privilege ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// ICMP echo over a raw socket (`CAP_NET_RAW`).
    IcmpRaw,
    /// ICMP echo over a ping socket (`ping_group_range`).
    IcmpDgram,
    /// TCP SYN over a raw socket; the handshake is never finished.
    TcpSyn,
    /// `connect()` and the kernel's own RTT.
    TcpConnect,
}

impl Method {
    /// Words for pages and `doctor`.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::IcmpRaw => "ICMP (raw socket)",
            Method::IcmpDgram => "ICMP (ping socket)",
            Method::TcpSyn => "TCP SYN (half-open)",
            Method::TcpConnect => "TCP connect",
        }
    }
}

/// One report about one probe. 64 bytes or less, `Copy`, so that batches of them are cheap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProbeResult {
    /// Which target.
    pub target: TargetId,
    /// Round, counted from 0 for each target.
    pub round: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, for outcomes that are not answers.
    pub reason: Option<Reason>,
    /// Round-trip time in nanoseconds; `Some` for `reply`, `refused`, `late` and `duplicate`, except a
    /// TCP answer whose SYN was retransmitted.
    pub rtt_ns: Option<u64>,
    /// Which clock the RTT rests on.
    pub stamp: StampSource,
    /// When the probe left.
    pub sent_at: UnixNs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_stays_small_enough_to_copy() {
        assert!(size_of::<ProbeResult>() <= 64, "{} bytes", size_of::<ProbeResult>());
    }

    #[test]
    fn reasons_say_who_reported_what() {
        let from = "10.0.0.1".parse().expect("an address");
        let reason = Reason::Icmp { from, kind: 3, code: 1 };
        assert_eq!(reason.to_string(), "host unreachable, reported by 10.0.0.1");
        let odd = Reason::Icmp { from, kind: 3, code: 99 };
        assert_eq!(odd.to_string(), "ICMP type 3 code 99 from 10.0.0.1");
        assert_eq!(Reason::Errno(1).to_string(), "Operation not permitted");
    }
}
