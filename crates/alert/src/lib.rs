//! From judgements to messages that the right people get once. It judges no series (`detect` does), and
//! its state machine does no I/O and reads no clock: time is a parameter.
//!
//! Reading order: [`outbox`], the queue on disk between those who write messages and those who deliver
//! them; [`delivery`], which empties it; [`render`], what messages look like; [`channel`], the ways out of
//! the house.

pub mod channel;
pub mod delivery;
pub mod outbox;
pub mod render;

pub use outbox::{Attempt, Outbox, StateOutbox};
