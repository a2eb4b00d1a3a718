//! `netmend lab orchestrator`: a simulated VeloCloud Orchestrator to ask. It says SIMULATION, listens on loopback
//! unless told otherwise, and ends with the signal that interrupts it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use lab::{Certificate, Failing, Orchestrator, OrchestratorFault, OrchestratorOptions};
use model::{Clock, SystemClock};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::stdout::print;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
From its start on, every 90 minutes: link 1 of edge 1 is slow from minute 5 to 25, the edges of gateway 1 lose packets \
from minute 35 to 50, and edge 2 is down from minute 60 to 75. `--calm` leaves that out. Of the past it tells what is \
usual.

Faults: 429, 500, page, truncated, empty, null, reset, silent, expired.

Exit codes: 0 interrupted, 3 bad arguments, 4 it cannot listen.")]
pub(super) struct Args {
    /// How many edges.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    edges: u32,
    /// How many links each has.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    links: u32,
    /// How many gateways they are spread over.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    gateways: u32,
    /// Where it listens.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Speak TLS, and write the certificate of the authority to trust into this file.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Time before each answer, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 20)]
    latency: u64,
    /// Nothing happens to its links.
    #[arg(long)]
    calm: bool,
    /// What it does instead of answering the first five questions; may be given several times.
    #[arg(long, value_name = "FAULT", value_parser = fault)]
    fault: Vec<Failing>,
}

fn fault(typed: &str) -> Result<Failing, String> {
    let names = || Failing::ALL.map(|(name, _)| name).join(", ");
    Failing::named(typed).ok_or_else(|| format!("one of {}", names()))
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Report> {
    let listen = args.listen;
    let cannot = |why: &std::io::Error| {
        Report::because(format!("cannot simulate an orchestrator at {listen}"), why).code(4)
    };
    let clock = Arc::new(SystemClock);
    let mut options = OrchestratorOptions::new(args.edges, args.links);
    if !args.calm {
        options = options.with_troubles(clock.now_ms());
    }
    options.gateways = args.gateways;
    options.latency = Duration::from_millis(args.latency);
    let five = |does| OrchestratorFault { times: 5, ..OrchestratorFault::always(does) };
    options.faults = args.fault.iter().copied().map(five).collect();
    let token = options.token.clone();
    let orchestrator = Orchestrator::new(options, clock);
    let certificate = args.ca.as_ref().map(|file| {
        let made = Certificate::new(&["localhost", &listen.ip().to_string()]);
        made.and_then(|made| std::fs::write(file, made.authority()).map(|()| made))
    });
    let certificate = certificate.transpose().map_err(|why| cannot(&why))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let serving = async {
        let listener = TcpListener::bind(listen).await?;
        let at = listener.local_addr()?;
        let mut ends = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (scheme, ca) = match &args.ca {
            None => ("http", String::new()),
            Some(file) => ("https", format!(", ca: '{}'", file.display())),
        };
        let told = print(format!(
            "SIMULATION, not a real orchestrator: {} edges of {} links at {scheme}://{at}\n\
             for netmend.yaml:\n  orchestrators:\n    lab: {{ kind: vco, url: '{scheme}://{at}', \
             token: {token}{ca}, lag: 0s, backfill: 1d }}\n",
            args.edges, args.links,
        ));
        tokio::select! {
            ended = orchestrator.listen(listener, certificate.as_ref()) => ended?,
            _ = ends.0.recv() => {}
            _ = ends.1.recv() => {}
        }
        let questions: u64 = orchestrator.asked().values().sum();
        Ok(told.and_then(|()| print(format!("questions: {questions}\n"))))
    };
    let told: Result<_, std::io::Error> = runtime.and_then(|runtime| runtime.block_on(serving));
    told.map_err(|why| cannot(&why))??;
    Ok(ExitCode::SUCCESS)
}
