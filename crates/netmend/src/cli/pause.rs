//! `netmend pause`: the kill switch. Nothing more is repaired; runs under way stop before their next command.

use std::process::ExitCode;

use show::MendOrder;

use super::approve::tell;
use super::common::Common;
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
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    tell(&args.common, &MendOrder::Pause { note: args.reason })
}
