//! The control socket `DATA/netmend.sock`: the pages' router, and commands for the daemon that only this
//! machine may give. The kernel says who calls (`SO_PEERCRED`); only the daemon's user and root get in.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::IncomingStream;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::report::Report;

mod client;

pub(crate) use client::Client;

/// Name of the socket in the data folder.
const NAME: &str = "netmend.sock";
/// Asks for a reload; POST, answered with a [`Reloaded`].
pub(crate) const RELOAD: &str = "/control/v1/reload";

/// What somebody on this machine wants of the daemon.
#[derive(Debug)]
pub(crate) struct Order {
    /// Who.
    pub(crate) caller: Caller,
    /// What.
    pub(crate) command: Command,
}

/// The commands, each with the way back.
#[derive(Debug)]
pub(crate) enum Command {
    /// Read the configuration again.
    Reload(oneshot::Sender<Reloaded>),
}

/// What a reload came to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    /// In one word.
    pub(crate) outcome: ReloadOutcome,
    /// How many targets the daemon has now.
    pub(crate) targets: usize,
    /// Why it was refused: a line for each problem, with its place.
    pub(crate) problems: Vec<String>,
    /// What people can do about it, if it was refused and that is known.
    #[serde(default)]
    pub(crate) help: Option<String>,
    /// Keys of the configuration that hold only from the next start on.
    pub(crate) next_start: Vec<String>,
}

/// Whether the daemon took over what it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReloadOutcome {
    /// The new configuration runs.
    TakenOver,
    /// It is the configuration that ran already.
    Unchanged,
    /// It is wrong; the old one goes on.
    Refused,
}

/// The process at the other end, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Its user; none if the kernel does not say.
    uid: Option<u32>,
    /// The process; none if it lives in another PID namespace.
    pid: Option<i32>,
}

impl Caller {
    /// The mode of the socket says the same, but not between its making and its `chmod`.
    fn is_admitted(self) -> bool {
        self.uid.is_some_and(|uid| uid == 0 || uid == nix::unistd::geteuid().as_raw())
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let known = stream.io().peer_cred().ok();
        Self {
            uid: known.as_ref().map(tokio::net::unix::UCred::uid),
            pid: known.and_then(|caller| caller.pid()),
        }
    }
}

impl fmt::Display for Caller {
    /// `uid 0, pid 4711`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.uid {
            Some(uid) => write!(f, "uid {uid}")?,
            None => f.write_str("unknown user")?,
        }
        self.pid.iter().try_for_each(|pid| write!(f, ", pid {pid}"))
    }
}

/// A bound control socket; its file goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    listener: Option<UnixListener>,
}

impl Control {
    /// Binds `folder/netmend.sock`, readable and writable by its owner alone. The caller holds the lock of
    /// the folder, so a file that is there already is what a killed netmend left.
    pub(crate) fn bind(folder: &Path) -> Result<Self, Report> {
        let path = folder.join(NAME);
        let bind = || -> io::Result<UnixListener> {
            match fs::remove_file(&path) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
                _ => {}
            }
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener = bind().map_err(|why| {
            let report =
                Report::because(format!("cannot bind the control socket {}", path.display()), &why);
            // What fits into `sun_path` with its final zero (unix(7)).
            let report = if why.kind() == io::ErrorKind::InvalidInput {
                report.help("give a data folder whose path has at most 94 bytes")
            } else {
                report
            };
            report.code(4)
        })?;
        Ok(Self { path, listener: Some(listener) })
    }

    /// Serves `pages` and the commands, which go to `orders`, until `done`.
    pub(crate) async fn serve(
        mut self,
        pages: Router,
        orders: mpsc::Sender<Order>,
        done: CancellationToken,
    ) -> io::Result<()> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        let service = router(pages, orders).into_make_service_with_connect_info::<Caller>();
        let server = axum::serve(listener, service).into_future();
        // Calls here are short; a live feed left open must not hold up the stop.
        done.run_until_cancelled(server).await.unwrap_or(Ok(()))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Best effort: the next start removes what is left.
        let _ = fs::remove_file(&self.path);
    }
}

fn router(pages: Router, orders: mpsc::Sender<Order>) -> Router {
    Router::new()
        .route(RELOAD, post(reload))
        .with_state(orders)
        .fallback_service(pages)
        .layer(from_fn(admit))
}

async fn admit(
    ConnectInfo(caller): ConnectInfo<Caller>,
    mut request: Request,
    next: Next,
) -> Response {
    if caller.is_admitted() {
        // The pages ask for no login here.
        request.extensions_mut().insert(show::Local(caller.to_string()));
        return next.run(request).await;
    }
    tracing::warn!(%caller, "turned away from the control socket");
    (StatusCode::FORBIDDEN, "only netmend's own user and root may ask here\n").into_response()
}

async fn reload(
    State(orders): State<mpsc::Sender<Order>>,
    ConnectInfo(caller): ConnectInfo<Caller>,
) -> Result<Json<Reloaded>, (StatusCode, &'static str)> {
    const STOPPING: (StatusCode, &str) = (StatusCode::SERVICE_UNAVAILABLE, "netmend is stopping\n");
    let (answer, answered) = oneshot::channel();
    let order = Order { caller, command: Command::Reload(answer) };
    orders.send(order).await.map_err(|_| STOPPING)?;
    answered.await.map(Json).map_err(|_| STOPPING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_daemons_own_user_are_admitted_and_nobody_else() {
        let caller = |uid| Caller { uid, pid: Some(1) };
        let own = nix::unistd::geteuid().as_raw();
        assert!(caller(Some(0)).is_admitted() && caller(Some(own)).is_admitted());
        assert!(!caller(Some(own + 1)).is_admitted());
        assert!(!caller(None).is_admitted());
    }
}
