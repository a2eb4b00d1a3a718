//! `netmend mode`: how far a remediation may go by itself, from now on. It changes no file.

use std::process::ExitCode;

use model::event::Mode;
use serde::Serialize;
use show::MendOrder;

use super::approve::tell;
use super::common::Common;
use super::stdout::{self, Form};
use crate::desk::{MEND, MendStatus};
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Modes: observe (noted only), suggest (told), approve (a person says yes), auto (it runs), config (as the \
configuration says). What was said here comes before the configuration and holds over restarts. Results of \
before do not count against the remediation any more.

Exit codes: 0 done, 1 there is no such remediation or no netmend runs, 3 bad arguments, 4 a system error.")]
pub(crate) struct Args {
    /// Name of the remediation; without one, all are listed.
    #[arg(value_name = "NAME", requires = "mode")]
    name: Option<String>,
    /// How far it may go.
    #[arg(value_name = "MODE", value_parser = mode)]
    mode: Option<Word>,
    #[command(flatten)]
    common: Common,
}

/// A mode, or none: as the configuration says.
#[derive(Clone, Copy, Debug)]
struct Word(Option<Mode>);

fn mode(text: &str) -> Result<Word, String> {
    match text {
        "config" => Ok(Word(None)),
        word => Mode::from_name(word)
            .map(|mode| Word(Some(mode)))
            .ok_or_else(|| "write observe, suggest, approve, auto or config".into()),
    }
}

/// A remediation's mode as JSON; names here are a contract.
#[derive(Serialize)]
struct View<'a> {
    remediation: &'a str,
    mode: Mode,
    by: &'a str,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    if let (Some(remediation), Some(Word(mode))) = (args.name, args.mode) {
        return tell(&args.common, &MendOrder::SetMode { remediation, mode });
    }
    let status: MendStatus = args.common.client()?.get(MEND)?;
    stdout::print(match args.common.output {
        Form::Json => {
            stdout::json_lines(status.modes.iter().map(|(remediation, mode, by)| View {
                remediation,
                mode: *mode,
                by,
            }))?
        }
        Form::Text => {
            let row =
                |(name, mode, by): &(String, Mode, String)| format!("{mode:8} {name}  (by {by})\n");
            let problems = status.problems.iter().map(|one| format!("problem: {one}\n"));
            status.modes.iter().map(row).chain(problems).collect::<Vec<_>>().concat()
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
