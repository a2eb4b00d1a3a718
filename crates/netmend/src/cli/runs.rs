//! `netmend runs`: what was done about events, and who does what now. Everything is read from the store, beside
//! a running daemon or without one.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use model::UnixMs;
use model::event::{EventId, Mode};
use model::run::{AuditEntry, Exchange, GuardNote, Proof, Run, RunId, RunState, StepResult};
use model::text::printable;
use serde::Serialize;
use store::{AuditQuery, Query, RunQuery, StateReader, Value, check_audit};

use super::common::{self, Common};
use super::lines::local;
use super::since::Since;
use super::stdout::{self, Form};
use crate::report::Report;

/// How often `follow` looks.
const LOOK: Duration = Duration::from_millis(200);
/// Most characters of a reason in a row.
const REASON: usize = 200;
/// Entries of the audit that are read at a time.
const PAGE: u32 = 10_000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
States: running, verifying (open); success, failure, timed_out, unknown, not_needed, held, cancelled, looked (over). Times \
are RFC 3339 (2026-11-22T02:00:00Z) or a span before now (15m, 2h, 3d).

Exit codes: 0 done, 1 nothing was found or the audit was changed, 3 bad arguments, 4 the store cannot be read.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List runs, oldest first.
    List(ListArgs),
    /// Show one run: what guards said, its steps, its proof, what was said on the device.
    Show(ShowArgs),
    /// Print who does what as runs begin, go on and end, until interrupted.
    Follow(FollowArgs),
    /// Print the audit, oldest first: every login, command, approval and order.
    Audit(AuditArgs),
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// Only runs on this device; upper and lower case and the domain do not matter.
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Only runs of this remediation.
    #[arg(long, value_name = "NAME")]
    remediation: Option<String>,
    /// Only runs in this state. May be given several times.
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Vec<RunState>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    filter: Filter,
    /// Only runs about this event.
    #[arg(long, value_name = "ID")]
    event: Option<EventId>,
    /// Only runs that began at this time or later.
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only runs that began before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Since>,
    /// At most this many, the newest.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    limit: u32,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Number of the run.
    id: RunId,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct FollowArgs {
    #[command(flatten)]
    filter: Filter,
}

#[derive(Debug, clap::Args)]
struct AuditArgs {
    /// Only what is about this event.
    #[arg(long, value_name = "ID")]
    event: Option<EventId>,
    /// Only what is part of this run.
    #[arg(long, value_name = "ID")]
    run: Option<RunId>,
    /// Check that no entry was changed or taken out, and print nothing else.
    #[arg(long, conflicts_with_all = ["event", "run", "limit"])]
    verify: bool,
    /// At most this many, the newest.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1000)]
    limit: u32,
    #[command(flatten)]
    common: Common,
}

fn state(word: &str) -> Result<RunState, String> {
    RunState::from_name(word).ok_or_else(|| {
        let words: Vec<&str> = RunState::ALL.iter().map(|state| state.as_str()).collect();
        format!("write one of {}", words.join(", "))
    })
}

impl Filter {
    fn query(&self, reader: &StateReader) -> Result<RunQuery, Report> {
        Ok(RunQuery {
            device: common::device(reader, self.device.as_deref())?,
            remediation: self.remediation.clone(),
            states: self.state.clone(),
            ..RunQuery::default()
        })
    }

    /// Whether it is one of those, `device` being the one that is meant.
    fn fits(&self, run: &Run, device: Option<&str>) -> bool {
        device.is_none_or(|device| *device == run.device)
            && self.remediation.as_ref().is_none_or(|name| *name == run.remediation)
            && (self.state.is_empty() || self.state.contains(&run.state))
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    match args.command {
        Command::List(args) => list(&args),
        Command::Show(args) => show(&args),
        Command::Follow(args) => follow(&args.filter),
        Command::Audit(args) => audit(&args),
    }
}

fn failed(why: &store::Error) -> Report {
    Report::because("cannot read the runs", why).code(4)
}

fn find(reader: &StateReader, query: RunQuery) -> Result<Vec<Run>, Report> {
    let found = reader.find(&Query::Runs(query)).map_err(|why| failed(&why))?;
    Ok(found.into_iter().filter_map(|record| of(record.value)).collect())
}

fn of(value: Value) -> Option<Run> {
    match value {
        Value::Run(run) => Some(*run),
        _ => None,
    }
}

fn list(args: &ListArgs) -> Result<ExitCode, Report> {
    let reader = args.filter.common.reader()?;
    let query = RunQuery {
        event: args.event,
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

fn show(args: &ShowArgs) -> Result<ExitCode, Report> {
    let reader = args.common.reader()?;
    let query = RunQuery { id: Some(args.id), ..RunQuery::default() };
    let Some(run) = find(&reader, query)?.pop() else {
        return Err(Report::new(format!("there is no run {}", args.id)));
    };
    let said = reader.find(&Query::Transcript(run.id)).map_err(|why| failed(&why))?;
    let said = said.into_iter().find_map(|record| match record.value {
        Value::Transcript(said) => Some(said),
        _ => None,
    });
    let said = said.unwrap_or_default();
    stdout::print(match args.common.output {
        Form::Json => stdout::json_lines([View { transcript: Some(&said), ..View::of(&run) }])?,
        Form::Text => details(&run, &said),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn details(run: &Run, said: &[Exchange]) -> String {
    let mut rows = vec![
        ("run", run.id.to_string()),
        ("event", run.event.to_string()),
        ("device", format!("{} ({})", run.device, run.platform)),
        (
            "remediation",
            format!(
                "{} {}",
                run.remediation,
                &run.script_sha256[..12.min(run.script_sha256.len())]
            ),
        ),
        ("mode", run.mode.to_string()),
        ("attempt", run.attempt.to_string()),
        (
            "approved",
            run.approved
                .as_ref()
                .map(|yes| format!("by {}, {}", yes.by, local(yes.at)))
                .unwrap_or_default(),
        ),
        ("worker", run.worker.clone()),
        ("state", run.state.to_string()),
        ("reason", run.reason.clone()),
        ("began", local(run.started)),
        ("ended", run.ended.map(local).unwrap_or_default()),
    ];
    rows.retain(|(_, value)| !value.is_empty());
    let mut text: Vec<String> =
        rows.iter().map(|(name, value)| format!("{name:12} {}\n", stdout::clean(value))).collect();
    for GuardNote { guard, passed, said } in &run.guards {
        let word = if *passed { "passed" } else { "held" };
        text.push(format!("guard        {guard}: {word} {}\n", stdout::clean(said)));
    }
    for StepResult { step, took_ms, outcome, said, .. } in &run.steps {
        text.push(format!(
            "step         {step}: {outcome} ({took_ms} ms) {}\n",
            stdout::clean(said)
        ));
    }
    if let Some(Proof { verdict, reason, targets }) = &run.proof {
        text.push(format!("proof        {verdict}: {}\n", stdout::clean(reason)));
        for target in targets {
            text.push(format!(
                "             {}: before {} of {}, after {} of {}\n",
                stdout::clean(&target.target),
                target.before.received,
                target.before.sent,
                target.after.received,
                target.after.sent
            ));
        }
    }
    for Exchange { at, took_ms, step, sent, received, error } in said {
        let step = step.map(|step| format!(", {step}")).unwrap_or_default();
        text.push(format!("\n{}{step} ({took_ms} ms)> {}\n", local(*at), stdout::clean(sent)));
        for line in received.lines() {
            text.push(format!("    {}\n", stdout::clean(line)));
        }
        if let Some(error) = error {
            text.push(format!("    error: {}\n", stdout::clean(error)));
        }
    }
    text.concat()
}

/// Prints what changes, as long as somebody reads it.
fn follow(filter: &Filter) -> Result<ExitCode, Report> {
    let reader = filter.common.reader()?;
    let mut seen = reader.revision().map_err(|why| failed(&why))?;
    // Each line says something new: a run is told once for each state.
    let mut told: HashMap<RunId, (RunState, usize)> = HashMap::new();
    // What is under way already comes first.
    let open =
        RunQuery { states: vec![RunState::Running, RunState::Verifying], ..filter.query(&reader)? };
    let mut under_way = Some(find(&reader, open)?);
    common::follow(LOOK, || {
        let mut news = if let Some(runs) = under_way.take() {
            runs
        } else {
            let found = reader.runs_since(seen).map_err(|why| failed(&why))?;
            seen = found.iter().map(|record| record.revision).max().unwrap_or(seen);
            found.into_iter().filter_map(|record| of(record.value)).collect()
        };
        if news.is_empty() {
            return Ok(String::new());
        }
        let device = common::device(&reader, filter.device.as_deref())?;
        news.retain(|run| {
            let now = (run.state, run.steps.len());
            filter.fits(run, device.as_deref()) && told.insert(run.id, now) != Some(now)
        });
        news.sort_unstable_by_key(|run| run.id);
        told.retain(|_, (state, _)| state.is_open());
        text(&news, filter.common.output)
    })
}

/// A run as JSON; names here are a contract.
#[derive(Serialize)]
struct View<'a> {
    id: RunId,
    event: EventId,
    attempt: u32,
    device: &'a str,
    platform: &'a str,
    remediation: &'a str,
    script_sha256: &'a str,
    mode: Mode,
    approved_by: Option<&'a str>,
    worker: &'a str,
    state: RunState,
    reason: &'a str,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    changed: bool,
    sent: &'a [String],
    guards: &'a [GuardNote],
    steps: &'a [StepResult],
    proof: Option<&'a Proof>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transcript: Option<&'a [Exchange]>,
}

impl<'a> View<'a> {
    fn of(run: &'a Run) -> Self {
        Self {
            id: run.id,
            event: run.event,
            attempt: run.attempt,
            device: &run.device,
            platform: &run.platform,
            remediation: &run.remediation,
            script_sha256: &run.script_sha256,
            mode: run.mode,
            approved_by: run.approved.as_ref().map(|yes| yes.by.as_str()),
            worker: &run.worker,
            state: run.state,
            reason: &run.reason,
            started: time(run.started),
            ended: run.ended.and_then(time),
            changed: run.changed,
            sent: &run.sent,
            guards: &run.guards,
            steps: &run.steps,
            proof: run.proof.as_ref(),
            transcript: None,
        }
    }
}

fn time(at: UnixMs) -> Option<Timestamp> {
    Timestamp::from_millisecond(at.0).ok()
}

fn text(runs: &[Run], form: Form) -> Result<String, Report> {
    match form {
        Form::Json => stdout::json_lines(runs.iter().map(View::of)),
        Form::Text => Ok(runs.iter().map(row).collect()),
    }
}

/// Who does what: worker, event, device, result, remediation, time.
fn row(run: &Run) -> String {
    let step = run.steps.last().filter(|_| run.state.is_open());
    let step = step.map(|step| format!(" after {}", step.step)).unwrap_or_default();
    let took = run.ended.map(|ended| (ended.0 - run.started.0).max(0));
    let took = took.map(|ms| format!("{}.{} s", ms / 1000, ms % 1000 / 100)).unwrap_or_default();
    let Run { id, worker, event, device, state, remediation, reason, .. } = run;
    let reason = printable(reason, REASON);
    format!(
        "{}  #{id:<5} {worker:9}  event {event:<6} {device:12} {state:10}{step}  {remediation}  {took}  {reason}\n",
        local(run.ended.unwrap_or(run.started))
    )
}

/// An entry of the audit as JSON; names here are a contract.
#[derive(Serialize)]
struct AuditView<'a> {
    id: u64,
    at: Option<Timestamp>,
    actor: &'a str,
    action: &'a str,
    event: Option<EventId>,
    run: Option<RunId>,
    detail: &'a str,
    hash: &'a str,
}

fn audit(args: &AuditArgs) -> Result<ExitCode, Report> {
    let reader = args.common.reader()?;
    if args.verify {
        return verify(&reader);
    }
    let query = AuditQuery { event: args.event, run: args.run, before: None, limit: args.limit };
    let mut found = entries(&reader, query)?;
    found.reverse();
    stdout::print(match args.common.output {
        Form::Json => stdout::json_lines(found.iter().map(|entry| AuditView {
            id: entry.id,
            at: time(entry.at),
            actor: &entry.actor,
            action: &entry.action,
            event: entry.event,
            run: entry.run,
            detail: &entry.detail,
            hash: &entry.hash,
        }))?,
        Form::Text => found.iter().map(audit_row).collect::<Vec<_>>().concat(),
    })?;
    Ok(ExitCode::from(u8::from(found.is_empty())))
}

fn audit_row(entry: &AuditEntry) -> String {
    let AuditEntry { id, at, actor, action, event, run, detail, .. } = entry;
    let event = event.map(|id| format!(" event {id}")).unwrap_or_default();
    let run = run.map(|id| format!(" run {id}")).unwrap_or_default();
    let (actor, detail) = (stdout::clean(actor), stdout::clean(detail));
    format!("{}  #{id:<6} {actor}  {action}{event}{run}  {detail}\n", local(*at))
}

fn entries(reader: &StateReader, query: AuditQuery) -> Result<Vec<AuditEntry>, Report> {
    let failed = |why: &store::Error| Report::because("cannot read the audit", why).code(4);
    let entry = |record: store::Record| match record.value {
        Value::Audit(entry) => Some(entry),
        _ => None,
    };
    let found = reader.find(&Query::Audit(query)).map_err(|why| failed(&why))?;
    Ok(found.into_iter().filter_map(entry).collect())
}

fn verify(reader: &StateReader) -> Result<ExitCode, Report> {
    let (mut before, mut count) = (None, 0);
    let mut first: Option<AuditEntry> = None;
    loop {
        let query = AuditQuery { before, limit: PAGE, ..AuditQuery::default() };
        let mut page = entries(reader, query)?;
        let last = page.len() < PAGE as usize;
        page.reverse();
        count += page.len();
        // Each page must join the one after it.
        let next = page.first().cloned();
        page.extend(first.take());
        if let Err(id) = check_audit(&page) {
            let said =
                format!("the audit is broken at entry {id}: it, or the one before, was changed");
            return Err(Report::new(said));
        }
        before = next.as_ref().map(|entry| entry.id);
        if last {
            // The chain must reach back to its beginning.
            if next.as_ref().is_some_and(|entry| entry.id != 1) {
                return Err(Report::new("the audit is broken: its beginning is gone"));
            }
            break;
        }
        first = next;
    }
    stdout::print(format!("{count} entries, none changed\n"))?;
    Ok(ExitCode::SUCCESS)
}
