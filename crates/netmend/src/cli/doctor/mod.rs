//! `netmend doctor`: looks at this machine for what stands in the way of good measurements and prints the
//! exact fix. `facts` looks, `resolvers` and `sinks` ask, `checks` judges what was seen; nothing is changed.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::stdout::{self, Form};
use crate::config::{self, Settings, Sources};
use crate::data;
use crate::plan::refusal;
use crate::report::Report;

mod checks;
mod facts;
mod resolvers;
mod sinks;

use facts::Facts;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all is fine, 1 something is to be fixed or the configuration is wrong, 3 bad arguments."
)]
pub(crate) struct Args {
    /// How to print.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
    /// Print the commands that fix what is wrong, and nothing else.
    #[arg(long)]
    fix_only: bool,
    /// Data folder of the daemon to look at [default: as `netmend run` with this configuration].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration of the daemon: its sinks are asked whether they would take points, too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How many hosts on networks of this machine's own are to be probed.
    #[arg(long, value_name = "N", default_value_t = 250)]
    neighbours: u64,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing to do.
    Note,
    /// Something to be fixed.
    Fix,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// Name of the check.
    check: &'static str,
    status: Status,
    /// What was seen and what follows from it.
    what: String,
    /// A command to run as root, or what else to do.
    fix: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, what: what.into(), fix: None }
    }

    fn note(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, status: Status::Note, what: what.into(), fix: None }
    }

    fn fix(check: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Fix, what: what.into(), fix: Some(fix.into()) }
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let Args { output, fix_only, data, config, neighbours } = args;
    let settings = config.map(settings).transpose()?;
    let told = data.or_else(|| settings.as_ref()?.data.clone());
    // Without a home it still has all the rest to look at.
    let folder = data::folder(told).unwrap_or_else(|_| PathBuf::from("."));
    let asked = (resolvers::ask(), sinks::ask(settings.as_ref())?);
    let facts = Facts::gather(&folder, neighbours, asked);
    let findings: Vec<Finding> = checks::ALL.iter().map(|check| check(&facts)).collect();
    let text = match output {
        _ if fix_only => fixes(&findings),
        Form::Json => stdout::json_lines(&findings)?,
        Form::Text => lines(&findings, io::stdout().is_terminal()),
    };
    stdout::print(text)?;
    let sick = findings.iter().any(|finding| finding.status == Status::Fix);
    Ok(ExitCode::from(u8::from(sick)))
}

fn settings(config: PathBuf) -> Result<Settings, Report> {
    let sources = Sources { config: Some(config), ..Sources::default() };
    config::load(&sources).map_err(|problems| refusal(&problems, &sources))
}

/// Only the commands, each once.
fn fixes(findings: &[Finding]) -> String {
    let mut fixes: Vec<&str> = Vec::new();
    for fix in findings.iter().filter_map(|finding| finding.fix.as_deref()) {
        if !fixes.contains(&fix) {
            fixes.push(fix);
        }
    }
    fixes.iter().flat_map(|fix| [*fix, "\n"]).collect()
}

fn lines(findings: &[Finding], terminal: bool) -> String {
    let coloured = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let (mark, colour) = match finding.status {
            Status::Ok => ("ok  ", 32),
            Status::Note => ("note", 36),
            Status::Fix => ("FIX ", 31),
        };
        let mark = if coloured { format!("\x1b[{colour}m{mark}\x1b[0m") } else { mark.to_owned() };
        let _ = writeln!(text, "{mark}  {:<width$}  {}", finding.check, finding.what);
        if let Some(fix) = &finding.fix {
            let _ = writeln!(text, "      {:<width$}  -> {fix}", "");
        }
    }
    let sick = findings.iter().filter(|finding| finding.status == Status::Fix).count();
    let _ = match sick {
        0 => writeln!(text, "Nothing to fix."),
        1 => writeln!(text, "1 thing to fix, as root."),
        _ => writeln!(text, "{sick} things to fix, as root."),
    };
    if findings.iter().any(|f| f.fix.as_deref().is_some_and(|fix| fix.starts_with("sysctl"))) {
        text.push_str("To keep a `sysctl -w` over a restart, put `name = value` into /etc/sysctl.d/60-netmend.conf.\n");
    }
    text
}
