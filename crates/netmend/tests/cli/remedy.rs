//! `netmend remedy` and `netmend check` of remediations, as a user runs them: the guide of docs/remediations.md,
//! step by step, on a device that `netmend lab device` simulates.

use std::fs;
use std::path::Path;

use super::device::Lab;
use super::{Run, command};

const PORT: &str = "GigabitEthernet0/1";

fn netmend(folder: &Path, args: &[&str]) -> Run {
    let run = command(args).current_dir(folder).env("PASSWORD", "lab").output();
    Run::of(run.expect("the binary runs"))
}

/// Replaces text in a file.
fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("the file is there");
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(path, text.replace(from, to)).expect("it is written");
}

#[test]
fn the_guide_works_word_by_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let run = netmend(
        folder,
        &["remedy", "new", "bounce", "--code", "LINEPROTO-5-UPDOWN", "--platform", "ios"],
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    let star = folder.join("remediations/bounce.star");
    let run = netmend(folder, &["remedy", "test", "bounce"]);
    assert_eq!((run.code, run.out.matches("ok ").count()), (Some(0), 2), "{run:?}");

    edit(&star, "\"shutdown\"", "\"shutdwon\"");
    let run = netmend(folder, &["remedy", "test", "bounce"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.out.contains("shutdwon") && run.out.contains("FAILED"), "{run:?}");
    edit(&star, "shutdwon", "shutdown");

    edit(&star, "port.admin", "port.admn");
    let run = netmend(folder, &["check", "remediations/bounce.star"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.out.contains("bounce.star:13:13: "), "{run:?}");
    assert!(run.out.contains("did you mean `admin`?"), "{run:?}");
    let run = netmend(folder, &["check", "--output", "json", "remediations/bounce.star"]);
    assert!(run.out.contains("\"line\":13"), "{run:?}");
    edit(&star, "port.admn", "port.admin");
    assert_eq!(netmend(folder, &["check", "remediations/bounce.star"]).code, Some(0));

    let lab = Lab::with(&["--platform=ios", "--broken", PORT]);
    let config = format!(
        "devices:\n  r1:\n    addresses: [127.0.0.1]\n    platform: ios\n    \
         login: {{ user: netmend, port: {}, password: \"${{env:PASSWORD}}\" }}\n",
        lab.port
    );
    fs::write(folder.join("netmend.yaml"), config).expect("a config is written");
    let place = ["--config", "netmend.yaml", "--data", "try"];
    let trust =
        [&["device", "trust", "r1", "--fingerprint", &lab.fingerprint], &place[..]].concat();
    assert_eq!(netmend(folder, &trust).code, Some(0));
    let field = format!("interface={PORT}");
    let try_it = |more: &[&str]| {
        let run = ["remedy", "run", "bounce", "--device", "r1", "--field", &field];
        netmend(folder, &[&run, &place[..], more].concat())
    };
    let run = try_it(&["--dry-run"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let sent = format!(
        "fix would send:\n  (config) interface {PORT}\n  (config) shutdown\n  (config) no shutdown\n"
    );
    assert!(run.out.contains(&sent), "{run:?}");
    let run = try_it(&[]);
    assert_eq!(run.code, Some(3), "nobody is there to say yes: {run:?}");
    fs::write(folder.join("try/PAUSE"), "").expect("the kill switch is set");
    assert!(try_it(&["--yes"]).err.contains("paused"), "the kill switch counts");
    fs::remove_file(folder.join("try/PAUSE")).expect("it is taken away");
    let run = try_it(&["--yes", "--record", "mine.cast.toml"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("verify: yes"), "{run:?}");
    let run = try_it(&["--dry-run"]);
    assert!(run.out.contains("check: no, GigabitEthernet0/1 works again"), "{run:?}");

    let recorded = fs::read_to_string(folder.join("mine.cast.toml")).expect("it was recorded");
    assert!(recorded.contains("SIMULATION") && !recorded.contains("password"), "{recorded}");
    let casts = folder.join("remediations/bounce.cast.toml");
    let before = fs::read_to_string(&casts).expect("it is there");
    fs::write(&casts, before + &recorded).expect("it is added");
    let run = netmend(folder, &["remedy", "test", "bounce"]);
    let passed = (run.code, run.out.matches("ok ").count());
    assert_eq!(passed, (Some(0), 3), "what was recorded is a test: {run:?}");
}

#[test]
fn what_is_written_to_begin_with_passes_its_test_on_every_platform() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let platforms = ["ios", "iosxr", "nxos", "eos", "junos", "frr", "linux"];
    for platform in platforms {
        let run = netmend(folder, &["remedy", "new", platform, "--platform", platform]);
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    let run = netmend(folder, &[&["remedy", "test"], &platforms[..]].concat());
    let passed = (run.code, run.out.matches("ok ").count());
    assert_eq!(passed, (Some(0), 2 * platforms.len()), "{run:?}");
}

#[test]
fn remediations_are_listed_and_one_that_is_missing_is_guessed() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let run = netmend(folder, &["remedy", "list"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.lines().count() >= 13, "{run:?}");
    assert!(run.out.contains("line-protocol-down") && run.out.contains("records"), "{run:?}");
    let run = netmend(folder, &["remedy", "list", "--output", "json"]);
    for line in run.out.lines() {
        let listed: serde_json::Value = serde_json::from_str(line).expect("a line is an object");
        assert_eq!(listed["sha256"].as_str().map(str::len), Some(64), "{line}");
    }
    let run = netmend(folder, &["remedy", "show", "line-protocol-dwon"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("did you mean `line-protocol-down`?"), "{run:?}");
    let run = netmend(folder, &["remedy", "test"]);
    assert_eq!(run.code, Some(0), "the shipped ones pass: {run:?}");
    let run = netmend(folder, &["remedy", "new", "../evil"]);
    assert_eq!(run.code, Some(3), "{run:?}");
}

#[test]
fn a_child_is_no_command_for_people() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = netmend(folder.path(), &["script-child"]);
    assert!(run.out.is_empty(), "{run:?}");
    let run = netmend(folder.path(), &["--help"]);
    assert!(!run.out.contains("script-child") && run.out.contains("remedy"), "{run:?}");
}
