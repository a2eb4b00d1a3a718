//! `netmend check`: says what is wrong with config, targets, pattern and remediation files. It changes nothing and contacts nobody.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mend::script;

use super::stdout::{self, Form};
use crate::children;
use crate::config::{self, Problems, Settings, Sources};
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 all files are good, 1 some are not, 3 bad arguments.")]
pub(crate) struct Args {
    /// Files to check; `-` is standard input. Config files, targets files by region or
    /// one host a line, pattern files, remediations.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Take the files for this kind instead of telling it from their content.
    #[arg(long = "as", value_name = "KIND")]
    kind: Option<Kind>,
    /// How to print: a line or an object for each problem; on a terminal the place in the file too.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// What `netmend run --config` takes.
    Config,
    /// What `netmend run --targets` takes.
    Targets,
    /// What syslog messages mean.
    Patterns,
    /// How something is repaired.
    Remediation,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let terminal = io::stdout().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none();
    let mut good = true;
    for path in args.files {
        let star = path.extension().is_some_and(|end| end == "star");
        if args.kind == Some(Kind::Remediation) || (args.kind.is_none() && star) {
            let result = remediation(&path)?;
            good &= result.is_ok();
            show(result, terminal, colour, args.output)?;
            continue;
        }
        if args.kind == Some(Kind::Patterns) || (args.kind.is_none() && config::is_patterns(&path))
        {
            let result = config::check_patterns(&path);
            good &= result.is_ok();
            let good =
                |count| format!("{}: good, {}\n", path.display(), stdout::count(count, "message"));
            show(result.map(good), terminal, colour, args.output)?;
            continue;
        }
        let result = check(&path, args.kind);
        good &= result.is_ok();
        if let Ok(settings) = &result {
            warn(&settings.warnings);
        }
        show(result.map(|settings| summary(&path, &settings)), terminal, colour, args.output)?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what became of a file: on a terminal also that it is good.
fn show(
    result: Result<String, Problems>,
    terminal: bool,
    colour: bool,
    output: Form,
) -> Result<(), Report> {
    stdout::print(match (result, output) {
        (Ok(good), Form::Text) if terminal => good,
        (Ok(_), _) => String::new(),
        (Err(problems), Form::Text) if terminal => problems.snippets(colour),
        (Err(problems), Form::Text) => format!("{problems}\n"),
        (Err(problems), Form::Json) => stdout::json_lines(problems.records())?,
    })
}

/// Says what is good and may yet not be meant, beside the output, where scripts look for problems.
fn warn(warnings: &[String]) {
    for line in warnings {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(io::stderr(), "warning: {line}");
    }
}

fn check(path: &Path, kind: Option<Kind>) -> Result<Settings, Problems> {
    let path = path.to_owned();
    match kind {
        None => config::load_any_to_check(&path),
        Some(Kind::Config) => {
            config::load_to_check(&Sources { config: Some(path), ..Sources::default() })
        }
        // Patterns and remediations are checked before they come here.
        Some(Kind::Targets | Kind::Patterns | Kind::Remediation) => {
            config::load_to_check(&Sources { targets: Some(path), ..Sources::default() })
        }
    }
}

/// Checks a remediation in a child process, as the daemon reads it.
fn remediation(path: &Path) -> Result<Result<String, Problems>, Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| Report::because("cannot start", &why).code(4))?;
    let checked = runtime.block_on(async { script::check(path, &children::children(1)).await });
    let steps = |good: script::Remediation| {
        let steps: Vec<&str> = good.meta.steps.iter().map(|step| step.name()).collect();
        let does = if steps.is_empty() { "records".to_owned() } else { steps.join(", ") };
        format!("{}: good, {does}\n", path.display())
    };
    Ok(checked.map(steps).map_err(config::script_problems))
}

/// What a good file comes to, so that people see that it means what they meant.
fn summary(path: &Path, settings: &Settings) -> String {
    let mut regions: Vec<_> = settings.targets.iter().map(|target| &target.region).collect();
    regions.sort_unstable();
    regions.dedup();
    format!(
        "{}: good, {} in {}\n",
        path.display(),
        stdout::count(settings.targets.len(), "target"),
        stdout::count(regions.len(), "region")
    )
}
