//! Watches the wall clock against the monotonic one. Kernel stamps are wall time, so a step between two
//! stamps would be taken for travel time, and a slew bends it. Reads clocks only as they are handed in.

use std::time::Duration;

use model::{Clock, UnixNs};

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// Wall clock.
    pub(crate) wall: UnixNs,
    /// Monotonic clock, in nanoseconds.
    pub(crate) mono: u64,
}

impl Now {
    /// A reading this wide or less needs no second try.
    const WIDTH: i64 = 5_000;

    /// Reads both as close together as three tries allow: a preemption in between would look like a step.
    pub(crate) fn read(clock: &dyn Clock) -> Self {
        let mut best = (i64::MAX, Now { wall: UnixNs(0), mono: 0 });
        for _ in 0..3 {
            let before = clock.now();
            let mono = clock.monotonic().as_nanos() as u64;
            let width = clock.now().since(before);
            if (0..best.0).contains(&width) {
                let wall = UnixNs(before.0 + width / 2);
                best = (width, Now { wall, mono });
            }
            if best.0 <= Self::WIDTH {
                break;
            }
        }
        if best.0 == i64::MAX {
            // The clock was stepped back within each try, or so it seems.
            best.1 = Now { wall: clock.now(), mono: clock.monotonic().as_nanos() as u64 };
        }
        best.1
    }

    /// Milliseconds of the monotonic clock.
    pub(crate) fn ms(self) -> u64 {
        self.mono / 1_000_000
    }
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct ClockWatch {
    last: Option<(i64, u64)>,
    anchor: Option<(i64, u64)>,
    rate: f64,
}

impl ClockWatch {
    /// A jump of less is jitter of the reading.
    const NOISE: i64 = 100_000;
    /// The fastest that clock daemons slew is a twelfth; an eighth is no slew any more.
    const SLEW: i64 = 8;
    /// A drift beyond this many parts is a slew, not a crystal.
    const DRIFT: f64 = 200e-6;
    /// The rate is measured over spans of at least this long.
    const SPAN: u64 = Duration::from_millis(500).as_nanos() as u64;

    /// Takes a reading. `Some` is a step since the last one, in nanoseconds.
    pub(crate) fn observe(&mut self, now: Now) -> Option<i64> {
        let offset = now.wall.0.wrapping_sub(now.mono.cast_signed());
        let (was, at) = self.last.replace((offset, now.mono))?;
        let jump = offset.wrapping_sub(was);
        let elapsed = now.mono.saturating_sub(at).cast_signed();
        if jump.unsigned_abs() > (Self::NOISE + elapsed / Self::SLEW).unsigned_abs() {
            self.anchor = None;
            self.rate = 0.0;
            return Some(jump);
        }
        let (base, since) = *self.anchor.get_or_insert((offset, now.mono));
        let span = now.mono.saturating_sub(since);
        if span >= Self::SPAN {
            self.rate = offset.wrapping_sub(base) as f64 / span as f64;
            self.anchor = Some((offset, now.mono));
        }
        None
    }

    /// A span between two wall stamps as it really was, in nanoseconds.
    pub(crate) fn true_span(&self, wall: u64) -> u64 {
        if self.rate.abs() < Self::DRIFT {
            return wall;
        }
        wall.saturating_add_signed(-(wall as f64 * self.rate / (1.0 + self.rate)) as i64)
    }
}

#[cfg(test)]
mod tests {
    use model::ManualClock;

    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    #[test]
    fn an_hour_in_either_direction_is_a_step() {
        let clock = ManualClock::new(UnixNs(10 * HOUR));
        let mut watch = ClockWatch::default();
        assert_eq!(watch.observe(Now::read(&clock)), None);
        for step in [HOUR, -HOUR] {
            clock.advance(Duration::from_millis(1));
            clock.step_to(UnixNs(clock.now().0 + step));
            assert_eq!(watch.observe(Now::read(&clock)), Some(step));
            clock.advance(Duration::from_millis(1));
            assert_eq!(watch.observe(Now::read(&clock)), None);
        }
    }

    #[test]
    fn a_slew_is_no_step_and_is_taken_out_of_spans() {
        let clock = ManualClock::new(UnixNs(HOUR));
        let mut watch = ClockWatch::default();
        for _ in 0..1_200 {
            clock.advance(Duration::from_millis(1));
            clock.step_to(UnixNs(clock.now().0 + 50_000));
            assert_eq!(watch.observe(Now::read(&clock)), None);
        }
        let span = watch.true_span(1_050_000);
        assert!((999_990..=1_000_010).contains(&span), "{span} ns");
    }

    #[test]
    fn the_drift_of_a_crystal_is_left_alone() {
        let clock = ManualClock::new(UnixNs(HOUR));
        let mut watch = ClockWatch::default();
        for _ in 0..1_200 {
            clock.advance(Duration::from_millis(1));
            clock.step_to(UnixNs(clock.now().0 + 20));
            watch.observe(Now::read(&clock));
        }
        assert_eq!(watch.true_span(1_000_000), 1_000_000);
    }
}
