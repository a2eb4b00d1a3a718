//! Sessions as their users meet them: on a real OpenSSH server and on simulated devices.

mod devices;
mod lab_device;
mod linux;
mod sshd;
