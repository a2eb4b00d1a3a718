//! From what is said of devices to events, and from events to repairs. It decides what is an event and when
//! an event is settled, holds sessions on devices and runs remediations; it reads no syslog socket and writes
//! no SQL.
//!
//! Reading order: [`Said`] and [`Intake`]; [`Platform`], [`Endpoint`], [`session`]; [`script`]; [`queue`] and
//! [`guard`], what becomes of an event; [`worker`] and [`proof`], a run.

mod endpoint;
pub mod guard;
mod intake;
mod platform;
pub mod proof;
pub mod queue;
pub mod script;
pub mod session;
pub mod worker;

pub use endpoint::{Endpoint, EndpointError};
pub use intake::{Intake, Options, Remembered, Said, Turn};
pub use platform::{NotReading, Platform};
