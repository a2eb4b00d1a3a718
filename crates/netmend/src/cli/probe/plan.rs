//! What was typed becomes what it means: how often, in which shape, for whose eyes. Reads files of targets
//! and standard input if asked to; sends nothing.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use model::{Family, PacketOptions};

use super::hosts::{self, Defaults, List};
use super::{Args, BAD_ARGUMENTS, SYSTEM_ERROR};
use crate::config::{self, Dscp};
use crate::report::Report;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Aligned lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Who looks on, and so what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// A table on the terminal that follows what happens, and the summary at the end.
    Live,
    /// The summary at the end.
    Text,
    /// JSON lines.
    Json,
}

/// What is to be done, apart from the targets.
#[derive(Debug)]
pub(super) struct Plan {
    /// Rounds; `None` until stopped.
    pub(super) rounds: Option<u32>,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) flat_out: bool,
    pub(super) packet: PacketOptions,
    pub(super) view: View,
    /// Report each probe too.
    pub(super) each: bool,
    /// Words that name a target already named.
    pub(super) repeated: usize,
}

/// Timeouts are kept to about a millisecond.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
/// Intervals and timeouts beyond this are typing errors.
const LONGEST: Duration = Duration::from_hours(1);
/// Faster than this one target is not asked, `--flat-out` apart.
const SHORTEST: Duration = Duration::from_millis(1);

/// Makes the plan and the list of targets.
pub(super) fn make(args: Args) -> Result<(Plan, List), Report> {
    let flat_out = args.flat_out || args.interval.is_zero();
    let interval = if args.interval.is_zero() { Duration::from_secs(1) } else { args.interval };
    if interval < SHORTEST {
        return Err(bad(format!("an interval of {interval:?} is shorter than {SHORTEST:?}")));
    }
    if args.timeout < SHORTEST_TIMEOUT {
        let least = format!("a timeout of {:?} is shorter than {SHORTEST_TIMEOUT:?}", args.timeout);
        return Err(bad(least));
    }
    let mut list = targets(&args)?;
    list.deduplicate();
    if list.len() == 0 {
        return Err(bad("there is nothing to probe").help("netmend probe HOST..."));
    }
    if args
        .source
        .is_some_and(|source| (0..list.len()).all(|i| list.family(i) != Family::of(source)))
    {
        return Err(bad("the source address is of another family than every target"));
    }
    let view = view(&args);
    let rounds = match args.count {
        Some(0) => None,
        Some(count) => Some(count),
        // Who sees what happens can stop it; what is told at the end alone must come to one.
        None if matches!(view, View::Live) || (args.each && io::stdout().is_terminal()) => None,
        None => Some(1),
    };
    let packet = PacketOptions {
        dscp: args.dscp,
        size: args.size,
        dont_fragment: args.df,
        source: args.source,
        device: args.device,
    };
    let (timeout, each, repeated) = (args.timeout, args.each, list.repeated);
    Ok((Plan { rounds, interval, timeout, flat_out, packet, view, each, repeated }, list))
}

pub(super) fn dscp(text: &str) -> Result<u8, &'static str> {
    Dscp::parse(text).map(|code| code.0).ok_or(Dscp::HELP)
}

fn view(args: &Args) -> View {
    let somebody = io::stdout().is_terminal() && io::stdin().is_terminal();
    match args.output {
        Some(Format::Json) => View::Json,
        None if somebody && !args.no_live && !args.each => View::Live,
        _ => View::Text,
    }
}

/// Everything that was listed, in the order of the command line, files last.
fn targets(args: &Args) -> Result<List, Report> {
    let family = match (args.ipv4, args.ipv6) {
        (true, _) => Some(Family::V4),
        (_, true) => Some(Family::V6),
        _ => None,
    };
    let from = Defaults { family, port: args.tcp };
    let mut list = List::default();
    for word in &args.hosts {
        if word == "-" {
            list.add_lines(io::stdin().lock(), "standard input", &from)
                .map_err(|error| refused(&error))?;
        } else {
            list.add(word, &from, format_args!("")).map_err(|error| refused(&error))?;
        }
    }
    for path in &args.targets {
        if path == Path::new("-") {
            list.add_lines(io::stdin().lock(), "standard input", &from)
        } else if hosts::is_yaml(path) {
            add_yaml(&mut list, path, &from)?;
            Ok(())
        } else {
            list.add_file(path, &from)
        }
        .map_err(|error| refused(&error))?;
    }
    Ok(list)
}

/// Adds the targets of a YAML file. Interval, timeout and packets are those of the command line: the file
/// says whom the daemon watches, a person says how to ask now.
fn add_yaml(list: &mut List, path: &Path, from: &Defaults) -> Result<(), Report> {
    let settings = config::load_any(path).map_err(|problems| bad(problems.to_string()))?;
    for target in &settings.targets {
        list.add_target(target, from).map_err(|error| refused(&error))?;
    }
    Ok(())
}

fn bad(message: impl Into<String>) -> Report {
    Report::new(message).code(BAD_ARGUMENTS)
}

fn refused(error: &hosts::Error) -> Report {
    match error {
        hosts::Error::Read { what, source } if source.kind() == io::ErrorKind::InvalidData => {
            bad(format!("{what} is not UTF-8 text"))
        }
        hosts::Error::Read { what, source } => {
            let code = match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::IsADirectory => BAD_ARGUMENTS,
                _ => SYSTEM_ERROR,
            };
            Report::because(format!("cannot read {what}"), source).code(code)
        }
        _ => bad(error.to_string()),
    }
}

/// `1s`, `200ms`, `1m 30s` as in a config, or `0`. A bare number is refused: `ping` means seconds by it,
/// `fping` milliseconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(format!("needs a unit: {text}s or {text}ms?"));
    }
    let span = config::duration(text).ok_or(config::DURATION_HELP)?;
    if span > LONGEST { Err("is longer than 1h".to_owned()) } else { Ok(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_unless_they_are_nothing() {
        let cases = [
            ("1s", Ok(1_000_000)),
            ("200ms", Ok(200_000)),
            ("1.5s", Ok(1_500_000)),
            ("250us", Ok(250)),
            ("2m", Ok(120_000_000)),
            ("1h", Ok(3_600_000_000)),
            ("0", Ok(0)),
            ("0s", Ok(0)),
            ("1", Err("needs a unit")),
            ("1m 30s", Ok(90_000_000)),
            ("1 parsec", Err("as in 10s")),
            ("2h", Err("longer than 1h")),
            ("-1s", Err("as in 10s")),
            ("1.2.3s", Err("as in 10s")),
            ("", Err("as in 10s")),
            ("99999999999999999999999h", Err("as in 10s")),
        ];
        for (text, expected) in cases {
            match (duration(text).map(|span| span.as_micros()), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
