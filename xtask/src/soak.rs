//! `cargo xtask soak`: the long form of the kill loops whose short form the tests run.

use crate::command;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kills to survive.
    #[arg(long, default_value_t = 100)]
    kills: u32,
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    let kills = args.kills.to_string();
    let line = ["test", "--release", "-p", "netmend", "--test", "it", "kill", "--", "--nocapture"];
    command::run_in("cargo", &line, &[("NETMEND_KILLS", &kills)])?;
    let line =
        ["test", "--release", "-p", "netmend-store", "--test", "it", "kills", "--", "--nocapture"];
    command::run_in("cargo", &line, &[("NETMEND_KILLS", &kills)])
}
