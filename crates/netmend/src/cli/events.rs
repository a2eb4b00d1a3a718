//! `netmend events`: what happened to devices. `list`, `show` and `follow` read the store, beside a running
//! daemon or without one; `retry` and `cancel` ask the daemon.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use model::event::{EventState, Evidence, Mode, Origin};
use model::{Event, EventId, UnixMs};
use serde::Serialize;
use show::MendOrder;
use store::{EventQuery, LineQuery, Query, StateReader, Value};

use super::approve::tell;
use super::common::{self, Common};
use super::lines::local;
use super::since::Since;
use super::stdout::{self, Form};
use crate::json_line;
use crate::report::Report;

/// Lines of the device around an event that `show` prints.
const LINES: u32 = 20;
/// How long before and after an event's reports those lines may be.
const AROUND: Duration = Duration::from_mins(1);
/// How often `follow` looks.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Times are RFC 3339 (2026-11-22T02:00:00Z) or a span before now (15m, 2h, 3d). States: new, held,
awaiting_approval, queued, running, verifying (open); recorded, suppressed, success, failure, timed_out,
unknown, escalated, cancelled (over).

Exit codes: 0 done, 1 nothing was found or the event is not in a state that allows it, 3 bad arguments,
4 the store cannot be read.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List events, oldest first.
    List(ListArgs),
    /// Show one event, with the lines of its device around it.
    Show(ShowArgs),
    /// Print events as they happen and change, until interrupted.
    Follow(FollowArgs),
    /// Log in to the device of an event and see what would be done, without doing it.
    Look(ChangeArgs),
    /// Open an event that is over again: it is handled as if it had just happened.
    Retry(ChangeArgs),
    /// End an open event: nothing more is done about it.
    Cancel(ChangeArgs),
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// Only events of this device; upper and lower case and the domain do not matter.
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Only events with this code; a `*` at its end stands for any rest.
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Only events in this state; `open` and `over` stand for several. May be given several times.
    #[arg(long, value_name = "STATE", value_parser = states)]
    state: Vec<States>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    filter: Filter,
    /// Only events that were told at this time or later.
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only events that were told first before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Since>,
    /// At most this many, the newest.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    limit: u32,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Number of the event.
    id: EventId,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct FollowArgs {
    #[command(flatten)]
    filter: Filter,
}

#[derive(Debug, clap::Args)]
struct ChangeArgs {
    /// Number of the event.
    id: EventId,
    #[command(flatten)]
    common: Common,
}

/// One state, or several by one word.
#[derive(Clone, Debug)]
struct States(Vec<EventState>);

fn states(text: &str) -> Result<States, String> {
    let all = || EventState::ALL.iter().copied();
    match text {
        "open" => Ok(States(all().filter(|state| state.is_open()).collect())),
        "over" => Ok(States(all().filter(|state| !state.is_open()).collect())),
        word => EventState::from_name(word).map(|state| States(vec![state])).ok_or_else(|| {
            let words: Vec<&str> = all().map(EventState::as_str).collect();
            format!("write one of open, over, {}", words.join(", "))
        }),
    }
}

impl Filter {
    fn query(&self, reader: &StateReader) -> Result<EventQuery, Report> {
        Ok(EventQuery {
            device: common::device(reader, self.device.as_deref())?,
            code: self.code.clone(),
            states: self.state.iter().flat_map(|states| states.0.clone()).collect(),
            ..EventQuery::default()
        })
    }

    /// Whether it is one of those, `device` being the one that is meant.
    fn fits(&self, event: &Event, device: Option<&str>) -> bool {
        let code = |code: &str| match self
            .code
            .as_deref()
            .map(|want| want.strip_suffix('*').ok_or(want))
        {
            None => true,
            Some(Ok(start)) => code.starts_with(start),
            Some(Err(want)) => code == want,
        };
        device.is_none_or(|device| *device == event.device)
            && (code(&event.code) || code(&event.code_norm))
            && (self.state.is_empty()
                || self.state.iter().any(|states| states.0.contains(&event.state)))
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    match args.command {
        Command::List(args) => list(&args),
        Command::Show(args) => show(&args),
        Command::Follow(args) => follow(&args.filter),
        Command::Look(args) => tell(&args.common, &MendOrder::Look { event: args.id }),
        Command::Retry(args) => tell(&args.common, &MendOrder::Retry { event: args.id }),
        Command::Cancel(args) => tell(&args.common, &MendOrder::Cancel { event: args.id }),
    }
}

fn list(args: &ListArgs) -> Result<ExitCode, Report> {
    let reader = args.filter.common.reader()?;
    let query = EventQuery {
        from: args.since.map(Since::at),
        until: args.until.map(Since::at),
        limit: args.limit,
        ..args.filter.query(&reader)?
    };
    let mut found = find(&reader, query)?;
    found.reverse();
    stdout::print(text(&found, args.filter.common.output)?)?;
    Ok(ExitCode::from(u8::from(found.is_empty())))
}

fn find(reader: &StateReader, query: EventQuery) -> Result<Vec<Event>, Report> {
    let failed = |why| Report::because("cannot read the events", &why).code(4);
    let found = reader.find(&Query::Events(query)).map_err(failed)?;
    Ok(found.into_iter().filter_map(event).collect())
}

fn event(record: store::Record) -> Option<Event> {
    match record.value {
        Value::Event(event) => Some(*event),
        _ => None,
    }
}

fn show(args: &ShowArgs) -> Result<ExitCode, Report> {
    let reader = args.common.reader()?;
    let query = EventQuery { id: Some(args.id), ..EventQuery::default() };
    let Some(event) = find(&reader, query)?.pop() else {
        return Err(Report::new(format!("there is no event {}", args.id)));
    };
    let around = LineQuery {
        device: Some(event.device.clone()),
        from: event.first - AROUND,
        until: event.last + AROUND,
        limit: LINES,
        ..LineQuery::default()
    };
    let lines = reader
        .find(&Query::Lines(around))
        .map_err(|why| Report::because("cannot read the lines of the event", &why).code(4))?;
    let lines: Vec<_> = lines
        .into_iter()
        .rev()
        .filter_map(|record| match record.value {
            Value::Line(line) => Some(line),
            _ => None,
        })
        .collect();
    if args.common.output == Form::Json {
        let mut said = text(&[event], Form::Json)?.into_bytes();
        for line in &lines {
            json_line::stored(&mut said, line.view());
        }
        stdout::print(said)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = details(&event);
    if !lines.is_empty() {
        text.push_str("\nlines of the device around it:\n");
    }
    for line in &lines {
        let raw = stdout::clean(&String::from_utf8_lossy(&line.raw));
        text.extend(["  ", &local(line.at), "  ", &raw, "\n"]);
    }
    stdout::print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn details(event: &Event) -> String {
    let severity = event.severity.map_or_else(|| "not told".into(), |level| level.to_string());
    let mut rows = vec![
        ("event", event.id.to_string()),
        ("device", event.device.clone()),
        ("code", event.code.clone()),
        ("object", event.object.clone()),
        ("severity", severity),
        ("state", event.state.to_string()),
        ("reason", event.reason.clone()),
        ("told", format!("{} times, by {}", event.count, event.origin)),
        ("first", local(event.first)),
        ("last", local(event.last)),
        ("cleared", event.cleared.map(local).unwrap_or_default()),
        ("before", event.parent.map(|id| format!("event {id}")).unwrap_or_default()),
        ("message", event.message.clone()),
    ];
    if let Some(plan) = &event.plan {
        let model::event::Plan { remediation, mode, attempt, .. } = plan;
        rows.push(("remedy", format!("{remediation}, mode {mode}, begun {attempt} times")));
        if let Some(yes) = &plan.approved {
            rows.push(("approved", format!("by {}, {}", yes.by, local(yes.at))));
        }
    }
    rows.retain(|(_, value)| !value.is_empty());
    let rows: Vec<String> =
        rows.iter().map(|(name, value)| format!("{name:9} {}\n", stdout::clean(value))).collect();
    rows.concat()
}

/// Prints what changes, as long as somebody reads it.
fn follow(filter: &Filter) -> Result<ExitCode, Report> {
    let reader = filter.common.reader()?;
    let failed = |why| Report::because("cannot read the events", &why).code(4);
    let mut seen = reader.revision().map_err(failed)?;
    common::follow(LOOK, || {
        let mut news = reader.events_since(seen).map_err(failed)?;
        news.sort_unstable_by_key(|record| record.revision);
        seen = news.last().map_or(seen, |record| record.revision);
        if news.is_empty() {
            return Ok(String::new());
        }
        let device = common::device(&reader, filter.device.as_deref())?;
        let fits = |event: &Event| filter.fits(event, device.as_deref());
        let events: Vec<Event> = news.into_iter().filter_map(event).filter(fits).collect();
        text(&events, filter.common.output)
    })
}

/// An event as JSON; names here are a contract.
#[derive(Serialize)]
struct View<'a> {
    id: EventId,
    device: &'a str,
    code: Option<&'a str>,
    code_norm: Option<&'a str>,
    object: Option<&'a str>,
    severity: Option<u8>,
    state: EventState,
    reason: Option<&'a str>,
    count: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    cleared: Option<Timestamp>,
    parent: Option<EventId>,
    origin: Origin,
    message: &'a str,
    fields: &'a BTreeMap<String, String>,
    evidence: Evidence,
    remediation: Option<&'a str>,
    mode: Option<Mode>,
    attempt: u32,
    approved_by: Option<&'a str>,
}

impl<'a> View<'a> {
    fn of(event: &'a Event) -> Self {
        let time = |at: UnixMs| Timestamp::from_millisecond(at.0).ok();
        let told = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        let plan = event.plan.as_ref();
        Self {
            id: event.id,
            device: &event.device,
            code: told(&event.code),
            code_norm: told(&event.code_norm),
            object: told(&event.object),
            severity: event.severity,
            state: event.state,
            reason: told(&event.reason),
            count: event.count,
            first: time(event.first),
            last: time(event.last),
            cleared: event.cleared.and_then(time),
            parent: event.parent,
            origin: event.origin,
            message: &event.message,
            fields: &event.fields,
            evidence: event.evidence,
            remediation: plan.map(|plan| plan.remediation.as_str()),
            mode: plan.map(|plan| plan.mode),
            attempt: plan.map_or(0, |plan| plan.attempt),
            approved_by: plan.and_then(|plan| plan.approved.as_ref()).map(|yes| yes.by.as_str()),
        }
    }
}

fn text(events: &[Event], form: Form) -> Result<String, Report> {
    match form {
        Form::Json => stdout::json_lines(events.iter().map(View::of)),
        Form::Text => Ok(events.iter().map(row).collect()),
    }
}

fn row(event: &Event) -> String {
    let Event { id, device, state, code, object, count, message, .. } = event;
    let object = if object.is_empty() { String::new() } else { format!(" {object}") };
    let times = if *count > 1 { format!(" (x{count})") } else { String::new() };
    format!(
        "{}  #{id:<6} {state:10} {device}  {code}{object}{times}  {message}\n",
        local(event.last)
    )
}
