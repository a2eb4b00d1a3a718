//! What a receiver counts. Plain numbers behind atomics: whoever shows them asks whenever it likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::Listener;

/// A number that a receiver moves.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// Adds.
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Takes away; for numbers that go up and down.
    pub(super) fn sub(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    /// Adds, unless that makes it more than `most`.
    pub(super) fn add_up_to(&self, more: u64, most: u64) -> bool {
        let within = |now: u64| now.checked_add(more).filter(|sum| *sum <= most);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    /// The number now.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it.
    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// The numbers of one receiver while it runs.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) lines: Count,
    pub(super) bytes: Count,
    pub(super) cut: Count,
    pub(super) drops: Count,
    pub(super) lies: Count,
    pub(super) open: Count,
    pub(super) accepted: Count,
    pub(super) refused: Count,
    pub(super) handshakes: Count,
    pub(super) stalled: Count,
    pub(super) held: Count,
    pub(super) waits: Count,
    pub(super) gaps: Count,
    pub(super) errors: Count,
    pub(super) buffer: Count,
}

/// What one receiver has done since it was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Which receiver.
    pub listener: Arc<Listener>,
    /// Lines handed on.
    pub lines: u64,
    /// Their bytes, separators apart.
    pub bytes: u64,
    /// Lines whose end is missing.
    pub cut: u64,
    /// Datagrams that the kernel dropped because the receive buffer was full.
    pub drops: u64,
    /// Octet counts that lied.
    pub lies: u64,
    /// Connections that stand.
    pub open: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that were closed at once since too many stood.
    pub refused: u64,
    /// TLS handshakes that failed.
    pub handshakes: u64,
    /// Connections that were closed because the sender stopped in the middle of a message or a handshake.
    pub stalled: u64,
    /// Bytes of messages that have not ended yet.
    pub held: u64,
    /// Times the receiver had to wait for whoever takes the lines.
    pub waits: u64,
    /// Times a followed file was gone before all of it was read.
    pub gaps: u64,
    /// Errors of the operating system that it went on from.
    pub errors: u64,
    /// Receive buffer in bytes as granted; 0 where there is none.
    pub buffer: u64,
}

impl Counts {
    /// The numbers now.
    pub(super) fn read(&self, listener: &Arc<Listener>) -> Counters {
        Counters {
            listener: Arc::clone(listener),
            lines: self.lines.get(),
            bytes: self.bytes.get(),
            cut: self.cut.get(),
            drops: self.drops.get(),
            lies: self.lies.get(),
            open: self.open.get(),
            accepted: self.accepted.get(),
            refused: self.refused.get(),
            handshakes: self.handshakes.get(),
            stalled: self.stalled.get(),
            held: self.held.get(),
            waits: self.waits.get(),
            gaps: self.gaps.get(),
            errors: self.errors.get(),
            buffer: self.buffer.get(),
        }
    }
}
