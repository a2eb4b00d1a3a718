//! `netmend probe`: asks hosts now and prints what was found. This file holds what can be typed; the
//! story goes on in `plan` (what it means), `hosts` (whom), `session` (the probing), `board` (what came
//! of it) and the views `json`, `text` and `live`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::report::Report;

mod board;
mod cells;
mod hosts;
mod json;
mod live;
mod notes;
mod plan;
mod session;
mod text;

/// Exit code: a target did not answer.
const UNANSWERED: u8 = 1;
/// Exit code: a name was not found.
const NOT_FOUND: u8 = 2;
/// Exit code: what was typed makes no sense.
const BAD_ARGUMENTS: u8 = 3;
/// Exit code: the system refused something that probing needs.
const SYSTEM_ERROR: u8 = 4;

#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 every target answered at least once, 1 some did not, 2 a name was not found, 3 bad \
arguments, 4 a system error.")]
pub(crate) struct Args {
    /// Names, addresses, `host:port` (TCP), networks such as 10.0.0.0/28, or `-` for a list on standard
    /// input.
    #[arg(value_name = "HOST")]
    hosts: Vec<String>,
    /// Probes per target; 0 goes on until stopped. Default: 0 with the live table, or with `--each` on a terminal; else 1.
    #[arg(short = 'c', long, value_name = "N")]
    count: Option<u32>,
    /// Time between two probes of a target; 0 is --flat-out.
    #[arg(short = 'i', long, value_name = "DUR", default_value = "1s", value_parser = plan::duration)]
    interval: Duration,
    /// How long to wait for an answer.
    #[arg(short = 't', long, value_name = "DUR", default_value = "1s", value_parser = plan::duration)]
    timeout: Duration,
    /// Probe by TCP to this port instead of ICMP echo.
    #[arg(long, value_name = "PORT", value_parser = hosts::port_number)]
    tcp: Option<u16>,
    /// Targets from a file: YAML as for `netmend run`, or one host a line; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    targets: Vec<PathBuf>,
    /// Report each probe as its answer comes or its deadline passes.
    #[arg(long)]
    each: bool,
    /// How to print. Default: a live table on a terminal, else text.
    #[arg(long, value_name = "FORM")]
    output: Option<plan::Format>,
    /// Use IPv4 only.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only.
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Send each round at once, not spread over the interval.
    #[arg(long)]
    flat_out: bool,
    /// ICMP payload in bytes.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(..=65_507))]
    size: Option<u16>,
    /// Differentiated services code point: 0 to 63, or a name such as EF, AF41, CS6.
    #[arg(long, value_name = "DSCP", default_value = "0", value_parser = plan::dscp)]
    dscp: u8,
    /// Forbid fragmentation.
    #[arg(long)]
    df: bool,
    /// Source address.
    #[arg(long, value_name = "ADDR")]
    source: Option<IpAddr>,
    /// Network device to leave through.
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// No live table on a terminal.
    #[arg(long)]
    no_live: bool,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let (plan, list) = plan::make(args)?;
    session::run(&plan, list).map(ExitCode::from)
}
