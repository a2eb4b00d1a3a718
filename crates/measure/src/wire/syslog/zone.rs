//! Zones as devices name them. Only names that mean one offset have one; `CST`, `IST` and the like mean
//! several, so the time then has no zone.

use super::scan::{Scan, is_blank};

/// Names with one meaning, in minutes east of UTC.
const NAMES: &[(&[u8], i16)] = &[
    (b"UTC", 0),
    (b"GMT", 0),
    (b"Z", 0),
    (b"WET", 0),
    (b"WEST", 60),
    (b"CET", 60),
    (b"MET", 60),
    (b"CEST", 120),
    (b"MEST", 120),
    (b"EET", 120),
    (b"SAST", 120),
    (b"EEST", 180),
    (b"MSK", 180),
    (b"PKT", 300),
    (b"SGT", 480),
    (b"HKT", 480),
    (b"AWST", 480),
    (b"JST", 540),
    (b"KST", 540),
    (b"AEST", 600),
    (b"AEDT", 660),
    (b"NZST", 720),
    (b"NZDT", 780),
    (b"HST", -600),
    (b"AKST", -540),
    (b"AKDT", -480),
    (b"PST", -480),
    (b"PDT", -420),
    (b"MST", -420),
    (b"MDT", -360),
    (b"CDT", -300),
    (b"EST", -300),
    (b"EDT", -240),
    (b"BRT", -180),
];

/// Names that people use and that mean several offsets.
const AMBIGUOUS: &[&[u8]] =
    &[b"CST", b"IST", b"BST", b"AST", b"ADT", b"ET", b"CT", b"MT", b"PT", b"DST", b"SST", b"GST"];

/// Longest of the known names.
const KNOWN: usize = 4;
/// Longest name; Cisco takes any word.
const LONGEST: usize = 10;

/// A zone that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// Minutes east of UTC.
    East(i16),
    /// A name that means several offsets, or none that is known.
    Unknown,
}

impl Zone {
    /// Minutes east of UTC, if they are known.
    pub(super) fn offset(self) -> Option<i16> {
        match self {
            Self::East(minutes) => Some(minutes),
            Self::Unknown => None,
        }
    }
}

/// Reads a zone. `apart`: a blank stands before it, so that a word may also be a host; then an unknown
/// word is a zone only with a colon behind it.
pub(super) fn read(scan: &mut Scan<'_>, apart: bool) -> Option<Zone> {
    if matches!(scan.peek(), b'+' | b'-') {
        let east = offset(scan)?;
        // Huawei VRP says behind the offset that it is summer.
        let mut summer = *scan;
        if summer.eat_all(b" DST") && is_blank(summer.peek()) {
            *scan = summer;
        }
        return Some(Zone::East(east));
    }
    let mut try_scan = *scan;
    let name = try_scan.take_while(|byte| byte.is_ascii_alphabetic());
    if name.is_empty() || name.len() > LONGEST || (!apart && name != b"Z") {
        return None;
    }
    // Most words here are hosts: what follows them, or their length, tells.
    let ends =
        matches!(try_scan.peek(), b':' | b' ' | b'\t' | b']' | b'|' | b',' | b'+' | b'-' | 0);
    if !ends || (name.len() > KNOWN && try_scan.peek() != b':') {
        return None;
    }
    // Before a blank a zone is in capitals, a host mostly is not.
    let is_upper = name.iter().all(u8::is_ascii_uppercase);
    if !is_upper && matches!(try_scan.peek(), b' ' | b'\t' | 0) {
        return None;
    }
    let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let mut found = known.map_or(Zone::Unknown, |&(_, offset)| Zone::East(offset));
    // `UTC+07:30`, and `EST -05:00` of CatOS.
    let mut behind = try_scan;
    let parted = behind.eat(b' ');
    if known.is_some()
        && let Some(more) = offset(&mut behind)
        && (!parted || is_blank(behind.peek()))
    {
        found = Zone::East(more);
        try_scan = behind;
    }
    let plain = known.is_some() || AMBIGUOUS.iter().any(|known| known.eq_ignore_ascii_case(name));
    let fits = match try_scan.peek() {
        b':' => plain || is_unknown_zone(name, try_scan),
        b' ' | b'\t' | 0 => plain && is_upper,
        b']' | b'|' | b',' => plain,
        _ => false,
    };
    if !fits {
        return None;
    }
    *scan = try_scan;
    Some(found)
}

/// Takes a zone's name that nobody knows, in small letters or in capitals, between a time and a code: `mng: %SEC-6-...`.
pub(super) fn skip_unknown(scan: &mut Scan<'_>) {
    let mut try_scan = *scan;
    let apart = try_scan.blanks() == 1;
    let name = try_scan.take_while(|byte| byte.is_ascii_alphabetic());
    let after = try_scan;
    let behind = try_scan.eat(b':') && try_scan.blanks() == 1 && try_scan.peek() == b'%';
    if apart && behind && (2..=LONGEST).contains(&name.len()) {
        *scan = after;
    }
}

/// Whether a word is the name of a zone.
pub(super) fn is_name(word: &[u8]) -> bool {
    NAMES.iter().any(|(known, _)| *known == word) || AMBIGUOUS.contains(&word)
}

/// Whether a word with a colon behind it is a zone nobody knows (`VIENNA: %SYS-5-CONFIG_I`) and not the
/// name of a process (`Rib: %AGENT-6-INITIALIZED`, `bgpd: %ADJCHANGE`).
fn is_unknown_zone(name: &[u8], mut behind: Scan<'_>) -> bool {
    behind.skip(1);
    behind.blanks();
    name.iter().all(u8::is_ascii_uppercase) && name.len() >= 2 && behind.peek() == b'%'
}

/// `+02:00`, `-0700`, `+8`.
fn offset(scan: &mut Scan<'_>) -> Option<i16> {
    let mut try_scan = *scan;
    let sign = match try_scan.peek() {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    try_scan.skip(1);
    let minutes = if let Some(both) = try_scan.number(4, 4) {
        both as i16 / 100 * 60 + both as i16 % 100
    } else {
        let hours = try_scan.number(1, 2)? as i16;
        let mut colon = try_scan;
        let minutes = if colon.eat(b':') { colon.number(2, 2) } else { None };
        if minutes.is_some() {
            try_scan = colon;
        }
        hours * 60 + minutes.unwrap_or(0) as i16
    };
    if minutes > 18 * 60 || try_scan.peek().is_ascii_alphanumeric() {
        return None;
    }
    *scan = try_scan;
    Some(sign * minutes)
}
