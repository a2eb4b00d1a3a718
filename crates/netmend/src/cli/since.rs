//! A point in time as people type it: RFC 3339, or a span before now.

use std::str::FromStr;

use jiff::Timestamp;
use model::{Clock, SystemClock, UnixMs};

use crate::config;

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since(UnixMs);

impl Since {
    /// The point.
    pub(crate) fn at(self) -> UnixMs {
        self.0
    }

    fn read(text: &str, now: UnixMs) -> Option<Self> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(Self(UnixMs(at.as_millisecond())));
        }
        config::duration(text).map(|span| Self(now - span))
    }
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text, SystemClock.now_ms())
            .ok_or("write a time such as 2026-11-22T02:00:00Z, or a span before now such as 15m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans_are_read() {
        let read = |text| Since::read(text, UnixMs(10_000_000)).map(|since| since.0.0);
        assert_eq!(read("1970-01-01T00:00:05Z"), Some(5000));
        assert_eq!(read("1970-01-01T01:00:05+01:00"), Some(5000));
        assert_eq!(read("15m"), Some(9_100_000));
        assert_eq!(read("yesterday"), None);
    }
}
