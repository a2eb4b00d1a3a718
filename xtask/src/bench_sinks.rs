//! `cargo xtask bench sinks`: what it costs to pass points on to influxd from Debian's packages, beside what it
//! costs influxd to take them; and whether three databases at once change what the probes find. It prints
//! whether the goals are met. Needs root and a calm machine; it leaves nothing behind.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use model::{Clock, Metric, SystemClock, UnixMs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use store::{RangeAnswer, RangeQuery, Store};

use crate::bench_probe::bed::{Bed, pause, time};
use crate::bench_probe::build;
use crate::goals::{At, Goals};
use crate::{command, packages};

/// Debian packages of the database and of the witness.
const PACKAGES: &[&str] = &["influxdb", "iproute2", "procps", "tcpdump", "util-linux"];
/// What starts or ends must do so within this.
const PATIENCE: Duration = Duration::from_mins(3);
/// First port of the databases.
const PORT: u16 = 24_086;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure; everything if none is named.
    pieces: Vec<Piece>,
    /// Points a second.
    #[arg(long, default_value_t = 100_000)]
    rate: u32,
    /// Seconds of each run.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Targets of the timing run, each asked once a second.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    targets: u32,
    /// Use this binary instead of building one.
    #[arg(long, value_name = "FILE")]
    netmend: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Piece {
    /// CPU of ours and of influxd for the same points.
    Cpu,
    /// The probes' error against the wire, without databases, with three elsewhere, and with three here.
    Timing,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    packages::install(PACKAGES)?;
    let pieces = if args.pieces.is_empty() { Piece::value_variants() } else { &args.pieces[..] };
    let mut goals = Goals::default();
    for piece in pieces {
        match piece {
            Piece::Cpu => cpu(args, &mut goals)?,
            Piece::Timing => timing(args, &mut goals)?,
        }
    }
    println!();
    goals.conclude();
    Ok(())
}

fn cpu(args: &Args, goals: &mut Goals) -> Result<(), String> {
    let Args { rate, seconds, .. } = args;
    println!("\ncpu: {rate} points/s for {seconds} s into influxd");
    command::run("cargo", &["build", "--release", "-p", "netmend-store", "--example", "sinks"])?;
    let folder = tempfile::tempdir().map_err(|why| format!("cannot make a folder: {why}"))?;
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| command::root().join("target"), PathBuf::from);
    let influxd = Influxd::start(Command::new("influxd"), folder.path(), PORT)?;
    for together in [1, 5, 20] {
        let best = replay(&influxd, together)?;
        println!(
            "  influxd by itself takes {best:.0} points/s of requests that were made before, with {together} points \
             of a series in each"
        );
    }
    let before = cpu_s(&influxd.child)?;
    let mut load = Command::new(target.join("release/examples/sinks"));
    load.args([rate.to_string(), seconds.to_string(), influxd.url()]);
    let ran = time(&mut load, PATIENCE)?;
    let theirs = cpu_s(&influxd.child)? - before;
    let figures: Value = serde_json::from_reader(&ran.stdout)
        .map_err(|why| format!("the load says nothing that can be read: {why}"))?;
    let sent = figures["sent"][0].as_f64().unwrap_or(0.0);
    let wall_s = figures["wall_s"].as_f64().unwrap_or(f64::NAN);
    let ours = ran.cost.cpu_s;
    println!("  netmend {ours:.1} s CPU, influxd {theirs:.1} s CPU, {wall_s:.1} s, {figures}");
    let rate = f64::from(*rate);
    let half = figures["half"][0].as_f64().unwrap_or(0.0);
    // No more than the rate is written; a request more or less at either end is no miss.
    goals.check("points/s into influxd, in the second half", half, At::Least(rate * 0.99));
    goals.check(
        "the same with the start and what waited at the end",
        sent / wall_s,
        At::Least(rate * 0.95),
    );
    goals.check("points/s for a core of ours", sent / ours, At::Least(rate));
    goals.check("CPU beside influxd's", ours / theirs, At::Most(0.2));
    Ok(())
}

/// How many points a second influxd takes at best: requests that were made before, on two connections, each with so
/// many points of each of its series.
fn replay(influxd: &Influxd, together: usize) -> Result<f64, String> {
    const REQUESTS: usize = 40;
    const POINTS: usize = 10_000;
    const HOSTS: usize = 20_000;
    let body = |request: usize| {
        let mut body = String::with_capacity(POINTS * 160);
        for number in 0..POINTS {
            let of_all = request * POINTS + number;
            let host = of_all / together % HOSTS;
            let round = of_all / (HOSTS * together) * together + number % together;
            let at = 1_700_000_000_000 + round * 1_000;
            let rtt = (10_000 + number * 7 % 3_001) as f64 / 1e3;
            writeln!(
                body,
                "ping_rtt,host=10.64.{}.{},region=aws-london transmitted=1,received=1,loss=0,min={rtt},avg={rtt},\
                 max={rtt},jitter=0.25 {at}",
                host / 256,
                host % 256,
            )
            .expect("a String takes every write");
        }
        let length = body.len();
        format!(
            "POST /write?db=replay{together}&precision=ms HTTP/1.1\r\nhost: influxd\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
    };
    let requests: Vec<String> = (0..REQUESTS).map(body).collect();
    let create = format!("POST /query?q=CREATE+DATABASE+replay{together} HTTP/1.0\r\n\r\n");
    send(influxd.port, &[create], "200")?;
    let start = SystemClock.monotonic();
    let (one, other) = requests.split_at(REQUESTS / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| send(influxd.port, other, "204"));
        send(influxd.port, one, "204")?;
        other.join().map_err(|_| "a sender panicked".to_owned())?
    })?;
    let took = SystemClock.monotonic().saturating_sub(start);
    Ok((REQUESTS * POINTS) as f64 / took.as_secs_f64())
}

/// Sends requests one after the other on a connection; each must be answered with this status.
fn send(port: u16, requests: &[String], status: &str) -> Result<(), String> {
    let failed = |why: io::Error| format!("cannot ask influxd: {why}");
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(failed)?;
    let mut answers = BufReader::new(stream.try_clone().map_err(failed)?);
    for request in requests {
        (&stream).write_all(request.as_bytes()).map_err(failed)?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if answers.read_line(&mut head).map_err(failed)? == 0 {
                return Err(format!("influxd ended its answer in the middle: {head}"));
            }
        }
        if head.split(' ').nth(1) != Some(status) {
            return Err(format!("influxd answers {head}"));
        }
    }
    Ok(())
}

/// Where the three databases of a timing run are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// There are none.
    Nowhere,
    /// On other machines: what takes the points here costs next to nothing.
    Elsewhere,
    /// influxd on this machine, thrice. Its own work disturbs the probes too, and the wire's witness.
    Here,
}

fn timing(args: &Args, goals: &mut Goals) -> Result<(), String> {
    let (targets, seconds) = (args.targets as usize, args.seconds);
    println!("\ntiming: {targets} targets once a second, {seconds} s, with three databases");
    let binary = args.netmend.clone().map_or_else(build, Ok)?;
    let mut p99 = Vec::new();
    for place in [Where::Nowhere, Where::Elsewhere, Where::Here] {
        let bed = Bed::make(&binary)?;
        let folder = tempfile::tempdir().map_err(|why| format!("cannot make a folder: {why}"))?;
        let ports = if place == Where::Nowhere { PORT..PORT } else { PORT..PORT + 3 };
        let mut databases = Vec::new();
        for port in ports.clone() {
            if place == Where::Here {
                let dir = folder.path().join(port.to_string());
                fs::create_dir(&dir).map_err(|why| format!("{}: {why}", dir.display()))?;
                databases.push(Influxd::start(bed.namespace().command("influxd"), &dir, port)?);
            } else {
                let listener = bed.namespace().enter(|| TcpListener::bind(("127.0.0.1", port)));
                let listener = listener.map_err(|why| why.to_string())?;
                take_all(listener.map_err(|why| format!("cannot listen on {port}: {why}"))?);
            }
        }
        let config = folder.path().join("netmend.yaml");
        let urls: Vec<String> = ports.map(|port| format!("http://127.0.0.1:{port}")).collect();
        fs::write(&config, configuration(targets, &urls)).map_err(|why| why.to_string())?;
        let data = folder.path().join("data");
        let ((), truth) = bed.witness(|| {
            let mut run = bed.namespace().command(&binary);
            run.arg("run").arg("--config").arg(&config).arg("--data").arg(&data);
            probe(run, Duration::from_secs(seconds.into()))
        })?;
        let compared = truth.compare(&told(&data)?);
        let (half, most) = (compared.error(0.5), compared.error(0.99));
        println!(
            "  {place:?}: error {half:.1}/{most:.1} us (p50/p99) of {} answers, {} not stored",
            compared.answered, compared.lost_to_tool
        );
        p99.push(most);
        drop(databases);
    }
    goals.check("p99 error with three elsewhere, beside none", p99[1] / p99[0], At::Most(1.5));
    Ok(())
}

/// Answers every write on `listener` as a database does that takes it, until the process ends.
fn take_all(listener: TcpListener) {
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Who goes away in the middle has ended.
            std::thread::spawn(move || drop(take(BufReader::new(stream))));
        }
    });
}

fn take(mut stream: BufReader<TcpStream>) -> io::Result<()> {
    let (mut length, mut line) = (0, String::new());
    while stream.read_line(&mut line)? > 0 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line.trim_end().is_empty() {
            io::copy(&mut (&mut stream).take(length), &mut io::sink())?;
            length = 0;
            let answer = b"HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.6.7\r\n\r\n";
            stream.get_mut().write_all(answer)?;
        }
        line.clear();
    }
    Ok(())
}

/// Runs the daemon for a while.
fn probe(mut run: Command, span: Duration) -> Result<(), String> {
    run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut daemon = run.spawn().map_err(|why| format!("cannot start the daemon: {why}"))?;
    pause(span);
    kill(Pid::from_raw(daemon.id().cast_signed()), Signal::SIGTERM)
        .map_err(|why| why.to_string())?;
    let status = daemon.wait().map_err(|why| why.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("the daemon failed: {status}")) }
}

fn configuration(targets: usize, urls: &[String]) -> String {
    let hosts: Vec<String> =
        (0..targets).map(|host| format!("10.64.{}.{}", host / 256, host % 256)).collect();
    let sinks: Vec<String> =
        urls.iter().map(|url| format!("{{ influxdb: {{ url: '{url}' }} }}")).collect();
    format!(
        "defaults: {{ interval: 1s, timeout: 900ms }}\ntargets: {{ bench: [{}] }}\nsinks: [{}]\n",
        hosts.join(", "),
        sinks.join(", ")
    )
}

/// The RTTs that the daemon stored, by address in the order of its probes.
fn told(data: &Path) -> Result<HashMap<IpAddr, Vec<Option<f64>>>, String> {
    let failed = |why: store::Error| why.to_string();
    let store = Store::open(data, Arc::new(SystemClock)).map_err(failed)?.samples();
    let mut probes: BTreeMap<IpAddr, BTreeMap<i64, Option<f64>>> = BTreeMap::new();
    for metric in [Metric::Loss, Metric::Rtt] {
        let series = store.list(Some(metric)).map_err(failed)?;
        let series: Vec<_> =
            series.iter().filter(|series| series.labels.get("band").is_none()).collect();
        let ids = series.iter().map(|series| series.id()).collect();
        let (from, until) = (UnixMs(0), UnixMs(i64::MAX));
        let query = RangeQuery { series: ids, from, until, step: None, exact: true };
        for (series, answer) in series.iter().zip(store.range(&query).map_err(failed)?) {
            let host = series.labels.get("host").and_then(|host| host.parse().ok());
            let (Some(host), RangeAnswer::Samples(samples)) = (host, answer) else { continue };
            let known = probes.entry(host).or_default();
            for (at, value) in samples {
                let rtt = known.entry(at.0).or_default();
                *rtt = (metric == Metric::Rtt).then_some(value);
            }
        }
    }
    Ok(probes.into_iter().map(|(host, probes)| (host, probes.into_values().collect())).collect())
}

/// A running influxd.
struct Influxd {
    child: Child,
    port: u16,
}

impl Influxd {
    /// Starts it with its data in `dir`; `influxd` is the command without arguments.
    fn start(mut influxd: Command, dir: &Path, port: u16) -> Result<Self, String> {
        let config = dir.join("influxd.conf");
        let folder = dir.display();
        let text = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{}\"\n\
             [meta]\ndir = \"{folder}/meta\"\n[data]\ndir = \"{folder}/data\"\n\
             wal-dir = \"{folder}/wal\"\n[http]\nbind-address = \"127.0.0.1:{port}\"\n\
             log-enabled = false\n[monitor]\nstore-enabled = false\n",
            port + 100
        );
        fs::write(&config, text).map_err(|why| format!("{}: {why}", config.display()))?;
        let quiet = influxd.arg("-config").arg(config).stdin(Stdio::null());
        let child = quiet.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.map_err(|why| format!("cannot start influxd: {why}"))?;
        let influxd = Self { child, port };
        // Those in a namespace are not reached from here: they get the time that others need.
        let start = SystemClock.monotonic();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            pause(Duration::from_millis(50));
            if SystemClock.monotonic().saturating_sub(start) > Duration::from_secs(3) {
                break;
            }
        }
        Ok(influxd)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Influxd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// CPU seconds of a living process, in the kernel's hundredths.
fn cpu_s(child: &Child) -> Result<f64, String> {
    let path = format!("/proc/{}/stat", child.id());
    let stat = fs::read_to_string(&path).map_err(|why| format!("{path}: {why}"))?;
    let words: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| words.get(place).and_then(|word| word.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).ok_or_else(|| format!("{path}: {stat}"))?;
    Ok((user + system) / 100.0)
}
