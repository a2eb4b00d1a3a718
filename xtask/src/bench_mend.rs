//! `cargo xtask bench mend`: what remediations cost, beside the goals. First the files: reading a thousand, finding
//! the one for an event, a step with one question. Then repairs: a thousand events of simulated devices, by
//! the daemon and by a script with paramiko, threads and `MariaDB`, one after the other; and how long a line
//! takes to the first command on a session that is open. It leaves nothing behind.
//!
//! The work is the same for both: log in, ask for no pages, look at an interface, clear it, look again.

mod devices;
mod ours;
mod theirs;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::goals::{self, At, Goals};
use crate::{command, packages};
use devices::Devices;

/// Rounds of repairs, whose middle counts: what a machine does besides shifts a single one by a tenth.
const ROUNDS: usize = 3;

/// What is measured of files and steps: key, name, goal.
const FIGURES: [(&str, &str, Option<At>); 3] = [
    ("load_s", "1,000 remediation files, read and checked, s", Some(At::Most(1.0))),
    ("match_us", "the one for an event out of 1,000, us", Some(At::Most(20.0))),
    ("step_us", "a step with one question, process included, us", None),
];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure; everything if none is named.
    pieces: Vec<Piece>,
    /// Events.
    #[arg(long, default_value_t = 1_000)]
    events: usize,
    /// Devices that they are of.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    devices: u16,
    /// Time from a command to its answer, in milliseconds.
    #[arg(long, default_value_t = 20)]
    latency: u64,
    /// Seconds that the daemon leaves sessions open; 0: it logs in for each event, as the script does.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(..=60))]
    keep: u32,
    /// Repair by so many workers alone, 10 or 50; by both, one after the other, if it is left out.
    #[arg(long, value_parser = ["10", "50"])]
    workers: Option<String>,
    /// Lines for the time to the first command.
    #[arg(long, default_value_t = 200)]
    lines: usize,
    /// Use what is built in this folder, such as target/release, instead of building it.
    #[arg(long, value_name = "DIR")]
    release: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Piece {
    /// Files: reading, finding, a step.
    Files,
    /// A thousand events, by 10 and by 50 workers, beside the script.
    Repairs,
    /// From a line to the first command on an open session.
    Line,
}

/// What it took to work on all events.
#[derive(Clone, Copy, Debug)]
struct Figures {
    events_per_s: f64,
    cpu_ms: f64,
    rss_mib: f64,
}

/// Runs the measurements and prints them beside the goals.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let wanted = |piece| args.pieces.is_empty() || args.pieces.contains(&piece);
    let mut goals = Goals::default();
    if wanted(Piece::Files) {
        files(args, &mut goals)?;
    }
    if wanted(Piece::Repairs) || wanted(Piece::Line) {
        let folder = args.release.clone().map_or_else(build, Ok)?;
        let (binary, program) = (folder.join("netmend"), folder.join("examples/devices"));
        let ports = args.events.div_ceil(args.devices.into());
        let further = args.lines.div_ceil(args.devices.into());
        let mut devices = Devices::start(&program, args, ports + further)?;
        if wanted(Piece::Repairs) {
            repairs(args, &binary, &mut devices, &mut goals)?;
        }
        if wanted(Piece::Line) {
            line(args, &binary, &mut devices, ports, &mut goals)?;
        }
    }
    goals.conclude();
    Ok(())
}

/// Builds the daemon and the devices; gives the folder.
fn build() -> Result<PathBuf, String> {
    let parts = ["-p", "netmend", "-p", "netmend-lab", "--bin", "netmend", "--example", "devices"];
    command::run("cargo", &[&["build", "--release"], &parts[..]].concat())?;
    Ok(release())
}

/// Where release builds are.
fn release() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    target.map_or_else(|| command::root().join("target"), PathBuf::from).join("release")
}

/// The same events by both, with few workers and with many.
fn repairs(
    args: &Args,
    binary: &Path,
    devices: &mut Devices,
    goals: &mut Goals,
) -> Result<(), String> {
    packages::install(theirs::PACKAGES)?;
    let database = theirs::Database::start()?;
    println!(
        "{} events of {} devices that answer after {} ms (SIMULATION)",
        args.events, args.devices, args.latency
    );
    let wanted =
        |workers: usize| args.workers.as_ref().is_none_or(|only| *only == workers.to_string());
    for (workers, faster) in
        [(10, 1.3), (50, 2.0)].into_iter().filter(|(workers, _)| wanted(*workers))
    {
        let mut rounds = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let (script, rows_cpu_ms) = theirs::run(&database, devices, args.events, workers)?;
            let (netmend, children) = ours::run(args, binary, devices, workers)?;
            let rows_rss_mib = database.rss_mib()?;
            let round = Round { script, rows_cpu_ms, rows_rss_mib, netmend, children };
            round.print(workers);
            rounds.push(round);
        }
        let middle = |of: fn(&Round) -> f64| goals::middle(rounds.iter().map(of));
        let name = format!("events/s, times the script's, {workers}");
        goals.check(&name, middle(Round::speed), At::Least(faster));
        let name = format!("CPU an event, children included, times the script's, {workers}");
        goals.check(&name, middle(Round::cpu), At::Most(0.3));
        let name = format!("memory, times that of the script and its database, {workers}");
        goals.check(&name, middle(Round::memory), At::Most(0.5));
    }
    Ok(())
}

/// Both worked on the same events, one after the other.
struct Round {
    script: Figures,
    rows_cpu_ms: f64,
    rows_rss_mib: f64,
    netmend: Figures,
    children: Figures,
}

impl Round {
    fn print(&self, workers: usize) {
        let Self { script, netmend, children, .. } = self;
        for (name, figures) in
            [("script", script), ("netmend", netmend), ("its children", children)]
        {
            println!(
                "  {workers} workers, {name:12} {:>6.0} events/s {:>6.2} ms CPU an event {:>5.0} MiB",
                figures.events_per_s, figures.cpu_ms, figures.rss_mib
            );
        }
        println!(
            "  {workers} workers, the script's database {:>17.2} ms CPU an event {:>5.0} MiB; netmend takes {:.3} \
             times the script's CPU, {:.3} times that of both",
            self.rows_cpu_ms,
            self.rows_rss_mib,
            self.cpu(),
            (netmend.cpu_ms + children.cpu_ms) / (script.cpu_ms + self.rows_cpu_ms)
        );
    }

    fn speed(&self) -> f64 {
        self.netmend.events_per_s / self.script.events_per_s
    }

    fn cpu(&self) -> f64 {
        (self.netmend.cpu_ms + self.children.cpu_ms) / self.script.cpu_ms
    }

    fn memory(&self) -> f64 {
        self.netmend.rss_mib / (self.script.rss_mib + self.rows_rss_mib)
    }
}

/// From a line to the first command.
fn line(
    args: &Args,
    binary: &Path,
    devices: &mut Devices,
    from: usize,
    goals: &mut Goals,
) -> Result<(), String> {
    let mut took_ms = ours::first_commands(args, binary, devices, from)?;
    took_ms.sort_by(f64::total_cmp);
    let at = |percent: usize| took_ms[((took_ms.len() - 1) * percent).div_ceil(100)];
    println!(
        "{} lines to the first command on an open session: p50 {:.1} ms, most {:.1} ms",
        took_ms.len(),
        at(50),
        at(100)
    );
    goals.check("from a line to the first command, p99, ms", at(99), At::Most(50.0));
    Ok(())
}

/// Remediations alone, without daemon or device.
fn files(args: &Args, goals: &mut Goals) -> Result<(), String> {
    let example = ["build", "--release", "-p", "netmend-mend", "--example", "remediations"];
    let folder = match &args.release {
        Some(folder) => folder.clone(),
        None => command::run("cargo", &example).map(|()| release())?,
    };
    let program = folder.join("examples/remediations");
    let out =
        Command::new(&program).output().map_err(|why| format!("{}: {why}", program.display()))?;
    if !out.status.success() {
        return Err(format!("the bench failed: {}", String::from_utf8_lossy(&out.stderr).trim()));
    }
    let found: Value = serde_json::from_slice(&out.stdout).map_err(|why| why.to_string())?;
    for (key, name, goal) in FIGURES {
        let figure = found[key].as_f64().ok_or_else(|| format!("the bench did not print {key}"))?;
        match goal {
            Some(goal) => goals.check(name, figure, goal),
            None => println!("         {name}: {}", goals::number(figure)),
        }
    }
    Ok(())
}
