//! What comes behind a word of a header, which tells what the word is: a host stands before a time, a sequence, a node
//! or a code. It looks ahead, and takes only what is a part of no record: marks, clocks cut short, levels in brackets.

use super::code::{self, Mark};
use super::host;
use super::level;
use super::scan::{Scan, is_blank, text, trim};
use super::stamp;
use super::tag::{self, Tag};
use super::zone;

/// What comes behind a word that may be a host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    /// More of a header: a time, a node, or a sequence and one of them.
    Header,
    /// A code with its mark.
    Code(Speaker),
    /// None of them.
    Text,
}

/// Who may stand before a code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// Firewalls, and the devices of Huawei and H3C, name themselves alone, never a process.
    Device,
    /// Codes without a severity are those of processes.
    Process,
    /// Either.
    Any,
}

impl Follows {
    pub(super) fn is_text(self) -> bool {
        self == Self::Text
    }
}

/// What follows the word before the cursor.
pub(super) fn follows(mut scan: Scan<'_>) -> Follows {
    for _ in 0..4 {
        scan.blanks();
        match scan.peek() {
            b':' => {
                scan.skip(1);
                continue;
            }
            b'%' => return mark(scan),
            b'(' if stack(&mut scan) => continue,
            b'<' if priority(&mut scan).is_some() => return Follows::Header,
            _ => {}
        }
        // A wireless controller goes on with where it was: `WLC1: -Traceback: 0x11759554 ...`.
        if stamp::is_next(scan) || node(&mut scan) || scan.rest.starts_with(b"-Traceback") {
            return Follows::Header;
        }
        if is_bare_code(scan) {
            return Follows::Code(Speaker::Any);
        }
        if is_unifi(scan) {
            return Follows::Header;
        }
        if sequence(&mut scan).is_none() && !address(&mut scan) {
            return if task(&mut scan).is_some() { Follows::Header } else { origin(scan) };
        }
    }
    Follows::Text
}

/// What a `%` at the cursor begins.
fn mark(scan: Scan<'_>) -> Follows {
    let Some(found) = code::find(scan.rest).filter(|found| is_module(found.before)) else {
        return Follows::Text;
    };
    Follows::Code(match found.mark {
        Mark::Bare => Speaker::Process,
        Mark::Huawei | Mark::Comware => Speaker::Device,
        _ if code::is_firewall(found.code.printed) => Speaker::Device,
        Mark::Cisco { .. } => Speaker::Any,
    })
}

/// `%STKUNIT0-M:CP ` of Dell or `%$ VDC-2 %$` of NX-OS stands between host and code; mostly nothing does.
fn is_module(before: &[u8]) -> bool {
    before.starts_with(b"%$") || !trim(before).iter().any(|&byte| is_blank(byte))
}

/// `<PRI>`, 0 to 191 in one to three digits.
pub(super) fn priority(scan: &mut Scan<'_>) -> Option<u8> {
    let mut try_scan = *scan;
    let number = number_in_marks(&mut try_scan).filter(|number| *number <= 191)?;
    *scan = try_scan;
    Some(number as u8)
}

/// Takes a number that is too high for a priority: rsyslog sends 199 on where it found none that is valid.
pub(super) fn no_priority(scan: &mut Scan<'_>) {
    let mut try_scan = *scan;
    if number_in_marks(&mut try_scan).is_some_and(|number| number > 191) {
        *scan = try_scan;
    }
}

fn number_in_marks(scan: &mut Scan<'_>) -> Option<u64> {
    let number = if scan.eat(b'<') { scan.number(1, 3) } else { None };
    number.filter(|_| scan.eat(b'>'))
}

/// Whether a host and a priority are next, as relays put them before a line.
pub(super) fn relay_is_next(mut scan: Scan<'_>) -> bool {
    let named = host::name(scan.token()).is_some();
    scan.blanks();
    named && priority(&mut scan).is_some()
}

/// `521:`, a device's count of its messages.
pub(super) fn sequence(scan: &mut Scan<'_>) -> Option<u64> {
    let mut try_scan = *scan;
    let seq = try_scan.number(1, 19)?;
    if !try_scan.eat(b':') || !(is_blank(try_scan.peek()) || try_scan.peek() == b':') {
        return None;
    }
    let after = try_scan;
    try_scan.blanks();
    // `124025:  <6414> <NOTI> |authmgr| ...` of Aruba is the message's number, with the process's behind it or without.
    if try_scan.peek() == b'<' && try_scan.peek_at(1).is_ascii_alphanumeric() {
        return None;
    }
    *scan = after;
    Some(seq)
}

/// `RP/0/RSP1/CPU0:` of IOS XR, `0/RP0/CPU0:` of later releases.
pub(super) fn node(scan: &mut Scan<'_>) -> bool {
    // The first slash stands behind a short word: most words have none there.
    if !(1..4).any(|ahead| scan.peek_at(ahead) == b'/') {
        return false;
    }
    let mut try_scan = *scan;
    let word = try_scan
        .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'/');
    let mut parts = word.rsplit(|&byte| byte == b'/');
    let last = parts.next().unwrap_or_default();
    let number = last.strip_prefix(b"CPU").or(last.strip_prefix(b"ADMIN"));
    let known = number.is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit));
    if !known || parts.count() < 2 || !try_scan.eat(b':') {
        return false;
    }
    *scan = try_scan;
    true
}

/// Whether the node that speaks stands behind a word.
pub(super) fn node_follows(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    node(&mut scan)
}

/// `*spamApTask1: Apr 29 ...`: the task of a wireless controller.
pub(super) fn task<'l>(scan: &mut Scan<'l>) -> Option<&'l [u8]> {
    let mut try_scan = *scan;
    if !try_scan.eat(b'*') {
        return None;
    }
    let word = try_scan.take_while(|byte| byte != b':');
    if word.len() > tag::LONGEST
        || !try_scan.eat(b':')
        || try_scan.blanks() == 0
        || !stamp::is_next(try_scan)
    {
        return None;
    }
    *scan = try_scan;
    Some(word)
}

/// Takes `(Stack)` and `(1)` between host and code.
pub(super) fn stack(scan: &mut Scan<'_>) -> bool {
    let mut try_scan = *scan;
    try_scan.take_while(|byte| !matches!(byte, b')' | b' '));
    if !try_scan.eat(b')') || try_scan.blanks() == 0 {
        return false;
    }
    *scan = try_scan;
    true
}

/// Takes `[192.168.1.25]`, the address of who was just named.
pub(super) fn bracketed_address(scan: &mut Scan<'_>) -> bool {
    let mut try_scan = *scan;
    let word = try_scan.token();
    let known = word.ends_with(b"]")
        && host::name(word).is_some_and(host::is_address)
        && tag::read(try_scan).is_some();
    if known {
        *scan = try_scan;
    }
    known
}

/// Takes `<10.1.1.5 02:00:5e:00:00:01>`, the addresses of the access point that was just named.
pub(super) fn addresses(scan: &mut Scan<'_>) -> bool {
    let mut try_scan = *scan;
    try_scan.skip(1);
    if !address_at(&mut try_scan) || try_scan.blanks() == 0 {
        return false;
    }
    let mac = try_scan.take_while(|byte| byte.is_ascii_hexdigit() || byte == b':');
    let known = mac.len() == 17 && try_scan.eat(b'>');
    if known {
        *scan = try_scan;
    }
    known
}

/// Whether a process that stands behind a host follows the first word of a line without a time: one with its number, one
/// with a code, or topics of `RouterOS`.
pub(super) fn process_of_host(behind: Scan<'_>) -> bool {
    let numbered = |tag: Tag<'_>| {
        let number = |pid: &str| pid.bytes().all(|byte| byte.is_ascii_digit());
        tag.pid.is_some_and(number)
            || tag.after.first() == Some(&b'%') && code::find(tag.after).is_some()
    };
    tag::read(behind).is_some_and(numbered) || is_topic(behind)
}

/// Takes an address between a name and a code: `HQ 5.1.1.1 %%01SNMP/5/...`.
fn address(scan: &mut Scan<'_>) -> bool {
    let mut try_scan = *scan;
    let known = address_at(&mut try_scan);
    try_scan.blanks();
    let known = known && try_scan.peek() == b'%';
    if known {
        *scan = try_scan;
    }
    known
}

fn address_at(scan: &mut Scan<'_>) -> bool {
    scan.peek().is_ascii_hexdigit() && text(scan.token()).is_some_and(host::is_address)
}

/// Whether the next word is an address.
pub(super) fn address_follows(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    address_at(&mut scan)
}

/// `SSH-SERVER-6-CLOSE_SESSION:` and `IFNET/3/LINK_UPDOWN:`, codes of Cisco's and of Huawei's grammar without a mark.
fn is_bare_code(mut scan: Scan<'_>) -> bool {
    if !scan.peek().is_ascii_uppercase() {
        return false;
    }
    let part = |byte: u8| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
    };
    let start = scan.rest;
    scan.take_while(part);
    let slashes = scan.peek() == b'/';
    let of = if slashes { code::slashes } else { code::cisco };
    scan.take_while(|byte| part(byte) || byte == b'/');
    let word = &start[..start.len() - scan.rest.len()];
    (scan.peek() == b':' || slashes && scan.peek() == b'(') && text(word).and_then(of).is_some()
}

/// `192.168.100.2 sw01: 3132779: Jul 14 ...`: a second name before the device's own header.
fn origin(mut scan: Scan<'_>) -> Follows {
    let word = scan.token();
    // `[sql] sw01 <188>Apr 17 ...`, or before a priority.
    if scan.rest.starts_with(b" <") {
        scan.skip(1);
        if host::name(word).is_some() && priority(&mut scan).is_some() {
            return Follows::Header;
        }
    }
    let Some(stem) = word.strip_suffix(b":") else { return Follows::Text };
    if host::name(stem).is_some() && own_header(scan) { Follows::Header } else { Follows::Text }
}

/// Whether a header of a device's own follows a name: a sequence and a time, or a time and a colon. A
/// time alone may as well be the start of a process's text.
pub(super) fn own_header(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    let numbered = sequence(&mut scan).is_some() || task(&mut scan).is_some();
    scan.blanks();
    let timed = stamp::yearless(&mut scan).is_some();
    zone::skip_unknown(&mut scan);
    scan.blanks();
    timed && (numbered || scan.peek() == b':')
}

/// Takes the year or the zone of a clock that a relay cut to that of RFC 3164, with its own name behind it: `May  5
/// 22:27:58 172.18.19.19 2015 AB-DS1 %%01IC/6/...`, `Apr 11 23:01:37 192.0.2.1 +01:00 R1 HWCM/4/...`.
pub(super) fn cut_clock(scan: &mut Scan<'_>) -> bool {
    let mut try_scan = *scan;
    let cut = match try_scan.peek() {
        b'+' | b'-' => zone::read(&mut try_scan, false).is_some(),
        _ => year(&mut try_scan),
    };
    if !cut {
        return false;
    }
    let after = try_scan;
    let known = try_scan.blanks() > 0
        && host::name(try_scan.token()).is_some_and(|name| names_host(name, try_scan));
    if known {
        *scan = after;
    }
    known
}

/// Takes a clock that is no time: a bare `Z`, a date, or a time of day with its zone, as devices send them
/// that lost the other half.
pub(super) fn half_clock(scan: &mut Scan<'_>) -> bool {
    let mut try_scan = *scan;
    let mut stamp = stamp::Stamp::default();
    let date = |scan: &mut Scan<'_>| {
        scan.number(4, 4).is_some()
            && scan.eat(b'-')
            && scan.number(2, 2).is_some()
            && scan.eat(b'-')
            && scan.number(2, 2).is_some()
    };
    let mut day = *scan;
    if date(&mut day) {
        try_scan = day;
    } else if try_scan.peek().is_ascii_digit() {
        if stamp::time_of_day(&mut try_scan, &mut stamp).is_none() {
            return false;
        }
        stamp::zone_behind(&mut try_scan, &mut stamp);
        if stamp.offset.is_none() {
            return false;
        }
    } else if !try_scan.eat(b'Z') {
        return false;
    }
    let known = is_blank(try_scan.peek());
    if known {
        *scan = try_scan;
    }
    known
}

/// Takes a year alone.
fn year(scan: &mut Scan<'_>) -> bool {
    scan.number(4, 4).is_some_and(|year| (1990..2100).contains(&year))
}

/// Takes what is left of a clock whose beginning was cut off, a time of day or the year, where a host follows and a code that
/// only a device's own name stands before: `22:47:47.8 AR01 %%01SSH/4/...`, `2013 ServerSwitch %%10DEV/5/...`.
pub(super) fn clock_before_code(scan: &mut Scan<'_>) -> bool {
    let (mut try_scan, mut time) = (*scan, *scan);
    if stamp::time_of_day(&mut time, &mut <_>::default()).is_some() {
        try_scan = time;
    } else if !year(&mut try_scan) {
        return false;
    }
    let after = try_scan;
    let known = try_scan.blanks() > 0
        && host::name(try_scan.token()).is_some()
        && follows(try_scan) == Follows::Code(Speaker::Device);
    if known {
        *scan = after;
    }
    known
}

/// `3132779: Jul 14 ...`, a sequence and a time.
pub(super) fn counted_header(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    sequence(&mut { scan }).is_some() && own_header(scan)
}

/// A second time belongs to the header where the first was a relay's: a colon, a code, a process with its number, or a
/// host and more of a header follow it. `is_bsd`: whether it is written as RFC 3164 does.
pub(super) fn second_fits(scan: Scan<'_>, is_bsd: bool) -> bool {
    let mut scan = scan;
    let blanks = scan.blanks();
    if matches!(scan.peek(), b':' | b'%') {
        return true;
    }
    if blanks == 0 {
        return false;
    }
    if tag::read(scan).is_some_and(|tag| tag.pid.is_some()) {
        return true;
    }
    let word = without_vendor(scan.token());
    let Some(name) = host::name(word) else { return false };
    // No text begins with the clock of RFC 3164; with one of another form it may.
    is_bsd || names_host(name, scan) || fits_rfc5424(scan, true)
}

/// Whether a name behind a second time is a host's: by its form, or as a process, an event's number, topics or more of a
/// header follow.
pub(super) fn names_host(name: &str, behind: Scan<'_>) -> bool {
    host::is_certain(name)
        || tag::read(behind).is_some()
        || !follows(behind).is_text()
        || is_topic(behind)
        || is_numbered(behind)
}

/// `00179 mgr: `, an event's number before a process.
pub(super) fn is_numbered(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    scan.number(5, 5).is_some() && is_blank(scan.peek()) && tag::read(scan).is_some()
}

/// `BZ2,f0:9f:c2:aa:bb:cc,v6.6.55:` of `UniFi`: model, address and version of the device that was named before.
fn is_unifi(mut scan: Scan<'_>) -> bool {
    let word = scan.token();
    let Some(comma) = word.iter().position(|&byte| byte == b',') else { return false };
    let rest = &word[comma + 1..];
    let Some(end) = rest.iter().position(|&byte| byte == b',') else { return false };
    let address = &rest[..end];
    matches!(end, 12 | 17) && address.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b':')
}

/// `interface,info`: topics of `RouterOS`.
fn is_topic(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    let word = scan.token();
    memchr::memchr(b',', word).is_some_and(|at| at > 2)
        && word.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b',' | b':'))
}

/// `cpe0089.lga.example.com(vendor2)`, as a collector may write it.
pub(super) fn without_vendor(word: &[u8]) -> &[u8] {
    if !word.ends_with(b")") {
        return word;
    }
    match memchr::memchr(b'(', word) {
        Some(at) if at > 0 => &word[..at],
        _ => word,
    }
}

/// Whether the words behind a host have the form of RFC 5424 though the version is missing: `mgd 3046
/// UI_DBASE_LOGOUT_EVENT [junos@...`, `DNAC - - - {`. `iso`: whether the clock was that of RFC 5424; behind another one only
/// data with their number show it.
pub(super) fn fits_rfc5424(scan: Scan<'_>, iso: bool) -> bool {
    let mut scan = scan;
    let mut word = || {
        scan.blanks();
        scan.token()
    };
    let number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let app = word();
    if app.is_empty() || app.ends_with(b":") {
        return false;
    }
    let process = word();
    if process != b"-" && !number(process) {
        return false;
    }
    let (message, data) = (word(), word());
    let data_follow = data.starts_with(b"[");
    if iso {
        data == b"-" || data_follow || (message == b"-" && process == b"-")
    } else {
        data_follow && data.contains(&b'@')
    }
}

/// Whether a process without its number, a tag and its data are next: `RT_FLOW RT_FLOW_SESSION_CLOSE [junos@...`, as a log
/// server writes them that leaves out what is `-`.
pub(super) fn junos_data_are_next(mut scan: Scan<'_>) -> bool {
    scan.token();
    scan.blanks();
    let tag = scan.token();
    scan.blanks();
    code::is_junos_tag(tag) && scan.rest.starts_with(b"[junos@")
}

/// Takes the next word; a time that follows its colon at once is none of it: `R1:Nov 22 10:00:00 ...`.
pub(super) fn up_to_time<'l>(scan: &mut Scan<'l>) -> &'l [u8] {
    let start = scan.rest;
    let word = scan.token();
    let Some(at) = word.len().checked_sub(4).filter(|&at| at > 0 && word[at] == b':') else {
        return word;
    };
    let behind = Scan::new(&start[at + 1..]);
    if !stamp::is_next(behind) {
        return word;
    }
    *scan = behind;
    &word[..=at]
}

/// `[ERROR]`, `[local]`: a word in brackets.
pub(super) fn bracketed(word: &[u8]) -> Option<&[u8]> {
    word.strip_prefix(b"[")?.strip_suffix(b"]")
}

/// Takes `[ERROR]` where a host and a time follow.
pub(super) fn level_before_host(scan: &mut Scan<'_>) -> bool {
    let mut try_scan = *scan;
    if !bracketed(try_scan.token()).is_some_and(level::is_name) {
        return false;
    }
    let behind = try_scan;
    try_scan.blanks();
    let named = host::name(try_scan.token()).is_some();
    try_scan.blanks();
    let known = named && stamp::is_next(try_scan);
    if known {
        *scan = behind;
    }
    known
}

/// Takes `[WARN]` where a process follows: `2025-07-10 12:50:49.071 [WARN] bgpd: ...` of FRR's own file.
pub(super) fn level_before_process(scan: &mut Scan<'_>) -> bool {
    let mut try_scan = *scan;
    let named = bracketed(try_scan.token()).is_some_and(level::is_name);
    let known = named && tag::read(try_scan).is_some();
    if known {
        *scan = try_scan;
    }
    known
}

/// Takes the letter of a severity behind a time and its colon, as `show logging` of `NetIron` prints it before the text:
/// `Feb  7 17:32:08:I:CLI CMD: ...`.
pub(super) fn letter(scan: &mut Scan<'_>) -> bool {
    const LETTERS: &[u8] = b"MACEWNID";
    let known = scan.peek_at(1) == b':' && LETTERS.contains(&scan.peek());
    if known {
        scan.skip(2);
    }
    known
}

/// Takes the mark that Comware puts before what its console shows: `%Jan  2 05:56:23:694 2013 SW-1 ...`, and without a
/// clock `% SW-1 IFNET/3/LINK_UPDOWN: ...`.
pub(super) fn mark_of_console(scan: &mut Scan<'_>) -> bool {
    let mut try_scan = *scan;
    try_scan.skip(1);
    // Seconds since the start: `%0.109391473 Sysname ...`.
    if try_scan.number(1, 10).is_some() && try_scan.eat(b'.') {
        try_scan.number(1, 10);
    }
    let mut behind = try_scan;
    let named = behind.blanks() > 0 && host::name(behind.token()).is_some();
    let known = stamp::is_next(try_scan) || (named && !follows(behind).is_text());
    if known {
        *scan = try_scan;
    }
    known
}
