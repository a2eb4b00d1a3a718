//! Targets -> the text of a config file with comments, for `netmend init`. What is written reads back as the
//! same targets.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use model::{Family, PacketOptions, Protocol, Target};

use super::credentials::Database;
use super::host;
use super::yaml::{Core, core};

/// What stands above the targets.
const HEAD: &str = "\
# Configuration of netmend.
#
# `netmend check FILE` says what is wrong with it, `netmend schema` prints its JSON Schema for editors.
# A running netmend takes changes of this file by itself.

# Where this instance stands. This host's name if not given.
#site: london-1

# Address and port of the pages. Without users (`netmend user add`) this machine alone is answered.
#listen: 127.0.0.1:8420

# How long samples and values per minute are kept, and how much space they may take.
#store: { raw: 30d, rollup: 400d, max_bytes: 10 GiB }

# What holds for all targets that do not say otherwise.
#defaults: { interval: 3s, timeout: 1s }

# Further files, also targets files of network-telemetry as they are.
#include: [conf.d/*.yaml]

# What to probe, by region. A list of hosts is ICMP, `host: port` is TCP. A host can have settings:
#   - { host: 10.1.2.3, tcp: [3306, 443], interval: 10s, tags: { rack: a1 }, parent: gw1 }
";

/// A config file with these targets. `notes` are comments above a region, by its name.
pub(crate) fn config(targets: &[Target], notes: &[(&str, &str)]) -> String {
    let mut out = HEAD.to_owned();
    let mut regions: Vec<&str> = Vec::new();
    let mut known = BTreeSet::new();
    regions.extend(targets.iter().map(|t| t.region.as_str()).filter(|name| known.insert(*name)));
    out.push_str(if regions.is_empty() { "targets: {}\n" } else { "targets:\n" });
    for name in regions {
        for (_, note) in notes.iter().filter(|(region, _)| *region == name) {
            let _ = writeln!(out, "  # {note}");
        }
        let _ = writeln!(out, "  {}:", text(name));
        let of_region: Vec<_> = targets.iter().filter(|target| target.region == name).collect();
        region(&of_region, &mut out);
    }
    out
}

/// The databases as sinks; nothing if there are none.
pub(crate) fn sinks(databases: &[Database]) -> String {
    if databases.is_empty() {
        return String::new();
    }
    let mut out =
        "\n# Where what is measured is passed on to: the databases of network-telemetry.\nsinks:\n"
            .to_owned();
    for Database { url, username, password } in databases {
        let (url, username, password) = (text(url), text(username), text(password.reveal()));
        let login = format!("username: {username}, password: {password}");
        let _ = writeln!(out, "  - influxdb: {{ url: {url}, {login} }}");
    }
    out
}

fn region(targets: &[&Target], out: &mut String) {
    let mut hosts = BTreeSet::new();
    let port_alone = |target: &&Target| match target.protocol {
        Protocol::Tcp(port) if settings(target).is_empty() => Some(port),
        _ => None,
    };
    let ports: Option<Vec<u16>> = targets.iter().map(port_alone).collect();
    if let Some(ports) = ports
        && targets.iter().all(|target| hosts.insert(&target.host))
    {
        for (target, port) in targets.iter().zip(ports) {
            let _ = writeln!(out, "    {}: {port}", text(&target.host));
        }
        return;
    }
    for target in targets {
        let host = text(&target.host);
        let settings = settings(target);
        let _ = match target.protocol {
            Protocol::Icmp if settings.is_empty() => writeln!(out, "    - {host}"),
            Protocol::Icmp => writeln!(out, "    - {{ host: {host}{settings} }}"),
            Protocol::Tcp(port) => writeln!(out, "    - {{ host: {host}, tcp: {port}{settings} }}"),
        };
    }
}

/// The settings of a target that are not the defaults, each after a comma.
fn settings(target: &Target) -> String {
    let mut out = String::new();
    let mut add = |key: &str, value: String| {
        let _ = write!(out, ", {key}: {value}");
    };
    if target.interval != Target::DEFAULT_INTERVAL {
        add("interval", duration(target.interval));
    }
    if target.timeout != Target::DEFAULT_TIMEOUT {
        add("timeout", duration(target.timeout));
    }
    if target.family == Family::V6 && host::check(&target.host) == Ok(None) {
        add("family", target.family.as_str().to_owned());
    }
    let PacketOptions { dscp, size, dont_fragment, source, device } = &target.packet;
    if *dscp != 0 {
        add("dscp", dscp.to_string());
    }
    if let Some(size) = size {
        add("size", size.to_string());
    }
    if *dont_fragment {
        add("dont_fragment", "true".to_owned());
    }
    if let Some(source) = source {
        add("source", text(&source.to_string()));
    }
    if let Some(device) = device {
        add("device", text(device));
    }
    if !target.tags.is_empty() {
        let tags =
            target.tags.iter().map(|(name, value)| format!("{}: {}", text(name), text(value)));
        add("tags", format!("{{ {} }}", tags.collect::<Vec<_>>().join(", ")));
    }
    if let Some(parent) = &target.parent {
        add("parent", text(parent));
    }
    out
}

/// A duration in the largest of the units that people use in which it is a whole number, else exactly.
fn duration(span: Duration) -> String {
    let nanos = span.as_nanos();
    let units = [(3_600_000_000_000, "h"), (60_000_000_000, "m"), (1_000_000_000, "s")];
    for (unit, name) in units {
        if nanos.is_multiple_of(unit) {
            return format!("{}{name}", nanos / unit);
        }
    }
    match nanos % 1_000_000 {
        0 => format!("{}ms", nanos / 1_000_000),
        rest => format!("{}.{rest:06}ms", nanos / 1_000_000),
    }
}

/// Text as YAML: plain where it can only be text, else in double quotes. References are escaped.
fn text(text: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let plain = text.bytes().all(safe)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && core(text, true) == Core::Text;
    if plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.replace("${", "$${").chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{FEFF}' | '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;

    use super::super::load::load_text;
    use super::*;

    fn hosts() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z][a-z0-9-]{0,10}(\\.[a-z]{2,5}){0,2}",
            any::<[u8; 3]>().prop_map(|[a, b, c]| format!("10.{a}.{b}.{c}")),
            any::<u16>().prop_map(|n| format!("2001:db8::{:x}", n.max(1))),
            Just("no".to_owned()),
            Just("1e3".to_owned()),
            Just("true".to_owned()),
            Just("fe80::1%eth0".to_owned()),
        ]
    }

    /// Names and tags with whatever people type, `${` and quotes included.
    fn labels() -> impl Strategy<Value = String> {
        prop_oneof!["[ -~äß€😀]{0,20}[!-~]", Just("${env:HOME}".to_owned()), Just("~".to_owned())]
    }

    prop_compose! {
        fn targets()(
            host in hosts(),
            region in labels(),
            port in option::of(1_u16..),
            six in any::<bool>(),
            interval in 500_000_000_u64..86_400_000_000_000,
            timeout in 1_u64..60_000,
            dscp in 0_u8..64,
            size in option::of(16_u16..=65_507),
            dont_fragment in any::<bool>(),
            tags in btree_map(labels(), labels(), 0..3),
            parent in option::of(hosts()),
        ) -> Target {
            let mut target = Target::new(&host, &region, port.map_or(Protocol::Icmp, Protocol::Tcp));
            if six && host::check(&host) == Ok(None) {
                target.family = Family::V6;
            }
            target.interval = Duration::from_nanos(interval);
            target.timeout = Duration::from_millis(timeout);
            let size = size.filter(|_| port.is_none());
            let source = dont_fragment.then(|| match target.family {
                Family::V4 => IpAddr::from([10, 0, 0, 5]),
                Family::V6 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 5]),
            });
            let device = size.map(|_| "br-lan.7".to_owned());
            target.packet = PacketOptions { dscp, size, dont_fragment, source, device };
            target.tags = tags;
            target.parent = parent;
            target
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_reads_back_as_the_same_targets(targets in vec(targets(), 0..8)) {
            let text = config(&targets, &[]);
            let found = match load_text("c", &text) {
                Ok(settings) => settings.targets,
                Err(problems) => {
                    let problems = problems.to_string();
                    let double = problems.lines().all(|line| line.contains("duplicate target"));
                    prop_assert!(double, "{}\n{}", problems, text);
                    return Ok(());
                }
            };
            // The regions come one after the other; within one the order is kept.
            let (mut expected, mut regions) = (Vec::new(), Vec::new());
            for target in &targets {
                if !regions.contains(&&target.region) {
                    regions.push(&target.region);
                    expected.extend(targets.iter().filter(|t| t.region == target.region).cloned());
                }
            }
            prop_assert_eq!(found, expected, "{}", text);
        }
    }
}
