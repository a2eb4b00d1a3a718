//! `netmend lab agents`: simulated SNMP agents to ask. It says SIMULATION, listens on loopback unless told
//! otherwise, and ends with the signal that interrupts it.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use lab::{Agent, AgentOptions};
use model::SystemClock;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::UdpSocket;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::stdout::print;
use crate::report::Report;

/// Descriptors beside those of the agents.
const SPARE: u64 = 64;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
They speak version 2c and know the community `public`. Each has an address of its own, one after the other; all of \
127.0.0.0/8 is loopback. Their counters move with time: port N receives (N mod 10 + 1) Mbit/s and sends half of it.

Exit codes: 0 interrupted, 3 bad arguments, 4 they cannot listen.")]
pub(super) struct Args {
    /// How many agents.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    count: u32,
    /// How many interfaces each has.
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    interfaces: u32,
    /// Address of the first one.
    #[arg(long, value_name = "ADDR", default_value_t = Ipv4Addr::LOCALHOST)]
    first: Ipv4Addr,
    /// Their UDP port.
    #[arg(long, value_name = "PORT", default_value_t = 10_161)]
    port: u16,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Report> {
    let cannot = |why: &std::io::Error| Report::because("cannot simulate agents", why).code(4);
    let wanted = u64::from(args.count) + SPARE;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|why| cannot(&why.into()))?;
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard)
            .map_err(|why| cannot(&why.into()))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let serving = async {
        for number in 0..args.count {
            let address = Ipv4Addr::from(u32::from(args.first).wrapping_add(number));
            let socket = UdpSocket::bind(SocketAddr::from((address, args.port))).await?;
            let agent =
                Agent::new(AgentOptions::new(format!("sim{}", number + 1), args.interfaces));
            let clock = Arc::new(SystemClock);
            tokio::spawn(async move { agent.serve(socket, &*clock).await });
        }
        let mut ends = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let told = print(format!(
            "SIMULATION, not real devices: {} agents from {} on, port {}, {} interfaces each\n\
             try: snmpwalk -v 2c -c public {}:{} 1.3.6.1.2.1.31\n",
            args.count, args.first, args.port, args.interfaces, args.first, args.port
        ));
        tokio::select! {
            _ = ends.0.recv() => {}
            _ = ends.1.recv() => {}
        }
        Ok(told)
    };
    let told: Result<_, std::io::Error> = runtime.and_then(|runtime| runtime.block_on(serving));
    told.map_err(|why| cannot(&why))??;
    Ok(ExitCode::SUCCESS)
}
