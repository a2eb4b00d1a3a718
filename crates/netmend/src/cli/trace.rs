//! `netmend trace`: finds the path to a host now and prints it. It asks no daemon and stores nothing.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use measure::kernel::KernelNetwork;
use measure::resolve::{SystemResolver, name_of};
use measure::trace::{Error, Request, trace};
use measure::{Resolve as _, ResolveError};
use model::path::HopAnswer;
use model::{Path, SystemClock};
use serde::Serialize;

use super::stdout::{self, Form};
use crate::config::{self, Typed};
use crate::explain::table;
use crate::report::Report;

/// Exit code: the target did not answer.
const NOT_REACHED: u8 = 1;
/// Exit code: the name was not found.
const NOT_FOUND: u8 = 2;
/// Exit code: what was typed makes no sense.
const BAD_ARGUMENTS: u8 = 3;
/// Exit code: the system refused something that tracing needs.
const SYSTEM_ERROR: u8 = 4;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
All probes bear one flow, so that routers that spread traffic send all of them the same way.

Exit codes: 0 the host answered, 1 it did not, 2 the name was not found, 3 bad arguments, 4 a system \
error.")]
pub(crate) struct Args {
    /// A name, an address, or `host:port` (TCP).
    #[arg(value_name = "HOST")]
    host: String,
    /// Trace by TCP SYNs to this port instead of ICMP echo.
    #[arg(long, value_name = "PORT", value_parser = port)]
    tcp: Option<u16>,
    /// Use IPv4 only.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only.
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Look at so many routers.
    #[arg(long, value_name = "1..64", default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..=64))]
    hops: u8,
    /// Ask each so often.
    #[arg(long, value_name = "1..10", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=10))]
    rounds: u8,
    /// How long to wait for answers behind the last probe of a round; what comes later, while there are more rounds, counts too.
    #[arg(short = 't', long, value_name = "DUR", default_value = "1s", value_parser = span)]
    timeout: Duration,
    /// Look up the names of the routers too.
    #[arg(long)]
    names: bool,
    /// Source address.
    #[arg(long, value_name = "ADDR")]
    source: Option<IpAddr>,
    /// Network device to leave through.
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// How to print: a line for each router, or one JSON object.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

fn port(text: &str) -> Result<u16, &'static str> {
    config::port(text).ok_or(config::PORT_HELP)
}

fn span(text: &str) -> Result<Duration, String> {
    let span = config::duration(text).ok_or(config::DURATION_HELP)?;
    let sensible = Duration::from_millis(1)..=Duration::from_mins(1);
    if sensible.contains(&span) { Ok(span) } else { Err("is between 1ms and 1m".to_owned()) }
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let to = address(&args)?;
    let mut request = Request::new(to);
    (request.hops, request.rounds, request.timeout) = (args.hops, args.rounds, args.timeout);
    (request.packet.source, request.packet.device) = (args.source, args.device);
    let network = KernelNetwork::new(Arc::new(SystemClock));
    let path = trace(&network, &SystemClock, &request, &AtomicBool::new(false));
    let path = path.map_err(|error| failure(&error))?;
    let names = if args.names { names(&path) } else { HashMap::new() };
    let text = match args.output {
        Form::Json => {
            stdout::json_lines([Shown { target: &args.host, names: &names, path: &path }])?
        }
        Form::Text => text(&args.host, &path, &names),
    };
    stdout::print(text)?;
    Ok(if path.is_reached() { ExitCode::SUCCESS } else { ExitCode::from(NOT_REACHED) })
}

/// What JSON holds.
#[derive(Serialize)]
struct Shown<'a> {
    target: &'a str,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    names: &'a HashMap<IpAddr, String>,
    path: &'a Path,
}

/// Where to trace to, by the first address of the name.
fn address(args: &Args) -> Result<SocketAddr, Report> {
    let bad = |why: &str| Report::new(format!("`{}` {why}", args.host)).code(BAD_ARGUMENTS);
    let Typed { host, port, family } = Typed::read(&args.host).map_err(|why| bad(&why))?;
    let wanted = match (args.ipv4, args.ipv6) {
        (true, _) => Some(model::Family::V4),
        (_, true) => Some(model::Family::V6),
        _ => None,
    };
    let family = match (family, wanted) {
        (Some(is), Some(wanted)) if is != wanted => {
            return Err(bad(&format!("is no IPv{} address", wanted.as_str())));
        }
        (is, wanted) => is.or(wanted).unwrap_or_default(),
    };
    if args.source.is_some_and(|source| model::Family::of(source) != family) {
        return Err(bad("is of another family than the source address"));
    }
    let found = SystemResolver.resolve(host, family).map_err(|error| match error {
        ResolveError::NotFound { .. } => Report::new(error.to_string()).code(NOT_FOUND),
        _ => Report::new(error.to_string()).code(SYSTEM_ERROR),
    })?;
    let mut to = *found.first().ok_or_else(|| bad("has no address").code(NOT_FOUND))?;
    to.set_port(port.or(args.tcp).unwrap_or(0));
    Ok(to)
}

fn failure(error: &Error) -> Report {
    Report::new(error.to_string()).code(SYSTEM_ERROR)
}

/// The names of all who answered, as far as they have one; asked for all at once.
fn names(path: &Path) -> HashMap<IpAddr, String> {
    let mut addresses: Vec<IpAddr> = answers(path).map(|answer| answer.from).collect();
    addresses.sort_unstable();
    addresses.dedup();
    thread::scope(|scope| {
        let asked: Vec<_> = addresses
            .iter()
            .map(|&address| (address, scope.spawn(move || name_of(address))))
            .collect();
        let answered = asked.into_iter();
        answered
            .filter_map(|(address, name)| Some((address, name.join().ok()??)))
            .map(|(address, name)| (address, model::text::printable(&name, 253)))
            .collect()
    })
}

fn answers(path: &Path) -> impl Iterator<Item = &HopAnswer> {
    path.hops.iter().flat_map(|hop| &hop.answers)
}

/// A line for each router that answered, as `mtr` and `traceroute` people expect it.
fn text(host: &str, path: &Path, names: &HashMap<IpAddr, String>) -> String {
    let mut text = format!("path to {host}");
    let to = path.to.to_string();
    if host != to {
        let _ = write!(text, " ({to})");
    }
    if let Some(port) = path.port {
        let _ = write!(text, ", port {port}");
    }
    let _ = writeln!(text, " by {}, {} rounds", path.method.as_str(), path.rounds);
    text.push_str(&table::lines(path, names));
    text.push_str(&table::end(path));
    text
}
