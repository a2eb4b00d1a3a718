//! How fast an orchestrator may be asked: at most four questions at once, none for at least 5 s after it
//! answered 429, and slower from then on. It must not know what is asked.
//!
//! Orchestrators refuse everything for 5 s once a client was too fast, those requests too that come while
//! they refuse (VMware VCO, "API rate limiting"). So every 429 stops all questions, not only its own.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// Questions that may wait for their answers at once.
const IN_FLIGHT: usize = 4;
/// Shortest time without a question after a 429, and the window in which orchestrators count.
const PENALTY: Duration = Duration::from_secs(5);
/// Longest time without a question that an orchestrator can ask for.
const MAX_PENALTY: Duration = Duration::from_mins(10);
/// After so long without a 429, questions come twice as fast again.
const CALM: Duration = Duration::from_mins(2);

/// The gate that all questions to one orchestrator pass.
#[derive(Debug)]
pub(crate) struct Gate {
    slots: Semaphore,
    pace: Mutex<Pace>,
}

#[derive(Debug)]
struct Pace {
    /// No question before it.
    next: Instant,
    /// Between the starts of two questions.
    spacing: Duration,
    /// When questions of the last window started.
    started: VecDeque<Instant>,
    /// The last change of `spacing`.
    changed: Instant,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let (spacing, started) = (Duration::ZERO, VecDeque::new());
        Self {
            slots: Semaphore::new(IN_FLIGHT),
            pace: Mutex::new(Pace { next: now, spacing, started, changed: now }),
        }
    }

    /// Waits until a question may be asked; hold the permit until its answer is read.
    pub(crate) async fn pass(&self) -> SemaphorePermit<'_> {
        let permit = self.slots.acquire().await.expect("the gate is never closed");
        loop {
            let next = self.lock().start(Instant::now());
            match next {
                None => return permit,
                Some(next) => sleep_until(next).await,
            }
        }
    }

    /// Stops all questions: it answered 429, and perhaps asked to be left alone for `asked`.
    pub(crate) fn stop(&self, asked: Option<Duration>) {
        self.lock().stop(Instant::now(), asked);
    }

    fn lock(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().expect("no holder of this lock can panic")
    }
}

impl Pace {
    /// Starts a question, or says when to ask again.
    fn start(&mut self, now: Instant) -> Option<Instant> {
        if now < self.next {
            return Some(self.next);
        }
        if now.duration_since(self.changed) >= CALM && !self.spacing.is_zero() {
            self.spacing /= 2;
            self.changed = now;
            if self.spacing < Duration::from_millis(1) {
                self.spacing = Duration::ZERO;
            }
        }
        self.next = now + self.spacing;
        self.forget(now);
        self.started.push_back(now);
        None
    }

    fn stop(&mut self, now: Instant, asked: Option<Duration>) {
        let until = now + asked.unwrap_or(PENALTY).clamp(PENALTY, MAX_PENALTY);
        self.forget(now);
        // Questions in flight are refused one after another: only the first says how fast was too fast.
        if !self.started.is_empty() {
            // Four fifths of what was too much in a window.
            let fits = (self.started.len() as u32 * 4 / 5).max(1);
            self.spacing = self.spacing.max(PENALTY / fits);
            self.changed = now;
            self.started.clear();
        }
        self.next = self.next.max(until);
    }

    fn forget(&mut self, now: Instant) {
        while self.started.front().is_some_and(|at| now.duration_since(*at) > PENALTY) {
            self.started.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn four_questions_wait_at_once_and_no_more() {
        let gate = Gate::new();
        let first = [gate.pass().await, gate.pass().await, gate.pass().await, gate.pass().await];
        let fifth = tokio::time::timeout(Duration::from_hours(1), gate.pass()).await;
        assert!(fifth.is_err());
        drop(first);
        drop(gate.pass().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_stops_all_questions_for_five_seconds_at_least() {
        let gate = Gate::new();
        for (asked, least) in [(None, 5), (Some(1), 5), (Some(60), 60), (Some(100_000), 600)] {
            let refused = Instant::now();
            gate.stop(asked.map(Duration::from_secs));
            drop(gate.pass().await);
            assert_eq!(refused.elapsed().as_secs(), least, "{asked:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_questions_come_slower_and_after_a_while_faster_again() {
        let gate = Gate::new();
        for _ in 0..20 {
            drop(gate.pass().await);
        }
        gate.stop(None);
        gate.stop(None);
        let span = async |count: u32| {
            drop(gate.pass().await);
            let start = Instant::now();
            for _ in 0..count {
                drop(gate.pass().await);
            }
            start.elapsed()
        };
        assert_eq!(span(16).await.as_millis(), 5_008, "16 of the 20 in 5 s (timers are in ms)");
        tokio::time::advance(CALM).await;
        assert!(span(16).await < Duration::from_secs(3));
    }
}
