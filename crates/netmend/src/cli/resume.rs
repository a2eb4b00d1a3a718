//! `netmend resume`: repairs go on after a pause, and logins that were refused are tried again.

use std::process::ExitCode;

use show::MendOrder;

use super::approve::tell;
use super::common::Common;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 repairs go on, 1 the file PAUSE is still in the data folder or no netmend runs, 3 bad arguments, \
4 a system error.")]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Report> {
    tell(&args.common, &MendOrder::Resume)
}
