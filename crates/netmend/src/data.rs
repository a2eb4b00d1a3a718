//! Where the data folder is: told, or where systemd or the user's home say.

use std::env;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;

use crate::report::Report;

/// The data folder: `told`, else `$STATE_DIRECTORY` (systemd), else `$XDG_DATA_HOME/netmend`, else
/// `~/.local/share/netmend`. Not created here.
pub(crate) fn folder(told: Option<PathBuf>) -> Result<PathBuf, Report> {
    choose(told, |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
        .ok_or_else(|| {
            Report::new("there is no data folder: neither $STATE_DIRECTORY nor $HOME is set")
                .help("give one with --data DIR")
        })
}

/// Creates the data folder for its owner alone.
pub(crate) fn create(folder: &Path) -> Result<(), Report> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|why| {
        Report::because(format!("cannot create the data folder {}", folder.display()), &why)
            .help("give another one with --data DIR")
            .code(4)
    })
}

/// From now on what this process creates is its owner's alone: stores and copies of them hold hashes of passwords.
pub(crate) fn keep_private() {
    nix::sys::stat::umask(Mode::from_bits_truncate(0o077));
}

/// That the store does not open, and what can be done where a file of it is damaged.
pub(crate) fn unopened(what: &str, why: &store::Error) -> Report {
    let report = Report::because(what, why).code(4);
    let store::Error::Damaged { path, .. } = why else { return report };
    let lost = if path.ends_with("samples.db") {
        "all that was measured"
    } else {
        "alerts, events, runs, silences and users"
    };
    report.help(format!(
        "put a backup in its place with `netmend restore`; if there is none, move {path} and {path}-wal into \
         another folder: netmend then starts without {lost}, and keeps what the other file holds"
    ))
}

fn choose(told: Option<PathBuf>, env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // systemd lists several folders with colons; the first is ours.
    let state = || {
        let listed = env("STATE_DIRECTORY")?;
        env::split_paths(&listed).next()
    };
    told.or_else(state)
        .or_else(|| env("XDG_DATA_HOME").map(|base| base.join("netmend")))
        .or_else(|| env("HOME").map(|home| home.join(".local/share/netmend")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_named_with_what_is_lost_without_it() {
        let damaged = |path: &str| store::Error::Damaged {
            what: "the journal",
            path: path.into(),
            why: "row 3, at byte 7 of 9: the checksum is wrong".into(),
        };
        let said = unopened("cannot open the store", &damaged("/d/samples.db")).to_string();
        let why = "the journal in /d/samples.db is damaged: row 3, at byte 7 of 9";
        assert!(said.contains(why), "{said}");
        assert!(said.contains("move /d/samples.db and /d/samples.db-wal into"), "{said}");
        assert!(said.contains("without all that was measured"), "{said}");
        let said = unopened("cannot open the store", &damaged("/d/state.db")).to_string();
        assert!(said.contains("without alerts, events, runs"), "{said}");
        assert_eq!(unopened("cannot open the store", &store::Error::Closed).help, None);
    }

    #[test]
    fn the_folder_told_wins_then_systemd_then_the_home() {
        let all = |name: &str| match name {
            "STATE_DIRECTORY" => Some(PathBuf::from("/var/lib/netmend:/var/lib/other")),
            "HOME" => Some(PathBuf::from("/home/noc")),
            _ => None,
        };
        assert_eq!(choose(Some("/d".into()), all), Some("/d".into()));
        assert_eq!(choose(None, all), Some("/var/lib/netmend".into()));
        let home = |name: &str| all(name).filter(|_| name == "HOME");
        assert_eq!(choose(None, home), Some("/home/noc/.local/share/netmend".into()));
        assert_eq!(choose(None, |_| None), None);
    }
}
