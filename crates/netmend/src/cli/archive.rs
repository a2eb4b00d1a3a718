//! How commands read what is stored: of the daemon, where one runs on the data folder, else from the files
//! themselves. Changes nothing.

use std::path::Path;
use std::sync::Arc;

use model::{Clock as _, SystemClock};
use serde::de::DeserializeOwned;
use store::{DataLock, Store};

use crate::control::Client;
use crate::explain::host::Archive;
use crate::report::Report;

/// Refuses a folder without a store, as of a name that was mistyped.
pub(super) fn require(folder: &Path) -> Result<(), Report> {
    if folder.join("state.db").exists() {
        return Ok(());
    }
    Err(Report::new(format!("{} holds no store of netmend", folder.display()))
        .help("name the data folder with --data DIR"))
}

/// Asks the daemon of the folder by this path of the control socket, or, where none runs, the store by
/// `read`.
pub(super) fn ask<T: DeserializeOwned>(
    folder: &Path,
    path: &str,
    read: impl FnOnce(&Archive<'_>) -> Result<T, store::Error>,
) -> Result<T, Report> {
    require(folder)?;
    let failed = |why: &store::Error| {
        Report::because(format!("cannot read the store in {}", folder.display()), why).code(4)
    };
    let _lock = match DataLock::share(folder) {
        Ok(lock) => lock,
        Err(store::Error::Locked { .. }) => {
            return Client::new(folder.to_owned())?.get(path);
        }
        Err(why) => return Err(failed(&why)),
    };
    let clock = Arc::new(SystemClock);
    let store = Store::open_to_read(folder, clock).map_err(|why| failed(&why))?;
    let (samples, state) = (store.samples(), store.state());
    let now = SystemClock.now_ms();
    let archive = Archive { samples: &*samples, state: &*state, live: None, judging: None, now };
    read(&archive).map_err(|why| failed(&why))
}
