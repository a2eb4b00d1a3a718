//! The bed of the probe bench: a namespace whose network is played by `netmend lab`, tcpdump as the
//! witness, and a stopwatch for the tools that run in it. Everything ends with the value.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

use lab::Namespace;
use model::{Clock, SystemClock};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::truth::Truth;

/// Bytes kept of each packet: IPv6 and TCP headers.
const SNAP: &str = "64";
/// tcpdump's buffer in KiB: it must drop nothing.
const CAPTURE_BUFFER: &str = "98304";
/// A capture's block is handed over this long after its first packet at the latest; what is younger when
/// tcpdump is stopped would be missing.
const BLOCK: Duration = Duration::from_millis(1200);
/// Runs a program that ends when we do, however we end.
pub(crate) const MORTAL: [&str; 3] = ["setpriv", "--pdeathsig", "TERM"];
/// Between two looks at a running tool.
const LOOK: Duration = Duration::from_millis(10);

/// A simulated network with tools to measure in it.
pub(crate) struct Bed {
    lab: Option<Lab>,
    folder: tempfile::TempDir,
    namespace: Namespace,
}

/// The running `netmend lab`.
struct Lab {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// What a tool has cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Seconds from start to end.
    pub(crate) wall_s: f64,
    /// CPU seconds, user and system.
    pub(crate) cpu_s: f64,
    /// Largest resident set in MiB.
    pub(crate) rss_mib: f64,
    /// It was stopped because it took too long.
    pub(crate) cut_off: bool,
}

/// What a tool has said, each from its beginning, and what it has cost.
pub(crate) struct Ran {
    pub(crate) stdout: File,
    pub(crate) stderr: File,
    pub(crate) cost: Cost,
}

impl Bed {
    /// Builds the bed; `netmend` is the binary whose lab plays the network.
    pub(crate) fn make(netmend: &Path) -> Result<Self, String> {
        let namespace = Namespace::create().map_err(|error| error.to_string())?;
        let told = |error: lab::NamespaceError| error.to_string();
        for setting in
            ["net.ipv4.ping_group_range=0 2147483647", "net.ipv4.ip_local_port_range=1024 65000"]
        {
            namespace.run("sysctl", ["-qw", setting]).map_err(told)?;
        }
        let mut child = Command::new(MORTAL[0])
            .args(&MORTAL[1..])
            .arg(netmend)
            .args(["lab", "network", "bench", "--precise", "--netns", namespace.name()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", netmend.display()))?;
        let mut output = BufReader::new(child.stdout.take().expect("it was asked to be piped"));
        let lab = wait_for(&mut output, "try: ").map(|_| Lab { child, output })?;
        let folder =
            tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
        Ok(Self { lab: Some(lab), folder, namespace })
    }

    /// The namespace.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A path in the bed's own folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of one address a line.
    pub(crate) fn list(&self, name: &str, addresses: &[String]) -> Result<PathBuf, String> {
        let path = self.path(name);
        let text = addresses.join("\n") + "\n";
        std::fs::write(&path, text).map_err(|error| format!("cannot write {name}: {error}"))?;
        Ok(path)
    }

    /// What the lab says it has done since it began.
    pub(crate) fn lab_report(&mut self) -> Result<String, String> {
        let lab = self.lab.as_mut().ok_or("the lab has ended")?;
        signal(&lab.child, Signal::SIGUSR1)?;
        wait_for(&mut lab.output, "SIMULATION ")
    }

    /// Does some work while everything on the wire is recorded.
    pub(crate) fn witness<T>(
        &self,
        work: impl FnOnce() -> Result<T, String>,
    ) -> Result<(T, Truth), String> {
        let capture = Capture::start(&self.namespace)?;
        let done = work()?;
        let truth = capture.finish()?;
        Ok((done, truth))
    }
}

/// Runs a command to its end, at most for `limit`; its output goes to files.
pub(crate) fn time(command: &mut Command, limit: Duration) -> Result<Ran, String> {
    let (mut stdout, mut stderr) = (scratch()?, scratch()?);
    let line = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(same(&stdout)?).stderr(same(&stderr)?);
    let (start, cpu) = (SystemClock.monotonic(), children_cpu());
    let mut child = command.spawn().map_err(|error| format!("cannot start {line}: {error}"))?;
    let mut cost = Cost::default();
    loop {
        cost.rss_mib = cost.rss_mib.max(peak_rss(child.id()));
        cost.wall_s = (SystemClock.monotonic().saturating_sub(start)).as_secs_f64();
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if cost.wall_s > limit.as_secs_f64() && !cost.cut_off => {
                cost.cut_off = true;
                signal(&child, Signal::SIGTERM)?;
            }
            Ok(None) => pause(LOOK),
            Err(error) => return Err(format!("cannot wait for {line}: {error}")),
        }
    }
    cost.cpu_s = children_cpu() - cpu;
    rewind(&mut stdout)?;
    rewind(&mut stderr)?;
    Ok(Ran { stdout, stderr, cost })
}

impl Drop for Bed {
    fn drop(&mut self) {
        if let Some(mut lab) = self.lab.take() {
            // A lab that is gone already needs no signal.
            let _ = signal(&lab.child, Signal::SIGTERM);
            let _ = lab.child.wait();
        }
    }
}

/// A running tcpdump. One that is dropped is stopped.
struct Capture {
    child: Child,
    stderr: BufReader<ChildStderr>,
    file: File,
}

impl Capture {
    fn start(namespace: &Namespace) -> Result<Self, String> {
        let file = scratch()?;
        let mut child = namespace
            .command(MORTAL[0])
            .args(&MORTAL[1..])
            .args(["tcpdump", "-i", "tun0", "-n", "-s", SNAP, "-B", CAPTURE_BUFFER, "-Z", "root"])
            .args(["--time-stamp-precision=nano", "-w", "-"])
            .arg("icmp or icmp6 or tcp or ip6 proto 6")
            .stdin(Stdio::null())
            .stdout(same(&file)?)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start tcpdump: {error}"))?;
        let mut stderr = BufReader::new(child.stderr.take().expect("it was asked to be piped"));
        let started = wait_for(&mut stderr, "listening on");
        let capture = Self { child, stderr, file };
        started.map(|_| capture)
    }

    /// Stops it and reads what it has seen.
    fn finish(mut self) -> Result<Truth, String> {
        pause(BLOCK);
        signal(&self.child, Signal::SIGINT)?;
        let dropped = wait_for(&mut self.stderr, "dropped by kernel")?;
        self.child.wait().map_err(|error| format!("cannot wait for tcpdump: {error}"))?;
        if !dropped.starts_with("0 ") {
            println!("  the witness is not complete: {dropped}");
        }
        rewind(&mut self.file)?;
        Truth::read(&mut self.file).map_err(|error| format!("cannot read the capture: {error}"))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file without a name, in memory where possible: it goes with its last handle, come what may.
fn scratch() -> Result<File, String> {
    let memory = Path::new("/dev/shm");
    let file = if memory.is_dir() { tempfile::tempfile_in(memory) } else { tempfile::tempfile() };
    file.map_err(|error| format!("cannot make a scratch file: {error}"))
}

/// Another handle of a file, for a child.
fn same(file: &File) -> Result<File, String> {
    file.try_clone().map_err(|error| format!("cannot pass a scratch file on: {error}"))
}

fn rewind(file: &mut File) -> Result<(), String> {
    file.rewind().map_err(|error| format!("cannot read a scratch file: {error}"))
}

/// Reads lines until one contains `words`; returns it.
fn wait_for(reader: &mut impl BufRead, words: &str) -> Result<String, String> {
    let mut seen = String::new();
    for line in reader.by_ref().lines() {
        let line = line.map_err(|error: io::Error| error.to_string())?;
        if line.contains(words) {
            return Ok(line);
        }
        seen = line;
    }
    Err(format!("it ended before it said `{words}`; its last words: {seen}"))
}

fn signal(child: &Child, signal: Signal) -> Result<(), String> {
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, signal).map_err(|errno| format!("cannot signal process {pid}: {errno}"))
}

/// CPU seconds of all children that have ended and been waited for.
fn children_cpu() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return f64::NAN };
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Largest resident set of a living process in MiB; 0 if it has gone.
fn peak_rss(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.split(' ').rev().nth(1)?.parse().ok());
    kib.map_or(0.0, |kib: f64| kib / 1024.0)
}

/// Lets time pass. The bench works in real time, which is what it measures.
#[expect(clippy::disallowed_methods, reason = "a bench waits for other processes in real time")]
pub(crate) fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// Processes that take CPU time from everybody; they end with the value.
pub(crate) struct Hogs(Vec<Child>);

impl Hogs {
    /// Starts so many.
    pub(crate) fn start(count: usize) -> Result<Self, String> {
        let mut hogs = Self(Vec::with_capacity(count));
        for _ in 0..count {
            let hog = Command::new(MORTAL[0])
                .args(&MORTAL[1..])
                .args(["sh", "-c", "while :; do :; done"])
                .spawn();
            hogs.0.push(hog.map_err(|error| format!("cannot start sh: {error}"))?);
        }
        Ok(hogs)
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            let _ = hog.kill();
            let _ = hog.wait();
        }
    }
}
