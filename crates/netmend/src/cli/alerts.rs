//! `netmend alerts`: what is and was wrong, through the control socket. It changes nothing.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use alert::matching::{Matching, parse};
use model::alert::{Alert, AlertId, Matcher, words};
use model::{Clock, SystemClock, UnixMs};

use super::common::{self, Common};
use super::stdout::{self, Form};
use crate::desk::{ALERTS, CHANGES, List};
use crate::report::Report;

/// Time between two looks of `follow`.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List what is wrong now, or all alerts.
    List(ListArgs),
    /// Show one alert with its history.
    Show(ShowArgs),
    /// Print what changes, as it happens.
    Follow(FollowArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A MATCHER is LABEL=VALUE, LABEL!=VALUE, LABEL=~REGEX or LABEL!~REGEX; labels are alert, severity, state, kind, \
target, host, region, protocol, family and your own tags.

Exit codes: 0 printed, 1 no netmend runs on this data folder, 3 bad arguments, 4 a system error.")]
struct ListArgs {
    #[command(flatten)]
    common: Common,
    /// Those that are over too, the newest first.
    #[arg(long)]
    all: bool,
    /// At most this many.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: u32,
    /// Only those that all of these fit.
    #[arg(value_name = "MATCHER", value_parser = parse)]
    matchers: Vec<Matcher>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 printed, 1 there is no such alert or no netmend runs, 3 bad arguments, 4 a system error.")]
struct ShowArgs {
    #[command(flatten)]
    common: Common,
    /// Number of the alert.
    #[arg(value_name = "ID")]
    id: AlertId,
}

#[derive(Debug, clap::Args)]
struct FollowArgs {
    #[command(flatten)]
    common: Common,
    /// Only those that all of these fit.
    #[arg(value_name = "MATCHER", value_parser = parse)]
    matchers: Vec<Matcher>,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    match args.command {
        Command::List(args) => list(&args),
        Command::Show(args) => show(&args),
        Command::Follow(args) => follow(&args),
    }
}

fn list(args: &ListArgs) -> Result<ExitCode, Report> {
    let matching = ready(&args.matchers)?;
    let open = if args.all { "" } else { "open=true&" };
    // The matchers are ours: whoever asks for ten that fit wants them out of all.
    let limit = if args.matchers.is_empty() { args.limit } else { u32::MAX };
    let path = format!("{ALERTS}?{open}limit={limit}");
    let List { mut alerts, .. } = args.common.client()?.get(&path)?;
    alerts.retain(|alert| matching.fits(|label| alert.label(label)));
    alerts.truncate(args.limit as usize);
    if !args.all {
        alerts.sort_by_key(|alert| (std::cmp::Reverse(alert.severity), alert.since));
    }
    let text = match args.common.output {
        Form::Json => stdout::json_lines(&alerts)?,
        Form::Text if alerts.is_empty() && !args.matchers.is_empty() => {
            "no alert fits\n".to_owned()
        }
        Form::Text if alerts.is_empty() && args.all => "no alert has been raised\n".to_owned(),
        Form::Text if alerts.is_empty() => "nothing is wrong\n".to_owned(),
        Form::Text => table(&alerts),
    };
    stdout::print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn show(args: &ShowArgs) -> Result<ExitCode, Report> {
    let path = format!("{ALERTS}?id={}&limit=1", args.id);
    let List { alerts, .. } = args.common.client()?.get(&path)?;
    let Some(alert) = alerts.first() else {
        return Err(Report::new(format!("there is no alert {}", args.id))
            .help("`netmend alerts list --all` shows all"));
    };
    let text = match args.common.output {
        Form::Json => stdout::json_lines([alert])?,
        Form::Text => whole(alert, SystemClock.now_ms()),
    };
    stdout::print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn follow(args: &FollowArgs) -> Result<ExitCode, Report> {
    let matching = ready(&args.matchers)?;
    let client = args.common.client()?;
    let mut since = client.get::<List>(&format!("{ALERTS}?limit=1000"))?.revision;
    common::follow(LOOK, || {
        let List { revision, mut alerts } = client.get(&format!("{CHANGES}?since={since}"))?;
        since = revision;
        alerts.retain(|alert| matching.fits(|label| alert.label(label)));
        Ok(match args.common.output {
            Form::Json => stdout::json_lines(&alerts)?,
            Form::Text => alerts.iter().map(line).collect(),
        })
    })
}

fn ready(matchers: &[Matcher]) -> Result<Matching, Report> {
    Matching::new(matchers).map_err(|why| Report::new(why.to_string()).code(3))
}

/// Rows with a heading.
fn table(alerts: &[Alert]) -> String {
    let mut text = format!("{:>5}  {:8}  {:8}  {:20}  WHAT\n", "ID", "SEVERITY", "STATE", "SINCE");
    for alert in alerts {
        text += &line(alert);
    }
    text
}

/// One alert in one line.
fn line(alert: &Alert) -> String {
    let marks = [
        (alert.ack.is_some(), "acknowledged"),
        (!alert.quiet.is_empty(), "quiet"),
        (alert.flapping, "flapping"),
    ];
    let marks: Vec<&str> =
        marks.iter().filter(|(holds, _)| *holds).map(|(_, word)| *word).collect();
    let marks = if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) };
    format!(
        "{:>5}  {:8}  {:8}  {:20}  {}{marks}\n",
        alert.id,
        alert.severity,
        alert.state,
        time(alert.since),
        words::headline(alert)
    )
}

/// All of an alert.
fn whole(alert: &Alert, now: UnixMs) -> String {
    let mut text = line(alert);
    let _ = writeln!(text, "\n{}", words::facts(alert, now));
    for by in &alert.quiet {
        let _ = writeln!(text, "{}", words::quiet(by));
    }
    if !alert.members.is_empty() {
        let _ = writeln!(text, "\nMEMBERS ({} of {})", alert.affected, alert.total);
        for member in &alert.members {
            let id = member.alert.map_or_else(String::new, |id| id.to_string());
            let since = time(member.since);
            let who = model::text::printable(&member.subject.to_string(), 80);
            let _ = writeln!(text, "{id:>5}  {:8}  {since:20}  {who}", member.state);
        }
    }
    text += "\nHISTORY\n";
    for entry in &alert.history {
        let _ = writeln!(text, "{}  {}", time(entry.at), words::happening(&entry.what));
    }
    text
}

/// `2026-11-24T10:02:00Z`.
pub(super) fn time(at: UnixMs) -> String {
    let seconds = jiff::Timestamp::from_second(at.0.div_euclid(1_000));
    seconds.map_or_else(|_| at.0.to_string(), |at| at.to_string())
}
