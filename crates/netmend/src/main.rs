//! The binary: reads the command line, runs one command, decides the exit code. Nothing else decides it.

use std::process::ExitCode;

mod archive;
mod attend;
mod availability;
mod board;
mod cli;
mod config;
mod control;
mod data;
mod ears;
mod evidence;
mod explain;
mod feed;
mod hear;
mod intake;
mod json_line;
mod logs;
mod merge;
mod notices;
mod plan;
mod ports;
mod record;
mod report;
mod roster;
mod wire;

fn main() -> ExitCode {
    cli::main()
}
