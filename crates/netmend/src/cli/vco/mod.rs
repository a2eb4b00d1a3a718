//! `netmend vco`: asks orchestrators of SD-WANs outside the daemon. One file per command.

use std::process::ExitCode;

use crate::report::Report;

mod mail;
mod once;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Ask all orchestrators of a config once and print what is unusual by the rule sigma.
    Once(once::Args),
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    match args.command {
        Command::Once(args) => once::run(&args),
    }
}
