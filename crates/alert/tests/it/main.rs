//! Messages as they arrive: real mail servers, real web servers, the real queue on disk. The state machine's
//! own tests lie beside it.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod curve;
mod delivery;
mod mail;
mod messages;
mod server;
mod services;
mod webhook;
