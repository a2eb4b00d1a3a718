//! Syslog lines: bytes in, a [`Record`] out, for every input. A header is read left to right by general
//! grammar, never by an expression that fits one product's line; nothing is copied and nothing is refused.
//!
//! Reading order: [`Record`], [`parse`], then `header` for the headers that are no standard and `rfc5424`
//! for the one that is, `custom` for those that users describe, `body` for what follows, `frames` for what makers put
//! around it and `repeated` for what relays do, `code`, `stamp`, `host`, `tag` and `level` for their parts, `ahead` for what tells them apart;
//! then [`Meanings`], which tell what a message is about, and their `template`s.

mod ahead;
mod body;
mod calendar;
mod code;
mod custom;
mod frames;
mod header;
mod host;
mod level;
mod meaning;
mod pairs;
mod record;
mod repeated;
mod rfc5424;
mod scan;
mod split;
mod stamp;
mod tag;
mod template;
#[cfg(test)]
mod tests;
mod zone;

pub use code::Code;
pub use custom::HeaderFormat;
pub use meaning::{Condition, Meaning, Meanings, Rule};
pub use record::{Format, Record};
pub use split::split;
pub use stamp::{DeviceTime, Stamp, TimeQuality};
pub use template::{Field, Template, TemplateError};

use ahead::priority;
use model::UnixMs;
use scan::Scan;

/// Reads one line. `received` is when it arrived; it decides the year of times that have none.
///
/// Every input yields a record; what cannot be read is in its message. Nothing is allocated.
pub fn parse(line: &[u8], received: UnixMs) -> Record<'_> {
    parse_with(line, received, &[])
}

/// The same, with headers that a user described; they count before the others.
pub fn parse_with<'l>(line: &'l [u8], received: UnixMs, own: &[HeaderFormat]) -> Record<'l> {
    let raw = without_line_end(line);
    let mut record = Record::new(raw);
    let mut scan = Scan::new(raw);
    scan.eat_all(b"\xEF\xBB\xBF");
    scan.blanks();
    record.priority = priority(&mut scan);
    if record.priority.is_none() {
        ahead::no_priority(&mut scan);
    }
    scan.eat_all(b"\xEF\xBB\xBF");
    record.message = scan.rest;
    let is_own = own.iter().any(|format| format.read(&mut record, scan, received));
    if !is_own {
        whole(&mut record, scan, received, RELAYS);
    }
    record.message = scan::trim(record.message);
    record
}

/// How many relays may each have put a header before a line.
const RELAYS: u8 = 3;

/// Reads a line behind its priority. `relays`: how many headers of relays may come.
fn whole<'l>(record: &mut Record<'l>, scan: Scan<'l>, received: UnixMs, relays: u8) {
    let mut scan = scan;
    if rfc5424::read(record, scan, received) {
        return nested(record, received, relays);
    }
    scan.blanks();
    if !kiwi(record, &mut scan, received) {
        unframed(record, scan, received, relays);
    }
}

/// A whole line of a device that a relay put into the text of RFC 5424, and nothing into its fields.
fn nested(record: &mut Record<'_>, received: UnixMs, relays: u8) {
    if record.app.is_some() || record.code.is_some() || relays == 0 {
        return;
    }
    let scan = Scan::new(record.message);
    if scan.peek() == b'<' {
        relayed(record, scan, received, relays);
    } else if !frames::opengear(record, scan.rest)
        && (stamp::is_next(scan) || scan.rest.starts_with(b"1 ") || ahead::relay_is_next(scan))
    {
        within(record, record.priority, scan, received, relays);
    }
}

/// A whole line behind a relay's header: `relay01 <134>Jun 19 09:51:59 host01 sshd[1234]: ...`.
fn relayed<'l>(record: &mut Record<'l>, scan: Scan<'l>, received: UnixMs, relays: u8) -> bool {
    let mut scan = scan;
    let inner = priority(&mut scan).filter(|_| relays > 0);
    if inner.is_some() {
        within(record, inner, scan, received, relays);
    }
    inner.is_some()
}

/// Reads a line in another's text.
fn within<'l>(
    record: &mut Record<'l>,
    priority: Option<u8>,
    scan: Scan<'l>,
    received: UnixMs,
    relays: u8,
) {
    // Each line in another costs stack: a line of nothing but relays ends here.
    let Some(relays) = relays.checked_sub(1) else { return };
    let mut inner = Record { priority, ..Record::new(record.raw) };
    whole(&mut inner, scan, received, relays);
    let outer = record.device;
    inner.relay = outer.filter(|_| inner.device.is_some() && inner.device != outer);
    inner.device = inner.device.or(outer);
    *record = inner;
}

/// Lines without a version.
fn unframed<'l>(record: &mut Record<'l>, scan: Scan<'l>, received: UnixMs, relays: u8) {
    let mut scan = scan;
    // A sequence, a mark or a time shows an ordinary header at once.
    let ordinary = matches!(scan.peek(), b':' | b'*' | b'.' | b'%') || stamp::is_month(scan);
    if !ordinary
        && (pairs::read(record, scan.rest, received)
            || body::routeros(record, scan.rest)
            || meraki(record, scan)
            || frames::opengear(record, scan.rest)
            || frames::radware(record, scan.rest))
    {
        return;
    }
    let header = header::read(&mut scan, received);
    header.fill(record);
    let body = scan.rest;
    record.message = body;
    if body.starts_with(b"<") && relayed(record, scan, received, relays) {
        return;
    }
    let iso = header.style() == header::Style::Iso;
    // A host that is not known is `-`.
    if iso && record.device.is_none() {
        scan.eat_all(b"- ");
    }
    // What follows the first word tells two rare forms from all others; mostly a code is that word.
    let second = match scan.peek() {
        b'%' => 0,
        _ => memchr::memchr(b' ', scan.rest).map_or(0, |at| scan.peek_at(at + 1)),
    };
    if second == b'<' && relays > 0 && header.is_counted() && ahead::relay_is_next(scan) {
        return within(record, record.priority, scan, received, relays);
    }
    // `Dec  6 08:46:12 192.168.1.1 1 1386337584.25 MX84 events ...`: a relay's header before that of RFC 5424.
    if body.starts_with(b"1 ")
        && scan.peek_at(2).is_ascii_digit()
        && rfc5424::read(record, scan, received)
    {
        record.device = record.device.or(header.named());
        record.relay = header.named().filter(|outer| record.device != Some(*outer));
        return;
    }
    let fits = match second {
        b'-' | b' ' | b'0'..=b'9' => ahead::fits_rfc5424(scan, iso),
        b'A'..=b'Z' => ahead::junos_data_are_next(scan),
        _ => false,
    };
    if fits {
        return rfc5424::fields(record, scan, received);
    }
    if pairs::read(record, body, received) || body::routeros(record, body) {
        return;
    }
    body::read(record, &header, body);
    if record.code.is_none() && !timed(record, received, relays) {
        behind(record, received);
    }
}

/// A line without a priority behind a relay's header: a time begins it, and what follows is no text.
fn timed(record: &mut Record<'_>, received: UnixMs, relays: u8) -> bool {
    let scan = Scan::new(record.message);
    if record.app.is_some() || record.device.is_none() || relays == 0 || !stamp::is_next(scan) {
        return false;
    }
    let outer = *record;
    within(record, record.priority, scan, received, relays);
    let known = record.code.is_some()
        || record.app.is_some()
        || (record.device != outer.device && record.device.is_some_and(host::is_certain));
    if !known {
        *record = outer;
    }
    known
}

/// What may stand behind a process, or behind more words than one, and is no text: CEF, fields, or a header of RFC
/// 5424 without its version (`junos-ids: 2017-08-24T04:58:58.724Z srx RT_IDS - RT_SCREEN_IP [junos@...`).
fn behind(record: &mut Record<'_>, received: UnixMs) {
    let text = record.message;
    if memchr::memchr(b'|', text).is_some()
        && let Some(at) = memchr::memmem::find(text, b"EF:")
        && let Some(at) = pairs::event_format(text, at)
    {
        pairs::read(record, &text[at..], received);
        return;
    }
    if record.app.is_none() {
        if !frames::opengear(record, text) {
            pairs::behind_name(record, text);
        }
        return;
    }
    if let Some(fields) = pairs::welf(text) {
        pairs::read(record, fields, received);
        return;
    }
    if pairs::behind_process(record, text, received) {
        return;
    }
    let mut scan = Scan::new(text);
    if scan.peek_at(4) == b'-' && scan.peek_at(10) == b'T' {
        let header = header::read(&mut scan, received);
        if header.named().is_some() && ahead::fits_rfc5424(scan, true) {
            let outer = record.device;
            header.fill(record);
            record.relay = outer;
            rfc5424::fields(record, scan, received);
        }
    }
}

/// `1777471126.123 host events text`.
fn meraki<'l>(record: &mut Record<'l>, scan: Scan<'l>) -> bool {
    let mut scan = scan;
    let Some(stamp) = stamp::epoch(&mut scan) else { return false };
    scan.blanks();
    let host = host::name(scan.token());
    scan.blanks();
    let app = scan.token();
    scan.blanks();
    record.time = Some(DeviceTime::Wall(stamp));
    record.device = host;
    record.app = scan::text(app);
    record.message = scan.rest;
    record.format = Format::Meraki;
    true
}

/// `Original Address=192.168.0.1 1 2025-06-23T16:13:32Z server Kiwi_Syslog... MSGOUT ` and the line itself:
/// a relay of that make.
fn kiwi<'l>(record: &mut Record<'l>, scan: &mut Scan<'l>, received: UnixMs) -> bool {
    if !scan.eat_all(b"Original Address=") {
        return false;
    }
    let address = host::name(scan.token());
    scan.blanks();
    if rfc5424::read(record, *scan, received) {
        record.relay = address;
    }
    record.relay.is_some()
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let mut line = line;
    while let [rest @ .., b'\n' | b'\r' | 0] = line {
        line = rest;
    }
    line
}
