//! `netmend approve`: a person says yes or no to a repair that waits for it. Through the control socket; the
//! kernel says who.

use std::process::ExitCode;

use jiff::Timestamp;
use model::EventId;
use model::run::Approval;
use serde::Serialize;
use show::MendOrder;
use store::{Query, Value};

use super::common::Common;
use super::lines::local;
use super::stdout::{self, Form};
use crate::desk::MEND;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without an ID it lists what waits. A question that nobody answers within 30 minutes is void; a yes holds for \
30 minutes, and everything else that speaks against the repair is looked at again before it begins.

Exit codes: 0 done, 1 the event does not wait for an answer or no netmend runs, 3 bad arguments, 4 a system \
error.")]
pub(crate) struct Args {
    /// Number of the event, as `netmend events list --state awaiting_approval` shows it.
    #[arg(value_name = "ID")]
    id: Option<EventId>,
    /// Say no: the event is cancelled.
    #[arg(long, requires = "id")]
    reject: bool,
    /// What others should know.
    #[arg(long, value_name = "TEXT", default_value = "", requires = "id")]
    note: String,
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let Args { id, reject, note, common } = args;
    let Some(event) = id else { return list(&common) };
    let order =
        if reject { MendOrder::Reject { event, note } } else { MendOrder::Approve { event, note } };
    tell(&common, &order)
}

/// Gives an order to the daemon, and prints what came of it.
pub(super) fn tell(common: &Common, order: &MendOrder) -> Result<ExitCode, Report> {
    let said: String = common.client()?.post_json(MEND, order)?;
    stdout::print(match common.output {
        Form::Json => stdout::json_lines([serde_json::json!({ "done": said })])?,
        Form::Text => said + "\n",
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What waits, as JSON; names here are a contract.
#[derive(Serialize)]
struct View<'a> {
    event: EventId,
    device: &'a str,
    remediation: &'a str,
    reason: &'a str,
    would: Option<&'a [String]>,
    asked: Option<Timestamp>,
    expires: Option<Timestamp>,
}

fn list(common: &Common) -> Result<ExitCode, Report> {
    let failed = |why| Report::because("cannot read the approvals", &why).code(4);
    let ask = Query::Approvals { event: None, limit: 1_000 };
    let found = common.reader()?.find(&ask).map_err(failed)?;
    let waiting: Vec<Approval> = found
        .into_iter()
        .rev()
        .filter_map(|record| match record.value {
            Value::Approval(approval) => Some(*approval),
            _ => None,
        })
        .collect();
    let time = |at: model::UnixMs| Timestamp::from_millisecond(at.0).ok();
    stdout::print(match common.output {
        Form::Json => stdout::json_lines(waiting.iter().map(|one| View {
            event: one.event,
            device: &one.device,
            remediation: &one.remediation,
            reason: &one.reason,
            would: one.would.as_deref(),
            asked: time(one.asked),
            expires: time(one.expires),
        }))?,
        Form::Text => {
            let row = |one: &Approval| {
                let Approval { event, device, remediation, reason, expires, .. } = one;
                let until = local(*expires);
                let head =
                    format!("#{event:<6} {device}  {remediation}  until {until}  {reason}\n");
                let would = one
                    .would
                    .iter()
                    .flatten()
                    .flat_map(|entry| entry.lines())
                    .map(|line| format!("        {line}\n"));
                std::iter::once(head).chain(would).collect::<String>()
            };
            waiting.iter().map(row).collect::<Vec<_>>().concat()
        }
    })?;
    Ok(ExitCode::from(u8::from(waiting.is_empty())))
}
