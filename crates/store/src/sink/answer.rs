//! What became of a request, and how long to wait before the next one. Pure: no I/O, no clock.

use std::time::Duration;

/// What a sink says to points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has them.
    Taken,
    /// It has those it could take, and the others it will never take.
    Partly(String),
    /// It takes none of them, and never will.
    Refused(String),
    /// They are too many for one request.
    TooLarge,
    /// It could not take them now.
    Failed(Failure),
}

/// Why points could not be taken now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What was tried on what, and what came of it.
    pub(super) why: String,
    /// What a person can do; empty if it passes by itself.
    pub(super) fix: String,
    /// When to try again.
    pub(super) retry: Retry,
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// After a pause that doubles with each failure, or what the sink asked for if that is longer.
    Backoff(Duration),
    /// The same, with a smaller request: this one took too long.
    Smaller,
    /// A person has to mend it first: it is looked after now and then.
    Slowly,
}

/// After the first failure.
const SHORTEST: Duration = Duration::from_secs(1);
/// Never longer, whatever the failures.
const LONGEST: Duration = Duration::from_mins(1);
/// Between two tries of what a person has to mend.
const SLOWLY: Duration = Duration::from_mins(5);
/// Longest pause that a sink can ask for.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

impl Retry {
    /// The pause after a failure that `failures` others came before. `random`, from 0 to 1, makes it a random
    /// fifth longer or shorter, so that not all who failed together come back together; a pause that the
    /// sink asked for only longer.
    pub(super) fn pause(self, failures: u32, random: f64) -> Duration {
        let doubled = 2_u32
            .checked_pow(failures)
            .and_then(|factor| SHORTEST.checked_mul(factor))
            .map_or(LONGEST, |pause| pause.min(LONGEST));
        let random = random.clamp(0.0, 1.0);
        let own = |pause: Duration| pause.mul_f64(0.8 + 0.4 * random);
        match self {
            Retry::Slowly => own(SLOWLY),
            Retry::Smaller => own(doubled),
            Retry::Backoff(asked) => {
                own(doubled).max(asked.min(MAX_RETRY_AFTER).mul_f64(1.0 + 0.2 * random))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In whole seconds: the factors have no exact binary form.
    fn seconds(pause: Duration) -> u128 {
        (pause.as_millis() + 500) / 1_000
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let pause = |failures| seconds(Retry::Backoff(Duration::ZERO).pause(failures, 0.5));
        let found = [0, 1, 2, 5, 6, 31, 32, u32::MAX].map(pause);
        assert_eq!(found, [1, 2, 4, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn a_sink_that_asks_for_a_pause_gets_at_least_that_up_to_an_hour() {
        let pause = |asked, random| seconds(Retry::Backoff(asked).pause(0, random));
        let ten = Duration::from_secs(10);
        assert_eq!([pause(ten, 0.0), pause(ten, 1.0)], [10, 12]);
        assert_eq!(pause(Duration::MAX, 0.0), 3_600);
    }

    #[test]
    fn what_a_person_has_to_mend_is_tried_every_five_minutes() {
        assert_eq!(seconds(Retry::Slowly.pause(9, 0.5)), 300);
    }
}
