//! Commands to a running daemon, through its control socket.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::daemon::{Daemon, bare, command, command_on};

const NETMEND: &str = env!("CARGO_BIN_EXE_netmend");

/// A command to the daemon of `data`.
fn tell(verb: &str, data: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(NETMEND);
    command.arg(verb).arg("--data").arg(data).args(more).env_remove("NO_COLOR");
    command.output().expect("the binary was built for this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn reload_says_what_came_of_it_and_who_asked_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let (data, config) = (folder.path().join("data"), folder.path().join("netmend.yaml"));
    fs::write(&config, "targets: {a: [127.0.0.1]}\n").unwrap();
    let mut run = bare("127.0.0.1:0", &data);
    run.arg("--config").arg(&config);
    let mut daemon = Daemon::start(run);

    let out = tell("reload", &data, &[]);
    assert_eq!((out.status.code(), text(&out.stderr)), (Some(0), String::new()));
    assert_eq!(text(&out.stdout), "what the files say runs already, 1 target\n");
    let entry = daemon.log_until("asked for a reload");
    assert_eq!(entry["kind"], "command", "{entry}");

    // The daemon may see the file before it is told, and then finds nothing new.
    fs::write(&config, "targets: {a: [127.0.0.1, 127.0.0.2]}\n").unwrap();
    let out = tell("reload", &data, &["--output", "json"]);
    let answer: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((out.status.code(), &answer["targets"]), (Some(0), &Value::from(2)), "{answer}");

    fs::write(&config, "tagets: {}\nsites: x\n").unwrap();
    let out = tell("reload", &data, &[]);
    let words = text(&out.stderr);
    assert_eq!((out.status.code(), text(&out.stdout)), (Some(1), String::new()), "{words}");
    assert!(
        words.contains("netmend.yaml:1:1: ") && words.contains("netmend.yaml:2:1: "),
        "{words}"
    );
    let out = tell("reload", &data, &["--output", "json"]);
    let answer: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((out.status.code(), &answer["outcome"]), (Some(1), &"refused".into()));
    assert_eq!(
        (&answer["targets"], answer["problems"].as_array().map(Vec::len)),
        (&2.into(), Some(2))
    );

    let marks = daemon.json("/api/v1/marks").to_string();
    let uid = nix::unistd::geteuid();
    assert!(marks.contains(&format!("uid {uid}, pid ")), "{marks}");
}

#[test]
fn what_a_reload_cannot_change_is_said_to_wait_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (data, config) = (folder.path().join("data"), folder.path().join("netmend.yaml"));
    fs::write(&config, "targets: {a: [127.0.0.1]}\n").unwrap();
    let mut run = Command::new(NETMEND);
    run.args(["run", "--log-format", "json", "--listen", "127.0.0.1:0", "--config"]).arg(&config);
    run.env("STATE_DIRECTORY", &data).stderr(std::process::Stdio::piped());
    let daemon = Daemon::start(run);
    fs::write(&config, "targets: {a: [127.0.0.1]}\ndata: other\nlisten: 127.0.0.1:1\n").unwrap();
    tell("reload", &data, &[]);
    let system = daemon.json("/api/v1/system").to_string();
    assert!(system.contains("the new value of data is used from the next start on"), "{system}");
}

#[test]
fn status_shows_targets_and_warnings_as_text_and_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut run = command_on("0.0.0.0:0", &data);
    run.args(["--target", "127.0.0.1", "--target", "127.0.0.2:9"]);
    let mut daemon = Daemon::start(run);
    daemon.address.set_ip(Ipv4Addr::LOCALHOST.into());
    daemon.wait_for("/api/v1/targets", |answer| {
        let rows = answer["targets"].as_array()?;
        rows.iter().all(|row| row["state"] == "up").then_some(())
    });
    let out = tell("status", &data, &[]);
    let words = text(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "{words}{}", text(&out.stderr));
    assert!(words.contains("there is no user yet"), "an open address is warned of: {words}");
    assert!(words.contains("  fix: `netmend user add NAME --role admin`"), "{words}");
    let row = words.lines().find(|line| line.contains("127.0.0.2")).expect("a row");
    assert!(row.starts_with("up ") && row.contains("tcp:9") && row.ends_with("0%"), "{row}");
    let out = tell("status", &data, &["--output", "json"]);
    let status: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(status["targets"].as_array().map(Vec::len), Some(2));
    assert_eq!(status["system"]["targets"]["up"], 2, "{status}");
}

#[test]
fn without_a_daemon_the_data_folder_is_named_and_a_dead_ones_socket_is_no_daemon() {
    let data = tempfile::tempdir().unwrap();
    let none = |verb: &str| {
        let out = tell(verb, data.path(), &[]);
        let words = text(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{words}");
        let expected = format!("error: no netmend runs on {}\n", data.path().display());
        assert!(words.starts_with(&expected) && words.contains("--data DIR"), "{words}");
    };
    none("status");
    let daemon = Daemon::start(command(data.path()));
    daemon.signal(Signal::SIGKILL);
    assert!(!daemon.wait().success());
    assert!(data.path().join("netmend.sock").exists(), "nobody took it away");
    none("reload");
}

#[test]
fn another_user_is_turned_away_even_where_the_socket_is_open_to_all() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(command(folder.path()));
    let open = |path: &Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    };
    // Others must be able to run the binary wherever it was built.
    let binary = folder.path().join("netmend");
    fs::copy(NETMEND, &binary).unwrap();
    for path in [folder.path(), &binary, &folder.path().join("netmend.sock")] {
        open(path);
    }
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let out = Command::new("setpriv")
        .args(nobody)
        .arg(&binary)
        .args(["reload", "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    let words = text(&out.stderr);
    assert!(!out.status.success() && words.contains("only netmend's own user and root"), "{words}");
    assert!(!daemon.json("/api/v1/marks").to_string().contains("asked for a reload"));
}
