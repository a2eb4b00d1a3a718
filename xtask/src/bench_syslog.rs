//! `cargo xtask bench syslog`: netmend beside rsyslog and syslog-ng from Debian's packages: the same million
//! device lines over TCP to a file of parsed JSON, one after the other; datagrams without loss; the parser
//! alone; and durable events beside a database that takes one insert a row.

mod mariadb;
mod receivers;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use lab::syslog::Generator;
use model::UnixMs;

use crate::goals::{At, Goals, middle};
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
    /// How often each receiver takes the lines, in turn; the middle counts.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// What to measure; everything if none is named.
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Piece {
    /// Lines over TCP to parsed JSON, beside the others.
    Tcp,
    /// Datagrams without loss.
    Udp,
    /// The parser alone.
    Parser,
    /// Durable events, beside the database.
    Events,
}

/// Runs everything and prints the goals.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let scratch = tempfile::tempdir().map_err(|why| format!("no folder for the bench: {why}"))?;
    let mut goals = Goals::default();
    let wanted = |piece| args.pieces.is_empty() || args.pieces.contains(&piece);
    if wanted(Piece::Tcp) || wanted(Piece::Udp) {
        command::run("cargo", &["build", "--release", "-p", "netmend"])?;
    }
    if wanted(Piece::Tcp) {
        tcp(args, scratch.path(), &mut goals)?;
    }
    if wanted(Piece::Udp) {
        udp(args, scratch.path(), &mut goals)?;
    }
    if wanted(Piece::Parser) {
        println!("the parser alone, lines of all families");
        let rate = example("netmend-measure", "syslog", &[], "lines_per_cpu_second", 3)?;
        goals.check("lines a second of CPU time", rate, At::Least(2e6));
    }
    if wanted(Piece::Events) {
        durable(scratch.path(), &mut goals)?;
    }
    goals.conclude();
    Ok(())
}

fn tcp(args: &Args, scratch: &Path, goals: &mut Goals) -> Result<(), String> {
    packages::install(&["rsyslog"])?;
    // Debian lets only one of the two be installed, and the tests need the other.
    let root = packages::unpack("syslog-ng-core", scratch)?;
    let lines = write_lines(&scratch.join("lines"), args.lines)?;
    println!("{} lines over TCP to parsed JSON, the middle of {} in turn", args.lines, args.rounds);
    let receivers = [Receiver::Netmend, Receiver::Rsyslog, Receiver::SyslogNg(&root)];
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        let mut round = [Figures::default(); 3];
        for (figures, receiver) in round.iter_mut().zip(receivers) {
            *figures = receiver.tcp(scratch, &lines, args.lines)?;
            let (name, Figures { lines_per_second, cpu_us }) = (receiver.name(), *figures);
            println!("  {name:9} {lines_per_second:>10.0} lines/s {cpu_us:>8.2} us CPU a line");
        }
        rounds.push(round);
    }
    let speed = |peer: usize| {
        middle(rounds.iter().map(|round| round[0].lines_per_second / round[peer].lines_per_second))
    };
    let cpu = |peer: usize| middle(rounds.iter().map(|round| round[0].cpu_us / round[peer].cpu_us));
    goals.check("lines/s, times rsyslog's", speed(1), At::Least(1.5));
    goals.check("CPU a line, times rsyslog's", cpu(1), At::Most(0.5));
    println!(
        "  beside syslog-ng: {:.2} times its lines/s, {:.2} times its CPU a line",
        speed(2),
        cpu(2)
    );
    Ok(())
}

fn udp(args: &Args, scratch: &Path, goals: &mut Goals) -> Result<(), String> {
    println!("{} datagrams at {}/s", args.rate * args.seconds, args.rate);
    let datagrams = receivers::udp(scratch, args.rate, args.seconds)?;
    let receivers::Datagrams { sent, seconds, written } = datagrams;
    println!("  {sent} sent in {seconds:.2} s, {written} written");
    goals.check("datagrams lost", (sent - written) as f64, At::Most(0.0));
    goals.check("datagrams/s sent", sent as f64 / seconds, At::Least(0.98 * args.rate as f64));
    Ok(())
}

fn durable(scratch: &Path, goals: &mut Goals) -> Result<(), String> {
    packages::install(mariadb::PACKAGES)?;
    println!("durable events, each a row of its own");
    let folder = scratch.join("events");
    let ours = example("netmend-store", "events", &[folder.as_os_str()], "events_per_second", 1)?;
    let theirs = mariadb::inserts(scratch)?;
    println!("  netmend {ours:.0} events/s, MariaDB {theirs:.0} inserts/s");
    goals.check("events/s, times MariaDB's inserts", ours / theirs, At::Least(10.0));
    // Ten times what MariaDB did on the bed that the goal was set on.
    goals.check("events/s, each acknowledged after the sync", ours, At::Least(37_000.0));
    Ok(())
}

/// A figure that an example of a crate prints: the best of some runs, since others' work on the machine can
/// only slow it down.
fn example(
    package: &str,
    name: &str,
    args: &[&OsStr],
    figure: &str,
    runs: u32,
) -> Result<f64, String> {
    command::run("cargo", &["build", "--release", "-p", package, "--example", name])?;
    let program = receivers::release("examples").join(name);
    let mut best = 0.0_f64;
    for _ in 0..runs {
        let out = std::process::Command::new(&program).args(args).output();
        let out = out.map_err(|why| format!("{}: {why}", program.display()))?;
        if !out.status.success() {
            return Err(format!("{name}: {}", String::from_utf8_lossy(&out.stderr).trim()));
        }
        let found: serde_json::Value =
            serde_json::from_slice(&out.stdout).map_err(|why| format!("{name}: {why}"))?;
        best = best.max(found[figure].as_f64().ok_or_else(|| format!("{name}: no {figure}"))?);
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
