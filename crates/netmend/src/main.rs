//! The binary: reads the command line, runs one command, decides the exit code. Nothing else decides it.

use std::process::ExitCode;

mod archive;
mod attend;
mod availability;
mod bell;
mod board;
mod children;
mod cli;
mod config;
mod control;
mod daemon;
mod data;
mod desk;
mod ears;
mod entrance;
mod evidence;
mod explain;
mod feed;
mod footprint;
mod forwarding;
mod grafana;
mod ground;
mod hear;
mod heartbeat;
mod intake;
mod json_line;
mod judging;
mod logs;
mod maintenance;
mod mending;
mod merge;
mod notices;
mod plan;
mod polling;
mod ports;
mod record;
mod report;
mod roster;
mod shelf;
mod telling;
mod wan;
mod wire;

fn main() -> ExitCode {
    // Before anything else is set up: a child holds no more than it is given.
    if children::is_child() {
        footprint::settle_child();
        return children::serve();
    }
    footprint::settle();
    cli::main()
}
