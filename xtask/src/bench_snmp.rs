//! `cargo xtask bench snmp`: what it costs the daemon to ask 1,000 devices with 48 interfaces each once a minute,
//! all that is stored included. The devices are simulated by a process of its own, which is not counted. It
//! prints whether the goal is met; it leaves nothing behind.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use model::{Clock, SystemClock};

use crate::bench_probe::bed::pause;
use crate::bench_probe::build;
use crate::goals::{At, Goals};
use crate::pages;
use crate::process::Running;

/// Where the pages of the measured daemon are.
const PAGES: &str = "127.0.0.1:26420";
/// Where the agents are: from this address on, on this port.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 26, 0, 1);
const PORT: u16 = 26_161;
/// What starts must do so within this.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Devices.
    #[arg(long, default_value_t = 1_000)]
    devices: u32,
    /// Interfaces of each.
    #[arg(long, default_value_t = 48)]
    interfaces: u32,
    /// Seconds from one poll of a device to the next.
    #[arg(long, default_value_t = 60)]
    interval: u32,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Use this binary instead of building one.
    #[arg(long, value_name = "FILE")]
    netmend: Option<PathBuf>,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let binary = args.netmend.clone().map_or_else(build, Ok)?;
    let folder = tempfile::tempdir().map_err(|why| format!("cannot make a folder: {why}"))?;
    let failed = |why: std::io::Error| format!("cannot write the configuration: {why}");
    let config = folder.path().join("netmend.yaml");
    std::fs::write(&config, configuration(args)).map_err(failed)?;
    std::fs::write(folder.path().join("community"), "public\n").map_err(failed)?;
    let counts = [args.devices, args.interfaces].map(|count| count.to_string());
    println!("SIMULATION: {} agents with {} interfaces each", counts[0], counts[1]);
    let mut agents = Command::new(&binary);
    agents.args(["lab", "agents", "--count", &counts[0], "--interfaces", &counts[1]]);
    agents.args(["--first", &FIRST.to_string(), "--port", &PORT.to_string()]);
    let _agents = Running::start(&mut agents)?;
    let mut run = Command::new(&binary);
    run.arg("run").arg("--config").arg(&config).arg("--data").arg(folder.path().join("data"));
    let daemon = Running::start(run.args(["--listen", PAGES]))?;
    // The first poll reads all columns and makes series known; what is measured is what follows.
    wait_for_polls(&daemon, u64::from(args.devices))?;
    pause(Duration::from_secs(5));
    let (before, start) = (Figures::of(&daemon)?, SystemClock.monotonic());
    pause(Duration::from_secs(args.seconds));
    let after = Figures::of(&daemon)?;
    let wall_s = SystemClock.monotonic().saturating_sub(start).as_secs_f64();
    let polls = after.polls - before.polls;
    let requests = after.requests - before.requests;
    let cpu_pct = (after.cpu_s - before.cpu_s) * 100.0 / wall_s;
    println!(
        "  {polls:.0} polls, {requests:.0} requests, {:.0} interfaces/s in {wall_s:.0} s; RSS {:.0} MiB",
        polls * f64::from(args.interfaces) / wall_s,
        after.rss_mib
    );
    let mut goals = Goals::default();
    let wanted = f64::from(args.devices) / f64::from(args.interval) * wall_s;
    goals.check("polls of those that are due", polls / wanted, At::Least(0.95));
    goals.check("polls that failed", after.failed - before.failed, At::Most(0.0));
    goals.check("CPU in % of one core", cpu_pct, At::Most(20.0));
    println!();
    goals.conclude();
    Ok(())
}

fn configuration(args: &Args) -> String {
    let mut text = format!(
        "snmp: {{ community: \"${{file:community}}\", port: {PORT}, interval: {}s }}\ndevices:\n",
        args.interval
    );
    for number in 0..args.devices {
        let address = Ipv4Addr::from(u32::from(FIRST).wrapping_add(number));
        writeln!(text, "  sim{}: {{ addresses: {address} }}", number + 1)
            .expect("a String takes every write");
    }
    text
}

/// What the daemon has done and used.
struct Figures {
    polls: f64,
    failed: f64,
    requests: f64,
    cpu_s: f64,
    rss_mib: f64,
}

impl Figures {
    fn of(daemon: &Running) -> Result<Self, String> {
        let system = pages::system(PAGES)?;
        let sum = |name: &str, outcomes: &[&str]| -> f64 {
            let counters = system["counters"].as_array().into_iter().flatten();
            let named = counters.filter(|counter| counter["name"] == name);
            let wanted = named.filter(|counter| {
                let outcome = counter["labels"]["outcome"].as_str();
                outcomes.is_empty() || outcome.is_some_and(|outcome| outcomes.contains(&outcome))
            });
            wanted.filter_map(|counter| counter["value"].as_f64()).sum()
        };
        let polls = "netmend_snmp_polls_total";
        Ok(Self {
            polls: sum(polls, &["read"]),
            failed: sum(polls, &["silent", "credential", "failed", "missed"]),
            requests: sum("netmend_snmp_requests_total", &[]),
            cpu_s: daemon.cpu_s()?,
            rss_mib: sum("process_resident_memory_bytes", &[]) / 1_048_576.0,
        })
    }
}

fn wait_for_polls(daemon: &Running, wanted: u64) -> Result<(), String> {
    let start = SystemClock.monotonic();
    loop {
        let polls = Figures::of(daemon).map_or(0.0, |figures| figures.polls);
        if polls >= wanted as f64 {
            return Ok(());
        }
        let waited = SystemClock.monotonic().saturating_sub(start);
        if waited > PATIENCE {
            return Err(format!("only {polls} of {wanted} devices were read in time"));
        }
        pause(Duration::from_secs(1));
    }
}
