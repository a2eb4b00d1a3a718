//! What the chores need from Debian's packages and from crates.io, and how it gets onto the machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;

/// Debian packages of the tests: network namespaces and their tools, the outside checks, a browser.
pub(crate) const TESTS: &[&str] = &[
    "bsdutils", // script: a terminal for the live table
    "chromium",
    "docker-compose", // says whether compose.yaml is one
    "fonts-dejavu-core",
    "fping",
    "frr",      // vtysh, a real command line
    "influxdb", // a real database to pass points on to
    "iproute2",
    "iputils-ping",
    "nftables",
    "openssh-client", // ssh-keygen
    "openssh-server", // a real device to log in to
    "procps",
    "prometheus", // a real receiver of remote write
    "prometheus-alertmanager",
    "python3",
    "python3-aiosmtpd", // a mail server
    "python3-jsonschema",
    "rsyslog", // a real sender of syslog
    "snmp",    // snmptrap, a real sender of traps
    "snmpd",   // a real agent
    "strace",
    "util-linux",
];

/// Installs the Debian packages that are missing: one `apt-get update`, one `apt-get install`.
pub(crate) fn install(wanted: &[&str]) -> Result<(), String> {
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| !installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("xtask: installing {} from Debian's packages", missing.join(", "));
    let root = is_root();
    let prefix: &[&str] = if root { &[] } else { &["sudo"] };
    apt(prefix, &["update", "-qq"], &missing)?;
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(&missing);
    apt(prefix, &args, &missing)
}

/// Unpacks a Debian package into a folder, with what it needs and the machine lacks: for one that cannot be
/// installed beside those of the tests. Returns the root of what was unpacked.
pub(crate) fn unpack(wanted: &str, folder: &Path) -> Result<PathBuf, String> {
    println!("xtask: unpacking {wanted} from Debian's packages");
    let (archives, root) = (folder.join("archives"), folder.join("root"));
    for path in [&archives.join("partial"), &root] {
        std::fs::create_dir_all(path).map_err(|why| format!("{}: {why}", path.display()))?;
    }
    let prefix: &[&str] = if is_root() { &[] } else { &["sudo"] };
    apt(prefix, &["update", "-qq"], &[wanted])?;
    let cache = format!("Dir::Cache::archives={}", archives.display());
    let download = ["install", "-y", "-qq", "--no-install-recommends", "--download-only"];
    apt(prefix, &[&download[..], &["-o", &cache, wanted]].concat(), &[wanted])?;
    let unreadable = |why| format!("{}: {why}", archives.display());
    for entry in std::fs::read_dir(&archives).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|end| end == "deb") {
            let (package, root) = (path.display().to_string(), root.display().to_string());
            command::run("dpkg-deb", &["--extract", &package, &root])?;
        }
    }
    Ok(root)
}

/// Installs a cargo subcommand from crates.io unless it is there.
pub(crate) fn install_cargo(name: &str) -> Result<(), String> {
    let subcommand = name.strip_prefix("cargo-").unwrap_or(name);
    if command::exists("cargo", &[subcommand, "--version"]) {
        return Ok(());
    }
    println!("xtask: installing {name} from crates.io (some minutes)");
    command::run("cargo", &["install", "--locked", name])
}

fn installed(package: &str) -> bool {
    let query = ["-W", "-f", "${db:Status-Status}", package];
    Command::new("dpkg-query").args(query).output().is_ok_and(|out| out.stdout == b"installed")
}

fn is_root() -> bool {
    let out = Command::new("id").arg("-u").output();
    out.is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

fn apt(prefix: &[&str], args: &[&str], missing: &[&str]) -> Result<(), String> {
    let mut line: Vec<&str> = prefix.to_vec();
    line.push("apt-get");
    line.extend(args);
    command::run_in(line[0], &line[1..], &[("DEBIAN_FRONTEND", "noninteractive")])
        .map_err(|why| format!("{why}\nthese Debian packages are needed: {}", missing.join(" ")))
}
