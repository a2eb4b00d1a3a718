//! What came of the probing so far: one row a target. It takes reports in and answers questions; it prints
//! nothing and sends nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use measure::TargetStatus;
use model::{Counts, Method, Outcome, ProbeResult, Protocol, Reason, Tally};

use super::hosts::{self, List};
use super::{NOT_FOUND, UNANSWERED};

/// All targets and what is known of them.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) list: List,
    rows: Vec<Row>,
    /// Where and how a target is asked, where its word does not say so: names, and ICMP asked by TCP.
    asked: HashMap<u32, Asked>,
    /// Why the latest unanswered probe of a target was not answered, where a reason is known.
    reasons: HashMap<u32, Reason>,
    /// Why a name has no address.
    unresolved: HashMap<u32, Arc<str>>,
    /// Probes that have their outcome.
    pub(super) settled: u64,
}

/// What is known of one target.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) tally: Tally,
}

/// Where and how a target is asked.
#[derive(Clone, Copy, Debug)]
struct Asked {
    address: IpAddr,
    /// The TCP port that is asked for want of the privilege to send ICMP.
    instead: Option<u16>,
}

/// What the probing says of a target as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Verdict {
    /// It answered at least once.
    Up,
    /// It was asked and did not answer in time.
    Down,
    /// Its name has no address.
    NotFound,
    /// Nothing is known: not asked yet, or our own drops and refusals hide it.
    Unknown,
}

/// How many targets have which verdict, and all their probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) up: usize,
    pub(super) down: usize,
    pub(super) not_found: usize,
    pub(super) unknown: usize,
    pub(super) counts: Counts,
}

impl Board {
    /// A board on which nothing happened yet.
    pub(super) fn new(list: List) -> Self {
        let rows = (0..list.len()).map(|_| Row::default()).collect();
        let (asked, reasons, unresolved) = Default::default();
        Self { list, rows, asked, reasons, unresolved, settled: 0 }
    }

    /// Takes one report in. Reports about targets that are not on the board are not ours.
    pub(super) fn add(&mut self, result: &ProbeResult) {
        let Some(row) = self.rows.get_mut(result.target.0 as usize) else { return };
        row.tally.add(result);
        self.settled += u64::from(!result.outcome.is_further());
        if let Some(reason) = result.reason {
            self.reasons.insert(result.target.0, reason);
        }
    }

    /// Takes in where targets are asked and which names have no address.
    pub(super) fn update(&mut self, statuses: &[TargetStatus]) {
        for status in statuses {
            let index = status.id.0 as usize;
            if index >= self.rows.len() {
                continue;
            }
            if let Some(at) = status.address {
                let tcp = matches!(status.method, Some(Method::TcpSyn | Method::TcpConnect));
                let by_icmp = self.list.protocol(index) == Protocol::Icmp;
                let asked =
                    Asked { address: at.ip(), instead: (tcp && by_icmp).then_some(at.port()) };
                if asked.instead.is_some() || hosts::literal(self.list.host(index)).is_none() {
                    self.asked.insert(status.id.0, asked);
                } else {
                    self.asked.remove(&status.id.0);
                }
            }
            match &status.unresolved {
                Some(why) => {
                    self.unresolved.insert(status.id.0, Arc::clone(why));
                }
                None => {
                    self.unresolved.remove(&status.id.0);
                }
            }
        }
    }

    /// Number of targets.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row of a target.
    pub(super) fn row(&self, index: usize) -> &Row {
        &self.rows[index]
    }

    /// Where a target is asked, once that is known.
    pub(super) fn address(&self, index: usize) -> Option<IpAddr> {
        let asked = self.asked.get(&(index as u32)).map(|asked| asked.address);
        asked.or_else(|| hosts::literal(self.list.host(index)))
    }

    /// How a target is really asked: a target of ICMP may be asked by TCP for want of a privilege.
    pub(super) fn protocol(&self, index: usize) -> Protocol {
        let asked = self.asked.get(&(index as u32));
        let instead = asked.and_then(|asked| asked.instead);
        instead.map_or_else(|| self.list.protocol(index), Protocol::Tcp)
    }

    /// Why the latest probe that has a reason was not answered.
    pub(super) fn reason(&self, index: usize) -> Option<Reason> {
        self.reasons.get(&(index as u32)).copied()
    }

    /// Why the target's name has no address.
    pub(super) fn unresolved(&self, index: usize) -> Option<&str> {
        self.unresolved.get(&(index as u32)).map(|why| &**why)
    }

    /// What the probing says of a target.
    pub(super) fn verdict(&self, index: usize) -> Verdict {
        let counts = self.rows[index].tally.counts();
        if counts.received > 0 {
            Verdict::Up
        } else if counts.sent > counts.unknown {
            Verdict::Down
        } else if self.unresolved.contains_key(&(index as u32)) {
            Verdict::NotFound
        } else {
            Verdict::Unknown
        }
    }

    /// All targets together.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for index in 0..self.len() {
            totals.counts += self.rows[index].tally.counts();
            match self.verdict(index) {
                Verdict::Up => totals.up += 1,
                Verdict::Down => totals.down += 1,
                Verdict::NotFound => totals.not_found += 1,
                Verdict::Unknown => totals.unknown += 1,
            }
        }
        totals
    }

    /// The exit code: a name without an address weighs more than a target without an answer.
    pub(super) fn exit_code(&self) -> u8 {
        let verdicts = || (0..self.len()).map(|index| self.verdict(index));
        if verdicts().any(|verdict| verdict == Verdict::NotFound) {
            NOT_FOUND
        } else if verdicts().any(|verdict| verdict != Verdict::Up) {
            UNANSWERED
        } else {
            0
        }
    }

    /// Smallest and largest RTT of all targets in nanoseconds.
    pub(super) fn rtt_range(&self) -> Option<(u64, u64)> {
        let ranges = self.rows.iter().filter_map(|row| row.tally.rtt_range());
        ranges.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
    }

    /// Whether a report is of a target whose address is not known here yet.
    pub(super) fn lacks_address(&self, result: &ProbeResult) -> bool {
        result.outcome != Outcome::Unsent
            && (result.target.0 as usize) < self.rows.len()
            && self.address(result.target.0 as usize).is_none()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use model::{StampSource, TargetId, UnixNs};

    use super::super::hosts::Defaults;
    use super::*;

    /// A board of these words and these reports: target, round, outcome, RTT in microseconds.
    pub(in super::super) fn board(words: &[&str], reports: &[(u32, u32, Outcome, u64)]) -> Board {
        let mut list = List::default();
        for word in words {
            list.add(word, &Defaults::default(), format_args!("")).expect("a good word");
        }
        let mut board = Board::new(list);
        for report in reports {
            board.add(&result(*report));
        }
        board
    }

    /// A report; an RTT of 0 is none.
    pub(in super::super) fn result(
        (target, round, outcome, rtt_us): (u32, u32, Outcome, u64),
    ) -> ProbeResult {
        let rtt_ns = (rtt_us > 0).then_some(rtt_us * 1_000);
        let (target, stamp) = (TargetId(target), StampSource::Kernel);
        let sent_at = UnixNs(1_700_000_000_123_456_789 + i64::from(round) * 1_000_000_000);
        ProbeResult { target, round, outcome, reason: None, rtt_ns, stamp, sent_at }
    }

    /// The status of a target whose name is not found.
    pub(in super::super) fn not_found(id: u32, why: &str) -> TargetStatus {
        TargetStatus {
            id: TargetId(id),
            address: None,
            method: None,
            interval: None,
            note: None,
            unresolved: Some(why.into()),
        }
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst_target() {
        let up = (0, 0, Outcome::Reply, 10);
        assert_eq!(board(&["10.0.0.1"], &[up]).exit_code(), 0);
        let mut mixed = board(&["10.0.0.1", "10.0.0.2", "n"], &[up, (1, 0, Outcome::Lost, 0)]);
        assert_eq!(mixed.exit_code(), 1);
        mixed.update(&[not_found(2, "n: name not found")]);
        assert_eq!(mixed.exit_code(), 2);
    }

    #[test]
    fn a_name_that_was_found_and_fails_to_be_looked_up_again_was_found() {
        let mut answered = board(&["n"], &[(0, 0, Outcome::Reply, 10)]);
        answered.update(&[not_found(0, "n: the DNS resolver does not answer")]);
        assert_eq!(answered.exit_code(), 0);
        let mut silent = board(&["n"], &[(0, 0, Outcome::Lost, 0)]);
        silent.update(&[not_found(0, "n: the DNS resolver does not answer")]);
        assert_eq!(silent.exit_code(), 1);
    }

    #[test]
    fn a_late_answer_is_no_answer_and_one_answer_is_enough() {
        let late = [(0, 0, Outcome::Lost, 0), (0, 0, Outcome::Late, 2_000_000)];
        assert_eq!(board(&["10.0.0.1"], &late).exit_code(), 1);
        let once = [(0, 0, Outcome::Lost, 0), (0, 1, Outcome::Reply, 5)];
        assert_eq!(board(&["10.0.0.1"], &once).exit_code(), 0);
    }

    #[test]
    fn a_target_of_icmp_that_is_asked_by_tcp_says_so() {
        let mut board = board(&["10.0.0.1", "10.0.0.2:22"], &[]);
        let status = |id, method, address: &str| TargetStatus {
            method: Some(method),
            address: Some(address.parse().expect("an address")),
            unresolved: None,
            ..not_found(id, "")
        };
        assert_eq!(board.protocol(0), Protocol::Icmp);
        board.update(&[status(0, Method::TcpConnect, "10.0.0.1:443")]);
        board.update(&[status(1, Method::TcpConnect, "10.0.0.2:22")]);
        assert_eq!(board.protocol(0), Protocol::Tcp(443));
        assert_eq!(board.protocol(1), Protocol::Tcp(22));
        board.update(&[status(0, Method::IcmpRaw, "10.0.0.1:0")]);
        assert_eq!(board.protocol(0), Protocol::Icmp);
    }

    #[test]
    fn totals_count_targets_by_verdict() {
        let mut board = board(
            &["10.0.0.1", "10.0.0.2", "10.0.0.3", "n"],
            &[(0, 0, Outcome::Refused, 10), (1, 0, Outcome::Lost, 0), (2, 0, Outcome::Unsent, 0)],
        );
        board.update(&[not_found(3, "n: name not found")]);
        let totals = board.totals();
        assert_eq!((totals.up, totals.down, totals.not_found, totals.unknown), (1, 1, 1, 1));
        assert_eq!((totals.counts.sent, totals.counts.unsent), (2, 1));
    }

    #[test]
    fn a_report_about_a_stranger_is_passed_over() {
        let board = board(&["10.0.0.1"], &[(7, 0, Outcome::Reply, 10)]);
        assert_eq!(board.totals().counts.sent, 0);
    }
}
