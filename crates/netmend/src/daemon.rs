//! The whole daemon: the pipeline, and around it the pages, the control socket, traces, delivery and the
//! heartbeat. Opens everything that can fail before it probes. What it takes from the machine, its clock and its
//! network, is handed in; it waits for no signal and knows no command line.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use measure::Options;
use show::Token;
use show::login::Logins;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::archive;
use crate::config::{Access, Settings};
use crate::control::{Control, Order};
use crate::desk;
use crate::entrance::Entrance;
use crate::evidence::Evidence;
use crate::ports::{Paths, Tracer};
use crate::report::{self, Report};
use crate::wire::Pipeline;

/// How long messages that are being sent may take while the daemon stops.
const GRACE: Duration = Duration::from_secs(5);
/// Commands that wait for the daemon's attention; more of them wait in their connections.
const ORDERS: usize = 16;

/// What the daemon takes from the machine it runs on.
pub(crate) struct Machine {
    /// Its clock, and how it is asked from here.
    pub(crate) options: Options,
    /// Who finds the ways to targets.
    pub(crate) tracer: Arc<dyn Tracer>,
}

/// The running daemon. It is to be stopped, not dropped.
pub(crate) struct Daemon {
    /// Its stages.
    pub(crate) pipeline: Pipeline,
    evidence: Evidence,
    /// The pages and the control socket.
    serving: [JoinHandle<io::Result<()>>; 2],
    /// Delivery and the heartbeat.
    working: [JoinHandle<()>; 2],
    done: CancellationToken,
}

impl Daemon {
    /// Starts all of it, the pages on `listen`. What the control socket is asked for comes back as orders.
    pub(crate) async fn start(
        plan: Settings,
        access: &Access,
        (folder, store): (&Path, &Store),
        Machine { options, tracer }: Machine,
        listen: SocketAddr,
    ) -> Result<(Self, mpsc::Receiver<Order>), Report> {
        let listener = bind(listen).await?;
        let bound = listener.local_addr().unwrap_or(listen);
        let control = Control::bind(folder)?;
        let tls = pages_tls(access)?;
        let token = Token::random().map_err(|why| {
            Report::because("cannot read random bytes for the token", &why).code(4)
        })?;
        let clock = Arc::clone(&options.clock);
        let logins = Logins::open(store.state(), Arc::clone(&clock), access.terms)
            .map_err(|why| Report::because("cannot read who may log in", &why).code(4))?;
        let doors = show::Access { logins: Arc::new(logins), open_metrics: access.open_metrics };
        let pipeline = Pipeline::start(plan, folder.to_owned(), store, options)?;
        let present = &pipeline.present;
        let paths = Paths { present: Arc::clone(present), tracer };
        let traces = Arc::clone(&present.traces);
        let evidence =
            Evidence::start((Arc::new(paths), pipeline.witness()), store.state(), clock, traces)?;
        let source = archive::Source {
            present: Arc::clone(present),
            samples: store.samples(),
            state: store.state(),
        };
        let entrance = Entrance {
            logins: Arc::clone(&doors.logins),
            present: Arc::clone(present),
            bound,
            tls: tls.is_some(),
        };
        entrance.warn();
        let mut deps = pipeline.deps((bound, access.names.clone()), token, doors);
        deps.alerts = Arc::new(archive::Explained { alerts: deps.alerts, source: source.clone() });
        let router = show::router(deps);
        let done = CancellationToken::new();
        let until = || done.clone().cancelled_owned();
        let pages = tokio::spawn(show::serve(listener, router.clone(), tls, until()));
        let (orders, taken) = mpsc::channel(ORDERS);
        let desk = desk::router(pipeline.desk()).merge(entrance.router()).fallback_service(router);
        let local = archive::router(source, desk);
        let socket = tokio::spawn(control.serve(local, orders, done.clone()));
        let (delivery, written) = pipeline.delivery();
        let delivery = tokio::spawn(delivery.run(written, done.clone(), GRACE));
        let heartbeat = tokio::spawn(pipeline.heartbeat().run(done.clone()));
        let (serving, working) = ([pages, socket], [delivery, heartbeat]);
        Ok((Self { pipeline, evidence, serving, working, done }, taken))
    }

    /// Stops all of it; what was measured is stored then.
    pub(crate) async fn stop(self) -> Result<(), Report> {
        self.done.cancel();
        for task in self.serving {
            if let Ok(Err(why)) = task.await {
                tracing::warn!(%why, "serving ended badly");
            }
        }
        for task in self.working {
            if let Err(why) = task.await {
                tracing::error!(%why, "a task of the daemon panicked");
            }
        }
        let (evidence, pipeline) = (self.evidence, self.pipeline);
        tokio::task::spawn_blocking(move || {
            drop(evidence);
            pipeline.stop();
        })
        .await
        .map_err(|why| Report::because("stopping failed", &why).code(4))
    }
}

async fn bind(listen: SocketAddr) -> Result<TcpListener, Report> {
    TcpListener::bind(listen).await.map_err(|why| {
        let help = format!("{}; or give --listen ADDR:PORT", report::free(listen, true, &why));
        Report::because(format!("cannot listen on {listen}"), &why).help(help).code(4)
    })
}

/// What the pages are under, if the configuration wants TLS.
fn pages_tls(access: &Access) -> Result<Option<TlsAcceptor>, Report> {
    let Some((cert, key)) = &access.tls else { return Ok(None) };
    let config = measure::syslog::tls::server(cert, key, None)
        .map_err(|why| Report::because("cannot serve the pages under TLS", &why))?;
    Ok(Some(config.into()))
}

#[cfg(test)]
mod tests;
