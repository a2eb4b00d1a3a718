//! `netmend run`: the daemon on this machine's clock and network, from its configuration to the signal that
//! ends it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use measure::Options;
use measure::kernel::KernelNetwork;
use measure::resolve::SystemResolver;
use model::{Clock, SystemClock};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use store::Store;

use crate::attend::{Attendant, Fixed, Signals};
use crate::config::Sources;
use crate::daemon::{Daemon, Machine};
use crate::plan::Loader;
use crate::report::Report;
use crate::{data, logs};

/// Where the pages are unless told otherwise.
const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8420);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
$NETMEND_LOG is the level of the log, for instance `debug` or `netmend_measure=trace,info`. SIGHUP and a \
change of a file make it read the configuration again; SIGINT and SIGTERM stop it.

Exit codes: 0 stopped by a signal, 1 the configuration is wrong, 3 bad arguments, 4 a system error.")]
pub(crate) struct Args {
    /// Configuration (YAML); without it, this machine's own gateways and DNS resolvers are watched.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The `.env` file of vco-api-wan-anomaly-alert, as it is: its orchestrator is asked every 5 minutes, links
    /// are judged by its rule, and its receivers get mails.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Targets file: regions with a list of hosts (ICMP) or `host: port` (TCP), or one host a line. Its
    /// targets are added to those of the configuration.
    #[arg(long, value_name = "FILE")]
    targets: Option<PathBuf>,
    /// One more target: HOST, HOST:PORT or [IPV6]:PORT. May be given several times.
    #[arg(long, value_name = "HOST")]
    target: Vec<String>,
    /// Folder of the store, its lock and the control socket [default: `data` of the configuration, else
    /// `$STATE_DIRECTORY`, else `$XDG_DATA_HOME/netmend`, else ~/.local/share/netmend].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the pages and the API are served [default: `listen` of the configuration, else
    /// 127.0.0.1:8420].
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Form of the log on standard error.
    #[arg(long, value_name = "FORM", default_value = "text")]
    log_format: logs::Format,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    logs::start(args.log_format)?;
    leave_no_core();
    let (config, env_file) = (args.config, args.env_file);
    let loader =
        Loader::new(Sources { config, env_file, targets: args.targets, extra: args.target })?;
    let plan = loader.plan();
    let told = [(args.listen.is_some(), "listen"), (args.data.is_some(), "data")];
    let told = told.into_iter().filter(|(told, _)| *told).map(|(_, key)| key).collect();
    let fixed = Fixed {
        listen: plan.listen,
        data: plan.data.clone(),
        access: (*plan.access).clone(),
        told,
    };
    let folder = data::folder(args.data.or_else(|| plan.data.clone()))?;
    data::create(&folder)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let lock = store::DataLock::acquire(&folder)
        .map_err(|why| Report::because(format!("cannot use {}", folder.display()), &why).code(4))?;
    let store = Store::open(&folder, Arc::clone(&clock))
        .map_err(|why| data::unopened("cannot open the store", &why))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|why| Report::because("cannot start the runtime", &why).code(4))?;
    let listen = args.listen.or(plan.listen).unwrap_or(LISTEN);
    let served = runtime.block_on(serve((loader, fixed), (&folder, &store), clock, listen));
    // Calls into the store that still run hold the process up for a moment at most.
    runtime.shutdown_timeout(Duration::from_secs(2));
    drop(lock);
    served.map(|()| ExitCode::SUCCESS)
}

/// Keeps the memory of this process, with the secrets that it works with, out of core dumps and from others of
/// the same user.
fn leave_no_core() {
    let kept = setrlimit(Resource::RLIMIT_CORE, 0, 0).and_then(|()| prctl::set_dumpable(false));
    if let Err(why) = kept {
        tracing::warn!(%why, "a crash may leave a core dump, which holds secrets");
    }
}

async fn serve(
    (loader, fixed): (Loader, Fixed),
    (folder, store): (&Path, &Store),
    clock: Arc<dyn Clock>,
    listen: SocketAddr,
) -> Result<(), Report> {
    let signals = Signals::new()?;
    let network = Arc::new(KernelNetwork::new(Arc::clone(&clock)));
    let options = Options::daemon(clock, Arc::clone(&network) as _, Arc::new(SystemResolver));
    let machine = Machine { options, tracer: network };
    let start = Daemon::start(loader.plan(), &fixed.access, (folder, store), machine, listen);
    let (daemon, orders) = start.await?;
    let attended = Attendant::new(&loader, &daemon.pipeline, fixed).attend(signals, orders).await;
    daemon.stop().await?;
    attended
}
