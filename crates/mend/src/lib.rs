//! From what is said of devices to events, and later from events to repairs. It decides what is an event and
//! when an event is settled; it opens no session, reads no socket and keeps nothing but what it must
//! remember to tell a fault that flaps.
//!
//! Reading order: [`Said`] and [`Intake`]; [`repeats`].

mod intake;
mod repeat;

pub use intake::{Intake, Options, Said, Turn};
pub use repeat::repeats;
