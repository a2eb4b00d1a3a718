//! `cargo xtask bench daemon`: what the running daemon and its pages cost, on a simulated network: CPU,
//! memory, the time to a graph and to the first paint in a real browser. It prints tables and whether the
//! goals are met. Needs root and a calm machine; it leaves nothing behind.

#[path = "../../crates/show/tests/it/browser.rs"]
#[expect(dead_code, reason = "shared with the tests of show, which use the rest")]
mod browser;
mod house;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use model::{Clock, Metric, SystemClock};
use serde_json::json;

use crate::bench_probe::bed::{MORTAL, pause};
use crate::bench_probe::build;
use crate::goals::{At, Goals};
use crate::packages;
use browser::Browser;
use house::{Daemon, House, PAGES, Past, targets};

/// Debian packages of the namespace and the browser.
const PACKAGES: &[&str] = &["chromium", "fonts-dejavu-core", "iproute2", "procps", "util-linux"];
/// Time for rows to fill before anything is measured.
const SETTLE: Duration = Duration::from_secs(10);
/// The judge has so long to go on with what was learned.
const PATIENCE: Duration = Duration::from_mins(2);
/// Times each page is asked for.
const RUNS: usize = 20;
/// Notes when a hundred rows, or tiles, of targets are on the screen: the frame after the one in which
/// they were there.
const WATCH: &str = "(() => { const look = () => requestAnimationFrame(() => {
    if (document.querySelectorAll('[data-k], .tile').length < 100) return look();
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { window.rowsAt = performance.now(); };
    port2.postMessage(0); }); look(); })()";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure; everything if none is named.
    pieces: Vec<Piece>,
    /// Seconds of the CPU run, and of the memory run after its past was written.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Use this binary instead of building one.
    #[arg(long, value_name = "FILE")]
    netmend: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Piece {
    /// 1,000 targets once a second: CPU, memory, and a restart.
    Cpu,
    /// 100,000 series at 10 s: memory, what judging costs, and a restart.
    Memory,
    /// A smoke graph of 10 days.
    Graph,
    /// The first paint of pages with 10,000 targets.
    Paint,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    packages::install(PACKAGES)?;
    let binary = args.netmend.clone().map_or_else(build, Ok)?;
    let pieces = if args.pieces.is_empty() { Piece::value_variants() } else { &args.pieces[..] };
    let span = Duration::from_secs(args.seconds);
    let mut bench = Bench { house: House::make()?, binary, goals: Goals::default() };
    println!("SIMULATION: hosts that answer after 10 ms, in a network namespace");
    for piece in pieces {
        match piece {
            Piece::Cpu => bench.cpu(span)?,
            Piece::Memory => bench.memory(span)?,
            Piece::Graph => bench.graph()?,
            Piece::Paint => bench.paint()?,
        }
    }
    println!();
    bench.goals.conclude();
    Ok(())
}

struct Bench {
    house: House,
    binary: PathBuf,
    goals: Goals,
}

impl Bench {
    fn cpu(&mut self, span: Duration) -> Result<(), String> {
        println!("\ncpu: 1,000 targets, once a second, {} s", span.as_secs());
        let targets = targets(1_000);
        let data = self.house.data("cpu");
        let second = Duration::from_secs(1);
        let daemon = self.house.daemon(&self.binary, &targets, second, &data)?;
        // The window of every target is full: 60 probes.
        pause(Duration::from_mins(1) + SETTLE);
        let found = used(&daemon, span)?;
        let answered = outcomes(&daemon, "reply")?;
        drop(daemon);
        println!("  {answered:.0} replies, peak RSS {:.1} MiB", found.peak_mib);
        self.goals.check("CPU in % of one core", found.cpu_pct, At::Most(5.0));
        self.goals.check("RSS in MB", found.rss_mb, At::Most(80.0));
        let again = self.house.daemon(&self.binary, &targets, second, &data)?;
        let took = judge_start(&again)?;
        self.goals.check("restart: the judge of 3,000 series goes on after s", took, At::Most(2.0));
        Ok(())
    }

    fn memory(&mut self, span: Duration) -> Result<(), String> {
        let targets = targets(33_334);
        let interval = Duration::from_secs(10);
        let past = Past { targets: targets.len(), length: Duration::from_hours(2), interval };
        println!("\nmemory: {} targets, {} series, every 10 s", targets.len(), targets.len() * 3);
        let data = self.house.data("memory");
        let start = SystemClock.monotonic();
        let written = past.write(&targets, &data)?;
        println!(
            "  accelerated: 2 h of it ({written} samples) written through the store's API in {:.1} s, \
             then the daemon for {} s",
            SystemClock.monotonic().saturating_sub(start).as_secs_f64(),
            span.as_secs() + SETTLE.as_secs() * 2
        );
        let start = SystemClock.monotonic();
        let daemon = self.house.daemon(&self.binary, &targets, interval, &data)?;
        let ready = SystemClock.monotonic().saturating_sub(start).as_secs_f64();
        pause(SETTLE * 2);
        let found = used(&daemon, span)?;
        let answered = outcomes(&daemon, "reply")?;
        println!(
            "  serves after {ready:.1} s, {answered:.0} replies, CPU {:.1} % of one core, peak RSS {:.0} MiB",
            found.cpu_pct, found.peak_mib
        );
        self.goals.check("RSS in MB", found.rss_mb, At::Most(600.0));
        self.goals.check("judge: CPU in % of one core", found.judge_pct, At::Most(2.0));
        let unjudged = counted(&daemon, "netmend_samples_unjudged_total")?;
        self.goals.check("samples that nobody judged", unjudged, At::Most(0.0));
        drop(daemon);
        let again = self.house.daemon(&self.binary, &targets, interval, &data)?;
        println!("  restart: the judge goes on after {:.1} s", judge_start(&again)?);
        Ok(())
    }

    fn graph(&mut self) -> Result<(), String> {
        println!("\ngraph: 10 days of one target at 3 s, {RUNS} runs each, new connections");
        let targets = targets(100);
        let interval = Duration::from_secs(3);
        let data = self.house.data("graph");
        let past = Past { targets: 1, length: Duration::from_hours(240), interval };
        let written = past.write(&targets, &data)?;
        println!("  {written} samples were written through the store's API before");
        let daemon = self.house.daemon(&self.binary, &targets, interval, &data)?;
        pause(SETTLE);
        let id = targets[0].series(Metric::Rtt).id();
        let graph = format!("/api/v1/range?target={id}&metric=rtt,loss&span=10d");
        let (median, worst) = asked(&daemon, "smoke graph of 10 days", &graph)?;
        asked(&daemon, "page of the target, 10 days", &format!("/targets/{id}?span=10d"))?;
        self.goals.check("smoke graph, median in ms", median, At::Most(100.0));
        self.goals.check("smoke graph, slowest in ms", worst, At::Most(100.0));
        Ok(())
    }

    fn paint(&mut self) -> Result<(), String> {
        println!("\npaint: 10,000 targets every 10 s, {RUNS} loads each in headless Chromium");
        let targets = targets(10_000);
        let data = self.house.data("paint");
        let daemon = self.house.daemon(&self.binary, &targets, Duration::from_secs(10), &data)?;
        pause(SETTLE * 3);
        for (name, path) in [
            ("targets", "/targets"),
            ("targets by loss", "/targets?sort=loss"),
            ("front page", "/"),
            ("metrics", "/metrics"),
        ] {
            asked(&daemon, name, path)?;
        }
        let mut shell = self.house.namespace().command(MORTAL[0]);
        shell.args(&MORTAL[1..]).arg("sh");
        let mut browser = Browser::start_by(shell).ok_or("chromium is not installed")?;
        browser.look_like(1400, 1000, false);
        let watch = json!({ "source": WATCH });
        browser.call("Page.addScriptToEvaluateOnNewDocument", &watch);
        println!(
            "  {:24} {:>14} {:>18} {:>10}",
            "median / slowest in ms", "first paint", "100 rows painted", "load"
        );
        for (name, path, goal) in [
            ("targets", "/targets", Some(300.0)),
            ("front page", "/", Some(300.0)),
            ("system", "/system", None),
        ] {
            let rows = path != "/system";
            let painted = painted(&mut browser, path, rows);
            let cell = |of: fn(&Painted) -> f64| {
                let (median, worst) = middle(painted.iter().map(of).collect());
                (median, format!("{median:.0} / {worst:.0}"))
            };
            let (first, shown, load) = (cell(|p| p.first), cell(|p| p.rows), cell(|p| p.load));
            println!("  {name:24} {:>14} {:>18} {:>10}", first.1, shown.1, load.1);
            if let Some(goal) = goal {
                self.goals.check(&format!("{name}: first 100 rows in ms"), shown.0, At::Most(goal));
            }
        }
        Ok(())
    }
}

/// What the daemon used over a span.
struct Used {
    cpu_pct: f64,
    judge_pct: f64,
    rss_mb: f64,
    peak_mib: f64,
}

fn used(daemon: &Daemon<'_>, span: Duration) -> Result<Used, String> {
    let (start, before) = (SystemClock.monotonic(), daemon.usage()?);
    pause(span);
    let (wall, after) = (SystemClock.monotonic().saturating_sub(start), daemon.usage()?);
    let percent = |before: f64, after: f64| (after - before) * 100.0 / wall.as_secs_f64();
    Ok(Used {
        cpu_pct: percent(before.cpu_s, after.cpu_s),
        judge_pct: percent(before.judge_s, after.judge_s),
        rss_mb: after.rss_mib * 1.048_576,
        peak_mib: after.peak_mib,
    })
}

/// Probes of this outcome since the start, as the daemon counts them.
fn outcomes(daemon: &Daemon<'_>, outcome: &str) -> Result<f64, String> {
    counted(daemon, &format!("netmend_probe_outcomes_total{{outcome=\"{outcome}\"}}"))
}

/// A figure of the daemon's `/metrics`.
fn counted(daemon: &Daemon<'_>, name: &str) -> Result<f64, String> {
    let text = String::from_utf8_lossy(&daemon.get("/metrics")?).into_owned();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.ok_or_else(|| format!("/metrics has no {name}"))
}

/// Seconds that the judge took to go on with what was learned; waits until it has.
fn judge_start(daemon: &Daemon<'_>) -> Result<f64, String> {
    let start = SystemClock.monotonic();
    loop {
        match counted(daemon, "netmend_judge_start_seconds") {
            Err(_) if SystemClock.monotonic().saturating_sub(start) < PATIENCE => {
                pause(Duration::from_millis(100));
            }
            found => return found,
        }
    }
}

/// Median and worst time of an answer in ms.
fn asked(daemon: &Daemon<'_>, name: &str, path: &str) -> Result<(f64, f64), String> {
    let (mut times, mut bytes) = (Vec::with_capacity(RUNS), 0);
    for _ in 0..RUNS {
        let start = SystemClock.monotonic();
        bytes = daemon.get(path)?.len();
        times.push(SystemClock.monotonic().saturating_sub(start).as_secs_f64() * 1e3);
    }
    let (median, worst) = middle(times);
    println!("  {name:28} {median:>7.1} ms, slowest {worst:>7.1} ms, {bytes:>8} bytes");
    Ok((median, worst))
}

/// When the browser had painted, in ms since it began to navigate.
struct Painted {
    first: f64,
    rows: f64,
    load: f64,
}

/// Loads a page over and over; the first load, which also fetches style and scripts, counts too.
fn painted(browser: &mut Browser, path: &str, rows: bool) -> Vec<Painted> {
    let load = |browser: &mut Browser| {
        browser.open(&format!("http://{PAGES}{path}"));
        let paint = "performance.getEntriesByName('first-contentful-paint')[0]";
        browser.wait("the page is painted", &format!("{paint} !== undefined"));
        if rows {
            browser.wait("its rows are painted", "window.rowsAt !== undefined");
        }
        let number =
            |browser: &mut Browser, what: &str| browser.eval(what).as_f64().unwrap_or(f64::NAN);
        Painted {
            first: number(browser, &format!("{paint}.startTime")),
            rows: number(browser, "window.rowsAt"),
            load: number(
                browser,
                "performance.timing.loadEventEnd - performance.timing.navigationStart",
            ),
        }
    };
    (0..RUNS).map(|_| load(browser)).collect()
}

/// Median and largest.
fn middle(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    (values[values.len() / 2], values[values.len() - 1])
}
