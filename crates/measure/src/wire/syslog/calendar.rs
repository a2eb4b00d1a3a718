//! The Gregorian calendar: days and dates, no time of day and no zone.

use model::UnixMs;

/// Whether a year has 29 February.
pub(super) fn is_leap(year: i16) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The year of a moment, in UTC.
pub(super) fn year_of(at: UnixMs) -> i16 {
    civil_from_days(at.0.div_euclid(86_400_000)).0
}

/// Days since 1970-01-01 of a date of the Gregorian calendar (Hinnant's algorithm).
pub(super) fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let from_march = (i64::from(month) + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970-01-01, the reverse of [`days_from_civil`].
pub(super) fn civil_from_days(days: i64) -> (i16, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * from_march + 2) / 5 + 1).unsigned_abs();
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 }.unsigned_abs();
    let year = year + era * 400 + i64::from(month <= 2);
    (year.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16, month as u8, day as u8)
}
