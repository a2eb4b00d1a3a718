//! What the planner hands to whoever sends probes, a packet lane or the connect prober, and what it gets
//! back. A worker knows addresses and paces; it knows neither names nor why an address changed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use model::{PacketOptions, ProbeResult, TargetId};

use crate::Counters;

/// One target as a worker sees it.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    /// Number under which results are reported.
    pub(crate) id: TargetId,
    /// Where to; for TCP with its port, for ICMP with port 0.
    pub(crate) to: SocketAddr,
    /// The source address its packets bear, which half-open TCP cannot do without.
    pub(crate) from: Option<IpAddr>,
    /// Time between two probes, with all stretching done.
    pub(crate) interval: Duration,
    /// How long to wait for an answer.
    pub(crate) timeout: Duration,
    /// Place of the probes within the interval, a stable hash of the target; for [`crate::Spread::Prompt`]
    /// the time until the first.
    pub(crate) phase: Duration,
    /// Shape of the packets.
    pub(crate) packet: Arc<PacketOptions>,
}

/// What the planner tells a worker.
#[derive(Debug)]
pub(crate) enum Command {
    /// Probe these from now on. An id that is there already keeps its round and its probes under way and
    /// takes the new address and pace.
    Assign(Vec<Assignment>),
    /// Stop probing these; their probes under way are reported no more.
    Remove(Vec<TargetId>),
    /// No further target will come: with `rounds` set, end when all are done.
    Complete,
    /// End now.
    Stop,
}

/// The way of results to the consumer, batched. A consumer that stalls costs memory up to a cap, then
/// results, which are counted; it never stops a probe.
#[derive(Debug)]
pub(crate) struct Results {
    batch: Vec<ProbeResult>,
    to: SyncSender<Vec<ProbeResult>>,
    patient: bool,
    dropped: u64,
}

impl Results {
    /// Batches that may wait in the channel. More wait here, where they take up less room.
    pub(crate) const QUEUE: usize = 64;
    /// A batch this long is handed over at once.
    const BATCH: usize = 256;
    /// Results that wait here when the channel is full.
    const CAP: usize = 1 << 18;

    /// `patient` waits for a slow consumer instead of dropping, for runs that a person waits for.
    pub(crate) fn new(to: SyncSender<Vec<ProbeResult>>, patient: bool) -> Self {
        Self { batch: Vec::new(), to, patient, dropped: 0 }
    }

    /// Adds one.
    pub(crate) fn push(&mut self, result: ProbeResult) {
        if self.batch.len() >= Self::CAP {
            if !self.patient {
                self.dropped += 1;
                return;
            }
            self.wait();
        }
        self.batch.push(result);
        if self.batch.len().is_multiple_of(Self::BATCH) {
            self.flush();
        }
    }

    /// Hands over what there is, if there is room. A consumer that is gone is no error: the results fall.
    pub(crate) fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        // The next batch will be about as long.
        let next = Vec::with_capacity(self.batch.len().min(Self::BATCH));
        let full = std::mem::replace(&mut self.batch, next);
        if let Err(TrySendError::Full(back)) = self.to.try_send(full) {
            self.batch = back;
        }
    }

    /// Hands over what there is, however long that takes.
    fn wait(&mut self) {
        let _gone = self.to.send(std::mem::take(&mut self.batch));
    }

    /// Results thrown away so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        if self.patient && !self.batch.is_empty() {
            self.wait();
        }
    }
}

/// Adds the counters of several workers.
pub(crate) fn sum(parts: impl IntoIterator<Item = Counters>) -> Counters {
    let mut errors = BTreeMap::new();
    let mut all = Counters::default();
    for part in parts {
        all.sent += part.sent;
        all.received += part.received;
        all.lost += part.lost;
        all.late += part.late;
        all.duplicate += part.duplicate;
        all.unreachable += part.unreachable;
        all.unknown += part.unknown;
        all.unsent += part.unsent;
        all.foreign += part.foreign;
        all.malformed += part.malformed;
        all.receive_drops += part.receive_drops;
        all.neighbour_drops += part.neighbour_drops;
        all.clock_steps = all.clock_steps.max(part.clock_steps);
        all.stamps += part.stamps;
        all.stamps_discarded += part.stamps_discarded;
        all.results_dropped += part.results_dropped;
        all.reprobes += part.reprobes;
        all.in_flight += part.in_flight;
        for (errno, count) in part.send_errors {
            *errors.entry(errno).or_insert(0) += count;
        }
    }
    all.send_errors = errors.into_iter().collect();
    all
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;
    use std::thread;

    use model::{Outcome, StampSource, UnixNs};

    use super::*;

    fn result(round: u32) -> ProbeResult {
        let (target, outcome, reason, rtt_ns) = (TargetId(1), Outcome::Lost, None, None);
        let (stamp, sent_at) = (StampSource::User, UnixNs(0));
        ProbeResult { target, round, outcome, reason, rtt_ns, stamp, sent_at }
    }

    #[test]
    fn a_run_that_is_waited_for_loses_nothing_to_a_slow_consumer() {
        let (to, from) = sync_channel(1);
        let count = Results::CAP as u32 + 10_000;
        let producer = thread::spawn(move || {
            let mut results = Results::new(to, true);
            (0..count).for_each(|round| results.push(result(round)));
        });
        let rounds: Vec<u32> = from.iter().flatten().map(|result| result.round).collect();
        producer.join().expect("it does not panic");
        assert!(rounds.into_iter().eq(0..count));
    }

    #[test]
    fn a_daemon_keeps_results_up_to_a_cap_and_counts_the_rest() {
        let (to, from) = sync_channel(1);
        let mut results = Results::new(to, false);
        let kept = Results::BATCH + Results::CAP;
        (0..kept as u32 + 5).for_each(|round| results.push(result(round)));
        assert_eq!(results.dropped(), 5);
        assert_eq!(from.try_iter().flatten().count(), Results::BATCH);
        results.flush();
        assert_eq!(from.try_iter().flatten().count(), Results::CAP);
    }

    #[test]
    fn a_consumer_that_is_gone_stops_nobody() {
        let (to, from) = sync_channel(1);
        drop(from);
        let mut results = Results::new(to, true);
        (0..1_000).for_each(|round| results.push(result(round)));
        assert_eq!(results.dropped(), 0);
    }
}
