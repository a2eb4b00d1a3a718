//! `cargo xtask bench`: measures netmend against other tools, and prints what was found.

use crate::{
    bench_daemon, bench_detect, bench_mend, bench_probe, bench_sinks, bench_snmp, bench_store,
    bench_syslog,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The probes, against fping, nping, ping and the blackbox exporter, with the wire as the witness.
    Probe(bench_probe::Args),
    /// The daemon and its pages: CPU, memory, time to a graph and to the first paint.
    Daemon(bench_daemon::Args),
    /// The detectors: time a sample, memory a series, start and replay.
    Detect,
    /// Remediations: reading a thousand of them, finding one, running a step.
    Mend,
    /// Passing points on to influxd: CPU beside the database's, and what it does to the probes.
    Sinks(bench_sinks::Args),
    /// Devices over SNMP: CPU of 1,000 with 48 interfaces each.
    Snmp(bench_snmp::Args),
    /// The store, against `InfluxDB` and `VictoriaMetrics`, on the same generated samples.
    Store,
    /// Syslog: the receivers beside rsyslog, datagrams, durable events.
    Syslog(bench_syslog::Args),
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    match &args.what {
        What::Probe(args) => bench_probe::run(args),
        What::Daemon(args) => bench_daemon::run(args),
        What::Detect => bench_detect::run(),
        What::Mend => bench_mend::run(),
        What::Sinks(args) => bench_sinks::run(args),
        What::Snmp(args) => bench_snmp::run(args),
        What::Store => bench_store::run(),
        What::Syslog(args) => bench_syslog::run(args),
    }
}
