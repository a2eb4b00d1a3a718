//! `cargo xtask bench store`: the store beside InfluxDB and `VictoriaMetrics` from Debian's packages, on the
//! same generated samples, one after the other, and the table of their figures with the goals.

use std::process::Command;

use serde_json::Value;

use crate::{command, packages};

/// Sides in the order they run; the store comes first.
const SIDES: [&str; 3] = ["netmend", "influxdb", "victoria-metrics"];

/// One figure: its key, name, what it is divided by for people, and the largest ratio of ours to that of
/// InfluxDB and of `VictoriaMetrics` that is good enough (smallest, where more is better).
struct Row {
    key: &'static str,
    name: &'static str,
    unit: f64,
    more_is_better: bool,
    goals: [Option<f64>; 2],
}

const ROWS: [Row; 6] = [
    row("bytes_per_sample", "bytes a sample", 1.0, false, [Some(0.35), Some(1.1)]),
    row("day_ms", "1 series x 1 day, ms", 1.0, false, [Some(0.1), Some(0.3)]),
    row("median_ms", "the same with median, ms", 1.0, false, [Some(0.1), None]),
    row("hour_ms", "1000 series x 1 h, ms", 1.0, false, [Some(0.15), Some(1.0)]),
    row("ingest_per_second", "ingest, M samples/s", 1e6, true, [Some(10.0), Some(3.0)]),
    row("restart_ms", "restart after kill -9, ms", 1.0, false, [None, Some(0.5)]),
];

const fn row(
    key: &'static str,
    name: &'static str,
    unit: f64,
    more_is_better: bool,
    goals: [Option<f64>; 2],
) -> Row {
    Row { key, name, unit, more_is_better, goals }
}

/// Runs all sides and prints the table; a goal that is missed is an error.
pub(crate) fn run() -> Result<(), String> {
    packages::install(&["influxdb", "victoria-metrics"])?;
    command::run("cargo", &["build", "--release", "-p", "netmend-store", "--example", "bench"])?;
    let scratch = std::env::temp_dir().join(format!("netmend-bench-{}", std::process::id()));
    let figures: Result<Vec<Value>, String> = (18_086_u16..)
        .zip(SIDES)
        .map(|(port, side)| round(side, port, &scratch.join(side)))
        .collect();
    // The folder holds nothing but this run's copies.
    drop(std::fs::remove_dir_all(&scratch));
    if table(&figures?) == 0 { Ok(()) } else { Err("the store misses a goal".to_owned()) }
}

fn round(side: &str, port: u16, dir: &std::path::Path) -> Result<Value, String> {
    let parent = dir.parent().ok_or("the scratch folder has a parent")?;
    std::fs::create_dir_all(parent).map_err(|why| format!("{}: {why}", parent.display()))?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| command::root().join("target"), std::path::PathBuf::from);
    let program = target.join("release/examples/bench");
    println!("xtask: measuring {side}");
    let out = Command::new(&program)
        .args(["round", side, &format!("127.0.0.1:{port}")])
        .arg(dir)
        .output()
        .map_err(|why| format!("{}: {why}", program.display()))?;
    if !out.status.success() {
        return Err(format!("{side}: {}", String::from_utf8_lossy(&out.stderr).trim()));
    }
    serde_json::from_slice(&out.stdout).map_err(|why| format!("{side}: {why}"))
}

/// Prints the table; returns how many goals are missed.
fn table(figures: &[Value]) -> usize {
    let mut missed = 0;
    println!("{:26} {:>10} {:>10} {:>18} {:>10} {:>18}", "", SIDES[0], SIDES[1], "", SIDES[2], "");
    for row in &ROWS {
        let figure = |side: usize| figures[side][row.key].as_f64().unwrap_or(f64::NAN) / row.unit;
        let ours = figure(0);
        print!("{:26} {ours:>10.2}", row.name);
        for (side, goal) in [(1, row.goals[0]), (2, row.goals[1])] {
            let ratio = ours / figure(side);
            let verdict = goal.map_or(String::new(), |goal| {
                let reached = if row.more_is_better { ratio >= goal } else { ratio <= goal };
                missed += usize::from(!reached);
                format!("{}{goal}", if reached { " ok " } else { " MISSED " })
            });
            print!(" {:>10.2} {:>18}", figure(side), format!("{ratio:.2}x{verdict}"));
        }
        println!();
    }
    missed
}
