//! `netmend lab`: simulated networks for people to point any tool at. It always says that it is a
//! simulation, and leaves nothing behind.

mod syslog;

use std::process::ExitCode;
use std::sync::Arc;

use lab::{Namespace, Options, Scenario, ScenarioError, Simulation};
use model::SystemClock;
use nix::sys::signal::{SigSet, Signal};

use super::stdout::print;
use crate::report::Report;

mod agents;
mod device;
mod orchestrator;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the scenarios that come with netmend.
    Scenarios,
    /// Simulate a network in a network namespace until interrupted (needs root).
    ///
    /// SIGUSR1 prints what it has answered so far.
    Network(NetworkArgs),
    /// Simulate a network device with a command line over SSH until interrupted.
    Device(device::Args),
    /// Simulate SNMP agents with interfaces until interrupted.
    Agents(agents::Args),
    /// Simulate an SD-WAN's orchestrator until interrupted.
    Orchestrator(orchestrator::Args),
    /// Write syslog lines of simulated devices.
    Syslog(syslog::Args),
}

#[derive(Debug, clap::Args)]
struct NetworkArgs {
    /// Name of a shipped scenario, or a TOML file.
    scenario: String,
    /// Network namespace to play in; created, and deleted at the end, if it does not exist.
    #[arg(long, value_name = "NAME", default_value = "netmend-lab")]
    netns: String,
    /// Name of the TUN device.
    #[arg(long, value_name = "NAME", default_value = "tun0")]
    device: String,
    /// Answer within microseconds of the due time, at the cost of up to a whole CPU.
    #[arg(long)]
    precise: bool,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    match args.command {
        Command::Scenarios => scenarios(),
        Command::Network(args) => network(&args),
        Command::Device(args) => device::run(args),
        Command::Agents(args) => agents::run(&args),
        Command::Orchestrator(args) => orchestrator::run(&args),
        Command::Syslog(args) => syslog::run(&args),
    }
}

fn scenarios() -> Result<ExitCode, Report> {
    for name in Scenario::shipped() {
        let scenario = Scenario::named(name)
            .map_err(|error| Report::because(format!("scenario {name} is broken"), &error))?;
        print(format!("{name:10} {}\n", scenario.about))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn network(args: &NetworkArgs) -> Result<ExitCode, Report> {
    let cannot = |error: &(dyn std::error::Error + 'static)| {
        Report::because(format!("cannot simulate {}", args.scenario), error)
    };
    let scenario = Scenario::named(&args.scenario).map_err(|error| {
        let report = cannot(&error).code(3);
        if !matches!(error, ScenarioError::Unreadable { .. }) {
            return report;
        }
        let shipped = Scenario::shipped().collect::<Vec<_>>().join(", ");
        report.help(format!("give a TOML file or one of {shipped}"))
    })?;
    // Blocked before any thread starts, so that all of them leave the signals to the wait below.
    let ends = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
    let signals: SigSet = ends.into_iter().chain([Signal::SIGUSR1]).collect();
    signals.thread_block().map_err(|errno| cannot(&errno).code(4))?;

    let root = "run it as root";
    let namespace =
        Namespace::open_or_create(&args.netns).map_err(|e| cannot(&e).help(root).code(4))?;
    let told = introduction(args, &scenario);
    let options = Options { device: args.device.clone(), precise: args.precise };
    let simulation = Simulation::start(scenario, &namespace, &options, Arc::new(SystemClock))
        .map_err(|error| cannot(&error).help(root).code(4))?;
    print(told)?;
    loop {
        match signals.wait() {
            Ok(Signal::SIGUSR1) => print(format!("SIMULATION {}\n", simulation.report()))?,
            Ok(_) => break,
            Err(errno) => return Err(cannot(&errno).code(4)),
        }
    }
    print(format!("SIMULATION ended: {}\n", simulation.stop()))?;
    Ok(ExitCode::SUCCESS)
}

/// What is simulated and how to use it.
fn introduction(args: &NetworkArgs, scenario: &Scenario) -> String {
    let from = scenario.prober.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let hosts = scenario.hosts.iter().map(|hosts| format!("  {hosts}")).collect::<Vec<_>>();
    let example = scenario
        .prefixes()
        .next()
        .map(|prefix| format!("try: ip netns exec {} ping {}\n", args.netns, prefix.nth(1)));
    format!(
        "SIMULATION, not a real network: {}\nnamespace {}, device {}, from {from}\n{}\n{}",
        scenario.about,
        args.netns,
        args.device,
        hosts.join("\n"),
        example.unwrap_or_default()
    )
}
