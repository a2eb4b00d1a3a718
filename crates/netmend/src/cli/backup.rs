//! `netmend backup` and `netmend restore`: the store in a folder of its own, and back.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use model::SystemClock;

use crate::data;
use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    /// Folder to write the copy into; made if it is missing, must hold no copy yet.
    to: PathBuf,
    /// Data folder to copy [default: as `netmend run`].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// Folder that `netmend backup` wrote.
    from: PathBuf,
    /// Data folder to put it into [default: as `netmend run`].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Copies the store beside a running daemon: whatever was acknowledged before the call is in the copy.
pub(crate) fn backup(args: BackupArgs) -> Result<ExitCode, Report> {
    let folder = data::folder(args.data)?;
    store::backup(&folder, &args.to).map_err(|why| {
        let what =
            format!("cannot copy the store of {} to {}", folder.display(), args.to.display());
        Report::because(what, &why)
    })?;
    say(&[format!("{} holds a copy of {}", args.to.display(), folder.display())])
}

/// Puts a copy in the store's place; what was there is renamed, not deleted. Refused beside a daemon.
pub(crate) fn restore(args: RestoreArgs) -> Result<ExitCode, Report> {
    let folder = data::folder(args.data)?;
    let kept = store::restore(&args.from, &folder, &SystemClock).map_err(|why| {
        let what = format!("cannot restore {} into {}", args.from.display(), folder.display());
        Report::because(what, &why).help("stop the netmend that runs on this data folder first")
    })?;
    let mut lines = vec![format!("{} holds what {} held", folder.display(), args.from.display())];
    lines.extend(kept.iter().map(|path: &PathBuf| kept_line(path)));
    say(&lines)
}

fn kept_line(path: &Path) -> String {
    format!("kept what was there as {}", path.display())
}

fn say(lines: &[String]) -> Result<ExitCode, Report> {
    let mut out = io::stdout().lock();
    for line in lines {
        match writeln!(out, "{line}") {
            Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
                return Err(Report::because("cannot write to standard output", &why).code(4));
            }
            _ => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}
