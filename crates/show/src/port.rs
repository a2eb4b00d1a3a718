//! What the pages need from the rest of netmend: the ports [`Now`] and [`Devices`], which the daemon implements, and those
//! of [`judged`], [`links`] and [`mending`]. It must hold no logic: values in, values out.

use std::sync::Arc;
use std::time::Duration;

use model::{Inventory, Method, PolledDevice, TargetNow, UnixMs};
use serde::Serialize;
use store::sink::SinkNow;

pub mod judged;
pub mod links;
pub mod mending;

/// The present of the running daemon. Calls are cheap and never block: they hand out what the daemon
/// has put together already.
pub trait Now: Send + Sync {
    /// All targets as they are now, at most a second old.
    fn targets(&self) -> Arc<Snapshot>;

    /// The daemon itself.
    fn system(&self) -> System;

    /// Whether all stages move; `/healthz` is made of it.
    fn stages(&self) -> Vec<Stage>;
}

/// The devices that lines come from, as they are configured now.
pub trait Devices: Send + Sync {
    /// The inventory. Cheap, and never blocks.
    fn inventory(&self) -> Arc<Inventory>;
}

/// An inventory that stays as it is, for programs without a configuration to reload.
impl Devices for Inventory {
    fn inventory(&self) -> Arc<Inventory> {
        Arc::new(self.clone())
    }
}

/// The devices that are asked for their interfaces, as they are now. Cheap, and never blocks.
pub trait Interfaces: Send + Sync {
    /// A device by its name in the inventory; `None` if it is not asked.
    fn device(&self, name: &str) -> Option<Arc<PolledDevice>>;

    /// All of them, by name.
    fn all(&self) -> Vec<Arc<PolledDevice>>;
}

/// Nobody is asked, for programs without devices.
impl Interfaces for () {
    fn device(&self, _: &str) -> Option<Arc<PolledDevice>> {
        None
    }

    fn all(&self) -> Vec<Arc<PolledDevice>> {
        Vec::new()
    }
}

/// All targets at one moment. A target that did not change since the last snapshot shares its row.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Ascends with each snapshot that differs from the one before; never zero once targets are known.
    pub version: u64,
    /// When it was taken.
    pub at: UnixMs,
    /// The targets, in the order of the configuration.
    pub targets: Vec<Arc<TargetNow>>,
}

/// The daemon itself: what it is, how it measures and what it warns of.
#[derive(Clone, Debug, Default)]
pub struct System {
    /// Version of netmend.
    pub version: &'static str,
    /// Where this instance stands.
    pub site: String,
    /// When it started.
    pub started: UnixMs,
    /// How long it has been running, by the monotonic clock.
    pub uptime: Duration,
    /// How targets are asked now and how many are asked so.
    pub methods: Vec<(Method, usize)>,
    /// What is wrong with the machine or the daemon, worst first.
    pub warnings: Vec<Warning>,
    /// Everything that moves, in the order of `/metrics`; entries of one name stand together.
    pub counters: Vec<Counter>,
    /// The store.
    pub store: StoreNow,
    /// Where what is stored is passed on to.
    pub sinks: Vec<SinkNow>,
}

/// How the store is.
#[derive(Clone, Debug, Default)]
pub struct StoreNow {
    /// The data folder.
    pub path: String,
    /// Highest batch number of the local prober on disk.
    pub committed_until: Option<u64>,
    /// Samples sent before this time are on disk.
    pub committed_at: Option<UnixMs>,
    /// Size of the databases in bytes.
    pub bytes: Option<u64>,
    /// Free space of their disk in bytes.
    pub free_bytes: Option<u64>,
    /// How many series it knows.
    pub series: Option<u64>,
}

/// Something that an operator should mend, for instance "ICMP falls back to TCP".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What is wrong and why, one sentence.
    pub text: String,
    /// The exact fix, best a command to copy; empty if there is none.
    pub fix: String,
    /// Since when, if known.
    pub since: Option<UnixMs>,
}

/// One number of netmend's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// Name as in Prometheus, for instance `netmend_probes_sent_total`. A counter's ends in `_total`.
    pub name: &'static str,
    /// What it counts, one sentence.
    pub help: &'static str,
    /// Whether it only ever ascends.
    pub kind: CounterKind,
    /// Labels, for instance `outcome="reply"`; most have none.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

/// Kind of a [`Counter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterKind {
    /// Only ever ascends while the process runs.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl CounterKind {
    /// The word of the exposition format.
    pub fn as_str(self) -> &'static str {
        match self {
            CounterKind::Counter => "counter",
            CounterKind::Gauge => "gauge",
        }
    }
}

impl Counter {
    /// A counter without labels.
    pub fn total(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, kind: CounterKind::Counter, labels: Vec::new(), value: value as f64 }
    }

    /// A gauge without labels.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: CounterKind::Gauge, labels: Vec::new(), value }
    }

    /// The same with one more label.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((label, value.into()));
        self
    }
}

/// One stage of the pipeline and whether it moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// `measure`, `store` or another verb.
    pub name: &'static str,
    /// Why it does not move, one sentence; `None` while it moves.
    pub stuck: Option<String>,
}
