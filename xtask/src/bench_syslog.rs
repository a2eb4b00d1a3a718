//! `cargo xtask bench syslog`: netmend beside rsyslog from Debian's packages: the same million device lines
//! over TCP to a file of parsed JSON, one after the other; then what is netmend's own: datagrams without
//! loss, and durable events.

mod events;
mod receivers;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use lab::syslog::Generator;
use model::UnixMs;

use crate::goals::{At, Goals};
use crate::{command, packages};
use receivers::{Figures, Receiver};

/// Devices that speak.
const DEVICES: usize = 500;
/// When they speak: the time in their lines is nobody's business here.
const WHEN: UnixMs = UnixMs(1_763_776_800_000);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Lines over TCP.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    lines: u64,
    /// Seconds of datagrams.
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// Datagrams a second.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    rate: u64,
}

/// Runs everything and prints the goals.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    packages::install(&["rsyslog"])?;
    command::run("cargo", &["build", "--release", "-p", "netmend"])?;
    let scratch = tempfile::tempdir().map_err(|why| format!("no folder for the bench: {why}"))?;
    let lines = write_lines(&scratch.path().join("lines"), args.lines)?;
    let mut goals = Goals::default();
    println!("{} lines over TCP to parsed JSON", args.lines);
    let ours = Receiver::Netmend.tcp(scratch.path(), &lines, args.lines)?;
    let theirs = Receiver::Rsyslog.tcp(scratch.path(), &lines, args.lines)?;
    for (name, figures) in [("netmend", &ours), ("rsyslog", &theirs)] {
        let Figures { lines_per_second, cpu_us } = figures;
        println!("  {name:8} {lines_per_second:>10.0} lines/s {cpu_us:>8.2} us CPU a line");
    }
    let speed = ours.lines_per_second / theirs.lines_per_second;
    goals.check("lines/s, times rsyslog's", speed, At::Least(1.5));
    goals.check("CPU a line, times rsyslog's", ours.cpu_us / theirs.cpu_us, At::Most(0.5));

    let sent = args.rate * args.seconds;
    println!("{sent} datagrams at {}/s", args.rate);
    let datagrams = receivers::udp(scratch.path(), args.rate, args.seconds)?;
    println!(
        "  {} sent in {:.2} s, {} written",
        datagrams.sent, datagrams.seconds, datagrams.written
    );
    goals.check("datagrams lost", (datagrams.sent - datagrams.written) as f64, At::Most(0.0));
    goals.check(
        "datagrams/s sent",
        datagrams.sent as f64 / datagrams.seconds,
        At::Least(0.98 * args.rate as f64),
    );

    println!("the parser alone, lines of all families");
    let parsed = parser()?;
    goals.check("lines a second of CPU time", parsed, At::Least(2e6));

    println!("durable events");
    let rate = events::durable(scratch.path())?;
    // One MariaDB insert a row, each committed, on the bed that the goal was set on: 3,700/s.
    goals.check("events/s, each acknowledged after the sync", rate, At::Least(37_000.0));
    goals.conclude();
    Ok(())
}

/// Lines that the parser reads in a second of CPU time on one core: the best of three runs, since others' work
/// on the machine can only slow it down.
fn parser() -> Result<f64, String> {
    let example = ["-p", "netmend-measure", "--example", "syslog"];
    command::run("cargo", &[&["build", "--release"], &example[..]].concat())?;
    let program = receivers::release("examples/syslog");
    let mut best = 0.0_f64;
    for _ in 0..3 {
        let out = std::process::Command::new(&program).output();
        let out = out.map_err(|why| format!("{}: {why}", program.display()))?;
        let found: serde_json::Value =
            serde_json::from_slice(&out.stdout).map_err(|why| format!("the parser: {why}"))?;
        let rate = found["lines_per_cpu_second"].as_f64();
        best = best.max(rate.ok_or("the parser's bench printed no rate")?);
    }
    Ok(best)
}

/// Writes device lines to a file.
fn write_lines(path: &Path, count: u64) -> Result<PathBuf, String> {
    let failed = |why: std::io::Error| format!("{}: {why}", path.display());
    let mut file = std::io::BufWriter::new(File::create(path).map_err(failed)?);
    let mut generator = Generator::new(1, DEVICES);
    let mut line = String::new();
    for _ in 0..count {
        line.clear();
        generator.line(WHEN, &mut line);
        line.push('\n');
        file.write_all(line.as_bytes()).map_err(failed)?;
    }
    file.flush().map_err(failed)?;
    Ok(path.to_owned())
}
