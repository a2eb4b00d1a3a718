//! A copy of the store beside a running daemon, and the way back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::sys::signal::Signal;

use crate::daemon::{Daemon, command};

fn netmend(verb: &str, folder: &Path, data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netmend"));
    command.arg(verb).arg(folder).arg("--data").arg(data);
    command.output().expect("the binary was built for this test")
}

fn start(data: &Path) -> Daemon {
    let mut run = command(data);
    run.args(["--target", "127.0.0.1"]);
    Daemon::start(run)
}

#[test]
fn a_backup_beside_a_running_daemon_holds_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let daemon = start(&data);
    let until = daemon.wait_for("/api/v1/system", |system| system["committed_until"].as_u64());
    let out = netmend("backup", &copy, &data);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));

    let refused = netmend("restore", &copy, &data);
    let words = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "a restore beside a running daemon: {words}");
    assert!(words.contains("help: stop the netmend"), "{words}");

    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().success());
    let fresh = folder.path().join("fresh");
    let out = netmend("restore", &copy, &fresh);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let again = start(&fresh);
    let found = again.wait_for("/api/v1/system", |system| system["committed_until"].as_u64());
    assert!(found >= until, "{found} after {until}");
}

#[test]
fn a_second_backup_into_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let _daemon = start(&data);
    assert!(netmend("backup", &copy, &data).status.success());
    let second = netmend("backup", &copy, &data);
    assert_eq!(second.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&second.stderr).contains("cannot copy the store"));
}

#[test]
fn folders_that_are_not_there_are_named_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    for (verb, missing) in [("backup", &data), ("restore", &copy)] {
        let out = netmend(verb, &copy, &data);
        let words = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{words}");
        assert!(words.starts_with(&format!("error: there is no folder {}", missing.display())));
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

/// Names and contents of all files of a folder.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    files.map(|path| (path.clone(), std::fs::read(&path).expect("a file"))).collect()
}

#[test]
fn commands_that_only_read_change_no_byte_of_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let daemon = start(&data);
    daemon.wait_for("/api/v1/system", |system| system["committed_until"].as_u64());
    assert!(netmend("backup", &copy, &data).status.success());
    let before = bytes(&copy);
    assert_eq!(before.len(), 2);
    for (args, words) in [
        (&["availability", "--month", "2026-10"][..], "host,"),
        (&["explain", "127.0.0.1"], "127.0.0.1"),
        (&["user", "list"], ""),
        (&["user", "token", "list"], ""),
        (&["lines"], ""),
        (&["events", "list"], ""),
        (&["runs", "list"], ""),
        (&["runs", "audit"], ""),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netmend"));
        let out = command.args(args).arg("--data").arg(&copy).output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.code() != Some(4) && said.contains(words), "{args:?}: {out:?}");
        assert!(bytes(&copy) == before, "{args:?} changed the backup: {:?}", bytes(&copy).keys());
    }
}
