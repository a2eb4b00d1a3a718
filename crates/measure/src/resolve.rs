//! From a target's host to addresses, by this machine's own resolver. Addresses written out are read
//! without asking anybody; names are looked up on threads of their own, never where probes are sent.

mod getaddrinfo;
mod lookups;
mod schedule;

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use model::Family;

use crate::names::{Resolve, ResolveError};

pub use lookups::{Answer, Lookups};
pub use schedule::Limits;

/// Longest name of the DNS in text (RFC 1035, section 3.1), with a final dot.
const LONGEST_NAME: usize = 254;

fn invalid(host: &str, why: &str) -> ResolveError {
    ResolveError::Invalid { host: host.to_owned(), why: why.to_owned() }
}

fn temporary(host: &str, why: impl Into<String>) -> ResolveError {
    ResolveError::Temporary { host: host.to_owned(), why: why.into() }
}

/// The system's resolver: `getaddrinfo(3)` with all that `nsswitch.conf` and `resolv.conf` say.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, family: Family) -> Result<Vec<SocketAddr>, ResolveError> {
        if let Some(address) = literal(host, family) {
            return address.map(|address| vec![address]);
        }
        check_name(host)?;
        getaddrinfo::getaddrinfo(host, family)
    }
}

/// The name that the system's resolver knows for an address. Blocks, so it is for threads without other
/// work; what it gives is anybody's text.
pub fn name_of(address: IpAddr) -> Option<String> {
    getaddrinfo::getnameinfo(address)
}

/// Reads an address that is written out, with its zone if it has one (`fe80::1%eth0` or `fe80::1%2`,
/// RFC 4007, section 11); `None` if it is a name.
pub fn literal(host: &str, family: Family) -> Option<Result<SocketAddr, ResolveError>> {
    let (text, zone) = match host.split_once('%') {
        Some((text, zone)) => (text, Some(zone)),
        None => (host, None),
    };
    let address: IpAddr = text.parse().ok()?;
    if Family::of(address) != family {
        let why = format!("not an IPv{} address", family.as_str());
        return Some(Err(invalid(host, &why)));
    }
    Some(match (address, zone) {
        (address, None) => Ok(SocketAddr::new(address, 0)),
        (IpAddr::V6(address), Some(zone)) => zoned(host, address, zone),
        (IpAddr::V4(_), Some(_)) => Err(invalid(host, "an IPv4 address has no zone")),
    })
}

fn zoned(host: &str, address: Ipv6Addr, zone: &str) -> Result<SocketAddr, ResolveError> {
    let by_name = nix::net::if_::if_nametoindex(zone).ok();
    let index = by_name.or_else(|| zone.parse().ok()).filter(|&index| index > 0);
    match index {
        Some(index) => Ok(SocketAddrV6::new(address, 0, 0, index).into()),
        None => Err(invalid(host, &format!("this machine has no network device {zone}"))),
    }
}

/// Refuses what no resolver should be asked. The C library would read `1` or `0x7f.1` as an address.
fn check_name(host: &str) -> Result<(), ResolveError> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let fits = host.len() <= LONGEST_NAME && !name.is_empty();
    let labels_fit = name.split('.').all(|label| (1..=63).contains(&label.len()));
    let clean = !host.bytes().any(|byte| byte.is_ascii_control() || byte == b' ' || byte == b'%');
    let last = name.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    if fits && labels_fit && clean && !number {
        return Ok(());
    }
    Err(invalid(host, "neither an address nor a host name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(host: &str, family: Family) -> Option<Result<String, ResolveError>> {
        literal(host, family).map(|read| read.map(|address| address.to_string()))
    }

    #[test]
    fn addresses_are_read_without_asking_anybody() {
        assert_eq!(read("10.0.0.1", Family::V4), Some(Ok("10.0.0.1:0".into())));
        assert_eq!(read("2001:db8::1", Family::V6), Some(Ok("[2001:db8::1]:0".into())));
        assert_eq!(read("www.example.com", Family::V4), None);
        assert_eq!(read("10.0.0", Family::V4), None);
    }

    #[test]
    fn an_address_has_the_name_that_the_hosts_file_gives_it() {
        assert_eq!(name_of("127.0.0.1".parse().unwrap()).as_deref(), Some("localhost"));
    }

    #[test]
    fn a_zone_is_a_device_name_or_a_number() {
        assert_eq!(read("fe80::1%lo", Family::V6), Some(Ok("[fe80::1%1]:0".into())));
        assert_eq!(read("fe80::1%7", Family::V6), Some(Ok("[fe80::1%7]:0".into())));
        let missing = read("fe80::1%nosuch0", Family::V6).unwrap().unwrap_err();
        assert_eq!(
            missing.to_string(),
            "fe80::1%nosuch0: this machine has no network device nosuch0"
        );
        assert!(matches!(read("fe80::1%0", Family::V6), Some(Err(ResolveError::Invalid { .. }))));
        assert!(matches!(read("10.0.0.1%lo", Family::V4), Some(Err(ResolveError::Invalid { .. }))));
    }

    #[test]
    fn an_address_of_the_other_family_is_said_to_be_one() {
        let error = read("10.0.0.1", Family::V6).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "10.0.0.1: not an IPv6 address");
    }

    #[test]
    fn what_cannot_be_a_name_is_not_looked_up() {
        let long = "a".repeat(64);
        let longer = ["abcdefgh"; 32].join(".");
        for host in [
            "",
            ".",
            "a..b",
            "a b",
            "a\0b",
            "a%b",
            "1",
            "10.0.0",
            "10.0.0.256",
            "0x7f.0x1",
            &long,
            &longer,
        ] {
            assert!(
                matches!(
                    SystemResolver.resolve(host, Family::V4),
                    Err(ResolveError::Invalid { .. })
                ),
                "{host:?}"
            );
        }
        for host in
            ["localhost", "a.b.", "x--1.example", "ümlaut.example", "_srv.example", "4you.com"]
        {
            assert_eq!(check_name(host), Ok(()), "{host:?}");
        }
    }

    #[test]
    fn localhost_is_known_to_every_machine() {
        let found = SystemResolver.resolve("localhost", Family::V4).unwrap();
        assert_eq!(found, ["127.0.0.1:0".parse().unwrap()]);
    }
}
