//! Lines that are fields, not sentences: key and value pairs, CEF, LEEF and Palo Alto's CSV. Host and code
//! stand in fields; which ones is known per maker.

use model::UnixMs;

use super::code::Code;
use super::host;
use super::level;
use super::record::{Format, Record};
use super::scan::{Scan, text};
use super::stamp::{self, DeviceTime};
use super::zone;

/// Whether a text is CEF or LEEF, which say so themselves.
pub(super) fn is_event_format(body: &[u8]) -> bool {
    body.starts_with(b"CEF:") || body.starts_with(b"LEEF:")
}

/// Reads fields behind a name, commas between them: `sdwanAccCktCosLog, applianceName=Branch1, tenantName=...` of Versa.
pub(super) fn behind_name<'l>(record: &mut Record<'l>, text: &'l [u8]) {
    let mut scan = Scan::new(text);
    let Some(name) = scan.token().strip_suffix(b",") else { return };
    scan.blanks();
    if !begins(scan.rest) {
        return;
    }
    let values = Values::of(scan.rest, b',');
    let host = [Key::ApplianceName, Key::DevName, Key::DeviceName, Key::HostName]
        .into_iter()
        .find_map(|key| values.0[key as usize].and_then(host::name));
    record.app = super::scan::text(name);
    record.relay = record.device.filter(|outer| host.is_some() && host != Some(*outer));
    record.device = host.or(record.device);
}

/// Where CEF or LEEF begins, of which `EF:` stands at `at`.
pub(super) fn event_format(text: &[u8], at: usize) -> Option<usize> {
    let start = [&b"C"[..], b"LE"]
        .iter()
        .find_map(|name| text[..at].ends_with(name).then(|| at - name.len()))?;
    let version = text[at + 3..].trim_ascii_start();
    let known = matches!(version, [b'0'..=b'2', b'|' | b'.', ..]);
    (known && text[..start].last().is_none_or(|&before| before == b' ')).then_some(start)
}

/// The fields of WELF, the format of `WebTrends`, behind a word or two: `AKLOG - id=firewall time=... fw=...`.
pub(super) fn welf(text: &[u8]) -> Option<&[u8]> {
    const NEAR: usize = 24;
    let at = memchr::memchr(b'=', &text[..text.len().min(NEAR)])?.checked_sub(2)?;
    let known = text[at..].starts_with(b"id=firewall ");
    (known && text[..at].last().is_none_or(|&before| before == b' ')).then(|| &text[at..])
}

/// Recognises a line or a message that consists of fields. `received` infers years.
pub(super) fn read<'l>(record: &mut Record<'l>, body: &'l [u8], received: UnixMs) -> bool {
    if body.starts_with(b"CEF:") {
        return cef(record, body);
    }
    if body.starts_with(b"LEEF:") {
        return leef(record, body);
    }
    if is_json(body) {
        record.format = Format::Json;
        record.message = body;
        record.device = record.device.or_else(|| json_host(body));
        return true;
    }
    panos(record, body) || pairs(record, body, received)
}

/// Whether an object of JSON begins here.
fn is_json(body: &[u8]) -> bool {
    body.strip_prefix(b"{")
        .is_some_and(|inner| matches!(inner.trim_ascii_start().first(), Some(b'"' | b'}')))
}

/// The host that an object of JSON names among its own members, not those of objects in it.
fn json_host(body: &[u8]) -> Option<&str> {
    const KEYS: &[&[u8]] =
        &[b"hostname", b"host", b"host_name", b"device", b"devicename", b"device_name", b"devname"];
    let mut depth = 0_usize;
    let mut rest = body;
    while let Some(at) = memchr::memchr3(b'"', b'{', b'}', rest) {
        let byte = rest[at];
        rest = &rest[at + 1..];
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {
                let key = quoted(&mut rest);
                let mut behind = Scan::new(rest);
                behind.blanks();
                if depth == 1
                    && behind.eat(b':')
                    && KEYS.iter().any(|k| k.eq_ignore_ascii_case(key))
                {
                    behind.blanks();
                    if behind.eat(b'"') {
                        rest = behind.rest;
                        return host::name(quoted(&mut rest));
                    }
                }
            }
        }
    }
    None
}

/// Takes a string behind its opening quote, and the closing one.
fn quoted<'l>(rest: &mut &'l [u8]) -> &'l [u8] {
    let mut at = 0;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => break,
            _ => {}
        }
        at += 1;
    }
    let at = at.min(rest.len());
    let (string, behind) = rest.split_at(at);
    *rest = behind.get(1..).unwrap_or_default();
    string
}

/// Whether the first word is a pair, so that the line is one of pairs.
pub(super) fn begins(body: &[u8]) -> bool {
    let mut scan = Scan::new(body);
    let key = scan.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let fits = key.first().is_some_and(u8::is_ascii_alphabetic) && key.len() < 32;
    fits && scan.eat(b'=') && !scan.rest.is_empty()
}

/// `CEF:0|vendor|product|version|signature|name|severity|extension`.
fn cef<'l>(record: &mut Record<'l>, body: &'l [u8]) -> bool {
    let mut fields = [&b""[..]; 8];
    if split(body, &mut fields) < 7 {
        return false;
    }
    record.format = Format::Cef;
    record.code = text(fields[4]).map(|signature| Code::plain(signature, None));
    record.app = record.app.or(text(fields[2]));
    record.message = if fields[5].is_empty() { body } else { from(body, fields[5]) };
    let extension = fields[7];
    let named =
        ["dvchost", "deviceHostName"].iter().find_map(|key| value(extension, key.as_bytes(), b' '));
    // A manager forwards for the device it names; an address does not outweigh a name.
    if let Some(name) = named.and_then(host::name) {
        record.relay = record.device.filter(|outer| *outer != name).or(record.relay);
        record.device = Some(name);
    }
    true
}

/// `LEEF:1.0|vendor|product|version|event|pairs`.
fn leef<'l>(record: &mut Record<'l>, body: &'l [u8]) -> bool {
    let mut fields = [&b""[..]; 6];
    if split(body, &mut fields) < 5 {
        return false;
    }
    record.format = Format::Leef;
    record.code = text(fields[4]).map(|event| Code::plain(event, None));
    record.app = record.app.or(text(fields[2]));
    record.message = if fields[5].is_empty() { body } else { fields[5] };
    let separator = if memchr::memchr(b'\t', fields[5]).is_some() { b'\t' } else { b'^' };
    let named = ["identHostName", "devname", "hostname"]
        .iter()
        .find_map(|key| value(fields[5], key.as_bytes(), separator));
    record.device = record.device.or(named.and_then(host::name));
    true
}

/// Splits at bars that no backslash protects; the last field takes the rest.
fn split<'l>(body: &'l [u8], fields: &mut [&'l [u8]]) -> usize {
    let (mut start, mut n) = (0, 0);
    for (at, &byte) in body.iter().enumerate() {
        if byte == b'|' && (at == 0 || body[at - 1] != b'\\') && n + 1 < fields.len() {
            fields[n] = &body[start..at];
            n += 1;
            start = at + 1;
        }
    }
    fields[n] = &body[start..];
    n + 1
}

/// The tail of `whole` that begins with `part`, which lies in it.
fn from<'l>(whole: &'l [u8], part: &[u8]) -> &'l [u8] {
    let at = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    whole.get(at..).unwrap_or(whole)
}

/// `1,2026/04/29 13:58:46,serial,TYPE,subtype,...` (PAN-OS 10, syslog field descriptions).
fn panos<'l>(record: &mut Record<'l>, body: &'l [u8]) -> bool {
    matches!(body, [b'0'..=b'9', b',', ..]) && panos_from(record, body, 0)
}

/// Reads a line of PAN-OS that a relay cut at its first blank, having taken `1,2026/04/29` for a process.
pub(super) fn panos_cut<'l>(record: &mut Record<'l>, body: &'l [u8]) -> bool {
    let date =
        |app: &str| matches!(app.as_bytes(), [b'0'..=b'9', b',', b'2', ..] if app.len() == 12);
    record.app.is_some_and(date) && panos_from(record, body, 1)
}

/// Reads fields of which the first `cut` are missing.
fn panos_from<'l>(record: &mut Record<'l>, body: &'l [u8], cut: usize) -> bool {
    const TYPES: &[&[u8]] = &[
        b"TRAFFIC",
        b"THREAT",
        b"SYSTEM",
        b"CONFIG",
        b"HIPMATCH",
        b"HIP-MATCH",
        b"USERID",
        b"GLOBALPROTECT",
        b"DECRYPTION",
        b"CORRELATION",
        b"IPTAG",
        b"AUTHENTICATION",
        b"SCTP",
        b"GTP",
        b"AUDIT",
        b"TUNNEL",
    ];
    let mut fields = Csv(body).skip(3 - cut);
    let Some(kind) = fields.next().filter(|kind| TYPES.contains(kind)) else { return false };
    record.format = Format::PanOs;
    record.message = body;
    record.app = text(kind);
    let event = if kind == b"SYSTEM" { fields.nth(4) } else { None };
    let code = event.filter(|event| !event.is_empty()).unwrap_or(kind);
    record.code = text(code).map(|code| Code::plain(code, None));
    // The last header host may be Panorama's; the firewall names itself in a field of its own.
    let device_name = match kind {
        b"SYSTEM" => 22,
        b"CONFIG" => 23,
        b"TRAFFIC" => 52,
        b"THREAT" => 59,
        _ => 0,
    };
    let name = match device_name {
        0 => behind_flags(body),
        place => Csv(body).nth(place - cut),
    };
    if let Some(name) = name.and_then(host::name) {
        // The header may say the same name with its domain.
        let whole =
            |outer: &&str| outer.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        if record.device.as_ref().is_none_or(|outer| !whole(outer)) {
            record.relay = record.device.filter(|outer| *outer != name).or(record.relay);
            record.device = Some(name);
        }
    }
    true
}

/// The device's name in a line of any type: behind the flags (`0x0`) stand the numbers of four groups of devices, the
/// name of the virtual system and this.
fn behind_flags(body: &[u8]) -> Option<&[u8]> {
    let mut fields = Csv(body);
    let is_number = |field: &[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    while let Some(field) = fields.next() {
        let mut behind = Csv(fields.0);
        if matches!(field, [b'0'..=b'9', b'x', ..])
            && (0..4).all(|_| behind.next().is_some_and(is_number))
        {
            return behind.nth(1);
        }
    }
    None
}

/// Fields of a line of CSV; quotes protect commas.
struct Csv<'l>(&'l [u8]);

impl<'l> Iterator for Csv<'l> {
    type Item = &'l [u8];

    fn next(&mut self) -> Option<&'l [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = self.0.iter().position(|&byte| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted
        });
        let (field, rest) = match end {
            Some(end) => (&self.0[..end], &self.0[end + 1..]),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        Some(field)
    }
}

/// Pairs with a host among them: `FortiOS`, `SonicWall`, Sophos, Check Point.
fn pairs<'l>(record: &mut Record<'l>, body: &'l [u8], received: UnixMs) -> bool {
    if !begins(body) {
        return false;
    }
    record.format = Format::Pairs;
    record.message = body;
    let bar = memchr::memchr(b'|', &body[..body.len().min(64)]).is_some();
    let values = Values::of(body, if bar { b'|' } else { separator(body) });
    let get = |key: Key| values.0[key as usize];
    // `FortiOS` calls the host that somebody visited so.
    let forti = [Key::LogId, Key::LogIdApart, Key::DevId].iter().any(|key| get(*key).is_some());
    let hostname = |key: &Key| !matches!(key, Key::HostName) || bar || !forti;
    let host = [Key::DevName, Key::DeviceName, Key::HostName, Key::Fw, Key::DvcHost, Key::IonHost]
        .into_iter()
        .filter(hostname)
        .find_map(|key| get(key).and_then(host::name));
    if bar {
        check_point(record, get, host);
    } else {
        // A relay's header, or the product's name in its place (`fortigate date=...`), stands before it.
        let outer = record.device.filter(|outer| host.is_some() && Some(*outer) != host);
        record.relay = outer.or(record.relay);
        record.device = host.or(record.device);
    }
    // Check Point's `logid` is none of a message.
    let code = values.code().filter(|_| !bar).or(get(Key::EventId));
    // SonicWall's `id` is whatever its people choose.
    let code = code.or_else(|| get(Key::M).filter(|_| get(Key::Fw).is_some()));
    record.code = code.and_then(text).map(|code| Code::plain(code, None));
    record.level = values.level();
    record.app = record.app.or(get(Key::Type).or(get(Key::Product)).and_then(text));
    if let Some(stamp) = date(get, received) {
        record.time = Some(DeviceTime::Wall(stamp));
    }
    true
}

/// What stands between the pairs: a blank, or a comma without one (`date=2026-03-17,time=...` of `FortiOS`).
fn separator(body: &[u8]) -> u8 {
    let end = memchr::memchr3(b' ', b',', b'"', body).filter(|&end| body[end] == b',');
    if end.is_some_and(|end| begins(&body[end + 1..])) { b',' } else { b' ' }
}

/// Reads the fields behind a process, where they tell which message it is: `db[32167]: category="Event" typeid=20299
/// ...`, `httpd: id="0299" ...`, or which device: `fortigate: date=... devname=FGT-1 ...`.
pub(super) fn behind_process<'l>(
    record: &mut Record<'l>,
    body: &'l [u8],
    received: UnixMs,
) -> bool {
    if !begins(body) {
        return false;
    }
    let values = Values::of(body, b' ');
    if values.0[Key::DevName as usize].is_some() {
        return pairs(record, body, received);
    }
    // The first field may be a number of the message; further in it may be anything's.
    let first = body.strip_prefix(b"id=\"").map(|rest| until(rest, b'"'));
    let Some(code) = first.or(values.code()).and_then(text) else { return false };
    record.code = Some(Code::plain(code, None));
    record.level = values.level();
    record.format = Format::Pairs;
    true
}

/// Check Point: the gateway is the origin; `hostname` is the log server that exports (`-lm`).
fn check_point<'l>(
    record: &mut Record<'l>,
    get: impl Fn(Key) -> Option<&'l [u8]>,
    exporter: Option<&'l str>,
) {
    let name = get(Key::SicName).or_else(|| get(Key::SicNameApart)).and_then(sic_name);
    record.device = name.or(exporter).or(record.device);
    record.relay = exporter.filter(|exporter| name.is_some_and(|name| name != *exporter));
}

/// `CN\=gw1,O\=cma...`; a virtual system is `CN\=gateway-v_name`.
fn sic_name(value: &[u8]) -> Option<&str> {
    let mut scan = Scan::new(value);
    if !(scan.eat_all(b"CN") || scan.eat_all(b"cn")) {
        return None;
    }
    scan.eat(b'\\');
    if !scan.eat(b'=') {
        return None;
    }
    let name = host::name(scan.take_while(|byte| byte != b','))?;
    let name = name.split_once("-v_").map_or(name, |(_, system)| system);
    (name != "cp_mgmt").then_some(name)
}

/// `date=2026-04-29 time=13:58:46`, quoted or not, or `time=1777471126.123`.
fn date<'l>(get: impl Fn(Key) -> Option<&'l [u8]>, received: UnixMs) -> Option<stamp::Stamp> {
    let time = get(Key::Time)?;
    if let Some(stamp) = stamp::epoch(&mut Scan::new(time)) {
        return Some(stamp);
    }
    let read = |text: &[u8]| match stamp::read(&mut Scan::new(text), received) {
        Some(DeviceTime::Wall(stamp)) => Some(stamp),
        _ => None,
    };
    let Some(date) = get(Key::Date) else { return read(time) };
    // Put together on the stack: both are short.
    let mut joined = [b' '; 40];
    let (date, time) = (date.get(..10)?, &time[..time.len().min(20)]);
    joined[..10].copy_from_slice(date);
    joined[11..11 + time.len()].copy_from_slice(time);
    let zone = get(Key::Zone);
    let stamp = read(&joined[..11 + time.len()])?;
    let offset = zone.and_then(|zone| zone::read(&mut Scan::new(zone), false)?.offset());
    Some(stamp::Stamp { offset: offset.or(stamp.offset), ..stamp })
}

/// Keys whose values say something.
#[derive(Clone, Copy)]
enum Key {
    DevName,
    ApplianceName,
    DevId,
    DeviceName,
    HostName,
    Fw,
    DvcHost,
    IonHost,
    SicName,
    SicNameApart,
    LogId,
    LogIdApart,
    MessageId,
    TypeId,
    AlarmId,
    EventId,
    M,
    Level,
    Priority,
    PriorityWhole,
    Type,
    Product,
    Time,
    Date,
    Zone,
}

impl Key {
    /// How many there are.
    const COUNT: usize = Self::Zone as usize + 1;
    /// Letters of the longest name.
    const LONGEST: usize = 15;

    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"devname" => Self::DevName,
            b"applianceName" => Self::ApplianceName,
            b"devid" => Self::DevId,
            b"device_name" => Self::DeviceName,
            b"hostname" => Self::HostName,
            b"fw" => Self::Fw,
            b"dvchost" => Self::DvcHost,
            b"ION_HOST" => Self::IonHost,
            b"originsicname" => Self::SicName,
            b"origin_sic_name" => Self::SicNameApart,
            b"logid" => Self::LogId,
            b"log_id" => Self::LogIdApart,
            b"msg_id" => Self::MessageId,
            b"typeid" => Self::TypeId,
            b"alarmid" => Self::AlarmId,
            b"eventid" => Self::EventId,
            b"m" => Self::M,
            b"level" => Self::Level,
            b"pri" => Self::Priority,
            b"priority" => Self::PriorityWhole,
            b"type" => Self::Type,
            b"product" => Self::Product,
            b"time" => Self::Time,
            b"date" => Self::Date,
            b"tz" => Self::Zone,
            _ => return None,
        })
    }
}

/// The values of those keys.
struct Values<'l>([Option<&'l [u8]>; Key::COUNT]);

impl<'l> Values<'l> {
    /// Looks at each pair once; of a key that stands twice the first counts.
    fn of(body: &'l [u8], separator: u8) -> Self {
        let mut values = [None; Key::COUNT];
        for at in memchr::memchr_iter(b'=', body) {
            // No further back than the longest name and what stands before it.
            let before = &body[at.saturating_sub(Key::LONGEST + 1)..at];
            let start = before.iter().rposition(|&byte| byte == separator || byte == b' ');
            let name = match start {
                Some(start) => &before[start + 1..],
                None if before.len() == at => before,
                None => continue,
            };
            let Some(key) = Key::named(name) else { continue };
            let place = &mut values[key as usize];
            if place.is_none() {
                *place = Some(until(&body[at + 1..], separator));
            }
        }
        Self(values)
    }

    /// Which message it is, as its maker counts them.
    fn code(&self) -> Option<&'l [u8]> {
        [Key::LogId, Key::LogIdApart, Key::MessageId, Key::TypeId, Key::AlarmId]
            .into_iter()
            .find_map(|key| self.0[key as usize])
    }

    /// How severe it is, in words.
    fn level(&self) -> Option<u8> {
        [Key::Level, Key::Priority, Key::PriorityWhole]
            .into_iter()
            .find_map(|key| level::of(self.0[key as usize]?))
    }
}

/// The value of a key, if it is there.
fn value<'l>(body: &'l [u8], key: &[u8], separator: u8) -> Option<&'l [u8]> {
    for at in memchr::memmem::find_iter(body, key) {
        let starts = at == 0 || body[at - 1] == separator || body[at - 1] == b' ';
        let Some(rest) = body[at + key.len()..].strip_prefix(b"=") else { continue };
        if starts {
            return Some(until(rest, separator));
        }
    }
    None
}

/// A value: up to the separator, or between quotes.
fn until(rest: &[u8], separator: u8) -> &[u8] {
    let mut scan = Scan::new(rest);
    if scan.eat(b'"') {
        scan.take_while(|byte| byte != b'"')
    } else {
        scan.take_while(|byte| byte != separator)
    }
}
