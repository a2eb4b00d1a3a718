//! The control socket `DATA/netmend.sock`: the same router as the pages, for commands of the same machine.
//! The kernel says who calls (`SO_PEERCRED`); only the owner of the socket and root get in.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use axum::Router;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::report::Report;

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
        let path = folder.join("netmend.sock");
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
            Report::because(format!("cannot bind the control socket {}", path.display()), &why)
                .code(4)
        })?;
        Ok(Self { path, listener: Some(listener) })
    }

    /// Serves `router` until `done`.
    pub(crate) async fn serve(mut self, router: Router, done: CancellationToken) -> io::Result<()> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        let server = axum::serve(listener, router).into_future();
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
