//! Sessions as their users meet them: on a real OpenSSH server and on simulated devices.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod devices;
mod kept;
mod lab_device;
mod linux;
mod logins;
mod sshd;
mod worker;
