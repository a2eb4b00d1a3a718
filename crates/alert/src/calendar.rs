//! When hours of the week hold: the wall clock of a place, with its summer time. It knows no alert.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use model::UnixMs;
use model::alert::{Weekday, Weekly};

/// Hours of the week, ready to be asked.
#[derive(Clone, Debug)]
pub struct Hours {
    weekly: Weekly,
    zone: TimeZone,
}

/// Why hours of the week make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// There is no such time zone.
    #[error("{0:?} is no time zone; write an IANA name such as Europe/London or UTC")]
    Zone(String),
    /// No day is given.
    #[error("no day of the week is given; write days such as Mon or Sat")]
    NoDay,
    /// The minutes are outside the day.
    #[error("a day has the minutes 0 to 1440; {from} to {until} lies outside or is empty")]
    Minutes {
        /// Begin as given.
        from: u16,
        /// End as given.
        until: u16,
    },
}

impl Hours {
    /// Checks hours of the week.
    pub fn new(weekly: &Weekly) -> Result<Self, HoursError> {
        let zone =
            TimeZone::get(&weekly.zone).map_err(|_| HoursError::Zone(weekly.zone.clone()))?;
        if weekly.days.is_empty() {
            return Err(HoursError::NoDay);
        }
        let (from, until) = (weekly.from, weekly.until);
        if from >= 1440 || until == 0 || until > 1440 || from == until {
            return Err(HoursError::Minutes { from, until });
        }
        Ok(Self { weekly: weekly.clone(), zone })
    }

    /// Whether they hold at a time. An hour that summer time skips is skipped, one that it repeats holds
    /// twice. A time that no calendar holds is outside.
    pub fn hold(&self, at: UnixMs) -> bool {
        let Ok(instant) = Timestamp::from_millisecond(at.0) else { return false };
        let local = self.zone.to_datetime(instant);
        let minute = minute_of(local.time());
        let Weekly { from, until, .. } = self.weekly;
        if from < until {
            return self.begins_on(local.date()) && (from..until).contains(&minute);
        }
        let evening = minute >= from && self.begins_on(local.date());
        let yesterday = local.date().checked_sub(1.day()).ok();
        evening || (minute < until && yesterday.is_some_and(|date| self.begins_on(date)))
    }

    fn begins_on(&self, date: Date) -> bool {
        let day = Weekday::ALL[date.weekday().to_monday_zero_offset().unsigned_abs() as usize];
        self.weekly.days.contains(&day)
    }
}

fn minute_of(time: Time) -> u16 {
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(days: &[Weekday], from: u16, until: u16, zone: &str) -> Result<Hours, HoursError> {
        Hours::new(&Weekly { days: days.to_vec(), from, until, zone: zone.into() })
    }

    fn at(text: &str) -> UnixMs {
        UnixMs(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn office_hours_are_those_of_the_place_in_winter_and_in_summer() {
        let days = &Weekday::ALL[..5];
        let office = hours(days, 9 * 60, 17 * 60, "Europe/London").unwrap();
        assert!(office.hold(at("2026-01-05T09:00:00Z")), "Monday, GMT");
        assert!(!office.hold(at("2026-01-05T08:59:59Z")));
        assert!(!office.hold(at("2026-01-05T17:00:00Z")));
        assert!(office.hold(at("2026-07-06T08:00:00Z")), "Monday, BST");
        assert!(!office.hold(at("2026-07-06T16:00:00Z")));
        assert!(!office.hold(at("2026-01-10T12:00:00Z")), "Saturday");
    }

    #[test]
    fn a_night_ends_on_the_next_day() {
        let night = hours(&[Weekday::Sat], 22 * 60, 6 * 60, "UTC").unwrap();
        assert!(night.hold(at("2026-01-10T22:00:00Z")));
        assert!(night.hold(at("2026-01-11T05:59:00Z")), "Sunday morning");
        assert!(!night.hold(at("2026-01-11T06:00:00Z")));
        assert!(!night.hold(at("2026-01-10T05:00:00Z")), "Saturday morning");
        assert!(!night.hold(at("2026-01-11T22:00:00Z")), "Sunday evening");
    }

    #[test]
    fn a_whole_day_can_be_meant_and_nonsense_is_refused() {
        let day = hours(&[Weekday::Sun], 0, 1440, "Asia/Kolkata").unwrap();
        assert!(day.hold(at("2026-01-10T18:30:00Z")) && !day.hold(at("2026-01-11T18:30:00Z")));
        assert!(!day.hold(UnixMs(i64::MAX)));
        assert_eq!(hours(&[], 0, 60, "UTC").unwrap_err(), HoursError::NoDay);
        assert!(matches!(hours(&[Weekday::Mon], 60, 60, "UTC"), Err(HoursError::Minutes { .. })));
        assert!(
            hours(&[Weekday::Mon], 0, 60, "Mars/Olympus").unwrap_err().to_string().contains("Mars")
        );
    }
}
