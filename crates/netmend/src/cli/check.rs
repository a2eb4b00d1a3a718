//! `netmend check`: says what is wrong with config and targets files. It changes nothing and contacts nobody.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::{self, Problems, Settings, Sources};
use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files to check; `-` is standard input. Config files, targets files by region, or one host a line.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Take the files for this form instead of telling it from their content.
    #[arg(long = "as", value_name = "FORM")]
    form: Option<Form>,
    /// `text`: a line for each problem, with the place in the file on a terminal. `json`: an object a line.
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    output: Output,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Form {
    /// What `netmend run --config` takes.
    Config,
    /// What `netmend run --targets` takes.
    Targets,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let terminal = io::stdout().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none();
    let mut good = true;
    for path in args.files {
        let result = check(&path, args.form);
        good &= result.is_ok();
        let text = match (&result, args.output) {
            (Ok(settings), Output::Text) if terminal => summary(&path, settings),
            (Ok(_), _) => String::new(),
            (Err(problems), Output::Text) if terminal => problems.snippets(colour),
            (Err(problems), Output::Text) => format!("{problems}\n"),
            (Err(problems), Output::Json) => json_lines(problems)?,
        };
        match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(Report::because("cannot write to standard output", &error).code(4));
            }
            _ => {}
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(path: &Path, form: Option<Form>) -> Result<Settings, Problems> {
    let path = path.to_owned();
    match form {
        None => config::load_any(&path),
        Some(Form::Config) => config::load(&Sources { config: Some(path), ..Sources::default() }),
        Some(Form::Targets) => config::load(&Sources { targets: Some(path), ..Sources::default() }),
    }
}

/// What a good file comes to, so that people see that it means what they meant.
fn summary(path: &Path, settings: &Settings) -> String {
    let mut regions: Vec<_> = settings.targets.iter().map(|target| &target.region).collect();
    regions.sort_unstable();
    regions.dedup();
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!(
        "{}: good, {} in {}\n",
        path.display(),
        count(settings.targets.len(), "target"),
        count(regions.len(), "region")
    )
}

fn json_lines(problems: &Problems) -> Result<String, Report> {
    let mut out = String::new();
    for record in problems.records() {
        let line = serde_json::to_string(&record)
            .map_err(|error| Report::because("cannot write a problem as JSON", &error))?;
        let _ = writeln!(out, "{line}");
    }
    Ok(out)
}
