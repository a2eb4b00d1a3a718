//! What the crate does against real kernel parts: sockets, namespaces, filters, resolvers. One binary.
//!
//! Tests that need a network namespace need `CAP_SYS_ADMIN` and `CAP_NET_ADMIN` and fail without them:
//! nothing is skipped in silence.

// The crate by the name that the rest of the workspace uses.
extern crate netmend_measure as measure;

mod bed;
mod bytes;
#[expect(unreachable_pub, reason = "the fuzz targets call them too")]
mod checks;
mod engine;
mod filters;
mod meraki;
mod names;
mod privileges;
mod snmp;
mod syslog;
mod trace;
mod vco;
