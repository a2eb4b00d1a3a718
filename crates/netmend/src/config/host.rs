//! What may stand where a host is expected: an address, a link-local one with its zone, or a name. Pure;
//! names are not looked up.

use std::borrow::Cow;
use std::net::IpAddr;

use model::Family;

/// Longest name (RFC 1035, section 3.1, as text).
const MAX_NAME: usize = 253;

/// Checks a host. `Ok(Some)` is the family of an address, `Ok(None)` a name; `Err` says why it is neither, in
/// words that follow the quoted host.
pub(crate) fn check(host: &str) -> Result<Option<Family>, &'static str> {
    if host.is_empty() {
        return Err("is empty");
    }
    if let Some((address, zone)) = host.split_once('%') {
        return scoped(address, zone);
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return address_of_one_host(address);
    }
    if host.contains("://") {
        return Err("is a URL; only its host can be probed");
    }
    if host.contains('/') {
        return Err("is a network; every host is a target of its own");
    }
    if host.starts_with('[') {
        return Err("has brackets, which belong only before a port");
    }
    if host.contains(':') {
        return Err(
            "is not an IPv6 address; in a list, a port is written as { host: NAME, tcp: PORT }",
        );
    }
    name(host).map(|()| None)
}

fn scoped(address: &str, zone: &str) -> Result<Option<Family>, &'static str> {
    let Ok(IpAddr::V6(address)) = address.parse() else {
        return Err("has a zone, which only IPv6 addresses have, as in fe80::1%eth0");
    };
    if !device(zone) {
        return Err("has a zone that is not a device's name");
    }
    if !address.is_unicast_link_local() {
        return Err("has a zone, which only link-local addresses (fe80::/10) need");
    }
    Ok(Some(Family::V6))
}

/// Whether this can be a network device's name in Linux: 1 to 15 bytes, no slash, no space.
pub(crate) fn device(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_graphic() && !matches!(b, b'/' | b'%');
    matches!(name.len(), 1..=15) && name != "." && name != ".." && name.bytes().all(fits)
}

fn address_of_one_host(address: IpAddr) -> Result<Option<Family>, &'static str> {
    match address {
        _ if address.is_unspecified() => Err("is the address of no host"),
        _ if address.is_multicast() => Err("is a multicast address; a target is one host"),
        IpAddr::V4(v4) if v4.is_broadcast() => {
            Err("is the broadcast address; a target is one host")
        }
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            Err("is an IPv4 address in IPv6 clothes; write it as IPv4")
        }
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            Err("is link-local and needs its zone, as in fe80::1%eth0")
        }
        _ => Ok(Some(Family::of(address))),
    }
}

fn name(host: &str) -> Result<(), &'static str> {
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() > MAX_NAME {
        return Err("is longer than 253 letters, so no host can have this name");
    }
    if !name.is_ascii() {
        return Err("is not ASCII; write an international name in its xn-- form");
    }
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let label = |label: &str| matches!(label.len(), 1..=63) && label.bytes().all(letter);
    if !name.split('.').all(label) || name.starts_with('-') {
        return Err(
            "is neither an address nor a name (letters, digits, `-`, `_`, and dots between them)",
        );
    }
    // The system's resolver reads `10.1` as 10.0.0.1 and `0x7f.1` as 127.0.0.1; nobody means that.
    let last = name.rsplit('.').next().unwrap_or(name);
    let number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if number {
        return Err("is neither an IPv4 address nor a name: its last part is a number");
    }
    Ok(())
}

/// One form for all spellings of a host, to find duplicates: the address, or the name in lower case without
/// the last dot.
pub(crate) fn canonical(host: &str) -> Cow<'_, str> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return if address.is_ipv4() { host.into() } else { address.to_string().into() };
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

/// What is allowed where a port stands.
pub(crate) const PORT_HELP: &str = "a port is a number from 1 to 65535";

/// Reads a TCP port, 1 to 65535; no sign, no leading zero, as in other files these mean octal numbers.
pub(crate) fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    digits.then(|| text.parse().ok()).flatten()
}

/// A host as people type it in a line: `host`, `host:port` or `[v6]:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Typed<'t> {
    /// The host, without brackets and port.
    pub(crate) host: &'t str,
    /// The port, if one was typed.
    pub(crate) port: Option<u16>,
    /// The family of an address; names have none.
    pub(crate) family: Option<Family>,
}

impl<'t> Typed<'t> {
    /// Reads it; `Err` says why it is none, in words that follow the quoted word.
    pub(crate) fn read(word: &'t str) -> Result<Self, String> {
        let (host, port) = if word.contains('/') { (word, None) } else { split_port(word) };
        let port = match port {
            Some(text) => Some(
                self::port(text).ok_or_else(|| format!("has the port `{text}`; {PORT_HELP}"))?,
            ),
            None => None,
        };
        if host.contains(':') && !host.contains(['%', '/']) && host.parse::<IpAddr>().is_err() {
            return Err("is neither an IPv6 address nor HOST:PORT or [IPV6]:PORT".to_owned());
        }
        let family = check(host)?;
        Ok(Self { host, port, family })
    }
}

/// Splits `host`, `host:port` and `[v6]:port` as typed on a command line. A bare IPv6 address has no port.
pub(crate) fn split_port(typed: &str) -> (&str, Option<&str>) {
    if let Some(inner) = typed.strip_prefix('[')
        && let Some((host, rest)) = inner.split_once(']')
    {
        return match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => (typed, None),
        };
    }
    match typed.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (typed, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_hosts() {
        let v4 = ["1.1.1.1", "127.0.0.1"];
        let v6 = ["2001:db8::1", "::1", "fe80::1%eth0", "fe80::1%br-lan.7"];
        let names =
            ["www.example.com", "gw1", "no", "_dmarc.example.com", "example.com.", "1e3", "a-b"];
        assert!(v4.iter().all(|host| check(host) == Ok(Some(Family::V4))));
        assert!(v6.iter().all(|host| check(host) == Ok(Some(Family::V6))));
        assert!(names.iter().all(|host| check(host) == Ok(None)));
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let cases = [
            ("", "empty"),
            ("10.0.0.256", "last part is a number"),
            ("10.1", "last part is a number"),
            ("0x7f000001", "last part is a number"),
            ("10.0.0.0/8", "network"),
            ("https://example.com", "URL"),
            ("example.com:443", "tcp: PORT"),
            ("[::1]", "brackets"),
            ("fe80::1", "zone"),
            ("2001:db8::1%eth0", "zone"),
            ("host%eth0", "zone"),
            ("fe80::1%a b", "device"),
            ("::ffff:1.2.3.4", "IPv4"),
            ("224.0.0.1", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("0.0.0.0", "no host"),
            ("a b", "neither"),
            ("a..b", "neither"),
            ("-rf", "neither"),
            ("bücher.example", "xn--"),
        ];
        for (host, words) in cases {
            let why = check(host).expect_err(host);
            assert!(why.contains(words), "{host}: {why}");
        }
        assert!(check(&"a.".repeat(200)).is_err());
    }

    #[test]
    fn spellings_of_one_host_are_the_same() {
        assert_eq!(canonical("WWW.Example.com."), canonical("www.example.com"));
        assert_eq!(canonical("2001:DB8:0::1"), canonical("2001:db8::1"));
        assert_ne!(canonical("a"), canonical("b"));
    }

    #[test]
    fn ports_split_off_as_on_a_command_line() {
        assert_eq!(split_port("h:443"), ("h", Some("443")));
        assert_eq!(split_port("[2001:db8::1]:443"), ("2001:db8::1", Some("443")));
        assert_eq!(split_port("[::1]"), ("::1", None));
        assert_eq!(split_port("2001:db8::1"), ("2001:db8::1", None));
        assert_eq!(split_port("h:"), ("h", Some("")));
        assert_eq!(split_port("[x"), ("[x", None));
    }
}
