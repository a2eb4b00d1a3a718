//! `netmend backup` and `netmend restore`: the store in a folder of its own, and back.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use model::SystemClock;

use super::stdout;
use crate::data;
use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    /// Folder to write the copy into; made if it is missing, must hold no copy yet.
    to: PathBuf,
    /// Data folder to copy [default: as `netmend run` without a config].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// Folder that `netmend backup` wrote.
    from: PathBuf,
    /// Data folder to put it into [default: as `netmend run` without a config].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Refuses a folder that is not there before anything is made.
fn require(folder: &Path, help: &str) -> Result<(), Report> {
    if folder.is_dir() {
        return Ok(());
    }
    Err(Report::new(format!("there is no folder {}", folder.display())).help(help))
}

/// Copies the store beside a running daemon: whatever was acknowledged before the call is in the copy.
pub(crate) fn backup(args: BackupArgs) -> Result<ExitCode, Report> {
    let folder = data::folder(args.data)?;
    require(&folder, "name the data folder with --data DIR")?;
    store::backup(&folder, &args.to).map_err(|why| {
        let what =
            format!("cannot copy the store of {} to {}", folder.display(), args.to.display());
        data::unopened(&what, &why)
    })?;
    stdout::print(format!("{} holds a copy of {}\n", args.to.display(), folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Puts a copy in the store's place; what was there is renamed, not deleted. Refused beside a daemon.
pub(crate) fn restore(args: RestoreArgs) -> Result<ExitCode, Report> {
    let folder = data::folder(args.data)?;
    require(&args.from, "name a folder that `netmend backup` wrote")?;
    let kept = store::restore(&args.from, &folder, &SystemClock).map_err(|why| {
        let what = format!("cannot restore {} into {}", args.from.display(), folder.display());
        let report = Report::because(what, &why);
        match why {
            store::Error::Locked { .. } => report.help("stop the netmend that runs there first"),
            store::Error::Damaged { .. } => {
                let left = format!("{} is as it was: restore another backup", folder.display());
                report.help(left).code(4)
            }
            _ => report.code(4),
        }
    })?;
    let mut text = format!("{} holds what {} held\n", folder.display(), args.from.display());
    for path in kept {
        let _ = writeln!(text, "kept what was there as {}", path.display());
    }
    stdout::print(text)?;
    Ok(ExitCode::SUCCESS)
}
