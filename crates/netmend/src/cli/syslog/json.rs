//! A record as `netmend syslog parse` and `receive` print it. Keys and their order are a contract; nothing
//! is allocated per line but room in the buffer it appends to.

use measure::wire::syslog::{DeviceTime, Meaning, Record, Stamp};

/// Appends the record as one line of JSON.
pub(super) fn record(out: &mut Vec<u8>, record: &Record<'_>, from_trusted_relay: bool) {
    // Every text of a record is a piece of its line: one look at the whole spares a look at each.
    let plain = plain(record.raw) == record.raw.len();
    let mut object = Object { out, plain };
    object.out.extend_from_slice(br#"{"format":""#);
    object.out.extend_from_slice(record.format.as_str().as_bytes());
    object.out.push(b'"');
    object.optional(br#","device":"#, record.host(from_trusted_relay));
    object.optional(br#","relay":"#, record.relay);
    object.optional(br#","app":"#, record.app);
    object.optional(br#","pid":"#, record.pid);
    object.number(br#","seq":"#, record.seq);
    object.number(br#","facility":"#, record.facility().map(u64::from));
    object.number(br#","severity":"#, record.severity().map(u64::from));
    object.optional(br#","code":"#, record.code.map(|code| code.printed));
    object.out.extend_from_slice(br#","code_norm":"#);
    match &record.code {
        None => object.null(),
        Some(code) => {
            object.out.push(b'"');
            code.norm().iter().for_each(|part| object.text(part.as_bytes()));
            object.out.push(b'"');
        }
    }
    object.out.extend_from_slice(br#","device_time":"#);
    match &record.time {
        None => object.null(),
        Some(DeviceTime::Uptime(printed)) => object.string(printed),
        Some(DeviceTime::Wall(stamp)) => time(object.out, stamp),
    }
    object.out.extend_from_slice(br#","time_quality":""#);
    object.out.extend_from_slice(record.quality().as_str().as_bytes());
    object.out.extend_from_slice(br#"","message":"#);
    object.string(record.message);
    object.out.extend_from_slice(br#","raw":"#);
    object.string(record.raw);
    object.out.extend_from_slice(b"}\n");
}

/// Adds what the record means to the line that was appended last.
pub(super) fn meaning(out: &mut Vec<u8>, meaning: Option<&Meaning<'_>>) {
    out.truncate(out.len() - b"}\n".len());
    let mut object = Object { out, plain: false };
    object.optional(br#","kind":"#, meaning.map(|meaning| meaning.kind));
    object.optional(br#","condition":"#, meaning.map(|meaning| meaning.condition.as_str()));
    object.out.extend_from_slice(br#","object":"#);
    match meaning {
        Some(meaning) if meaning.object().next().is_some() => {
            for (n, part) in meaning.object().enumerate() {
                object.out.push(if n == 0 { b'"' } else { b' ' });
                object.text(part.as_bytes());
            }
            object.out.push(b'"');
        }
        _ => object.null(),
    }
    object.out.extend_from_slice(br#","fields":{"#);
    for (n, (field, value)) in meaning.iter().flat_map(|meaning| meaning.fields()).enumerate() {
        object.out.extend_from_slice(if n == 0 { b"\"" } else { b",\"" });
        object.out.extend_from_slice(field.as_str().as_bytes());
        object.out.extend_from_slice(b"\":");
        object.string(value.as_bytes());
    }
    object.out.extend_from_slice(b"}}\n");
}

/// An object that is being written.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    /// Whether all its texts are known to need no escape.
    plain: bool,
}

// The keys' lengths are known when it is compiled, so that to copy one is a move or two.
impl Object<'_> {
    fn optional<const N: usize>(&mut self, key: &[u8; N], value: Option<&str>) {
        self.out.extend_from_slice(key);
        match value {
            Some(value) => self.string(value.as_bytes()),
            None => self.null(),
        }
    }

    fn number<const N: usize>(&mut self, key: &[u8; N], value: Option<u64>) {
        self.out.extend_from_slice(key);
        match value {
            Some(value) => digits(self.out, value, 1),
            None => self.null(),
        }
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    /// Text between quotes; bytes that are none are U+FFFD.
    fn string(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        self.text(bytes);
        self.out.push(b'"');
    }

    fn text(&mut self, bytes: &[u8]) {
        if self.plain {
            self.out.extend_from_slice(bytes);
        } else {
            escaped_lossy(self.out, bytes);
        }
    }
}

/// A number in at least so many digits.
fn digits(out: &mut Vec<u8>, value: u64, least: usize) {
    let mut buffer = [b'0'; 20];
    let (mut at, mut left) = (buffer.len(), value);
    while left > 0 || buffer.len() - at < least {
        at -= 1;
        buffer[at] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    out.extend_from_slice(&buffer[at..]);
}

/// RFC 3339 with as many digits as the device wrote; without an offset where nobody knows it.
fn time(out: &mut Vec<u8>, stamp: &Stamp) {
    out.push(b'"');
    digits(out, u64::from(stamp.year.unsigned_abs()), 4);
    for (separator, part) in [
        (b'-', stamp.month),
        (b'-', stamp.day),
        (b'T', stamp.hour),
        (b':', stamp.minute),
        (b':', stamp.second),
    ] {
        out.push(separator);
        digits(out, u64::from(part), 2);
    }
    if stamp.digits > 0 {
        let kept = usize::from(stamp.digits);
        out.push(b'.');
        digits(out, u64::from(stamp.nanos / 10_u32.pow(9 - u32::from(stamp.digits))), kept);
    }
    match stamp.offset {
        None => {}
        Some(0) => out.push(b'Z'),
        Some(minutes) => {
            let of_day = u64::from(minutes.unsigned_abs());
            out.push(if minutes < 0 { b'-' } else { b'+' });
            digits(out, of_day / 60, 2);
            out.push(b':');
            digits(out, of_day % 60, 2);
        }
    }
    out.push(b'"');
}

/// Text, escaped; bytes that are none are U+FFFD.
fn escaped_lossy(out: &mut Vec<u8>, bytes: &[u8]) {
    let (plain, rest) = bytes.split_at(plain(bytes));
    out.extend_from_slice(plain);
    for chunk in rest.utf8_chunks() {
        escaped(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{FFFD}".as_bytes());
        }
    }
}

/// UTF-8 with what JSON forbids escaped (RFC 8259, section 7), and DEL, which terminals act upon.
fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut left = bytes;
    loop {
        let (plain, rest) = left.split_at(plain(left));
        out.extend_from_slice(plain);
        let Some((&byte, rest)) = rest.split_first() else { return };
        left = rest;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x80.. => out.push(byte),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
    }
}

/// How many bytes at the start are ASCII that is printed as it is.
fn plain(bytes: &[u8]) -> usize {
    // Sixteen at once, in numbers and without a branch: of this the compiler makes vectors, of a `match` it does not.
    let odd = |byte: u8| {
        u8::from(byte.wrapping_sub(b' ') > b'~' - b' ')
            | u8::from(byte == b'"')
            | u8::from(byte == b'\\')
    };
    let (chunks, _) = bytes.as_chunks::<16>();
    let all = |chunk: &&[u8; 16]| chunk.iter().fold(0, |any, &byte| any | odd(byte)) == 0;
    let at = 16 * chunks.iter().take_while(all).count();
    at + bytes[at..].iter().take_while(|&&byte| odd(byte) == 0).count()
}

#[cfg(test)]
mod tests {
    use measure::wire::syslog;
    use model::UnixMs;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// A record's texts as JSON has them, beside those that it holds.
    fn texts(line: &[u8]) -> (Vec<Value>, Vec<Value>) {
        let mut out = Vec::new();
        let found = syslog::parse(line, UnixMs(1_763_776_800_000));
        record(&mut out, &found, false);
        assert!(out.pop() == Some(b'\n') && out.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f));
        let printed: Value = serde_json::from_slice(&out).expect("it is JSON");
        let lossy = |bytes| Value::from(String::from_utf8_lossy(bytes));
        let held = vec![
            found.host(false).into(),
            found.app.into(),
            found.code.map(|code| code.printed).into(),
            lossy(found.message),
            lossy(found.raw),
        ];
        let keys = ["device", "app", "code", "message", "raw"];
        (keys.map(|key| printed[key].clone()).into(), held)
    }

    proptest! {
        #[test]
        fn any_line_is_read_back_as_the_text_it_is_and_bears_no_control_characters(
            before in prop::sample::select(vec!["", "<189>sw1 12: *Mar  1 00:00:20: %SYS-5-CONFIG_I: "]),
            bytes in prop_oneof![
                prop::collection::vec(b'#'..=b'Z', 0..80),
                prop::collection::vec(prop_oneof![b' '..=b'~', any::<u8>()], 0..80),
            ],
        ) {
            let line = [before.as_bytes(), &bytes].concat();
            let (printed, held) = texts(&line);
            prop_assert_eq!(printed, held);
        }
    }
}
