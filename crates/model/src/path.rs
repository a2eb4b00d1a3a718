//! The way to a target: which routers answered at which distance, and how two such ways differ. Data and
//! the words for it; who finds a path is `measure::trace`. The store keeps these as JSON, so that names
//! here are a format.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Method, Reason, UnixMs};

/// What a path trace found at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// When it began.
    pub at: UnixMs,
    /// The address it was asked from, if the system said.
    pub from: Option<IpAddr>,
    /// Whereto.
    pub to: IpAddr,
    /// TCP port, if the probes were SYNs.
    pub port: Option<u16>,
    /// How it was asked.
    pub method: Method,
    /// Probes to each distance, at most.
    pub rounds: u8,
    /// The routers by distance, from 1 on without gaps; silent ones have no answers. It ends with the
    /// last that answered.
    pub hops: Vec<Hop>,
    /// How it ended.
    pub end: PathEnd,
}

/// What is at one distance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Distance: the hop limit (TTL) that ran out here, from 1 on.
    pub distance: u8,
    /// Probes sent to it.
    pub sent: u8,
    /// Who answered, the most frequent first. More than one where packets of one flow are spread.
    pub answers: Vec<HopAnswer>,
}

/// Who answered at a distance, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopAnswer {
    /// Address of the router or host.
    pub from: IpAddr,
    /// Probes it answered.
    pub count: u8,
    /// Round-trip times in microseconds; `None` where the clock was stepped meanwhile.
    pub rtt_us: Option<HopRtt>,
}

/// Round-trip times to one router in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopRtt {
    /// The least.
    pub min: u32,
    /// The mean.
    pub mean: u32,
    /// The greatest.
    pub max: u32,
}

/// How a path ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathEnd {
    /// The target answered.
    Reached,
    /// A router, or the target, said that it cannot be reached.
    Unreachable {
        /// Who.
        from: IpAddr,
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
    },
    /// Nobody answered beyond the last hop.
    Silent,
}

/// How a path differs from an earlier one: the first difference on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathChange {
    /// Not at all, as far as can be seen.
    Same,
    /// The target has another address, so that the ways cannot be compared.
    Address {
        /// Then.
        before: IpAddr,
        /// Now.
        now: IpAddr,
    },
    /// Another router answers.
    Router {
        /// Its distance.
        distance: u8,
        /// Who answered then.
        before: Vec<IpAddr>,
        /// Who answers now.
        now: Vec<IpAddr>,
    },
    /// From here on nobody answers any more.
    Ends {
        /// Distance of the first that is silent now.
        distance: u8,
        /// Who answered there.
        before: Vec<IpAddr>,
        /// The last who still answers, and its distance; `None`: not even the first.
        last: Option<(u8, IpAddr)>,
    },
    /// Somebody says now that the target cannot be reached.
    Unreachable {
        /// Distance of the sender.
        distance: u8,
        /// Who.
        from: IpAddr,
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
    },
    /// The same routers, but from here to the end all answer later.
    Slower {
        /// Distance of the first that answers later.
        distance: u8,
        /// Who.
        from: IpAddr,
        /// Least RTT then, in microseconds.
        before_us: u32,
        /// Least RTT now, in microseconds.
        now_us: u32,
    },
}

impl Hop {
    /// Share of the probes that were not answered, 0 to 100.
    pub fn loss_pct(&self) -> f64 {
        let answered: u32 = self.answers.iter().map(|answer| u32::from(answer.count)).sum();
        let sent = f64::from(self.sent.max(1));
        (sent - f64::from(answered)).max(0.0) / sent * 100.0
    }

    /// The least RTT of all that answered, in microseconds.
    pub fn least_us(&self) -> Option<u32> {
        self.answers.iter().filter_map(|answer| Some(answer.rtt_us?.min)).min()
    }
}

impl Path {
    /// An RTT counts as higher if it exceeds the former by half of it, and by so many microseconds.
    const MORE_US: u32 = 5_000;

    /// Whether the target answered.
    pub fn is_reached(&self) -> bool {
        self.end == PathEnd::Reached
    }

    /// The first difference between this earlier path and that of now. A router that is silent on either
    /// is no difference as long as somebody behind it answers.
    pub fn change_to(&self, now: &Path) -> PathChange {
        if self.to != now.to {
            return PathChange::Address { before: self.to, now: now.to };
        }
        for before in &self.hops {
            let were = addresses(before);
            let Some(hop) = now.hops.get(usize::from(before.distance) - 1) else {
                return now.ending(before.distance, were);
            };
            let are = addresses(hop);
            let both = !were.is_empty() && !are.is_empty();
            if both && are.iter().all(|address| !were.contains(address)) {
                return now.unreachable_at(hop.distance).unwrap_or(PathChange::Router {
                    distance: hop.distance,
                    before: were,
                    now: are,
                });
            }
            if self.is_reached()
                && let Some(change) = now.unreachable_at(hop.distance)
            {
                return change;
            }
        }
        if self.is_reached()
            && let Some(hop) = now.hops.get(self.hops.len())
        {
            // It went on where the target had been.
            let (distance, now) = (hop.distance, addresses(hop));
            return PathChange::Router { distance, before: Vec::new(), now };
        }
        self.slower(now).unwrap_or(PathChange::Same)
    }

    /// The end of this path, which another one had gone beyond.
    fn ending(&self, distance: u8, before: Vec<IpAddr>) -> PathChange {
        let last = self.hops.last();
        if let Some(change) = last.and_then(|hop| self.unreachable_at(hop.distance)) {
            return change;
        }
        if self.is_reached() {
            return PathChange::Router { distance, before, now: Vec::new() };
        }
        let last = last.and_then(|hop| Some((hop.distance, hop.answers.first()?.from)));
        PathChange::Ends { distance, before, last }
    }

    fn unreachable_at(&self, distance: u8) -> Option<PathChange> {
        let PathEnd::Unreachable { from, kind, code } = self.end else { return None };
        let here = self.hops.len() == usize::from(distance);
        here.then_some(PathChange::Unreachable { distance, from, kind, code })
    }

    /// The first router from which on all answer later now.
    fn slower(&self, now: &Path) -> Option<PathChange> {
        let pairs = self.hops.iter().zip(&now.hops).rev();
        let mut found = None;
        for (before, hop) in pairs {
            let (Some(before_us), Some(now_us)) = (before.least_us(), hop.least_us()) else {
                continue;
            };
            if now_us <= before_us.saturating_add(Self::MORE_US.max(before_us / 2)) {
                break;
            }
            let from = hop.answers.first()?.from;
            found = Some(PathChange::Slower { distance: hop.distance, from, before_us, now_us });
        }
        found
    }
}

fn addresses(hop: &Hop) -> Vec<IpAddr> {
    hop.answers.iter().map(|answer| answer.from).collect()
}

/// Addresses with commas between them.
fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for PathChange {
    /// A sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathChange::Same => f.write_str("the path is as it was"),
            PathChange::Address { before, now } => {
                write!(f, "the name points to {now} now, to {before} then")
            }
            PathChange::Router { distance, before, now } if now.is_empty() => {
                write!(f, "the path is shorter now; hop {distance} was {}", list(before))
            }
            PathChange::Router { distance, before, now } if before.is_empty() => {
                write!(f, "the path is longer now: hop {distance} is {}", list(now))
            }
            PathChange::Router { distance, before, now } => {
                write!(f, "hop {distance} is {} now, was {}", list(now), list(before))
            }
            PathChange::Ends { distance, before, last } => {
                match last {
                    Some((hop, address)) => {
                        write!(f, "nobody answers beyond hop {hop} ({address})")?;
                    }
                    None => f.write_str("not even the first hop answers")?,
                }
                if before.is_empty() {
                    return Ok(());
                }
                write!(f, "; hop {distance} was {}", list(before))
            }
            PathChange::Unreachable { distance, from, kind, code } => {
                let reason = Reason::Icmp { from: *from, kind: *kind, code: *code };
                write!(f, "hop {distance}: {reason}")
            }
            PathChange::Slower { distance, from, before_us, now_us } => write!(
                f,
                "from hop {distance} ({from}) on all answer later: {:.1} ms, was {:.1} ms",
                f64::from(*now_us) / 1e3,
                f64::from(*before_us) / 1e3
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path of `10.0.0.N` hops with an RTT in milliseconds; 0 is silent.
    fn path(hops: &[(u8, u32)], end: PathEnd) -> Path {
        let hop = |(index, &(last, ms)): (usize, &(u8, u32))| {
            let rtt = HopRtt { min: ms * 1_000, mean: ms * 1_000, max: ms * 1_000 };
            let answer = HopAnswer { from: address(last), count: 3, rtt_us: Some(rtt) };
            let answers = if last == 0 { Vec::new() } else { vec![answer] };
            Hop { distance: index as u8 + 1, sent: 3, answers }
        };
        Path {
            at: UnixMs(0),
            from: None,
            to: "192.0.2.1".parse().expect("an address"),
            port: None,
            method: Method::IcmpRaw,
            rounds: 3,
            hops: hops.iter().enumerate().map(hop).collect(),
            end,
        }
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn the_first_difference_is_told_in_a_sentence() {
        use PathEnd::{Reached, Silent};
        let before = path(&[(1, 1), (2, 2), (3, 10), (4, 12)], Reached);
        let refused = PathEnd::Unreachable { from: address(2), kind: 3, code: 1 };
        let cases = [
            (path(&[(1, 2), (2, 1), (3, 11), (4, 14)], Reached), "the path is as it was"),
            (path(&[(1, 1), (0, 0), (3, 11), (4, 14)], Reached), "the path is as it was"),
            (
                path(&[(1, 1), (7, 2), (3, 10), (4, 9)], Reached),
                "hop 2 is 10.0.0.7 now, was 10.0.0.2",
            ),
            (
                path(&[(1, 1), (2, 1)], Silent),
                "nobody answers beyond hop 2 (10.0.0.2); hop 3 was 10.0.0.3",
            ),
            (path(&[], Silent), "not even the first hop answers; hop 1 was 10.0.0.1"),
            (path(&[(1, 1), (2, 1)], refused), "hop 2: host unreachable, reported by 10.0.0.2"),
            (
                path(&[(1, 1), (2, 2), (3, 48), (4, 50)], Reached),
                "from hop 3 (10.0.0.3) on all answer later: 48.0 ms, was 10.0 ms",
            ),
            (path(&[(1, 1), (2, 90), (3, 10), (4, 12)], Reached), "the path is as it was"),
            (
                path(&[(1, 1), (2, 2), (3, 10)], Reached),
                "the path is shorter now; hop 4 was 10.0.0.4",
            ),
            (
                path(&[(1, 1), (2, 2), (3, 10), (4, 12), (5, 13)], Reached),
                "the path is longer now: hop 5 is 10.0.0.5",
            ),
        ];
        for (now, expected) in cases {
            assert_eq!(before.change_to(&now).to_string(), expected);
        }
    }

    #[test]
    fn a_path_that_was_silent_before_does_not_end_now() {
        let before = path(&[(1, 1), (2, 2)], PathEnd::Silent);
        assert_eq!(before.change_to(&before), PathChange::Same);
        let further = path(&[(1, 1), (2, 2), (3, 3)], PathEnd::Silent);
        assert_eq!(before.change_to(&further), PathChange::Same);
    }

    #[test]
    fn loss_counts_all_who_answered() {
        let mut hop = path(&[(1, 1)], PathEnd::Reached).hops.remove(0);
        assert!(hop.loss_pct().abs() < 1e-9);
        hop.answers[0].count = 1;
        assert!((hop.loss_pct() - 66.666).abs() < 0.01);
        hop.answers.clear();
        assert!((hop.loss_pct() - 100.0).abs() < 1e-9);
    }
}
