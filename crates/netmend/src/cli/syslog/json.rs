//! A record as `netmend syslog parse` and `receive` print it. Keys and their order are a contract; nothing
//! is allocated per line but room in the buffer it appends to.

use measure::wire::syslog::{DeviceTime, Meaning, Record, Stamp};

/// Appends the record as one line of JSON.
pub(super) fn record(out: &mut Vec<u8>, record: &Record<'_>, from_trusted_relay: bool) {
    out.extend_from_slice(br#"{"format":""#);
    out.extend_from_slice(record.format.as_str().as_bytes());
    out.push(b'"');
    optional(out, br#","device":"#, record.host(from_trusted_relay));
    optional(out, br#","relay":"#, record.relay);
    optional(out, br#","app":"#, record.app);
    optional(out, br#","pid":"#, record.pid);
    number(out, br#","seq":"#, record.seq);
    number(out, br#","facility":"#, record.facility().map(u64::from));
    number(out, br#","severity":"#, record.severity().map(u64::from));
    optional(out, br#","code":"#, record.code.map(|code| code.printed));
    out.extend_from_slice(br#","code_norm":"#);
    match &record.code {
        None => out.extend_from_slice(b"null"),
        Some(code) => {
            out.push(b'"');
            code.norm().iter().for_each(|part| escaped(out, part.as_bytes()));
            out.push(b'"');
        }
    }
    out.extend_from_slice(br#","device_time":"#);
    match &record.time {
        None => out.extend_from_slice(b"null"),
        Some(DeviceTime::Uptime(printed)) => string(out, printed),
        Some(DeviceTime::Wall(stamp)) => time(out, stamp),
    }
    out.extend_from_slice(br#","time_quality":""#);
    out.extend_from_slice(record.quality().as_str().as_bytes());
    out.extend_from_slice(br#"","message":"#);
    string(out, record.message);
    out.extend_from_slice(br#","raw":"#);
    string(out, record.raw);
    out.extend_from_slice(b"}\n");
}

/// Adds what the record means to the line that was appended last.
pub(super) fn meaning(out: &mut Vec<u8>, meaning: Option<&Meaning<'_>>) {
    out.truncate(out.len() - b"}\n".len());
    optional(out, br#","kind":"#, meaning.map(|meaning| meaning.kind));
    optional(out, br#","condition":"#, meaning.map(|meaning| meaning.condition.as_str()));
    out.extend_from_slice(br#","object":"#);
    match meaning {
        Some(meaning) if meaning.object().next().is_some() => {
            for (n, part) in meaning.object().enumerate() {
                out.push(if n == 0 { b'"' } else { b' ' });
                escaped(out, part.as_bytes());
            }
            out.push(b'"');
        }
        _ => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(br#","fields":{"#);
    for (n, (field, value)) in meaning.iter().flat_map(|meaning| meaning.fields()).enumerate() {
        out.extend_from_slice(if n == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(field.as_str().as_bytes());
        out.extend_from_slice(b"\":");
        string(out, value.as_bytes());
    }
    out.extend_from_slice(b"}}\n");
}

// The keys' lengths are known when it is compiled, so that to copy one is a move or two.
fn optional<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: Option<&str>) {
    out.extend_from_slice(key);
    match value {
        Some(value) => string(out, value.as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}

fn number<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: Option<u64>) {
    out.extend_from_slice(key);
    match value {
        Some(value) => digits(out, value, 1),
        None => out.extend_from_slice(b"null"),
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

/// Text between quotes; bytes that are none are U+FFFD.
fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let (plain, rest) = bytes.split_at(plain(bytes));
    out.extend_from_slice(plain);
    for chunk in rest.utf8_chunks() {
        escaped(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{FFFD}".as_bytes());
        }
    }
    out.push(b'"');
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_back_as_the_text_they_are_and_bear_no_control_characters(
            bytes in prop::collection::vec(prop_oneof![b' '..=b'~', any::<u8>()], 0..80),
        ) {
            let mut out = Vec::new();
            string(&mut out, &bytes);
            let text: String = serde_json::from_slice(&out).expect("it is JSON");
            prop_assert_eq!(&text, &*String::from_utf8_lossy(&bytes));
            prop_assert!(out.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f));
        }
    }
}
