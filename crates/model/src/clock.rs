//! The clock everybody is handed, so that tests can set the time. Nobody reads the time elsewhere.

use std::sync::Mutex;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::{UnixMs, UnixNs};

/// Two clocks: the one on the wall, which people and kernel stamps use and which can be stepped, and a
/// monotonic one that is neither stepped nor slewed (`CLOCK_MONOTONIC_RAW`).
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Wall time, as the kernel stamps packets (`CLOCK_REALTIME`).
    fn now(&self) -> UnixNs;

    /// Time since an arbitrary start; never goes back.
    fn monotonic(&self) -> Duration;

    /// Wall time in milliseconds, as stored.
    fn now_ms(&self) -> UnixMs {
        self.now().to_ms()
    }

    /// How long the machine is to wait for `span` of this clock to pass: as long, unless the clock runs
    /// faster than the machine's.
    fn wait(&self, span: Duration) -> Duration {
        span
    }
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixNs {
        let at = clock_gettime(ClockId::CLOCK_REALTIME).expect("every Linux has CLOCK_REALTIME");
        UnixNs(at.tv_sec() * 1_000_000_000 + at.tv_nsec())
    }

    fn monotonic(&self) -> Duration {
        let at = clock_gettime(ClockId::CLOCK_MONOTONIC_RAW)
            .expect("every Linux since 2.6.28 has CLOCK_MONOTONIC_RAW");
        Duration::new(at.tv_sec().unsigned_abs(), at.tv_nsec().unsigned_abs() as u32)
    }
}

/// A clock for tests: it stands still until told otherwise.
#[derive(Debug)]
pub struct ManualClock {
    at: Mutex<(UnixNs, Duration)>,
}

impl ManualClock {
    /// A clock that shows `now`, with a monotonic time of zero.
    pub fn new(now: UnixNs) -> Self {
        Self { at: Mutex::new((now, Duration::ZERO)) }
    }

    /// Lets `span` pass on both clocks.
    pub fn advance(&self, span: Duration) {
        let mut at = self.lock();
        at.0 = at.0 + span;
        at.1 += span;
    }

    /// Sets the wall clock alone, as an administrator or NTP does.
    pub fn step_to(&self, now: UnixNs) {
        self.lock().0 = now;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (UnixNs, Duration)> {
        self.at.lock().expect("no holder of this lock can panic")
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixNs {
        self.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_moves_the_wall_clock_and_leaves_the_monotonic_one() {
        let clock = ManualClock::new(UnixNs(1_000));
        clock.advance(Duration::from_nanos(500));
        clock.step_to(UnixNs(10));
        assert_eq!((clock.now(), clock.monotonic()), (UnixNs(10), Duration::from_nanos(500)));
    }

    #[test]
    fn the_system_clock_agrees_with_itself() {
        let (first, second) = (SystemClock.monotonic(), SystemClock.monotonic());
        assert!(second >= first);
        assert!(
            SystemClock.now_ms().0 > 1_600_000_000_000,
            "the wall clock shows a year before 2020"
        );
    }
}
