//! What the detectors must do, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod golden;
mod inputs;
mod snapshot;
