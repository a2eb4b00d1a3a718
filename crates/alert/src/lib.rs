//! From judgements to messages that the right people get once. It judges no series (`detect` does), and
//! its state machine does no I/O and reads no clock: time is a parameter.
//!
//! Reading order: [`matching`] and [`calendar`], what labels and hours must be; [`route`], who is told;
//! [`engine`], the state machine; [`outbox`], the queue on disk between those who write messages and those
//! who deliver them; [`delivery`], which empties it; [`render`], what messages look like; [`channel`], the
//! ways out of the house. Beside them, a [`Letter`] is a report that is no alert.

pub mod calendar;
pub mod channel;
pub mod delivery;
pub mod engine;
mod letter;
pub mod matching;
pub mod outbox;
pub mod render;
pub mod route;

pub use engine::{
    CommandError, Counts, Engine, NewSilence, Reach, Saved, Settings, Signal, Watched,
};
pub use letter::Letter;
pub use outbox::{Attempt, Outbox, StateOutbox};
