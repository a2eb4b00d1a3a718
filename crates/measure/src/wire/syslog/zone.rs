//! Zones as devices name them. Only names that mean one offset have one; `CST`, `IST` and the like mean
//! several, so the time then has no zone.

use super::code;
use super::scan::{Scan, is_blank};
use super::tag;

/// Names with one meaning, in minutes east of UTC.
const NAMES: &[(u32, i16)] = &[
    (key(b"UTC"), 0),
    (key(b"GMT"), 0),
    (key(b"Z"), 0),
    (key(b"WET"), 0),
    (key(b"WEST"), 60),
    (key(b"CET"), 60),
    (key(b"MET"), 60),
    (key(b"CEST"), 120),
    (key(b"MEST"), 120),
    (key(b"EET"), 120),
    (key(b"SAST"), 120),
    (key(b"EEST"), 180),
    (key(b"MSK"), 180),
    (key(b"PKT"), 300),
    (key(b"SGT"), 480),
    (key(b"HKT"), 480),
    (key(b"AWST"), 480),
    (key(b"JST"), 540),
    (key(b"KST"), 540),
    (key(b"AEST"), 600),
    (key(b"AEDT"), 660),
    (key(b"NZST"), 720),
    (key(b"NZDT"), 780),
    (key(b"HST"), -600),
    (key(b"AKST"), -540),
    (key(b"AKDT"), -480),
    (key(b"PST"), -480),
    (key(b"PDT"), -420),
    (key(b"MST"), -420),
    (key(b"MDT"), -360),
    (key(b"CDT"), -300),
    (key(b"EST"), -300),
    (key(b"EDT"), -240),
    (key(b"BRT"), -180),
];

/// Names that people use and that mean several offsets.
const AMBIGUOUS: &[u32] = &[
    key(b"TZ"),
    key(b"CST"),
    key(b"IST"),
    key(b"BST"),
    key(b"AST"),
    key(b"ADT"),
    key(b"ET"),
    key(b"CT"),
    key(b"MT"),
    key(b"PT"),
    key(b"DST"),
    key(b"SST"),
    key(b"GST"),
];

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
        // Cisco's VPN concentrators write it twice: `+0100 +1:00`.
        let mut again = *scan;
        if again.eat(b' ') && offset(&mut again) == Some(east) {
            *scan = again;
        }
        return Some(Zone::East(east));
    }
    if scan.peek() == b'[' {
        return in_brackets(scan);
    }
    let mut try_scan = *scan;
    let name = try_scan.take_while(|byte| byte.is_ascii_alphabetic());
    // Right behind the time, as some releases of IOS write it, it is in capitals: `11:39:59KST: %`.
    let is_upper = name.iter().all(u8::is_ascii_uppercase);
    if name.is_empty() || name.len() > LONGEST || (!apart && !is_upper) {
        return None;
    }
    // Most words here are hosts: what follows them, or their length, tells.
    let ends =
        matches!(try_scan.peek(), b':' | b' ' | b'\t' | b']' | b'|' | b',' | b'+' | b'-' | 0);
    if !ends || (name.len() > KNOWN && !colon_behind(try_scan)) {
        return None;
    }
    // Before a blank a zone is in capitals, a host mostly is not.
    if !is_upper && matches!(try_scan.peek(), b' ' | b'\t' | 0) && !colon_behind(try_scan) {
        return None;
    }
    let known = offset_of(name);
    let mut found = known.map_or(Zone::Unknown, Zone::East);
    // `UTC+07:30`, and `EST -05:00` of CatOS.
    let mut behind = try_scan;
    let parted = behind.eat(b' ');
    let plain = known.is_some() || is_ambiguous(name);
    if plain
        && let Some(more) = offset(&mut behind)
        && (!parted || is_blank(behind.peek()))
    {
        found = Zone::East(more);
        try_scan = behind;
    }
    let fits = match try_scan.peek() {
        _ if colon_behind(try_scan) => plain || is_unknown_zone(name, try_scan),
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
    let name = try_scan.take_while(|byte| byte.is_ascii_alphanumeric());
    let after = try_scan;
    try_scan.blanks();
    let behind = try_scan.eat(b':') && try_scan.blanks() == 1 && try_scan.peek() == b'%';
    if apart && behind && is_word(name) && !is_firewall(try_scan) {
        *scan = after;
    }
}

/// The same between a time and a process: `LC/0/2/CPU0:Jul  7 20:16:14.834 WIB: ifmgr[214]: %PKT_INFRA-...`.
pub(super) fn skip_before_process(scan: &mut Scan<'_>) {
    let mut try_scan = *scan;
    let apart = try_scan.blanks() == 1;
    let name = try_scan.take_while(|byte| byte.is_ascii_alphanumeric());
    let after = try_scan;
    try_scan.blanks();
    if apart && try_scan.eat(b':') && is_word(name) && tag::read(try_scan).is_some() {
        *scan = after;
    }
}

/// `[GMT +08:00:00]` behind the year, as Comware writes it.
fn in_brackets(scan: &mut Scan<'_>) -> Option<Zone> {
    let mut try_scan = *scan;
    let named = try_scan.eat_all(b"[GMT") || try_scan.eat_all(b"[UTC");
    try_scan.blanks();
    let east = offset(&mut try_scan).filter(|_| named)?;
    try_scan.take_while(|byte| byte == b':' || byte.is_ascii_digit());
    try_scan.eat(b']').then(|| {
        *scan = try_scan;
        Zone::East(east)
    })
}

fn is_word(name: &[u8]) -> bool {
    (2..=LONGEST).contains(&name.len()) && name[0].is_ascii_alphabetic()
}

fn colon_behind(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    scan.peek() == b':'
}

/// Minutes east of UTC that a name means, if it is one.
fn offset_of(name: &[u8]) -> Option<i16> {
    let key = key(name);
    let found = NAMES.iter().find(|(known, _)| *known == key).map(|&(_, offset)| offset);
    found.filter(|_| name.len() <= KNOWN)
}

fn is_ambiguous(name: &[u8]) -> bool {
    name.len() <= KNOWN && AMBIGUOUS.contains(&key(name))
}

/// Whether a word is the name of a zone.
pub(super) fn is_name(word: &[u8]) -> bool {
    word.len() <= KNOWN
        && word.iter().all(u8::is_ascii_uppercase)
        && (offset_of(word).is_some() || is_ambiguous(word))
}

/// Whether a word with a colon behind it is a zone nobody knows (`VIENNA: %SYS-5-CONFIG_I`) and not the
/// name of a process (`Rib: %AGENT-6-INITIALIZED`, `bgpd: %ADJCHANGE`).
fn is_unknown_zone(name: &[u8], mut behind: Scan<'_>) -> bool {
    behind.blanks();
    behind.skip(1);
    behind.blanks();
    name.len() >= 2
        && behind.peek() == b'%'
        && name.iter().all(u8::is_ascii_uppercase)
        && !is_firewall(behind)
}

/// Whether a firewall's code follows: where others have a zone, firewalls have their name.
fn is_firewall(scan: Scan<'_>) -> bool {
    code::find(scan.rest).is_some_and(|found| code::is_firewall(found.code.printed))
}

/// Up to four letters as a number, capitals or not, for a match of few steps.
const fn key(name: &[u8]) -> u32 {
    let (mut key, mut at) = (0, 0);
    while at < name.len() && at < KNOWN {
        key = key << 8 | (name[at] & !0x20) as u32;
        at += 1;
    }
    key
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
