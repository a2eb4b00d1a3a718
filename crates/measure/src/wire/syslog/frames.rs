//! Lines whose makers put a frame of their own around the text, other than a header: where the device, the process
//! or the code stands in it. Each is told by a mark that no other line has.

use super::code::Code;
use super::host;
use super::level;
use super::record::{Format, Record};
use super::scan::{Scan, is_blank, text, trim};
use super::stamp;
use super::tag::{self, Tag};

/// Radware names the device in brackets: `[Device: name address] M_20000: text`.
pub(super) fn radware<'l>(record: &mut Record<'l>, body: &'l [u8]) -> bool {
    let mut scan = Scan::new(body);
    if !scan.eat_all(b"[Device: ") {
        return false;
    }
    record.device = host::name(scan.take_while(|byte| !is_blank(byte) && byte != b']'));
    scan.take_while(|byte| byte != b']');
    scan.skip(1);
    scan.blanks();
    record.format = Format::Rfc3164;
    record.message = scan.rest;
    if let Some(tag) = tag::read(scan) {
        record.code = Some(Code::plain(tag.name, None));
        record.message = tag.after;
    }
    true
}

/// `NetScreen` stands where others have a process: `name: NetScreen device_id=name
/// [Root]system-notification-00257(traffic): text`. A header before it is a relay's.
pub(super) fn netscreen<'l>(record: &mut Record<'l>, tag: &Tag<'l>) -> bool {
    let Some(after) = tag.after.strip_prefix(b"NetScreen ") else { return false };
    let device = host::name(tag.name.as_bytes());
    record.relay = record.device.filter(|outer| device.is_some_and(|device| device != *outer));
    record.device = device.or(record.device);
    record.format = Format::Rfc3164;
    record.message = after;
    // `[Root]MODULE-LEVEL-NUMBER`, the name of the virtual system before it.
    if let Some(at) = memchr::memchr(b']', after) {
        let ends = |byte| is_blank(byte) || matches!(byte, b'(' | b':');
        let word = Scan::new(&after[at + 1..]).take_while(|byte| !ends(byte));
        let parts: [&[u8]; 3] =
            std::array::from_fn(|n| word.split(|&byte| byte == b'-').nth(n).unwrap_or_default());
        let counted = !parts[2].is_empty() && parts[2].iter().all(u8::is_ascii_digit);
        let name = text(word).filter(|_| counted);
        record.code = name.map(|name| Code::plain(name, level::of(parts[1])));
    }
    true
}

/// Cisco's VPN concentrators: `11504 01/08/2007 09:10:37.780 SEV=3 AUTH/5 RPT=124 ...`.
pub(super) fn concentrator<'l>(record: &mut Record<'l>, body: &'l [u8]) -> bool {
    let mut scan = Scan::new(body);
    let Some(seq) = scan.number(1, 19) else { return false };
    scan.blanks();
    if stamp::yearless(&mut scan).is_none() {
        return false;
    }
    scan.blanks();
    let marked = scan.eat_all(b"SEV=");
    let Some(severity) = scan.number(1, 1).filter(|_| marked) else { return false };
    scan.blanks();
    let code = text(scan.token());
    scan.blanks();
    record.seq = Some(seq);
    record.code = code.map(|code| Code::plain(code, u8::try_from(severity).ok()));
    record.message = scan.rest;
    true
}

/// The number that stands behind module and severity: `SYS APS NOTI 19034 text` of Barracuda.
pub(super) fn numbered(body: &[u8]) -> Option<(Code<'_>, &[u8])> {
    if !body.starts_with(b"SYS ") {
        return None;
    }
    let mut scan = Scan::new(body);
    let mut word = || {
        let word = scan.token();
        scan.blanks();
        word
    };
    let (_, _, severity, number) = (word(), word(), level::of(word())?, word());
    let known = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    known.then_some((Code::plain(text(number)?, Some(severity)), scan.rest))
}

/// No serial number is shorter.
const SERIAL: usize = 7;

/// What stands behind a serial number and mostly a clock in parentheses: `FVE6035FD3AE3 (2024-05-10T09:49:05)
/// firewall[10]: ...` of `WatchGuard`.
pub(super) fn behind_serial(body: &[u8]) -> Option<&[u8]> {
    let mut scan = Scan::new(body);
    let serial = scan.take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if serial.len() < SERIAL || !is_blank(scan.peek()) || !serial.iter().any(u8::is_ascii_digit) {
        return None;
    }
    if !scan.eat_all(b" (") {
        return Some(scan.rest);
    }
    if !stamp::is_next(scan) {
        return None;
    }
    scan.take_while(|byte| byte != b')');
    scan.eat(b')').then_some(scan.rest)
}

/// Takes the host that stands before the severity among fields with dashes between them, as Python's loggers
/// write them: `nasapi[19090] - log - nas1 - INFO- success`.
pub(super) fn dashed<'l>(record: &mut Record<'l>, text: &'l [u8]) {
    const DASH: &[u8] = b" - ";
    let Some(mut rest) = text.strip_prefix(&DASH[1..]) else { return };
    let mut before = None;
    while let Some(at) = memchr::memmem::find(rest, DASH) {
        before = host::name(trim(&rest[..at])).or(before);
        rest = &rest[at + DASH.len()..];
        let word = Scan::new(rest).take_while(|byte| !is_blank(byte) && byte != b'-');
        if level::is_name(word) {
            record.device = before;
            return;
        }
    }
}

/// The code among structured data in the place of a text: `raslogd: [log@1588 value="AUDIT"]...[msgid@1588
/// value="DCM-1006"][severity@1588 value="INFO"]` of Brocade's SLX-OS.
pub(super) fn elements(body: &[u8]) -> Option<(Code<'_>, &[u8])> {
    memchr::memmem::find(body, b"[log@")?;
    let value = |name: &[u8]| {
        let mut scan = Scan::new(&body[memchr::memmem::find(body, name)?..]);
        scan.token();
        scan.blanks();
        scan.eat_all(b"value=\"").then(|| scan.take_while(|byte| byte != b'"'))
    };
    let severity = value(b"[severity@").and_then(level::of);
    Some((Code::plain(text(value(b"[msgid@")?)?, severity), body))
}

/// The switch among the fields behind the code of Brocade: `2026/08/12-10:11:12, [FW-1424], 1234, CHASSIS, WARNING, sw1,
/// text`. Its name follows the severity.
pub(super) fn named_by_switch<'l>(body: &[u8], after: &'l [u8]) -> Option<&'l str> {
    body[..body.len() - after.len()].ends_with(b"], ").then_some(())?;
    let mut fields = after.split(|&byte| byte == b',').map(trim);
    fields.by_ref().take(4).find(|field| level::is_name(field))?;
    if body.starts_with(b"AUDIT, ") {
        // Behind class and user stands the switch with its domain: `Domain A/Switch-1`.
        let switch = fields.nth(2)?;
        return host::name(switch.rsplit(|&byte| byte == b'/').next()?);
    }
    fields.next().and_then(host::name)
}

/// `RP proc YYYY-Mon- d HH:MM:SS.mmm TAG: text` of Opengear, whose host and process stand before the time.
pub(super) fn opengear<'l>(record: &mut Record<'l>, body: &'l [u8]) -> bool {
    let words = memchr::memchr_iter(b' ', body).nth(1);
    // The month's name between dashes is what no other family has.
    let dated = |at: usize| {
        body.get(at + 5) == Some(&b'-')
            && body[at + 6..].first().is_some_and(u8::is_ascii_alphabetic)
    };
    if !words.is_some_and(dated) {
        return false;
    }
    let mut scan = Scan::new(body);
    let host = scan.token();
    scan.blanks();
    let process = scan.token();
    scan.blanks();
    let start = scan.rest;
    let Some(time) = stamp::read(&mut scan, model::UnixMs(0)) else { return false };
    // It writes no zone: what reads as one is the tag.
    let zone = || {
        let read = &start[..start.len() - scan.rest.len()];
        tag::read(Scan::new(&start[memchr::memrchr(b' ', read)?..]))
    };
    let Some(tag) = tag::read(scan).or_else(zone) else { return false };
    record.relay = record.device;
    record.device = text(host);
    record.app = text(process);
    record.time = Some(time);
    record.code = Some(Code::plain(tag.name, None));
    record.message = tag.after;
    record.format = Format::Opengear;
    true
}

/// `[filer-2:callhome.spares.low:error]: text` of ONTAP: node, event and severity, the node left out where a header
/// names it.
pub(super) fn triple<'l>(record: &mut Record<'l>, body: &'l [u8]) -> Option<(Code<'l>, &'l [u8])> {
    let end = memchr::memchr(b']', body)?;
    let after = body[end..].strip_prefix(b"]:")?;
    let mut parts = body[1..end].rsplit(|&byte| byte == b':');
    let severity = parts.next().filter(|word| level::is_name(word)).and_then(level::of)?;
    let event = parts.next().filter(|event| event.contains(&b'.')).and_then(text)?;
    let node = parts.next().and_then(host::name);
    record.device = record.device.or(node);
    Some((Code::plain(event, Some(severity)), trim(after)))
}
