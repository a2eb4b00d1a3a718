//! Threads: what one receiver was told about the same alerts, message after message. They are what makes
//! that an end follows each beginning, after a restart too. They know ids and words, not alerts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::alert::{AlertId, AlertState, Severity};
use model::{Alert, UnixMs};
use serde::{Deserialize, Serialize};
use store::Memo;

/// How the keys of stored threads begin.
pub(super) const KEY: &str = "alert/thread/";

/// What one receiver was told about the same alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Thread {
    pub(super) id: u64,
    /// What mail threads by.
    pub(super) name: String,
    pub(super) receiver: String,
    /// When it began.
    pub(super) begun: UnixMs,
    /// Whether it holds what came in a storm.
    pub(super) digest: bool,
    /// Messages so far.
    pub(super) number: u32,
    /// When the latest was written.
    pub(super) sent: UnixMs,
    /// When its end was told.
    pub(super) closed: Option<UnixMs>,
    /// The alerts it tells of, and what was told of each last.
    pub(super) said: BTreeMap<AlertId, Said>,
}

/// What was told of an alert last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) state: AlertState,
    pub(super) severity: Severity,
    pub(super) affected: u32,
    pub(super) findings: u32,
    pub(super) flapping: bool,
    /// Nothing was told of it yet: it joined after the latest message.
    pub(super) fresh: bool,
}

impl Said {
    /// What is told of an alert now.
    pub(super) fn of(alert: &Alert) -> Self {
        Self {
            state: alert.state,
            severity: alert.severity,
            affected: alert.affected,
            findings: alert.findings.len() as u32,
            flapping: alert.flapping,
            fresh: false,
        }
    }
}

/// All threads that are not long over.
#[derive(Debug, Default)]
pub(super) struct Threads {
    all: BTreeMap<u64, Thread>,
    /// The thread in which each receiver hears of an alert.
    places: HashMap<String, HashMap<AlertId, u64>>,
}

impl Threads {
    /// Takes a thread up.
    pub(super) fn put(&mut self, thread: Thread) {
        let places = self.places.entry(thread.receiver.clone()).or_default();
        places.extend(thread.said.keys().map(|id| (*id, thread.id)));
        self.all.insert(thread.id, thread);
    }

    /// A thread.
    pub(super) fn get(&self, id: u64) -> Option<&Thread> {
        self.all.get(&id)
    }

    /// A thread whose messages and times are changed, but not whom it is about.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Thread> {
        self.all.get_mut(&id)
    }

    /// All threads, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Thread> {
        self.all.values()
    }

    /// The thread in which a receiver hears of an alert.
    pub(super) fn of(&self, id: AlertId, receiver: &str) -> Option<&Thread> {
        self.all.get(self.places.get(receiver)?.get(&id)?)
    }

    /// Lets a thread tell of a further alert from its next message on.
    pub(super) fn add(&mut self, thread: u64, alert: &Alert) {
        if let Some(thread) = self.all.get_mut(&thread) {
            thread.said.insert(alert.id, Said { fresh: true, ..Said::of(alert) });
            let places = self.places.entry(thread.receiver.clone()).or_default();
            places.insert(alert.id, thread.id);
        }
    }

    /// From now on `speaker` speaks for `id`: threads that tell of `id` go on about the speaker, unless
    /// their receiver hears of it elsewhere. Gives the threads that changed.
    pub(super) fn absorb(&mut self, id: AlertId, speaker: AlertId) -> Vec<u64> {
        let mut touched = Vec::new();
        for thread in self.all.values_mut().filter(|thread| thread.closed.is_none()) {
            let places = self.places.entry(thread.receiver.clone()).or_default();
            if places.contains_key(&speaker) {
                continue;
            }
            if let Some(said) = thread.said.remove(&id) {
                places.remove(&id);
                thread.said.insert(speaker, Said { affected: 0, fresh: true, ..said });
                places.insert(speaker, thread.id);
                touched.push(thread.id);
            }
        }
        touched
    }

    /// Ends the threads of receivers that are not kept; nobody is there to be told. Gives these threads.
    pub(super) fn keep(&mut self, kept: impl Fn(&str) -> bool) -> Vec<u64> {
        let lost: Vec<u64> =
            self.iter().filter(|thread| !kept(&thread.receiver)).map(|thread| thread.id).collect();
        self.remove(&lost);
        lost
    }

    /// Forgets threads that were over before a time. Gives these threads.
    pub(super) fn sweep(&mut self, oldest: UnixMs) -> Vec<u64> {
        let over = |thread: &&Thread| thread.closed.is_some_and(|closed| closed < oldest);
        let old: Vec<u64> = self.iter().filter(over).map(|thread| thread.id).collect();
        self.remove(&old);
        old
    }

    fn remove(&mut self, ids: &[u64]) {
        for id in ids {
            if let Some(thread) = self.all.remove(id)
                && let Some(places) = self.places.get_mut(&thread.receiver)
            {
                for alert in thread.said.into_keys() {
                    if places.get(&alert) == Some(id) {
                        places.remove(&alert);
                    }
                }
            }
        }
    }

    /// The alerts that threads which are not over tell of.
    pub(super) fn referenced(&self) -> BTreeSet<AlertId> {
        let open = self.iter().filter(|thread| thread.closed.is_none());
        open.flat_map(|thread| thread.said.keys().copied()).collect()
    }

    /// A thread as it is stored; one that is gone is forgotten there too.
    pub(super) fn memo(&self, id: u64) -> Memo {
        let body = self.all.get(&id).map(|thread| {
            serde_json::to_vec(thread).expect("a thread holds nothing that JSON cannot say")
        });
        Memo { key: format!("{KEY}{id:016}"), body }
    }
}
