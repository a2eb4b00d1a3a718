//! A TUN device: IP packets that the kernel routes to it are read here, and what is written here arrives
//! from it. Bytes only; it must not look into the packets.
#![expect(unsafe_code, reason = "the kernel offers TUN devices through ioctl alone")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

/// Where the kernel hands out TUN devices.
const DEVICE: &str = "/dev/net/tun";

/// An open TUN device. It vanishes when this is dropped.
#[derive(Debug)]
pub(crate) struct Tun {
    file: File,
}

impl Tun {
    /// Creates the device `name` in the network namespace of this thread. Needs `CAP_NET_ADMIN`.
    pub(crate) fn create(name: &str) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(DEVICE)?;
        // SAFETY: `ifreq` is plain old data, for which all zeroes are valid.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // The last byte stays zero: the name ends there.
        if name.is_empty() || name.len() >= request.ifr_name.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a device name has 1 to 15 bytes",
            ));
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
        // SAFETY: the descriptor is open, and TUNSETIFF reads and writes one `ifreq`.
        let done = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { file })
    }

    /// Reads one packet; `None` if there is none.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match (&self.file).read(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes one packet.
    pub(crate) fn write(&self, packet: &[u8]) -> io::Result<()> {
        (&self.file).write(packet).map(drop)
    }

    /// Waits until there is a packet, or for so long. Signals end the wait too.
    pub(crate) fn wait(&self, at_most: Duration) {
        let mut descriptor =
            libc::pollfd { fd: self.file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let timeout = libc::timespec {
            tv_sec: at_most.as_secs().cast_signed(),
            tv_nsec: i64::from(at_most.subsec_nanos()),
        };
        // SAFETY: both structures outlive the call, which takes one `pollfd` and no signal mask. Its
        // result is of no interest: whatever ended the wait, the caller looks for itself.
        unsafe { libc::ppoll(&raw mut descriptor, 1, &raw const timeout, std::ptr::null()) };
    }
}

/// Makes this thread run before all normal ones, and keeps the memory of the process from being paged
/// out. Needs `CAP_SYS_NICE` and `CAP_IPC_LOCK`.
pub(crate) fn become_real_time(priority: i32) -> io::Result<()> {
    // SAFETY: it is plain numbers, of which musl's has some more.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = priority;
    // SAFETY: the parameters outlive the call. musl refuses the call for processes, `sched_setscheduler`.
    let refused = unsafe {
        libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &raw const parameters)
    };
    if refused != 0 {
        return Err(io::Error::from_raw_os_error(refused));
    }
    // SAFETY: takes flags alone.
    if unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Lets the waits of this thread end on time: the kernel otherwise adds up to 50 us to save power.
pub(crate) fn wake_punctually() {
    // SAFETY: sets a number of this thread; the other arguments are unused.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0) };
}
