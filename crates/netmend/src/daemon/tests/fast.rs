//! The daemon on a clock that somebody moves as fast as the machine keeps up. Nothing depends on how fast that
//! is: the clock stands still until sockets were looked at, stages moved and mails arrived.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use lab::{SimulatedNetwork, World};
use measure::Options;
use measure::resolve::SystemResolver;
use measure::trace::Request;
use model::alert::Notice;
use model::{Alert, Clock, ManualClock, Metric, Protocol, Sample, Target, UnixMs, UnixNs};
use serde_json::Value;
use store::{AlertQuery, Batch, Query, Store};
use tokio::runtime::Runtime;

use super::mail_server::{MailServer, PASSWORD, SENDER};
use super::truth::{EACH, Truth, past_rtt};
use crate::config::Sources;
use crate::daemon::{Daemon, Machine};
use crate::plan::Loader;
use crate::ports::Tracer;

/// Monday 2026-01-05, 00:00 UTC.
const START: UnixMs = UnixMs(1_767_571_200_000);
/// What is in the store before the daemon's first start.
const PAST: Duration = Duration::from_hours(4);
/// Time between two probes of a target.
const INTERVAL: Duration = Duration::from_secs(3);
/// The clock moves by so much: less than makes a probe late.
const STEP: Duration = Duration::from_millis(150);
/// A stage must not stand still for longer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Samples that may wait for the store.
const WAITING: usize = 10_000;
/// So much faster than the machine's own the clock is taken to run, by those who wait for it.
const RATE: u32 = 500;
/// Looks at the stages are so far apart while they are waited for.
const PAUSE: Duration = Duration::from_micros(200);

/// A clock that is moved by hand, and whose seconds are not worth waiting for.
#[derive(Debug)]
struct Fast(ManualClock);

impl Clock for Fast {
    fn now(&self) -> UnixNs {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn wait(&self, span: Duration) -> Duration {
        (span / RATE).max(Duration::from_micros(50))
    }
}

/// The simulator has no routers on the way.
#[derive(Debug)]
struct NoPath;

impl Tracer for NoPath {
    fn trace(
        &self,
        _: &dyn Clock,
        _: &Request,
        _: &std::sync::atomic::AtomicBool,
    ) -> Result<model::Path, String> {
        Err("a simulated network has no routers".into())
    }
}

/// A mail, and when it came, in minutes after the start.
pub(super) struct Mail {
    pub(super) at: f64,
    pub(super) mail: Value,
}

/// The daemon with all that is around it.
pub(super) struct Bed {
    folder: PathBuf,
    clock: Arc<Fast>,
    network: SimulatedNetwork,
    server: MailServer,
    runtime: Runtime,
    running: Option<(Daemon, Store)>,
    pub(super) mails: Vec<Mail>,
    /// Mails that the running daemon has sent and we have seen.
    seen: u64,
    steps: u64,
}

impl Bed {
    /// A network as `truth` has it, whose past is in the store, and a daemon that watches it from now on.
    pub(super) fn start(folder: &Path, truth: &Truth) -> Self {
        let clock = Arc::new(Fast(ManualClock::new(START.to_ns())));
        let world = World::new(truth.scenario());
        let network = SimulatedNetwork::new(world, Arc::clone(&clock) as _);
        let server = MailServer::start(folder);
        fs::write(folder.join("ca.pem"), &server.ca).unwrap();
        fs::write(folder.join("netmend.yaml"), config(&server)).unwrap();
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
        let mut bed = Self {
            folder: folder.to_owned(),
            clock,
            network,
            server,
            runtime,
            running: None,
            mails: Vec::new(),
            seen: 0,
            steps: 0,
        };
        bed.fill_past();
        bed.begin();
        bed
    }

    fn open(&self) -> Store {
        let data = self.folder.join("data");
        fs::create_dir_all(&data).unwrap();
        Store::open(&data, Arc::clone(&self.clock) as _).unwrap()
    }

    /// Some hours in which nothing was wrong, as another run of the daemon left them.
    fn fill_past(&self) {
        let store = self.open();
        let samples = store.samples();
        let targets = Truth::targets();
        let series: Vec<_> =
            targets.iter().flat_map(|target| Metric::ALL.map(|of| target.series(of))).collect();
        samples.register(&series).unwrap();
        let mut dice = fastrand::Rng::with_seed(1);
        let mut last: Vec<Option<f64>> = vec![None; targets.len()];
        let rounds = PAST.as_secs() / INTERVAL.as_secs();
        let mut past = Vec::new();
        for round in 0..rounds {
            let at = START - PAST + INTERVAL * round as u32;
            for (place, target) in targets.iter().enumerate() {
                let rtt = past_rtt(place, &mut dice).as_micros() as f64;
                let mut put = |metric, value| {
                    past.push(Sample { series: target.series(metric).id(), at, value });
                };
                put(Metric::Loss, 0.0);
                put(Metric::Rtt, rtt);
                if let Some(last) = last[place].replace(rtt) {
                    put(Metric::Jitter, (rtt - last).abs());
                }
            }
        }
        samples.append(Batch { source: crate::feed::SOURCE, seq: 1, samples: past }).unwrap();
    }

    fn begin(&mut self) {
        let store = self.open();
        let sources =
            Sources { config: Some(self.folder.join("netmend.yaml")), ..Sources::default() };
        let loader = Loader::new(sources).unwrap();
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let network = Arc::new(self.network.clone());
        let options = Options::daemon(clock, network, Arc::new(SystemResolver));
        let machine = Machine { options, tracer: Arc::new(NoPath) };
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (plan, data) = (loader.plan(), self.folder.join("data"));
        let access = (*plan.access).clone();
        let start = Daemon::start(plan, &access, (&data, &store), machine, listen);
        let (daemon, _) = self.runtime.block_on(start).unwrap();
        self.seen = 0;
        self.running = Some((daemon, store));
    }

    /// Stops the daemon and starts it again twenty seconds later.
    pub(super) fn restart(&mut self) {
        self.end();
        self.clock.0.advance(Duration::from_secs(20));
        self.begin();
    }

    pub(super) fn end(&mut self) {
        if let Some((daemon, store)) = self.running.take() {
            self.runtime.block_on(daemon.stop()).unwrap();
            drop(store);
        }
    }

    /// Minutes after the start.
    pub(super) fn minute(&self) -> f64 {
        minutes(self.clock.now_ms())
    }

    /// Lets time pass until a minute after the start.
    pub(super) fn run_until(&mut self, minute: u64) {
        let until = START + Duration::from_mins(minute);
        while self.clock.now_ms() < until {
            self.clock.0.advance(STEP);
            self.network.catch_up();
            self.steps += 1;
            if self.steps.is_multiple_of(7) {
                self.wait_for_stages();
            }
        }
    }

    /// The clock stands still until everybody has seen what it shows.
    fn wait_for_stages(&mut self) {
        let Some((daemon, store)) = &self.running else { return };
        let (present, state) = (&daemon.pipeline.present, store.state());
        let now = self.clock.now_ms();
        let due = Query::DueNotices { now, except: Vec::new(), limit: 1 };
        loop {
            let taken = self.clock.monotonic().saturating_sub(*present.moved.lock().unwrap());
            let stages = [taken, present.judging.still(), present.telling.still()];
            let moved = stages.iter().all(|still| *still <= PATIENCE);
            let stored = present.feed.status().waiting <= WAITING;
            if moved && stored && state.find(&due).unwrap().is_empty() {
                break;
            }
            thread::park_timeout(PAUSE);
        }
        let sent = present.delivered.get().expect("the daemon delivers").read().sent;
        let at = minutes(now);
        for _ in self.seen..sent {
            self.mails.push(Mail { at, mail: self.server.mail() });
        }
        self.seen = sent;
    }

    /// Every message that was written.
    pub(super) fn notices(&self) -> Vec<Notice> {
        let found = self.find(&Query::Notices { state: None, limit: 10_000 });
        let notice = |value| match value {
            store::Value::Notice(notice) => *notice,
            other => panic!("no notice: {other:?}"),
        };
        found.into_iter().rev().map(notice).collect()
    }

    /// Every alert that was raised.
    pub(super) fn alerts(&self) -> Vec<Alert> {
        let query = AlertQuery { limit: 100_000, ..AlertQuery::default() };
        let alert = |value| match value {
            store::Value::Alert(alert) => *alert,
            other => panic!("no alert: {other:?}"),
        };
        self.find(&Query::Alerts(query)).into_iter().rev().map(alert).collect()
    }

    fn find(&self, query: &Query) -> Vec<store::Value> {
        let (_, store) = self.running.as_ref().expect("the daemon runs");
        store.state().find(query).unwrap().into_iter().map(|record| record.value).collect()
    }

    /// What the daemon counted: probes sent, lost and those it never sent.
    pub(super) fn counters(&self) -> measure::Counters {
        let (daemon, _) = self.running.as_ref().expect("the daemon runs");
        daemon.pipeline.present.prober.counters()
    }
}

/// Minutes after the start.
pub(super) fn minutes(at: UnixMs) -> f64 {
    (at.0 - START.0) as f64 / 60_000.0
}

fn config(server: &MailServer) -> String {
    let host = |target: &Target| {
        let tcp = match target.protocol {
            Protocol::Tcp(port) => format!(", tcp: {port}"),
            Protocol::Icmp => String::new(),
        };
        format!("    - {{ host: {}, interval: 3s{tcp} }}\n", target.host)
    };
    let region = |targets: &[Target]| {
        let hosts: String = targets.iter().map(host).collect();
        format!("  {}:\n{hosts}", targets[0].region)
    };
    let regions: String = Truth::targets().chunks(EACH).map(region).collect();
    format!(
        "site: here\ntargets:\n{regions}notify:\n  - name: noc\n    smtp: {{ server: \"smtps://127.0.0.1:{}\", \
         ca: ca.pem, from: {SENDER}, password: {PASSWORD}, to: [noc@example.net] }}\n",
        server.port
    )
}
