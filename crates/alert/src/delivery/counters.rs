//! What delivery has done since the start, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that ascend while delivery runs.
#[derive(Debug, Default)]
pub struct Counters {
    sent: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    queue_failed: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Notices that all addresses of their receiver have.
    pub sent: u64,
    /// Tries that failed and are tried again.
    pub failed: u64,
    /// Notices given up.
    pub given_up: u64,
    /// Times that the queue on disk could not be read or written.
    pub queue_failed: u64,
}

impl Counters {
    /// The counters now.
    pub fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            sent: read(&self.sent),
            failed: read(&self.failed),
            given_up: read(&self.given_up),
            queue_failed: read(&self.queue_failed),
        }
    }

    pub(super) fn sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn given_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn queue_failed(&self) {
        self.queue_failed.fetch_add(1, Ordering::Relaxed);
    }
}
