//! The workers: a lane for each kind of socket, and the connect prober for what may not open raw sockets.
//! It decides the rung of the privilege ladder and says why.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use model::transport::{OpenError, SocketKey, SocketKind, Warning};
use model::{Method, ProbeResult, Protocol, Target};

use crate::connect::{ConnectProber, Settings};
use crate::drive::Driver;
use crate::lane::Plan;
use crate::pace::Pace;
use crate::status::Journal;
use crate::wire::Cookie;
use crate::work::{self, Command, Results};
use crate::{ChangeKind, Counters, Error, Options, Spread};

/// Names a route.
pub(super) type RouteId = u16;

/// A way to ask targets that share a socket key.
#[derive(Debug)]
struct Route {
    key: SocketKey,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Packets {
        driver: Driver,
        method: Method,
        note: Option<Arc<str>>,
    },
    Connect {
        note: Arc<str>,
    },
    /// Nobody can ask now; to be tried again.
    Closed {
        why: Arc<str>,
    },
}

/// All routes and the way of their results.
#[derive(Debug)]
pub(super) struct Routes {
    options: Options,
    /// Where it is there, targets that fall silent are asked each second.
    pace: Option<Arc<Pace>>,
    journal: Arc<Journal>,
    /// Given up when no route will be added any more, so that the results can end.
    results: Option<SyncSender<Vec<ProbeResult>>>,
    routes: Vec<Route>,
    by_key: HashMap<SocketKey, RouteId>,
    /// The one that was asked for last.
    latest: RouteId,
    connect: Option<ConnectProber>,
    /// Monotonic milliseconds of the last refresh of source addresses.
    refreshed: u64,
    completed: bool,
    /// What lanes counted whose sockets failed.
    past: Counters,
}

/// The socket that a target needs.
pub(super) fn key_of(target: &Target) -> SocketKey {
    SocketKey {
        kind: match target.protocol {
            Protocol::Icmp => SocketKind::Icmp,
            Protocol::Tcp(_) => SocketKind::TcpSyn,
        },
        family: target.family,
        source: target.packet.source,
        dscp: target.packet.dscp,
        dont_fragment: target.packet.dont_fragment,
        device: target.packet.device.as_deref().map(Arc::from),
    }
}

impl Routes {
    pub(super) fn new(
        options: &Options,
        results: SyncSender<Vec<ProbeResult>>,
        journal: Arc<Journal>,
        pace: Option<Arc<Pace>>,
    ) -> Self {
        Self {
            options: options.clone(),
            // A run with rounds asks as often as it was told to.
            pace: pace.filter(|_| options.rounds.is_none() && options.spread != Spread::FlatOut),
            journal,
            results: Some(results),
            routes: Vec::new(),
            by_key: HashMap::new(),
            latest: 0,
            connect: None,
            refreshed: 0,
            completed: false,
            past: Counters::default(),
        }
    }

    /// The route for this key, opened if it is new.
    pub(super) fn of(&mut self, key: &SocketKey) -> RouteId {
        // Most targets take the route of the one before them.
        if self.routes.get(usize::from(self.latest)).is_some_and(|route| route.key == *key) {
            return self.latest;
        }
        if let Some(&id) = self.by_key.get(key) {
            self.latest = id;
            return id;
        }
        let way = self.open(key);
        self.routes.push(Route { key: key.clone(), way });
        let id = RouteId::try_from(self.routes.len() - 1)
            .expect("65,536 kinds of sockets would need as many devices and addresses");
        self.by_key.insert(key.clone(), id);
        id
    }

    fn open(&mut self, key: &SocketKey) -> Way {
        let way = match self.options.network.open(key) {
            Ok(opened) => {
                for &warning in &opened.warnings {
                    self.note(ChangeKind::Socket { socket: key.to_string().into(), warning });
                }
                let method = opened.method;
                let fell = opened.warnings.iter().find(|w| matches!(w, Warning::FellBack { .. }));
                let note = fell.map(|warning| warning.to_string().into());
                self.drive(key, opened).map(|driver| Way::Packets { driver, method, note })
            }
            Err(error) if error.is_denied() => self.fall_back(key, &error),
            Err(error) => Err(error.to_string()),
        };
        way.unwrap_or_else(|why| {
            let why: Arc<str> = why.into();
            self.note(ChangeKind::SocketLost { why: Arc::clone(&why) });
            Way::Closed { why }
        })
    }

    fn drive(&self, key: &SocketKey, opened: model::transport::Opened) -> Result<Driver, String> {
        let results = self.results().ok_or("the run is over")?;
        let plan = Plan {
            kind: key.kind,
            family: key.family,
            cookie: Cookie::new(opened.echo_id, opened.source_ports.clone()),
            rounds: self.options.rounds,
            spread: self.options.spread,
            pace: self.pace.clone(),
        };
        let clock = Arc::clone(&self.options.clock);
        Driver::start(opened, plan, clock, results, Arc::clone(&self.journal))
            .map_err(|error| format!("cannot start the threads of the {key}: {error}"))
    }

    /// The last rung: finished handshakes need no privilege.
    fn fall_back(&mut self, key: &SocketKey, error: &OpenError) -> Result<Way, String> {
        let (from, errno) = match error.tried.first() {
            Some((method, error)) => (*method, error.raw_os_error().unwrap_or(0)),
            None => (Method::IcmpRaw, 0),
        };
        let warning = Warning::FellBack { from, to: Method::TcpConnect, errno };
        self.note(ChangeKind::Socket { socket: key.to_string().into(), warning });
        if self.connect.is_none() {
            let settings = Settings {
                clock: Arc::clone(&self.options.clock),
                rounds: self.options.rounds,
                spread: self.options.spread,
                pace: self.pace.clone(),
            };
            let results = self.results().ok_or("the run is over")?;
            let started = ConnectProber::start(settings, results);
            self.connect = Some(started.map_err(|error: Error| error.to_string())?);
        }
        Ok(Way::Connect { note: warning.to_string().into() })
    }

    fn results(&self) -> Option<Results> {
        let patient = self.options.rounds.is_some();
        self.results.as_ref().map(|to| Results::new(to.clone(), patient))
    }

    fn note(&self, what: ChangeKind) {
        self.journal.note(self.options.clock.now_ms(), None, what);
    }

    /// Tells the worker of a route.
    pub(super) fn tell(&self, route: RouteId, command: Command) {
        match &self.routes[usize::from(route)].way {
            Way::Packets { driver, .. } => driver.tell(command),
            Way::Connect { .. } => {
                if let Some(connect) = &self.connect {
                    connect.tell(command);
                }
            }
            Way::Closed { .. } => {}
        }
    }

    /// The source address that the packets of a route bear, where it matters.
    pub(super) fn source_for(
        &self,
        route: RouteId,
        key: &SocketKey,
        to: SocketAddr,
    ) -> Option<IpAddr> {
        // Without a route there is none, and the probe is unsent until there is.
        if self.needs_source(route) { self.options.network.source_for(key, to).ok() } else { None }
    }

    /// Whether packets on this route bear a checksum over their source address.
    pub(super) fn needs_source(&self, route: RouteId) -> bool {
        let way = &self.routes[usize::from(route)].way;
        matches!(way, Way::Packets { method: Method::TcpSyn, .. })
    }

    /// Whether servers see finished handshakes.
    pub(super) fn finishes_handshakes(&self, route: RouteId) -> bool {
        matches!(self.routes[usize::from(route)].way, Way::Connect { .. })
    }

    /// Method and note of a route, for people.
    pub(super) fn describe(&self, route: RouteId) -> (Option<Method>, Option<Arc<str>>) {
        match &self.routes[usize::from(route)].way {
            Way::Packets { method, note, .. } => (Some(*method), note.clone()),
            Way::Connect { note } => (Some(Method::TcpConnect), Some(Arc::clone(note))),
            Way::Closed { why } => (None, Some(Arc::clone(why))),
        }
    }

    /// Tries the closed routes again; those that are open now need their targets.
    pub(super) fn reopen(&mut self) -> Vec<RouteId> {
        let mut opened = Vec::new();
        for index in 0..self.routes.len() {
            match &self.routes[index].way {
                Way::Closed { .. } => {}
                Way::Packets { driver, .. } if driver.is_dead() => {
                    self.past = work::sum([self.past.clone(), driver.counters()]);
                    let why = format!("the {} failed", self.routes[index].key);
                    self.routes[index].way = Way::Closed { why: why.into() };
                }
                _ => continue,
            }
            let key = self.routes[index].key.clone();
            // Asked quietly first: a socket that stays closed is told once.
            if self.options.network.open(&key).is_ok() {
                self.routes[index].way = self.open(&key);
                opened.push(index as RouteId);
            }
        }
        opened
    }

    /// Whether source addresses should be looked at again.
    pub(super) fn sources_are_due(&mut self) -> bool {
        let now = self.options.clock.monotonic().as_millis() as u64;
        let due = now >= self.refreshed + self.options.resolve_every.as_millis() as u64;
        if due {
            self.refreshed = now;
        }
        due
    }

    /// No target will be added any more: workers end when they are done, and the results with them.
    pub(super) fn complete(&mut self) {
        if std::mem::replace(&mut self.completed, true) {
            return;
        }
        for route in &self.routes {
            if let Way::Packets { driver, .. } = &route.way {
                driver.tell(Command::Complete);
            }
        }
        if let Some(connect) = &self.connect {
            connect.tell(Command::Complete);
        }
        self.results = None;
    }

    /// What all workers counted.
    pub(super) fn counters(&self) -> Counters {
        let lanes = self.routes.iter().filter_map(|route| match &route.way {
            Way::Packets { driver, .. } => Some(driver.counters()),
            _ => None,
        });
        let connect = self.connect.as_ref().map(ConnectProber::counters);
        work::sum(lanes.chain(connect).chain([self.past.clone()]))
    }

    /// Ends all workers and lets go of the results.
    pub(super) fn stop(&mut self) {
        self.results = None;
        self.connect = None;
        for route in &mut self.routes {
            route.way = Way::Closed { why: "stopped".into() };
        }
    }
}
