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
