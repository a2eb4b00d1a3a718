//! Asks devices over SNMP for their interfaces, and hears their traps. Messages, users and keys are the
//! library's (`async_snmp`); what is asked, how often, and what it means is decided here. It must not store
//! or judge anything.
//!
//! Reading order: `session`, one device; [`Poller`], many of them; `table`, what comes in;
//! [`rates`](rates()), what two readings say; [`traps`].

mod error;
mod poller;
mod rates;
mod session;
mod table;
pub mod traps;

pub use error::SnmpError;
pub use poller::{PollCounters, Polled, Poller, ask_once};
pub use rates::rates;
pub use session::{Asked, check};
