//! The script of the talk at work: the same devices and events, with rows in a `MariaDB` of its own.

use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use model::{Clock, SystemClock};
use serde_json::Value;
use tempfile::TempDir;

use super::Figures;
use super::devices::{self, Devices};
use crate::bench_probe::bed::pause;
use crate::command;
use crate::process::Running;

/// Debian packages of the database and of the script.
pub(super) const PACKAGES: &[&str] = &["mariadb-server", "python3-paramiko", "python3-pymysql"];
/// What starts must do so within this.
const PATIENCE: Duration = Duration::from_mins(1);
/// The script.
const SCRIPT: &str = include_str!("talk.py");

/// A database in a folder of its own, that listens on no port.
pub(super) struct Database {
    server: Running,
    folder: TempDir,
}

impl Database {
    /// Makes and starts one.
    pub(super) fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|why| format!("cannot make a folder: {why}"))?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let data = format!("--datadir={}", path("data"));
        let install = ["--no-defaults", "--auth-root-authentication-method=normal", "--user=root"];
        let install = [&install[..], &["--skip-test-db", &data]].concat();
        let made = Command::new("mariadb-install-db").args(install).output();
        let made = made.map_err(|why| format!("cannot start mariadb-install-db: {why}"))?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr);
            return Err(format!("mariadb-install-db failed: {}", said.trim()));
        }
        let mut server = Command::new("mariadbd");
        server.args(["--no-defaults", "--user=root", "--skip-networking", &data]);
        server.arg(format!("--socket={}", path("socket")));
        let mut server = Running::start(server.arg(format!("--pid-file={}", path("pid"))))?;
        let start = SystemClock.monotonic();
        let socket = format!("--socket={}", path("socket"));
        while !command::exists("mariadb-admin", &["--no-defaults", &socket, "ping"]) {
            if server.has_ended() || SystemClock.monotonic().saturating_sub(start) > PATIENCE {
                return Err("mariadbd does not start".to_owned());
            }
            pause(Duration::from_millis(100));
        }
        Ok(Self { server, folder })
    }

    /// Most memory that it had at once.
    pub(super) fn rss_mib(&self) -> Result<f64, String> {
        Ok(self.server.used()?.rss_mib)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

/// Works on all events; gives what the database used besides, in ms CPU an event.
pub(super) fn run(
    database: &Database,
    devices: &mut Devices,
    events: usize,
    workers: usize,
) -> Result<(Figures, f64), String> {
    devices.break_for(events)?;
    let failed = |why: std::io::Error| format!("cannot run the script: {why}");
    let (script, list) =
        (database.folder.path().join("talk.py"), database.folder.path().join("list"));
    let mut lines = String::new();
    for event in 0..events {
        let (address, interface) = devices.place(event);
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{address} {} {interface}", devices::PORT);
    }
    std::fs::write(&script, SCRIPT).map_err(failed)?;
    std::fs::write(&list, lines).map_err(failed)?;
    let mut python = Command::new("/usr/bin/python3");
    python.arg(&script).arg(database.socket()).arg(database.server.id().to_string());
    python.arg(workers.to_string());
    python.args([devices::USER, devices::PASSWORD]);
    let out = python
        .stdin(File::open(&list).map_err(failed)?)
        .stderr(Stdio::piped())
        .output()
        .map_err(failed)?;
    if !out.status.success() {
        return Err(format!("the script failed: {}", String::from_utf8_lossy(&out.stderr).trim()));
    }
    let found: Value = serde_json::from_slice(&out.stdout).map_err(|why| why.to_string())?;
    let figure = |key: &str| {
        found[key].as_f64().ok_or_else(|| format!("the script did not print {key}: {found}"))
    };
    let count = figure("events")?;
    if figure("repaired")? < count {
        return Err(format!("the script did not repair everything: {}", found["states"]));
    }
    let figures = Figures {
        events_per_s: count / figure("seconds")?,
        cpu_ms: figure("cpu_s")? * 1e3 / count,
        rss_mib: figure("rss_mib")?,
    };
    Ok((figures, figure("rows_cpu_s")? * 1e3 / count))
}
