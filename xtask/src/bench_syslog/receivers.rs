//! The receivers of the bench: how each is started, fed and watched until its file holds every line.

use std::fs::{self, File};
use std::io::{self, IoSlice, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lab::syslog::Generator;
use model::{Clock, SystemClock};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{MsgFlags, MultiHeaders, sendmmsg};
use nix::unistd::Pid;

use super::{DEVICES, WHEN};
use crate::command;

/// Longest that a receiver may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// Who receives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Receiver<'a> {
    Netmend,
    Rsyslog,
    /// With the root of what was unpacked of it.
    SyslogNg(&'a Path),
}

/// What was found of one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    /// From the first byte sent to the last line written.
    pub(super) lines_per_second: f64,
    /// CPU of the receiving process, user and system, in microseconds a line.
    pub(super) cpu_us: f64,
}

/// What became of datagrams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagrams {
    pub(super) sent: u64,
    pub(super) seconds: f64,
    pub(super) written: u64,
}

/// A running receiver; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Running {
    /// CPU time so far.
    fn cpu(&self) -> Result<Duration, String> {
        let path = format!("/proc/{}/stat", self.0.id());
        let stat = fs::read_to_string(&path).map_err(|why| format!("{path}: {why}"))?;
        // The name in parentheses may hold blanks; what follows is counted from field 3 (proc(5)).
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).ok_or_else(|| format!("{path}: {stat}"))?;
        // USER_HZ is 100 on every Linux that Debian runs on.
        Ok(Duration::from_millis((user + system) * 10))
    }
}

impl Receiver<'_> {
    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Netmend => "netmend",
            Self::Rsyslog => "rsyslog",
            Self::SyslogNg(_) => "syslog-ng",
        }
    }

    /// Sends the lines of a file over TCP and waits until the receiver has written all of them.
    pub(super) fn tcp(self, scratch: &Path, lines: &Path, count: u64) -> Result<Figures, String> {
        let output = scratch.join(format!("{}.json", self.name()));
        let address = free()?;
        let running = self.start(scratch, address, &output)?;
        let mut stream = connect(address)?;
        let before = running.cpu()?;
        let start = SystemClock.monotonic();
        let mut file = File::open(lines).map_err(|why| format!("{}: {why}", lines.display()))?;
        let sender = std::thread::spawn(move || io::copy(&mut file, &mut stream));
        let took = wait_for(&output, count)?.saturating_sub(start);
        let cpu = running.cpu()?.saturating_sub(before);
        match sender.join() {
            Ok(Ok(_)) => {}
            other => return Err(format!("{}: the lines cannot be sent: {other:?}", self.name())),
        }
        drop(fs::remove_file(&output));
        Ok(Figures {
            lines_per_second: count as f64 / took.as_secs_f64(),
            cpu_us: cpu.as_secs_f64() * 1e6 / count as f64,
        })
    }

    fn start(self, scratch: &Path, address: SocketAddr, output: &Path) -> Result<Running, String> {
        let configure = |text: String| {
            let path = scratch.join(format!("{}.conf", self.name()));
            fs::write(&path, text)
                .map_err(|why| format!("{}: {why}", path.display()))
                .map(|()| path)
        };
        let mut command = match self {
            Receiver::Netmend => {
                let mut command = Command::new(netmend());
                command.args(["syslog", "receive", "--tcp", &address.to_string(), "--output"]);
                command.arg(output);
                command
            }
            Receiver::Rsyslog => {
                let config = configure(rsyslog(scratch, address, output))?;
                let mut command = Command::new("/usr/sbin/rsyslogd");
                command.arg("-n").arg("-f").arg(config).arg("-i").arg(scratch.join("rsyslog.pid"));
                command
            }
            Receiver::SyslogNg(root) => {
                let config = configure(syslog_ng(address, output))?;
                let files = |name: &str| scratch.join(format!("syslog-ng.{name}"));
                let modules = root.join("usr/lib/syslog-ng");
                let mut command = Command::new(root.join("usr/sbin/syslog-ng"));
                command.args(["--foreground", "--no-caps", "--cfgfile"]).arg(config);
                command.arg("--persist-file").arg(files("persist"));
                command.arg("--pidfile").arg(files("pid")).arg("--control").arg(files("control"));
                command.arg("--module-path").arg(module_folder(&modules)?);
                command.env("LD_LIBRARY_PATH", libraries(root)?);
                command
            }
        };
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        child.map(Running).map_err(|why| format!("{}: {why}", self.name()))
    }
}

/// rsyslog with its defaults, parsing into the same kinds of fields.
fn rsyslog(scratch: &Path, address: SocketAddr, output: &Path) -> String {
    format!(
        r#"global(workDirectory="{}" maxMessageSize="64k")
module(load="imtcp")
template(name="json" type="list" option.jsonf="on") {{
  property(outname="device" name="hostname" format="jsonf")
  property(outname="relay" name="fromhost-ip" format="jsonf")
  property(outname="app" name="programname" format="jsonf")
  property(outname="pid" name="procid" format="jsonf")
  property(outname="facility" name="syslogfacility" format="jsonf")
  property(outname="severity" name="syslogseverity" format="jsonf")
  property(outname="device_time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
  property(outname="raw" name="rawmsg" format="jsonf")
}}
input(type="imtcp" address="{}" port="{}")
action(type="omfile" file="{}" template="json" ioBufferSize="256k" flushOnTXEnd="on")
"#,
        scratch.display(),
        address.ip(),
        address.port(),
        output.display()
    )
}

/// syslog-ng with its defaults, parsing into the same kinds of fields; flow control keeps it from losing lines.
fn syslog_ng(address: SocketAddr, output: &Path) -> String {
    format!(
        r#"@version: 3.38
options {{ keep-hostname(yes); use-dns(no); dns-cache(no); stats-freq(0); }};
source lines {{
  network(ip("{}") port({}) transport("tcp") log-msg-size(65536) flags(store-raw-message));
}};
destination json {{
  file("{}" template("$(format-json device=$HOST relay=$SOURCEIP app=$PROGRAM pid=$PID facility=$FACILITY_NUM severity=$LEVEL_NUM device_time=$S_ISODATE message=$MSG raw=$RAWMSG)\n"));
}};
log {{ source(lines); destination(json); flags(flow-control); }};
"#,
        address.ip(),
        address.port(),
        output.display()
    )
}

/// The folder of syslog-ng's modules, which bears its version.
fn module_folder(folder: &Path) -> Result<PathBuf, String> {
    let missing = |why: &dyn std::fmt::Display| format!("{}: {why}", folder.display());
    let entries = fs::read_dir(folder).map_err(|why| missing(&why))?.filter_map(Result::ok);
    let mut folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    folders.next().ok_or_else(|| missing(&"no folder of modules"))
}

/// Where the libraries lie that were unpacked.
fn libraries(root: &Path) -> Result<String, String> {
    let mut found = vec![root.join("usr/lib/syslog-ng")];
    for folder in ["lib", "usr/lib"].map(|name| root.join(name)) {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let folders = entries.filter_map(Result::ok).map(|entry| entry.path());
        found.extend(folders.filter(|path| path.to_string_lossy().ends_with("-linux-gnu")));
    }
    let joined = std::env::join_paths(found).map_err(|why| why.to_string())?;
    joined.into_string().map_err(|path| format!("{} is no text", path.to_string_lossy()))
}

/// Sends datagrams at a rate to netmend and counts what it wrote.
pub(super) fn udp(scratch: &Path, rate: u64, seconds: u64) -> Result<Datagrams, String> {
    let output = scratch.join("udp.json");
    let address = free()?;
    let child = Command::new(netmend())
        .args(["syslog", "receive", "--udp", &address.to_string(), "--output"])
        .arg(&output)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|why| format!("netmend: {why}"))?;
    let mut running = Running(child);
    let mut said = running.0.stderr.take().ok_or("netmend has a standard error")?;
    // It says that it receives before it does anything else.
    said.read_exact(&mut [0; 9]).map_err(|why| format!("netmend did not start: {why}"))?;
    let lines = datagrams();
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(|why| why.to_string())?;
    socket.connect(address).map_err(|why| why.to_string())?;
    let (total, start) = (rate * seconds, SystemClock.monotonic());
    let mut sent = 0;
    while sent < total {
        let passed = SystemClock.monotonic().saturating_sub(start);
        let due = (passed.as_micros() as u64 * rate / 1_000_000).min(total);
        while sent < due {
            sent += send(&socket, &lines, sent, (due - sent).min(AT_ONCE))?;
        }
        std::thread::yield_now();
    }
    let took = SystemClock.monotonic().saturating_sub(start);
    kill(Pid::from_raw(running.0.id().cast_signed()), Signal::SIGTERM)
        .map_err(|why| why.to_string())?;
    running.0.wait().map_err(|why| why.to_string())?;
    let mut told = String::new();
    drop(said.read_to_string(&mut told));
    println!("  netmend says: {}", told.trim().lines().last().unwrap_or_default());
    let written = count(&output, 0).map(|(lines, _)| lines)?;
    Ok(Datagrams { sent, seconds: took.as_secs_f64(), written })
}

/// Datagrams a call: one call each would make the sender the bottleneck.
const AT_ONCE: u64 = 64;

/// Sends some of the lines, beginning with that of a number; says how many were taken.
fn send(socket: &UdpSocket, lines: &[String], from: u64, count: u64) -> Result<u64, String> {
    let line = |number: u64| lines[(number % lines.len() as u64) as usize].as_bytes();
    let pieces: Vec<[IoSlice<'_>; 1]> =
        (from..from + count).map(|number| [IoSlice::new(line(number))]).collect();
    let mut headers = MultiHeaders::<()>::preallocate(pieces.len(), None);
    let addresses: Vec<Option<()>> = vec![None; pieces.len()];
    let sent =
        sendmmsg(socket.as_raw_fd(), &mut headers, &pieces, &addresses, [], MsgFlags::empty());
    sent.map(|sent| sent.count() as u64).map_err(|why| format!("cannot send: {why}"))
}

fn datagrams() -> Vec<String> {
    let mut generator = Generator::new(2, DEVICES);
    let line = |_| {
        let mut line = String::new();
        generator.line(WHEN, &mut line);
        line
    };
    (0..10_000).map(line).collect()
}

/// Waits until a file that grows holds so many lines; when it was last seen to grow. It is read only while it does
/// not grow, since to read it would take the receiver's time.
fn wait_for(output: &Path, wanted: u64) -> Result<Duration, String> {
    let start = SystemClock.monotonic();
    let (mut lines, mut offset) = (0, 0);
    let (mut size, mut grown) = (0, start);
    loop {
        let (found, now) =
            (fs::metadata(output).map_or(0, |file| file.len()), SystemClock.monotonic());
        if found > size {
            (size, grown) = (found, now);
        } else if size > offset {
            let (more, until) = count(output, offset)?;
            (lines, offset) = (lines + more, until);
        }
        if lines >= wanted {
            return Ok(grown);
        }
        if now.saturating_sub(start) > PATIENCE {
            return Err(format!("{} holds {lines} lines, not {wanted}", output.display()));
        }
        #[expect(clippy::disallowed_methods, reason = "a chore may wait")]
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Lines in a file after an offset, and its length.
fn count(path: &Path, offset: u64) -> Result<(u64, u64), String> {
    use std::io::{Seek, SeekFrom};
    let failed = |why: io::Error| format!("{}: {why}", path.display());
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let (mut lines, mut until) = (0, offset);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok((lines, until));
        }
        lines += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
        until += read as u64;
    }
}

/// An address that was free a moment ago.
fn free() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|why| why.to_string())?;
    listener.local_addr().map_err(|why| why.to_string())
}

fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let start = SystemClock.monotonic();
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(why) if SystemClock.monotonic().saturating_sub(start) > PATIENCE => {
                return Err(format!("{address}: {why}"));
            }
            Err(_) => std::thread::yield_now(),
        }
    }
}

/// The release binary.
fn netmend() -> PathBuf {
    release("netmend")
}

/// A program of the release build.
pub(super) fn release(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| command::root().join("target"), PathBuf::from);
    target.join("release").join(name)
}
