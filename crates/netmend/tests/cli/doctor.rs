//! `netmend doctor` on the machine at hand: what it finds depends on the machine, that it adds up does not.
//! It runs in a network namespace, so that nobody asks this machine's resolvers.

use lab::Namespace;

use super::{NETMEND, Run};

/// Runs `netmend doctor` with these words where no packet gets out.
fn doctor(args: &[&str]) -> Run {
    let namespace = Namespace::create().expect("a namespace");
    let output = namespace.command(NETMEND).arg("doctor").args(args).output();
    Run::of(output.expect("the binary runs"))
}

#[test]
fn findings_exit_code_and_fixes_agree() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("UTF-8");
    let run = doctor(&["--output", "json", "--data", data]);
    let findings = run.json();
    let fixes: Vec<&str> = findings.iter().filter_map(|finding| finding["fix"].as_str()).collect();
    let sick = findings.iter().filter(|finding| finding["status"] == "fix").count();
    assert_eq!((sick, run.code), (fixes.len(), Some(i32::from(sick > 0))), "{run:?}");
    let checks: Vec<&str> =
        findings.iter().filter_map(|finding| finding["check"].as_str()).collect();
    for check in ["capabilities", "receive buffer", "neighbour table", "DNS", "clock", "disk"] {
        assert!(checks.contains(&check), "{check} is missing: {checks:?}");
    }
    let commands = doctor(&["--fix-only", "--data", data]);
    assert_eq!(commands.out.lines().collect::<Vec<_>>(), fixes);
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0, "left clean");
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let run = doctor(&["--data", "/proc/netmend"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.out.contains("/proc cannot be written"), "{run:?}");
    assert!(run.out.contains("install -d -o") && run.out.contains("/proc/netmend"), "{run:?}");
    // The folder of a configuration is the daemon's as well.
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("netmend.yaml");
    std::fs::write(&config, "data: /proc/netmend\n").expect("written");
    let by_config = doctor(&["--config", config.to_str().expect("UTF-8")]);
    assert!(by_config.out.contains("/proc cannot be written"), "{by_config:?}");
}
