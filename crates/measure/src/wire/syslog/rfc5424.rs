//! RFC 5424, as devices send it: fields left out instead of `-`, structured data without quotes, no
//! version. What the standard says is read as the standard says.

use model::UnixMs;

use super::ahead;
use super::body;
use super::code::{self, Code};
use super::frames;
use super::header::{self, Header};
use super::host;
use super::pairs;
use super::record::{Format, Record};
use super::scan::{Scan, is_blank, text};
use super::stamp::{self, DeviceTime};
use super::tag;

/// Reads a line behind its priority, if it is of RFC 5424: `1 TIMESTAMP HOST APP PROCID MSGID SD MSG`.
pub(super) fn read<'l>(record: &mut Record<'l>, scan: Scan<'l>, received: UnixMs) -> bool {
    let mut scan = scan;
    let Some(version) = scan.number(1, 2) else { return false };
    let blanks = scan.blanks();
    let mut meraki = false;
    if version != 1 && !(blanks == 1 && scan.peek_at(4) == b'-' && scan.peek_at(10) == b'T') {
        return false;
    }
    if blanks == 1 {
        match time(&mut scan, received) {
            Some((time, epoch)) => {
                record.time = time;
                meraki = epoch;
            }
            None => return false,
        }
        scan.blanks();
    } else if blanks == 0 {
        return false;
    }
    let word = scan.token();
    record.device = host::name(word).filter(|_| word != b"-");
    record.format = Format::Rfc5424;
    scan.blanks();
    if meraki {
        let app = scan.token();
        scan.blanks();
        record.app = text(app);
        record.message = scan.rest;
        record.format = Format::Meraki;
        return true;
    }
    fields(record, scan, received);
    true
}

/// The time field: a time, `-`, or the bare `Z` of a device that does not know it; seconds since 1970 are
/// Meraki's.
fn time<'l>(scan: &mut Scan<'l>, received: UnixMs) -> Option<(Option<DeviceTime<'l>>, bool)> {
    if let Some(stamp) = stamp::epoch(scan) {
        return Some((Some(DeviceTime::Wall(stamp)), true));
    }
    if matches!(scan.peek(), b'-' | b'Z') && is_blank(scan.peek_at(1)) {
        scan.skip(1);
        return Some((None, false));
    }
    let dated = scan.peek().is_ascii_digit() && scan.peek_at(4) == b'-';
    let named = scan.peek().is_ascii_alphabetic();
    if !dated && !named {
        return None;
    }
    let time = stamp::read(scan, received)?;
    is_blank(scan.peek()).then_some((Some(time), false))
}

/// Reads `APP PROCID MSGID SD MSG`; whatever is missing, the structured data or the text end it.
pub(super) fn fields<'l>(record: &mut Record<'l>, scan: Scan<'l>, received: UnixMs) {
    let mut scan = scan;
    let start = scan;
    let word = scan.token();
    let colon = word.strip_suffix(b":");
    let mut ahead = scan;
    ahead.blanks();
    if colon.is_some() && ahead.peek() != b'-' {
        return body::read(record, &Header::default(), start.rest);
    }
    if pairs::is_event_format(start.rest) {
        record.message = start.rest;
        return text_code(record, None, received);
    }
    record.app = nil(colon.unwrap_or(word));
    record.format = Format::Rfc5424;
    let mut found: [Option<&'l str>; 2] = [None, None];
    let mut filled = 0;
    while filled < 2 {
        scan.blanks();
        if scan.peek() == b'[' || scan.rest.is_empty() {
            break;
        }
        found[filled] = nil(scan.token());
        filled += 1;
    }
    let [process, message_id] = match (filled, found) {
        // One field short: a number is the process, a name the message.
        (1, [Some(only), _]) if !only.bytes().all(|byte| byte.is_ascii_digit()) => {
            [None, Some(only)]
        }
        (_, found) => found,
    };
    record.pid = process;
    scan.blanks();
    record.structured = structured(&mut scan);
    scan.blanks();
    scan.eat_all(b"\xEF\xBB\xBF");
    record.message = scan.rest;
    text_code(record, message_id, received);
}

/// The code: what the text bears, else the message id.
fn text_code<'l>(record: &mut Record<'l>, message_id: Option<&'l str>, received: UnixMs) {
    let text = record.message;
    if record.app.is_none() && ahead::priority(&mut Scan::new(text)).is_some() {
        // A whole line follows.
        return;
    }
    let junos = record.structured.starts_with(b"[junos@");
    if junos || message_id.is_some_and(|id| code::is_junos_tag(id.as_bytes())) {
        record.format = if junos { Format::JunosStructured } else { record.format };
        record.code = message_id.map(|id| Code::plain(id, None));
        return;
    }
    if let Some((code, _)) = message_id.and_then(|id| code::f5(id.as_bytes())) {
        record.code = Some(code);
        record.format = Format::F5;
        return;
    }
    if code::find(text).is_some_and(|found| header_like(found.before)) {
        return inner(record, text, received);
    }
    if record.app.is_none() {
        process_in_text(record);
    }
    if record.code.is_none() {
        body::message(record, text);
    }
    // Firewalls put their fields behind a header that names no process.
    if record.code.is_none() {
        if record.app.is_none() || pairs::is_event_format(text) {
            pairs::read(record, text, received);
        } else if !pairs::panos_cut(record, text) {
            pairs::behind_process(record, text, received);
        }
    }
    if record.code.is_none() && !record.structured.is_empty() {
        record.code = frames::elements(record.structured).map(|(code, _)| code);
    }
    // A relay that took the code for a process: `%SYS-5-CONFIG_I - - - text`.
    if record.code.is_none() {
        record.code = record.app.and_then(code_of_word);
    }
    if record.code.is_none() {
        record.code = message_id
            .filter(|id| is_id(id, !record.structured.is_empty()))
            .map(|id| code_of_word(id).unwrap_or(Code::plain(id, None)));
    }
}

/// A code of Cisco's or of Huawei's in the place of another word, with its mark or without.
fn code_of_word(word: &str) -> Option<Code<'_>> {
    if word.starts_with('%') {
        return code::find(word.as_bytes()).map(|found| found.code);
    }
    code::cisco(word).filter(|_| word.bytes().all(|byte| !byte.is_ascii_lowercase()))
}

/// A relay that knew no process may leave it in the text: `- - - - rpd[2902]: RPD_BGP_NEIGHBOR_STATE_CHANGED: ...`. A code
/// behind it shows that it is one.
fn process_in_text(record: &mut Record<'_>) {
    let mut inner = *record;
    if code::find(record.message).is_none() {
        body::read(&mut inner, &Header::default(), record.message);
    }
    if inner.code.is_some() {
        *record = inner;
    }
}

/// Whether a message id is one: a number counts only where data of its kind follow.
fn is_id(id: &str, with_data: bool) -> bool {
    with_data || id.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// A text with a code, and mostly with the device's own header before it: what framed it was a relay.
fn inner<'l>(record: &mut Record<'l>, text: &'l [u8], received: UnixMs) {
    let mut scan = Scan::new(text);
    let mut header = header::read(&mut scan, received);
    if ahead::priority(&mut { scan }).is_some() {
        // A whole line follows behind another relay's header.
        return;
    }
    if !header.is_counted() && scan.peek() != b'%' {
        // Neither time nor sequence, and more words before the code: they are text.
        (header, scan) = (Header::default(), Scan::new(text));
    }
    let outer = *record;
    header.fill(record);
    record.relay = outer.device.filter(|_| record.device.is_some());
    record.device = record.device.or(outer.device);
    record.time = record.time.or(outer.time);
    (record.app, record.pid) = (record.app.or(outer.app), outer.pid);
    body::read(record, &header, scan.rest);
}

/// Whether what stands before a code is nothing, a process or a time, and no sentence.
fn header_like(before: &[u8]) -> bool {
    before.len() < 80 || tag::read(Scan::new(before)).is_some()
}

fn nil(word: &[u8]) -> Option<&str> {
    text(word).filter(|word| *word != "-")
}

/// Takes the structured data: `-`, or elements in brackets (RFC 5424, section 6.3).
fn structured<'l>(scan: &mut Scan<'l>) -> &'l [u8] {
    if scan.peek() == b'-' && (is_blank(scan.peek_at(1)) || scan.rest.len() == 1) {
        scan.skip(1);
        return &[];
    }
    let start = scan.rest;
    while let Some(end) = element(scan.rest) {
        scan.skip(end);
    }
    &start[..start.len() - scan.rest.len()]
}

/// Length of the element at the start of `bytes`: quotes and their escapes are heeded; without quotes
/// (`VMware`) it ends at the first bracket.
fn element(bytes: &[u8]) -> Option<usize> {
    let mut scan = Scan::new(bytes.strip_prefix(b"[")?);
    let id = scan.take_while(|byte| !is_blank(byte) && !matches!(byte, b']' | b'"' | b'='));
    if id.is_empty() {
        return None;
    }
    let after_id = scan;
    let mut quoted = false;
    let mut at = 0;
    while let Some(byte) = scan.rest.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b']' if !quoted => break,
            _ => {}
        }
        at += 1;
    }
    let closed = scan.rest.get(at) == Some(&b']');
    let plain_end = memchr::memchr(b']', after_id.rest);
    let end = if closed { at } else { plain_end? };
    let has_pairs = memchr::memchr(b'=', &after_id.rest[..end]).is_some();
    (has_pairs || end == 0 && id.contains(&b'@')).then_some(1 + id.len() + end + 1)
}
