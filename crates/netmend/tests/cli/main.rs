//! The commands as a user runs them: the real binary, its output and its exit codes. Probes stay on
//! loopback or in a network namespace of the test's own.

mod agent;
mod config;
mod detect;
mod device;
mod doctor;
mod live;
mod manual;
mod probe;
mod remedy;
mod syslog;
mod trace;
mod vco;

use std::process::{Command, Output, Stdio};

/// The binary that is tested.
const NETMEND: &str = env!("CARGO_BIN_EXE_netmend");

/// A command that reads nothing and colours nothing.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(NETMEND);
    command.args(args).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

/// Runs it to its end.
fn netmend(args: &[&str]) -> Run {
    Run::of(command(args).output().expect("the binary runs"))
}

/// What a command left behind.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Run {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Each line of the output as JSON.
    fn json(&self) -> Vec<serde_json::Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(parse).collect()
    }
}
