//! Measures round-trip times: packet probes by ICMP echo and half-open TCP, and finished TCP handshakes
//! where privileges are missing; hears syslog ([`syslog`]); polls devices ([`snmp`]); asks orchestrators of SD-WANs ([`sdwan`], [`orchestrator`]). It must
//! not store, judge or show anything, and reads no configuration.
//!
//! Reading order: [`Options`] and what is told back in `status`, [`names`], [`Prober`]; then what works
//! behind it: `planner` decides who asks whom, `lane` is the state machine of packet probes, `drive` its
//! two threads, [`kernel`] the sockets, [`wire`] the packets, `connect` the probes without privileges.
//! Beside them, [`trace`] finds the path to a target.

mod connect;
pub mod discover;
mod drive;
pub mod kernel;
mod lane;
pub mod meraki;
pub mod names;
pub mod orchestrator;
mod pace;
mod planner;
mod prober;
mod reprobe;
pub mod resolve;
pub mod sdwan;
pub mod snmp;
mod status;
pub mod syslog;
pub mod trace;
pub mod vco;
pub mod wire;
mod work;

pub use names::{Resolve, ResolveError};
pub use prober::Prober;
pub use status::{Change, ChangeKind, Counters, Error, Options, Spread, TargetStatus};
