//! Where a point in time falls in the usual week of a site: which two hour bins, and how far between
//! their centres. It must not know what is kept in the bins.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::UnixMs;

/// Hour bins of a week: 24 of a weekday, then 24 of a day of the weekend.
pub(crate) const BINS: usize = 48;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The two bins a point in time lies between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hour {
    /// The bin of the hour itself.
    pub(crate) own: usize,
    /// The bin whose centre is at or before the point.
    pub(crate) before: usize,
    /// The bin whose centre is after it.
    pub(crate) after: usize,
    /// How far the point is from the centre of `before` to that of `after`, 0 to 1.
    pub(crate) weight: f64,
}

impl Hour {
    /// About how much of a time that was watched lay in this hour of the week: each hour of a weekday
    /// comes five times in a week, each of the weekend twice.
    pub(crate) fn seen(self, watched: f64) -> f64 {
        let (days, hours) = if self.own < 24 { (5.0, 168.0) } else { (2.0, 168.0) };
        watched * days / hours
    }

    /// The values of the two bins, each weighed by how near it is.
    pub(crate) fn between(self, before: f32, after: f32) -> f64 {
        (1.0 - self.weight) * f64::from(before) + self.weight * f64::from(after)
    }
}

/// A time zone that remembers its present offset from UTC until the next change of the clocks.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    zone: TimeZone,
    offset_ms: i64,
    /// The offset holds from here,
    from: i64,
    /// and ends here.
    until: i64,
}

impl Calendar {
    pub(crate) fn new(zone: TimeZone) -> Self {
        Self { zone, offset_ms: 0, from: 0, until: 0 }
    }

    /// The hour bins of a point in time.
    pub(crate) fn hour(&mut self, at: UnixMs) -> Hour {
        if at.0 < self.from || at.0 >= self.until {
            self.look_up(at);
        }
        let local = at.0.saturating_add(self.offset_ms);
        let in_day = local.rem_euclid(DAY_MS);
        // Day 0 of the epoch was a Thursday; Monday is 0 here.
        let weekday = (local.div_euclid(DAY_MS) + 3).rem_euclid(7);
        let week = if weekday >= 5 { 24 } else { 0 };
        // Centres of bins lie at half past.
        let from_centre = in_day - HOUR_MS / 2;
        let before = from_centre.div_euclid(HOUR_MS);
        let weight = from_centre.rem_euclid(HOUR_MS) as f64 / HOUR_MS as f64;
        let bin = |hour: i64| week + hour.rem_euclid(24) as usize;
        Hour { own: bin(in_day / HOUR_MS), before: bin(before), after: bin(before + 1), weight }
    }

    fn look_up(&mut self, at: UnixMs) {
        // A time that no calendar holds is taken as UTC.
        let Ok(instant) = Timestamp::from_millisecond(at.0) else {
            (self.offset_ms, self.from, self.until) = (0, at.0, at.0.saturating_add(1));
            return;
        };
        self.offset_ms = i64::from(self.zone.to_offset(instant).seconds()) * 1_000;
        let change = |edge: Option<jiff::tz::TimeZoneTransition<'_>>, never| {
            edge.map_or(never, |edge| edge.timestamp().as_millisecond())
        };
        self.until = change(self.zone.following(instant).next(), i64::MAX);
        // `preceding` leaves out a change at the instant itself.
        let next = Timestamp::from_millisecond(at.0.saturating_add(1)).unwrap_or(instant);
        self.from = change(self.zone.preceding(next).next(), i64::MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMs {
        UnixMs(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    fn zone(name: &str) -> Calendar {
        Calendar::new(TimeZone::get(name).unwrap())
    }

    #[test]
    fn bins_meet_at_half_past() {
        let mut utc = Calendar::new(TimeZone::UTC);
        let monday = utc.hour(at("2026-01-05T10:30:00Z"));
        assert_eq!(monday, Hour { own: 10, before: 10, after: 11, weight: 0.0 });
        let earlier = utc.hour(at("2026-01-05T10:15:00Z"));
        assert_eq!(earlier, Hour { own: 10, before: 9, after: 10, weight: 0.75 });
        let midnight = utc.hour(at("2026-01-05T00:00:00Z"));
        assert_eq!((midnight.before, midnight.after), (23, 0));
    }

    #[test]
    fn saturday_and_sunday_have_bins_of_their_own() {
        let mut utc = Calendar::new(TimeZone::UTC);
        let own =
            |day: u8, utc: &mut Calendar| utc.hour(at(&format!("2026-01-{day:02}T07:00:00Z"))).own;
        let week: Vec<usize> = (5..=11).map(|day| own(day, &mut utc)).collect();
        assert_eq!(week, [7, 7, 7, 7, 7, 31, 31]);
    }

    #[test]
    fn the_hour_follows_the_clocks_of_the_site_through_summer_time() {
        let mut london = zone("Europe/London");
        assert_eq!(london.hour(at("2026-03-27T10:30:00Z")).own, 10, "GMT");
        assert_eq!(london.hour(at("2026-03-30T09:30:00Z")).own, 10, "BST");
        assert_eq!(london.hour(at("2026-03-27T10:30:00Z")).own, 10, "back in time: GMT again");
        assert_eq!(london.hour(at("2026-10-26T10:30:00Z")).own, 10, "GMT again");
    }

    #[test]
    fn a_weekend_begins_when_it_does_at_the_site() {
        let friday_evening = at("2026-01-09T20:30:00Z");
        assert_eq!(zone("Asia/Tokyo").hour(friday_evening).own, 24 + 5);
        assert_eq!(zone("America/New_York").hour(friday_evening).own, 15);
    }

    #[test]
    fn offsets_of_half_hours_and_times_beyond_the_calendar_are_harmless() {
        assert_eq!(zone("Asia/Kolkata").hour(at("2026-01-05T05:00:00Z")).own, 10);
        for far in [i64::MIN, i64::MAX, 0] {
            let hour = zone("Europe/London").hour(UnixMs(far));
            assert!(hour.own < BINS && hour.before < BINS && hour.after < BINS);
        }
    }
}
