//! `netmend remedy`: looks at remediations, makes new ones, tests them on recordings, and tries one on a device.
//! What the daemon does with them is not decided here.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use mend::script::{self, Children, Loading, Origin, Problem, Remediation, Remediations, Step};
use serde::Serialize;

use super::stdout::{self, Form};
use crate::children;
use crate::report::Report;

mod new;
mod run;
mod test;

/// Exit code: no remediation has this name.
const UNKNOWN: u8 = 2;
/// Exit code: what was typed makes no sense.
const BAD_ARGUMENTS: u8 = 3;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the remediations: those of the folder and those that netmend brings along.
    List(ListArgs),
    /// Print a remediation.
    Show(ShowArgs),
    /// Write a remediation to start from, with a recording that tests it.
    New(new::Args),
    /// Test remediations on their recordings; no device is asked.
    Test(test::Args),
    /// Try a remediation on a device: show what it would do, and do it if you say so.
    Run(run::Args),
}

/// Where remediations are.
#[derive(Debug, clap::Args)]
struct Folder {
    /// Folder of your remediations [default: that of the configuration where one is given, else `remediations` in
    /// this folder, if there is one].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Folder {
    /// The folder, if there is one.
    fn find(&self) -> Option<PathBuf> {
        self.find_or(None)
    }

    /// The same beside a configuration that may name one.
    fn find_or(&self, configured: Option<&Path>) -> Option<PathBuf> {
        let usual = || Some(PathBuf::from("remediations")).filter(|path| path.is_dir());
        self.dir.clone().or_else(|| configured.map(Path::to_owned)).or_else(usual)
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Of two remediations with the same name yours counts; of two for the same event yours comes first. JSON has the \
keys name, about, codes, when, platforms, steps, timeout_ms, idempotent, priority, retries, origin, path, sha256.

Exit codes: 0 all are good, 1 some are not.")]
struct ListArgs {
    #[command(flatten)]
    folder: Folder,
    /// How to print.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 it was printed, 2 there is none of this name.")]
struct ShowArgs {
    /// Its name.
    name: String,
    #[command(flatten)]
    folder: Folder,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    match args.command {
        Command::List(args) => list(&args),
        Command::Show(args) => show(&args),
        Command::New(args) => new::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Run(args) => run::run(&args),
    }
}

/// Runs to the end on this thread, with children to read and run files in.
fn with_children<T>(most: usize, work: impl AsyncFnOnce(&Children) -> T) -> Result<T, Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| Report::because("cannot start", &why).code(4))?;
    let children = children::children(most);
    Ok(runtime.block_on(work(&children)))
}

/// All remediations, and what is wrong.
async fn load(folder: Option<&Path>, children: &Children) -> Loading {
    script::load(folder, &Remediations::default(), children).await
}

/// The remediation of this name, or in this file; it must be good.
async fn find(
    name: &str,
    folder: Option<&Path>,
    children: &Children,
) -> Result<Arc<Remediation>, Report> {
    let path = Path::new(name);
    if path.extension().is_some_and(|end| end == "star") {
        let checked = script::check(path, children).await;
        return checked.map(Arc::new).map_err(|problems| wrong(&problems));
    }
    let loading = load(folder, children).await;
    // A file that is wrong does not hide behind the shipped one of the same name.
    let file = folder.map(|folder| folder.join(format!("{name}.star")).display().to_string());
    let mine: Vec<Problem> =
        loading.problems.into_iter().filter(|it| Some(&it.file) == file.as_ref()).collect();
    if !mine.is_empty() {
        return Err(wrong(&mine));
    }
    loading.remediations.named(name).cloned().ok_or_else(|| unknown(name, &loading.remediations))
}

fn unknown(name: &str, remediations: &Remediations) -> Report {
    let names: Vec<&str> = remediations.all().iter().map(|one| one.name.as_str()).collect();
    let report = Report::new(format!("no remediation is named {}", crate::config::quote(name)))
        .code(UNKNOWN);
    report.help(crate::config::instead(name, &names))
}

/// What is wrong with a file, as `netmend check` shows it.
fn wrong(problems: &[Problem]) -> Report {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Report::new(lines.join("\n"))
}

/// A remediation, as JSON tells it.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    about: &'a str,
    codes: Vec<&'a str>,
    when: Vec<String>,
    platforms: Vec<&'static str>,
    steps: Vec<&'static str>,
    timeout_ms: u64,
    idempotent: bool,
    priority: i32,
    retries: u32,
    origin: &'static str,
    path: &'a str,
    sha256: &'a str,
}

impl<'a> Listed<'a> {
    fn of(remediation: &'a Remediation) -> Self {
        let meta = &remediation.meta;
        let when = |condition: &script::Condition| {
            let values: Vec<&str> = condition.values.iter().map(script::Pattern::as_str).collect();
            format!("{} is {}", condition.field, values.join(" or "))
        };
        Self {
            name: &remediation.name,
            about: &meta.about,
            codes: meta.codes.iter().map(script::Pattern::as_str).collect(),
            when: meta.when.iter().map(when).collect(),
            platforms: meta.platforms.iter().map(|platform| platform.name()).collect(),
            steps: meta.steps.iter().map(|step| step.name()).collect(),
            timeout_ms: u64::try_from(meta.timeout.as_millis()).unwrap_or(u64::MAX),
            idempotent: meta.idempotent,
            priority: meta.priority,
            retries: meta.retries,
            origin: match remediation.origin {
                Origin::Shipped => "shipped",
                Origin::Folder => "folder",
            },
            path: &remediation.path,
            sha256: &remediation.sha256,
        }
    }
}

fn list(args: &ListArgs) -> Result<ExitCode, Report> {
    let folder = args.folder.find();
    let loading = with_children(1, async |children| load(folder.as_deref(), children).await)?;
    let all = loading.remediations.all();
    stdout::print(match args.output {
        Form::Json => stdout::json_lines(all.iter().map(|one| Listed::of(one)))?,
        Form::Text => text(all),
    })?;
    if loading.problems.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(wrong(&loading.problems)) }
}

/// A line for each, wide as the names are.
fn text(all: &[Arc<Remediation>]) -> String {
    let width = all.iter().map(|one| one.name.len()).max().unwrap_or_default();
    let mut lines = String::new();
    for one in all {
        let does = match (one.meta.has(Step::Fix), one.meta.has(Step::Check)) {
            (true, _) => "repairs",
            (false, true) => "looks",
            (false, false) => "records",
        };
        let mine = if one.origin == Origin::Folder { "yours" } else { "" };
        let line = format!("{:width$}  {does:7}  {mine:5}  {}", one.name, one.meta.about);
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

fn show(args: &ShowArgs) -> Result<ExitCode, Report> {
    let folder = args.folder.find();
    let found =
        with_children(1, async |children| find(&args.name, folder.as_deref(), children).await)??;
    stdout::print(found.source.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
