//! What can be the name of a host, and what cannot: a header has no marks, so a word is a host by its
//! place and its form.

use super::scan::{class, text};

/// Longest name (RFC 1035 allows 253 characters, RFC 5424 allows 255).
const LONGEST: usize = 255;

/// A word as a host, by its form alone: letters, digits, `-._:@`, not only punctuation. A chassis slot
/// before a slash (`slot1/`) is left out.
pub(super) fn name(word: &[u8]) -> Option<&str> {
    let word = word.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(word);
    plain(word).or_else(|| {
        memchr::memchr3(b'@', b'/', b'>', word)?;
        let whole = text(word)?;
        // syslog-ng may chain names, `host@address`, others write `host->address`.
        let first =
            whole.split_once('@').or(whole.split_once("->")).map_or(whole, |(first, _)| first);
        // Name and address, as relays put them together: `sw1.example.com/10.1.1.1`.
        let first = without_slot(first);
        let first = match first.split_once('/') {
            Some((name, address)) if is_address(address) => name,
            _ => first,
        };
        plain(first.as_bytes())
    })
}

/// A name that is neither chained nor behind a slot.
fn plain(word: &[u8]) -> Option<&str> {
    let fits = |&byte: &u8| class::is(byte, class::WORD | class::HOST_MARK);
    if word.len() > LONGEST || !word.iter().all(fits) {
        return None;
    }
    let name = text(word)?;
    name.bytes().any(|byte| class::is(byte, class::WORD)).then_some(name)
}

/// Whether a word could be a host but for marks that few names have: `sw#1`, `SW-2(floor3)`, and one slash before the
/// context of a firewall: `fw01/context1`.
pub(super) fn is_odd(word: &[u8]) -> bool {
    let fits = |&byte: &u8| {
        class::is(byte, class::WORD | class::HOST_MARK)
            || matches!(byte, b'#' | b'/' | b'(' | b')' | b'\'' | b'~' | b'!')
    };
    word.len() <= LONGEST
        && word.first().is_some_and(|&first| class::is(first, class::WORD))
        && word.iter().all(fits)
        && memchr::memchr_iter(b'/', word).count() < 2
}

/// Whether a name can only be that of a host: an address, or letters joined with digits, dots or dashes that are
/// not the name of an interface.
pub(super) fn is_certain(name: &str) -> bool {
    if is_address(name) {
        return true;
    }
    let (mut letters, mut digits, mut dotted, mut lined) = (0, 0, false, false);
    for &byte in name.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => letters += 1,
            b'0'..=b'9' => digits += 1,
            b'-' | b'.' => dotted = true,
            b'_' => lined = true,
            _ => {}
        }
    }
    let ends_well = name.ends_with(|last: char| last.is_ascii_alphanumeric());
    letters >= 2 && ends_well && (dotted || (lined && digits > 0))
}

/// An IPv4 or IPv6 address.
pub(super) fn is_address(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.contains(&b':') {
        return name.parse::<std::net::Ipv6Addr>().is_ok();
    }
    bytes.first().is_some_and(u8::is_ascii_digit) && name.parse::<std::net::Ipv4Addr>().is_ok()
}

/// F5 and chassis print `slot1/host`, older F5 `local/host`.
fn without_slot(name: &str) -> &str {
    let is_slot = |word: &str| {
        let number = word.strip_prefix("slot");
        word == "local" || number.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    };
    match name.split_once('/') {
        Some((slot, host)) if is_slot(slot) => host,
        _ => name,
    }
}
