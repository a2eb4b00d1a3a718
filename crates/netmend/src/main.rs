//! The binary: reads the command line, runs one command, decides the exit code. Nothing else decides it.

use std::process::ExitCode;

mod cli;
mod config;
mod report;

fn main() -> ExitCode {
    cli::main()
}
