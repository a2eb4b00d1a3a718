//! Jitter needs RTTs in the order of their rounds, reports come in the order of their answers: what comes
//! early is held until the rounds before it are settled. It must hold a bounded number of rounds.

/// At most this many rounds are held back; more mean that a round before them will never be reported.
const HELD: usize = 1_024;

/// Marks "no RTT" in place of one; 584 years are no RTT.
const NONE: u64 = u64::MAX;

/// Running sum of the steps between consecutive RTTs.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// The RTT before the next one, or [`NONE`].
    previous: u64,
    /// Sum of the steps in nanoseconds.
    sum: f64,
    /// Rounds reported before their turn; rarely there.
    held: Option<Box<Held>>,
    /// Number of the steps.
    steps: u32,
    /// The round whose turn it is.
    next: u32,
}

/// Rounds and their RTTs or [`NONE`], ascending by round.
#[derive(Clone, Debug, Default)]
struct Held(Vec<(u32, u64)>);

impl Default for Order {
    fn default() -> Self {
        Self { previous: NONE, sum: 0.0, held: None, steps: 0, next: 0 }
    }
}

impl Order {
    /// Takes up the first report of a round, with its RTT if it has one.
    pub(super) fn settle(&mut self, round: u32, rtt: Option<u64>) {
        let rtt = rtt.unwrap_or(NONE);
        if round == self.next && self.held.is_none() {
            self.step(round, rtt);
            return;
        }
        if round < self.next {
            return; // given up on before; its place in the order is gone
        }
        let held = &mut self.held.get_or_insert_default().0;
        let place = held.partition_point(|&(other, _)| other < round);
        held.insert(place, (round, rtt));
        self.release();
    }

    /// Mean step over all rounds reported so far, those held back included.
    pub(super) fn jitter_ns(&self) -> Option<f64> {
        let held = self.held.as_ref().map_or(&[][..], |held| &held.0);
        let mut ahead = Order { held: None, ..*self };
        for &(round, rtt) in held {
            ahead.step(round, rtt);
        }
        (ahead.steps > 0).then(|| ahead.sum / f64::from(ahead.steps))
    }

    /// Lets go of the held rounds whose turn it is, and of the oldest if there are too many.
    fn release(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        let too_many = held.0.len().saturating_sub(HELD);
        let mut gone = 0;
        for &(round, rtt) in &held.0 {
            if round != self.next && gone >= too_many {
                break;
            }
            self.step(round, rtt);
            gone += 1;
        }
        held.0.drain(..gone);
        if !held.0.is_empty() {
            self.held = Some(held);
        }
    }

    fn step(&mut self, round: u32, rtt: u64) {
        self.next = round.saturating_add(1);
        if rtt == NONE {
            return;
        }
        if self.previous != NONE {
            self.sum += rtt.abs_diff(self.previous) as f64;
            self.steps = self.steps.saturating_add(1);
        }
        self.previous = rtt;
    }
}
