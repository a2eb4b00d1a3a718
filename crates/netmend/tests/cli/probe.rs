//! `netmend probe` and its contract.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use lab::Namespace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{NETMEND, Run, command, netmend};

const FIELDS: [&str; 15] = [
    "target",
    "address",
    "protocol",
    "sent",
    "received",
    "refused",
    "lost",
    "late",
    "unreachable",
    "unknown",
    "duplicates",
    "unsent",
    "loss_pct",
    "rtt_us",
    "jitter_us",
];

/// A port of loopback on which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

#[test]
fn a_target_that_answers_has_every_field_of_the_contract() {
    let run = netmend(&["probe", "--output", "json", "-c", "3", "-i", "20ms", "127.0.0.1"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines = run.json();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    for field in FIELDS {
        assert!(line.get(field).is_some(), "{field} is missing in {line}");
    }
    assert_eq!(line.as_object().map(serde_json::Map::len), Some(FIELDS.len()));
    assert_eq!((&line["target"], &line["protocol"]), (&"127.0.0.1".into(), &"icmp".into()));
    assert_eq!(
        (&line["sent"], &line["received"], &line["lost"]),
        (&3.into(), &3.into(), &0.into())
    );
    let rtt = |name: &str| line["rtt_us"][name].as_f64().expect("a number");
    assert!(rtt("min") > 0.0 && rtt("min") <= rtt("p50") && rtt("p50") <= rtt("max"), "{line}");
}

#[test]
fn each_probe_has_a_line_of_its_own_and_the_targets_come_last() {
    let args =
        ["probe", "--each", "--output", "json", "-c", "4", "-i", "20ms", "127.0.0.1", "127.0.0.2"];
    let run = netmend(&args);
    let (each, ends): (Vec<Value>, Vec<Value>) =
        run.json().into_iter().partition(|line| line.get("round").is_some());
    assert_eq!((each.len(), ends.len(), run.code), (8, 2, Some(0)));
    assert!(run.json()[6..8].iter().all(|line| line.get("round").is_some()), "{run:?}");
    for (index, host) in ["127.0.0.1", "127.0.0.2"].into_iter().enumerate() {
        let of: Vec<&Value> = each.iter().filter(|line| line["target"] == host).collect();
        let mut rounds: Vec<u64> = of.iter().filter_map(|line| line["round"].as_u64()).collect();
        rounds.sort_unstable();
        assert_eq!(rounds, [0, 1, 2, 3]);
        let mut rtts: Vec<f64> = of.iter().filter_map(|line| line["rtt_us"].as_f64()).collect();
        rtts.sort_by(f64::total_cmp);
        assert_eq!(ends[index]["target"], host, "the order is that of the command line");
        assert_eq!(ends[index]["rtt_us"]["min"].as_f64(), Some(rtts[0]));
        let median = f64::midpoint(rtts[1], rtts[2]);
        let p50 = ends[index]["rtt_us"]["p50"].as_f64().expect("a number");
        assert!((p50 - median).abs() <= 0.001, "{p50} is not {median}");
        assert!(of.iter().all(|line| line["sent_at"].as_str().is_some_and(|at| at.ends_with('Z'))));
    }
}

#[test]
fn a_closed_port_is_refused_which_is_an_answer() {
    let port = closed_port().to_string();
    for target in [vec!["--tcp", port.as_str(), "127.0.0.1"], vec![&format!("127.0.0.1:{port}")]] {
        let run = netmend(&[&["probe", "--output", "json"], &target[..]].concat());
        let line = &run.json()[0];
        assert_eq!((&line["received"], &line["refused"]), (&1.into(), &1.into()), "{run:?}");
        assert_eq!((&line["protocol"], run.code), (&format!("tcp:{port}").into(), Some(0)));
        assert_eq!(line["target"], *target[target.len() - 1], "as it was typed");
    }
}

#[test]
fn an_open_port_answers_and_is_not_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = listener.local_addr().expect("bound").to_string();
    let run = netmend(&["probe", "--output", "json", &target]);
    let line = &run.json()[0];
    assert_eq!((&line["received"], &line["refused"]), (&1.into(), &0.into()), "{run:?}");
}

#[test]
fn a_name_that_is_not_found_is_said_and_does_not_stop_the_others() {
    let namespace = Namespace::create().expect("a namespace");
    let args = ["probe", "--output", "json", "nowhere.invalid", "127.0.0.1"];
    let output = namespace.command(NETMEND).args(args).output().expect("it runs");
    let run = Run::of(output);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("nowhere.invalid"), "{run:?}");
    let lines = run.json();
    assert_eq!((&lines[0]["target"], &lines[0]["sent"]), (&"nowhere.invalid".into(), &0.into()));
    assert!(lines[0]["loss_pct"].is_null() && lines[0]["rtt_us"]["p50"].is_null());
    assert_eq!(lines[1]["received"], 1);
}

#[test]
fn arguments_that_make_no_sense_are_refused_before_anything_is_sent() {
    let cases: [(&[&str], &str); 12] = [
        (&[], "nothing to probe"),
        (&["127.0.0.1:0"], "a port is a number from 1 to 65535"),
        (&["--tcp", "0", "127.0.0.1"], "a port is a number from 1 to 65535"),
        (&["-i", "1", "127.0.0.1"], "needs a unit"),
        (&["-t", "0", "127.0.0.1"], "is shorter than 1ms"),
        (&["-t", "10us", "127.0.0.1"], "is shorter than 1ms"),
        (&["-c", "many", "127.0.0.1"], "invalid digit"),
        (&["-4", "-6", "127.0.0.1"], "cannot be used with"),
        (&["-6", "127.0.0.1"], "is no IPv6 address"),
        (&["--dscp", "64", "127.0.0.1"], "write 0 to 63 or a name such as EF"),
        (&["10.0.0.0/4"], "more than 1048576 addresses"),
        (&["--targets", "/nowhere/targets"], "cannot read /nowhere/targets"),
    ];
    for (args, expected) in cases {
        let run = netmend(&[&["probe"], args].concat());
        assert_eq!(run.code, Some(3), "{args:?}: {run:?}");
        assert!(run.err.contains(expected), "{args:?}: {}", run.err);
        assert_eq!(run.out, "", "{args:?}");
    }
}

#[test]
fn one_silent_target_among_others_is_exit_code_1_and_all_of_its_probes_are_lost() {
    let namespace = Namespace::create().expect("a namespace");
    let rules = "add table ip t; add chain ip t i { type filter hook input priority 0; }; \
                 add rule ip t i ip daddr 127.0.0.9 drop";
    namespace.run("nft", [rules]).expect("a rule");
    let args = ["probe", "--output", "json", "-c", "2", "-i", "50ms", "-t", "100ms"];
    let hosts = ["127.0.0.1", "127.0.0.9", "10.8.8.8"];
    let run = Run::of(namespace.command(NETMEND).args(args).args(hosts).output().expect("it runs"));
    assert_eq!(run.code, Some(1), "{run:?}");
    let lines = run.json();
    let numbers =
        |line: &Value| ["sent", "received", "lost", "unsent"].map(|name| line[name].as_u64());
    assert_eq!(numbers(&lines[0]), [Some(2), Some(2), Some(0), Some(0)]);
    assert_eq!(numbers(&lines[1]), [Some(2), Some(0), Some(2), Some(0)]);
    assert_eq!((&lines[1]["loss_pct"], &lines[1]["rtt_us"]["min"]), (&100.0.into(), &Value::Null));
    assert_eq!(numbers(&lines[2]), [Some(0), Some(0), Some(0), Some(2)], "no route: {run:?}");
}

#[test]
fn targets_come_from_yaml_from_lines_and_from_standard_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let port = closed_port();
    let icmp = file("icmp.yaml", "london:\n  - 127.0.0.1\n  - 127.0.0.2\n");
    let tcp = file("tcp.yml", &format!("london:\n  127.0.0.1: {port}\n"));
    let lines = file("hosts", "# routers\n127.0.0.3  # the old one\n\n127.0.0.4\n");
    let args = ["--targets", &icmp, "--targets", &tcp, "--targets", &lines];
    let mut child = command(&["probe", "--output", "json", "-"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"127.0.0.5\n127.0.0.3\n").expect("it reads");
    drop(stdin);
    let run = Run::of(child.wait_with_output().expect("it ends"));
    let names: Vec<Value> = run.json().iter().map(|line| line["target"].clone()).collect();
    let tcp = format!("127.0.0.1:{port}");
    let expected = ["127.0.0.5", "127.0.0.3", "127.0.0.1", "127.0.0.2", tcp.as_str(), "127.0.0.4"];
    assert_eq!((names, run.code), (expected.map(Value::from).to_vec(), Some(0)));
}

#[test]
fn a_broken_targets_file_is_refused_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("targets.yaml");
    std::fs::write(&path, "london:\n  - 127.0.0.1\n - 127.0.0.2\n").expect("written");
    let run = netmend(&["probe", "--targets", path.to_str().expect("UTF-8")]);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.err.contains("targets.yaml:3:"), "{}", run.err);
}

#[test]
fn ten_thousand_targets_all_answer_and_come_out_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hosts");
    let hosts: Vec<String> =
        (0..10_000).map(|i| format!("127.1.{}.{}", i / 250, i % 250 + 1)).collect();
    std::fs::write(&path, hosts.join("\n")).expect("written");
    let run = netmend(&["probe", "--output", "json", "--targets", path.to_str().expect("UTF-8")]);
    let lines = run.json();
    assert_eq!((run.code, lines.len()), (Some(0), hosts.len()), "{}", run.err);
    assert!(lines.iter().zip(&hosts).all(|(line, host)| line["target"] == **host));
}

#[test]
fn the_text_summary_has_a_line_a_target_and_one_for_all() {
    let run = netmend(&["probe", "127.0.0.1", "127.0.0.2", "127.0.0.1"]);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!((lines.len(), run.code), (4, Some(0)), "{run:?}");
    assert!(lines[0].starts_with("host") && lines[1].starts_with("127.0.0.1 "), "{run:?}");
    assert!(lines[3].starts_with("2 targets: 2 up. 2 probes in"), "{run:?}");
    assert!(run.err.contains("1 target was given more than once"), "{run:?}");
    assert!(!run.out.contains('\x1b'), "no colours in a pipe");
}

/// A probe without end that has had its first answer. On a busy machine rounds before it may be `unsent`.
fn endless() -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child =
        command(&["probe", "--each", "--output", "json", "-c", "0", "-i", "20ms", "127.0.0.1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("\"outcome\":\"reply\"") {
        line.clear();
        assert!(out.read_line(&mut line).expect("text") > 0, "it ended without an answer");
    }
    (child, out)
}

#[test]
fn control_c_and_sigterm_end_it_with_the_summary_of_what_there_is() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut child, mut out) = endless();
        // Twice, as `timeout` does it: once to its command, once to the group of processes.
        for _ in 0..2 {
            kill(Pid::from_raw(child.id().cast_signed()), signal).expect("it is there");
        }
        let mut rest = String::new();
        out.read_to_string(&mut rest).expect("text");
        let status = child.wait().expect("it ends");
        let last: Value = serde_json::from_str(rest.lines().last().expect("a line")).expect("JSON");
        assert!(last["received"].as_u64() >= Some(1), "{last}");
        assert_eq!(status.code(), Some(0), "every target answered");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let (mut child, out) = endless();
    drop(out);
    assert_eq!(child.wait().expect("it ends by itself").code(), Some(0));
}

#[test]
fn without_privileges_it_falls_back_and_says_how_to_avoid_that() {
    let namespace = Namespace::create().expect("a namespace");
    let drop = [
        "--bounding-set=-all",
        "--inh-caps=-all",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    // Others must be able to run the binary wherever it was built.
    let folder =
        tempfile::Builder::new().prefix("netmend-cli").tempdir_in("/tmp").expect("a folder");
    let binary = folder.path().join("netmend");
    std::fs::copy(NETMEND, &binary).expect("copied");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode).expect("opened");
    let output = namespace
        .command("setpriv")
        .args(drop)
        .arg(&binary)
        .args(["probe", "--output", "json", "127.0.0.1"])
        .output();
    let run = Run::of(output.expect("it runs"));
    assert_eq!(run.code, Some(0), "{run:?}");
    let line = &run.json()[0];
    assert_eq!(line["received"], 1, "{run:?}");
    let mut told = String::new();
    let _ = write!(told, "{} {}", line["protocol"], run.err);
    assert!(told.contains("CAP_NET_RAW"), "{told}");
    assert!(
        line["protocol"].as_str().is_some_and(|p| p.starts_with("tcp:")),
        "shown as TCP: {told}"
    );
}
