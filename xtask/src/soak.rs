//! `cargo xtask soak`: the long form of what the tests run in short: kill loops, and hours of faults in which
//! every alert is accounted for.

use crate::command;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kills to survive.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Hours of faults at accelerated time.
    #[arg(long, default_value_t = 24)]
    hours: u32,
    /// What the faults are drawn from.
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    let (kills, hours, seed) =
        (args.kills.to_string(), args.hours.to_string(), args.seed.to_string());
    let line = ["test", "--release", "-p", "netmend", "--bin", "netmend", "--"];
    let line = [&line[..], &["daemon::tests", "telling::tests", "--nocapture"]].concat();
    command::run_in(
        "cargo",
        &line,
        &[("NETMEND_SOAK_HOURS", &hours), ("NETMEND_SOAK_SEED", &seed)],
    )?;
    let line = ["test", "--release", "-p", "netmend", "--test", "it", "kill", "--", "--nocapture"];
    command::run_in("cargo", &line, &[("NETMEND_KILLS", &kills)])?;
    // A BGP session is watched for a minute to stay down without netmend's hand.
    let line = ["test", "--release", "-p", "netmend", "--test", "it", "frr", "--", "--nocapture"];
    command::run_in("cargo", &line, &[("NETMEND_FRR_WATCH", "60")])?;
    let line =
        ["test", "--release", "-p", "netmend-store", "--test", "it", "kills", "--", "--nocapture"];
    command::run_in("cargo", &line, &[("NETMEND_KILLS", &kills)])
}
