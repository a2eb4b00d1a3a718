//! Measures the syslog parser alone: lines a second of CPU time on one core, over real lines of all
//! families. It prints one object:
//!
//!     cargo run --release -p netmend-measure --example syslog

#![expect(clippy::print_stdout, reason = "its output is its result")]

use std::hint::black_box;
use std::time::Duration;

use model::UnixMs;
use netmend_measure::wire::syslog::parse;
use nix::time::{ClockId, clock_gettime};

/// The lines of the tests; those that say what is expected are left out.
const LINES: &str = include_str!("../src/wire/syslog/tests/lines.txt");
/// 2026-11-22 00:00 UTC.
const RECEIVED: UnixMs = UnixMs(1_795_305_600_000);
/// How often all of them are read.
const ROUNDS: usize = 10_000;

fn main() {
    let wanted =
        |line: &&str| !line.is_empty() && !line.starts_with('#') && !line.starts_with("= ");
    let lines: Vec<&[u8]> = LINES.lines().filter(wanted).map(str::as_bytes).collect();
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    let start = cpu();
    for _ in 0..ROUNDS {
        for line in &lines {
            black_box(parse(black_box(line), RECEIVED));
        }
    }
    let seconds = cpu().saturating_sub(start).as_secs_f64();
    let count = (lines.len() * ROUNDS) as f64;
    println!(
        r#"{{"lines":{count},"bytes_a_line":{},"lines_per_cpu_second":{:.0},"ns_a_line":{:.0}}}"#,
        bytes / lines.len(),
        count / seconds,
        seconds / count * 1e9
    );
}

/// CPU time of this process: what others do to the machine does not count.
fn cpu() -> Duration {
    let at = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every Linux has this clock");
    Duration::new(at.tv_sec().unsigned_abs(), at.tv_nsec().unsigned_abs() as u32)
}
