//! Lines on their way from a receiver to whoever reads them: many in one piece of memory, so that a line
//! costs no allocation.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use model::{LineRef, Listener, Position, UnixNs};

use super::framing::Piece;

/// Lines of one listener, in the order they came.
#[derive(Clone, Debug)]
pub struct Batch {
    listener: Arc<Listener>,
    at: UnixNs,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    position: Option<Position>,
}

#[derive(Clone, Debug)]
struct Span {
    start: u32,
    end: u32,
    cut: bool,
    glued: bool,
    peer: Option<SocketAddr>,
}

impl Batch {
    /// An empty batch.
    pub(super) fn new(listener: Arc<Listener>, at: UnixNs) -> Self {
        Self { listener, at, bytes: Vec::new(), spans: Vec::new(), position: None }
    }

    /// Copies one message out of a datagram.
    pub(super) fn push(&mut self, bytes: &[u8], peer: Option<SocketAddr>, glued: bool) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        let end = self.bytes.len() as u32;
        self.spans.push(Span { start, end, cut: false, glued, peer });
    }

    /// Takes the bytes of a stream over, in which `pieces` will be marked.
    pub(super) fn fill(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
    }

    /// Marks a message within the bytes.
    pub(super) fn mark(&mut self, piece: &Piece, peer: Option<SocketAddr>) {
        let Range { start, end } = piece.range;
        let (start, end) = (start as u32, end as u32);
        self.spans.push(Span { start, end, cut: piece.cut, glued: false, peer });
    }

    /// Says how far the file was read with this batch.
    pub(super) fn reach(&mut self, position: Position) {
        self.position = Some(position);
    }

    /// The bytes that were given to [`Batch::fill`].
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the lines came in.
    pub fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }

    /// When they were received.
    pub fn at(&self) -> UnixNs {
        self.at
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none: then the batch only tells a new [`Batch::position`].
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of memory it holds.
    pub fn size(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// How far the followed file has been read once these lines are stored; `None` for sockets. Store it
    /// in one transaction with what came of the lines.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The lines.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = LineRef<'_>> + Clone {
        self.spans.iter().map(|span| LineRef {
            bytes: &self.bytes[span.start as usize..span.end as usize],
            peer: span.peer,
            cut: span.cut,
            glued: span.glued,
            at: self.at,
        })
    }
}
