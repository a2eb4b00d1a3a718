//! Takes notices from the queue on disk to their receivers, each receiver on its own, so that one that is
//! dead or slow holds up nobody else. Tries again with growing pauses, and over restarts. It must not
//! decide what is told to whom: the engine wrote that into the notices.

mod backoff;
mod counters;
mod courier;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::alert::Notice;
use model::{Clock, UnixMs};
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::channel::Receiver;
use crate::outbox::Outbox;
use crate::render::Curves;
pub use backoff::Backoff;
pub use counters::{Counters, Counts};
use courier::Courier;

/// Most notices looked at in one go.
const BATCH: u32 = 500;
/// How often the queue is looked at when nobody calls.
const LOOK: Duration = Duration::from_secs(1);

/// Receivers by name.
pub type Receivers = HashMap<String, Arc<Receiver>>;

/// What delivery needs from elsewhere.
#[derive(Clone)]
pub struct Parts {
    /// The queue. Nobody else delivers from it.
    pub outbox: Arc<dyn Outbox>,
    /// Curves for charts.
    pub curves: Arc<dyn Curves>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who can be told; the newest value holds.
    pub receivers: watch::Receiver<Arc<Receivers>>,
    /// How long to wait after a failure.
    pub backoff: Backoff,
}

/// The delivering stage.
pub struct Delivery {
    parts: Parts,
    counters: Arc<Counters>,
    /// Receivers that are being told now. Each says until when it wants to be left alone.
    busy: JoinSet<Option<UnixMs>>,
    names: HashMap<Id, String>,
    /// Receivers that cannot be reached at all, and when to try again. In memory alone: after a restart
    /// each is tried at once.
    held: HashMap<String, UnixMs>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("held", &self.held).finish_non_exhaustive()
    }
}

impl Delivery {
    /// A stage that stands still until [`run`](Self::run).
    pub fn new(parts: Parts) -> Self {
        let counters = Arc::default();
        let (names, held) = (HashMap::new(), HashMap::new());
        Self { parts, counters, busy: JoinSet::new(), names, held }
    }

    /// What it has done; stays readable while it runs.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Delivers until `stop`. `written` is rung when there is something new in the queue. What is under way
    /// at the end may take `grace` to finish: a message that a server took and nobody noted is sent again.
    pub async fn run(mut self, written: Arc<Notify>, stop: CancellationToken, grace: Duration) {
        while !stop.is_cancelled() {
            self.start_due().await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = written.notified() => {}
                Some(done) = self.busy.join_next_with_id() => self.take(done),
                () = tokio::time::sleep(self.parts.clock.wait(LOOK)) => {}
            }
        }
        if tokio::time::timeout(grace, self.finish()).await.is_err() {
            tracing::warn!(
                receivers = self.names.len(),
                "stopped while messages were being sent; they may arrive twice"
            );
        }
    }

    /// Tells everybody what is due now, and waits until that is done.
    pub async fn round(&mut self) {
        self.start_due().await;
        self.finish().await;
    }

    async fn finish(&mut self) {
        while let Some(done) = self.busy.join_next_with_id().await {
            self.take(done);
        }
    }

    /// Starts a courier for each receiver that has something due, is not being told already, and is not held.
    async fn start_due(&mut self) {
        let now = self.parts.clock.now_ms();
        self.held.retain(|_, until| *until > now);
        let except: Vec<String> = self.names.values().chain(self.held.keys()).cloned().collect();
        let outbox = Arc::clone(&self.parts.outbox);
        let due = tokio::task::spawn_blocking(move || outbox.due(now, except, BATCH)).await;
        let due = match due {
            Ok(Ok(due)) => due,
            Ok(Err(error)) => {
                self.counters.queue_failed();
                return tracing::warn!(%error, "the queue of messages cannot be read");
            }
            Err(panicked) => return tracing::error!(%panicked, "reading the queue of messages"),
        };
        let receivers = Arc::clone(&self.parts.receivers.borrow());
        for (name, notices) in by_receiver(due) {
            let courier = Courier {
                parts: self.parts.clone(),
                counters: Arc::clone(&self.counters),
                receiver: receivers.get(&name).map(Arc::clone),
            };
            let started = self.busy.spawn(courier.deliver(notices));
            self.names.insert(started.id(), name);
        }
    }

    fn take(&mut self, done: Result<(Id, Option<UnixMs>), JoinError>) {
        let (id, until) = done.unwrap_or_else(|error| {
            tracing::error!(%error, "a courier broke down; its receiver is tried again later");
            (error.id(), Some(self.parts.clock.now_ms() + self.parts.backoff.longest))
        });
        let name = self.names.remove(&id).expect("each courier is named when it starts");
        self.held.extend(until.map(|until| (name, until)));
    }
}

/// Notices of each receiver, in order.
fn by_receiver(due: Vec<Notice>) -> HashMap<String, Vec<Notice>> {
    let mut receivers: HashMap<String, Vec<Notice>> = HashMap::new();
    for notice in due {
        receivers.entry(notice.receiver.clone()).or_default().push(notice);
    }
    receivers
}
