//! `netmend detect` as a user pipes into it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use super::{Run, command};

fn detect(args: &[&str], input: &[u8]) -> Run {
    let mut command = command(&[&["detect"], args].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut stdin = child.stdin.take().expect("it was piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A command that ends early closes its input.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the writer ends");
    Run::of(output)
}

/// A minute's cadence: a day of 20 ms, an hour of 70, two hours of 20.
fn series() -> String {
    let mut text = "timestamp,value\n".to_owned();
    for minute in 0..1620 {
        let value = if (1440..1500).contains(&minute) { 70 } else { 20 };
        let at = 1_767_571_200 + minute * 60;
        writeln!(text, "{at},{value}.{}", minute % 3).expect("a string takes it");
    }
    text
}

const RISE: i64 = 1_767_571_200 + 1440 * 60;

#[test]
fn an_hour_that_is_too_high_is_one_line_that_begins_in_time() {
    for form in [&[][..], &["--format", "json"], &["--output", "json"]] {
        let run = detect(&[&["--kind", "latency"], form].concat(), series().as_bytes());
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
        let [alert] = &run.json()[..] else { panic!("one alert: {run:?}") };
        let (start, end) = (alert["start"].as_i64().unwrap(), alert["end"].as_i64().unwrap());
        assert!((RISE..=RISE + 300).contains(&start), "{alert}");
        assert!((RISE + 3600..RISE + 3600 + 900).contains(&end), "{alert}");
        assert_eq!((&alert["ended"], &alert["rule"]), (&"cleared".into(), &"nm".into()));
        assert_eq!(alert["since"].as_i64(), Some(RISE));
    }
}

#[test]
fn what_follows_changes_nothing_of_what_was_said() {
    let text = series();
    for rule in ["nm", "sigma"] {
        let args = ["--kind", "latency", "--rule", rule];
        let whole = detect(&args, text.as_bytes()).json();
        assert!(!whole.is_empty(), "{rule} found nothing");
        for alert in whole {
            let start = alert["start"].as_i64().unwrap();
            let until = |line: &&str| {
                line.split(',')
                    .next()
                    .and_then(|time| time.parse().ok())
                    .is_none_or(|at: i64| at <= start)
            };
            let cut: String = text.lines().filter(until).flat_map(|line| [line, "\n"]).collect();
            let found = detect(&args, cut.as_bytes()).json();
            let last = found.last().unwrap_or_else(|| panic!("{rule}: nothing at {start}"));
            assert_eq!(last["start"], alert["start"], "{rule}");
            assert!(last["ended"].is_null(), "{rule}: {last}");
        }
    }
}

#[test]
fn bad_lines_are_counted_and_cost_nothing_else() {
    let mut text = series();
    let clean = detect(&["--kind", "latency"], text.as_bytes()).out;
    let second_line = text.find('\n').unwrap() + 1;
    text.insert_str(second_line, "rubbish\n1767571199,-4\n");
    writeln!(text, "1767571200,20").unwrap();
    let run = detect(&["--kind", "latency"], text.as_bytes());
    assert_eq!((run.code, &run.out), (Some(0), &clean));
    for what in [
        "1 line that are not `timestamp,value`, the first is line 2: rubbish",
        "1 line not later",
        "1 line with a value below 0",
    ] {
        assert!(run.err.contains(what), "{what}: {}", run.err);
    }
    let strict = detect(&["--kind", "latency", "--strict"], text.as_bytes());
    assert_eq!((strict.code, &strict.out), (Some(1), &clean));
}

#[test]
fn nothing_to_judge_is_a_failure_and_says_what_to_pass() {
    for input in ["", "timestamp,value\n", "a b c\n"] {
        let run = detect(&["--kind", "loss"], input.as_bytes());
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{input:?}");
        assert!(run.err.contains("help: pass lines such as"), "{}", run.err);
    }
}

#[test]
fn settings_that_make_no_sense_are_bad_arguments() {
    for (args, says) in [
        (&["--kind", "loss", "--limit", "200"][..], "at most 100 %"),
        (&["--kind", "latency", "--at-least", "0"], "above 0"),
        (&["--kind", "latency", "--zone", "Mars/Olympus"], "Europe/London"),
        (&["--kind", "love"], "latency"),
        (&[], "--kind"),
    ] {
        let run = detect(args, b"60,1\n");
        assert_eq!(run.code, Some(3), "{args:?}: {run:?}");
        assert!(run.err.contains(says), "{args:?}: {}", run.err);
    }
    assert_eq!(detect(&["--kind", "loss", "/nowhere"], b"").code, Some(4));
}

#[test]
fn each_sample_can_be_had_with_its_judgement() {
    let run = detect(&["--kind", "latency", "--each"], series().as_bytes());
    let said = run.json();
    assert_eq!(said.len(), 1620);
    assert_eq!(
        (&said[0]["standing"], &said[1439]["standing"]),
        (&"learning".into(), &"usual".into())
    );
    assert_eq!(said.iter().filter(|one| one["change"] == "raised").count(), 1);
    let (usual, limit) =
        (said[1439]["usual"].as_f64().unwrap(), said[1439]["limit"].as_f64().unwrap());
    assert!((19.0..22.0).contains(&usual) && (27.0..31.0).contains(&limit), "{usual} {limit}");
}

#[test]
fn an_outage_is_found_within_a_minute_also_before_anything_was_learned() {
    let mut text = String::new();
    for sample in 0..60 {
        writeln!(text, "{},{}", 1000 + sample * 10, if sample < 20 { 0 } else { 100 }).unwrap();
    }
    let run = detect(&["--kind", "loss"], text.as_bytes());
    let alert = &run.json()[0];
    assert!(alert["start"].as_i64().unwrap() <= 1200 + 60, "{alert}");
    assert_eq!(alert["rule"], "down");
}

/// Largest memory of a process so far in bytes (proc(5), `VmHWM`).
fn most_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes << 10
}

#[test]
fn a_long_input_takes_no_more_memory_than_a_short_one() {
    let mut command = command(&["detect", "--kind", "latency"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut stdin = child.stdin.take().expect("it was piped");
    // Two weeks and half a year of a sample each minute, with an hour that is too high each day.
    let mut text = String::new();
    let mut most = Vec::new();
    for (from, until) in [(0, 20_000), (20_000, 270_000)] {
        for minute in from..until {
            let value = if minute % 1440 < 60 { 70 } else { 20 };
            writeln!(text, "{},{value}.{}", 1_767_571_200 + minute * 60, minute % 3).unwrap();
            if text.len() > 1 << 16 {
                stdin.write_all(text.as_bytes()).expect("it reads");
                text.clear();
            }
        }
        // All but what a pipe holds has been read.
        most.push(most_memory(child.id()));
    }
    drop(stdin);
    assert!(child.wait_with_output().expect("it ends").status.success());
    assert!(most[1] < most[0] + (1 << 20), "{most:?} bytes");
}
