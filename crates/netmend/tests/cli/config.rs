//! `netmend check`, `init` and `schema` as a person and as a script use them.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use super::{Run, command, netmend};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");

fn check_text(text: &str, args: &[&str]) -> Run {
    let mut child = command(&[&["check", "-"], args].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    Run::of(child.wait_with_output().expect("it ends"))
}

#[test]
fn every_shipped_example_is_good_and_a_script_hears_nothing() {
    let names = ["netmend.yaml", "icmp_targets.yaml", "tcp_targets.yaml", "hosts.txt"];
    let files = names.map(|name| format!("{EXAMPLES}{name}"));
    let args: Vec<&str> = ["check"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let run = netmend(&args);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(0), "", ""));
}

#[test]
fn one_wrong_file_among_good_ones_is_code_1_and_a_line_for_each_problem() {
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = folder.path().join("wrong.yaml");
    fs::write(&wrong, "targets:\n  a: [10]\nsiet: x\n").expect("written");
    let wrong = wrong.to_str().expect("UTF-8");
    let run = netmend(&["check", &format!("{EXAMPLES}hosts.txt"), wrong]);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!((run.code, lines.len()), (Some(1), 2), "{run:?}");
    assert!(lines[0].starts_with(&format!("{wrong}:2:7: ")), "{run:?}");
    assert!(lines[1].starts_with(&format!("{wrong}:3:1: ")), "{run:?}");
    assert!(lines[1].contains("did you mean `site`"), "{run:?}");
}

#[test]
fn standard_input_is_checked_and_problems_come_as_json() {
    assert_eq!(check_text("targets: {a: [h]}\n", &[]).code, Some(0));
    let run = check_text("targets: {a: [10]}\n", &["--output", "json"]);
    let problem = &run.json()[0];
    assert_eq!((run.code, problem["file"].as_str()), (Some(1), Some("-")));
    assert_eq!((&problem["line"], &problem["column"]), (&1.into(), &15.into()));
    assert!(problem["message"].is_string() && problem["allowed"].is_string(), "{problem}");
}

#[test]
fn the_kind_of_a_file_can_be_demanded() {
    let targets = format!("{EXAMPLES}icmp_targets.yaml");
    assert_eq!(netmend(&["check", "--as", "targets", &targets]).code, Some(0));
    let run = netmend(&["check", "--as", "config", &targets]);
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("this is a targets file"), "{run:?}");
}

#[test]
fn a_missing_file_is_a_problem_of_that_file_and_no_file_at_all_is_bad_usage() {
    let run = netmend(&["check", "/nonexistent/netmend.yaml"]);
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("cannot be read: no such file"), "{run:?}");
    assert_eq!(netmend(&["check"]).code, Some(3));
}

#[test]
fn check_refuses_what_a_config_names_in_vain_and_so_does_run_unless_it_can_leave_it_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    };
    write("patterns/p.yaml", "messages: [ { kind: x } ]\n");
    let fix =
        "remediation(match = [\"ZZZ-5-UPDOWN\"])\ndef check(event, device):\n    return True\n";
    write("fixes/a.star", fix);
    write("fixes/b.star", fix);
    write("junk.pem", "junk\n");
    let listen = "listen: 127.0.0.1:8999\nsyslog: { tcp: 127.0.0.1:8999 }";
    let traps = "syslog: { udp: 0.0.0.0:8999 }\nsnmp: { traps: { listen: 127.0.0.1:8999 } }";
    for (text, words) in [
        ("syslog: { patterns: gone }", "netmend.yaml:1:21: the folder `"),
        ("syslog: { patterns: patterns }", "patterns/p.yaml:1:13: the message needs either"),
        ("access: { tls: { cert: c.pem, key: k.pem } }", "netmend.yaml:1:36: `"),
        ("access: { tls: { cert: junk.pem, key: junk.pem } }", "netmend.yaml:1:39: cannot read a"),
        (
            "syslog: { tls: { listen: 127.0.0.1:8999, cert: junk.pem, key: junk.pem, client_ca: c } }",
            "netmend.yaml:1:84: `",
        ),
        (
            "syslog: { udp: [127.0.0.1:8999, 127.0.0.1:8999] }",
            "netmend.yaml:1:33: `127.0.0.1:8999`",
        ),
        (listen, "netmend.yaml:2:16: `127.0.0.1:8999` is listened on twice, first at"),
        (traps, "netmend.yaml:2:26: `127.0.0.1:8999` and `0.0.0.0:8999` cannot both"),
        ("remediations: { dir: gone }", "netmend.yaml:1:22: the folder `"),
        ("remediations: { dir: fixes }", "b.star:1:1: b and a are meant for the same events"),
        ("remediations: { modes: { linkdown: auto } }", "did you mean `link-down`?"),
    ] {
        write("netmend.yaml", text);
        let config = folder.path().join("netmend.yaml").display().to_string();
        let data = folder.path().join("data").display().to_string();
        let check = netmend(&["check", &config]);
        assert!(check.code == Some(1) && check.out.contains(words), "{text}: {check:?}");
        // One wrong remediation does not end all watching.
        if !text.contains("remediations") {
            let run = netmend(&["run", "--config", &config, "--data", &data]);
            assert!(run.code == Some(1) && run.err.contains(words), "{text}: {run:?}");
        }
    }
}

#[test]
fn what_init_writes_passes_check_and_the_same_command_does_not_write_over_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("netmend.yaml");
    let output = output.to_str().expect("UTF-8");
    let from = format!("{EXAMPLES}tcp_targets.yaml");
    let run = netmend(&["init", "--from", &from, output]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("2 targets; next: netmend run --config"), "{run:?}");
    assert_eq!(netmend(&["check", "--as", "config", output]).code, Some(0));
    let again = netmend(&["init", "--from", &from, output]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("is there already") && again.err.contains("--force"), "{again:?}");
    let shown = netmend(&["init", "--from", &from, "-"]);
    assert_eq!(shown.out, fs::read_to_string(output).expect("it is there"));
}

#[test]
fn the_schema_is_one_json_document_that_knows_the_keys_of_the_example() {
    let run = netmend(&["schema"]);
    let schema: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(run.code, Some(0));
    for key in ["site", "targets", "defaults", "listen", "data", "store", "include"] {
        assert!(schema["properties"].get(key).is_some(), "{key} is missing");
    }
}
