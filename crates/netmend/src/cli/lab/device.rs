//! `netmend lab device`: simulated devices to log in to. It says SIMULATION, listens on loopback unless told
//! otherwise, and ends with the signal that interrupts it.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use lab::{Device, DeviceOptions, Dialect, Misbehaviour};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::stdout::print;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Log in with the printed account, for instance with ssh or `netmend device show`. Interfaces can be shut and \
enabled; nothing else changes. Bad habits: hang, hang-inside, drop, no-prompt, prompt-inside, other-prompt, \
log-lines, no-echo, password, stubborn-pager, endless, press-any-key.

Exit codes: 0 interrupted, 3 bad arguments, 4 it cannot listen.")]
pub(super) struct Args {
    /// What runs on it: ios, iosxr, nxos, eos, junos, frr, linux, vrp or sros.
    #[arg(long, value_name = "NAME", default_value = "ios", value_parser = platform)]
    platform: Dialect,
    /// Its name, as in its prompt.
    #[arg(long, value_name = "NAME", default_value = "lab1")]
    name: String,
    /// Where it listens.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:2222")]
    listen: SocketAddr,
    /// Time before each answer, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 20)]
    latency: u64,
    /// A bad habit; may be given several times.
    #[arg(long, value_name = "HABIT", value_parser = habit)]
    misbehave: Vec<Misbehaviour>,
    /// An interface that is down until it is shut and enabled again; may be given several times.
    #[arg(long, value_name = "INTERFACE")]
    broken: Vec<String>,
}

fn platform(typed: &str) -> Result<Dialect, String> {
    let names = || Dialect::ALL.map(|(name, _)| name).join(", ");
    Dialect::named(typed).ok_or_else(|| format!("one of {}", names()))
}

fn habit(typed: &str) -> Result<Misbehaviour, String> {
    let names = || Misbehaviour::ALL.map(|(name, _)| name).join(", ");
    Misbehaviour::named(typed).ok_or_else(|| format!("one of {}", names()))
}

pub(super) fn run(args: Args) -> Result<ExitCode, Report> {
    let mut options = DeviceOptions::new(args.name, args.platform);
    options.latency = Duration::from_millis(args.latency);
    options.misbehaviours = args.misbehave;
    let (user, password) = (options.user.clone(), options.password.clone());
    let listen = args.listen;
    let cannot = |why: &std::io::Error| {
        Report::because(format!("cannot simulate a device at {listen}"), why).code(4)
    };
    let device = Device::new(options).map_err(|why| cannot(&why))?;
    for interface in &args.broken {
        if device.is_enabled(interface).is_none() {
            let names = args.platform.interfaces().join(", ");
            let report = Report::new(format!("the device has no interface {interface}"));
            return Err(report.help(format!("its interfaces: {names}")).code(3));
        }
        device.break_interface(interface);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let serving = async {
        let listener = TcpListener::bind(listen).await?;
        let at = listener.local_addr()?;
        let mut ends = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let told = print(format!(
            "SIMULATION, not a real device: {} at {at}\nuser {user}, password {password}, host key {}\n\
             try: ssh -p {} {user}@{}\n",
            args.platform.name(),
            device.fingerprint(),
            at.port(),
            at.ip()
        ));
        tokio::select! {
            ended = device.listen(listener) => ended?,
            _ = ends.0.recv() => {}
            _ = ends.1.recv() => {}
        }
        Ok(told)
    };
    let told: Result<_, std::io::Error> = runtime.and_then(|runtime| runtime.block_on(serving));
    told.map_err(|why| cannot(&why))??;
    Ok(ExitCode::SUCCESS)
}
