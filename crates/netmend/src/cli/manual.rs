//! `netmend completions` and `netmend man`: both made from the one definition of the command line.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete for.
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The command to describe; without it, netmend as a whole.
    command: Option<String>,
}

pub(crate) fn completions(args: &CompletionsArgs) -> Result<ExitCode, Report> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "netmend", &mut script);
    print(&script)
}

pub(crate) fn man(args: &ManArgs) -> Result<ExitCode, Report> {
    let mut root = Cli::command();
    root.build();
    let command = match &args.command {
        None => root,
        Some(name) => root
            .find_subcommand(name)
            .ok_or_else(|| Report::new(format!("netmend has no command `{name}`")).code(3))?
            .clone(),
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Report::because("cannot render the manual page", &error))?;
    print(&page)
}

/// Writes to standard output; a reader that has gone away is not a failure.
fn print(bytes: &[u8]) -> Result<ExitCode, Report> {
    match io::stdout().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Report::because("cannot write to standard output", &error).code(4))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
