//! What the daemon is to do, put together from the configuration and what this machine shows: without a
//! configuration, its own default gateways and DNS resolvers are watched too.

use std::sync::Mutex;

use measure::discover::{Discovery, Files, Role, discover};
use model::{Protocol, Target};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::config::{self, Loaded, Problems, Settings, Sources, Watcher};
use crate::report::Report;

/// Reads the plan at the start and whenever what it is made of changes.
#[derive(Debug)]
pub(crate) struct Loader {
    sources: Sources,
    /// The configuration as last read without fault.
    read: Mutex<Settings>,
    /// This machine's own network as last seen; `None` where a configuration says what to watch.
    own: Option<Mutex<Vec<Target>>>,
}

impl Loader {
    /// Reads what the command line names. The error lists everything that is wrong, with positions.
    pub(crate) fn new(sources: Sources) -> Result<Self, Report> {
        let read =
            config::load_to_run(&sources).map_err(|problems| refusal(&problems, &sources))?;
        warn(&read);
        let alone = sources.config.is_none() && sources.env_file.is_none();
        let own = alone.then(|| Mutex::new(own_network()));
        Ok(Self { sources, read: Mutex::new(read), own })
    }

    /// What the daemon is to do now.
    pub(crate) fn plan(&self) -> Settings {
        let mut plan = self.read.lock().expect("no holder of this lock can panic").clone();
        if let Some(own) = &self.own {
            let own = own.lock().expect("no holder of this lock can panic");
            plan.discovered = own.len();
            plan.targets.splice(0..0, own.iter().cloned());
        }
        plan
    }

    /// What to say of a configuration that was read again and is wrong.
    pub(crate) fn refusal(&self, problems: &Problems) -> Report {
        refusal(problems, &self.sources)
    }

    /// Takes over a configuration that was read again.
    pub(crate) fn accept(&self, settings: Settings) -> Settings {
        warn(&settings);
        *self.read.lock().expect("no holder of this lock can panic") = settings;
        self.plan()
    }

    /// Whether this machine's own network changed since it was last looked at.
    pub(crate) fn network_changed(&self) -> bool {
        let Some(own) = &self.own else { return false };
        let found = own_network();
        let mut own = own.lock().expect("no holder of this lock can panic");
        // A network that is down for a moment does not take its targets with it.
        let changed = !found.is_empty() && *own != found;
        if changed {
            *own = found;
        }
        changed
    }

    /// Watches the files, and reads them when asked. The watcher ends when it is dropped.
    pub(crate) fn watch(&self) -> Result<(Watcher, UnboundedReceiver<Loaded>), Report> {
        let (found, reloads) = unbounded_channel();
        let running = self.read.lock().expect("no holder of this lock can panic").digest;
        let tell = move |loaded| {
            // Nobody listens any more only while the daemon stops.
            let _ = found.send(loaded);
        };
        let watcher = Watcher::start(self.sources.clone(), running, tell)
            .map_err(|why| Report::because("cannot watch the configuration", &why).code(4))?;
        Ok((watcher, reloads))
    }
}

/// Logs what is good and may yet not be meant.
fn warn(settings: &Settings) {
    for line in &settings.warnings {
        tracing::warn!("{line}");
    }
}

/// What to say of a configuration that is wrong.
pub(crate) fn refusal(problems: &Problems, sources: &Sources) -> Report {
    let report = Report::new(format!("the configuration is wrong\n{problems}"));
    match (&sources.config, &sources.env_file, &sources.targets) {
        // What else there is, such as options, is nothing that can be checked.
        (Some(file), None, None) if sources.extra.is_empty() && !sources.only_once() => {
            report.help(format!("`netmend check {}` shows it in place", file.display()))
        }
        _ => report,
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
