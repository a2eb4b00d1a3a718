//! The way out of a receiver: counts what leaves and hands it on. The channel is bounded in batches, and a
//! receiver that finds it full waits: a stream's sender then waits too, datagrams wait in the kernel.

use std::sync::Arc;

use model::{Clock, Listener};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::batch::Batch;
use super::counters::Counts;

/// The channel with the numbers of one receiver.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    pub(super) listener: Arc<Listener>,
    pub(super) counts: Arc<Counts>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) out: Sender<Batch>,
}

/// Nobody takes lines any more.
#[derive(Debug)]
pub(super) struct Closed;

impl Outbox {
    /// A batch that starts now.
    pub(super) fn batch(&self) -> Batch {
        Batch::new(Arc::clone(&self.listener), self.clock.now())
    }

    /// Hands a batch on from a thread.
    pub(super) fn send_blocking(&self, batch: Batch) -> Result<(), Closed> {
        self.count(&batch);
        match self.out.try_send(batch) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(batch)) => {
                self.counts.waits.add(1);
                self.out.blocking_send(batch).map_err(|_| Closed)
            }
            Err(TrySendError::Closed(_)) => Err(Closed),
        }
    }

    /// Hands a batch on from a task.
    pub(super) async fn send(&self, batch: Batch) -> Result<(), Closed> {
        self.count(&batch);
        match self.out.try_send(batch) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(batch)) => {
                self.counts.waits.add(1);
                self.out.send(batch).await.map_err(|_| Closed)
            }
            Err(TrySendError::Closed(_)) => Err(Closed),
        }
    }

    fn count(&self, batch: &Batch) {
        let (mut bytes, mut cut) = (0, 0);
        for line in batch.lines() {
            bytes += line.bytes.len() as u64;
            cut += u64::from(line.cut);
        }
        self.counts.lines.add(batch.len() as u64);
        self.counts.bytes.add(bytes);
        self.counts.cut.add(cut);
    }
}
