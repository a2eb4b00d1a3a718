//! The clock in a header: every way devices write a time, and how far each can be trusted. It computes
//! with calendars alone; no time is read here.

use model::UnixMs;

use super::calendar::{civil_from_days, days_from_civil, is_leap, year_of};
use super::scan::{Scan, class, is_blank};
use super::zone;

/// How far a device's time can be trusted. Lines are ordered by the time they were received, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimeQuality {
    /// Date, year and zone are there.
    Exact,
    /// The year was left out and inferred from the time of receipt.
    NoYear,
    /// The zone was left out, or its name means several zones.
    NoZone,
    /// The device says that its clock is not set (`*`) or has lost its server (`.`).
    Unsynced,
    /// Time since the device started.
    Uptime,
    /// No time at all.
    #[default]
    None,
}

impl TimeQuality {
    /// The word that `netmend syslog parse` prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::NoYear => "no_year",
            Self::NoZone => "no_zone",
            Self::Unsynced => "unsynced",
            Self::Uptime => "uptime",
            Self::None => "none",
        }
    }
}

/// A time as a device wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceTime<'l> {
    /// Date and time of day.
    Wall(Stamp),
    /// Time since the device started, as printed: `2y10w`, `00:01:01`.
    Uptime(&'l [u8]),
}

/// Date and time of day in the device's zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Year; inferred where the device left it out.
    pub year: i16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31, valid for the month.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60, since leap seconds are printed.
    pub second: u8,
    /// How many digits the fraction of the second had, 0 to 9.
    pub digits: u8,
    /// The fraction in nanoseconds.
    pub nanos: u32,
    /// Minutes east of UTC; `None` where nobody can tell.
    pub offset: Option<i16>,
    /// Whether the device wrote the year.
    pub has_year: bool,
    /// Whether the device vouches for its clock.
    pub synced: bool,
}

/// Milliseconds of a year of the Gregorian calendar, in the mean.
const MEAN_YEAR: i64 = 31_556_952_000;
/// Days of half a year, and how rough a count of days by years of the mean length is.
const HALF: i64 = 183;
const ROUGH: i64 = 5;

impl Stamp {
    /// The point in time, taking the device's zone for UTC where it is unknown.
    pub fn unix(&self) -> UnixMs {
        let days = days_from_civil(i64::from(self.year), self.month, self.day);
        let minutes = i64::from(self.hour) * 60 + i64::from(self.minute);
        let seconds = (days * 1440 + minutes - i64::from(self.offset.unwrap_or(0))) * 60
            + i64::from(self.second);
        UnixMs(seconds * 1000 + i64::from(self.nanos / 1_000_000))
    }

    /// How far it can be trusted.
    pub fn quality(&self) -> TimeQuality {
        match (self.synced, self.has_year, self.offset) {
            (false, ..) => TimeQuality::Unsynced,
            (_, false, _) => TimeQuality::NoYear,
            (.., None) => TimeQuality::NoZone,
            _ => TimeQuality::Exact,
        }
    }

    /// Sets the year that puts the time nearest to when the line was received; 29 February only fits
    /// some.
    fn infer_year(mut self, received: UnixMs) -> Option<Self> {
        // Days are counted roughly, in a year of its mean length: that decides but around half a year, where the
        // years have to be tried.
        const DAYS_BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let leap_day = self.month == 2 && self.day == 29;
        let day = DAYS_BEFORE[usize::from(self.month - 1) % 12] + i64::from(self.day);
        let received_day = received.0.rem_euclid(MEAN_YEAR) / 86_400_000;
        let ahead = day - received_day;
        let nearer = if ahead.abs() < HALF - ROUGH {
            Some(0)
        } else if ahead.abs() > HALF + ROUGH {
            Some(-ahead.signum())
        } else {
            None
        };
        if let Some(step) = nearer.filter(|_| !leap_day) {
            let year = received.0.div_euclid(MEAN_YEAR).saturating_add(1970 + step);
            self.year = year.try_into().ok()?;
            return Some(self);
        }
        let now = year_of(received);
        let years = if leap_day { -4..=4 } else { -1..=1 };
        let distance = |year: i16| Self { year, ..self }.unix().0.abs_diff(received.0);
        self.year = years
            .map(|step| now.saturating_add(step))
            .filter(|&year| !leap_day || is_leap(year))
            .min_by_key(|&year| distance(year))?;
        Some(self)
    }

    fn valid(&self) -> bool {
        let days = match self.month {
            2 if self.has_year && !is_leap(self.year) => 28,
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (1..=12).contains(&self.month)
            && (1..=days).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60
    }
}

/// Reads a time at the cursor, with the `*` or `.` before it and the zone after it. A year that was left out
/// is inferred from `received`.
pub(super) fn read<'l>(scan: &mut Scan<'l>, received: UnixMs) -> Option<DeviceTime<'l>> {
    let start = *scan;
    match yearless(scan)? {
        DeviceTime::Wall(stamp) if !stamp.has_year => {
            let stamp = stamp.infer_year(received);
            if stamp.is_none() {
                *scan = start;
            }
            stamp.map(DeviceTime::Wall)
        }
        time => Some(time),
    }
}

/// The same, but a year that was left out is 0: enough for those who only ask whether this is a time.
pub(super) fn yearless<'l>(scan: &mut Scan<'l>) -> Option<DeviceTime<'l>> {
    // Most words are none, and show it at once.
    if class::is(scan.peek(), class::CLOCK) { clock(scan) } else { None }
}

fn clock<'l>(scan: &mut Scan<'l>) -> Option<DeviceTime<'l>> {
    let mut try_scan = *scan;
    let synced = !(try_scan.eat(b'*') || try_scan.eat(b'.'));
    let first = try_scan.peek();
    let stamp = if first.is_ascii_digit() {
        // How many digits there are, and what ends them, leaves one form.
        let digits = digits(try_scan.rest);
        match (digits, try_scan.peek_at(digits)) {
            (4, b':') if days_of_uptime(try_scan) => {
                let word = try_scan.token();
                *scan = try_scan;
                return Some(DeviceTime::Uptime(word));
            }
            (4, b'-' | b'/' | b':' | b'.' | b' ') => year_first(&mut try_scan)?,
            (1 | 2, b'-' | b'/' | b'.') => numbers(&mut try_scan)?,
            (1 | 2, b' ') if try_scan.peek_at(digits + 1).is_ascii_alphabetic() => {
                numbers(&mut try_scan)?
            }
            (8, b'T' | b' ') => compact(&mut try_scan)?,
            (_, b'y' | b'w' | b'd' | b'h' | b' ') | (1 | 2, b':') => return uptime(scan),
            _ => return None,
        }
    } else if first.is_ascii_alphabetic() {
        month_first(&mut try_scan)?
    } else {
        return None;
    };
    let stamp = Stamp { synced, ..stamp };
    if !stamp.valid() {
        return None;
    }
    *scan = try_scan;
    Some(DeviceTime::Wall(stamp))
}

/// How many digits there are at the start.
fn digits(bytes: &[u8]) -> usize {
    let mut count = 0;
    while bytes.get(count).is_some_and(u8::is_ascii_digit) {
        count += 1;
    }
    count
}

/// Whether a time begins here.
pub(super) fn is_next(scan: Scan<'_>) -> bool {
    let mut scan = scan;
    yearless(&mut scan).is_some()
}

/// Seconds since 1970 with a fraction, as Meraki writes them: `1777471126.123`, with a wrong clock of some
/// years before 2001, too.
pub(super) fn epoch(scan: &mut Scan<'_>) -> Option<Stamp> {
    let mut try_scan = *scan;
    let seconds = i64::try_from(try_scan.number(9, 10)?).ok()?;
    if !try_scan.eat(b'.') {
        return None;
    }
    let (nanos, digits) = fraction(&mut try_scan)?;
    if !is_blank(try_scan.peek()) && !matches!(try_scan.peek(), b'|' | 0) {
        return None;
    }
    *scan = try_scan;
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400).unsigned_abs();
    Some(Stamp {
        year,
        month,
        day,
        hour: (of_day / 3600) as u8,
        minute: (of_day / 60 % 60) as u8,
        second: (of_day % 60) as u8,
        digits,
        nanos,
        offset: Some(0),
        has_year: true,
        synced: true,
    })
}

/// `Mon d [YYYY ]HH:MM:SS[.fff][ YYYY][ zone]`, with the weekday of ctime before it; `mon/dd/YYYY HH:MM:SS` of `RouterOS`.
fn month_first(scan: &mut Scan<'_>) -> Option<Stamp> {
    if is_weekday(scan.rest) {
        scan.skip(3);
        scan.eat(b',');
        if scan.blanks() == 0 {
            return None;
        }
        // `Mon, 05 Jan 2026 10:00:00 GMT`, the clock of mails.
        if scan.peek().is_ascii_digit() {
            return numbers(scan);
        }
    }
    let month = month(scan)?;
    let slashes = scan.eat(b'/');
    if !slashes && scan.blanks() == 0 {
        return None;
    }
    let day = scan.number(1, 2)? as u8;
    if !(slashes && scan.eat(b'/') || scan.eat(b',') && scan.blanks() > 0 || scan.blanks() > 0) {
        return None;
    }
    let mut stamp = Stamp { month, day, ..Stamp::default() };
    if scan.peek_at(4) == b' ' {
        stamp.year = scan.number(4, 4)? as i16;
        stamp.has_year = true;
        scan.blanks();
    }
    time_of_day(scan, &mut stamp)?;
    year_behind(scan, &mut stamp);
    zone_behind(scan, &mut stamp);
    if !stamp.has_year {
        year_behind(scan, &mut stamp);
    }
    Some(stamp)
}

/// `YYYY Mon d HH:MM:SS`, `YYYY-MM-DD HH:MM:SS`, RFC 3339, `YYYY-Mon-dd HH:MM:SS` and `YYYY:MM:DD-HH:MM:SS`.
fn year_first(scan: &mut Scan<'_>) -> Option<Stamp> {
    let mut stamp = Stamp { year: scan.number(4, 4)? as i16, has_year: true, ..Stamp::default() };
    let separator = scan.peek();
    match separator {
        b'-' | b'/' | b':' | b'.' => {
            scan.skip(1);
            stamp.month = match scan.number(1, 2) {
                Some(month) => month as u8,
                None => month(scan)?,
            };
            if !scan.eat(separator) {
                return None;
            }
            scan.blanks();
            stamp.day = scan.number(1, 2)? as u8;
            let joined = if separator == b':' { b'-' } else { b'T' };
            // `2018-03-21:06:12:15.500603` of AOS-CX.
            let apart = matches!(scan.peek(), b',' | b':') || scan.peek() == joined;
            scan.skip(usize::from(apart));
            if !apart && scan.blanks() == 0 {
                return None;
            }
        }
        b' ' => {
            scan.blanks();
            stamp.month = month(scan)?;
            if scan.blanks() == 0 {
                return None;
            }
            stamp.day = scan.number(1, 2)? as u8;
            if scan.blanks() == 0 {
                return None;
            }
        }
        _ => return None,
    }
    if !(separator == b'-' && without_seconds(scan, &mut stamp)) {
        time_of_day(scan, &mut stamp)?;
    }
    zone_behind(scan, &mut stamp);
    Some(stamp)
}

/// `04/15/2020:13:58:46 GMT` of `NetScaler`, `07/20/2026 12:00:00.00` of EXOS, `03-Aug-2026 19:42:20` of Cisco's small
/// switches, `11-22-2026 10:00:00` of Kiwi, `05.01.2026 10:00:00`, `05 Jan 2026 10:00:00`, `05/Jan/2026:10:00:00` of web servers. Of two numbers the
/// month comes first, unless there is no such month or dots stand between. A year of two digits is of this century.
fn numbers(scan: &mut Scan<'_>) -> Option<Stamp> {
    let first = scan.number(1, 2)? as u8;
    let separator = scan.peek();
    if !matches!(separator, b'-' | b'/' | b'.' | b' ') {
        return None;
    }
    scan.skip(1);
    let named = scan.peek().is_ascii_alphabetic();
    if !named && separator == b' ' {
        return None;
    }
    let second = if named { month(scan)? } else { scan.number(1, 2)? as u8 };
    if !scan.eat(separator) {
        return None;
    }
    let day_first = named || separator == b'.' || first > 12;
    let (month, day) = if day_first { (second, first) } else { (first, second) };
    let year = match scan.number(4, 4) {
        Some(year) => year as i16,
        None if separator == b'-' && !named => return None,
        None => 2000 + scan.number(2, 2)? as i16,
    };
    if !scan.eat(b':') && scan.blanks() == 0 {
        return None;
    }
    let mut stamp = Stamp { year, month, day, has_year: true, ..Stamp::default() };
    time_of_day(scan, &mut stamp)?;
    zone_behind(scan, &mut stamp);
    Some(stamp)
}

/// `20260105T100000Z`, `20260105 10:00:00`.
fn compact(scan: &mut Scan<'_>) -> Option<Stamp> {
    let date = scan.number(8, 8)?;
    let mut stamp = Stamp {
        year: (date / 10_000) as i16,
        month: (date / 100 % 100) as u8,
        day: (date % 100) as u8,
        has_year: true,
        ..Stamp::default()
    };
    if scan.eat(b'T') {
        let time = scan.number(6, 6)?;
        (stamp.hour, stamp.minute) = ((time / 10_000) as u8, (time / 100 % 100) as u8);
        stamp.second = (time % 100) as u8;
    } else if scan.blanks() > 0 {
        time_of_day(scan, &mut stamp)?;
    } else {
        return None;
    }
    zone_behind(scan, &mut stamp);
    Some(stamp)
}

/// `HH:MM:SS`, the one form that nearly all write.
fn plain_time(scan: &mut Scan<'_>, stamp: &mut Stamp) -> bool {
    const ZERO: u64 = u64::from_le_bytes(*b"00:00:00");
    const SIX: u64 = u64::from_le_bytes([6; 8]);
    const ABOVE: u64 = u64::from_le_bytes([0xf0; 8]);
    let Some(chunk) = scan.rest.first_chunk::<8>() else { return false };
    // All eight are compared at once. What is left of each byte is at most 9 where a digit belongs, and 0 for a colon;
    // a byte so large that the sum runs into the next shows in itself.
    let rest = u64::from_le_bytes(*chunk) ^ ZERO;
    let [h1, h2, c1, m1, m2, c2, s1, s2] = rest.to_le_bytes();
    let above = (rest | rest.wrapping_add(SIX)) & ABOVE;
    if above != 0 || c1 | c2 != 0 || scan.peek_at(8).is_ascii_digit() {
        return false;
    }
    (stamp.hour, stamp.minute, stamp.second) = (h1 * 10 + h2, m1 * 10 + m2, s1 * 10 + s2);
    scan.skip(8);
    true
}

/// The same with an hour of one digit, blanks in place of zeros, or dashes: some access points write `11-40-22`.
fn other_time(scan: &mut Scan<'_>, stamp: &mut Stamp) -> Option<()> {
    stamp.hour = scan.number(1, 2)? as u8;
    let separator = if scan.peek() == b'-' { b'-' } else { b':' };
    scan.eat(separator).then_some(())?;
    stamp.minute = two_places(scan)?;
    scan.eat(separator).then_some(())?;
    stamp.second = two_places(scan)?;
    Some(())
}

/// Takes `10:02 ` behind a date.
fn without_seconds(scan: &mut Scan<'_>, stamp: &mut Stamp) -> bool {
    let &[b'0'..=b'2', _, b':', b'0'..=b'5', _, b' ', ..] = scan.rest else { return false };
    let mut try_scan = *scan;
    let hour = try_scan.number(2, 2);
    try_scan.skip(1);
    let (Some(hour), Some(minute)) = (hour, try_scan.number(2, 2)) else { return false };
    (stamp.hour, stamp.minute) = (hour as u8, minute as u8);
    *scan = try_scan;
    true
}

/// `06`, or ` 6`.
fn two_places(scan: &mut Scan<'_>) -> Option<u8> {
    let digits = if scan.eat(b' ') { 1 } else { 2 };
    scan.number(digits, digits).map(|number| number as u8)
}

pub(super) fn time_of_day(scan: &mut Scan<'_>, stamp: &mut Stamp) -> Option<()> {
    if !plain_time(scan, stamp) {
        other_time(scan, stamp)?;
    }
    let comma = matches!(scan.peek(), b',' | b':') && scan.peek_at(4) == b' ';
    if (scan.peek() == b'.' || comma) && scan.peek_at(1).is_ascii_digit() {
        scan.skip(1);
        (stamp.nanos, stamp.digits) = fraction(scan)?;
        // Huawei VRP counts the lines of one moment: `01:00:34.270.1`.
        if scan.peek() == b'.' && scan.peek_at(1).is_ascii_digit() {
            scan.skip(1);
            scan.take_while(|byte| byte.is_ascii_digit());
        }
    }
    if scan.peek() == b' ' && scan.peek_at(2) == b'M' {
        half_of_day(scan, stamp);
    }
    Some(())
}

/// ` AM` or ` PM`, with the fraction behind it as Cisco's call managers print it: `10:45:20 PM.601`.
fn half_of_day(scan: &mut Scan<'_>, stamp: &mut Stamp) {
    let afternoon = match scan.peek_at(1) {
        b'A' => 0,
        b'P' => 12,
        _ => return,
    };
    if !(1..=12).contains(&stamp.hour) || scan.peek_at(3).is_ascii_alphanumeric() {
        return;
    }
    scan.skip(3);
    stamp.hour = stamp.hour % 12 + afternoon;
    if scan.peek() == b'.' && scan.peek_at(1).is_ascii_digit() {
        scan.skip(1);
        if let Some((nanos, digits)) = fraction(scan) {
            (stamp.nanos, stamp.digits) = (nanos, digits);
        }
    }
}

fn fraction(scan: &mut Scan<'_>) -> Option<(u32, u8)> {
    let digits = scan.take_while(|byte| byte.is_ascii_digit());
    if digits.is_empty() {
        return None;
    }
    let kept = &digits[..digits.len().min(9)];
    let mut value = 0_u32;
    for digit in kept {
        value = value * 10 + u32::from(digit - b'0');
    }
    Some((value * 10_u32.pow(9 - kept.len() as u32), kept.len() as u8))
}

/// `Apr 29 13:58:46 2026 host`: the year of ctime and Aruba.
fn year_behind(scan: &mut Scan<'_>, stamp: &mut Stamp) {
    if stamp.has_year || !scan.peek_at(1).is_ascii_digit() {
        return;
    }
    let mut try_scan = *scan;
    if try_scan.blanks() == 1
        && let Some(year) = try_scan.number(4, 4)
        && (1970..=2199).contains(&year)
        && (matches!(try_scan.peek(), b' ' | b'\t' | 0) || try_scan.rest.starts_with(b": "))
    {
        stamp.year = year as i16;
        stamp.has_year = true;
        *scan = try_scan;
    }
}

/// An offset right behind the time, or a zone's name behind a blank.
pub(super) fn zone_behind(scan: &mut Scan<'_>, stamp: &mut Stamp) {
    let mut try_scan = *scan;
    let blanks = try_scan.blanks();
    if let Some(zone) = zone::read(&mut try_scan, blanks > 0) {
        stamp.offset = zone.offset();
        *scan = try_scan;
    }
}

/// Whether this is `0000:00:06:00.56 `, days, hours, minutes and seconds since the start of a `ProCurve` switch.
fn days_of_uptime(mut scan: Scan<'_>) -> bool {
    scan.skip(5);
    time_of_day(&mut scan, &mut Stamp::default()).is_some() && scan.peek() == b' '
}

/// `2y10w`, `1w2d`, `3d04h`, `00:01:01`, each with a colon behind it; `1 2:` of old releases; `0d02h29m35s:I:text` of
/// Brocade's switches, where the text may follow at once.
fn uptime<'l>(scan: &mut Scan<'l>) -> Option<DeviceTime<'l>> {
    let line = scan.rest;
    let mut end = Scan::new(line);
    end.take_while(|byte| {
        byte.is_ascii_digit() || matches!(byte, b'y' | b'w' | b'd' | b'h' | b'm' | b's')
    });
    let compact = line.len() - end.rest.len();
    if compact == 0 {
        return None;
    }
    let letters = line[..compact].iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let in_full = letters == 4 && line[..compact].ends_with(b"s");
    let known = if letters > 0 {
        (letters == 2 || in_full) && line[compact - 1].is_ascii_alphabetic()
    } else if end.peek() == b':' {
        let mut stamp = Stamp::default();
        end = Scan::new(line);
        time_of_day(&mut end, &mut stamp).is_some()
    } else {
        end.eat(b' ') && end.number(1, 10).is_some() && end.rest.starts_with(b": %")
    };
    if !known || end.peek() != b':' || !(in_full || matches!(end.peek_at(1), b' ' | 0)) {
        return None;
    }
    *scan = end;
    Some(DeviceTime::Uptime(&line[..line.len() - end.rest.len()]))
}

/// A month's first three letters, in English or as hosts with an Italian, Spanish, Portuguese, French or German locale
/// print them.
fn month(scan: &mut Scan<'_>) -> Option<u8> {
    let name = scan.rest.get(..3)?;
    let at = match (name[0] | 0x20, name[1] | 0x20, name[2] | 0x20) {
        (b'j', b'a', b'n') | (b'g', b'e', b'n') | (b'e', b'n', b'e') => 1,
        (b'f', b'e', b'b' | b'v') => 2,
        (b'm', b'a', b'r') => 3,
        (b'a', b'p' | b'b' | b'v', b'r') => 4,
        (b'm', b'a', b'y' | b'i' | b'g') => 5,
        (b'j', b'u', b'n') | (b'g', b'i', b'u') => 6,
        (b'j', b'u', b'l') | (b'l', b'u', b'g') => 7,
        (b'a', b'u', b'g') | (b'a', b'g', b'o') => 8,
        (b's', b'e', b'p' | b't') => 9,
        (b'o', b'c' | b't' | b'k' | b'u', b't') => 10,
        (b'n', b'o', b'v') => 11,
        (b'd', b'e', b'c' | b'z') | (b'd', b'i', b'c') => 12,
        _ => return None,
    };
    scan.skip(3);
    Some(at)
}

/// Whether a month's name stands here with a day behind it: `set`, `out` and `gen` may be words, too.
pub(super) fn is_month(mut scan: Scan<'_>) -> bool {
    month(&mut scan).is_some() && scan.blanks() > 0 && scan.peek().is_ascii_digit()
}

fn is_weekday(bytes: &[u8]) -> bool {
    matches!(
        bytes.first_chunk::<4>(),
        Some([day @ .., b' ' | b','])
            if matches!(day, b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun")
    )
}
