//! `netmend schema`.

use std::process::ExitCode;

use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<ExitCode, Report> {
    Err(Report::new("netmend schema is being built"))
}
