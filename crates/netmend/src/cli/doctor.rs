//! `netmend doctor`.

use std::process::ExitCode;

use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<ExitCode, Report> {
    Err(Report::new("netmend doctor is being built"))
}
