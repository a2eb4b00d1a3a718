//! What each target did in its latest rounds, in one byte a round. It knows neither names nor statistics.

use model::{Outcome, ProbeResult};

/// Rounds that are remembered.
pub(super) const ROUNDS: usize = 48;

/// So many unanswered rounds in a row are down, as the daemon has it.
const DOWN_AFTER: usize = model::TargetNow::DOWN_AFTER;
/// So many unanswered rounds of those remembered are lossy.
const LOSSY_FROM: usize = model::TargetNow::LOSSY_FROM;

/// One round of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// No report yet.
    Nothing,
    /// Lost, or late by now.
    Lost,
    /// Reported unreachable.
    Unreachable,
    /// Unsent or unknown: says nothing about the target.
    Unknown,
    /// Answered; without an RTT it is `None`, else on a logarithmic scale of 1/5 octave.
    Answered(Option<u8>),
}

/// How a target is judged by its latest rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Down,
    Lossy,
    Unknown,
    Up,
}

/// The histories of all targets.
#[derive(Debug)]
pub(super) struct Histories(Vec<History>);

/// The latest rounds of a target.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// Round `r` is at `r % ROUNDS`.
    marks: [u8; ROUNDS],
    /// One more than the latest round.
    next: u32,
    /// RTT of the latest answer in nanoseconds; 0 is none.
    last_ns: u64,
}

/// Codes of marks; above the last an RTT.
const NOTHING: u8 = 0;
const LOST: u8 = 1;
const UNREACHABLE: u8 = 2;
const UNKNOWN: u8 = 3;
const UNTIMED: u8 = 4;
const TIMED: u8 = 5;

/// Steps of the RTT scale in one power of two.
const STEPS: f64 = 5.0;

impl Histories {
    /// Histories in which nothing happened yet.
    pub(super) fn new(targets: usize) -> Self {
        let empty = History { marks: [NOTHING; ROUNDS], next: 0, last_ns: 0 };
        Self(vec![empty; targets])
    }

    /// Takes one report in.
    pub(super) fn add(&mut self, result: &ProbeResult) {
        if let Some(history) = self.0.get_mut(result.target.0 as usize) {
            history.add(result);
        }
    }

    /// The history of a target.
    pub(super) fn get(&self, index: usize) -> &History {
        &self.0[index]
    }
}

impl History {
    fn add(&mut self, result: &ProbeResult) {
        let code = match result.outcome {
            Outcome::Reply | Outcome::Refused => {
                self.last_ns = result.rtt_ns.unwrap_or(0);
                result.rtt_ns.map_or(UNTIMED, code_of)
            }
            Outcome::Lost => LOST,
            Outcome::Unreachable => UNREACHABLE,
            Outcome::Unsent | Outcome::Unknown => UNKNOWN,
            Outcome::Late | Outcome::Duplicate => return,
        };
        // Rounds that were passed over, or are still under way, show nothing.
        for skipped in self.next.max(result.round.saturating_sub(ROUNDS as u32))..result.round {
            self.marks[skipped as usize % ROUNDS] = NOTHING;
        }
        if result.round.saturating_add(ROUNDS as u32) >= self.next {
            self.marks[result.round as usize % ROUNDS] = code;
        }
        self.next = self.next.max(result.round.saturating_add(1));
    }

    /// The latest `count` rounds, oldest first.
    pub(super) fn latest(&self, count: usize) -> impl DoubleEndedIterator<Item = Mark> + '_ {
        let count = count.min(ROUNDS).min(self.next as usize);
        (self.next as usize - count..self.next as usize)
            .map(|round| mark(self.marks[round % ROUNDS]))
    }

    /// RTT of the latest answer in nanoseconds.
    pub(super) fn last_ns(&self) -> Option<f64> {
        (self.last_ns > 0).then_some(self.last_ns as f64)
    }

    /// Judges the target by what is remembered.
    pub(super) fn state(&self) -> State {
        let missed = |mark: &Mark| matches!(mark, Mark::Lost | Mark::Unreachable);
        let known = |mark: &Mark| missed(mark) || matches!(mark, Mark::Answered(_));
        let row = self.latest(ROUNDS).rev().filter(known).take_while(missed).count();
        let answered = self.latest(ROUNDS).any(|mark| matches!(mark, Mark::Answered(_)));
        let lost = self.latest(ROUNDS).filter(missed).count();
        match (row, answered) {
            (0, false) => State::Unknown,
            (_, false) => State::Down,
            (row, true) if row >= DOWN_AFTER => State::Down,
            _ if lost >= LOSSY_FROM => State::Lossy,
            _ => State::Up,
        }
    }
}

fn code_of(rtt_ns: u64) -> u8 {
    let step = (rtt_ns.max(1) as f64).log2() * STEPS;
    #[expect(clippy::cast_sign_loss, reason = "the logarithm of at least 1 is not negative")]
    let step = step.round() as u8;
    TIMED.saturating_add(step)
}

fn mark(code: u8) -> Mark {
    match code {
        NOTHING => Mark::Nothing,
        LOST => Mark::Lost,
        UNREACHABLE => Mark::Unreachable,
        UNKNOWN => Mark::Unknown,
        UNTIMED => Mark::Answered(None),
        timed => Mark::Answered(Some(timed - TIMED)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::board::tests::result;
    use super::*;

    fn history(outcomes: &[(u32, Outcome)]) -> History {
        let mut histories = Histories::new(1);
        for &(round, outcome) in outcomes {
            let rtt_us = if outcome.is_answer() { 1_000 } else { 0 };
            histories.add(&result((0, round, outcome, rtt_us)));
        }
        histories.0.remove(0)
    }

    #[test]
    fn marks_keep_the_order_of_rounds_whatever_came_first() {
        let history = history(&[(1, Outcome::Reply), (0, Outcome::Lost), (3, Outcome::Unsent)]);
        let marks: Vec<Mark> = history.latest(ROUNDS).collect();
        let answered = Mark::Answered(Some(code_of(1_000_000) - TIMED));
        assert_eq!(marks, [Mark::Lost, answered, Mark::Nothing, Mark::Unknown]);
    }

    #[test]
    fn a_gap_does_not_bring_old_rounds_back() {
        let mut reports: Vec<_> = (0..100).map(|round| (round, Outcome::Lost)).collect();
        reports.push((140, Outcome::Reply));
        let history = history(&reports);
        let lost = history.latest(ROUNDS).filter(|mark| *mark == Mark::Lost).count();
        assert_eq!(lost, ROUNDS - 41);
    }

    #[test]
    fn states_follow_the_latest_rounds() {
        use Outcome::{Lost, Reply, Unsent};
        let state = |outcomes: &[Outcome]| {
            let rounds: Vec<_> = (0..).zip(outcomes.iter().copied()).collect();
            history(&rounds).state()
        };
        assert_eq!(state(&[]), State::Unknown);
        assert_eq!(state(&[Unsent]), State::Unknown);
        assert_eq!(state(&[Lost]), State::Down);
        assert_eq!(state(&[Reply, Lost, Reply]), State::Up);
        assert_eq!(state(&[Reply, Lost, Lost, Reply]), State::Lossy);
        assert_eq!(state(&[Reply, Lost, Lost, Unsent, Lost]), State::Down);
    }
}
