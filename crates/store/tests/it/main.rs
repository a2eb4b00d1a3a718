//! What a user of the store can rely on, asked through its two seams on real files.

#![expect(clippy::unwrap_used, reason = "a failed helper of a test is a failed test")]

mod backup;
mod crash;
mod faults;
mod samples;
mod sinks;
mod support;
