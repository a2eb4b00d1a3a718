//! Devices asked over SNMP, and their traps: what the poller reads becomes samples and the present of each
//! interface; what traps say becomes events. Two threads; the poller and the listeners have their own.

mod book;
mod figures;
mod points;
mod trapped;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use measure::snmp::traps::{Engine, Keep, Trap, Traps};
use measure::snmp::{Asked, Polled, Poller};
use mend::Intake;
use model::{Clock, Inventory, PolledDevice, UnixMs};
use serde::{Deserialize, Serialize};
use show::{Counter, Interfaces, Warning};
use store::{Change, EventChange, LineBatch, Mark, Memo, Query, Samples, State, Value};
use tokio::sync::mpsc;

use self::book::Book;
use self::trapped::By;
use crate::bell::Bell;
use crate::config::TrapSettings;
use crate::feed::Feed;
use crate::forwarding::Forwarding;
use crate::ground::Ground;
use crate::report::Report;
use crate::shelf::{Shelf, Summons};

/// Polls that may wait to be taken in; more wait with the poller.
const POLLS: usize = 256;
/// Traps that may wait to be stored; more are dropped and counted.
const TRAPS: usize = 4_096;
/// Pause before what the store refused is given to it again.
const AGAIN: Duration = Duration::from_secs(1);
/// Under this key the store remembers who we are to senders of informs.
const ENGINE: &str = "snmp engine";
/// Devices that a warning names.
const NAMED: usize = 3;

/// The stage.
pub(crate) struct Polling {
    poller: Poller,
    book: Arc<Mutex<Book>>,
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    rules: Arc<Mutex<Rules>>,
    /// Where what listeners hear goes; `None` once everything stops.
    heard: Mutex<Option<mpsc::Sender<Trap>>>,
    listening: Mutex<Listening>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What traps are understood by.
struct Rules {
    inventory: Arc<Inventory>,
    options: mend::Options,
    /// Ascends with each change.
    version: u64,
}

/// The listeners.
#[derive(Default)]
struct Listening {
    settings: Option<TrapSettings>,
    traps: Option<Traps>,
    /// Why there are none, though some are wanted.
    failed: Option<String>,
}

impl fmt::Debug for Polling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polling").field("poller", &self.poller).finish_non_exhaustive()
    }
}

impl Polling {
    /// Starts the threads; nobody is asked or heard until [`set`](Self::set). Rings the bell when there is
    /// something that may be repaired at once.
    pub(crate) fn start(
        Ground { samples, state, clock }: &Ground,
        feed: &Arc<Feed>,
        forwarding: &Arc<Forwarding>,
        Summons { shelf, bell }: Summons,
    ) -> Result<Self, Report> {
        let failed = |why| Report::because("cannot start to ask devices over SNMP", &why).code(4);
        let (out, polls) = mpsc::channel(POLLS);
        let poller = Poller::start(Arc::clone(clock), out).map_err(failed)?;
        let (heard, traps) = mpsc::channel(TRAPS);
        let book = Arc::<Mutex<Book>>::default();
        let rules = Arc::new(Mutex::new(Rules {
            inventory: Arc::default(),
            options: mend::Options::default(),
            version: 0,
        }));
        let taker = Taker {
            book: Arc::clone(&book),
            samples: Arc::clone(samples),
            feed: Arc::clone(feed),
            forwarding: Arc::clone(forwarding),
            state: Arc::clone(state),
            clock: Arc::clone(clock),
        };
        let hearer = Hearer {
            book: Arc::clone(&book),
            rules: Arc::clone(&rules),
            state: Arc::clone(state),
            shelf,
            bell,
            intake: Intake::default(),
            version: 0,
        };
        let threads = vec![
            thread::Builder::new().name("polled".into()).spawn(move || taker.run(polls)),
            thread::Builder::new().name("trapped".into()).spawn(move || hearer.run(traps)),
        ];
        let threads = threads.into_iter().collect::<Result<_, _>>().map_err(failed)?;
        Ok(Self {
            poller,
            book,
            state: Arc::clone(state),
            clock: Arc::clone(clock),
            rules,
            heard: Mutex::new(Some(heard)),
            listening: Mutex::default(),
            threads: Mutex::new(threads),
        })
    }

    /// Asks the devices of this inventory and hears traps where these settings say. A listener that cannot be
    /// had is told as a warning, and as a failure if somebody asked for it.
    pub(crate) fn set(
        &self,
        inventory: &Arc<Inventory>,
        traps: &TrapSettings,
        options: &mend::Options,
    ) -> Result<(), Report> {
        let asked = asked(inventory);
        self.book().set(&asked);
        self.poller.set(asked);
        {
            let mut rules = self.rules.lock().expect("no holder of this lock can panic");
            rules.inventory = Arc::clone(inventory);
            rules.options = options.clone();
            rules.version += 1;
        }
        self.listen(traps)
    }

    /// Takes over other settings of listeners; those that run go on if nothing changed.
    fn listen(&self, wanted: &TrapSettings) -> Result<(), Report> {
        let mut listening = self.listening.lock().expect("no holder of this lock can panic");
        if listening.settings.as_ref() == Some(wanted) && listening.failed.is_none() {
            return Ok(());
        }
        let heard = self.heard.lock().expect("no holder of this lock can panic").clone();
        let Some(heard) = heard else { return Ok(()) };
        // The same address cannot be bound twice: the old ones end first.
        listening.traps = None;
        listening.failed = None;
        listening.settings = Some(wanted.clone());
        let keep = keep(Arc::clone(&self.state));
        let started = self.engine().and_then(|engine| {
            let clock = Arc::clone(&self.clock);
            Traps::start(&wanted.options, engine, &keep, clock, heard)
                .map_err(|why| why.to_string())
        });
        match started {
            Ok(traps) => {
                for address in &traps.listening {
                    tracing::info!(%address, "hearing SNMP traps");
                }
                listening.traps = Some(traps);
                Ok(())
            }
            Err(why) => {
                tracing::warn!("{why}");
                listening.failed = Some(why.clone());
                if !wanted.told {
                    return Ok(());
                }
                Err(Report::new(why).code(4).help(
                    "ports below 1024 need CAP_NET_BIND_SERVICE; `ss -lnup` shows who holds a port",
                ))
            }
        }
    }

    /// Who we were to senders of informs before this start.
    fn engine(&self) -> Result<Option<Engine>, String> {
        let found = self
            .state
            .find(&Query::Memos { prefix: ENGINE.to_owned() })
            .map_err(|why| format!("cannot look up the SNMP engine: {why}"))?;
        let body = found.into_iter().find_map(|record| match record.value {
            Value::Memo(Memo { key, body }) if key == ENGINE => body,
            _ => None,
        });
        let kept: Option<Kept> =
            body.map(|body| serde_json::from_slice(&body)).transpose().map_err(|why| {
                format!("what is remembered of the SNMP engine cannot be read: {why}")
            })?;
        Ok(kept.map(|Kept { id, boots }| Engine { id, boots }))
    }

    /// What operators should mend.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let listening = self.listening.lock().expect("no holder of this lock can panic");
        let deaf = listening.failed.clone().map(|text| Warning {
            text,
            fix: "give another address in the config: `snmp: { traps: { listen: ADDRESS:PORT } }`"
                .into(),
            since: None,
        });
        drop(listening);
        let devices = self.book().all();
        let failing: Vec<_> = devices
            .iter()
            .filter_map(|device| device.failing.as_ref().map(|failing| (device, failing)))
            .collect();
        let silent = failing.first().map(|(_, (why, _))| {
            let names: Vec<&str> =
                failing.iter().take(NAMED).map(|(device, _)| &*device.device).collect();
            let more = failing.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Warning {
                text: format!(
                    "{} of {} devices cannot be asked over SNMP: {}{more}; {why}",
                    failing.len(),
                    devices.len(),
                    names.join(", ")
                ),
                fix: format!("netmend device interfaces --config FILE {}", names[0]),
                since: failing.iter().map(|(_, (_, since))| *since).min(),
            }
        });
        deaf.into_iter().chain(silent).collect()
    }

    /// What was done, for `/metrics`.
    pub(crate) fn counters(&self) -> Vec<Counter> {
        let listening = self.listening.lock().expect("no holder of this lock can panic");
        let heard = listening.traps.as_ref().map(Traps::counters).unwrap_or_default();
        drop(listening);
        figures::counters(&self.poller.counters(), &heard)
    }

    /// Stops asking and hearing; what came in is stored.
    pub(crate) fn stop(&self) {
        self.poller.stop();
        self.listening.lock().expect("no holder of this lock can panic").traps = None;
        drop(self.heard.lock().expect("no holder of this lock can panic").take());
        let threads =
            std::mem::take(&mut *self.threads.lock().expect("no holder of this lock can panic"));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread that takes what devices say over SNMP panicked");
            }
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

impl Interfaces for Polling {
    fn device(&self, name: &str) -> Option<Arc<PolledDevice>> {
        self.book().device(name)
    }

    fn all(&self) -> Vec<Arc<PolledDevice>> {
        self.book().all()
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().expect("no holder of this lock can panic")
}

/// The devices of an inventory that are asked over SNMP, each at its first address.
pub(crate) fn asked(inventory: &Inventory) -> Vec<Asked> {
    let one = |device: &model::Device| {
        let access = device.snmp.clone()?;
        let address = SocketAddr::new(*device.addresses.first()?, access.port);
        Some(Asked { device: device.name.as_str().into(), address, access })
    };
    inventory.devices().iter().filter_map(one).collect()
}

/// The engine as it is remembered.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: Vec<u8>,
    boots: u32,
}

fn keep(state: Arc<dyn State>) -> Keep {
    Arc::new(move |engine| {
        let kept = Kept { id: engine.id.clone(), boots: engine.boots };
        let body = serde_json::to_vec(&kept).map_err(|why| why.to_string())?;
        let memo = Memo { key: ENGINE.to_owned(), body: Some(body) };
        state.apply(vec![Change::Memo(memo)]).map(drop).map_err(|why| why.to_string())
    })
}

/// Takes what the poller reads.
struct Taker {
    book: Arc<Mutex<Book>>,
    samples: Arc<dyn Samples>,
    feed: Arc<Feed>,
    forwarding: Arc<Forwarding>,
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
}

impl Taker {
    fn run(self, mut polls: mpsc::Receiver<Polled>) {
        while let Some(polled) = polls.blocking_recv() {
            let device = Arc::clone(&polled.asked.device);
            let now = self.clock.now_ms();
            if let Err(why) = &polled.outcome {
                tracing::debug!(%device, %why, "a device was not read over SNMP");
            }
            let mut gain = lock(&self.book).take(polled, now);
            if !gain.fresh.is_empty()
                && let Err(why) = self.samples.register(&gain.fresh)
            {
                // Samples of series that nobody knows would have the whole batch refused.
                tracing::warn!(%device, %why, "interfaces cannot be made known to the store");
                lock(&self.book).unregister(&device);
                continue;
            }
            for (subject, at, values) in &gain.points {
                self.forwarding.push(subject, *at, values);
            }
            self.feed.push(&mut gain.samples);
            if let Some(uptime) = gain.restarted {
                self.mark_restart(&device, uptime, now);
            }
        }
    }

    fn mark_restart(&self, device: &str, uptime: Duration, now: UnixMs) {
        let text = format!("{device} restarted {} s before it was asked", uptime.as_secs());
        let mark = Mark { at: now, subject: device.to_owned(), kind: "restart".into(), text };
        if let Err(why) = self.state.apply(vec![Change::Mark(mark)]) {
            tracing::warn!(%why, "a mark was not stored");
        }
    }
}

/// Takes what listeners hear.
struct Hearer {
    book: Arc<Mutex<Book>>,
    rules: Arc<Mutex<Rules>>,
    state: Arc<dyn State>,
    shelf: Arc<Shelf>,
    bell: Arc<Bell>,
    intake: Intake,
    version: u64,
}

impl Hearer {
    fn run(mut self, mut traps: mpsc::Receiver<Trap>) {
        let mut some = Vec::new();
        while traps.blocking_recv_many(&mut some, TRAPS) > 0 {
            let inventory = self.inventory();
            let book = Arc::clone(&self.book);
            let names = move |device: &str, index| lock(&book).interface(device, index);
            let library = self.shelf.now();
            let mendable = move |code: &str| library.is_for(code, code);
            let by = By { inventory: &inventory, names: &names, mendable: &mendable };
            let (mut lines, mut events) = (LineBatch::default(), Vec::new());
            for trap in some.drain(..) {
                events.extend(trapped::event(&trap, by, &mut self.intake, &mut lines));
            }
            let due = |event: &EventChange| matches!(event, EventChange::Report(report) if report.not_before <= report.at);
            let hurry = events.iter().any(due);
            let events = events.into_iter().map(Change::Event);
            let changes = events.chain([Change::Lines(Arc::new(lines))]).collect::<Vec<_>>();
            self.store(&changes);
            if hurry {
                self.bell.ring();
            }
        }
    }

    fn inventory(&mut self) -> Arc<Inventory> {
        let rules = self.rules.lock().expect("no holder of this lock can panic");
        if rules.version != self.version {
            self.version = rules.version;
            self.intake.set(rules.options.clone());
        }
        Arc::clone(&rules.inventory)
    }

    /// Writes; goes on trying while the store refuses. Meanwhile traps wait in the channel.
    fn store(&self, changes: &[Change]) {
        let mut told = false;
        loop {
            match self.state.apply(changes.to_vec()) {
                Ok(_) | Err(store::Error::Closed) => return,
                Err(why) if !told => {
                    tracing::error!(%why, "the store does not take traps; they wait");
                    told = true;
                }
                Err(_) => {}
            }
            thread::park_timeout(AGAIN);
        }
    }
}
