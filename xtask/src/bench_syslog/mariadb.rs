//! `MariaDB` from Debian's packages as a store of events, as the talk used it: one insert a row, each committed
//! and on disk before the next.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use model::{Clock, SystemClock};

/// Inserts in all.
const ROWS: usize = 20_000;
/// Longest that the server may take to start.
const PATIENCE: Duration = Duration::from_mins(1);
/// Debian's packages of the server and of its command line.
pub(super) const PACKAGES: &[&str] = &["mariadb-client-core", "mariadb-server-core"];

/// The table of events with the columns that ours fill; no index but the key's, which is less work than ours.
const TABLE: &str = "CREATE TABLE event (
    id INT PRIMARY KEY AUTO_INCREMENT, device VARCHAR(255), code VARCHAR(255), code_norm VARCHAR(255),
    object VARCHAR(255), severity INT, first BIGINT, last BIGINT, count INT, state VARCHAR(20),
    not_before BIGINT, origin VARCHAR(20), message TEXT, fields TEXT, evidence VARCHAR(20)) ENGINE=InnoDB;";

/// A running server on a socket of its own; killed when dropped.
struct Server {
    child: Child,
    socket: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Rows a second, with the server's defaults: `InnoDB` syncs at each commit.
pub(super) fn inserts(scratch: &Path) -> Result<f64, String> {
    let folder = scratch.join("mariadb");
    fs::create_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let server = Server::start(&folder)?;
    server.ask(&format!("CREATE DATABASE bench; USE bench; {TABLE}"))?;
    let statements = folder.join("inserts.sql");
    let mut text = String::from("USE bench;\n");
    for number in 0..ROWS {
        // As in the bench of our store.
        let device = format!("sw{}.example.com", number % 500);
        let object = format!("GigabitEthernet{}/{}", number / 500 / 48, number / 500 % 48);
        let at = 1_763_776_800_000 + number / 40;
        writeln!(
            text,
            "INSERT INTO event (device, code, code_norm, object, severity, first, last, count, state, \
             not_before, origin, message, fields, evidence) VALUES ('{device}', 'LINK-3-UPDOWN', \
             'LINK-3-UPDOWN', '{object}', 3, {at}, {at}, 1, 'new', {at}, 'line', \
             'Interface {object}, changed state to down', '{{\"interface\":\"{object}\"}}', 'stream');"
        )
        .expect("memory takes it");
    }
    fs::write(&statements, text).map_err(|why| format!("{}: {why}", statements.display()))?;
    let start = SystemClock.monotonic();
    server.run(&statements)?;
    let took = SystemClock.monotonic().saturating_sub(start);
    let counted = server.ask("SELECT COUNT(*) FROM bench.event;")?;
    if counted.trim() != ROWS.to_string() {
        return Err(format!("MariaDB holds {} rows, not {ROWS}", counted.trim()));
    }
    Ok(ROWS as f64 / took.as_secs_f64())
}

impl Server {
    fn start(folder: &Path) -> Result<Self, String> {
        let data = folder.join("data");
        let made = Command::new("mariadb-install-db")
            .arg("--no-defaults")
            .arg("--auth-root-authentication-method=normal")
            .arg("--skip-test-db")
            .arg("--user=root")
            .arg(format!("--datadir={}", data.display()))
            .stdin(Stdio::null())
            .output()
            .map_err(|why| format!("mariadb-install-db: {why}"))?;
        if !made.status.success() {
            let told = String::from_utf8_lossy(&made.stderr);
            return Err(format!("mariadb-install-db failed: {told}"));
        }
        let socket = folder.join("socket");
        let log = File::create(folder.join("log")).map_err(|why| format!("a log: {why}"))?;
        let child = Command::new("/usr/sbin/mariadbd")
            .args(["--no-defaults", "--user=root", "--skip-networking"])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|why| format!("mariadbd: {why}"))?;
        let mut server = Self { child, socket };
        let start = SystemClock.monotonic();
        while server.ask("SELECT 1;").is_err() {
            if let Ok(Some(ended)) = server.child.try_wait() {
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                return Err(format!("mariadbd ended: {ended}\n{log}"));
            }
            if SystemClock.monotonic().saturating_sub(start) > PATIENCE {
                return Err("mariadbd does not answer".into());
            }
            #[expect(clippy::disallowed_methods, reason = "a chore may wait")]
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }

    fn client(&self) -> Command {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "--user=root", "--batch", "--skip-column-names"]);
        client.arg(format!("--socket={}", self.socket.display()));
        client
    }

    /// Runs statements; returns what they found.
    fn ask(&self, statements: &str) -> Result<String, String> {
        let out = self.client().args(["--execute", statements]).stdin(Stdio::null()).output();
        let out = out.map_err(|why| format!("mariadb: {why}"))?;
        if !out.status.success() {
            return Err(format!("mariadb: {}", String::from_utf8_lossy(&out.stderr).trim()));
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Runs the statements of a file, one after the other.
    fn run(&self, statements: &Path) -> Result<(), String> {
        let file =
            File::open(statements).map_err(|why| format!("{}: {why}", statements.display()))?;
        let ended = self.client().stdin(file).status().map_err(|why| format!("mariadb: {why}"))?;
        if ended.success() { Ok(()) } else { Err(format!("mariadb: {ended}")) }
    }
}
