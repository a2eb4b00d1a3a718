//! `netmend backup` and `netmend restore`.

use std::process::ExitCode;

use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {}

pub(crate) fn backup(_args: BackupArgs) -> Result<ExitCode, Report> {
    Err(Report::new("netmend backup is being built"))
}

pub(crate) fn restore(_args: RestoreArgs) -> Result<ExitCode, Report> {
    Err(Report::new("netmend restore is being built"))
}
