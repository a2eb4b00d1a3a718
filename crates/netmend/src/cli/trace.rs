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
use model::path::{Hop, HopAnswer};
use model::{Path, PathEnd, Reason, SystemClock};
use serde::Serialize;

use super::figures::{percent, rtt};
use super::stdout::{self, Form};
use crate::config::{self, Typed};
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
    /// How long to wait for an answer.
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
    text.push_str(&lines(path, names));
    let last = path.hops.len();
    match path.end {
        PathEnd::Reached => {}
        PathEnd::Silent if last == 0 => text.push_str("nobody answered on the way\n"),
        PathEnd::Silent => {
            let _ = writeln!(text, "nobody answered beyond hop {last}");
        }
        PathEnd::Unreachable { from, kind, code } => {
            let _ = writeln!(text, "{}", Reason::Icmp { from, kind, code });
        }
    }
    text
}

const TITLES: [&str; 6] = ["hop", "address", "loss", "min", "mean", "max"];

/// The table of routers.
pub(super) fn lines(path: &Path, names: &HashMap<IpAddr, String>) -> String {
    if path.hops.is_empty() {
        return String::new();
    }
    let mut rows = vec![TITLES.map(str::to_owned)];
    for hop in &path.hops {
        rows.extend(cells(hop, names));
    }
    let mut widths = [0; TITLES.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let start = text.len();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = if column == 1 {
                write!(text, "{cell:<width$}  ")
            } else {
                write!(text, "{cell:>width$}  ")
            };
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
    text
}

/// The rows of one distance: one for each who answered there.
fn cells(hop: &Hop, names: &HashMap<IpAddr, String>) -> Vec<[String; TITLES.len()]> {
    let silent = "-".to_owned();
    if hop.answers.is_empty() {
        let loss = percent(Some(100.0));
        let none = || silent.clone();
        return vec![[hop.distance.to_string(), none(), loss, none(), none(), none()]];
    }
    let row = |(number, answer): (usize, &HopAnswer)| {
        let us = |us: Option<u32>| rtt(us.map(|us| f64::from(us) * 1e3));
        let times = answer.rtt_us;
        let first = number == 0;
        let address = answer.from.to_string();
        [
            if first { hop.distance.to_string() } else { String::new() },
            match names.get(&answer.from) {
                Some(name) => format!("{name} ({address})"),
                None => address,
            },
            if first { percent(Some(hop.loss_pct())) } else { String::new() },
            us(times.map(|times| times.min)),
            us(times.map(|times| times.mean)),
            us(times.map(|times| times.max)),
        ]
    };
    hop.answers.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use model::path::HopRtt;
    use model::{Method, UnixMs};

    use super::*;

    fn path() -> Path {
        let answer = |last: u8, count, us| HopAnswer {
            from: IpAddr::from([10, 0, 0, last]),
            count,
            rtt_us: Some(HopRtt { min: us, mean: us + 10, max: us + 20 }),
        };
        let hop = |distance, answers| Hop { distance, sent: 3, answers };
        Path {
            at: UnixMs(0),
            to: "192.0.2.1".parse().expect("an address"),
            port: Some(443),
            method: Method::TcpSyn,
            rounds: 3,
            hops: vec![
                hop(1, vec![answer(1, 3, 400)]),
                hop(2, vec![]),
                hop(3, vec![answer(3, 1, 12_000), answer(4, 1, 13_000)]),
            ],
            end: PathEnd::Silent,
        }
    }

    #[test]
    fn routers_stand_in_lines_with_their_figures_below_each_other() {
        let names = HashMap::from([(IpAddr::from([10, 0, 0, 1]), "gw.example".to_owned())]);
        let expected = "\
path to www.example.com (192.0.2.1), port 443 by TCP SYN (half-open), 3 rounds
hop  address                 loss     min    mean     max
  1  gw.example (10.0.0.1)     0%   400µs   410µs   420µs
  2  -                       100%       -       -       -
  3  10.0.0.3               33.3%  12.0ms  12.0ms  12.0ms
     10.0.0.4                      13.0ms  13.0ms  13.0ms
nobody answered beyond hop 3
";
        assert_eq!(text("www.example.com", &path(), &names), expected);
    }

    #[test]
    fn the_end_of_the_way_is_told_in_words() {
        let mut path = path();
        let from = IpAddr::from([10, 0, 0, 3]);
        path.end = PathEnd::Unreachable { from, kind: 3, code: 13 };
        let shown = text("192.0.2.1", &path, &HashMap::new());
        assert!(shown.ends_with("prohibited by a filter, reported by 10.0.0.3\n"), "{shown}");
        (path.hops, path.end) = (Vec::new(), PathEnd::Silent);
        assert!(text("h", &path, &HashMap::new()).ends_with("nobody answered on the way\n"));
    }
}
