//! Measures round-trip times: packet probes by ICMP echo and half-open TCP, and finished TCP handshakes
//! where privileges are missing. It must not store, judge or show anything, and reads no configuration.
//!
//! Reading order: [`Options`] and what is told back in `status`, [`names`], [`Prober`]; then what works
//! behind it.

#[cfg_attr(not(test), expect(dead_code, reason = "the planner that uses it lands next"))]
mod connect;
pub mod discover;
pub mod kernel;
#[expect(dead_code, reason = "the prober that uses it lands next")]
mod lane;
pub mod names;
mod prober;
pub mod resolve;
mod status;
pub mod wire;
#[expect(dead_code, reason = "the lanes that use it land next")]
mod work;

pub use names::{Resolve, ResolveError};
pub use prober::Prober;
pub use status::{Change, ChangeKind, Counters, Error, Options, TargetStatus};
