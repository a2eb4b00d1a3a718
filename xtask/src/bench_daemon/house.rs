//! Where the daemon is measured: a namespace with a simulated network, a data folder that may be filled
//! with a past, and the running daemon itself. Everything ends with the value.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lab::{Namespace, Options, Scenario, Simulation};
use model::{Clock, Metric, Protocol, Sample, Series, SystemClock, Target, UnixMs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use store::{Batch, Store};

use crate::bench_probe::bed::{MORTAL, pause};

/// Where the pages are, inside the namespace.
pub(super) const PAGES: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8420);
/// Targets of one region: as many as a rack row has.
const REGION: usize = 250;
/// The daemon has so long to serve its first page.
const PATIENCE: Duration = Duration::from_secs(90);

/// A simulated network in a namespace.
pub(super) struct House {
    _simulation: Simulation,
    folder: tempfile::TempDir,
    namespace: Namespace,
}

/// A past to begin with: SIMULATION, written through the store's own API.
#[derive(Clone, Copy)]
pub(super) struct Past {
    /// How many of the targets have one.
    pub(super) targets: usize,
    /// How long it is.
    pub(super) length: Duration,
    /// Time between two probes.
    pub(super) interval: Duration,
}

/// A running daemon.
pub(super) struct Daemon<'a> {
    child: Child,
    namespace: &'a Namespace,
}

/// What a process has used.
#[derive(Clone, Copy)]
pub(super) struct Usage {
    /// CPU seconds, user and system.
    pub(super) cpu_s: f64,
    /// Resident memory in MiB now.
    pub(super) rss_mib: f64,
    /// Its largest so far.
    pub(super) peak_mib: f64,
    /// CPU seconds of the thread that judges.
    pub(super) judge_s: f64,
}

/// The targets of a run, as the daemon will know them: all answer after 10 ms.
pub(super) fn targets(count: usize) -> Vec<Target> {
    (0..count)
        .map(|n| {
            let host = format!("10.64.{}.{}", n / 256, n % 256);
            Target::new(&host, &format!("row-{:03}", n / REGION), Protocol::Icmp)
        })
        .collect()
}

impl House {
    /// Builds the namespace and its network.
    pub(super) fn make() -> Result<Self, String> {
        let namespace = Namespace::create().map_err(|error| error.to_string())?;
        let scenario = Scenario::named("bench").map_err(|error| error.to_string())?;
        let clock = Arc::new(SystemClock);
        let simulation = Simulation::start(scenario, &namespace, &Options::default(), clock)
            .map_err(|error| error.to_string())?;
        let folder =
            tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
        Ok(Self { _simulation: simulation, folder, namespace })
    }

    /// The namespace.
    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A data folder of this name.
    pub(super) fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a daemon for these targets on that data folder and waits until it serves.
    pub(super) fn daemon(
        &self,
        binary: &Path,
        targets: &[Target],
        interval: Duration,
        data: &Path,
    ) -> Result<Daemon<'_>, String> {
        let config = self.folder.path().join("netmend.yaml");
        std::fs::write(&config, configuration(targets, interval))
            .map_err(|error| format!("cannot write the configuration: {error}"))?;
        let log = std::fs::File::create(self.folder.path().join("log"))
            .map_err(|error| format!("cannot write the log: {error}"))?;
        let child = self
            .namespace
            .command(MORTAL[0])
            .args(&MORTAL[1..])
            .arg(binary)
            .arg("run")
            .arg("--config")
            .arg(&config)
            .arg("--data")
            .arg(data)
            .args(["--listen", &PAGES.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", binary.display()))?;
        let mut daemon = Daemon { child, namespace: &self.namespace };
        let start = SystemClock.monotonic();
        while daemon.get("/healthz").is_err() {
            let ended = daemon.child.try_wait().is_ok_and(|status| status.is_some());
            if ended || SystemClock.monotonic().saturating_sub(start) > PATIENCE {
                let log = std::fs::read_to_string(self.folder.path().join("log"));
                return Err(format!("the daemon does not serve: {}", log.unwrap_or_default()));
            }
            pause(Duration::from_millis(50));
        }
        Ok(daemon)
    }
}

/// A configuration that asks each target at the same pace.
fn configuration(targets: &[Target], interval: Duration) -> String {
    let mut text =
        format!("site: bench\ndefaults:\n  interval: {}ms\ntargets:\n", interval.as_millis());
    for region in targets.chunk_by(|a, b| a.region == b.region) {
        text.extend(["  ", &region[0].region, ":\n"]);
        for target in region {
            text.extend(["    - ", &target.host, "\n"]);
        }
    }
    text
}

impl Past {
    /// Writes it into the store in `data`; returns how many samples that was. The store is closed after.
    pub(super) fn write(self, targets: &[Target], data: &Path) -> Result<u64, String> {
        let told = |error: store::Error| format!("cannot fill the store: {error}");
        let clock = SystemClock;
        let store = Store::open(data, Arc::new(clock)).map_err(told)?;
        let samples = store.samples();
        let series: Vec<[Series; 3]> = targets[..self.targets]
            .iter()
            .map(|target| Metric::ALL.map(|metric| target.series(metric)))
            .collect();
        samples.register(&series.concat()).map_err(told)?;
        let ids: Vec<_> = series.iter().map(|three| three.each_ref().map(Series::id)).collect();
        let rounds = (self.length.as_millis() / self.interval.as_millis()) as u32;
        let end = clock.now_ms();
        let (mut noise, mut written, mut seq) = (88_172_645_463_325_252_u64, 0, 0);
        let mut batch = Vec::new();
        for round in (0..rounds).rev() {
            let at = UnixMs(end.0 - i64::from(round) * self.interval.as_millis() as i64);
            for three in &ids {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                probe(three, at, noise, &mut batch);
            }
            if batch.len() >= 1_000_000 || round == 0 {
                seq += 1;
                written += batch.len() as u64;
                let samples_now = std::mem::take(&mut batch);
                samples.append(Batch { source: 0, seq, samples: samples_now }).map_err(told)?;
            }
        }
        Ok(written)
    }
}

/// The samples of one probe: one in fifty is lost, the others take 10 to 13 ms.
fn probe([rtt, jitter, loss]: &[model::SeriesId; 3], at: UnixMs, noise: u64, to: &mut Vec<Sample>) {
    let lost = noise.is_multiple_of(50);
    to.push(Sample { series: *loss, at, value: if lost { 100.0 } else { 0.0 } });
    if !lost {
        to.push(Sample { series: *rtt, at, value: 10_000.0 + (noise % 3_001) as f64 });
        to.push(Sample { series: *jitter, at, value: (noise % 400) as f64 });
    }
}

impl Daemon<'_> {
    /// GETs a path from inside the namespace; gives the body.
    pub(super) fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let connected = self.namespace.enter(|| TcpStream::connect(PAGES));
        let told = |error: std::io::Error| format!("{path}: {error}");
        let mut stream = connected.map_err(|error| error.to_string())?.map_err(told)?;
        let ask = format!("GET {path} HTTP/1.1\r\nhost: {PAGES}\r\nconnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).map_err(told)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(told)?;
        let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        match head {
            Some(end) if answer.starts_with(b"HTTP/1.1 200") => Ok(answer.split_off(end + 4)),
            _ => Err(format!(
                "{path}: {}",
                String::from_utf8_lossy(&answer[..answer.len().min(300)])
            )),
        }
    }

    /// What it has used until now.
    pub(super) fn usage(&self) -> Result<Usage, String> {
        let read = |name: &str| {
            let path = format!("/proc/{}/{name}", self.child.id());
            std::fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))
        };
        let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)
            .ok()
            .flatten()
            .ok_or("the kernel does not say how long a tick is")?;
        let status = read("status")?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib: Option<f64> =
                line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            kib.map_or(f64::NAN, |kib| kib / 1024.0)
        };
        let judge = self.thread("judge")?;
        Ok(Usage {
            cpu_s: ticks(&read("stat")?) / per_second as f64,
            judge_s: ticks(&read(&format!("task/{judge}/stat"))?) / per_second as f64,
            rss_mib: mib("VmRSS:"),
            peak_mib: mib("VmHWM:"),
        })
    }
}

impl Daemon<'_> {
    /// The number of its thread of this name.
    fn thread(&self, name: &str) -> Result<String, String> {
        let folder = format!("/proc/{}/task", self.child.id());
        let threads = std::fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
        let mut names = threads.flatten().map(|thread| thread.path());
        let found = names.find(|path| {
            std::fs::read_to_string(path.join("comm")).is_ok_and(|found| found.trim() == name)
        });
        let number = found.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        number.ok_or_else(|| format!("the daemon has no thread `{name}`"))
    }
}

/// User and system time in a `stat`, in ticks. The name in brackets may hold anything; after it come the
/// fields 3 and on (proc(5)).
fn ticks(stat: &str) -> f64 {
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    fields.take(2).filter_map(|field| field.parse::<f64>().ok()).sum()
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // A daemon that is gone already needs no signal.
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
