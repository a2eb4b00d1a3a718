//! `netmend detect`: judges a series from a file or a pipe and prints when it was too high. This file
//! holds what can be typed and the loop; `rows` reads lines, `lines` writes them. Rules are in `detect`.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use detect::{Change, Detector, Judgement, Learned, Rules, Samples, Settings, Sigma};
use jiff::tz::TimeZone;
use model::{Metric, UnixMs};

use crate::report::Report;

use self::lines::Lines;
use self::rows::{Row, Rows};

mod lines;
mod rows;

/// Exit code: there was nothing to judge, or some of it was unreadable and `--strict` was asked for.
const UNREADABLE: u8 = 1;
/// Exit code: what was typed makes no sense.
const BAD_ARGUMENTS: u8 = 3;
/// Exit code: the input could not be opened or read.
const SYSTEM_ERROR: u8 = 4;

/// Rows that `sigma` looks at before it knows how far they lie apart; it can judge none of them anyway.
const ROWS_FOR_STEP: usize = 13;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads lines `timestamp,value`: the timestamp in seconds since 1970 or as 2026-01-31T12:00:00Z, the value in \
milliseconds or percent; an empty value is a missing sample. A header and further columns are skipped.\n\n\
Prints a JSON object a line for each time it was too high, as soon as that is over: `start` is when the \
alert would have been sent, `end` when it was cleared or accepted as the new normal. Nothing later than \
a line's own time was looked at.\n\n\
Exit codes: 0 judged, 1 no line could be read, or with --strict not every line, 3 bad arguments, 4 a \
system error.")]
pub(crate) struct Args {
    /// What the values are: latency and jitter in milliseconds, loss in percent.
    #[arg(long, value_name = "KIND")]
    kind: Kind,
    /// The rule: netmend's own, or the original's mean plus two standard deviations.
    #[arg(long, value_name = "RULE", default_value = "nm")]
    rule: Rule,
    /// The series, `-` is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Smallest rise that counts, in milliseconds or percent. Default: the rule's own.
    #[arg(long, value_name = "RISE")]
    at_least: Option<f64>,
    /// Value that is too high whatever is usual, in milliseconds or percent.
    #[arg(long, value_name = "VALUE")]
    limit: Option<f64>,
    /// Time zone whose hours and weekends count.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    zone: TimeZone,
    /// Probes that one sample of loss speaks of. Default: as many as the smallest loss seen tells.
    #[arg(long, value_name = "N")]
    probes: Option<u32>,
    /// Print the judgement of each sample instead.
    #[arg(long)]
    each: bool,
    /// How to print.
    #[arg(long, visible_alias = "format", value_name = "FORM", default_value = "json")]
    output: lines::Form,
    /// Fail if a line cannot be read or its value cannot be.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Round-trip time in milliseconds.
    Latency,
    /// Difference of successive round-trip times in milliseconds.
    Jitter,
    /// Lost probes in percent.
    Loss,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Rule {
    /// Too high is what stays well above what is usual at this hour.
    Nm,
    /// Mean of 5 min above mean of the 60 min before plus 2 standard deviations.
    Sigma,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Report> {
    let stdin = args.file.as_os_str() == "-";
    let input: Box<dyn Read> = if stdin {
        Box::new(io::stdin().lock())
    } else {
        let opened = File::open(&args.file);
        Box::new(opened.map_err(|why| unreadable(&args.file, &why))?)
    };
    let mut rows = Rows::new(input);
    let mut ahead = VecDeque::new();
    let mut learned = Learned::Nm;
    if args.rule == Rule::Sigma {
        let samples = Samples::Each(step(&mut rows, &mut ahead, args)?);
        learned = Learned::Sigma(Sigma { samples, ..Sigma::default() });
    }
    let settings = Settings {
        learned,
        at_least: args.at_least,
        limit: args.limit,
        clear_after: None,
        zone: args.zone.clone(),
        probes: args.probes.map(f64::from),
    };
    let metric = match args.kind {
        Kind::Latency => Metric::Rtt,
        Kind::Jitter => Metric::Jitter,
        Kind::Loss => Metric::Loss,
    };
    let rules = Rules::new(metric, &settings).map_err(|why| {
        Report::because("cannot judge by these settings", &why).code(BAD_ARGUMENTS)
    })?;
    let mut session = Session::new(args, rules);
    loop {
        let row = match ahead.pop_front() {
            Some(row) => Some(row),
            None => rows.next().map_err(|why| unreadable(&args.file, &why))?,
        };
        let Some(row) = row else { break };
        if !session.take(row)? {
            return Ok(ExitCode::SUCCESS);
        }
        if rows.would_wait() {
            session.lines.flush()?;
        }
    }
    session.end()?;
    conclude(args, &rows, session.refused)
}

/// The parser of `--zone`.
fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|why| format!("{why}; zones are named as Europe/London"))
}

fn unreadable(file: &std::path::Path, why: &io::Error) -> Report {
    let name = if file.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    };
    Report::because(format!("cannot read {name}"), why).code(SYSTEM_ERROR)
}

/// Seconds between two rows: the median of the first few, which are kept for judging.
fn step<R: Read>(
    rows: &mut Rows<R>,
    ahead: &mut VecDeque<Row>,
    args: &Args,
) -> Result<f64, Report> {
    while ahead.len() < ROWS_FOR_STEP {
        match rows.next().map_err(|why| unreadable(&args.file, &why))? {
            Some(row) => ahead.push_back(row),
            None => break,
        }
    }
    let times = ahead.iter().map(|row| row.at.0);
    let mut gaps: Vec<i64> = times.clone().skip(1).zip(times).map(|(b, a)| b - a).collect();
    gaps.retain(|gap| *gap > 0);
    gaps.sort_unstable();
    // A single row says nothing, and nothing can be said of it.
    let gap = gaps.get(gaps.len() / 2).copied().unwrap_or(60_000);
    Ok(gap as f64 / 1000.0)
}

/// Says on standard error what was left out; nothing but that decides the exit code.
fn conclude<R: Read>(args: &Args, rows: &Rows<R>, refused: Refused) -> Result<ExitCode, Report> {
    let mut left_out = Vec::new();
    if rows.malformed > 0 {
        left_out.push(format!(
            "{} that are not `timestamp,value`, the first is line {}: {}",
            count(rows.malformed),
            rows.first_malformed.0,
            rows.first_malformed.1
        ));
    }
    if refused.late > 0 {
        left_out.push(format!("{} not later than the line before", count(refused.late)));
    }
    if refused.impossible > 0 {
        let what = if args.kind == Kind::Loss {
            "below 0 or above 100"
        } else {
            "below 0 or above an hour"
        };
        left_out.push(format!("{} with a value {what}", count(refused.impossible)));
    }
    let report = Report::new(match (rows.read, left_out.is_empty()) {
        (0, true) => "there is no line to judge".to_owned(),
        (0, false) => "there is no line that can be judged".to_owned(),
        _ => "some lines were left out".to_owned(),
    });
    let report =
        Report { chain: report.chain.into_iter().chain(left_out.clone()).collect(), ..report };
    if rows.read == 0 {
        let help = "pass lines such as 1767571200,23.5: seconds since 1970, a comma, the value";
        return Err(report.code(UNREADABLE).help(help));
    }
    if left_out.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if args.strict {
        return Err(report.code(UNREADABLE));
    }
    lines::warn(&left_out);
    Ok(ExitCode::SUCCESS)
}

fn count(lines: u64) -> String {
    format!("{lines} line{}", if lines == 1 { "" } else { "s" })
}

/// Lines whose values changed nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Refused {
    late: u64,
    impossible: u64,
}

/// The judging of one series.
struct Session {
    rules: Rules,
    detector: Detector,
    lines: Lines,
    each: bool,
    /// The judgement that raised what is firing.
    raised: Option<Judgement>,
    last: Option<UnixMs>,
    refused: Refused,
}

impl Session {
    fn new(args: &Args, rules: Rules) -> Self {
        Self {
            detector: Detector::new(&rules),
            rules,
            lines: Lines::new(args.output),
            each: args.each,
            raised: None,
            last: None,
            refused: Refused::default(),
        }
    }

    /// Judges one row; false if nobody reads what is printed any more.
    fn take(&mut self, row: Row) -> Result<bool, Report> {
        let Some(judgement) = self.detector.push(&mut self.rules, row.at, row.value) else {
            if self.last.is_some_and(|last| row.at <= last) {
                self.refused.late += 1;
            } else {
                self.refused.impossible += 1;
            }
            return Ok(true);
        };
        self.last = Some(row.at);
        if self.each {
            return self.lines.judgement(&judgement);
        }
        match judgement.change {
            Some(Change::Raised) => self.raised = Some(judgement),
            Some(change) => {
                if let Some(raised) = self.raised.take() {
                    return self.lines.alert(&raised, row.at, Some(change));
                }
            }
            None => {}
        }
        Ok(true)
    }

    /// Prints what is firing still.
    fn end(&mut self) -> Result<(), Report> {
        if let (Some(raised), Some(last)) = (self.raised.take(), self.last) {
            self.lines.alert(&raised, last, None)?;
        }
        self.lines.flush()
    }
}
