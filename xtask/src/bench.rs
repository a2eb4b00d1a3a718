//! `cargo xtask bench`: measures netmend against other tools, and prints what was found.

use crate::{
    bench_daemon, bench_detect, bench_mend, bench_probe, bench_sinks, bench_snmp, bench_store,
    bench_syslog, bench_vco,
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
    /// Remediations: reading and finding them, and a thousand events on devices beside a script with paramiko and
    /// `MariaDB`.
    Mend(bench_mend::Args),
    /// Passing points on to influxd: CPU beside the database's, and what it does to the probes.
    Sinks(bench_sinks::Args),
    /// Devices over SNMP: CPU of 1,000 with 48 interfaces each.
    Snmp(bench_snmp::Args),
    /// The store, against `InfluxDB` and `VictoriaMetrics`, on the same generated samples.
    Store,
    /// Syslog: the receivers beside rsyslog, datagrams, durable events.
    Syslog(bench_syslog::Args),
    /// One poll of an orchestrator, beside a client that asks for one edge after the other.
    Vco(bench_vco::Args),
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    match &args.what {
        What::Probe(args) => bench_probe::run(args),
        What::Daemon(args) => bench_daemon::run(args),
        What::Detect => bench_detect::run(),
        What::Mend(args) => bench_mend::run(args),
        What::Sinks(args) => bench_sinks::run(args),
        What::Snmp(args) => bench_snmp::run(args),
        What::Store => bench_store::run(),
        What::Syslog(args) => bench_syslog::run(args),
        What::Vco(args) => bench_vco::run(args),
    }
}
