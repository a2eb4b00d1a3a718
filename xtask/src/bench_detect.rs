//! `cargo xtask bench detect`: what the detectors cost in time and memory, beside the goals.

use std::process::Command;

use serde_json::Value;

use crate::command;
use crate::goals::{At, Goals};

/// What is measured: key, name, goal. The start and the replay are of 1,000 series.
const FIGURES: [(&str, &str, Option<At>); 9] = [
    ("rtt_ns", "latency, ns a sample", Some(At::Most(100.0))),
    ("jitter_ns", "jitter, ns a sample", Some(At::Most(100.0))),
    ("loss_ns", "loss, ns a sample", Some(At::Most(100.0))),
    ("series_bytes", "bytes a series, table and allocator included", Some(At::Most(704.0))),
    ("cpu_percent", "100,000 series, a sample each 10 s, % of a core", Some(At::Most(2.0))),
    ("round_ms", "one sample of each of 100,000 series, ms", None),
    ("start_s", "start from the snapshot and 10 min at 3 s, s", Some(At::Most(2.0))),
    ("replay_s", "full replay of 7 days at 60 s, s", Some(At::Most(5.0))),
    ("snapshot_bytes", "snapshot, bytes a series", None),
];

/// Runs the measurement and prints it beside the goals.
pub(crate) fn run() -> Result<(), String> {
    let package = ["-p", "netmend-detect", "--example", "detectors"];
    command::run("cargo", &[&["build", "--release"], &package[..]].concat())?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| command::root().join("target"), std::path::PathBuf::from);
    let program = target.join("release/examples/detectors");
    let out =
        Command::new(&program).output().map_err(|why| format!("{}: {why}", program.display()))?;
    if !out.status.success() {
        return Err(format!("the bench failed: {}", String::from_utf8_lossy(&out.stderr).trim()));
    }
    let found: Value = serde_json::from_slice(&out.stdout).map_err(|why| why.to_string())?;
    let mut goals = Goals::default();
    for (key, name, goal) in FIGURES {
        let figure = found[key].as_f64().ok_or_else(|| format!("the bench did not print {key}"))?;
        match goal {
            Some(goal) => goals.check(name, figure, goal),
            None => println!("         {name}: {}", crate::goals::number(figure)),
        }
    }
    goals.conclude();
    Ok(())
}
