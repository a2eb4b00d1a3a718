//! The project's chores: `cargo xtask test | bench | soak | fuzz | dist`. Each chore is one file; what a
//! chore needs from the system it installs from Debian's packages, and says so.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the person who runs it"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod bench_daemon;
mod bench_detect;
mod bench_mend;
mod bench_probe;
mod bench_sinks;
mod bench_snmp;
mod bench_store;
mod bench_syslog;
mod bench_vco;
mod command;
mod dist;
mod fuzz;
mod goals;
mod package;
mod packages;
mod pages;
mod process;
mod soak;
mod test;

/// netmend's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Install what the tests need, then run every check: format, lints, licences, tests.
    Test(test::Args),
    /// Measure against other tools, on the same work.
    Bench(bench::Args),
    /// Fuzz the parsers with cargo-fuzz.
    Fuzz(fuzz::Args),
    /// Long runs: kill loops.
    Soak(soak::Args),
    /// Build what is shipped: stripped binary, completions, manual pages, systemd unit, Debian package.
    Dist(dist::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Test(args) => test::run(&args),
        Chore::Bench(args) => bench::run(&args),
        Chore::Fuzz(args) => fuzz::run(&args),
        Chore::Soak(args) => soak::run(&args),
        Chore::Dist(args) => dist::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
