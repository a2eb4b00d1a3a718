//! What the daemon is to do, put together from the configuration and what this machine shows: without a
//! configuration, its own default gateways and DNS resolvers are watched too.

use std::path::PathBuf;
use std::sync::Mutex;

use measure::discover::{Discovery, Files, Role, discover};
use model::{Protocol, Target};

use crate::config::{self, Settings, Sources};
use crate::report::Report;

/// Reads the plan, now and at each reload.
#[derive(Debug)]
pub(crate) struct Loader {
    sources: Sources,
    /// This machine's own network as last read; `None` where a configuration says what to watch.
    own: Option<Mutex<Vec<Target>>>,
}

impl Loader {
    /// A loader of what the command line names.
    pub(crate) fn new(
        config: Option<PathBuf>,
        targets: Option<PathBuf>,
        extra: Vec<String>,
    ) -> Self {
        let own = config.is_none().then(Mutex::default);
        Self { sources: Sources { config, targets, extra }, own }
    }

    /// Reads files and network. The error lists everything that is wrong, with positions.
    pub(crate) fn load(&self) -> Result<Settings, Report> {
        let mut settings = config::load(&self.sources).map_err(|problems| {
            Report::new(format!("the configuration is wrong\n{problems}"))
                .help("`netmend check FILE` shows it in place")
        })?;
        if let Some(own) = &self.own {
            let found = own_network();
            own.lock().expect("no holder of this lock can panic").clone_from(&found);
            settings.targets.splice(0..0, found);
        }
        Ok(settings)
    }

    /// Whether this machine's own network differs from what was last loaded.
    pub(crate) fn network_changed(&self) -> bool {
        let Some(own) = &self.own else { return false };
        let found = own_network();
        // A network that is down for a moment does not take its targets with it.
        !found.is_empty() && *own.lock().expect("no holder of this lock can panic") != found
    }
}

/// Targets for this machine's own way to the world, in the regions `gateway` and `resolver`.
fn own_network() -> Vec<Target> {
    let Discovery { found, problems } = discover(&Files::default());
    for problem in &problems {
        tracing::debug!(%problem, "this machine's own network is not fully known");
    }
    let target = |host: &str, role: Role| Target::new(host, &role.to_string(), Protocol::Icmp);
    found.iter().map(|found| target(&found.host, found.role)).collect()
}
