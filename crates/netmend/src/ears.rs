//! The listeners of the daemon: which run, and how a reload changes them. It binds and starts; what comes in
//! goes to the stage that hears.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use measure::syslog::{self, Batch, Bound, Counters, Listen, Receiver, Start};
use model::{Clock, Listener};
use store::{Query, State, Value};
use tokio::sync::mpsc::Sender;

use crate::config::SyslogSettings;
use crate::report::{self, Report};

/// The running listeners, by what was asked for.
pub(crate) struct Ears {
    clock: Arc<dyn Clock>,
    state: Arc<dyn State>,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    receivers: BTreeMap<String, Receiver>,
    /// `None` once everything stops.
    out: Option<Sender<Batch>>,
}

impl fmt::Debug for Ears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ears").field("running", &self.running).finish_non_exhaustive()
    }
}

/// Listeners that are bound and wait for the commit of a reload.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// All that shall run, by what was asked for; `None` runs already.
    wanted: BTreeMap<String, Option<Bound>>,
    /// Why the default listeners cannot be bound. Nobody asked for them, so that it is no failure.
    pub(crate) missing: Vec<String>,
}

impl Ears {
    /// Without any listener yet; what comes in will go to `out`.
    pub(crate) fn new(clock: Arc<dyn Clock>, state: Arc<dyn State>, out: Sender<Batch>) -> Self {
        let running = Running { receivers: BTreeMap::new(), out: Some(out) };
        Self { clock, state, running: Mutex::new(running) }
    }

    /// Binds what is new; nothing that runs changes.
    pub(crate) fn prepare(&self, settings: &SyslogSettings) -> Result<Prepared, Report> {
        let running = self.lock();
        let mut prepared = Prepared { wanted: BTreeMap::new(), missing: Vec::new() };
        for (key, listen) in self.listens(settings)? {
            if running.receivers.contains_key(&key) {
                prepared.wanted.insert(key, None);
                continue;
            }
            if let Listen::Tls(address, _) = &listen
                && running.receivers.keys().any(|key| key.starts_with(&format!("tls {address} ")))
            {
                let what = format!("the certificates of the syslog listener on {address} changed");
                return Err(Report::new(what).help("start netmend anew to use others"));
            }
            match syslog::bind(&listen) {
                Ok(bound) => {
                    prepared.wanted.insert(key, Some(bound));
                }
                Err(why) if !settings.told => prepared.missing.push(why.to_string()),
                Err(why) => {
                    let refused = Report::because("cannot receive syslog", &why).code(4);
                    return Err(match &why {
                        syslog::Error::Bind { transport, address, source } => {
                            let stream = *transport != model::Transport::Udp;
                            refused.help(report::free(*address, stream, source))
                        }
                        syslog::Error::Thread { .. } => refused,
                    });
                }
            }
        }
        Ok(prepared)
    }

    /// Stops what is wanted no more and starts what is new.
    pub(crate) fn commit(&self, prepared: Prepared) -> Result<(), Report> {
        let mut running = self.lock();
        let Some(out) = running.out.clone() else { return Ok(()) };
        let Prepared { wanted, .. } = prepared;
        running.receivers.retain(|key, _| wanted.contains_key(key));
        for (key, bound) in wanted {
            let Some(bound) = bound else { continue };
            tracing::info!(listener = %bound.listener(), "receiving syslog");
            let started = bound.start(Arc::clone(&self.clock), out.clone());
            let receiver =
                started.map_err(|why| Report::because("cannot receive syslog", &why).code(4))?;
            running.receivers.insert(key, receiver);
        }
        Ok(())
    }

    /// What each listener has done.
    pub(crate) fn counters(&self) -> Vec<Counters> {
        self.lock().receivers.values().map(Receiver::counters).collect()
    }

    /// Stops all of them; what has arrived is handed on, and nothing comes after it.
    pub(crate) fn stop(&self) {
        let (receivers, out) = {
            let mut running = self.lock();
            (std::mem::take(&mut running.receivers), running.out.take())
        };
        for receiver in receivers.into_values() {
            drop(receiver.stop());
        }
        drop(out);
    }

    fn listens(&self, settings: &SyslogSettings) -> Result<Vec<(String, Listen)>, Report> {
        let mut all = Vec::new();
        all.extend(settings.udp.iter().map(|at| (format!("udp {at}"), Listen::Udp(*at))));
        all.extend(settings.tcp.iter().map(|at| (format!("tcp {at}"), Listen::Tcp(*at))));
        if let Some(tls) = &settings.tls {
            let config = syslog::tls::server(&tls.cert, &tls.key, tls.client_ca.as_deref())
                .map_err(|why| Report::because("cannot offer TLS for syslog", &why))?;
            all.extend(
                tls.listen
                    .iter()
                    .map(|at| (format!("tls {at} {tls:?}"), Listen::Tls(*at, Arc::clone(&config)))),
            );
        }
        for path in &settings.files {
            let start = if settings.from_beginning { Start::Beginning } else { Start::End };
            let stored = self.stored(path)?;
            let listen = Listen::File { path: path.clone(), stored, start };
            all.push((format!("file {}", path.display()), listen));
        }
        Ok(all)
    }

    /// How far the files of that name have been read.
    fn stored(&self, path: &Path) -> Result<Vec<model::Position>, Report> {
        let place = Listener::of_file(path).place.to_string();
        let found = self.state.find(&Query::Positions { place }).map_err(|why| {
            Report::because("cannot look up how far files were read", &why).code(4)
        })?;
        let position = |record: store::Record| match record.value {
            Value::Position(reached) => Some(reached.position),
            _ => None,
        };
        Ok(found.into_iter().filter_map(position).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().expect("no holder of this lock can panic")
    }
}
