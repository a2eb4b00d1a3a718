//! `netmend resume`: repairs go on after a pause, and logins that were refused are tried again.

use std::path::PathBuf;
use std::process::ExitCode;

use show::MendOrder;

use super::approve::tell;
use super::stdout::Form;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 repairs go on, 1 the file PAUSE is still in the data folder or no netmend runs, 3 bad arguments, \
4 a system error.")]
pub(crate) struct Args {
    /// Data folder of the daemon [default: as `netmend run` without a config].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    tell(args.data, &MendOrder::Resume, args.output)
}
