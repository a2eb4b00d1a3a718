//! `netmend lines`: stored syslog lines, from the store itself, beside a running daemon or without one. It
//! changes nothing.

use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::UnixMs;
use store::{LineQuery, Query, StoredLine, Value};

use super::common::{self, Common};
use super::since::Since;
use super::stdout::{self, Form};
use crate::config::Severity;
use crate::json_line;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Times are RFC 3339 (2026-11-22T02:00:00Z) or a span before now (15m, 2h, 3d). Lines come oldest first; of
more than the limit the newest are shown. JSON lines have the keys received, device, code, severity, raw.

Exit codes: 0 lines were found, 1 none, 3 bad arguments, 4 the store cannot be read.")]
pub(crate) struct Args {
    /// Only lines with this text in them, upper and lower case alike.
    text: Option<String>,
    /// Only lines of this device; upper and lower case and the domain do not matter.
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Only lines with this code; a `*` at its end stands for any rest.
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Only lines of this severity or worse: 0 to 7, or a name such as `err`.
    #[arg(long, value_name = "LEVEL", value_parser = severity)]
    severity: Option<u8>,
    /// Only lines received at this time or later.
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only lines received before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Since>,
    /// At most this many lines.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    common: Common,
}

/// A severity as typed.
pub(super) fn severity(text: &str) -> Result<u8, &'static str> {
    Severity::parse(text).map(|severity| severity.0).ok_or(Severity::HELP)
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let reader = args.common.reader()?;
    let query = LineQuery {
        device: common::device(&reader, args.device.as_deref())?,
        code: args.code,
        text: args.text,
        severity: args.severity,
        from: args.since.map_or(UnixMs(i64::MIN), Since::at),
        until: args.until.map_or(UnixMs(i64::MAX), Since::at),
        limit: args.limit,
    };
    let found = reader
        .find(&Query::Lines(query))
        .map_err(|why| Report::because("cannot search the stored lines", &why).code(4))?;
    let mut text = Vec::new();
    for record in found.iter().rev() {
        let Value::Line(line) = &record.value else { continue };
        match args.common.output {
            Form::Json => json_line::stored(&mut text, line.view()),
            Form::Text => row(&mut text, line),
        }
    }
    stdout::print(text)?;
    Ok(ExitCode::from(u8::from(found.is_empty())))
}

/// Time, device and the line, without what a terminal would act upon.
fn row(out: &mut Vec<u8>, line: &StoredLine) {
    let time = local(line.at);
    let raw = String::from_utf8_lossy(&line.raw);
    let text = format!("{time}  {}  {}\n", line.device, stdout::clean(&raw));
    out.extend_from_slice(text.as_bytes());
}

/// A time for people, in the zone of this machine.
pub(super) fn local(at: UnixMs) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(
        |_| at.0.to_string(),
        |at| at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}
