//! `cargo xtask bench vco`: one poll of a simulated orchestrator with 1,000 edges of two links, 50 ms a call,
//! beside a client that asks for one edge after the other, in the same run; then 10,000 links, judged by `sigma` and
//! by the daemon's `nm`.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use model::{Clock, SystemClock};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench_probe::bed::pause;
use crate::goals::{At, Goals};
use crate::process::Running;
use crate::{command, packages, pages};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Edges of the simulated orchestrator.
    #[arg(long, default_value_t = 1_000)]
    edges: u32,
    /// A program that is built already, instead of a release build.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Ask the stand-in of the tests instead: it is written in Python apart from us, and makes up one answer at a
    /// time.
    #[arg(long)]
    stand_in: bool,
    /// Let the sequential client speak HTTP by Python's own library, which costs it less than the original's.
    #[arg(long)]
    plain: bool,
}

/// Debian packages of the sequential client.
const PACKAGES: &[&str] = &["python3", "python3-requests"];
/// Where the pages of the measured daemon are.
const PAGES: &str = "127.0.0.1:26421";
/// What the daemon counts samples by that it judged.
const JUDGED: &str = "netmend_samples_judged_total";
/// A daemon has so long for its first poll.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a run cost.
struct Cost {
    wall: Duration,
    cpu: Duration,
    out: String,
    err: String,
}

/// Runs the measurement and prints it beside the goals.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let program = match &args.program {
        Some(program) => program.clone(),
        None => built()?,
    };
    packages::install(PACKAGES)?;
    println!("{} edges x 2 links, 50 ms a call, TLS on loopback; SIMULATION", args.edges);
    // Both stand at the same time.
    let now = (SystemClock.now_ms().0 / 1_000).to_string();
    let start = || {
        if args.stand_in {
            return Bed::stand_in(args.edges, &now);
        }
        Bed::of_lab(&program, args.edges, Duration::from_millis(50))
    };
    let bed = start()?;
    let mut ours = Command::new(&program);
    ours.args(["vco", "once", "--now", &now, "--config"]).arg(bed.config()?);
    let ours = cost("netmend vco once", &mut ours)?;
    let calls = bed.calls()?;
    let bed = start()?;
    let script = command::root().join("xtask/src/bench_vco/sequential.py");
    let mut theirs = Command::new("/usr/bin/python3");
    theirs.arg(script).arg(&bed.at).arg(bed.ca()).args([&bed.token, &now]);
    theirs.arg(if args.plain { "http.client" } else { "requests" });
    let theirs = cost("a sequential client in Python", &mut theirs)?;
    println!("  it says: {}", theirs.out.trim());
    let said: Value = serde_json::from_str(&theirs.out).map_err(|why| why.to_string())?;
    drop(bed);
    let mut goals = Goals::default();
    let ratio = |ours: Duration, theirs: Duration| ours.as_secs_f64() / theirs.as_secs_f64();
    goals.check(
        "wall time, share of the sequential client's",
        ratio(ours.wall, theirs.wall),
        At::Most(0.125),
    );
    goals.check(
        "CPU time, share of the sequential client's",
        ratio(ours.cpu, theirs.cpu),
        At::Most(1.0 / 15.0),
    );
    goals.check("calls", calls, At::Most(f64::from(args.edges) + 5.0));
    let (found, wanted) = (ours.out.lines().count() as f64, said["anomalies"].as_f64());
    goals.check("anomalies found", found, At::Least(1.0));
    let missed = wanted.map_or(f64::INFINITY, |wanted| (found - wanted).abs());
    goals.check("anomalies that only one of both found", missed, At::Most(0.0));
    let many = Bed::of_lab(&program, 5_000, Duration::ZERO)?;
    goals.check("10,000 links judged by sigma, in s", by_sigma(&program, &many)?, At::Most(1.0));
    let nm = by_nm(&program, &many, 10_000)?;
    goals.check(
        "10,000 links judged by nm in the daemon, CPU of its judge in s",
        nm,
        At::Most(1.0),
    );
    goals.conclude();
    Ok(())
}

/// How long it took `netmend vco once` to judge all links of this orchestrator, in seconds, as it says.
fn by_sigma(program: &Path, bed: &Bed) -> Result<f64, String> {
    let mut once = Command::new(program);
    once.args(["vco", "once", "--verbose", "--config"]).arg(bed.config()?);
    let once = cost("netmend vco once, 10,000 links", &mut once)?;
    println!("  it says: {}", once.err.trim());
    let (_, words) = once.err.split_once("judged in ").ok_or("it does not say how long")?;
    let milliseconds = words.split_whitespace().next().and_then(|number| number.parse().ok());
    milliseconds.map(|ms: f64| ms / 1e3).ok_or_else(|| format!("it says {words:?}"))
}

/// What the thread of the daemon that judges used for the first poll of so many links, in seconds of CPU. Of each
/// link that brings the last 65 min: 13 readings of six metrics. A later poll brings one.
fn by_nm(program: &Path, bed: &Bed, links: u32) -> Result<f64, String> {
    let samples = f64::from(links) * 13.0 * 6.0;
    let mut run = Command::new(program);
    run.arg("run").arg("--config").arg(bed.config()?).args(["--listen", PAGES]);
    let daemon = Running::start(run.arg("--data").arg(bed.folder.path().join("data")))?;
    let start = SystemClock.monotonic();
    loop {
        let judged = pages::system(PAGES).map_or(0.0, |said| pages::counted(&said, JUDGED));
        if judged >= samples {
            let used = daemon.thread_cpu_s("judge")?;
            let each = used * 1e9 / judged;
            println!("  the daemon judged {judged:.0} samples by nm, {each:.0} ns each");
            return Ok(used);
        }
        if SystemClock.monotonic().saturating_sub(start) > PATIENCE {
            return Err(format!("the daemon judged {judged} of {samples} samples in time"));
        }
        pause(Duration::from_millis(200));
    }
}

/// The release build of netmend.
fn built() -> Result<PathBuf, String> {
    command::run("cargo", &["build", "--release", "-p", "netmend"])?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| command::root().join("target"), PathBuf::from);
    Ok(target.join("release/netmend"))
}

/// Runs a program to its end.
fn cost(name: &str, command: &mut Command) -> Result<Cost, String> {
    let used = || -> Result<Duration, String> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|why| why.to_string())?;
        let of = |time: nix::sys::time::TimeVal| {
            let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
            Duration::from_micros(micros.unsigned_abs())
        };
        Ok(of(usage.user_time()) + of(usage.system_time()))
    };
    let (start, before) = (SystemClock.monotonic(), used()?);
    let out = command.stdin(Stdio::null()).output().map_err(|why| format!("{name}: {why}"))?;
    let (wall, cpu) =
        (SystemClock.monotonic().saturating_sub(start), used()?.saturating_sub(before));
    if !out.status.success() {
        return Err(format!("{name} failed: {}", String::from_utf8_lossy(&out.stderr).trim()));
    }
    println!("  {name}: {:.1} s, {:.2} s of CPU", wall.as_secs_f64(), cpu.as_secs_f64());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Cost { wall, cpu, out: text(&out.stdout), err: text(&out.stderr) })
}

/// A simulated orchestrator, which ends with it.
struct Bed {
    child: Child,
    /// What our own says; the stand-in says nothing.
    words: Option<BufReader<ChildStdout>>,
    at: String,
    /// The token that it takes.
    token: String,
    /// What it is in a configuration.
    vco: Value,
    folder: TempDir,
}

impl Bed {
    /// The stand-in of the tests.
    fn stand_in(edges: u32, now: &str) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|why| why.to_string())?;
        let peer = command::root().join("crates/measure/tests/orchestrator/fake_vco.py");
        let mut child = Command::new("python3")
            .arg(peer)
            .args(["--gen", &edges.to_string(), "--links", "2", "--anomalies", "3"])
            .args(["--port", "0", "--now", now, "--delay-ms", "50"])
            .arg("--tls-dir")
            .arg(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|why| format!("cannot start python3: {why}"))?;
        let mut line = String::new();
        let words = child.stderr.take().ok_or("its words are piped")?;
        BufReader::new(words).read_line(&mut line).map_err(|why| why.to_string())?;
        let at = line.split_whitespace().nth(3).ok_or_else(|| format!("the peer says {line:?}"))?;
        let (at, token) = (at.to_owned(), "token".to_owned());
        let vco = json!({ "kind": "vco", "url": at, "token": token, "ca": "ca.pem" });
        Ok(Self { child, words: None, at, token, vco, folder })
    }

    /// Our own, with two links of each of so many edges, as they usually are. It answers after `latency`, several
    /// at a time; without that at once, without TLS, for who is not late and needs no past.
    fn of_lab(program: &Path, edges: u32, latency: Duration) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|why| why.to_string())?;
        let mut lab = Command::new(program);
        lab.args(["lab", "orchestrator", "--calm", "--links", "2", "--listen", "127.0.0.1:0"]);
        lab.args(["--edges", &edges.to_string(), "--latency", &latency.as_millis().to_string()]);
        if !latency.is_zero() {
            lab.arg("--ca").arg(folder.path().join("ca.pem"));
        }
        let started = lab.stdout(Stdio::piped()).spawn();
        let mut child = started.map_err(|why| format!("cannot start the lab: {why}"))?;
        let mut words = BufReader::new(child.stdout.take().ok_or("its words are piped")?);
        let mut line = String::new();
        words.read_line(&mut line).map_err(|why| why.to_string())?;
        let at = line.split_whitespace().last().ok_or_else(|| format!("the lab says {line:?}"))?;
        let (at, token) = (at.to_owned(), "lab".to_owned());
        let vco = if latency.is_zero() {
            json!({ "kind": "vco", "url": at, "token": token, "lag": "0s", "backfill": "0s" })
        } else {
            json!({ "kind": "vco", "url": at, "token": token, "ca": "ca.pem" })
        };
        Ok(Self { child, words: Some(words), at, token, vco, folder })
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A config that names it.
    fn config(&self) -> Result<PathBuf, String> {
        let file = self.folder.path().join("netmend.yaml");
        let text = json!({ "orchestrators": { "bench": self.vco } }).to_string();
        std::fs::write(&file, text).map_err(|why| why.to_string())?;
        Ok(file)
    }

    /// Ends it; how many questions it was asked.
    fn calls(mut self) -> Result<f64, String> {
        let Some(mut words) = self.words.take() else { return self.counted() };
        let id = Pid::from_raw(self.child.id().cast_signed());
        kill(id, Signal::SIGINT).map_err(|why| format!("cannot end the lab: {why}"))?;
        let mut said = String::new();
        words.read_to_string(&mut said).map_err(|why| why.to_string())?;
        let count =
            said.rsplit_once("questions: ").and_then(|(_, count)| count.trim().parse().ok());
        count.ok_or_else(|| format!("the lab says {said:?}"))
    }

    /// The same of the stand-in, which counts for those who ask.
    fn counted(&self) -> Result<f64, String> {
        let ask = "import json,ssl,sys,urllib.request as u; \
            c=ssl.create_default_context(cafile=sys.argv[2]); \
            print(json.dumps(json.load(u.urlopen(sys.argv[1]+'/__fake/stats',context=c))['by_method']))";
        let out = Command::new("python3").args(["-c", ask, &self.at]).arg(self.ca()).output();
        let out = out.map_err(|why| why.to_string())?;
        let counts: Value = serde_json::from_slice(&out.stdout).map_err(|why| why.to_string())?;
        let counts = counts.as_object().ok_or("the peer counts by method")?;
        Ok(counts.values().filter_map(Value::as_f64).sum())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
