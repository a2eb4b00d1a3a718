//! `netmend remedy test`: plays recordings to remediations. No device is asked, nothing is changed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use mend::script::{CastError, Casts, Children, Origin, Remediation, shipped_cast};
use serde::Serialize;

use super::{Folder, find, load, with_children, wrong};
use crate::cli::stdout::{self, Form};
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The recordings of NAME.star stand in NAME.cast.toml beside it. `netmend remedy run --record` writes one.

Exit codes: 0 all recordings play as they should, 1 some do not, or a file is wrong, 2 there is no remediation of \
this name.")]
pub(super) struct Args {
    /// Remediations by name, or files; all of them if none is given.
    names: Vec<String>,
    #[command(flatten)]
    folder: Folder,
    /// How to print. JSON has the keys remediation, cast, passed, why.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

/// What came of a recording.
#[derive(Serialize)]
struct Played {
    remediation: String,
    cast: String,
    passed: bool,
    why: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Report> {
    let folder = args.folder.find();
    let played = with_children(1, async |children| {
        let (chosen, problems) = if args.names.is_empty() {
            let loading = load(folder.as_deref(), children).await;
            (loading.remediations.all().to_vec(), loading.problems)
        } else {
            let mut chosen = Vec::new();
            for name in &args.names {
                chosen.push(find(name, folder.as_deref(), children).await?);
            }
            (chosen, Vec::new())
        };
        if !problems.is_empty() {
            return Err(wrong(&problems));
        }
        let mut played = Vec::new();
        for remediation in &chosen {
            played.extend(play(remediation, children).await?);
        }
        Ok(played)
    })??;
    let failed = played.iter().filter(|one| !one.passed).count();
    stdout::print(match args.output {
        Form::Json => stdout::json_lines(&played)?,
        Form::Text => text(&played, failed),
    })?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(played: &[Played], failed: usize) -> String {
    let mut lines = String::new();
    for one in played {
        let word = if one.passed { "ok    " } else { "FAILED" };
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{word}  {}: {}", one.remediation, one.cast);
        if let Some(why) = &one.why {
            let _ = writeln!(lines, "        {}", why.replace('\n', "\n        "));
        }
    }
    let good = played.len() - failed;
    let _ = writeln!(lines, "{} passed, {failed} failed", stdout::count(good, "recording"));
    lines
}

/// The file of recordings beside a remediation.
pub(super) fn cast_path(remediation: &Remediation) -> PathBuf {
    let path = Path::new(&remediation.path);
    path.with_file_name(format!("{}.cast.toml", remediation.name))
}

async fn play(remediation: &Arc<Remediation>, children: &Children) -> Result<Vec<Played>, Report> {
    let casts = match remediation.origin {
        Origin::Shipped => match shipped_cast(&remediation.name) {
            Some(text) => Casts::parse(&format!("{}.cast.toml", remediation.name), text),
            None => return Ok(Vec::new()),
        },
        Origin::Folder => {
            let path = cast_path(remediation);
            if !path.exists() {
                // What does nothing needs no test; what does something and has none should have one.
                return Ok(if remediation.meta.steps.is_empty() {
                    Vec::new()
                } else {
                    vec![missing(remediation, &path)]
                });
            }
            Casts::read(&path)
        }
    };
    let casts =
        casts.map_err(|why| Report::because(format!("cannot test {}", remediation.name), &why))?;
    let mut played = Vec::with_capacity(casts.cast.len());
    for cast in casts.cast {
        let result: Result<(), CastError> = cast.play(remediation, children).await;
        let why = result.err().map(|why| why.to_string());
        let remediation = remediation.name.clone();
        played.push(Played { remediation, cast: cast.about, passed: why.is_none(), why });
    }
    Ok(played)
}

fn missing(remediation: &Remediation, path: &Path) -> Played {
    let why =
        format!("{} does not exist; `netmend remedy run --record` writes one", path.display());
    let cast = "(no recording)".to_owned();
    Played { remediation: remediation.name.clone(), cast, passed: false, why: Some(why) }
}
