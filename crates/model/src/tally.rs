//! What the probes of one target add up to: counts by the contract of `netmend probe`, RTT statistics and
//! jitter, in about 200 bytes a target. It must not know targets, clocks or how anything is printed.

use crate::{Outcome, ProbeResult};

mod order;
mod rtts;

use order::Order;
use rtts::Rtts;

/// Accumulates the reports about the probes of one target.
///
/// Reports may come in any order as long as the first report of a probe precedes its further ones
/// (`late`, `duplicate`). Adding is O(1), or O(log buckets) once there are more than
/// [`Tally::EXACT`] RTTs, and allocates only when the distribution takes up room it never had.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    rtts: Rtts,
    order: Order,
    mean_ns: f64,
    /// Sum of squared distances from the mean (Welford).
    spread: f64,
    min_ns: u64,
    max_ns: u64,
    /// There once a probe was not simply answered, which for most targets is never.
    rare: Option<Box<Rare>>,
    timed: u32,
    received: u32,
}

/// Counts of what seldom happens.
#[derive(Clone, Copy, Debug, Default)]
struct Rare {
    refused: u32,
    /// Probes once reported `lost`, those that became `late` included.
    overdue: u32,
    late: u32,
    unreachable: u32,
    unknown: u32,
    duplicates: u32,
    unsent: u32,
}

impl Rare {
    const NONE: Self = Self {
        refused: 0,
        overdue: 0,
        late: 0,
        unreachable: 0,
        unknown: 0,
        duplicates: 0,
        unsent: 0,
    };
}

/// How many probes had which outcome.
///
/// `sent = received + lost + late + unreachable + unknown`; `refused` is within `received`; `duplicates`
/// and `unsent` are outside `sent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Probes that left.
    pub sent: u32,
    /// Answered in time.
    pub received: u32,
    /// Of those, answered by a TCP reset.
    pub refused: u32,
    /// Never answered, as far as is known yet.
    pub lost: u32,
    /// Answered after the deadline.
    pub late: u32,
    /// Reported unreachable by ICMP.
    pub unreachable: u32,
    /// Sent, but what became of them cannot be known.
    pub unknown: u32,
    /// Answers beyond the first.
    pub duplicates: u32,
    /// Refused by our own kernel.
    pub unsent: u32,
}

impl Counts {
    /// `(lost + late + unreachable) / (sent - unknown)` in percent; `None` while that says nothing.
    pub fn loss_pct(&self) -> Option<f64> {
        let known = self.sent - self.unknown;
        let missed = self.lost + self.late + self.unreachable;
        (known > 0).then(|| f64::from(missed) * 100.0 / f64::from(known))
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.refused += other.refused;
        self.lost += other.lost;
        self.late += other.late;
        self.unreachable += other.unreachable;
        self.unknown += other.unknown;
        self.duplicates += other.duplicates;
        self.unsent += other.unsent;
    }
}

/// Statistics of the RTTs of answers in time, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RttStats {
    /// Smallest, exact.
    pub min: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Largest, exact.
    pub max: u64,
    /// Median. Percentiles interpolate linearly between the two closest ranks (as `NumPy` and R do by
    /// default); they are exact up to [`Tally::EXACT`] RTTs below 4.29 s, within 1 % after that.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Standard deviation of the population, which is what `ping` prints as mdev; 0 for a single RTT.
    pub stddev: f64,
}

impl Tally {
    /// Up to this many RTTs percentiles are exact.
    pub const EXACT: usize = rtts::EXACT;

    /// Takes one report into account.
    pub fn add(&mut self, result: &ProbeResult) {
        if result.outcome.is_answer() {
            self.received = self.received.saturating_add(1);
        }
        let mut count_rare = |of: fn(&mut Rare) -> &mut u32| {
            let count = of(self.rare.get_or_insert_default());
            *count = count.saturating_add(1);
        };
        match result.outcome {
            Outcome::Reply => {}
            Outcome::Refused => count_rare(|rare| &mut rare.refused),
            Outcome::Lost => count_rare(|rare| &mut rare.overdue),
            Outcome::Late => count_rare(|rare| &mut rare.late),
            Outcome::Duplicate => count_rare(|rare| &mut rare.duplicates),
            Outcome::Unreachable => count_rare(|rare| &mut rare.unreachable),
            Outcome::Unsent => count_rare(|rare| &mut rare.unsent),
            Outcome::Unknown => count_rare(|rare| &mut rare.unknown),
        }
        if result.outcome.is_further() {
            return;
        }
        let rtt = result.rtt_ns.filter(|_| result.outcome.is_answer());
        self.order.settle(result.round, rtt);
        if let Some(rtt) = rtt {
            self.time(rtt);
        }
    }

    /// How many probes had which outcome so far.
    pub fn counts(&self) -> Counts {
        let rare = self.rare.as_deref().unwrap_or(&Rare::NONE);
        let late = rare.late.min(rare.overdue);
        let sent = [rare.overdue, rare.unreachable, rare.unknown]
            .iter()
            .fold(self.received, |sum, count| sum.saturating_add(*count));
        Counts {
            sent,
            received: self.received,
            refused: rare.refused,
            lost: rare.overdue - late,
            late,
            unreachable: rare.unreachable,
            unknown: rare.unknown,
            duplicates: rare.duplicates,
            unsent: rare.unsent,
        }
    }

    /// Statistics of the RTTs; `None` while there is none.
    pub fn rtt(&self) -> Option<RttStats> {
        let [p50, p90, p99] = self.percentiles([0.5, 0.9, 0.99])?;
        Some(RttStats {
            min: self.min_ns,
            mean: self.mean_ns,
            max: self.max_ns,
            p50,
            p90,
            p99,
            stddev: (self.spread / f64::from(self.timed)).sqrt(),
        })
    }

    /// Smallest and largest RTT in nanoseconds, exact; `None` while there is none.
    pub fn rtt_range(&self) -> Option<(u64, u64)> {
        (self.timed > 0).then_some((self.min_ns, self.max_ns))
    }

    /// The median RTT in nanoseconds; `None` while there is none.
    pub fn median_ns(&self) -> Option<f64> {
        self.percentiles([0.5]).map(|[median]| median)
    }

    /// Mean of `|RTT_i - RTT_(i-1)|` over consecutive replies in nanoseconds; `None` below two.
    ///
    /// Replies are consecutive in the order of their rounds, whatever order they were reported in;
    /// probes without an RTT between two replies are passed over.
    pub fn jitter_ns(&self) -> Option<f64> {
        self.order.jitter_ns()
    }

    /// Hands over every RTT in nanoseconds with how often it occurred, in no particular order; beyond
    /// [`Tally::EXACT`] of them as the middles of buckets that are at most 1.6 % wide.
    pub fn for_each_rtt(&self, mut take: impl FnMut(f64, u32)) {
        self.rtts.for_each(&mut take);
    }

    /// Welford's update of mean and spread, and the distribution.
    fn time(&mut self, rtt: u64) {
        if self.timed == 0 {
            (self.min_ns, self.max_ns) = (rtt, rtt);
        }
        self.min_ns = self.min_ns.min(rtt);
        self.max_ns = self.max_ns.max(rtt);
        self.timed = self.timed.saturating_add(1);
        let distance = rtt as f64 - self.mean_ns;
        self.mean_ns += distance / f64::from(self.timed);
        self.spread += distance * (rtt as f64 - self.mean_ns);
        self.rtts.push(rtt);
    }

    /// Ascending percentiles, each within what was really seen.
    fn percentiles<const N: usize>(&self, quantiles: [f64; N]) -> Option<[f64; N]> {
        if self.timed == 0 {
            return None;
        }
        let (low, high) = (self.min_ns as f64, self.max_ns as f64);
        Some(self.rtts.percentiles(quantiles).map(|rtt| rtt.clamp(low, high)))
    }
}

#[cfg(test)]
mod tests;
