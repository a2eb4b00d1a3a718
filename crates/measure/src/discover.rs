//! What to watch when nobody said what: this machine's default gateways and DNS resolvers. It reads the
//! routing table and `resolv.conf` once per call; it must change nothing and send nothing to the network.

mod resolv_conf;
mod routes;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub use resolv_conf::{Nameserver, ResolvConf, parse_resolv_conf};
pub use routes::{Gateway, RouteDump, parse_route_messages};

/// The stub resolvers of systemd-resolved: they run on this machine and say nothing of the real ones.
const STUBS: [&str; 2] = ["127.0.0.53", "127.0.0.54"];

/// What a discovered host is to this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Next hop of a default route.
    Gateway,
    /// Server that answers this machine's DNS queries.
    Resolver,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Gateway => "gateway",
            Role::Resolver => "resolver",
        })
    }
}

/// A host found on this machine's way to the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    /// Its address as a target's host; a link-local one keeps its zone (`fe80::1%eth0`, RFC 4007).
    pub host: String,
    /// What it is to us.
    pub role: Role,
}

/// Where the DNS resolvers are written down.
#[derive(Clone, Debug)]
pub struct Files {
    /// What the C library reads.
    pub resolv_conf: PathBuf,
    /// The servers behind systemd-resolved's stub.
    pub systemd_resolved: PathBuf,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            systemd_resolved: PathBuf::from("/run/systemd/resolve/resolv.conf"),
        }
    }
}

/// What was found, and what could not be read. One failure does not hide what the others found.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Gateways by metric, then resolvers in the order in which they are asked. No host twice in a role.
    pub found: Vec<Found>,
    /// What went wrong, for people.
    pub problems: Vec<Problem>,
}

/// Something that kept a part of the discovery from being complete.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The routing table could not be read.
    #[error("could not read the routing table from the kernel")]
    Routes(#[source] io::Error),
    /// The kernel's answer held messages that we do not understand.
    #[error("{count} messages of the routing table were malformed and left out")]
    MalformedRoutes {
        /// How many.
        count: usize,
    },
    /// A resolver file could not be read.
    #[error("could not read {path}", path = .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Lines that are neither comments nor anything `resolv.conf(5)` knows.
    #[error("{path}: {count} lines make no sense and were left out, the first is line {first}", path = .path.display())]
    Garbage {
        /// Which file.
        path: PathBuf,
        /// How many.
        count: usize,
        /// Number of the first one, from 1.
        first: usize,
    },
}

/// Finds this machine's default gateways and DNS resolvers.
pub fn discover(files: &Files) -> Discovery {
    let mut discovery = Discovery::default();
    match routes::default_gateways() {
        Ok(dump) => {
            if dump.malformed > 0 {
                discovery.problems.push(Problem::MalformedRoutes { count: dump.malformed });
            }
            let hosts = dump.watched().into_iter().map(|gateway| host_of(gateway, device_name));
            add(&mut discovery.found, Role::Gateway, hosts);
        }
        Err(error) => discovery.problems.push(Problem::Routes(error)),
    }
    let servers = resolvers(files, &mut discovery.problems);
    add(&mut discovery.found, Role::Resolver, servers.iter().map(ToString::to_string));
    discovery
}

/// The resolvers in use, with those of systemd-resolved in the place of its stub.
fn resolvers(files: &Files, problems: &mut Vec<Problem>) -> Vec<Nameserver> {
    let listed = read_servers(&files.resolv_conf, problems);
    let (stubs, mut servers): (Vec<_>, Vec<_>) = listed.into_iter().partition(is_stub);
    if !stubs.is_empty() {
        let mut upstream = read_servers(&files.systemd_resolved, problems);
        upstream.retain(|server| !is_stub(server));
        // A stub with nothing behind it is still what this machine asks.
        servers.extend(if upstream.is_empty() { stubs } else { upstream });
    }
    servers
}

fn read_servers(path: &Path, problems: &mut Vec<Problem>) -> Vec<Nameserver> {
    match std::fs::read(path) {
        Ok(text) => {
            let conf = parse_resolv_conf(&text);
            if let Some(first) = conf.first_garbage {
                let path = path.to_owned();
                problems.push(Problem::Garbage { path, count: conf.garbage, first });
            }
            conf.nameservers
        }
        Err(source) => {
            problems.push(Problem::File { path: path.to_owned(), source });
            Vec::new()
        }
    }
}

fn is_stub(server: &Nameserver) -> bool {
    STUBS.iter().any(|stub| stub.parse() == Ok(server.address))
}

fn add(found: &mut Vec<Found>, role: Role, hosts: impl Iterator<Item = String>) {
    for host in hosts {
        let host = Found { host, role };
        if !found.contains(&host) {
            found.push(host);
        }
    }
}

/// The gateway as a target's host. A link-local address means nothing without the device it is on; where
/// the device has just gone, its number stands in for the name.
fn host_of(gateway: &Gateway, name: impl Fn(u32) -> Option<String>) -> String {
    match gateway.address {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            let zone = name(gateway.device).unwrap_or_else(|| gateway.device.to_string());
            format!("{address}%{zone}")
        }
        address => address.to_string(),
    }
}

fn device_name(index: u32) -> Option<String> {
    let name = nix::net::if_::if_indextoname(index).ok()?;
    name.into_string().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(resolv_conf: &str, systemd: Option<&str>) -> (tempfile::TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        let files = Files {
            resolv_conf: dir.path().join("resolv.conf"),
            systemd_resolved: dir.path().join("systemd.conf"),
        };
        std::fs::write(&files.resolv_conf, resolv_conf).unwrap();
        if let Some(text) = systemd {
            std::fs::write(&files.systemd_resolved, text).unwrap();
        }
        (dir, files)
    }

    fn hosts(resolv_conf: &str, systemd: Option<&str>) -> (Vec<String>, usize) {
        let (_dir, files) = files(resolv_conf, systemd);
        let mut problems = Vec::new();
        let hosts = resolvers(&files, &mut problems).iter().map(ToString::to_string).collect();
        (hosts, problems.len())
    }

    #[test]
    fn the_resolvers_behind_the_stub_take_its_place() {
        let systemd = "nameserver 10.0.0.53\nnameserver fe80::1%eth0\n";
        let (hosts, problems) = hosts("nameserver 127.0.0.53\noptions edns0\n", Some(systemd));
        assert_eq!(hosts, ["10.0.0.53", "fe80::1%eth0"]);
        assert_eq!(problems, 0);
    }

    #[test]
    fn a_stub_with_nothing_behind_it_stays() {
        let (hosts, problems) = hosts("nameserver 127.0.0.53\n", None);
        assert_eq!((hosts, problems), (vec!["127.0.0.53".to_owned()], 1));
        let (hosts, problems) = self::hosts("nameserver 127.0.0.53\n", Some("# nothing yet\n"));
        assert_eq!((hosts, problems), (vec!["127.0.0.53".to_owned()], 0));
    }

    #[test]
    fn resolvers_that_are_no_stub_are_taken_as_they_are() {
        let (hosts, problems) = hosts("nameserver 127.0.0.1\nnameserver 9.9.9.9\n", None);
        assert_eq!(
            (hosts.as_slice(), problems),
            (&["127.0.0.1", "9.9.9.9"].map(str::to_owned)[..], 0)
        );
    }

    #[test]
    fn an_unreadable_file_and_garbage_lines_are_told_apart_from_having_no_resolver() {
        let (dir, files) = files("search example.com\nnonsense\n", None);
        let mut problems = Vec::new();
        assert!(resolvers(&files, &mut problems).is_empty());
        let [Problem::Garbage { count: 1, first: 2, .. }] = problems.as_slice() else {
            panic!("one garbage line in {problems:?}");
        };
        let missing = Files { resolv_conf: dir.path().join("none"), ..files };
        problems.clear();
        assert!(resolvers(&missing, &mut problems).is_empty());
        assert!(matches!(problems.as_slice(), [Problem::File { .. }]), "{problems:?}");
    }

    #[test]
    fn a_link_local_gateway_keeps_its_zone_and_others_need_none() {
        let gateway =
            |address: &str| Gateway { address: address.parse().unwrap(), device: 7, metric: 0 };
        let name = |index| (index == 7).then(|| "eth0".to_owned());
        assert_eq!(host_of(&gateway("fe80::1"), name), "fe80::1%eth0");
        assert_eq!(host_of(&gateway("fe80::1"), |_| None), "fe80::1%7");
        assert_eq!(host_of(&gateway("2001:db8::1"), name), "2001:db8::1");
        assert_eq!(host_of(&gateway("10.0.0.1"), name), "10.0.0.1");
    }

    #[test]
    fn a_host_is_named_once_in_each_role() {
        let mut found = Vec::new();
        add(&mut found, Role::Gateway, ["10.0.0.1", "10.0.0.1"].map(str::to_owned).into_iter());
        add(&mut found, Role::Resolver, ["10.0.0.1"].map(str::to_owned).into_iter());
        let roles: Vec<_> = found.iter().map(|host| host.role).collect();
        assert_eq!(roles, [Role::Gateway, Role::Resolver]);
    }
}
