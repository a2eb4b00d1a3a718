//! `netmend pause`: the kill switch. Nothing more is repaired; runs under way stop before their next command.

use std::path::PathBuf;
use std::process::ExitCode;

use show::MendOrder;

use super::approve::tell;
use super::stdout::Form;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It holds over restarts until `netmend resume`. A file named PAUSE in the data folder does the same as long as it \
is there; its text is the reason.

Exit codes: 0 paused, 1 no netmend runs, 3 bad arguments, 4 a system error.")]
pub(crate) struct Args {
    /// Why, for those who wonder later.
    #[arg(value_name = "REASON", default_value = "")]
    reason: String,
    /// Data folder of the daemon [default: as `netmend run` without a config].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    tell(args.data, &MendOrder::Pause { note: args.reason }, args.output)
}
