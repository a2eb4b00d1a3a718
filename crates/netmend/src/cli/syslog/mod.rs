//! `netmend syslog`: syslog lines outside the daemon. One file per command.

use std::process::ExitCode;

use crate::report::Report;

mod json;
mod parse;
mod receive;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Read lines on standard input and print what they say, a JSON object a line.
    Parse(parse::Args),
    /// Listen for lines and print what they say, a JSON object a line.
    Receive(receive::Args),
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    match args.command {
        Command::Parse(args) => parse::run(&args),
        Command::Receive(args) => receive::run(&args),
    }
}
