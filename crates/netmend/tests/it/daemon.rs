//! A running netmend for a test: started on a free port, its log read, killed when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::Duration;

use model::{Clock, SystemClock};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Longest that a test waits for the daemon before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    /// `None` once somebody else reads it.
    log: Option<BufReader<ChildStderr>>,
    /// What was read of the log.
    told: String,
    /// How many bytes of it were looked at.
    looked_at: usize,
    /// Where it serves.
    pub(crate) address: SocketAddr,
}

/// `netmend run` on a free port of loopback with its data in `data`, ready for more arguments. An empty
/// configuration keeps it from asking the gateway and resolvers of the machine that runs the tests.
pub(crate) fn command(data: &Path) -> Command {
    command_on("127.0.0.1:0", data)
}

/// The same on a given address.
pub(crate) fn command_on(listen: &str, data: &Path) -> Command {
    let mut command = bare(listen, data);
    command.arg("--config").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/empty.yaml"));
    command
}

/// The same without any configuration.
pub(crate) fn bare(listen: &str, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netmend"));
    command.args(["run", "--log-format", "json", "--listen", listen, "--data"]).arg(data);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.env_remove("NETMEND_LOG");
    command
}

/// An address that was free a moment ago, on a loopback address of this process alone: a port of
/// 127.0.0.1 that is let go may be given to another test before it is taken again.
pub(crate) fn free() -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let own = Ipv4Addr::new(127, 128 | high, middle, low);
    let listener = TcpListener::bind((own, 0)).expect("all of 127.0.0.0/8 is loopback");
    listener.local_addr().expect("a bound socket has an address")
}

impl Daemon {
    /// Starts `command` and waits until it serves.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary was built for this test");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (log, address) = (Some(BufReader::new(stderr)), ([127, 0, 0, 1], 0).into());
        let mut daemon = Self { child, log, told: String::new(), looked_at: 0, address };
        let line = daemon.log_until("pages are served");
        let listen = line["listen"].as_str().expect("the log names the address");
        daemon.address = listen.parse().expect("the log names an address");
        // Several threads start at once: what comes before this entry today may come after it tomorrow.
        daemon.looked_at = 0;
        daemon
    }

    /// The first entry of the log, behind those looked at before, whose message contains `words`.
    pub(crate) fn log_until(&mut self, words: &str) -> Value {
        let seen = self.looked_at;
        loop {
            let start = self.looked_at;
            if start == self.told.len() {
                let log = self.log.as_mut().expect("nobody else reads the log");
                let read = log.read_line(&mut self.told).expect("the log is UTF-8");
                assert!(read > 0, "the log ended without {words:?}:\n{}", &self.told[seen..]);
            }
            let line = self.told[start..].split_inclusive('\n').next().expect("more was read");
            self.looked_at += line.len();
            let entry: Value = serde_json::from_str(line).unwrap_or(Value::Null);
            if entry["message"].as_str().is_some_and(|message| message.contains(words)) {
                return entry;
            }
        }
    }

    /// GETs a path; gives the status and the body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut answer = String::new();
        self.ask(path).read_to_string(&mut answer).expect("the answer is UTF-8 and ends");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.expect("a status line"), body.to_owned())
    }

    /// Sends a GET; the answer is still to be read.
    fn ask(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("the daemon serves");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).expect("the request is sent");
        stream
    }

    /// GETs a JSON document.
    pub(crate) fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|why| panic!("{path}: {why}: {body}"))
    }

    /// Asks again, each time the live feed tells of something new, until the answer pleases.
    pub(crate) fn wait_for<T>(&self, path: &str, pleases: impl Fn(&Value) -> Option<T>) -> T {
        let start = SystemClock.monotonic();
        let mut feed = Feed::open(self);
        loop {
            feed.event();
            let answer = self.json(path);
            if let Some(found) = pleases(&answer) {
                return found;
            }
            let waited = SystemClock.monotonic().saturating_sub(start);
            assert!(waited < PATIENCE, "{path} still answers {answer:#}");
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("the daemon runs");
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What was read of the log, and the rest of it: for a log so long that somebody must read it all the time.
    pub(crate) fn take_log(&mut self) -> (String, BufReader<ChildStderr>) {
        let log = self.log.take().expect("nobody else reads the log");
        (std::mem::take(&mut self.told), log)
    }

    /// Waits until the process has ended.
    pub(crate) fn wait(mut self) -> ExitStatus {
        // What is left in the pipe must not hold the process up.
        if let Some(log) = &mut self.log {
            drop(log.read_to_string(&mut self.told));
        }
        self.child.wait().expect("a child can be waited for")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The live feed that the pages listen to, with all targets in view: an event at once, one at most a second
/// when a target has something new, and one every few seconds anyway.
struct Feed(BufReader<TcpStream>);

impl Feed {
    /// Most targets that a feed may have in view.
    const MOST: usize = 400;

    fn open(daemon: &Daemon) -> Self {
        let answer = daemon.json("/api/v1/targets");
        let rows = answer["targets"].as_array().expect("a list of targets");
        let key = |row: &Value| row["id"].as_str().and_then(|id| id.get(..16)).map(str::to_owned);
        let keys: Option<Vec<String>> = rows.iter().take(Self::MOST).map(key).collect();
        let keys = keys.expect("a target has an id of 32 digits").join(",");
        Self(BufReader::new(daemon.ask(&format!("/live?parts=full&rows={keys}"))))
    }

    /// Waits for the next event.
    fn event(&mut self) {
        let mut line = String::new();
        while !line.starts_with("data:") {
            line.clear();
            let read = self.0.read_line(&mut line).expect("the feed is UTF-8 and goes on");
            assert!(read > 0, "the feed ended");
        }
    }
}
