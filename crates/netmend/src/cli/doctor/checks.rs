//! The judges: each takes the facts and says whether that is well. Pure. A new check is one function and
//! one entry in [`ALL`].

use std::time::Duration;

use store::sink::Unfit;

use super::Finding;
use super::facts::{Database, Facts, NeighbourTable, RECEIVE_BUFFER};

/// Every check, in the order of the printout: what hurts most comes first.
pub(super) const ALL: [fn(&Facts) -> Finding; 13] = [
    capabilities,
    ping_sockets,
    receive_buffer,
    timestamping,
    clock,
    clock_source,
    neighbours,
    dns,
    sinks,
    disk,
    open_files,
    ports,
    ipv6,
];

/// Bit of `CAP_NET_RAW` in a capability set (`linux/capability.h`).
const CAP_NET_RAW: u64 = 1 << 13;
/// With less receive buffer, as the kernel counts it, a burst of 60,000 probes loses answers.
const ENOUGH_BUFFER: usize = 8 << 20;
/// A resolver slower than this delays the start of every target with a name.
const SLOW_DNS: Duration = Duration::from_millis(500);
/// A disk slower than this holds up the commits of a second.
const SLOW_FSYNC: Duration = Duration::from_millis(250);
/// Less free space than this is used up in hours.
const LITTLE_SPACE: u64 = 1 << 30;
/// Sockets, databases and pages of a busy daemon.
const FILES: u64 = 4_096;
/// TCP probes by connect need a port each while they are under way.
const PORTS: u32 = 16_000;

fn has_raw(facts: &Facts) -> bool {
    facts.capabilities.is_some_and(|set| set & CAP_NET_RAW != 0)
}

fn may_ping(facts: &Facts) -> bool {
    let (low, high) = facts.ping_groups.unwrap_or((1, 0));
    facts.groups.iter().any(|group| (low..=high).contains(group))
}

fn capabilities(facts: &Facts) -> Finding {
    const NAME: &str = "capabilities";
    if has_raw(facts) {
        return Finding::ok(NAME, "raw sockets are allowed: ICMP echo and half-open TCP");
    }
    let instead = if may_ping(facts) { "ping sockets" } else { "TCP" };
    Finding::fix(
        NAME,
        format!("CAP_NET_RAW is missing: ICMP goes by {instead}, TCP by finished handshakes"),
        format!("setcap cap_net_raw,cap_net_admin+ep {}", quoted(&facts.program.to_string_lossy())),
    )
}

fn ping_sockets(facts: &Facts) -> Finding {
    const NAME: &str = "ping sockets";
    match facts.ping_groups {
        Some(_) if may_ping(facts) => Finding::ok(NAME, "allowed to this user's groups"),
        Some(_) if has_raw(facts) => {
            Finding::ok(NAME, "not allowed, and not needed with raw sockets")
        }
        Some(_) => Finding::fix(
            NAME,
            "not allowed to any group of this user: without raw sockets ICMP is asked as TCP",
            "sysctl -w net.ipv4.ping_group_range='0 2147483647'",
        ),
        None => Finding::note(NAME, "this kernel does not say who may use them"),
    }
}

fn receive_buffer(facts: &Facts) -> Finding {
    const NAME: &str = "receive buffer";
    match facts.receive_buffer {
        Some(granted) if granted >= ENOUGH_BUFFER => {
            Finding::ok(NAME, format!("{} MiB granted", granted >> 20))
        }
        Some(granted) => Finding::fix(
            NAME,
            format!("only {} KiB granted: large bursts of probes lose answers", granted >> 10),
            format!("sysctl -w net.core.rmem_max={RECEIVE_BUFFER}"),
        ),
        None => Finding::note(NAME, "could not be tried"),
    }
}

fn timestamping(facts: &Facts) -> Finding {
    const NAME: &str = "kernel stamps";
    match facts.timestamping {
        Some(true) => {
            Finding::ok(NAME, "packets are stamped by the kernel as they leave and arrive")
        }
        Some(false) => Finding::note(NAME, "refused: RTTs rest on this program's own clock"),
        None => Finding::note(NAME, "could not be tried"),
    }
}

fn clock(facts: &Facts) -> Finding {
    const NAME: &str = "clock";
    match facts.clock_kept {
        Some(true) => Finding::ok(NAME, "kept by NTP"),
        Some(false) => Finding::fix(
            NAME,
            "not kept by NTP: samples are stored under wrong times, and steps void probes",
            "timedatectl set-ntp true",
        ),
        None => Finding::note(NAME, "nobody here knows whether NTP keeps it (no timedatectl)"),
    }
}

fn clock_source(facts: &Facts) -> Finding {
    const NAME: &str = "clock source";
    match facts.clock_source.as_deref() {
        None => Finding::note(NAME, "this kernel does not name it"),
        Some(slow @ ("hpet" | "acpi_pm" | "jiffies" | "refined-jiffies" | "pit")) => Finding::note(
            NAME,
            format!("{slow}: reading the time is slow or coarse, so RTTs are less exact"),
        ),
        Some(name) => Finding::ok(NAME, name),
    }
}

fn neighbours(facts: &Facts) -> Finding {
    const NAME: &str = "neighbour table";
    let hosts = facts.hosts_on_link;
    let small = |table: &&NeighbourTable| {
        let needed = hosts.max(table.entries.unwrap_or(0));
        // The collector is at work from the soft limit on, so it must not be reached.
        table.soft < needed + needed / 4
    };
    let too_small: Vec<&NeighbourTable> = facts.neighbours.iter().filter(small).collect();
    if facts.neighbours.is_empty() {
        return Finding::note(NAME, "its limits cannot be read");
    }
    if too_small.is_empty() {
        let room = facts.neighbours.iter().map(|table| table.soft).min().unwrap_or(0);
        return Finding::ok(NAME, format!("room for {room} hosts on link, {hosts} expected"));
    }
    let mut what = Vec::new();
    let mut fix = Vec::new();
    for table in too_small {
        let needed = hosts.max(table.entries.unwrap_or(0));
        let (soft, hard) = ((needed * 2).max(table.soft), (needed * 4).max(table.hard));
        let family = table.family;
        let entries = table.entries.map_or_else(|| "?".to_owned(), |entries| entries.to_string());
        what.push(format!("{family} holds {entries} of {} at most", table.hard));
        // The hard limit first: the kernel takes any order, people read this one.
        fix.push(format!("net.{family}.neigh.default.gc_thresh3={hard}"));
        fix.push(format!("net.{family}.neigh.default.gc_thresh2={soft}"));
    }
    Finding::fix(
        NAME,
        format!("too small for {hosts} hosts on link: {}", what.join(", ")),
        format!("sysctl -w {}", fix.join(" ")),
    )
}

fn dns(facts: &Facts) -> Finding {
    const NAME: &str = "DNS";
    let stub = if facts.stub { ", behind the stub of systemd-resolved" } else { "" };
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for server in &facts.resolvers {
        match &server.answer {
            Ok(took) if *took < SLOW_DNS => good.push(format!("{} in {took:.0?}", server.host)),
            Ok(took) => bad.push(format!("{} took {took:.0?}", server.host)),
            Err(why) => bad.push(format!("{}: {why}", server.host)),
        }
    }
    match (good.is_empty(), bad.is_empty()) {
        (true, true) => Finding::fix(
            NAME,
            "no resolver is configured: names are not found",
            "echo 'nameserver ADDRESS' >> /etc/resolv.conf   # with the address of your resolver",
        ),
        (false, true) => Finding::ok(NAME, format!("{} answered{stub}", good.join(", "))),
        _ => Finding::fix(
            NAME,
            format!("{}{stub}", bad.join(", ")),
            "${EDITOR:-vi} /etc/resolv.conf   # remove or replace the resolvers that do not answer",
        ),
    }
}

fn sinks(facts: &Facts) -> Finding {
    const NAME: &str = "sinks";
    if facts.sinks.is_empty() {
        return Finding::ok(NAME, "none to ask (--config names a configuration that has some)");
    }
    let (mut good, mut bad, mut fixes) = (Vec::new(), Vec::new(), Vec::new());
    for Database { name, answer } in &facts.sinks {
        match answer {
            Ok(what) => good.push(format!("{name} is {what}")),
            Err(Unfit { why, fix }) => {
                bad.push(format!("{name}: {why}"));
                let fix = if fix.is_empty() {
                    "see whether it runs and this machine reaches it"
                } else {
                    fix
                };
                fixes.push(format!("{name}: {fix}"));
            }
        }
    }
    if bad.is_empty() {
        return Finding::ok(NAME, good.join(", "));
    }
    Finding::fix(NAME, bad.join(", "), fixes.join("; "))
}

fn disk(facts: &Facts) -> Finding {
    const NAME: &str = "disk";
    let folder = facts.disk.folder.to_string_lossy();
    let fsync = match &facts.disk.fsync {
        Ok(fsync) => *fsync,
        Err(why) => {
            // Never the folder above: it is not ours.
            let (user, wanted) = (facts.disk.user, quoted(&facts.disk.wanted.to_string_lossy()));
            let fix = if facts.disk.wanted == facts.disk.folder {
                format!("chown {user} {wanted}")
            } else {
                format!("install -d -o {user} -m 750 {wanted}")
            };
            return Finding::fix(NAME, format!("{folder} cannot be written: {why}"), fix);
        }
    };
    let free = facts.disk.free.unwrap_or(u64::MAX);
    if free < LITTLE_SPACE {
        return Finding::fix(
            NAME,
            format!("only {} MiB free at {folder}", free >> 20),
            format!("du -xh --max-depth=2 {} | sort -h   # and make room", quoted(&folder)),
        );
    }
    let what = format!("{} GiB free at {folder}, a commit takes {fsync:.1?}", free >> 30);
    if fsync > SLOW_FSYNC {
        return Finding::note(NAME, format!("{what}: slow, samples are committed late"));
    }
    Finding::ok(NAME, what)
}

fn open_files(facts: &Facts) -> Finding {
    const NAME: &str = "open files";
    match facts.files {
        // The soft limit is raised to the hard one at the start.
        Some((_, hard)) if hard >= FILES => Finding::ok(NAME, format!("up to {hard}")),
        Some((_, hard)) => Finding::fix(
            NAME,
            format!("at most {hard}: TCP probes by connect need one each while under way"),
            format!(
                "prlimit --pid $PPID --nofile={0}:{0}   # and LimitNOFILE={0} in the unit",
                65_536
            ),
        ),
        None => Finding::note(NAME, "the limit cannot be read"),
    }
}

fn ports(facts: &Facts) -> Finding {
    const NAME: &str = "local ports";
    match facts.ports {
        Some((low, high)) if high.saturating_sub(low) >= PORTS => {
            Finding::ok(NAME, format!("{low} to {high}"))
        }
        Some((low, high)) => Finding::fix(
            NAME,
            format!("only {low} to {high}: TCP probes to many targets run out of them"),
            "sysctl -w net.ipv4.ip_local_port_range='32768 60999'",
        ),
        None => Finding::note(NAME, "the range cannot be read"),
    }
}

fn ipv6(facts: &Facts) -> Finding {
    const NAME: &str = "IPv6";
    if facts.ipv6 {
        Finding::ok(NAME, "there is a global address")
    } else {
        Finding::note(NAME, "no global address: IPv6 targets beyond the link cannot be reached")
    }
}

/// A word for the shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests;
