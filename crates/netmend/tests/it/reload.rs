//! A configuration that changes under a running daemon.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::daemon::{Daemon, bare, command};

/// The hosts that the daemon watches and how many answers each has had.
fn hosts(answer: &Value) -> Vec<(String, u64)> {
    let rows = answer["targets"].as_array().expect("a list of targets");
    rows.iter()
        .map(|row| {
            let host = row["host"].as_str().expect("a target has a host").to_owned();
            (host, row["counts"]["received"].as_u64().unwrap_or(0))
        })
        .collect()
}

#[test]
fn a_reload_keeps_unchanged_targets_and_a_wrong_file_keeps_them_all() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("netmend.yaml");
    fs::write(&config, "targets:\n  a: [127.0.0.1, 127.0.0.2]\n").unwrap();
    let mut run = bare("127.0.0.1:0", &data.path().join("data"));
    run.arg("--config").arg(&config);
    let mut daemon = Daemon::start(run);
    daemon.wait_for("/api/v1/targets", |answer| {
        hosts(answer).iter().all(|(_, received)| *received > 0).then_some(())
    });

    fs::write(&config, "targets:\n  a: [127.0.0.1, 127.0.0.3]\n").unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for("/api/v1/targets", |answer| {
        let hosts = hosts(answer);
        let kept = hosts.iter().any(|(host, received)| host == "127.0.0.1" && *received > 0);
        let new = hosts.iter().any(|(host, _)| host == "127.0.0.3");
        (kept && new && hosts.len() == 2).then_some(())
    });

    fs::write(&config, "targets:\n  a: [127.0.0.1, 127.0.0.3]\ntagets: {}\n").unwrap();
    daemon.signal(Signal::SIGHUP);
    let entry = daemon.log_until("is refused");
    let report = entry["report"].as_str().unwrap_or_default();
    assert!(report.contains("netmend.yaml:3:1"), "the position is named: {entry}");
    assert_eq!(hosts(&daemon.json("/api/v1/targets")).len(), 2, "the old configuration goes on");
}

#[test]
fn a_file_that_a_new_configuration_names_in_vain_keeps_the_old_one_until_it_is_there() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("netmend.yaml");
    fs::write(&config, "targets:\n  a: [127.0.0.1]\n").unwrap();
    let mut run = bare("127.0.0.1:0", &data.path().join("data"));
    run.arg("--config").arg(&config);
    let mut daemon = Daemon::start(run);
    let more = "targets:\n  a: [127.0.0.1, 127.0.0.3]\nsyslog: { patterns: fixes }\n";
    fs::write(&config, more).unwrap();
    let entry = daemon.log_until("is refused");
    let report = entry["report"].as_str().unwrap_or_default();
    assert!(report.contains("netmend.yaml:3:21: the folder"), "the place is named: {entry}");
    assert_eq!(hosts(&daemon.json("/api/v1/targets")).len(), 1, "the old configuration goes on");
    fs::create_dir(data.path().join("fixes")).unwrap();
    daemon.log_until("configuration taken over");
    assert_eq!(hosts(&daemon.json("/api/v1/targets")).len(), 2);
}

#[test]
fn a_file_that_changes_is_taken_over_without_being_told() {
    let data = tempfile::tempdir().unwrap();
    let targets = data.path().join("targets.yaml");
    fs::write(&targets, "a: [127.0.0.1]\n").unwrap();
    let mut run = command(&data.path().join("data"));
    run.arg("--targets").arg(&targets);
    let mut daemon = Daemon::start(run);
    let fresh = data.path().join("fresh");
    fs::write(&fresh, "a: [127.0.0.1]\nb: {127.0.0.4: 22}\n").unwrap();
    fs::rename(&fresh, &targets).unwrap();
    daemon.log_until("configuration taken over");
    let hosts = hosts(&daemon.json("/api/v1/targets"));
    assert!(hosts.iter().any(|(host, _)| host == "127.0.0.4"), "{hosts:?}");
}
