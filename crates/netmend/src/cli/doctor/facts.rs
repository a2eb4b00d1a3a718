//! What can be seen of this machine. It reads and measures; what cannot be seen is `None`, which is no
//! verdict. Nothing is changed but for a probe file in the data folder, which is removed again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use model::{Clock, SystemClock};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, TimestampingFlag, getsockopt, setsockopt, socket, sockopt,
};
use nix::sys::statvfs::statvfs;
use nix::unistd::{getegid, geteuid, getgroups};
use store::sink::Unfit;

/// Receive buffer that a burst of 60,000 probes needs, in bytes as they are asked for.
pub(super) const RECEIVE_BUFFER: usize = 16 << 20;

/// All that the checks judge.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Effective capabilities, a bit each (`capabilities(7)`).
    pub(super) capabilities: Option<u64>,
    /// This program.
    pub(super) program: PathBuf,
    /// `net.ipv4.ping_group_range`.
    pub(super) ping_groups: Option<(u32, u32)>,
    /// Groups of this process.
    pub(super) groups: Vec<u32>,
    /// Receive buffer that the kernel granted when [`RECEIVE_BUFFER`] was asked for; it counts double.
    pub(super) receive_buffer: Option<usize>,
    /// Whether the kernel takes `SO_TIMESTAMPING`.
    pub(super) timestamping: Option<bool>,
    /// Neighbour tables, IPv4 and IPv6.
    pub(super) neighbours: Vec<NeighbourTable>,
    /// Hosts on link that are to be probed.
    pub(super) hosts_on_link: u64,
    /// DNS servers and what they answered.
    pub(super) resolvers: Vec<Resolver>,
    /// The databases of the configuration and what they said.
    pub(super) sinks: Vec<Database>,
    /// `/etc/resolv.conf` points at the stub of systemd-resolved.
    pub(super) stub: bool,
    /// Whether the clock is kept by NTP, if somebody knows.
    pub(super) clock_kept: Option<bool>,
    /// Name of the kernel's clock source.
    pub(super) clock_source: Option<String>,
    /// The data folder.
    pub(super) disk: Disk,
    /// Soft and hard limit of open files.
    pub(super) files: Option<(u64, u64)>,
    /// `net.ipv4.ip_local_port_range`.
    pub(super) ports: Option<(u32, u32)>,
    /// Whether a global or unique local IPv6 address is there.
    pub(super) ipv6: bool,
}

/// A neighbour table of the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct NeighbourTable {
    /// `ipv4` or `ipv6`, as in the names of the limits.
    pub(super) family: &'static str,
    /// Entries now.
    pub(super) entries: Option<u64>,
    /// From this many on entries younger than 5 s are thrown out too (`gc_thresh2`).
    pub(super) soft: u64,
    /// No more than this many (`gc_thresh3`).
    pub(super) hard: u64,
}

/// A DNS server.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    pub(super) host: String,
    /// How long its answer took, or why there is none.
    pub(super) answer: Result<Duration, String>,
}

/// A database that points are passed on to.
#[derive(Clone, Debug)]
pub(super) struct Database {
    pub(super) name: String,
    /// What it is, or why it would take nothing.
    pub(super) answer: Result<String, Unfit>,
}

/// The disk of the data folder.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    /// The data folder, there or not.
    pub(super) wanted: PathBuf,
    /// It, or the nearest folder above it that exists: where things were measured.
    pub(super) folder: PathBuf,
    /// Who is to write there.
    pub(super) user: u32,
    /// Free bytes for unprivileged users.
    pub(super) free: Option<u64>,
    /// Time of a small write with fsync, or why it is not possible.
    pub(super) fsync: Result<Duration, String>,
}

impl Facts {
    /// Looks at everything that this machine knows of itself; others have been asked before.
    pub(super) fn gather(
        data: &Path,
        hosts_on_link: u64,
        (resolvers, sinks): (Vec<Resolver>, Vec<Database>),
    ) -> Self {
        Self {
            capabilities: capabilities(),
            program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("netmend")),
            ping_groups: pair("/proc/sys/net/ipv4/ping_group_range"),
            groups: groups(),
            receive_buffer: receive_buffer(),
            timestamping: timestamping(),
            neighbours: ["ipv4", "ipv6"].into_iter().filter_map(neighbour_table).collect(),
            hosts_on_link,
            resolvers,
            sinks,
            stub: stub(),
            clock_kept: clock_kept(),
            clock_source: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            disk: disk(data),
            files: getrlimit(Resource::RLIMIT_NOFILE).ok(),
            ports: pair("/proc/sys/net/ipv4/ip_local_port_range"),
            ipv6: read("/proc/net/if_inet6").is_some_and(|table| has_global_ipv6(&table)),
        }
    }
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn number(path: impl AsRef<Path>) -> Option<u64> {
    read(path)?.parse().ok()
}

fn pair(path: &str) -> Option<(u32, u32)> {
    let text = read(path)?;
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn capabilities() -> Option<u64> {
    let status = read("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn groups() -> Vec<u32> {
    let more = getgroups().unwrap_or_default();
    more.into_iter().chain([getegid()]).map(nix::unistd::Gid::as_raw).collect()
}

/// What a socket of this process gets: forced with `CAP_NET_ADMIN`, else up to `net.core.rmem_max`.
fn receive_buffer() -> Option<usize> {
    let socket =
        socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).ok()?;
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER).ok()?;
    }
    getsockopt(&socket, sockopt::RcvBuf).ok()
}

fn timestamping() -> Option<bool> {
    let socket =
        socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).ok()?;
    let wanted = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE;
    Some(setsockopt(&socket, sockopt::Timestamping, &wanted).is_ok())
}

fn neighbour_table(family: &'static str) -> Option<NeighbourTable> {
    let limit = |name| number(format!("/proc/sys/net/{family}/neigh/default/{name}"));
    let statistics = if family == "ipv4" { "arp_cache" } else { "ndisc_cache" };
    // A heading, then a line a CPU whose first column is the table's size, in hexadecimal.
    let entries = read(format!("/proc/net/stat/{statistics}")).and_then(|text| {
        let first = text.lines().nth(1)?.split_whitespace().next()?.to_owned();
        u64::from_str_radix(&first, 16).ok()
    });
    Some(NeighbourTable { family, entries, soft: limit("gc_thresh2")?, hard: limit("gc_thresh3")? })
}

fn stub() -> bool {
    let text = read("/etc/resolv.conf").unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix("nameserver")).any(|server| {
        server
            .trim()
            .parse::<IpAddr>()
            .is_ok_and(|address| address == IpAddr::from([127, 0, 0, 53]))
    })
}

/// What systemd knows of the clock. Without systemd nobody can be asked without privileges.
fn clock_kept() -> Option<bool> {
    let asked = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .output();
    match String::from_utf8(asked.ok()?.stdout).ok()?.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn disk(folder: &Path) -> Disk {
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let space = statvfs(there).ok();
    Disk {
        wanted: folder.to_owned(),
        folder: there.to_owned(),
        user: geteuid().as_raw(),
        free: space.map(|space| space.blocks_available() * space.fragment_size()),
        fsync: fsync(there).map_err(|error| error.to_string()),
    }
}

/// Median time of five small writes with fsync, which is what a commit costs.
fn fsync(folder: &Path) -> io::Result<Duration> {
    let path = folder.join(format!(".netmend-doctor-{}", std::process::id()));
    let mut file = File::options().write(true).create_new(true).open(&path)?;
    let mut times = [Duration::ZERO; 5];
    let mut measured = Ok(());
    for time in &mut times {
        let start = SystemClock.monotonic();
        measured = file.write_all(&[0; 4096]).and_then(|()| file.sync_data());
        if measured.is_err() {
            break;
        }
        *time = SystemClock.monotonic().saturating_sub(start);
    }
    fs::remove_file(&path)?;
    measured?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// Lines are `address index prefix scope flags name`; scope 00 is global.
fn has_global_ipv6(table: &str) -> bool {
    table.lines().any(|line| line.split_whitespace().nth(3) == Some("00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_link_local_addresses_are_no_ipv6() {
        let lo = "00000000000000000000000000000001 01 80 10 80       lo\n";
        let link = "fe80000000000000a00a000000000000 02 40 20 80     eth0\n";
        let global = "20010db8000000000000000000000001 02 40 00 80     eth0\n";
        assert!(!has_global_ipv6(&format!("{lo}{link}")));
        assert!(has_global_ipv6(&format!("{lo}{link}{global}")));
    }

    #[test]
    fn the_disk_is_measured_and_left_clean() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = disk(&folder.path().join("not/yet"));
        assert_eq!(disk.folder, folder.path());
        assert!(disk.fsync.is_ok() && disk.free.is_some_and(|free| free > 0));
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let facts = Facts::gather(&std::env::temp_dir(), 10, (Vec::new(), Vec::new()));
        assert!(facts.capabilities.is_some() && facts.files.is_some());
        assert!(facts.receive_buffer.is_some_and(|bytes| bytes > 1_000));
    }
}
