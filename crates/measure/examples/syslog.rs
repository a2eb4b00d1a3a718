//! Measures the syslog parser alone: lines a second of CPU time on one core, over real lines of all
//! families. It prints one object:
//!
//!     cargo run --release -p netmend-measure --example syslog
//!
//! A number behind `--` says how often the lines are read. With `-- lines` it counts instead how many lines of each batch
//! that the parser had never seen it reads right, and shows the others; with `-- lines FILE` those of that file:
//!
//!     cargo run --release -p netmend-measure --example syslog -- lines

#![expect(clippy::print_stdout, reason = "its output is its result")]

use std::hint::black_box;
use std::time::Duration;

use model::UnixMs;
use netmend_measure::wire::syslog::parse;
use nix::time::{ClockId, clock_gettime};

/// The lines of the tests; those that say what is expected are left out.
const LINES: &str = include_str!("../src/wire/syslog/tests/lines.txt");
/// The folder of the batches: lines that the parser had not seen when what they say was written down behind each, as
/// `= device | code | severity`.
const BATCHES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/wire/syslog/tests/unseen");
/// 2026-11-22 00:00 UTC.
const RECEIVED: UnixMs = UnixMs(1_795_305_600_000);
/// How often all of them are read, if nobody says.
const ROUNDS: usize = 10_000;

fn main() {
    let argument = std::env::args().nth(1);
    let rounds = argument.as_deref().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    if argument.as_deref() == Some("lines") {
        let own = std::env::args().nth(2).map(|file| {
            let text = std::fs::read_to_string(&file).expect("a file that can be read");
            vec![(file, text)]
        });
        own.unwrap_or_else(batches).iter().for_each(|(name, batch)| score(name, batch));
        return;
    }
    let wanted =
        |line: &&str| !line.is_empty() && !line.starts_with("# ") && !line.starts_with("= ");
    let lines: Vec<&[u8]> = LINES.lines().filter(wanted).map(str::as_bytes).collect();
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    let start = cpu();
    for _ in 0..rounds {
        for line in &lines {
            black_box(parse(black_box(line), RECEIVED));
        }
    }
    let seconds = cpu().saturating_sub(start).as_secs_f64();
    let count = (lines.len() * rounds) as f64;
    println!(
        r#"{{"lines":{count},"bytes_a_line":{},"lines_per_cpu_second":{:.0},"ns_a_line":{:.0}}}"#,
        bytes / lines.len(),
        count / seconds,
        seconds / count * 1e9
    );
}

/// Names and texts of the batches.
fn batches() -> Vec<(String, String)> {
    let files = std::fs::read_dir(BATCHES).expect("the sources are there");
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        let file = file.expect("a folder that can be listed");
        let name = file.file_name().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(file.path()).expect("a text"))
    };
    let mut batches: Vec<_> = files.map(read).collect();
    batches.sort();
    batches
}

/// Reads a batch and prints one object with what is right of it, and the lines that are not.
fn score(name: &str, batch: &str) {
    let mut lines = batch.lines().filter(|line| !line.starts_with("# ") && !line.is_empty());
    let (mut count, mut named, mut right) = (0, 0, 0);
    while let (Some(line), Some(expected)) = (lines.next(), lines.next()) {
        let line = line.replace("\\t", "\t");
        let record = parse(line.as_bytes(), RECEIVED);
        let severity = record.severity().map_or("-".to_owned(), |severity| severity.to_string());
        let code = record.code.map_or("-", |code| code.printed);
        let host_and_code = format!("= {} | {code}", record.device.unwrap_or("-"));
        let said = format!("{host_and_code} | {severity}");
        count += 1;
        named += usize::from(expected.starts_with(&format!("{host_and_code} | ")));
        right += usize::from(said == expected);
        if said != expected {
            println!("{line}\n  want {expected}\n  got  {said}");
        }
    }
    println!(
        r#"{{"batch":"{name}","lines":{count},"host_and_code_right":{named},"severity_too":{right}}}"#
    );
}

/// CPU time of this process: what others do to the machine does not count.
fn cpu() -> Duration {
    let at = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every Linux has this clock");
    Duration::new(at.tv_sec().unsigned_abs(), at.tv_nsec().unsigned_abs() as u32)
}
