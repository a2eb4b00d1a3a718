//! The command line: one file per command, one variant, one match arm. What was typed is parsed here;
//! what it means is decided in the command's own file.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::Report;
use crate::{data, footprint};

mod ack;
mod alerts;
mod approve;
mod archive;
mod availability;
mod backup;
mod check;
mod common;
mod detect;
mod device;
mod doctor;
mod events;
mod explain;
mod figures;
mod grafana;
mod init;
mod lab;
mod lines;
mod manual;
mod mode;
mod notify;
mod pause;
mod probe;
mod reload;
mod remedy;
mod resume;
mod run;
mod runs;
mod schema;
mod silence;
mod since;
mod status;
mod stdout;
mod syslog;
mod trace;
mod user;
mod vco;

/// Watches a network, finds what is wrong, tells people, repairs what it may repair, and proves that the
/// repair held.
#[derive(Debug, Parser)]
#[command(name = "netmend", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: probe, store and show.
    Run(run::Args),
    /// Show how the running daemon and its targets are.
    Status(status::Args),
    /// Make the running daemon read its configuration again.
    Reload(reload::Args),
    /// List, show and follow alerts.
    Alerts(alerts::Args),
    /// Say that you know of an alert: it is not repeated until it gets worse.
    Ack(ack::Args),
    /// Keep alerts quiet for a time.
    Silence(silence::Args),
    /// Try out who is told.
    Notify(notify::Args),
    /// Probe hosts now and print what was found.
    Probe(probe::Args),
    /// Find the path to a host now: the routers on the way, and how fast each answers.
    Trace(trace::Args),
    /// Say why netmend thinks what it thinks of a host or an alert, with the numbers.
    Explain(explain::Args),
    /// Print how much of a month each target was up, as CSV.
    Availability(availability::Args),
    /// Judge a series from a file or a pipe: when was it too high?
    Detect(detect::Args),
    /// Check config and targets files, and say what is wrong where.
    Check(check::Args),
    /// Make dashboards for a Grafana.
    Grafana(grafana::Args),
    /// Print the JSON Schema of the config file.
    Schema(schema::Args),
    /// Write a config to start from: for this machine, or from lists of hosts.
    Init(init::Args),
    /// Look at this machine for what stands in the way of good measurements, and print the fix.
    Doctor(doctor::Args),
    /// Say who may log in to the pages, and make tokens for programs.
    User(user::Args),
    /// Copy the store into a folder, also beside a running daemon.
    Backup(backup::BackupArgs),
    /// Put a backup in the place of the store.
    Restore(backup::RestoreArgs),
    /// Search the syslog lines that were received.
    Lines(lines::Args),
    /// Show and change what happened to devices.
    Events(events::Args),
    /// Show what was repaired, and who repairs what now.
    Runs(runs::Args),
    /// Say yes or no to a repair that waits for it.
    Approve(approve::Args),
    /// Stop all repairs.
    Pause(pause::Args),
    /// Let repairs go on.
    Resume(resume::Args),
    /// Say how far a remediation may go by itself.
    Mode(mode::Args),
    /// Read syslog lines.
    Syslog(syslog::Args),
    /// Ask the orchestrators of SD-WANs how their WAN links are.
    Vco(vco::Args),
    /// Look at devices over SSH, and say which host keys are trusted.
    Device(device::Args),
    /// List, write, test and try remediations.
    Remedy(remedy::Args),
    /// Simulate networks to test against.
    Lab(lab::Args),
    /// Print shell completions.
    Completions(manual::CompletionsArgs),
    /// Print the manual page, or write those of all commands.
    Man(manual::ManArgs),
}

/// Parses the command line, runs the command, reports a failure on standard error.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not failures; for the rest 3 is what the contract of `probe` says.
            let code = if error.use_stderr() { 3 } else { 0 };
            let shown = error.print();
            return ExitCode::from(if shown.is_ok() { code } else { 4 });
        }
    };
    footprint::forget_the_start();
    match dispatch(cli.command) {
        Ok(code) => code,
        Err(report) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "{report}");
            ExitCode::from(report.code)
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode, Report> {
    // What leaves files with hashes of passwords in them.
    if matches!(
        command,
        Command::Run(_) | Command::User(_) | Command::Backup(_) | Command::Restore(_)
    ) {
        data::keep_private();
    }
    match command {
        Command::Run(args) => run::run(args),
        Command::Status(args) => status::run(args),
        Command::Reload(args) => reload::run(&args),
        Command::Alerts(args) => alerts::run(args),
        Command::Ack(args) => ack::run(args),
        Command::Silence(args) => silence::run(args),
        Command::Notify(args) => notify::run(args),
        Command::Probe(args) => probe::run(args),
        Command::Trace(args) => trace::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Availability(args) => availability::run(args),
        Command::Detect(args) => detect::run(&args),
        Command::Check(args) => check::run(args),
        Command::Grafana(args) => grafana::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Init(args) => init::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::User(args) => user::run(args),
        Command::Backup(args) => backup::backup(args),
        Command::Restore(args) => backup::restore(args),
        Command::Lines(args) => lines::run(args),
        Command::Events(args) => events::run(args),
        Command::Runs(args) => runs::run(args),
        Command::Approve(args) => approve::run(args),
        Command::Pause(args) => pause::run(args),
        Command::Resume(args) => resume::run(&args),
        Command::Mode(args) => mode::run(args),
        Command::Syslog(args) => syslog::run(args),
        Command::Vco(args) => vco::run(args),
        Command::Device(args) => device::run(args),
        Command::Remedy(args) => remedy::run(args),
        Command::Lab(args) => lab::run(args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    }
}
