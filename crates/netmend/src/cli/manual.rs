//! `netmend completions` and `netmend man`: both made from the one definition of the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, stdout};
use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete for.
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The command to describe, such as `probe` or `user add`; without it, netmend as a whole.
    command: Vec<String>,
    /// Write the pages of netmend and of all its commands into this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    to: Option<PathBuf>,
}

pub(crate) fn completions(args: &CompletionsArgs) -> Result<ExitCode, Report> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "netmend", &mut script);
    stdout::print(script)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(args: &ManArgs) -> Result<ExitCode, Report> {
    if let Some(folder) = &args.to {
        return pages(folder);
    }
    let mut root = Cli::command();
    root.build();
    let mut command = &root;
    for (place, name) in args.command.iter().enumerate() {
        command = command.find_subcommand(name).ok_or_else(|| {
            let words = args.command[..=place].join(" ");
            Report::new(format!("netmend has no command `{words}`")).code(3)
        })?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Report::because("cannot render the manual page", &error))?;
    stdout::print(page)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `netmend.1`, `netmend-run.1` and so on.
fn pages(folder: &Path) -> Result<ExitCode, Report> {
    clap_mangen::generate_to(Cli::command(), folder).map_err(|error| {
        let what = format!("cannot write manual pages into {}", folder.display());
        Report::because(what, &error).help("name a folder that is there").code(4)
    })?;
    Ok(ExitCode::SUCCESS)
}
