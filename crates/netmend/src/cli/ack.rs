//! `netmend ack`: somebody knows of an alert. Through the control socket; the kernel says who.

use std::process::ExitCode;

use model::alert::AlertId;

use super::common::Common;
use super::stdout::{self, Form};
use crate::desk::{ACK, AckOrder};
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 acknowledged, 1 there is no such open alert or no netmend runs, 3 bad arguments, 4 a system error.")]
pub(crate) struct Args {
    /// Number of the alert, as `netmend alerts list` shows it.
    #[arg(value_name = "ID")]
    id: AlertId,
    /// What others should know.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Number of a ticket elsewhere.
    #[arg(long, value_name = "TICKET")]
    ticket: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let order = AckOrder { alert: args.id, note: args.note, ticket: args.ticket };
    let id: AlertId = args.common.client()?.post_json(ACK, &order)?;
    stdout::print(match args.common.output {
        Form::Json => stdout::json_lines([serde_json::json!({ "alert": id })])?,
        Form::Text => {
            format!("alert {id} is acknowledged; it is not repeated until it gets worse\n")
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
