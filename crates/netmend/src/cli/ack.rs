//! `netmend ack`: somebody knows of an alert. Through the control socket; the kernel says who.

use std::path::PathBuf;
use std::process::ExitCode;

use model::alert::AlertId;

use super::stdout::{self, Form};
use crate::control::Client;
use crate::data;
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
    /// Data folder of the daemon [default: as `netmend run` without a config].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How to print: a line, or the alert's number as JSON.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let order = AckOrder { alert: args.id, note: args.note, ticket: args.ticket };
    let id: AlertId = Client::new(data::folder(args.data)?)?.post_json(ACK, &order)?;
    stdout::print(match args.output {
        Form::Json => stdout::json_lines([serde_json::json!({ "alert": id })])?,
        Form::Text => {
            format!("alert {id} is acknowledged; it is not repeated until it gets worse\n")
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
