//! Spans of time as the rules count them: seconds as a float. It must not read a clock.

use model::UnixMs;

/// Seconds from `earlier` to `later`; negative if they lie the other way round.
pub(crate) fn seconds(earlier: UnixMs, later: UnixMs) -> f64 {
    later.0.saturating_sub(earlier.0) as f64 / 1000.0
}
