//! `netmend reload`: asks the running daemon to read its configuration again, and says what came of it. It
//! reads no configuration itself: what counts is what the daemon sees.

use std::fmt::Write;
use std::process::ExitCode;

use super::common::Common;
use super::stdout::{self, Form};
use crate::control::{RELOAD, ReloadOutcome, Reloaded};
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 it is taken over or was not changed, 1 it is refused or no netmend runs, 3 bad arguments, \
4 a system error.")]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Report> {
    let answer: Reloaded = args.common.client()?.post(RELOAD)?;
    let refused = answer.outcome == ReloadOutcome::Refused;
    match args.common.output {
        Form::Json => stdout::print(stdout::json_lines([&answer])?)?,
        Form::Text if refused => return Err(refusal(answer)),
        Form::Text => stdout::print(words(&answer))?,
    }
    Ok(ExitCode::from(u8::from(refused)))
}

fn refusal(answer: Reloaded) -> Report {
    let mut report = Report::new("the daemon refuses the new configuration and keeps the old one");
    report.chain.extend(answer.problems);
    Report { help: answer.help, ..report }
}

fn words(answer: &Reloaded) -> String {
    let what = match answer.outcome {
        ReloadOutcome::TakenOver => "configuration taken over",
        ReloadOutcome::Unchanged | ReloadOutcome::Refused => "what the files say runs already",
    };
    let mut text = format!("{what}, {}\n", stdout::count(answer.targets, "target"));
    for key in &answer.next_start {
        let _ = writeln!(text, "note: the new value of `{key}` is used from the next start on");
    }
    text
}
