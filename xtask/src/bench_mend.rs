//! `cargo xtask bench mend`: what remediations cost, beside the goals: reading a thousand files, finding the one
//! that is meant for an event, a step with one question to the device.

use std::process::Command;

use serde_json::Value;

use crate::command;
use crate::goals::{At, Goals};

/// What is measured of files and steps: key, name, goal.
const FIGURES: [(&str, &str, Option<At>); 3] = [
    ("load_s", "1,000 remediation files, read and checked, s", Some(At::Most(1.0))),
    ("match_us", "the one for an event out of 1,000, us", Some(At::Most(20.0))),
    ("step_us", "a step with one question, process included, us", None),
];

/// Runs the measurement and prints it beside the goals.
pub(crate) fn run() -> Result<(), String> {
    let mut goals = Goals::default();
    files(&mut goals)?;
    goals.conclude();
    Ok(())
}

/// Remediations alone, without daemon or device.
fn files(goals: &mut Goals) -> Result<(), String> {
    let example = ["build", "--release", "-p", "netmend-mend", "--example", "remediations"];
    command::run("cargo", &example)?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| command::root().join("target"), std::path::PathBuf::from);
    let program = target.join("release/examples/remediations");
    let out =
        Command::new(&program).output().map_err(|why| format!("{}: {why}", program.display()))?;
    if !out.status.success() {
        return Err(format!("the bench failed: {}", String::from_utf8_lossy(&out.stderr).trim()));
    }
    let found: Value = serde_json::from_slice(&out.stdout).map_err(|why| why.to_string())?;
    for (key, name, goal) in FIGURES {
        let figure = found[key].as_f64().ok_or_else(|| format!("the bench did not print {key}"))?;
        match goal {
            Some(goal) => goals.check(name, figure, goal),
            None => println!("         {name}: {}", crate::goals::number(figure)),
        }
    }
    Ok(())
}
