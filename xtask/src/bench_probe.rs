//! `cargo xtask bench probe`: netmend's probes against other tools on the same work, in one run, with the
//! wire as the witness. It prints tables, ratios and whether the goals are met. Needs root and a calm
//! machine; it leaves nothing behind.

pub(crate) mod bed;
mod tools;
mod truth;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;

use crate::goals::{At, Goals, middle, number};
use crate::{command, packages};
use bed::{Bed, Cost, Hogs, Ran};
use tools::{Blackbox, Told};
use truth::Comparison;

/// Debian packages of the tools that are compared, and of the witness.
const PACKAGES: &[&str] = &[
    "fping",
    "iproute2",
    "iputils-ping",
    "nmap",
    "procps",
    "prometheus-blackbox-exporter",
    "tcpdump",
    "util-linux",
];
/// No run of a tool may take longer than its work and this.
const PATIENCE: Duration = Duration::from_mins(1);
/// Targets with the 16 kinds of delay, for the errors.
const MIXED: usize = 1024;
/// Largest work of peers that are slow: the blackbox exporter, one ping process per target.
const MOST_FOR_BLACKBOX: usize = 10_000;
const MOST_FOR_PING: usize = 1000;
/// fping has 65,535 sequence numbers and uses none again for 10 s.
const MOST_FOR_FPING_A_SECOND: usize = 6_500;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure; everything if none is named.
    pieces: Vec<Piece>,
    /// Targets of the sustained run and the burst, up to 65,536.
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    targets: u32,
    /// Seconds of the sustained run.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Use this binary instead of building one.
    #[arg(long, value_name = "FILE")]
    netmend: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Piece {
    /// Every target once a second.
    Sustained,
    /// How far RTTs are from the wire, on a mix of delays and losses.
    Error,
    /// The same while four processes take all CPU time.
    Hogs,
    /// All targets at once: time, losses, CPU per probe.
    Burst,
    /// TCP connect without privileges.
    Tcp,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    packages::install(PACKAGES)?;
    let binary = args.netmend.clone().map_or_else(build, Ok)?;
    let pieces = if args.pieces.is_empty() { Piece::value_variants() } else { &args.pieces[..] };
    let mut bench = Bench { bed: Bed::make(&binary)?, binary, goals: Goals::default() };
    for piece in pieces {
        match piece {
            Piece::Sustained => bench.sustained(args.targets as usize, args.seconds)?,
            Piece::Error => bench.error()?,
            Piece::Hogs => bench.hogs()?,
            Piece::Burst => bench.burst(args.targets as usize)?,
            Piece::Tcp => bench.tcp()?,
        }
    }
    println!("\nthe lab says: {}", bench.bed.lab_report()?);
    bench.goals.conclude();
    Ok(())
}

/// Builds the release binary; where it lies.
pub(crate) fn build() -> Result<PathBuf, String> {
    command::run("cargo", &["build", "--release", "--package", "netmend"])?;
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| command::root().join("target"), PathBuf::from);
    Ok(target.join("release/netmend"))
}

/// The first `count` addresses of a /16 of the bench scenario.
fn addresses(second: u8, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("10.{second}.{}.{}", n / 256, n % 256)).collect()
}

/// The bed and what is measured in it.
struct Bench {
    bed: Bed,
    binary: PathBuf,
    goals: Goals,
}

impl Bench {
    fn sustained(&mut self, targets: usize, seconds: u32) -> Result<(), String> {
        head(&format!("sustained: {targets} targets, once a second, {seconds} s"));
        let list = self.bed.list("list", &addresses(64, targets))?;
        let limit = PATIENCE + Duration::from_secs(seconds.into());
        let options = format!("-c {seconds} -i 1s -t 900ms");
        let mut command = tools::netmend(&self.bed, &self.binary, &list, &options);
        let (ran, ours) = self.judged(&mut command, limit, tools::read_netmend, Output::Out)?;
        row("netmend", &ours, ran.cost);
        let (hosts, rounds) = (targets.min(MOST_FOR_FPING_A_SECOND), seconds.min(10));
        let few = self.bed.list("few", &addresses(64, hosts))?;
        // fping sends its next round only when the gap between two packets has passed for all.
        let options = format!("-C {rounds} -p 1000 -i {:.4} -t 900", 900.0 / hosts as f64);
        let command = tools::fping(&self.bed, &few, &options);
        self.peer(&format!("fping, {hosts} x {rounds}"), command, tools::read_fping, Output::Error);

        let probes = targets * seconds as usize;
        self.goal("probes on the wire", ours.requests as f64, At::Least(probes as f64));
        self.goal("lost to netmend", ours.lost_to_tool as f64, At::Most(0.0));
        self.goal("RSS in MiB", ran.cost.rss_mib, At::Most(32.0));
        self.goal("error p50 in us", ours.error(0.5), At::Most(1.0));
        self.goal("error p99 in us", ours.error(0.99), At::Most(5.0));
        Ok(())
    }

    fn error(&mut self) -> Result<(), String> {
        head(&format!("error: {MIXED} targets of 16 kinds, 20 rounds, every 500 ms"));
        let (ours, _) = self.mixed(20)?;
        let all = addresses(65, MIXED);
        let blackbox = Blackbox::start(&self.bed)?;
        let ((told, cost), truth) = self.bed.witness(|| blackbox.ping(&self.bed, &all, 2))?;
        drop(blackbox);
        row("blackbox (2 rounds)", &truth.compare(&told), cost);
        self.goal("error p50 in us", ours.error(0.5), At::Most(1.0));
        self.goal("error p99 in us", ours.error(0.99), At::Most(5.0));
        Ok(())
    }

    fn hogs(&mut self) -> Result<(), String> {
        head(&format!(
            "hogs: {MIXED} targets of 16 kinds, 10 rounds, 4 processes that take all CPU"
        ));
        let hogs = Hogs::start(4)?;
        let (ours, theirs) = self.mixed(10)?;
        drop(hogs);
        self.goal("error p99 in us", ours.error(0.99), At::Most(10.0));
        let better = theirs.map_or(f64::NAN, |theirs| theirs.error(0.99) / ours.error(0.99));
        self.goal("times better than fping at p99", better, At::Least(5.0));
        Ok(())
    }

    /// netmend and, if it can, fping on the mix of delays.
    fn mixed(&mut self, rounds: usize) -> Result<(Comparison, Option<Comparison>), String> {
        let list = self.bed.list("list", &addresses(65, MIXED))?;
        let options = format!("-c {rounds} -i 500ms -t 450ms");
        let mut command = tools::netmend(&self.bed, &self.binary, &list, &options);
        let (ran, ours) = self.judged(&mut command, PATIENCE, tools::read_netmend, Output::Out)?;
        row("netmend", &ours, ran.cost);
        let options = format!("-C {rounds} -p 500 -i 0.3 -t 450");
        let command = tools::fping(&self.bed, &list, &options);
        Ok((ours, self.peer("fping", command, tools::read_fping, Output::Error)))
    }

    fn burst(&mut self, targets: usize) -> Result<(), String> {
        head(&format!("burst: {targets} targets at once"));
        let list = self.bed.list("list", &addresses(64, targets))?;
        let options = "-c 1 -i 0 -t 1s";
        let mut command = tools::netmend(&self.bed, &self.binary, &list, options);
        let (mut ran, truth) = self.bed.witness(|| bed::time(&mut command, PATIENCE))?;
        let ours = truth.compare(&read(tools::read_netmend, &mut ran.stdout)?);
        row("netmend", &ours, ran.cost);
        let fping_options = "-C 1 -i 0 -t 1000";
        let command = tools::fping(&self.bed, &list, fping_options);
        self.peer("fping", command, tools::read_fping, Output::Error);
        self.goal("burst in s", truth.span_s, At::Most(0.5));
        self.goal("lost to netmend", ours.lost_to_tool as f64, At::Most(0.0));

        println!("  CPU per probe, without the witness:");
        let mut command = self.bed.namespace().command(&self.binary);
        command.args(["probe", "--output", "json", "--targets"]).arg(&list);
        command.args(options.split(' '));
        let mut fping = tools::fping(&self.bed, &list, fping_options);
        let [ours, fping] = in_turn([("netmend", &mut command), ("fping", &mut fping)], targets)?;
        // It takes ranges of hosts, and slows down with the square of their number: cut off, its figure
        // is too good for it, never too bad.
        let hosts = targets.div_ceil(250) * 250;
        let mut command = tools::nping(&self.bed, hosts, "--icmp --rate 200000");
        let nping = cpu("nping", &mut command, hosts)?;
        let few = addresses(64, targets.min(MOST_FOR_PING));
        let mut command = tools::pings(&self.bed, &self.bed.list("few", &few)?);
        let ping = cpu("ping per target", &mut command, few.len())?;
        let few = addresses(64, targets.min(MOST_FOR_BLACKBOX));
        let blackbox = Blackbox::start(&self.bed)?.ping(&self.bed, &few, 1)?.1;
        let blackbox = per_probe("blackbox_exporter", blackbox, few.len());
        for (peer, theirs, most) in [
            ("fping", fping, 0.6),
            ("blackbox_exporter", blackbox, 1.0 / 50.0),
            ("nping", nping, 1.0 / 100.0),
            ("one ping per target", ping, 1.0 / 400.0),
        ] {
            self.goal(&format!("CPU per probe against {peer}"), ours / theirs, At::Most(most));
        }
        Ok(())
    }

    fn tcp(&mut self) -> Result<(), String> {
        head("tcp, without any privilege; nping with all of them and the same work");
        let at_once = self.connect_beside_nping(10_000, "at once", "--flat-out", 200_000)?;
        self.goal("at once: times better than nping at p99", at_once, At::Least(1000.0));
        // At this pace each probe wakes a processor, and nping is off by one millisecond at most.
        let paced = self.connect_beside_nping(1000, "in 1 s", "", 1000)?;
        println!("  {:7}in 1 s: times better than nping at p99: {}", "", number(paced));
        self.connect(81, 1000, "in 1 s, refused", "", 200.0).map(drop)
    }

    /// Finished handshakes, and nping on the same work; how many times further off it is.
    fn connect_beside_nping(
        &mut self,
        targets: usize,
        what: &str,
        options: &str,
        nping_rate: u32,
    ) -> Result<f64, String> {
        let ours = self.connect(80, targets, &format!("{what}, accepted"), options, 10.0)?;
        let rate = format!("--tcp -p 80 --rate {nping_rate}");
        let command = tools::nping(&self.bed, targets, &rate);
        let tool = format!("nping, {what}");
        let theirs = self.peer(&tool, command, tools::read_nping, Output::Out);
        Ok(theirs.map_or(f64::NAN, |theirs| theirs.error(0.99) / ours))
    }

    /// Finished or refused handshakes; the error at p99 in us, which is to be at most `most`.
    fn connect(
        &mut self,
        port: u16,
        targets: usize,
        what: &str,
        options: &str,
        most: f64,
    ) -> Result<f64, String> {
        let list = self.bed.list("list", &addresses(64, targets))?;
        let options = format!("-c 1 -i 1s -t 900ms --tcp {port} {options}");
        let mut command = tools::netmend_unprivileged(&self.bed, &self.binary, &list, &options);
        let (ran, found) = self.judged(&mut command, PATIENCE, tools::read_netmend, Output::Out)?;
        row(&format!("netmend, {what}"), &found, ran.cost);
        self.goal(&format!("{what}: error p99 in us"), found.error(0.99), At::Most(most));
        self.goal(&format!("{what}: lost"), found.lost_to_tool as f64, At::Most(0.0));
        Ok(found.error(0.99))
    }

    /// Runs a tool with the witness, and compares what it says with what was on the wire.
    fn judged(
        &self,
        command: &mut Command,
        limit: Duration,
        reader: Reader,
        output: Output,
    ) -> Result<(Ran, Comparison), String> {
        let (mut ran, truth) = self.bed.witness(|| bed::time(command, limit))?;
        let told = match output {
            Output::Out => read(reader, &mut ran.stdout)?,
            Output::Error => read(reader, &mut ran.stderr)?,
        };
        if told.is_empty() {
            let mut words = String::new();
            // What cannot be read cannot be shown; the error is another one.
            let _ = ran.stderr.rewind().and_then(|()| ran.stderr.read_to_string(&mut words));
            return Err(format!("{command:?} has told no RTT: {}", words.trim_end()));
        }
        let found = truth.compare(&told);
        Ok((ran, found))
    }

    /// Runs a peer as [`Bench::judged`] does and prints its row; one that fails gets a row that says why,
    /// and what is compared with it is not met.
    fn peer(
        &self,
        tool: &str,
        mut command: Command,
        reader: Reader,
        output: Output,
    ) -> Option<Comparison> {
        match self.judged(&mut command, PATIENCE, reader, output) {
            Ok((ran, found)) => {
                row(tool, &found, ran.cost);
                Some(found)
            }
            Err(why) => {
                println!("  {tool:25} failed: {why}");
                None
            }
        }
    }

    /// Prints whether a goal is met.
    fn goal(&mut self, what: &str, found: f64, goal: At) {
        self.goals.check(what, found, goal);
    }
}

/// Reads what a tool has said.
type Reader = fn(&mut File) -> std::io::Result<Told>;

/// Where a tool writes its RTTs.
#[derive(Clone, Copy)]
enum Output {
    Out,
    Error,
}

fn read(reader: Reader, said: &mut File) -> Result<Told, String> {
    reader(said).map_err(|error| format!("cannot read what the tool has said: {error}"))
}

/// Runs a tool without the witness; its CPU per probe in us.
fn cpu(tool: &str, command: &mut Command, probes: usize) -> Result<f64, String> {
    Ok(per_probe(tool, bed::time(command, PATIENCE)?.cost, probes))
}

/// The same of tools that need half a second: each the middle of several runs, taken in turn, as the speed of a
/// machine wavers more than what is to be told apart.
fn in_turn<const N: usize>(
    mut tools: [(&str, &mut Command); N],
    probes: usize,
) -> Result<[f64; N], String> {
    const RUNS: usize = 7;
    let mut found = [[0.0; RUNS]; N];
    for run in 0..RUNS {
        for ((tool, command), found) in tools.iter_mut().zip(&mut found) {
            found[run] = cpu(tool, command, probes)?;
        }
    }
    Ok(found.map(|runs| middle(runs.into_iter())))
}

fn per_probe(tool: &str, cost: Cost, probes: usize) -> f64 {
    let us = cost.cpu_s * 1e6 / probes as f64;
    let note = if cost.cut_off { ", cut off" } else { "" };
    println!(
        "    {tool:18} {:>10} us of {probes} probes in {:.2} s{note}",
        number(us),
        cost.wall_s
    );
    us
}

fn head(title: &str) {
    println!("\n{title}");
    println!(
        "  {:25} {:>9} {:>9} {:>7} {:>7} {:>11} {:>11} {:>8} {:>8} {:>8}",
        "tool",
        "requests",
        "answered",
        "lost",
        "ghosts",
        "err p50 us",
        "err p99 us",
        "wall s",
        "CPU s",
        "RSS MiB"
    );
}

fn row(tool: &str, found: &Comparison, cost: Cost) {
    println!(
        "  {tool:25} {:>9} {:>9} {:>7} {:>7} {:>11.1} {:>11.1} {:>8.2} {:>8.2} {:>8.1}{}",
        found.requests,
        found.answered,
        found.lost_to_tool,
        found.ghosts,
        found.error(0.5),
        found.error(0.99),
        cost.wall_s,
        cost.cpu_s,
        cost.rss_mib,
        if cost.cut_off { " (cut off)" } else { "" }
    );
}
