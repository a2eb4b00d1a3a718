//! The nameservers of `resolv.conf(5)`, parsed as the C library does. Bytes in, values out; no I/O.

use std::fmt;
use std::net::IpAddr;

/// Longest device name of Linux (`IFNAMSIZ` less its zero byte).
const LONGEST_ZONE: usize = 15;

/// Keywords that are right and of no use here; the last two are BSD's.
const OTHER_KEYWORDS: [&str; 6] = ["domain", "search", "options", "sortlist", "lookup", "family"];

/// A DNS server, with the zone of a link-local one (RFC 4007, section 11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nameserver {
    /// Its address.
    pub address: IpAddr,
    /// Device name or number.
    pub zone: Option<String>,
}

impl fmt::Display for Nameserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            Some(zone) => write!(f, "{}%{zone}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

/// What a `resolv.conf` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    /// Servers in the order in which they are asked, each once.
    pub nameservers: Vec<Nameserver>,
    /// Lines that make no sense.
    pub garbage: usize,
    /// Number of the first of them, from 1.
    pub first_garbage: Option<usize>,
}

/// Parses the text of a `resolv.conf`. Any bytes will do: what makes no sense is counted and left out.
pub fn parse_resolv_conf(text: &[u8]) -> ResolvConf {
    let mut conf = ResolvConf::default();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        match parse_line(line) {
            Some(Line::Nameserver(server)) => {
                if !conf.nameservers.contains(&server) {
                    conf.nameservers.push(server);
                }
            }
            Some(Line::Other) => {}
            None => {
                conf.garbage += 1;
                conf.first_garbage.get_or_insert(index + 1);
            }
        }
    }
    conf
}

enum Line {
    Nameserver(Nameserver),
    Other,
}

fn parse_line(line: &[u8]) -> Option<Line> {
    let line = line.trim_ascii_end();
    if line.is_empty() || line.starts_with(b"#") || line.starts_with(b";") {
        return Some(Line::Other);
    }
    // Keyword and value stand on one line, the keyword at its very start.
    let mut words = std::str::from_utf8(line).ok()?.split([' ', '\t']);
    let keyword = words.next()?;
    if OTHER_KEYWORDS.contains(&keyword) {
        return Some(Line::Other);
    }
    if keyword != "nameserver" {
        return None;
    }
    // What follows the address is ignored, as the C library does.
    words.find(|word| !word.is_empty()).and_then(parse_server).map(Line::Nameserver)
}

fn parse_server(text: &str) -> Option<Nameserver> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    match zone {
        None => Some(Nameserver { address, zone: None }),
        Some(zone) if address.is_ipv6() && is_zone(zone) => {
            Some(Nameserver { address, zone: Some(zone.to_owned()) })
        }
        Some(_) => None,
    }
}

/// Whether it can be a device name: the kernel forbids `/` and whitespace in them.
fn is_zone(zone: &str) -> bool {
    (1..=LONGEST_ZONE).contains(&zone.len())
        && zone.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b'%')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn servers(text: &str) -> Vec<String> {
        parse_resolv_conf(text.as_bytes()).nameservers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_way_to_write_a_nameserver_is_read() {
        let cases: &[(&str, &[&str], usize)] = &[
            ("", &[], 0),
            ("nameserver 10.0.0.1", &["10.0.0.1"], 0),
            ("nameserver\t10.0.0.1  \r\n", &["10.0.0.1"], 0),
            ("nameserver 10.0.0.1 # the old one\n", &["10.0.0.1"], 0),
            ("nameserver 10.0.0.2\nnameserver 10.0.0.1\n", &["10.0.0.2", "10.0.0.1"], 0),
            ("nameserver 10.0.0.1\nnameserver 10.0.0.1\n", &["10.0.0.1"], 0),
            ("nameserver 2001:db8::53\n", &["2001:db8::53"], 0),
            (
                "nameserver fe80::1%eth0\nnameserver fe80::1%wlan0\n",
                &["fe80::1%eth0", "fe80::1%wlan0"],
                0,
            ),
            (
                "# a\n; b\n\ndomain a.b\nsearch a.b c\noptions edns0 trust-ad\nsortlist 10.0.0.0\n",
                &[],
                0,
            ),
            (" nameserver 10.0.0.1\n", &[], 1),
            ("nameserver\n", &[], 1),
            ("nameservers 10.0.0.1\n", &[], 1),
            ("nameserver dns.example.com\n", &[], 1),
            ("nameserver 10.0.0.256\n", &[], 1),
            ("nameserver 10.0.0.1%eth0\n", &[], 1),
            ("nameserver fe80::1%\n", &[], 1),
            ("nameserver fe80::1%../../etc\n", &[], 1),
            ("nameserver fe80::1%a-name-of-16-byte\n", &[], 1),
            ("garbage\nnameserver 10.0.0.1\nmore garbage\n", &["10.0.0.1"], 2),
        ];
        for (text, expected, garbage) in cases {
            assert_eq!(servers(text), *expected, "{text:?}");
            assert_eq!(parse_resolv_conf(text.as_bytes()).garbage, *garbage, "{text:?}");
        }
    }

    #[test]
    fn the_first_garbage_line_is_named() {
        let conf = parse_resolv_conf(b"nameserver 10.0.0.1\n\xff\xfe\nwhat\n");
        assert_eq!((conf.garbage, conf.first_garbage), (2, Some(2)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_what_is_read_can_be_written_again(text: Vec<u8>) {
            let conf = parse_resolv_conf(&text);
            let lines: Vec<_> =
                conf.nameservers.iter().map(|server| format!("nameserver {server}")).collect();
            let again = lines.join("\n");
            prop_assert_eq!(parse_resolv_conf(again.as_bytes()).nameservers, conf.nameservers);
        }

        #[test]
        fn nothing_that_looks_like_a_server_line_breaks_it(words in "(nameserver[ \t]{1,2}[0-9a-f:.%/a-z]{0,20}\n){0,8}") {
            let conf = parse_resolv_conf(words.as_bytes());
            prop_assert!(conf.nameservers.len() + conf.garbage <= words.lines().count());
        }
    }
}
