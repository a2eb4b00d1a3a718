//! `netmend silence`: keeps alerts quiet for a time, in the language of Alertmanager's `amtool`. Through the
//! control socket.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use alert::matching::parse;
use model::UnixMs;
use model::alert::{Matcher, SilenceId, Weekly};

use super::alerts::time;
use super::common::Common;
use super::stdout::{self, Form};
use crate::config::duration;
use crate::desk::{EXPIRE, Listed, SILENCES, SilenceOrder};
use crate::report::Report;

/// How long a silence holds if nobody says.
const SPAN: Duration = Duration::from_hours(2);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Keep alerts quiet that all matchers fit.
    Add(AddArgs),
    /// List silences that have not ended.
    List(ListArgs),
    /// End a silence now.
    Expire(ExpireArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A MATCHER is LABEL=VALUE, LABEL!=VALUE, LABEL=~REGEX or LABEL!~REGEX; labels are alert, severity, state, kind, \
target, host, region, protocol, family and your own tags. Nobody is told what begins while it holds; who was told \
of an alert before is told its end. Windows that belong to the network rather than to a piece of work are best kept in \
the configuration, as `maintenance`.

Examples:
  netmend silence add region=aws-london --for 2h --note 'line is moved'
  netmend silence add region=office --every 'Sun 02:00-04:00 Europe/London' --note 'patch night'
  netmend silence add host=~'sw[12]' --from 2026-12-24T22:00Z --for 4h --note update

Exit codes: 0 it holds, 1 it is refused or no netmend runs, 3 bad arguments, 4 a system error.")]
struct AddArgs {
    #[command(flatten)]
    common: Common,
    /// Which alerts; all must fit.
    #[arg(value_name = "MATCHER", required = true, value_parser = parse)]
    matchers: Vec<Matcher>,
    /// How long it holds, such as 2h or 1d 12h [default: 2h; with --every until it is expired].
    #[arg(long = "for", value_name = "DURATION", value_parser = span)]
    span: Option<Duration>,
    /// Only at these hours of each week, such as 'Mon-Fri 22:00-06:00 Europe/London'.
    #[arg(long, value_name = "HOURS")]
    every: Option<Weekly>,
    /// When it begins, such as 2026-12-24T22:00Z [default: now].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<UnixMs>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 ended, 1 there is no such silence or no netmend runs, 3 bad arguments, 4 a system error.")]
struct ExpireArgs {
    #[command(flatten)]
    common: Common,
    /// Number of the silence.
    #[arg(value_name = "ID")]
    id: SilenceId,
}

fn span(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| crate::config::DURATION_HELP.to_owned())
}

fn moment(text: &str) -> Result<UnixMs, String> {
    let at = text.parse::<jiff::Timestamp>();
    at.map(|at| UnixMs(at.as_millisecond()))
        .map_err(|why| format!("{why}; as in 2026-12-24T22:00Z"))
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let text = match args.command {
        Command::Add(args) => add(args)?,
        Command::List(args) => list(&args)?,
        Command::Expire(args) => expire(&args)?,
    };
    stdout::print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn add(args: AddArgs) -> Result<String, Report> {
    let span = args.span.or(if args.every.is_none() { Some(SPAN) } else { None });
    let order = SilenceOrder {
        matchers: args.matchers,
        from: args.from,
        for_ms: span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        weekly: args.every,
        note: args.note,
    };
    let client = args.common.client()?;
    let id: SilenceId = client.post_json(SILENCES, &order)?;
    match args.common.output {
        Form::Json => stdout::json_lines([serde_json::json!({ "silence": id })]),
        Form::Text => Ok(format!("silence {id} is set; `netmend silence expire {id}` ends it\n")),
    }
}

fn list(args: &ListArgs) -> Result<String, Report> {
    let listed: Vec<Listed> = args.common.client()?.get(SILENCES)?;
    if let Form::Json = args.common.output {
        return stdout::json_lines(&listed);
    }
    if listed.is_empty() {
        return Ok("no silence is set\n".to_owned());
    }
    let mut text = format!("{:>5}  {:7}  {:20}  {:20}  WHICH\n", "ID", "HOLDS", "FROM", "UNTIL");
    for Listed { silence, holds } in &listed {
        let which: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
        let until = silence.until.map_or_else(|| "-".to_owned(), time);
        let holds = if *holds { "now" } else { "not yet" };
        let (id, from) = (silence.id, time(silence.from));
        let _ = write!(text, "{id:>5}  {holds:7}  {from:20}  {until:20}  {}", which.join(" "));
        if let Some(weekly) = &silence.weekly {
            let _ = write!(text, "  {weekly}");
        }
        let note = model::text::printable(&silence.note, 200);
        let _ = writeln!(text, "  {} {note}", silence.by);
    }
    Ok(text)
}

fn expire(args: &ExpireArgs) -> Result<String, Report> {
    let client = args.common.client()?;
    let id: SilenceId = client.post_json(EXPIRE, &args.id)?;
    match args.common.output {
        Form::Json => stdout::json_lines([serde_json::json!({ "silence": id })]),
        Form::Text => Ok(format!("silence {id} has ended\n")),
    }
}
