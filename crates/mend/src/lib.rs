//! From what is said of devices to events, and from events to repairs. It decides what is an event and when
//! an event is settled, holds sessions on devices and runs remediations; it reads no syslog socket and writes
//! no SQL.
//!
//! Reading order: [`Said`] and [`Intake`]; [`repeats`]; [`Platform`], [`Endpoint`], [`session`]; [`script`].

mod endpoint;
mod intake;
mod platform;
mod repeat;
pub mod script;
pub mod session;

pub use endpoint::{Endpoint, EndpointError};
pub use intake::{Intake, Options, Remembered, Said, Turn};
pub use platform::{NotReading, Platform};
pub use repeat::repeats;
