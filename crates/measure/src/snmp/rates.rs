//! What two readings of an interface say of the time between them. Pure. A rate that cannot be trusted is
//! left out with its reason; it is never zero.

use std::time::Duration;

use model::{Both, Gap, InterfaceReading, OperStatus, Rates};

/// By how much the device's own time may differ from ours before nothing is believed.
const TOLERANCE: Duration = Duration::from_secs(10);
/// Where counters of 32 bits begin again.
const WRAP: u64 = 1 << 32;

/// The rates between two readings, `apart` by our own monotonic clock.
pub fn rates(before: &InterfaceReading, after: &InterfaceReading, apart: Duration) -> Rates {
    let none = |gap| Rates { gap: Some(gap), ..Rates::default() };
    let elapsed = match elapsed(before.uptime, after.uptime, apart) {
        Ok(elapsed) => elapsed,
        Err(gap) => return none(gap),
    };
    if before.discontinuity != after.discontinuity {
        return none(Gap::Reset);
    }
    if after.oper != OperStatus::Up && after.octets == before.octets {
        return none(Gap::NotUp);
    }
    let seconds = elapsed.as_secs_f64();
    let octets =
        pair(before.octets, after.octets, |old, new| octets(before, after, old, new, elapsed));
    let (received, sent) = match (octets.received, octets.sent) {
        (Err(gap), _) | (_, Err(gap)) => return none(gap),
        (Ok(received), Ok(sent)) => (received, sent),
    };
    // A decrease of a 32-bit counter of packets is a reset: wraps of them take days and cannot be told apart.
    let packets = |old: Both<Option<u32>>, new: Both<Option<u32>>| {
        let rate = |old: u32, new: u32| new.checked_sub(old).map(|more| f64::from(more) / seconds);
        let one =
            |old: Option<u32>, new: Option<u32>| old.zip(new).and_then(|(old, new)| rate(old, new));
        Both { received: one(old.received, new.received), sent: one(old.sent, new.sent) }
    };
    let bits = |octets: Option<u64>| octets.map(|octets| octets as f64 * 8.0 / seconds);
    let bits = Both { received: bits(received), sent: bits(sent) };
    let share = |bits: Option<f64>| {
        let speed = after.speed_bps.filter(|speed| *speed > 0)?;
        bits.map(|bits| bits * 100.0 / speed as f64)
    };
    Rates {
        bits,
        utilisation: Both { received: share(bits.received), sent: share(bits.sent) },
        errors: packets(before.errors, after.errors),
        discards: packets(before.discards, after.discards),
        gap: None,
    }
}

/// How much time passed on the device, by `sysUpTime` in hundredths of a second, of 32 bits: it goes round
/// every 497 days.
fn elapsed(before: u32, after: u32, apart: Duration) -> Result<Duration, Gap> {
    let passed = Duration::from_millis(u64::from(after.wrapping_sub(before)) * 10);
    let near = passed.abs_diff(apart) <= TOLERANCE.max(apart / 4);
    match (after >= before, near) {
        (_, true) if passed.is_zero() => Err(Gap::Clock),
        (_, true) => Ok(passed),
        // It went back, or on by much less than our own clock: it counts from its start again.
        (false, false) => Err(Gap::Restarted),
        (true, false) if passed < apart => Err(Gap::Restarted),
        (true, false) => Err(Gap::Clock),
    }
}

/// Octets since the reading before.
fn octets(
    before: &InterfaceReading,
    after: &InterfaceReading,
    old: u64,
    new: u64,
    elapsed: Duration,
) -> Result<u64, Gap> {
    if before.wide != after.wide {
        return Err(Gap::Reset);
    }
    if after.wide {
        // 64 bits do not go round: at 400 Gbit/s that takes eleven years.
        return new.checked_sub(old).ok_or(Gap::Reset);
    }
    // Of 32 bits a wrap is believed only where two of them would be faster than the interface.
    let speed = after.speed_bps.unwrap_or(u64::MAX) as f64;
    if speed * elapsed.as_secs_f64() / 8.0 >= WRAP as f64 {
        return Err(Gap::TooFast);
    }
    Ok(new.checked_sub(old).unwrap_or_else(|| (new + WRAP).saturating_sub(old)))
}

/// Applies `of` in both directions, where both readings have a value.
fn pair<T: Copy, R>(
    old: Both<Option<T>>,
    new: Both<Option<T>>,
    of: impl Fn(T, T) -> Result<R, Gap>,
) -> Both<Result<Option<R>, Gap>> {
    let one =
        |old: Option<T>, new: Option<T>| old.zip(new).map(|(old, new)| of(old, new)).transpose();
    Both { received: one(old.received, new.received), sent: one(old.sent, new.sent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn reading(uptime: u32, octets: u64) -> InterfaceReading {
        InterfaceReading {
            oper: OperStatus::Up,
            uptime,
            octets: Both { received: Some(octets), sent: Some(2 * octets) },
            wide: true,
            speed_bps: Some(1_000_000_000),
            errors: Both { received: Some(5), sent: None },
            ..InterfaceReading::default()
        }
    }

    #[test]
    fn rates_are_divided_by_the_time_of_the_device_itself() {
        // The device says 61 s, our clock says 60.
        let after = InterfaceReading {
            errors: Both { received: Some(66), sent: None },
            ..reading(6_100, 6_100_000)
        };
        let found = rates(&reading(0, 0), &after, MINUTE);
        assert_eq!(found.bits, Both { received: Some(800_000.0), sent: Some(1_600_000.0) });
        assert_eq!(found.utilisation.sent, Some(0.16));
        assert_eq!((found.errors.received, found.errors.sent), (Some(1.0), None));
        assert_eq!(found.gap, None);
    }

    #[test]
    fn a_restart_is_a_gap_even_where_the_new_uptime_is_above_the_old_one() {
        let gap = |before, after| rates(&reading(before, 100), &reading(after, 900), MINUTE).gap;
        assert_eq!(gap(9_000, 500), Some(Gap::Restarted));
        assert_eq!(gap(1_000, 2_000), Some(Gap::Restarted), "only 10 s of a minute");
        assert_eq!(gap(1_000, 1_000_000), Some(Gap::Clock));
        assert_eq!(gap(1_000, 7_000), None);
    }

    #[test]
    fn an_uptime_that_goes_round_after_497_days_is_no_restart() {
        let found = rates(&reading(u32::MAX - 999, 0), &reading(5_000, 6_000), MINUTE);
        assert_eq!(found.gap, None);
        assert_eq!(found.bits.received, Some(800.0));
    }

    #[test]
    fn a_decrease_or_a_discontinuity_is_a_gap_and_never_a_rate() {
        assert_eq!(rates(&reading(0, 900), &reading(6_000, 100), MINUTE).gap, Some(Gap::Reset));
        let moved = InterfaceReading { discontinuity: Some(7), ..reading(6_000, 900) };
        assert_eq!(rates(&reading(0, 100), &moved, MINUTE).gap, Some(Gap::Reset));
        let errors = rates(
            &reading(0, 0),
            &InterfaceReading {
                errors: Both { received: Some(4), sent: None },
                ..reading(6_000, 0)
            },
            MINUTE,
        );
        assert_eq!((errors.gap, errors.errors.received), (None, None));
    }

    #[test]
    fn thirty_two_bits_may_go_round_once_where_that_cannot_be_mistaken() {
        let narrow = |uptime, octets, speed| InterfaceReading {
            wide: false,
            speed_bps: speed,
            octets: Both { received: Some(octets), sent: None },
            ..reading(uptime, 0)
        };
        let between = |speed| {
            rates(&narrow(0, (1 << 32) - 1_000, speed), &narrow(6_000, 5_000, speed), MINUTE)
        };
        let slow = between(Some(100_000_000));
        assert_eq!(slow.bits.received, Some(800.0));
        assert_eq!(between(Some(1_000_000_000)).gap, Some(Gap::TooFast));
        assert_eq!(between(None).gap, Some(Gap::TooFast), "without a speed nothing is sure");
    }

    #[test]
    fn a_port_that_is_down_has_no_rate() {
        let down = InterfaceReading { oper: OperStatus::Down, ..reading(6_000, 100) };
        assert_eq!(rates(&reading(0, 100), &down, MINUTE).gap, Some(Gap::NotUp));
    }

    #[test]
    fn the_same_reading_twice_is_no_rate() {
        assert_eq!(rates(&reading(5, 1), &reading(5, 1), Duration::ZERO).gap, Some(Gap::Clock));
    }
}
