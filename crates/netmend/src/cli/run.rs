//! `netmend run`: the daemon. Opens everything that can fail before it probes, then waits for signals.

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
use show::Token;
use show::login::Logins;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::archive;
use crate::attend::{Attendant, Fixed, Signals};
use crate::config::{Access, Sources};
use crate::control::Control;
use crate::entrance::Entrance;
use crate::evidence::Evidence;
use crate::plan::Loader;
use crate::ports::Paths;
use crate::report::Report;
use crate::wire::Pipeline;
use crate::{data, desk, logs};

/// Where the pages are unless told otherwise.
const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8420);
/// How long messages that are being sent may take while the daemon stops.
const GRACE: Duration = Duration::from_secs(5);
/// Commands that wait for the daemon's attention; more of them wait in their connections.
const ORDERS: usize = 16;

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
        .map_err(|why| Report::because("cannot open the store", &why).code(4))?;
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
    let listener = TcpListener::bind(listen).await.map_err(|why| {
        Report::because(format!("cannot listen on {listen}"), &why)
            .help(format!(
                "`ss -ltnp 'sport = :{}'` shows who does; or give --listen ADDR:PORT",
                listen.port()
            ))
            .code(4)
    })?;
    let bound = listener.local_addr().unwrap_or(listen);
    let control = Control::bind(folder)?;
    let tls = pages_tls(&fixed.access)?;
    let token = Token::random()
        .map_err(|why| Report::because("cannot read random bytes for the token", &why).code(4))?;
    let network = Arc::new(KernelNetwork::new(Arc::clone(&clock)));
    let options =
        Options::daemon(Arc::clone(&clock), Arc::clone(&network) as _, Arc::new(SystemResolver));
    let logins = Logins::open(store.state(), Arc::clone(&clock), fixed.access.terms)
        .map_err(|why| Report::because("cannot read who may log in", &why).code(4))?;
    let access = show::Access { logins: Arc::new(logins), open_metrics: fixed.access.open_metrics };
    let pipeline = Pipeline::start(loader.plan(), folder.to_owned(), store, options)?;
    let paths = Paths { present: Arc::clone(&pipeline.present), network };
    let traces = Arc::clone(&pipeline.present.traces);
    let evidence =
        Evidence::start((Arc::new(paths), pipeline.witness()), store.state(), clock, traces)?;
    let source = archive::Source {
        present: Arc::clone(&pipeline.present),
        samples: store.samples(),
        state: store.state(),
    };
    let entrance = Entrance {
        logins: Arc::clone(&access.logins),
        present: Arc::clone(&pipeline.present),
        bound,
        tls: tls.is_some(),
    };
    entrance.warn();
    let mut deps = pipeline.deps((bound, fixed.access.names.clone()), token, access);
    deps.alerts = Arc::new(archive::Explained { alerts: deps.alerts, source: source.clone() });
    let router = show::router(deps);
    let done = CancellationToken::new();
    let pages =
        tokio::spawn(show::serve(listener, router.clone(), tls, done.clone().cancelled_owned()));
    let (orders, taken) = mpsc::channel(ORDERS);
    let desk = desk::router(pipeline.desk()).merge(entrance.router()).fallback_service(router);
    let local = archive::router(source, desk);
    let socket = tokio::spawn(control.serve(local, orders, done.clone()));
    let (delivery, written) = pipeline.delivery();
    let delivery = tokio::spawn(delivery.run(written, done.clone(), GRACE));
    let heartbeat = tokio::spawn(pipeline.heartbeat().run(done.clone()));
    let attended = Attendant::new(&loader, &pipeline, fixed).attend(signals, taken).await;
    done.cancel();
    for task in [pages, socket] {
        if let Ok(Err(why)) = task.await {
            tracing::warn!(%why, "serving ended badly");
        }
    }
    for task in [delivery, heartbeat] {
        if let Err(why) = task.await {
            tracing::error!(%why, "a task of the daemon panicked");
        }
    }
    tokio::task::spawn_blocking(move || {
        drop(evidence);
        pipeline.stop();
    })
    .await
    .map_err(|why| Report::because("stopping failed", &why).code(4))?;
    attended
}

/// What the pages are under, if the configuration wants TLS.
fn pages_tls(access: &Access) -> Result<Option<TlsAcceptor>, Report> {
    let Some((cert, key)) = &access.tls else { return Ok(None) };
    let config = measure::syslog::tls::server(cert, key, None)
        .map_err(|why| Report::because("cannot serve the pages under TLS", &why))?;
    Ok(Some(config.into()))
}
